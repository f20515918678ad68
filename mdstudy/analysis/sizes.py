"""How large molecules are: radii of gyration, averaged in a pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.frames import Block, Sites, Sums, Tallied
from mdstudy.analysis.periodic import molecule_centres
from mdstudy.base.statistics import jackknife


@dataclass(frozen=True)
class GyrationRadii:
    """Tally: mass-weighted squares of the radii of gyration of the molecules of each species."""

    def __call__(self, block: Block, sites: Sites) -> Sums:
        """Sum over frames and molecules, in the order of the species."""
        xyz = block.positions
        centres = molecule_centres(xyz, sites.molecule_of, sites.masses)
        apart = xyz - centres.astype(np.float32)[:, sites.molecule_of]
        atoms = np.einsum("fak,fak->a", apart, apart, dtype=float) * sites.masses
        squares = np.bincount(sites.molecule_of, weights=atoms) / sites.molecule_masses
        total = np.array([squares[molecules].sum() for molecules in sites.species.values()])
        number = np.array([len(xyz) * len(molecules) for molecules in sites.species.values()], dtype=float)
        return Sums(block.n_frames, {"squares": total, "number": number})


@dataclass(frozen=True)
class Radius:
    """Root-mean-square radius of gyration of a species and its standard error, nm; NaN for single atoms."""

    radius: float
    error: float

    @property
    def diameter(self) -> float:
        """Diameter of the uniform sphere with this radius of gyration, 2 sqrt(5/3) R_g, nm."""
        return 2 * math.sqrt(5 / 3) * self.radius


def gyration_radii(tallied: Tallied, sites: Sites) -> Mapping[str, Radius]:
    """Radius of each species, with a jackknife over blocks of the run."""

    def radii(parts: Sequence[Sums]) -> NDArray[np.float64]:
        arrays = Sums.total(parts).arrays
        return np.sqrt(arrays["squares"] / arrays["number"])

    def find() -> dict[str, Radius]:
        values, errors = jackknife(tallied.sums(GyrationRadii()), radii)
        known = np.where(values > 0, values, math.nan)
        return {name: Radius(float(r), float(e)) for name, r, e in zip(sites.species, known, errors, strict=True)}

    return tallied.once("gyration radii", find)
