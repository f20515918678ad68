"""Self-diffusion in an infinite liquid from that in a periodic box."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mdstudy.analysis.displacement import LONGEST
from mdstudy.analysis.frames import Centres, Sites, Tallied, Tally
from mdstudy.analysis.mobility import diffusion_fits, displacement_of, verdict
from mdstudy.analysis.verdicts import still
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import Estimate, Measurement, Quantity
from mdstudy.base.units import BOLTZMANN_SI, DIFFUSION_TO_SI

#: Of a cubic lattice of images: Duenweg and Kremer, J. Chem. Phys. 99, 6983 (1993), doi 10.1063/1.465445.
CUBIC = 2.837297


def finite_size_shift(temperature: float, viscosity: float, length: float) -> float:
    """What is missing from D in a cubic periodic box, xi k T / (6 pi eta L), m^2/s.

    Yeh and Hummer, J. Phys. Chem. B 108, 15873 (2004), doi 10.1021/jp0477147.

    Parameters
    ----------
    temperature : float
        K.
    viscosity : float
        mPa s.
    length : float
        Edge of the box, nm.
    """
    return CUBIC * BOLTZMANN_SI * temperature / (6 * math.pi * viscosity * 1e-3 * length * 1e-9)


@dataclass(frozen=True)
class InfiniteDiffusion:
    """Self-diffusion coefficients corrected for the size of the box, D + xi k T / (6 pi eta L).

    Each molecule drags its own periodic images along with it, which slows all down by the same amount whatever their
    size (Yeh and Hummer, J. Phys. Chem. B 108, 15873 (2004), doi 10.1021/jp0477147). The viscosity must be that of the
    model, which may be far from the measured one; it is asked for, not guessed. Holds for cubic boxes and for molecules
    that diffuse as in a simple liquid; in a glass or a gel, where viscosity says little about motion at this scale, it
    does not.

    Attributes
    ----------
    temperature : float
        K.
    viscosity, viscosity_error : float
        Of the model, mPa s, and its standard error (NaN: not known, then neither is that of the result).
    viscosity_from : str
        Where it is from, for the method: a viscosity that was measured must be called so.
    same_run : bool
        Whether it is of the run itself: its error is then not known before neighbours have exchanged in that run.
    """

    temperature: float
    viscosity: float
    viscosity_error: float = math.nan
    viscosity_from: str = "as given"
    same_run: bool = False

    name: ClassVar[str] = "infinite_diffusion"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("self_diffusion_infinite", "m^2/s", "Self-diffusion coefficient corrected for the size of the box."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Centres of all molecules."""
        del sites
        if not (self.viscosity > 0 and self.temperature > 0):
            raise TrajectoryError(
                f"correction for the size of the box: {self.viscosity} mPa s at {self.temperature} K is no liquid"
            )
        return (Centres(),)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Shift each coefficient."""
        length = float(np.mean(tallied.series(Centres()).arrays["volume"])) ** (1 / 3)
        shift = finite_size_shift(self.temperature, self.viscosity, length)
        fits = diffusion_fits(tallied, sites)
        doubt = self._doubt([name for name, fit in fits.items() if fit], tallied, sites)
        shift_error = math.nan if doubt else shift * self.viscosity_error / self.viscosity
        method = f"D + {shift:.3g} m^2/s: L = {length:.3f} nm, {self.temperature:g} K, "
        method += f"viscosity {self.viscosity:.4g} mPa s {self.viscosity_from}"
        made = []
        for species, fit in fits.items():
            done, note = verdict(fit)
            value = fit.slope * DIFFUSION_TO_SI / 6 + shift if fit else math.nan
            error = math.hypot(fit.slope_error * DIFFUSION_TO_SI / 6, shift_error) if fit else math.nan
            note = "; ".join(filter(None, (note, doubt)))
            made.append(
                Estimate(
                    "self_diffusion_infinite",
                    species,
                    value,
                    error,
                    "m^2/s",
                    method,
                    converged=done and not doubt,
                    note=note,
                )
            )
        return Measurement(self.name, tuple(made))

    def _doubt(self, fitted: Sequence[str], tallied: Tallied, sites: Sites) -> str:
        """Why the error of the viscosity is not known; empty where it is."""
        if math.isnan(self.viscosity_error):
            return "error of the viscosity not known"
        if not self.same_run:
            return ""
        msd = {name: displacement_of(name, tallied, sites) for name in fitted}
        fault = still({name: math.sqrt(values[int(LONGEST * len(values))]) for name, values in msd.items()})
        return fault and f"error of the viscosity not known: {fault}"
