"""How the segments of a polymer move: in the box, within their chain, and how fast they turn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.displacement import LONGEST, mean_squared_displacement
from mdstudy.analysis.frames import Block, Centres, Series, Sites, Tallied, Tally
from mdstudy.analysis.lifetimes import spaced_lags
from mdstudy.analysis.mobility import LARGEST_ERROR, TOO_FEW, even_interval
from mdstudy.analysis.periodic import molecule_centres
from mdstudy.analysis.relaxation import relaxation_time
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import Curve, Estimate, Measurement, Quantity
from mdstudy.base.statistics import jackknife

#: Atoms of a site that are followed, evenly spread: bounds the memory.
MOST = 500
#: Groups of atoms for the jackknife, at most; the chains where there are as many.
GROUPS, POINTS = 10, 60
#: The exponent is read off up to this share of the longest lag.
EARLY = 0.25


@dataclass(frozen=True)
class Segments:
    """Tally: places of atoms relative to the centre of mass of their molecule, nm, frame by frame.

    Attributes
    ----------
    site : str
    """

    site: str

    def atoms(self, sites: Sites) -> NDArray[np.intp]:
        """Atoms that are followed, in order of molecules."""
        atoms = sites.atoms(self.site)
        atoms = atoms[np.argsort(sites.molecule_of[atoms], kind="stable")]
        chosen = np.linspace(0, len(atoms) - 1, min(MOST, len(atoms))).round().astype(int)
        return np.asarray(atoms[chosen])

    def __call__(self, block: Block, sites: Sites) -> Series:
        """Keep the places."""
        atoms = self.atoms(sites)
        centres = molecule_centres(block.positions, sites.molecule_of, sites.masses)
        apart = block.positions[:, atoms] - centres[:, sites.molecule_of[atoms]]
        return Series(block.times, {"places": apart.astype(np.float32)})


@dataclass(frozen=True)
class SegmentalMotion:
    """Mean-squared displacement of the atoms of a polymer, its exponent, and the time in which segments turn.

    Displacements are those of Kremer and Grest (J. Chem. Phys. 92, 5057 (1990), doi 10.1063/1.458541): g1 in the box
    (less the drift of its centre of mass) and g2 relative to the centre of mass of the chain. In the model of Rouse g1
    grows as t^(1/2) between the time of a segment and that of the chain, and g2 ends on a plateau of the order of the
    size of the chain; in a glass both stop at the size of a cage. The exponent is the slope of ln g1 against ln t from
    one frame to a tenth of the run; it is that of this window. The segmental relaxation time is the 1/e time of
    <P2(u(0) . u(t))>, u along the line between two sites of a repeat unit, a lower bound where it does not fall so far;
    side groups turn faster than the backbone. Errors: jackknife over chains, or groups of atoms where there are fewer
    than three.

    Attributes
    ----------
    site, partner : str
        Atoms that are followed, and those at the other end of u, as many in each molecule and in the same order.
    """

    site: str
    partner: str

    name: ClassVar[str] = "segmental_motion"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("segmental_displacement", "nm^2", "Mean-squared displacement of atoms of a polymer."),
        Quantity("segmental_exponent", "1", "d ln g1/d ln t of atoms of a polymer up to a tenth of the run."),
        Quantity("segmental_orientation", "1", "<P2(u(0) . u(t))> of a line between two sites of a repeat unit."),
        Quantity("segmental_relaxation_time", "ns", "Time in which segmental_orientation falls to 1/e."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Places of both sites, and the centres."""
        numbers = [
            np.bincount(sites.molecule_of[sites.atoms(name)], minlength=sites.n_molecules)
            for name in (self.site, self.partner)
        ]
        if (numbers[0] != numbers[1]).any():
            raise TrajectoryError(f"segmental motion: {self.site} and {self.partner} differ in number in a molecule")
        return (Segments(self.site), Segments(self.partner), Centres())

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Displacements and turns."""
        series = tallied.series(Centres())
        interval = even_interval(series)
        atoms = Segments(self.site).atoms(sites)
        chain = sites.molecule_of[atoms]
        places, ends = (tallied.series(Segments(name)).arrays["places"] for name in (self.site, self.partner))
        groups = _groups(chain)
        paths = places + series.arrays["centres"][:, chain]
        method = f"{len(atoms)} atoms in {len(np.unique(chain))} molecules, {len(groups)} groups"
        curves, estimates = [], []
        lags = np.unique(np.geomspace(1, max(1, int(LONGEST * len(paths))), POINTS).astype(int))
        times = np.asarray(lags * interval, dtype=float)
        for of, one in (("in the box", paths), ("in the chain", places)):
            parts = [np.stack([mean_squared_displacement(one[:, g])[lags] * len(g), len(g) + 0 * lags]) for g in groups]
            y, error = jackknife(parts, _mean)
            curves.append(Curve("segmental_displacement", f"{self.site} {of}", times, y, error, "t", "ps", "nm^2"))
            if one is paths:
                estimates.append(self._exponent(times, parts, method))
        along = np.asarray(ends - places, dtype=float)
        along /= np.linalg.norm(along, axis=-1, keepdims=True)
        turns = spaced_lags(len(along))
        second = np.stack([_second(along, int(lag)) for lag in turns], axis=-1)
        y, error = jackknife([np.stack([second[g].sum(axis=0), len(g) + 0.0 * turns]) for g in groups], _mean)
        of, when = f"{self.site}-{self.partner}", np.asarray(turns * interval, dtype=float)
        curves.append(Curve("segmental_orientation", of, when, y, error, "t", "ps", "1"))
        estimates.append(relaxation_time("segmental_relaxation_time", of, when / 1000, y, error, method, "chains"))
        return Measurement(self.name, tuple(estimates), tuple(curves))

    def _exponent(self, times: NDArray[np.float64], parts: Sequence[NDArray[np.float64]], method: str) -> Estimate:
        chosen = times <= EARLY * times[-1]
        if chosen.sum() < 3:
            return Estimate("segmental_exponent", self.site, math.nan, math.nan, "1", method, note=TOO_FEW)
        x = np.log(times[chosen])

        def slope(some: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
            y = np.log(np.maximum(_mean(some)[chosen], 1e-300))
            return np.atleast_1d(np.polyfit(x, y, 1)[0])

        value, error = (float(one[0]) for one in jackknife(parts, slope))
        text = f"{method}, lags {times[0]:g} to {times[chosen][-1]:g} ps"
        note = "" if error <= LARGEST_ERROR * abs(value) else f"standard error not known or above {LARGEST_ERROR:.0%}"
        return Estimate(
            "segmental_exponent", self.site, value, error or math.nan, "1", text, converged=not note, note=note
        )


def _groups(chain: NDArray[np.intp]) -> list[NDArray[np.intp]]:
    """Places of the atoms of each group: whole chains, or parts of them where there are fewer than three."""
    chains = np.unique(chain)
    if len(chains) < 3:
        return np.array_split(np.arange(len(chain)), min(GROUPS, len(chain)))
    return [np.flatnonzero(np.isin(chain, some)) for some in np.array_split(chains, min(GROUPS, len(chains)))]


def _mean(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    total, number = np.sum(parts, axis=0)
    return np.asarray(total / number)


def _second(along: NDArray[np.float64], lag: int) -> NDArray[np.float64]:
    """Mean over time origins of the second Legendre polynomial of the turn in a lag, (n,) float array."""
    cosine = np.einsum("tnk,tnk->tn", along[lag:], along[: len(along) - lag])
    return np.asarray((1.5 * cosine**2 - 0.5).mean(axis=0))
