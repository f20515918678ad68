"""Onsager coefficients of all pairs of species, in named frames of reference."""

from __future__ import annotations

import math
from dataclasses import dataclass
from operator import itemgetter
from typing import ClassVar

import numpy as np

from mdstudy.analysis.collective import CollectiveFit
from mdstudy.analysis.frames import Centres, Sites, Tallied, Tally
from mdstudy.analysis.mobility import (
    LARGEST_ERROR,
    TOO_FEW,
    collective_faults,
    collective_fit,
    frame_matrices,
    frame_tallies,
    frame_text,
)
from mdstudy.base.results import Estimate, Measurement, Quantity
from mdstudy.base.units import AVOGADRO, BOLTZMANN_SI, DIFFUSION_TO_SI


@dataclass(frozen=True)
class OnsagerCoefficients:
    """Onsager coefficients L_ij = lim d/dt <dR_i . dR_j> / (6 V k T N_A^2) of all pairs of species.

    They give the molar flux of i in gradients of the electrochemical potentials of all j, J_i = - sum_j L_ij grad mu_j.
    dR_i is the sum of the displacements of the molecules of species i. They have a value in a frame of reference only:
    in the barycentric one sum_j M_j L_ij = 0. A diagonal element is known to the share sqrt(2/n) of itself, n being the
    number of independent samples of one path; an off-diagonal one to about the same share of the geometric mean of the
    two diagonal ones, which may be many times its value. Fong et al., AIChE J. 66, e17091 (2020), doi
    10.1002/aic.17091; frames: Kirkwood et al., J. Chem. Phys. 33, 1505 (1960), doi 10.1063/1.1731433.

    Attributes
    ----------
    temperature : float
        K.
    frames : tuple of str
        ``"barycentric"``, ``"SPECIES-fixed"``, ``"volume-fixed"``.
    volumes : tuple of (str, float)
        Partial molecular volume of each species, any unit, for the volume-fixed frame; without any, those of
        radical cells (:class:`~mdstudy.observables.molecular_volume.MolecularVolume`), whose error is left out.
    """

    temperature: float
    frames: tuple[str, ...] = ("barycentric",)
    volumes: tuple[tuple[str, float], ...] = ()

    name: ClassVar[str] = "onsager"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("onsager_coefficient", "mol^2/(J m s)", "Molar flux of one species for a unit force on another."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Centres of all molecules, and their volumes where a frame needs them."""
        return frame_tallies(sites, self.frames, dict(self.volumes))

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Take the collective fit to each frame."""
        fit = collective_fit(tallied, sites)
        series = tallied.series(Centres())
        charge = np.array([sites.formal_charge.get(name, 0) for name in sites.species], dtype=float)
        faults = [TOO_FEW] if fit is None else collective_faults(fit, tallied, sites, charge)
        volume = float(np.mean(series.arrays["volume"])) * 1e-27  # m^3
        unit = DIFFUSION_TO_SI / (6 * volume * BOLTZMANN_SI * self.temperature * AVOGADRO**2)
        matrices = frame_matrices(tallied, sites, self.frames, dict(self.volumes))
        made = []
        for frame, matrix in matrices.items():
            method = f"slope of <dR_i . dR_j>/6VkT at {self.temperature:g} K, {frame_text(frame, dict(self.volumes))}"
            moved = None
            if fit is not None:
                moved = fit.project(matrix)
                method += f", {fit.window_text}"
            # Those of the species that the frame is fixed on are zero by definition.
            shown = [(k, name) for k, name in enumerate(sites.species) if frame != f"{name}-fixed"]
            for i, first in shown:
                for j, second in shown:
                    if i <= j:
                        value, error, samples, large = _element(moved, i, j)
                        notes = [*faults, large] if large else faults
                        made.append(
                            Estimate(
                                "onsager_coefficient",
                                f"{first}-{second}, {frame} frame",
                                value * unit,
                                error * unit,
                                "mol^2/(J m s)",
                                method,
                                samples,
                                not notes,
                                "; ".join(notes),
                            )
                        )
        return Measurement(self.name, tuple(made))


def _element(fit: CollectiveFit | None, i: int, j: int) -> tuple[float, float, float, str]:
    """Slope, its error, number of independent samples, and what to say of an error that is large."""
    if fit is None:
        return math.nan, math.nan, math.nan, ""
    value, error = float(fit.slopes[i, j]), fit.error(itemgetter((i, j)))
    scale = math.sqrt(max(fit.slopes[i, i] * fit.slopes[j, j], 0.0))
    samples = (value**2 + scale**2) / error**2 if error else math.nan
    small = 0 < error <= LARGEST_ERROR * scale
    return value, error, samples, "" if small else f"standard error above {LARGEST_ERROR:.0%} of sqrt(L_ii L_jj)"
