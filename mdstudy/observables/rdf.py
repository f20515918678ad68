"""Radial distribution functions and what is read off them: first peak, first minimum, coordination number."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.displacement import travel
from mdstudy.analysis.frames import Centres, Sites, Sums, Tallied, Tally
from mdstudy.analysis.pairs import PROMINENCE, PairHistogram, first_shell
from mdstudy.analysis.shells import SENSITIVITY, species_of
from mdstudy.analysis.verdicts import halves_differ, not_exchanged
from mdstudy.base.results import Curve, Estimate, Measurement, Quantity
from mdstudy.base.statistics import halves_apart, jackknife
from mdstudy.base.units import GAS_CONSTANT

#: Standard error of the first minimum beyond which it is the edge of nothing, nm.
BLURRED = 0.05
#: Distances for which the number of neighbours is told where there is no shell, nm.
SHOWN = (0.3, 0.4, 0.6)


@dataclass(frozen=True)
class RadialDistribution:
    """Radial distribution functions g(r) around one site, with running coordination numbers.

    g(r) = <n(r)> / (rho 4 pi r^2 dr) over pairs in different molecules; the coordination number is the integral of
    rho g(r) 4 pi r^2 to the first minimum (Allen and Tildesley, Computer Simulation of Liquids, 2nd ed., section 2.6,
    doi 10.1093/oso/9780198803195.001.0001). Errors are those of a jackknife over blocks of the trajectory, which must
    be longer than neighbours take to exchange; where they are not the errors are too small and the verdict says so.
    Errors of distances hold the resolution of the bins, width / sqrt(12).

    Where g(r) goes to one without a minimum, or the edge moves by more than :data:`BLURRED` between blocks,
    there is no first shell: the coordination number is not a number, and the note tells how many are within three
    distances instead.

    With a temperature, the potential of mean force W(r) = -kT ln g(r) (Kirkwood, J. Chem. Phys. 3, 300 (1935), doi
    10.1063/1.1749657): the reversible work of bringing the two sites together from far apart in the liquid. Not known
    where no pair was seen. Its zero is g = 1, which a small box reaches only up to the order of 1/N.

    Attributes
    ----------
    reference : str
        Site at the centre.
    others : tuple of str
        Sites around it; those with no atoms are left out.
    r_max, width : float
        nm.
    temperature : float, optional
        K; without it there is no potential of mean force.
    """

    reference: str
    others: tuple[str, ...]
    r_max: float = 1.2
    width: float = 0.004
    temperature: float | None = None

    name: ClassVar[str] = "radial_distribution"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("radial_distribution", "1", "Density of a site around another over its mean density."),
        Quantity("running_coordination_number", "1", "Mean number of atoms of a site within a distance of another."),
        Quantity("potential_of_mean_force", "kJ/mol", "Work of bringing two sites to a distance from far apart."),
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

        def both(some: Sequence[Sums]) -> NDArray[np.float64]:
            total = Sums.total(some)
            return np.stack([tally.distribution(total), tally.coordination(total, n_reference)])

        (g, running), (g_error, running_error) = jackknife(parts, both)
        g_error, running_error = _known(g, g_error), _known(running, running_error)
        shells = _Shells.read(tally, parts, n_reference)
        curves: list[Curve] = []
        estimates: list[Estimate] = []
        for k, other in enumerate(tally.others):
            pair = f"{self.reference}-{other}"
            curves += self._curves(pair, tally, (g[k], g_error[k]), (running[k], running_error[k]))
            moved = {species_of(s): travel(centres[:, sites.molecules(s)]) for s in (self.reference, other)}
            slowest = min(moved, key=lambda name: moved[name])
            estimates += shells.estimates(pair, k, not_exchanged(slowest, moved[slowest]))
        return Measurement(self.name, tuple(estimates), tuple(curves))

    def _curves(
        self,
        pair: str,
        tally: PairHistogram,
        distribution: tuple[NDArray[np.float64], NDArray[np.float64]],
        running: tuple[NDArray[np.float64], NDArray[np.float64]],
    ) -> list[Curve]:
        """Curves of one pair, from values and errors."""
        r, (g, g_error) = tally.middles, distribution
        made = [
            Curve("radial_distribution", pair, r, g, g_error, "r", "nm", "1"),
            Curve("running_coordination_number", pair, tally.edges[1:], *running, "r", "nm", "1"),
        ]
        if self.temperature is not None:
            kt = GAS_CONSTANT * self.temperature
            seen = np.where(g > 0, g, math.nan)
            made.append(
                Curve("potential_of_mean_force", pair, r, -kt * np.log(seen), kt * g_error / seen, "r", "nm", "kJ/mol")
            )
        return made


def _known(value: NDArray[np.float64], error: NDArray[np.float64]) -> NDArray[np.float64]:
    """Errors, not known where all blocks have the same number."""
    return np.where(error > 1e-12 * np.abs(value), error, math.nan)


@dataclass(frozen=True, eq=False)
class _Shells:
    """First peak, its height, first minimum and coordination number of each pair, (n_pairs, 4) float arrays.

    Attributes
    ----------
    values, errors : arrays
    apart : array
        Between the halves of the run, in standard errors.
    edges, running : arrays
        Outer edges of bins, nm, and the running coordination number of each pair there.
    method : str
    n : int
        Blocks.
    """

    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    apart: NDArray[np.float64]
    edges: NDArray[np.float64]
    running: NDArray[np.float64]
    method: str
    n: int

    @staticmethod
    def read(tally: PairHistogram, parts: Sequence[Sums], n_reference: int) -> _Shells:
        """Read them off g(r), with a jackknife over blocks."""
        edges = tally.edges[1:]

        def shells(some: Sequence[Sums]) -> NDArray[np.float64]:
            total = Sums.total(some)
            g, ideal, running = tally.distribution(total), tally.ideal(total), tally.coordination(total, n_reference)
            found = [first_shell(tally.middles, *pair) for pair in zip(g, ideal, strict=True)]
            numbers = [np.interp(shell[2], edges, n) for shell, n in zip(found, running, strict=True)]
            return np.column_stack([np.array(found).reshape(-1, 3), numbers])

        values, errors = jackknife(parts, shells)
        errors[:, [0, 2]] = np.hypot(errors[:, [0, 2]], tally.width / math.sqrt(12))
        method = f"g(r) over {sum(p.n_frames for p in parts)} frames, jackknife over {len(parts)} blocks"
        # Distances come in steps of a bin and may have no error in either half.
        apart = halves_apart(parts, shells)
        running = tally.coordination(Sums.total(parts), n_reference)
        return _Shells(values, _known(values, errors), apart, edges, running, method, len(parts))

    def estimates(self, pair: str, k: int, faults: tuple[str, ...]) -> list[Estimate]:
        """Numbers of one pair, with what is wrong with them."""
        values, errors, apart = self.values[k].copy(), self.errors[k].copy(), self.apart[k]
        if math.isnan(values[2]) or errors[2] > BLURRED:
            around = ", ".join(f"{self._within(k, r):.3g} within {r} nm" for r in SHOWN)
            blurred = f"no first shell: {_why_none(values, errors[2])}; {around}"
            values[2:], errors[2:] = math.nan, math.nan
            reasons, remark = (blurred, *faults), ""
        else:
            less, more = (self._within(k, values[2] + shift) for shift in (-SENSITIVITY, SENSITIVITY))
            remark = f"{less:.3g} to {more:.3g} for a cutoff of {values[2]:.3f} -+ {SENSITIVITY} nm"
            reasons = (*faults, *halves_differ(float(np.max(apart[[1, 3]]))))
        of_peak = reasons if math.isnan(values[0]) else (*faults, *halves_differ(float(apart[1])))
        columns = (
            ("first_peak_distance", "nm", of_peak, ""),
            ("first_peak_height", "1", of_peak, ""),
            ("first_minimum_distance", "nm", reasons, ""),
            ("coordination_number", "1", reasons, remark),
        )
        return [
            Estimate(
                quantity,
                pair,
                value,
                error,
                unit,
                self.method,
                self.n,
                not notes,
                "; ".join(filter(None, (about, *notes))),
            )
            for (quantity, unit, notes, about), value, error in zip(columns, values, errors, strict=True)
        ]

    def _within(self, k: int, r: float) -> float:
        """Mean number of atoms within a distance."""
        return float(np.interp(r, self.edges, self.running[k]))


def _why_none(values: NDArray[np.float64], spread: float) -> str:
    """Why the first shell has no edge, in words."""
    if math.isnan(values[0]):
        return f"g(r) has no maximum that stands out by {PROMINENCE}"
    if math.isnan(values[2]):
        return "g(r) goes to one without a minimum"
    return f"its edge is known to {spread:.2f} nm only"
