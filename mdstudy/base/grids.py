"""Functions of three coordinates on a regular grid, and the file that molecular viewers draw."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.errors import MdstudyError

BOHR = 0.0529177210903  # nm, CODATA 2018
#: Atomic numbers of what molecules here are made of; a viewer draws anything else as a dummy.
ATOMIC_NUMBER = {"H": 1, "Li": 3, "B": 5, "C": 6, "N": 7, "O": 8, "F": 9, "Na": 11, "P": 15, "S": 16, "Cl": 17, "K": 19}
_VALUES_A_LINE = 6


@dataclass(frozen=True, eq=False)
class Grid:
    """A function in space with its pointwise standard error.

    Attributes
    ----------
    quantity, of : str
        As in :class:`mdstudy.base.results.Estimate`.
    values, errors : (nx, ny, nz) float arrays
        In the middle of each voxel; an unknown error is NaN.
    corner : (3,) float array, nm
        Outermost corner of the first voxel.
    spacing : float
        Edge of a voxel, nm.
    unit : str
        Of the values, a key of :data:`mdstudy.base.units.RESULT_UNITS`.
    atoms : tuple of (str, (float, float, float))
        Elements and places (nm) of the atoms that the axes are tied to.
    """

    quantity: str
    of: str
    values: NDArray[np.float64]
    errors: NDArray[np.float64]
    corner: NDArray[np.float64]
    spacing: float
    unit: str
    atoms: tuple[tuple[str, tuple[float, float, float]], ...] = ()

    def __post_init__(self) -> None:
        if self.values.ndim != 3 or self.errors.shape != self.values.shape:
            raise MdstudyError(f"{self.quantity} of {self.of}: values and errors are not on one grid in space")

    @property
    def file_name(self) -> str:
        """``spatial_density-FSI-Li.cube``."""
        words = "".join(c if c.isalnum() or c in "._" else "-" for c in f"{self.quantity}-{self.of}")
        return f"{words}.cube"

    def middle(self, place: tuple[int, ...]) -> NDArray[np.float64]:
        """Coordinates of the middle of a voxel, nm."""
        return np.asarray(self.corner + (np.array(place) + 0.5) * self.spacing)

    def to_cube(self) -> str:
        """Text of a Gaussian cube file: lengths in Bohr, values not changed, NaN as 0."""
        nx, ny, nz = self.values.shape
        first, edge = self.middle((0, 0, 0)) / BOHR, self.spacing / BOHR
        lines = [f"{self.quantity} of {self.of}", f"in {self.unit}; lengths in Bohr"]
        lines.append(f"{len(self.atoms):5d}" + "".join(f"{x:12.6f}" for x in first))
        for k, n in enumerate((nx, ny, nz)):
            lines.append(f"{n:5d}" + "".join(f"{edge if k == j else 0.0:12.6f}" for j in range(3)))
        for element, place in self.atoms:
            number = ATOMIC_NUMBER.get(element, 0)
            lines.append(f"{number:5d}{float(number):12.6f}" + "".join(f"{x / BOHR:12.6f}" for x in place))
        for column in np.nan_to_num(self.values).reshape(nx * ny, nz):
            for start in range(0, nz, _VALUES_A_LINE):
                lines.append("".join(f"{v:13.5e}" for v in column[start : start + _VALUES_A_LINE]))
        return "\n".join(lines) + "\n"
