"""One pass over a trajectory, all observables: who reads, who reduces, who finishes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import fields, is_dataclass
from functools import cache
from typing import Any

from mdstudy.analysis.attribution import attribute, compare_halves, lacks_drift, origin
from mdstudy.analysis.frames import Observable, Series, Sites, Sums, Tallied, Tally
from mdstudy.analysis.shells import FirstShell
from mdstudy.analysis.trajectory import Trajectory, from_universe
from mdstudy.base.errors import SpecError, TrajectoryError
from mdstudy.base.pace import Progress
from mdstudy.base.provenance import code_hash, versions
from mdstudy.base.results import Estimate, Measurement
from mdstudy.observables.angles import ShellAngles
from mdstudy.observables.cluster_lifetime import ClusterLifetime
from mdstudy.observables.clusters import IonClusters
from mdstudy.observables.conductivity import EinsteinHelfand
from mdstudy.observables.diffusion import SelfDiffusion
from mdstudy.observables.finite_size import InfiniteDiffusion
from mdstudy.observables.molecular_volume import MolecularVolume
from mdstudy.observables.nernst_einstein import NernstEinstein
from mdstudy.observables.onsager import OnsagerCoefficients
from mdstudy.observables.rdf import RadialDistribution
from mdstudy.observables.residence import ResidenceTimes
from mdstudy.observables.segmental_motion import SegmentalMotion
from mdstudy.observables.shell import SolvationShell
from mdstudy.observables.spatial_density import SpatialDensity
from mdstudy.observables.speciation import Speciation
from mdstudy.observables.structure_factor import StructureFactor
from mdstudy.observables.transference import Transference
from mdstudy.observables.transport_mechanism import TransportMechanism
from mdstudy.observables.van_hove import SelfVanHove
from mdstudy.observables.van_hove_distinct import DistinctVanHove

#: Parts of a trajectory, the samples of a jackknife.
BLOCKS = 10
#: Bytes that a pass may take, and the share of them for what is kept of single frames; the rest is for finishing it.
MEMORY, KEPT = 2**30, 1 / 6

#: The ion that the mission is about, what may donate to it, and what else is looked for around it.
ION = "Li"
_POLYMER = ("PMMA.O_carbonyl", "PMMA.O_ester", "PEGDMA.O_ether", "PEGDMA.O_carbonyl", "PEGDMA.O_ester")
DONORS = ("FSI.O", "TTE.O", *_POLYMER, "MMA.O_carbonyl", "MIB.O_carbonyl")
ANION_DONOR, ANION_CENTRE, ANION_APEX = "FSI.O", "FSI.S", "FSI.N"
AROUND = (*DONORS, "FSI.N", "FSI.F", "TTE.F", "Li", "Pyr13.N")
#: What is looked for in space around an anion, and around an ion that an anion holds.
SPACE = (("", (ION, "Pyr13.N", "TTE.O")), (ION, ("FSI.O", "TTE.O", "PMMA.O_carbonyl")))
#: Sites of a repeat unit whose motion shows that of the polymer.
SEGMENTS = (("PMMA.O_carbonyl", "PMMA.O_ester"),)
#: What a gel is made of: the frame of reference that its electrodes see.
MATRIX = ("PMMA",)
#: Pairs of centres that show how the liquid is ordered beyond the ion.
LIQUID = (("Pyr13.N", ("FSI.N", "TTE.O", "Pyr13.N")), ("TTE.O", ("TTE.O",)))


def standard_observables(sites: Sites, temperature: float, viscosity: Estimate | None = None) -> list[Observable]:
    """All that a report shows of a trajectory with these sites.

    Parameters
    ----------
    sites : Sites
    temperature : float
        K.
    viscosity : Estimate, optional
        Shear viscosity from the log of the same run, mPa s: for self-diffusion in an infinite liquid.
    """
    chosen: list[Observable] = []
    if sites.present([ION]) and sites.present(DONORS):
        shell = FirstShell(ION, DONORS, AROUND)
        chosen += [RadialDistribution(ION, AROUND, temperature=temperature), SolvationShell(shell)]
        if sites.present([ANION_DONOR]):
            chosen += [Speciation(shell), IonClusters(shell), ClusterLifetime(shell)]
        if sites.present([ANION_DONOR]) and sites.present([ANION_CENTRE]):
            chosen.append(ShellAngles(shell, ANION_DONOR, ANION_CENTRE))
            if sites.present([ANION_APEX]):
                chosen += [SpatialDensity(others, ANION_APEX, ANION_CENTRE, every=10, ion=ion) for ion, others in SPACE]
        chosen += [ResidenceTimes(shell), TransportMechanism(shell), DistinctVanHove(ION, (ANION_APEX, ION))]
    chosen += [RadialDistribution(site, others) for site, others in LIQUID if sites.present([site])]
    chosen += [StructureFactor(), MolecularVolume(), SelfDiffusion(), SelfVanHove()]
    chosen += [SegmentalMotion(*pair) for pair in SEGMENTS if sites.present(pair) == pair]
    if viscosity is not None and viscosity.value > 0:
        known = viscosity.converged
        how, error = ("of this run", viscosity.error) if known else ("of this run, not converged", math.nan)
        chosen.append(InfiniteDiffusion(temperature, viscosity.value, error, how, same_run=True))
    if any(sites.formal_charge.get(name) for name in sites.species):
        frames = reference_frames(sites)
        chosen += [NernstEinstein(temperature), EinsteinHelfand(temperature), OnsagerCoefficients(temperature, frames)]
        if sites.formal_charge.get(ION) and ION in sites.species:
            chosen.append(Transference(ION, frames))
    return chosen


def reference_frames(sites: Sites) -> tuple[str, ...]:
    """Frames of reference of a report: barycentric, volume-fixed, and fixed on the polymer or else on the solvent."""
    neutral = [name for name in sites.species if not sites.formal_charge.get(name)]
    neutral.sort(key=lambda name: name not in MATRIX)
    return ("barycentric", "volume-fixed", *(f"{name}-fixed" for name in neutral[:1]))


def measure(
    trajectory: Trajectory,
    observables: Sequence[Observable],
    progress: Progress | None = None,
    halves: bool = False,
    memory: float = MEMORY,
) -> list[Measurement]:
    """Measure observables in one pass; tallies that observables share are made once.

    What adds up (distances, angles, waves) is counted in all frames. What is followed in time (centres of mass, who is
    next to whom) is kept of each frame; where all of that would not fit the memory, of every second, third, ... frame,
    as many as do. Molecules are followed through all frames in any case. The numbers say so (``why()``).

    Parameters
    ----------
    trajectory : Trajectory
        Of :func:`mdstudy.analysis.trajectory.open_run` or :func:`mdstudy.analysis.trajectory.from_universe`.
    observables : sequence of Observable
    progress : callable, optional
        Called with the fraction of frames done and a word.
    halves : bool
        Also finish each half of the frames by itself and state the drift between them of numbers that state none.
    memory : float
        Bytes that may be taken, about; twenty frames are kept in any case.

    Returns
    -------
    list of Measurement
        In the order of `observables`.

    Raises
    ------
    SpecError
        A number of a recipe is not positive.
    TrajectoryError
        What an observable needs is not there, or the trajectory cannot be analysed as it stands.
    """
    for observable in observables:
        _require_positive(observable)
    sites = trajectory.sites
    if trajectory.n_frames == 0:
        raise TrajectoryError(f"{trajectory.source}: no frames")
    n_parts = min(BLOCKS, trajectory.n_frames)
    tallies = list(dict.fromkeys(tally for observable in observables for tally in observable.tallies(sites)))
    sums: dict[Tally, dict[int, Sums]] = {tally: {} for tally in tallies}
    series: dict[Tally, list[tuple[int, Series]]] = {tally: [] for tally in tallies}
    done, stride, times = 0, 1, (math.nan, math.nan)
    for part, block in trajectory.blocks(n_parts):
        times = float(block.times[0] if done == 0 else times[0]), float(block.times[-1])
        made: dict[Tally, Sums | Series] = {}
        if done == 0:
            made = {tally: tally(block, sites) for tally in tallies}
            stride = _stride(made, block.n_frames, trajectory.n_frames, memory)
            if stride > 1:
                made = {tally: one for tally, one in made.items() if isinstance(one, Sums)}
        kept = block.every(stride)
        for tally in tallies:
            followed = done == 0 or series[tally]
            reduced = made[tally] if tally in made else tally(kept if followed else block, sites)
            if isinstance(reduced, Series):
                series[tally].append((part, reduced))
            else:
                sums[tally][part] = sums[tally][part] + reduced if part in sums[tally] else reduced
        done += block.n_frames
        if progress is not None:
            progress(done / trajectory.n_frames, f"{done} of {trajectory.n_frames} frames")

    def finish(chosen: Sequence[Observable], parts: range) -> list[Measurement]:
        tallied = Tallied(
            {
                tally: [
                    *(one for part, one in series[tally] if part in parts),
                    *(one for part, one in sums[tally].items() if part in parts),
                ]
                for tally in tallies
            }
        )
        return [observable.finish(tallied, sites) for observable in chosen]

    found = finish(observables, range(n_parts))
    if halves and n_parts == BLOCKS:
        open_ones = [k for k, one in enumerate(found) if lacks_drift(one)]
        chosen = [observables[k] for k in open_ones]
        first, second = finish(chosen, range(n_parts // 2)), finish(chosen, range(n_parts // 2, n_parts))
        for k, a, b in zip(open_ones, first, second, strict=True):
            found[k] = compare_halves(found[k], a, b)
    where = trajectory.source, times, trajectory.n_frames, stride, trajectory.model, code_text()
    return attribute(found, [origin(one, *where) for one in observables])


def _require_positive(recipe: Any) -> None:
    """Lengths, temperatures and counts of a recipe and of the recipes in it; seeds and errors may be anything."""
    for field in fields(recipe) if is_dataclass(recipe) else ():
        value = getattr(recipe, field.name)
        _require_positive(value)
        free = isinstance(value, bool) or field.name == "seed" or field.name.endswith("_error")
        if isinstance(value, int | float) and not free and not 0 < value < math.inf:
            raise SpecError(f"{type(recipe).__name__}: {field.name} = {value:g} is not positive and finite")


def _stride(made: Mapping[Tally, Sums | Series], frames: int, of: int, memory: float) -> int:
    """Each how many-th of all frames may be kept, from what some frames take."""
    size = sum(one.size for one in made.values() if isinstance(one, Series)) / frames
    return max(1, min(math.ceil(size * of / (KEPT * memory)), of // (2 * BLOCKS)))


@cache
def code_text() -> str:
    """Version and hash of the code that measures, as it was when first asked for."""
    return f"mdstudy {versions()['mdstudy']}, code {code_hash(__name__)[:12]}"


def observe(universe: Any, observable: Observable, groups: Mapping[str, str] | None = None, **who: Any) -> Measurement:
    """Measure one observable on an MDAnalysis Universe, whichever program made its trajectory.

    Parameters
    ----------
    universe : MDAnalysis.Universe
    observable : Observable
        For example ``SelfDiffusion()``.
    groups : mapping of str to str, optional
        Sites by selection, such as ``{"Li": "name LI"}``.
    **who
        Further arguments of :func:`mdstudy.analysis.trajectory.from_universe`.

    Returns
    -------
    Measurement
        Draws itself (``.plot()``) and says how it was made (``.why()``, also of each estimate and curve).

    Raises
    ------
    TrajectoryError
        As :func:`mdstudy.analysis.trajectory.from_universe` and :func:`measure`.
    """
    return measure(from_universe(universe, groups, **who), [observable], halves=True)[0]
