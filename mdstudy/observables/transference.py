"""Transference numbers from collective motion: the one of a uniform mixture, and the one that a blocked cell shows."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.collective import blocked
from mdstudy.analysis.frames import Sites, Tallied, Tally
from mdstudy.analysis.mobility import (
    TOO_FEW,
    charges,
    collective_faults,
    collective_fit,
    frame_matrices,
    frame_tallies,
    frame_text,
)
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import Estimate, Measurement, Quantity

#: A transference number is called converged when its standard error is at most this.
LARGEST_ERROR = 0.1


@dataclass(frozen=True)
class Transference:
    """Transference numbers with all correlations between ions.

    *Onsager*: t_i = sum_j z_i z_j L_ij / sum_kl z_k z_l L_kl, the share of an ion in the current of a mixture without
    gradients of concentration; its value depends on the frame of reference, the sum over all ions is 1 in each, and it
    may be negative (Fong et al., AIChE J. 66, e17091 (2020), doi 10.1002/aic.17091).

    *Blocked*: the share of the initial current that is left in the steady state of a cell whose electrodes exchange one
    ion only, for a small voltage. All other species have then come to rest, t = z^2 S / sum_kl z_k z_l L_kl with S the
    Schur complement of the coefficients (:func:`mdstudy.analysis.collective.blocked`). It is never negative, does not
    depend on the frame of reference, and is what a Bruce-Vincent measurement gives when interfaces are corrected for;
    for a binary salt it is 1/(1 + Ne) of Balsara and Newman, J. Electrochem. Soc. 162, A2720 (2015), doi
    10.1149/2.0651514jes. The derivation is in docs/dynamics.md. With few independent samples n it is too small by the
    share q/n, q being the number of blocked species less one: less than its error.

    Attributes
    ----------
    cation : str
        Species that the electrodes exchange.
    frames : tuple of str
        Frames of reference for the Onsager transference numbers.
    volumes : tuple of (str, float)
        Partial molecular volume of each species, any unit, for the volume-fixed frame; without any, those of
        radical cells (:class:`~mdstudy.observables.molecular_volume.MolecularVolume`), whose error is left out.
    """

    cation: str = "Li"
    frames: tuple[str, ...] = ("barycentric",)
    volumes: tuple[tuple[str, float], ...] = ()

    name: ClassVar[str] = "transference"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("transference_number_onsager", "1", "Share of an ion in the current of a uniform mixture."),
        Quantity(
            "transference_number_blocked",
            "1",
            "Share of an ion in the steady current of a cell whose electrodes block all other ions, for a small"
            " voltage.",
        ),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Centres of all molecules, and their volumes where a frame needs them."""
        if not charges(sites).get(self.cation):
            raise TrajectoryError(f'transference number: "{self.cation}" is no ion of this trajectory')
        return frame_tallies(sites, self.frames, dict(self.volumes))

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Project the collective fit."""
        fit = collective_fit(tallied, sites)
        charge = charges(sites)
        z = np.array(list(charge.values()), dtype=float)
        numbers = [len(molecules) for molecules in sites.species.values()]
        faults = [TOO_FEW] if fit is None else collective_faults(fit, tallied, sites, z)

        def estimate(quantity: str, of: str, function: Callable[[NDArray[np.float64]], float], method: str) -> Estimate:
            if fit is None:
                return Estimate(quantity, of, math.nan, math.nan, "1", method, note=TOO_FEW)
            value, error = function(fit.slopes), fit.error(function)
            own = [*faults, *([f"standard error above {LARGEST_ERROR}"] if not error <= LARGEST_ERROR else [])]
            text = f"{method}, {fit.window_text} a species"
            return Estimate(quantity, of, value, error, "1", text, converged=not own, note="; ".join(own))

        made = []
        for frame, matrix in frame_matrices(tallied, sites, self.frames, dict(self.volumes)).items():
            text = f"sum_j z_i z_j L_ij / sum_kl z_k z_l L_kl, {frame_text(frame, dict(self.volumes))}"
            made += [
                estimate("transference_number_onsager", f"{name}, {frame} frame", _share(z, matrix, k), text)
                for k, name in enumerate(sites.species)
                if z[k]
            ]
        own = list(charge).index(self.cation)
        made.append(
            estimate(
                "transference_number_blocked",
                self.cation,
                lambda slopes: float(z[own] ** 2 * blocked(slopes, numbers, own) / (z @ slopes @ z)),
                "Schur complement of the Onsager coefficients, all other species blocked, any frame",
            )
        )
        return Measurement(self.name, tuple(made))


def _share(z: NDArray[np.float64], matrix: NDArray[np.float64], k: int) -> Callable[[NDArray[np.float64]], float]:
    """Onsager transference number of species k as a function of the coefficients in the barycentric frame."""

    def share(slopes: NDArray[np.float64]) -> float:
        moved = matrix @ slopes @ matrix.T
        return float(z[k] * (moved[k] @ z) / (z @ moved @ z))

    return share
