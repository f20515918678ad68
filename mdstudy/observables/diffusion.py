"""Mean-squared displacement and self-diffusion of each species."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mdstudy.displacement import LONGEST, DiffusionFit, fit_diffusion, mean_squared_displacement
from mdstudy.errors import TrajectoryError
from mdstudy.frames import Centres, Series, Sites, Tallied, Tally
from mdstudy.results import Curve, Estimate, Measurement, Quantity
from mdstudy.units import DIFFUSION_TO_SI

#: A diffusion coefficient is called converged when its standard error is at most this share of it ...
LARGEST_ERROR = 0.2
#: ... and the mean-squared displacement at the end of the fit is beyond the size of a molecule, nm^2.
LEAST_MSD = 0.25
_POINTS = 120  # of a curve


def even_interval(series: Series) -> float:
    """Time between frames, ps.

    Raises
    ------
    TrajectoryError
        The frames are not evenly spaced in time.
    """
    steps = np.diff(series.times)
    if len(steps) == 0:
        raise TrajectoryError("one frame has no displacement")
    if steps.min() <= 0 or np.ptp(steps) > 1e-3 * steps.mean():
        raise TrajectoryError(
            f"frames are not evenly spaced: between {steps.min():g} and {steps.max():g} ps apart; "
            "displacements need equal steps"
        )
    return float(steps.mean())


def diffusion_fits(tallied: Tallied, sites: Sites) -> Mapping[str, DiffusionFit | None]:
    """Fit of each species; None where there are too few frames."""

    def fits() -> dict[str, DiffusionFit | None]:
        series = tallied.series(Centres())
        interval, centres = even_interval(series), series.arrays["centres"]
        return {name: fit_diffusion([centres[:, molecules]], interval) for name, molecules in sites.species.items()}

    return tallied.once("diffusion fits", fits)


def verdict(fit: DiffusionFit | None) -> tuple[bool, str]:
    """Whether a diffusion coefficient is converged, and why not."""
    if fit is None:
        return False, "too few frames for a fit"
    faults = []
    if not fit.diffusive:
        faults.append(
            f"not diffusive: exponent {fit.exponent:.2f} ± {fit.exponent_error:.2f}, quality {fit.quality:.2g}"
        )
    reached = fit.intercept + fit.slope * fit.end
    if reached < LEAST_MSD:
        faults.append(f"displaced by {math.sqrt(max(reached, 0)):.2f} nm only, less than the size of a molecule")
    if fit.slope <= 0 or fit.slope_error > LARGEST_ERROR * fit.slope:
        faults.append(f"standard error above {LARGEST_ERROR:.0%}")
    return not faults, "; ".join(faults)


@dataclass(frozen=True)
class SelfDiffusion:
    """Self-diffusion coefficients of all species from the centres of mass of their molecules.

    D = lim d/dt <|r(t) - r(0)|^2> / 6, the slope fitted by generalised least squares with the covariance of a random
    walk (:mod:`mdstudy.displacement`). Displacements are relative to the centre of mass of the whole box (barycentric
    frame), whose drift is removed once for all species together. Not corrected for the finite size of the box, in which
    hydrodynamics makes D too small by 2.837297 kT / (6 pi eta L) (Yeh and Hummer, J. Phys. Chem. B 108, 15873 (2004),
    doi 10.1021/jp0477147). The error takes molecules as independent; only replicas show more.
    """

    name: ClassVar[str] = "self_diffusion"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("mean_squared_displacement", "nm^2", "Mean-squared displacement of centres of mass."),
        Quantity("diffusion_exponent", "1", "d ln MSD / d ln t over the fitted window; 1 where motion is diffusive."),
        Quantity("self_diffusion", "m^2/s", "Self-diffusion coefficient in the periodic box, barycentric frame."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Centres of all molecules."""
        del sites
        return (Centres(),)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Fit each species."""
        series = tallied.series(Centres())
        interval = even_interval(series)
        estimates: list[Estimate] = []
        curves: list[Curve] = []
        for species, fit in diffusion_fits(tallied, sites).items():
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
            curves.append(_curve(species, series.arrays["centres"][:, molecules], interval))
        return Measurement(self.name, tuple(estimates), tuple(curves))


def _curve(species: str, paths: np.ndarray, interval: float) -> Curve:
    """Mean-squared displacement at lags spread evenly over their logarithm, with the error of independent molecules."""
    n_frames, n_molecules, _ = paths.shape
    msd = mean_squared_displacement(paths)
    lags = np.unique(np.geomspace(1, max(1, int(LONGEST * n_frames)), _POINTS).astype(int))
    windows = n_molecules * np.maximum(n_frames / lags - 1, 1)  # that do not overlap
    error = msd[lags] * np.sqrt(2 / 3 / windows)
    return Curve("mean_squared_displacement", species, lags * interval, msd[lags], error, "t", "ps", "nm^2")
