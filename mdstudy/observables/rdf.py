"""Radial distribution functions and what is read off them: first peak, first minimum, coordination number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from mdstudy.displacement import travel
from mdstudy.errors import TrajectoryError
from mdstudy.frames import Block, Centres, Sites, Sums, Tallied, Tally
from mdstudy.neighbours import histogram
from mdstudy.results import Curve, Estimate, Measurement, Quantity
from mdstudy.statistics import halves_apart, jackknife

#: Width of the Gaussian that smooths g(r) before extrema are looked for, nm.
SMOOTHING = 0.006
#: A first peak rises at least this far above what surrounds it, in units of g.
PROMINENCE = 0.3
#: The first minimum is the middle of where g is within this share of the peak from its lowest value.
FLAT = 0.01
#: Change of the cutoff for which the change of a coordination number is stated, nm.
SENSITIVITY = 0.02
#: Neighbours count as exchanged when both species have moved this far, root mean square, in half the run, nm.
TRAVEL = 1.0
#: Largest difference between the halves of a run, in standard errors, that still counts as none.
HALVES = 2.5


@dataclass(frozen=True)
class PairHistogram:
    """Tally: distances from the atoms of one site to those of others, in other molecules.

    Attributes
    ----------
    reference : str
        Site at the centre.
    others : tuple of str
        Sites around it.
    r_max, width : float
        Range and bin width, nm.
    """

    reference: str
    others: tuple[str, ...]
    r_max: float = 1.2
    width: float = 0.004

    @property
    def edges(self) -> NDArray[np.float64]:
        """(n_bins + 1,) float array, nm."""
        return np.asarray(np.arange(round(self.r_max / self.width) + 1) * self.width, dtype=float)

    def __call__(self, block: Block, sites: Sites) -> Sums:
        """Count pairs by distance, and the pairs that an ideal gas of the same density would have a nm^3."""
        half = float(block.boxes[:, :3].min()) / 2
        if self.r_max > half:
            raise TrajectoryError(
                f"radial distribution up to {self.r_max} nm needs a box of {2 * self.r_max} nm; this has {2 * half:.2f}"
            )
        centre = sites.atoms(self.reference)
        groups = [sites.atoms(name) for name in self.others]
        label = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        counts = histogram(
            block.positions,
            block.matrices,
            centre,
            np.concatenate(groups),
            label,
            sites.molecule_of,
            self.r_max,
            (len(groups), len(self.edges) - 1),
        )
        molecules = np.bincount(sites.molecule_of[centre], minlength=sites.n_molecules)
        pairs = [len(centre) * len(g) - int(molecules[sites.molecule_of[g]].sum()) for g in groups]
        return Sums(
            block.n_frames,
            {
                "counts": counts.astype(float),
                "density": np.array(pairs, dtype=float) * float(np.sum(1 / block.volumes)),
            },
        )

    def distribution(self, parts: Sequence[Sums]) -> NDArray[np.float64]:
        """g(r) of each site around the reference.

        Returns
        -------
        (n_others, n_bins) float array
        """
        total = reduce(add, parts)
        shells = 4 / 3 * np.pi * np.diff(self.edges**3)
        ideal = total.arrays["density"][:, None] * shells
        return np.asarray(np.divide(total.arrays["counts"], ideal, out=np.zeros_like(ideal), where=ideal > 0))

    def coordination(self, parts: Sequence[Sums], n_reference: int) -> NDArray[np.float64]:
        """Running coordination number, at the outer edge of each bin.

        Returns
        -------
        (n_others, n_bins) float array
        """
        total = reduce(add, parts)
        return np.asarray(np.cumsum(total.arrays["counts"], axis=1) / (total.n_frames * n_reference))


def first_shell(r: NDArray[np.float64], g: NDArray[np.float64]) -> tuple[float, float, float]:
    """First peak and first minimum of a radial distribution function.

    g is smoothed by a Gaussian (:data:`SMOOTHING`). The first peak is the first maximum that stands out by
    :data:`PROMINENCE`; the minimum is the middle of the flat bottom between it and the next one, so that it does not
    depend on the noise of empty bins.

    Parameters
    ----------
    r, g : (n,) float arrays
        Middles of bins, nm, and the distribution.

    Returns
    -------
    peak, height, minimum : float
        nm, 1, nm; NaN where there is no such peak.
    """
    smooth = gaussian_filter1d(g, SMOOTHING / (r[1] - r[0]))
    peaks, _ = find_peaks(smooth, prominence=PROMINENCE)
    if len(peaks) == 0:
        return math.nan, math.nan, math.nan
    first = int(peaks[0])
    end = int(peaks[1]) if len(peaks) > 1 else len(r)
    valley = smooth[first:end]
    lowest = int(np.argmin(valley))
    flat = valley <= valley[lowest] + FLAT * smooth[first]
    left = lowest - int(np.argmin(flat[lowest::-1])) + 1 if not flat[: lowest + 1].all() else 0
    right = lowest + int(np.argmin(flat[lowest:])) - 1 if not flat[lowest:].all() else len(valley) - 1
    return float(r[first]), float(smooth[first]), float((r[first + left] + r[first + right]) / 2)


@dataclass(frozen=True)
class RadialDistribution:
    """Radial distribution functions g(r) around one site, with running coordination numbers.

    g(r) = <n(r)> / (rho 4 pi r^2 dr) over pairs in different molecules; the coordination number is the integral of
    rho g(r) 4 pi r^2 to the first minimum (Allen and Tildesley, Computer Simulation of Liquids, 2nd ed., section 2.6,
    doi 10.1093/oso/9780198803195.001.0001). Errors are those of a jackknife over blocks of the trajectory, which must
    be longer than neighbours take to exchange; where they are not the errors are too small and the verdict says so.

    Attributes
    ----------
    reference : str
        Site at the centre.
    others : tuple of str
        Sites around it; those with no atoms are left out.
    r_max, width : float
        nm.
    """

    reference: str
    others: tuple[str, ...]
    r_max: float = 1.2
    width: float = 0.004

    name: ClassVar[str] = "radial_distribution"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("radial_distribution", "1", "Density of a site around another over its mean density."),
        Quantity("running_coordination_number", "1", "Mean number of atoms of a site within a distance of another."),
        Quantity("first_peak_distance", "nm", "Distance of the first maximum of g(r)."),
        Quantity("first_peak_height", "1", "Height of the first maximum of g(r)."),
        Quantity("first_minimum_distance", "nm", "Distance of the first minimum of g(r), the edge of the first shell."),
        Quantity("coordination_number", "1", "Mean number of atoms of a site in the first shell of another."),
    )

    def histogram(self, sites: Sites) -> PairHistogram:
        """The tally, with the sites that are there."""
        return PairHistogram(self.reference, sites.present(self.others), self.r_max, self.width)

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """One histogram of all pairs, and the centres for the verdict."""
        return (self.histogram(sites), Centres())

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Normalise, integrate, find the first shell of each pair and judge whether neighbours have exchanged."""
        tally = self.histogram(sites)
        parts = tallied.sums(tally)
        centres = tallied.series(Centres()).arrays["centres"]
        n_reference = len(sites.atoms(self.reference))
        r = (tally.edges[1:] + tally.edges[:-1]) / 2
        g, g_error = jackknife(parts, tally.distribution)
        running, running_error = jackknife(parts, lambda some: tally.coordination(some, n_reference))
        curves: list[Curve] = []
        estimates: list[Estimate] = []
        for k, other in enumerate(tally.others):
            pair = f"{self.reference}-{other}"
            curves += [
                Curve("radial_distribution", pair, r, g[k], g_error[k], "r", "nm", "1"),
                Curve(
                    "running_coordination_number", pair, tally.edges[1:], running[k], running_error[k], "r", "nm", "1"
                ),
            ]
            moved = min(travel(centres[:, sites.molecules(site)]) for site in (self.reference, other))
            estimates += _shell(pair, k, tally, parts, n_reference, moved)
        return Measurement(self.name, tuple(estimates), tuple(curves))


def _shell(
    pair: str, k: int, tally: PairHistogram, parts: Sequence[Sums], n_reference: int, moved: float
) -> list[Estimate]:
    """Peak, minimum and coordination number of one pair."""
    r = (tally.edges[1:] + tally.edges[:-1]) / 2

    def read(some: Sequence[Sums]) -> NDArray[np.float64]:
        peak, height, minimum = first_shell(r, tally.distribution(some)[k])
        running = tally.coordination(some, n_reference)[k]
        return np.array([peak, height, minimum, np.interp(minimum, tally.edges[1:], running)])

    values, errors = jackknife(parts, read)
    method = f"g(r) over {sum(p.n_frames for p in parts)} frames, jackknife over {len(parts)} blocks"
    columns = (
        ("first_peak_distance", "nm"),
        ("first_peak_height", "1"),
        ("first_minimum_distance", "nm"),
        ("coordination_number", "1"),
    )
    apart = halves_apart(parts, read)
    stationary = bool(np.all(apart < HALVES))  # false where the errors are not known
    notes = []
    if math.isnan(values[0]):
        notes.append(f"no first shell: g(r) has no maximum that stands out by {PROMINENCE}")
    elif not stationary:
        notes.append(f"halves of the run differ by {np.max(apart):.1f} standard errors")
    if moved < TRAVEL:
        notes.append(f"molecules moved {moved:.2f} nm in half the run: neighbours have not exchanged")
    made = []
    for (name, unit), value, error in zip(columns, values, errors, strict=True):
        own = list(notes)
        if name == "coordination_number" and not math.isnan(value):
            running = tally.coordination(parts, n_reference)[k]
            less, more = np.interp([values[2] - SENSITIVITY, values[2] + SENSITIVITY], tally.edges[1:], running)
            own.insert(0, f"{less:.3g} to {more:.3g} for a cutoff of {values[2]:.3f} -+ {SENSITIVITY} nm")
        converged = moved >= TRAVEL and stationary
        made.append(Estimate(name, pair, value, error, unit, method, len(parts), converged, "; ".join(own)))
    return made
