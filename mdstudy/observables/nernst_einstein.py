"""Conductivity and transference number as if ions moved independently of each other."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mdstudy.analysis.frames import Centres, Sites, Tallied, Tally
from mdstudy.analysis.mobility import charges, diffusion_fits, verdict
from mdstudy.base.results import Estimate, Measurement, Quantity
from mdstudy.base.units import BOLTZMANN_SI, DIFFUSION_TO_SI, ELEMENTARY_CHARGE


@dataclass(frozen=True)
class NernstEinstein:
    """Nernst-Einstein conductivity, sigma = e^2 / (V k T) sum_i N_i z_i^2 D_i.

    Ions count as independent: an upper estimate where ions of opposite charge move together (the ratio to the true
    conductivity is the Haven ratio). Errors of the D_i are propagated as independent. The charge z is the formal one,
    also where the model scales the charges of ions; with scaled charges the value would be smaller by the square of
    the factor, which a second estimate gives. References: Allen and Tildesley, Computer Simulation of Liquids, doi
    10.1093/oso/9780198803195.001.0001; Fong et al., AIChE J. 66, e17091 (2020), doi 10.1002/aic.17091.

    Attributes
    ----------
    temperature : float
        K.
    cation : str
        Species whose transference number is given.
    """

    temperature: float
    cation: str = "Li"

    name: ClassVar[str] = "nernst_einstein"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity(
            "conductivity_nernst_einstein", "mS/cm", "Conductivity of ions that move independently, formal charges."
        ),
        Quantity("conductivity_nernst_einstein_scaled", "mS/cm", "The same with the scaled charges of the model."),
        Quantity(
            "transference_number_apparent",
            "1",
            "Share of an ion in the Nernst-Einstein conductivity, as from NMR diffusion.",
        ),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Centres of all molecules."""
        charges(sites)
        return (Centres(),)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Add up the ions."""
        series = tallied.series(Centres())
        fits = diffusion_fits(tallied, sites)
        ions = {name: z for name, z in charges(sites).items() if z}
        if not ions:
            return Measurement(self.name)
        volume = float(np.mean(series.arrays["volume"])) * 1e-27  # m^3
        unit = ELEMENTARY_CHARGE**2 / (volume * BOLTZMANN_SI * self.temperature) * 10  # S/m to mS/cm
        shares, errors, faults = {}, {}, []
        for name, z in ions.items():
            fit = fits[name]
            converged, note = verdict(fit)
            if not converged:
                faults.append(f"{name}: {note}")
            weight = unit * len(sites.species[name]) * z**2 * DIFFUSION_TO_SI / 6
            shares[name] = weight * fit.slope if fit else math.nan
            errors[name] = weight * fit.slope_error if fit else math.nan
        total, total_error = sum(shares.values()), math.hypot(*errors.values())
        note, done = "; ".join(faults), not faults
        method = f"Nernst-Einstein at {self.temperature:g} K, D of {', '.join(ions)}"
        estimates = [
            Estimate(
                "conductivity_nernst_einstein",
                "box",
                total,
                total_error,
                "mS/cm",
                f"{method}; formal charges",
                converged=done,
                note=note,
            )
        ]
        if not math.isnan(sites.charge_scale):
            square = sites.charge_scale**2
            text = f"{method}; charges scaled by {sites.charge_scale:g}"
            estimates.append(
                Estimate(
                    "conductivity_nernst_einstein_scaled",
                    "box",
                    total * square,
                    total_error * square,
                    "mS/cm",
                    text,
                    converged=done,
                    note=note,
                )
            )
        if self.cation in shares:
            own = shares[self.cation]
            rest = math.hypot(*(error for name, error in errors.items() if name != self.cation), 0.0)
            error = math.hypot((total - own) * errors[self.cation], own * rest) / total**2
            text = f"{method}; ions independent, not the quantity that a blocked cell measures"
            estimates.append(
                Estimate(
                    "transference_number_apparent",
                    self.cation,
                    own / total,
                    error,
                    "1",
                    text,
                    converged=done,
                    note=note,
                )
            )
        return Measurement(self.name, tuple(estimates))
