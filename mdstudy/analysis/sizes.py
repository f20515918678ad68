"""How large molecules are: radii of gyration, averaged in a pass."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.cores import compiled, share_out
from mdstudy.analysis.frames import Block, Sites, Sums, Tallied
from mdstudy.base.statistics import jackknife


@dataclass(frozen=True)
class GyrationRadii:
    """Tally: mass-weighted squares of the radii of gyration of the molecules of each species."""

    def __call__(self, block: Block, sites: Sites) -> Sums:
        """Sum over frames and molecules, in the order of the species."""
        xyz, share = block.positions, sites.masses / sites.molecule_masses[sites.molecule_of]
        found = share_out(len(xyz), lambda frames: _squares(xyz[frames], sites.molecule_of, share, sites.n_molecules))
        squares = np.sum(found, axis=0)
        total = np.array([squares[molecules].sum() for molecules in sites.species.values()])
        number = np.array([len(xyz) * len(molecules) for molecules in sites.species.values()], dtype=float)
        return Sums(block.n_frames, {"squares": total, "number": number})


@compiled
def _squares(
    positions: NDArray[np.float32], molecule_of: NDArray[np.intp], share: NDArray[np.float64], n_molecules: int
) -> NDArray[np.float64]:
    """Squares of the radii of gyration of all molecules, summed over frames; `share` of each atom of the mass."""
    total = np.zeros(n_molecules)
    origin, moments = np.empty((n_molecules, 3)), np.empty((n_molecules, 4))
    for f in range(len(positions)):
        moments[:] = 0.0
        for i in range(len(molecule_of) - 1, -1, -1):
            origin[molecule_of[i]] = positions[f, i]
        for i in range(len(molecule_of)):  # about the first atom of each: less is lost when squares are subtracted
            m, square = molecule_of[i], 0.0
            for k in range(3):
                apart = positions[f, i, k] - origin[m, k]
                moments[m, k] += share[i] * apart
                square += apart * apart
            moments[m, 3] += share[i] * square
        for m in range(n_molecules):
            total[m] += moments[m, 3] - moments[m, 0] ** 2 - moments[m, 1] ** 2 - moments[m, 2] ** 2
    return total


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
