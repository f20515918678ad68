"""Conductivity from the collective motion of all charges, and what correlations between ions do to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.frames import Centres, Sites, Tallied, Tally
from mdstudy.analysis.mobility import LARGEST_ERROR, TOO_FEW, charges, collective_faults, collective_fit, diffusion_fits
from mdstudy.base.results import Curve, Estimate, Measurement, Quantity
from mdstudy.base.units import BOLTZMANN_SI, DIFFUSION_TO_SI, ELEMENTARY_CHARGE


@dataclass(frozen=True)
class EinsteinHelfand:
    """Ionic conductivity, sigma = lim d/dt <|sum_i z_i e dR_i|^2> / (6 V k T), and the Haven ratio.

    dR_i is the sum of the displacements of the centres of mass of all molecules of species i; the charge displacement
    is the same in every frame of reference, since the box is neutral. The Haven ratio is the Nernst-Einstein
    conductivity over this one (its inverse is called ionicity): 1 where ions move independently, above 1 where ions of
    opposite charge move together. z is the formal charge; a second estimate has the charges as the model scales them.
    Errors are those of a single collective random walk with noise (:mod:`mdstudy.analysis.collective`): a trajectory
    holds few independent samples of it. Fong et al., AIChE J. 66, e17091 (2020), doi 10.1002/aic.17091; Helfand, Phys.
    Rev. 119, 1 (1960), doi 10.1103/PhysRev.119.1.

    Attributes
    ----------
    temperature : float
        K.
    """

    temperature: float

    name: ClassVar[str] = "einstein_helfand"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("ionic_conductivity", "mS/cm", "Conductivity with all correlations between ions, formal charges."),
        Quantity("ionic_conductivity_scaled", "mS/cm", "The same with the scaled charges of the model."),
        Quantity("haven_ratio", "1", "Nernst-Einstein conductivity over the conductivity; the inverse of ionicity."),
        Quantity("charge_displacement", "nm^2", "Mean square of the displacement of all ions, each times its charge."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Centres of all molecules."""
        charges(sites)
        return (Centres(),)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Project the collective fit on the charge."""
        series = tallied.series(Centres())
        z = np.array(list(charges(sites).values()), dtype=float)
        if not z.any():
            return Measurement(self.name)
        fit = collective_fit(tallied, sites)
        if fit is None:
            names = ("ionic_conductivity", "mS/cm"), ("haven_ratio", "1")
            made = [Estimate(q, "box", math.nan, math.nan, u, "Einstein-Helfand", note=TOO_FEW) for q, u in names]
            return Measurement(self.name, tuple(made))
        volume = float(np.mean(series.arrays["volume"])) * 1e-27  # m^3
        thermal = 6 * volume * BOLTZMANN_SI * self.temperature
        unit = ELEMENTARY_CHARGE**2 * DIFFUSION_TO_SI / thermal * 10  # S/m to mS/cm

        def of_charge(slopes: NDArray[np.float64]) -> float:
            return float(z @ slopes @ z)

        slope, error = of_charge(fit.slopes), fit.error(of_charge)
        samples = 2 * (slope / error) ** 2 if error else math.nan
        faults = collective_faults(fit, tallied, sites, z)
        if not 0 < error <= LARGEST_ERROR * slope:
            faults.append(f"standard error above {LARGEST_ERROR:.0%}")
        note, done = "; ".join(faults), not faults
        method = f"Einstein-Helfand at {self.temperature:g} K, {fit.window_text}"

        def estimate(quantity: str, value: float, spread: float, unit: str, text: str) -> Estimate:
            return Estimate(quantity, "box", value, spread, unit, f"{method}; {text}", samples, done, note)

        made = [estimate("ionic_conductivity", slope * unit, error * unit, "mS/cm", "formal charges")]
        if not math.isnan(sites.charge_scale):
            square = sites.charge_scale**2 * unit
            text = f"charges scaled by {sites.charge_scale:g}"
            made.append(estimate("ionic_conductivity_scaled", slope * square, error * square, "mS/cm", text))
        alone = diffusion_fits(tallied, sites)
        terms = [(z[k] ** 2 * len(sites.species[name]), alone[name]) for k, name in enumerate(sites.species) if z[k]]
        free = sum(weight * (one.slope if one else math.nan) for weight, one in terms)
        free_error = math.hypot(*(weight * (one.slope_error if one else math.nan) for weight, one in terms))
        ratio = free / slope if slope else math.nan
        text = "of the Nernst-Einstein conductivity, errors as independent"
        made.append(
            estimate("haven_ratio", ratio, math.hypot(free_error, ratio * error) / abs(slope or math.nan), "1", text)
        )
        charge = fit.project(z[None])
        y, lags = charge.points[:, 0, 0], np.asarray(charge.lags * charge.interval, dtype=float)
        spread = y * np.sqrt(2 / 3 / np.maximum(fit.n_frames / charge.lags - 1, 1))  # windows that do not overlap
        curve = Curve("charge_displacement", "box", lags, y, np.asarray(spread), "t", "ps", "nm^2")
        return Measurement(self.name, tuple(made), (curve,))
