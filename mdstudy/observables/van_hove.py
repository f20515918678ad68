"""How far molecules go in a given time: the whole distribution, and how far it is from a Gaussian."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.frames import Centres, Sites, Tallied, Tally
from mdstudy.analysis.mobility import LARGEST_ERROR, LEAST_MSD, even_interval
from mdstudy.base.results import Curve, Estimate, Measurement, Quantity
from mdstudy.base.statistics import jackknife

#: Lags of the non-Gaussian parameter, up to this share of the run.
LONGEST, LAGS = 0.4, 30
#: Lags for which the distribution is shown, as shares of the longest.
SHOWN = (0.01, 0.1, 1.0)
#: Molecules are gathered into this many groups for the jackknife; bins of a distribution.
GROUPS, BINS = 10, 60


@dataclass(frozen=True)
class SelfVanHove:
    """Self part of the van Hove function and the non-Gaussian parameter of each species.

    4 pi r^2 G_s(r, t) is the distribution of the distances that molecules go in a time t (van Hove, Phys. Rev. 95, 249
    (1954), doi 10.1103/PhysRev.95.249). For simple diffusion it is that of a Gaussian; the non-Gaussian parameter
    alpha_2(t) = 3 <r^4> / (5 <r^2>^2) - 1 (Rahman, Phys. Rev. 136, A405 (1964), doi 10.1103/PhysRev.136.A405) is then
    0. It is positive where some molecules are fast and others slow, highest at the time in which cages open; a second
    peak of the distribution shows hops. A parameter that still rises at the longest time means that the run is too
    short to average over fast and slow molecules. Errors are those of a jackknife over groups of molecules.
    """

    name: ClassVar[str] = "van_hove"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("non_gaussian_parameter", "1", "3 <r^4> / (5 <r^2>^2) - 1 of displacements in a time."),
        Quantity("non_gaussian_maximum", "1", "Largest non-Gaussian parameter at any time."),
        Quantity("van_hove_self", "1/nm", "Distribution of the distances that molecules go in a given time."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Centres of all molecules."""
        del sites
        return (Centres(),)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Moments and histograms of displacements."""
        series = tallied.series(Centres())
        interval, centres = even_interval(series), series.arrays["centres"]
        longest = max(1, int(LONGEST * len(centres)))
        lags = np.unique(np.geomspace(1, longest, LAGS).astype(int))
        estimates, curves = [], []
        for species, molecules in sites.species.items():
            paths = centres[:, molecules]
            moments = np.stack([_moments(paths, lag) for lag in lags], axis=1)
            alpha, error = jackknife(_grouped(moments), _non_gaussian)
            times = np.asarray(lags * interval, dtype=float)
            curves.append(Curve("non_gaussian_parameter", species, times, alpha, error, "t", "ps", "1"))
            moved = float(moments[:, -1, 1].mean())
            estimates.append(_maximum(species, times, alpha, error, moved))
            for lag in sorted({max(1, int(share * longest)) for share in SHOWN}):
                curves.append(_distribution(species, paths, lag, interval))
        return Measurement(self.name, tuple(estimates), tuple(curves))


def _distances(paths: NDArray[np.floating], lag: int) -> NDArray[np.float64]:
    """Distances gone in a lag, (n_origins, n_molecules) float array, from origins a tenth of the lag apart."""
    every = max(1, lag // 10)  # nearer ones tell hardly more
    moved = np.asarray(paths[lag::every], dtype=float) - paths[:-lag:every]
    return np.asarray(np.sqrt(np.einsum("fmk,fmk->fm", moved, moved)))


def _moments(paths: NDArray[np.floating], lag: int) -> NDArray[np.float64]:
    """Of each molecule one, and means over origins of r^2 and r^4, (n_molecules, 3) float array."""
    squares = _distances(paths, lag) ** 2
    return np.stack([np.ones(squares.shape[1]), squares.mean(axis=0), (squares**2).mean(axis=0)], axis=1)


def _grouped(of_molecules: NDArray[np.float64]) -> list[NDArray[np.float64]]:
    """Sums over groups of molecules of about equal size."""
    return [part.sum(axis=0) for part in np.array_split(of_molecules, min(GROUPS, len(of_molecules)))]


def _non_gaussian(parts: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    number, second, fourth = np.moveaxis(np.sum(parts, axis=0), -1, 0)
    return np.asarray(np.divide(3 * number * fourth, 5 * second**2, out=np.ones_like(second), where=second > 0) - 1)


def _maximum(
    species: str, times: NDArray[np.float64], alpha: NDArray[np.float64], error: NDArray[np.float64], moved: float
) -> Estimate:
    k = int(np.argmax(alpha))
    notes = []
    if k == len(alpha) - 1:
        notes.append("still rising at the longest time")
    if moved < LEAST_MSD:
        notes.append(f"displaced by {math.sqrt(moved):.2f} nm only: cages need not have opened")
    if not 0 < error[k] <= max(LARGEST_ERROR * abs(alpha[k]), 0.02):
        notes.append(f"standard error not known or above {LARGEST_ERROR:.0%}")
    method = f"largest of times from {times[0]:g} to {times[-1]:g} ps, at {times[k]:g} ps"
    spread = float(error[k]) or math.nan
    return Estimate(
        "non_gaussian_maximum",
        species,
        float(alpha[k]),
        spread,
        "1",
        method,
        converged=not notes,
        note="; ".join(notes),
    )


def _distribution(species: str, paths: NDArray[np.floating], lag: int, interval: float) -> Curve:
    """Distribution of distances gone in a time, with the error between groups of molecules."""
    distance = _distances(paths, lag)
    reach = 4 * math.sqrt(float(np.mean(distance**2))) or 1.0
    edges = np.linspace(0, reach, BINS + 1)
    groups = np.array_split(distance, min(GROUPS, distance.shape[1]), axis=1)
    parts = [np.append(np.histogram(group, edges)[0], group.size).astype(float) for group in groups]

    def density(some: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
        total = np.sum(some, axis=0)
        return np.asarray(total[:-1] / (total[-1] * np.diff(edges)))

    y, error = jackknife(parts, density)
    middles = np.asarray((edges[1:] + edges[:-1]) / 2)
    return Curve("van_hove_self", f"{species} in {lag * interval:g} ps", middles, y, error, "r", "nm", "1/nm")
