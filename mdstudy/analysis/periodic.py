"""Periodic boxes: nearest images, whole molecules, centres that are continuous in time.

Displacements from frame to frame between wrapped centres are taken to the nearest image in the box of the later frame
and added up (von Bülow, Bullerjahn and Hummer, J. Chem. Phys. 153, 021101 (2020), doi 10.1063/5.0008316; compared with
other schemes in J. Chem. Theory Comput. 19, 3406 (2023), doi 10.1021/acs.jctc.3c00308), which gives the right diffusion
at constant volume and at constant pressure. It fails when a centre moves by half a box edge from one frame to the next.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.errors import TrajectoryError

IndexArray = NDArray[np.intp]


def box_matrices(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """Box vectors as rows of lower-triangular matrices.

    Parameters
    ----------
    boxes : (n_frames, 6) float array
        Lengths in nm and angles in degrees.

    Returns
    -------
    (n_frames, 3, 3) float array, nm
    """
    lengths = np.asarray(boxes[:, :3], dtype=float)
    degrees = np.asarray(boxes[:, 3:], dtype=float)
    cosines = np.where(degrees == 90.0, 0.0, np.cos(np.radians(degrees)))
    alpha, beta, gamma = cosines.T
    a, b, c = lengths.T
    sine = np.sqrt(1 - gamma**2)
    x, y = c * beta, c * (alpha - beta * gamma) / sine
    matrices = np.zeros((len(boxes), 3, 3))
    matrices[:, 0, 0] = a
    matrices[:, 1, 0], matrices[:, 1, 1] = b * gamma, b * sine
    matrices[:, 2, 0], matrices[:, 2, 1], matrices[:, 2, 2] = x, y, np.sqrt(c**2 - x**2 - y**2)
    return matrices


def box_volumes(boxes: NDArray[np.floating]) -> NDArray[np.float64]:
    """(n_frames,) float array, nm^3, of boxes as for :func:`box_matrices`."""
    return np.asarray(np.prod(np.diagonal(box_matrices(boxes), axis1=1, axis2=2), axis=1))


def nearest_image(vectors: NDArray[np.floating], matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move vectors to their nearest image (exact up to half the shortest box height).

    Parameters
    ----------
    vectors : (n_frames, n, 3) float array, nm
    matrices : (n_frames, 3, 3) float array, nm
        Of :func:`box_matrices`.
    """
    result = np.array(vectors, dtype=float)
    for k in (2, 1, 0):  # reduced from the last vector on: the matrices are lower triangular
        turns = np.round(result[..., k] / matrices[:, k, k][:, None])
        result -= turns[..., None] * matrices[:, k][:, None, :]
    return result


def wrap(positions: NDArray[np.floating], matrices: NDArray[np.float64]) -> NDArray[np.float64]:
    """Move positions into one unit cell: the brick at the origin with the diagonal of the box as edges.

    For a triclinic box this is a unit cell as good as the parallelepiped.

    Parameters
    ----------
    positions : (n_frames, n, 3) float array, nm
    matrices : (n_frames, 3, 3) float array, nm
    """
    result = np.array(positions, dtype=float)
    for k in (2, 1, 0):
        turns = np.floor(result[..., k] / matrices[:, k, k][:, None])
        result -= turns[..., None] * matrices[:, k][:, None, :]
    return result


@dataclass(frozen=True, eq=False)
class Tree:
    """Atoms of all molecules by their distance, in bonds, from the first atom of each.

    Attributes
    ----------
    levels : sequence of (children, parents)
        Index arrays; a level is placed once the one before it is.
    """

    levels: Sequence[tuple[IndexArray, IndexArray]]

    @staticmethod
    def from_bonds(n_atoms: int, bonds: NDArray[np.integer], molecule_of: IndexArray) -> Tree:
        """Tree along bonds; atoms that no bond reaches hang on the atom before them in their molecule.

        Parameters
        ----------
        n_atoms : int
        bonds : (n_bonds, 2) int array
        molecule_of : (n_atoms,) int array
        """
        placed = np.zeros(n_atoms, dtype=bool)
        placed[np.unique(molecule_of, return_index=True)[1]] = True
        pairs = np.concatenate([bonds, bonds[:, ::-1]]) if len(bonds) else np.empty((0, 2), dtype=np.intp)
        levels: list[tuple[IndexArray, IndexArray]] = []
        while not placed.all():
            reach = pairs[placed[pairs[:, 0]] & ~placed[pairs[:, 1]]]
            children, first = np.unique(reach[:, 1], return_index=True)
            parents = reach[first, 0]
            if len(children) == 0:
                loose = np.flatnonzero(~placed[1:] & placed[:-1] & (molecule_of[1:] == molecule_of[:-1])) + 1
                if len(loose) == 0:
                    raise TrajectoryError("the atoms of a molecule do not follow each other and no bonds join them")
                children, parents = loose, loose - 1
            placed[children] = True
            levels.append((children.astype(np.intp), parents.astype(np.intp)))
        return Tree(levels)

    def make_whole(self, positions: NDArray[np.floating], matrices: NDArray[np.float64]) -> NDArray[np.float32]:
        """Put every atom next to the one that it hangs on.

        Parameters
        ----------
        positions : (n_frames, n_atoms, 3) float array, nm
        matrices : (n_frames, 3, 3) float array, nm
        """
        whole = np.array(positions, dtype=np.float64)
        for children, parents in self.levels:
            apart = whole[:, children] - whole[:, parents]
            whole[:, children] = whole[:, parents] + nearest_image(apart, matrices)
        return whole.astype(np.float32)


def molecule_centres(
    positions: NDArray[np.floating], molecule_of: IndexArray, masses: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Centres of mass of whole molecules.

    Parameters
    ----------
    positions : (n_frames, n_atoms, 3) float array, nm
    molecule_of : (n_atoms,) int array
    masses : (n_atoms,) float array, Da

    Returns
    -------
    (n_frames, n_molecules, 3) float array, nm
    """
    n_molecules = int(molecule_of.max()) + 1
    share = masses / np.bincount(molecule_of, weights=masses, minlength=n_molecules)[molecule_of]
    order = np.argsort(molecule_of, kind="stable")
    starts = np.searchsorted(molecule_of[order], np.arange(n_molecules))
    weighted = np.asarray(positions, dtype=float)[:, order] * share[order][None, :, None]
    return np.asarray(np.add.reduceat(weighted, starts, axis=1))


class Motion(NamedTuple):
    """How the molecules of a box move, and the box as a whole.

    Attributes
    ----------
    centres : (n_frames, n_molecules, 3) float array, nm
        Continuous; the centre of mass of all stays where it was in the first frame of all.
    drift : (n_frames, 3) float array, box vectors
        How far the centre of mass of all has gone since the first frame of all, beyond where the scaling of the box
        has carried it.
    """

    centres: NDArray[np.float64]
    drift: NDArray[np.float64]


class Unwrapper:
    """Makes centres continuous in time, block after block, and removes the drift of the whole box.

    Parameters
    ----------
    molecule_masses : (n_molecules,) float array, Da
    """

    def __init__(self, molecule_masses: NDArray[np.float64]) -> None:
        self._weight = molecule_masses / molecule_masses.sum()
        self._last: tuple[NDArray[np.float64], NDArray[np.float64]] | None = None
        self._continuous = self._origin = self._drift = np.zeros(3)

    def __call__(self, centres: NDArray[np.float64], matrices: NDArray[np.float64]) -> Motion:
        """Go on with the next frames.

        Parameters
        ----------
        centres : (n_frames, n_molecules, 3) float array, nm
            As stored, in any image.
        matrices : (n_frames, 3, 3) float array, nm
        """
        wrapped = wrap(centres, matrices)
        if self._last is None:
            self._last, self._continuous = (wrapped[0], matrices[0]), centres[0]
            self._origin = self._weight @ centres[0]
        before = np.concatenate([self._last[0][None], wrapped[:-1]])
        boxes_before = np.concatenate([self._last[1][None], matrices[:-1]])
        steps = nearest_image(wrapped - before, matrices)
        continuous = self._continuous + np.cumsum(steps, axis=0)
        gone = np.einsum("m,fmk->fk", self._weight, continuous)
        scaled = np.einsum("fi,fij->fj", self._weight @ before, np.linalg.solve(boxes_before, matrices))
        alone = self._weight @ steps - (scaled - self._weight @ before)
        drift = self._drift + np.cumsum(np.einsum("fi,fij->fj", alone, np.linalg.inv(matrices)), axis=0)
        self._last, self._continuous, self._drift = (wrapped[-1], matrices[-1]), continuous[-1], drift[-1]
        return Motion(np.asarray(continuous - (gone - self._origin)[:, None, :]), drift)
