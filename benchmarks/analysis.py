"""How fast we analyse, beside independent programs: python benchmarks/analysis.py [--atoms 5000 20000] [--frames 100].

Everything reads the same XTC file (benchmarks/liquid.py) and is timed whole, reading included, in turns so that all
suffer alike from other work on the machine. Prints a table in Markdown: of each task the median of the turns and their
range, in seconds, how many times as long it takes as ours, and the processor time of all threads. Needs the extra
`peers`; mdtraj is timed too where it is installed, and the MSD of MDAnalysis where tidynamics is, which it needs.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import freud
import MDAnalysis
import numpy as np
import scipp
from kinisi.analyze import DiffusionAnalyzer
from liquid import made
from MDAnalysis.analysis.msd import EinsteinMSD
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.lib.distances import capped_distance
from solvation_analysis.residence import Residence
from solvation_analysis.solute import Solute

from mdstudy.analysis.shells import FirstShell
from mdstudy.analysis.trajectory import Trajectory, from_universe
from mdstudy.observables.clusters import IonClusters
from mdstudy.observables.diffusion import SelfDiffusion
from mdstudy.observables.rdf import RadialDistribution
from mdstudy.observables.residence import ResidenceTimes
from mdstudy.observables.shell import SolvationShell
from mdstudy.observables.speciation import Speciation
from mdstudy.observables.structure_factor import StructureFactor
from mdstudy.study.measure import measure, standard_observables

R_MAX, CUTOFF = 1.2, 0.31  # nm
DONORS, SETS = ("FSI.O", "TTE.O"), {"FSI.O": "resname FSI and name O*", "TTE.O": "resname TTE and name O1"}
OURS = "mdstudy"
Task = Callable[[], object]


def structure_of_others(universe: MDAnalysis.Universe) -> dict[tuple[str, str], Task]:
    """Distributions and shells, by what is computed and by which program."""
    lithium = universe.select_atoms("resname LI")
    around = {name: universe.select_atoms(words) for name, words in SETS.items()}
    cation, anion = (universe.select_atoms(f"resname {name} and name N1") for name in ("P13", "FSI"))

    def rdf_freud(first: object, others: list[object]) -> None:
        for other in others:
            histogram = freud.density.RDF(bins=300, r_max=10 * R_MAX)
            for frame in universe.trajectory:
                box = freud.box.Box.from_box(frame.dimensions[:3])
                histogram.compute((box, other.positions), query_points=first.positions, reset=False)  # type: ignore[attr-defined]

    def rdf_mdanalysis(first: object, others: list[object]) -> None:
        for other in others:
            InterRDF(first, other, nbins=300, range=(0.0, 10 * R_MAX)).run()

    def bare() -> None:
        for frame in universe.trajectory:
            for other in around.values():
                capped_distance(lithium.positions, other.positions, 10 * CUTOFF, box=frame.dimensions)

    def solute() -> Solute:
        sets = {name.partition(".")[0]: atoms for name, atoms in around.items()}
        found = Solute.from_atoms(lithium, sets, radii={name: 10 * CUTOFF for name in sets})
        found.run()
        return found

    each, ions = list(around.values()), [cation, anion]
    tasks: dict[tuple[str, str], Task] = {
        ("g(r) Li-O of FSI and TTE", "freud"): lambda: rdf_freud(lithium, each),
        ("g(r) Li-O of FSI and TTE", "MDAnalysis"): lambda: rdf_mdanalysis(lithium, each),
        ("g(r) N-N of Pyr13 and FSI", "freud"): lambda: rdf_freud(cation, ions),
        ("g(r) N-N of Pyr13 and FSI", "MDAnalysis"): lambda: rdf_mdanalysis(cation, ions),
        ("first shells of Li", "capped_distance alone"): bare,
        ("first shells of Li", "solvation-analysis"): solute,
        ("residence times in shells of Li", "solvation-analysis"): lambda: Residence.from_solute(solute()),
    }
    if importlib.util.find_spec("mdtraj"):
        tasks |= {
            ("g(r) Li-O of FSI and TTE", "mdtraj"): rdf_mdtraj(universe, lithium, each),
            ("g(r) N-N of Pyr13 and FSI", "mdtraj"): rdf_mdtraj(universe, cation, ions),
        }
    return tasks


def rdf_mdtraj(universe: MDAnalysis.Universe, first: object, others: list[object]) -> Task:
    """Distributions by mdtraj, which takes a list of pairs and the whole trajectory in memory."""
    import mdtraj

    top = mdtraj.Topology()
    chain = top.add_chain()
    for residue in universe.residues:
        place = top.add_residue(residue.resname, chain)
        for atom in residue.atoms:
            top.add_atom(atom.name, mdtraj.element.get_by_symbol(atom.type), place)
    pairs = [np.array([(i, j) for i in first.indices for j in o.indices if i != j]) for o in others]  # type: ignore[attr-defined]

    def run() -> None:
        frames = mdtraj.load_xtc(universe.trajectory.filename, top)
        for some in pairs:
            mdtraj.compute_rdf(frames, some, r_range=(0.0, R_MAX), n_bins=300)

    return run


def motion_of_others(universe: MDAnalysis.Universe) -> dict[tuple[str, str], Task]:
    """Displacement of Li; freud and MDAnalysis take coordinates as they are stored, kinisi unwraps them."""
    lithium = universe.select_atoms("resname LI")

    def msd_freud() -> None:
        paths = np.stack([lithium.positions for _ in universe.trajectory])
        freud.msd.MSD(mode="window").compute(paths)

    def msd_kinisi() -> None:
        step = scipp.scalar(10.0, unit="ps")
        found = DiffusionAnalyzer.from_universe(
            universe, specie="Li", time_step=step, step_skip=scipp.scalar(1), progress=False
        )
        found.diffusion(scipp.scalar(100.0, unit="ps"), progress=False)

    tasks: dict[tuple[str, str], Task] = {
        ("MSD of Li", "freud"): msd_freud,
        ("MSD and D of Li with its error", "kinisi"): msd_kinisi,
    }
    if importlib.util.find_spec("tidynamics"):
        tasks["MSD of Li", "MDAnalysis"] = EinsteinMSD(universe, select="resname LI", fft=True).run
    return tasks


def ours(universe: MDAnalysis.Universe) -> dict[tuple[str, str], Task]:
    """The same by this package, and more than others have."""
    torn = from_universe(universe, charge_scale=0.8)
    whole = replace(torn, tree=None)  # as in our own runs: nothing to join
    shell = FirstShell("Li", DONORS)

    def timed(*observables: object, trajectory: Trajectory = whole) -> Task:
        return lambda: measure(trajectory, observables)  # type: ignore[arg-type]

    kinds = (SolvationShell, Speciation, IonClusters)
    diffusion = timed(SelfDiffusion(("Li",)))
    return {
        ("reading", OURS): timed(),
        ("reading, molecules made whole", OURS): timed(trajectory=torn),
        ("g(r) Li-O of FSI and TTE", OURS): timed(RadialDistribution("Li", DONORS)),
        ("g(r) N-N of Pyr13 and FSI", OURS): timed(RadialDistribution("Pyr13.N", ("Pyr13.N", "FSI.N"))),
        ("first shells of Li", OURS): timed(SolvationShell(shell)),
        ("residence times in shells of Li", OURS): timed(ResidenceTimes(shell)),
        ("MSD of Li", OURS): diffusion,
        ("MSD and D of Li with its error", OURS): diffusion,
        ("shells, speciation, clusters", OURS): timed(*(kind(shell) for kind in kinds)),
        ("structure factors, 28 partials", OURS): timed(StructureFactor()),
        ("all of a report", OURS): timed(*standard_observables(whole.sites, 298.15)),
        ("all of a report but structure factors", OURS): timed(
            *(one for one in standard_observables(whole.sites, 298.15) if not isinstance(one, StructureFactor))
        ),
    }


def tasks_on(universe: MDAnalysis.Universe) -> dict[tuple[str, str], Task]:
    """All that is timed; each program's share of a task after ours."""

    def reading() -> None:
        for _ in universe.trajectory:
            pass

    found = ours(universe)
    order = [("reading", "MDAnalysis"), *found]
    others = {("reading", "MDAnalysis"): reading, **structure_of_others(universe), **motion_of_others(universe)}
    everything = {**found, **others}
    for key in others:
        if key not in order:
            order.insert(max(k for k, known in enumerate(order) if known[0] == key[0]) + 1, key)
    return {key: everything[key] for key in order}


def main() -> None:
    """Time everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0] if __doc__ else None)
    parser.add_argument("--atoms", type=int, nargs="+", default=[5000, 20000])
    parser.add_argument("--frames", type=int, default=100)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    spent: dict[tuple[str, str], dict[int, list[tuple[float, float]]]] = {}  # seconds of the clock, of the processor
    with tempfile.TemporaryDirectory() as folder:
        for n_atoms in asked.atoms:
            timed = tasks_on(made(Path(folder), n_atoms, asked.frames))
            for turn in range(asked.turns + 1):  # the first turn compiles and is not counted
                for key, work in timed.items():
                    start = time.perf_counter(), time.process_time()
                    work()
                    if turn:
                        took = time.perf_counter() - start[0], time.process_time() - start[1]
                        spent.setdefault(key, {}).setdefault(n_atoms, []).append(took)
    head = "".join(f" {n:,} atoms, s | times ours | processor, s | times ours |" for n in asked.atoms)
    lines = [f"| {asked.frames} frames | program |{head}", "|---|---|" + "---|" * 4 * len(asked.atoms)]
    for (what, who), by_size in spent.items():
        cells = []
        for n_atoms, took in by_size.items():
            wall, work = (list(times) for times in zip(*took, strict=True))
            beside = spent.get((what, OURS), {}).get(n_atoms) if who != OURS else None
            ratios = ["", ""]
            if beside:
                medians = [statistics.median(times) for times in zip(*beside, strict=True)]
                ratios = [f"{statistics.median(x) / y:.1f}" for x, y in zip((wall, work), medians, strict=True)]
            cells.append(
                f" {statistics.median(wall):.2f} ({min(wall):.2f} to {max(wall):.2f}) | {ratios[0]} |"
                f" {statistics.median(work):.2f} | {ratios[1]} |"
            )
        lines.append(f"| {what} | {who} |" + "".join(cells))
    lines.append(f"\nLoad average {os.getloadavg()[1]:.1f} on {len(os.sched_getaffinity(0))} cores.")
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
