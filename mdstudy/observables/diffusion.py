"""Mean-squared displacement and self-diffusion of each species."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.displacement import LONGEST
from mdstudy.analysis.frames import Centres, Sites, Tallied, Tally
from mdstudy.analysis.mobility import diffusion_fits, displacement_of, even_interval, verdict
from mdstudy.base.errors import TrajectoryError, did_you_mean
from mdstudy.base.results import Curve, Estimate, Measurement, Quantity
from mdstudy.base.units import DIFFUSION_TO_SI

_POINTS = 120  # of a curve


@dataclass(frozen=True)
class SelfDiffusion:
    """Self-diffusion coefficients of species from the centres of mass of their molecules.

    D = lim d/dt <|r(t) - r(0)|^2> / 6, the slope fitted by generalised least squares with the covariance of a random
    walk (:mod:`mdstudy.analysis.displacement`). Displacements are relative to the centre of mass of the whole box
    (barycentric frame), whose drift is removed once for all species together. Not corrected for the finite size of the
    box, in which hydrodynamics makes D too small by 2.837297 kT / (6 pi eta L) (Yeh and Hummer, J. Phys. Chem. B 108,
    15873 (2004), doi 10.1021/jp0477147). The error takes molecules as independent; only replicas show more.

    Attributes
    ----------
    species : tuple of str
        Those that are looked at; all if it is empty.
    """

    species: tuple[str, ...] = ()

    name: ClassVar[str] = "self_diffusion"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("mean_squared_displacement", "nm^2", "Mean-squared displacement of centres of mass."),
        Quantity("diffusion_exponent", "1", "d ln MSD / d ln t over the fitted window; 1 where motion is diffusive."),
        Quantity("self_diffusion", "m^2/s", "Self-diffusion coefficient in the periodic box, barycentric frame."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Centres of all molecules."""
        for name in self.species:
            if name not in sites.species:
                raise TrajectoryError(f'"{name}": no such species.{did_you_mean(name, sites.species)}')
        return (Centres(),)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Fit each species."""
        series = tallied.series(Centres())
        interval = even_interval(series)
        estimates: list[Estimate] = []
        curves: list[Curve] = []
        for species, fit in diffusion_fits(tallied, sites, self.species).items():
            converged, note = verdict(fit)
            molecules = sites.species[species]
            if fit is None:
                estimates.append(Estimate("self_diffusion", species, math.nan, math.nan, "m^2/s", "MSD", note=note))
                continue
            window = f"lags {fit.start:g} to {fit.end:g} ps of {series.times[-1] - series.times[0]:g} ps"
            method = (
                f"slope of MSD/6, generalised least squares, {window}, {len(molecules)} molecules, barycentric frame"
            )
            scale = DIFFUSION_TO_SI / 6
            n = len(molecules) * (series.times[-1] - series.times[0]) / fit.end
            estimates += [
                Estimate(
                    "self_diffusion",
                    species,
                    fit.slope * scale,
                    fit.slope_error * scale,
                    "m^2/s",
                    method,
                    n,
                    converged,
                    note,
                ),
                Estimate(
                    "diffusion_exponent",
                    species,
                    fit.exponent,
                    fit.exponent_error,
                    "1",
                    f"MSD, {window}",
                    n,
                    converged,
                    note,
                ),
            ]
            curves.append(_curve(species, displacement_of(species, tallied, sites), len(molecules), interval))
        return Measurement(self.name, tuple(estimates), tuple(curves))


def _curve(species: str, msd: NDArray[np.float64], n_molecules: int, interval: float) -> Curve:
    """Mean-squared displacement at lags spread evenly over their logarithm, with the error of independent molecules."""
    n_frames = len(msd)
    lags = np.unique(np.geomspace(1, max(1, int(LONGEST * n_frames)), _POINTS).astype(int))
    windows = n_molecules * np.maximum(n_frames / lags - 1, 1)  # that do not overlap
    error = msd[lags] * np.sqrt(2 / 3 / windows)
    return Curve("mean_squared_displacement", species, lags * interval, msd[lags], error, "t", "ps", "nm^2")
