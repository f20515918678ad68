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

from mdstudy.analysis.cores import compiled, share_out
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
        whole = np.array(positions, dtype=np.float32)
        order = np.concatenate([np.stack(level) for level in self.levels], axis=1) if self.levels else np.empty((2, 0))
        children, parents = order.astype(np.intp)
        share_out(len(whole), lambda frames: _make_whole(whole[frames], matrices[frames], children, parents))
        return whole


@compiled
def _make_whole(
    xyz: NDArray[np.float32], boxes: NDArray[np.float64], children: IndexArray, parents: IndexArray
) -> None:
    """Move children, in this order, to the images nearest to their parents."""
    for f in range(len(xyz)):
        box = boxes[f]
        for n in range(len(children)):
            child, parent = xyz[f, children[n]], xyz[f, parents[n]]
            z = np.float64(child[2]) - parent[2]
            c = np.rint(z / box[2, 2])
            y = np.float64(child[1]) - parent[1] - c * box[2, 1]
            b = np.rint(y / box[1, 1])
            x = np.float64(child[0]) - parent[0] - c * box[2, 0] - b * box[1, 0]
            a = np.rint(x / box[0, 0])
            if a != 0 or b != 0 or c != 0:
                child[0] -= a * box[0, 0] + b * box[1, 0] + c * box[2, 0]
                child[1] -= b * box[1, 1] + c * box[2, 1]
                child[2] -= c * box[2, 2]


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
    centres = np.empty((len(positions), n_molecules, 3))
    share_out(len(positions), lambda frames: _centres(positions[frames], molecule_of, share, centres[frames]))
    return centres


@compiled
def _centres(
    positions: NDArray[np.floating], molecule_of: IndexArray, share: NDArray[np.float64], out: NDArray[np.float64]
) -> None:
    """Add up the atoms of each molecule by their shares of its mass."""
    for f in range(len(positions)):
        out[f] = 0.0
        m, x, y, z = molecule_of[0], 0.0, 0.0, 0.0
        for i in range(len(molecule_of)):
            if molecule_of[i] != m:
                out[f, m, 0] += x
                out[f, m, 1] += y
                out[f, m, 2] += z
                m, x, y, z = molecule_of[i], 0.0, 0.0, 0.0
            x += share[i] * positions[f, i, 0]
            y += share[i] * positions[f, i, 1]
            z += share[i] * positions[f, i, 2]
        out[f, m, 0] += x
        out[f, m, 1] += y
        out[f, m, 2] += z


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
        if self._last is None:
            self._last, self._continuous = (wrap(centres[:1], matrices[:1])[0], matrices[0]), np.array(centres[0])
            self._origin = self._weight @ centres[0]
        followed, before, steps = np.array(centres), np.empty((len(centres), 3)), np.empty((len(centres), 3))
        _follow(followed, matrices, self._last[0], self._continuous, self._weight, self._origin, before, steps)
        boxes_before = np.concatenate([self._last[1][None], matrices[:-1]])
        scaled = np.einsum("fi,fij->fj", before, np.linalg.solve(boxes_before, matrices))
        alone = np.einsum("fi,fij->fj", steps - (scaled - before), np.linalg.inv(matrices))
        drift = self._drift + np.cumsum(alone, axis=0)
        self._last, self._drift = (self._last[0], matrices[-1]), drift[-1]
        return Motion(followed, drift)


@compiled
def _follow(
    centres: NDArray[np.float64],
    boxes: NDArray[np.float64],
    last: NDArray[np.float64],
    continuous: NDArray[np.float64],
    weight: NDArray[np.float64],
    origin: NDArray[np.float64],
    before: NDArray[np.float64],
    steps: NDArray[np.float64],
) -> None:
    """Make centres continuous and keep the centre of mass of all where it was.

    `last` (wrapped) and `continuous` are the centres in the frame before, and go on; `before` and `steps` become the
    centre of mass of all `last` and that of all steps, frame by frame.
    """
    gone, inside, step = np.empty(3), np.empty(3), np.empty(3)
    for f in range(len(centres)):
        box = boxes[f]
        gone[:], before[f], steps[f] = 0.0, 0.0, 0.0
        for m in range(len(last)):
            for k in range(3):
                inside[k] = centres[f, m, k]
            for k in (2, 1, 0):
                turns = np.floor(inside[k] / box[k, k])
                for n in range(k + 1):
                    inside[n] -= turns * box[k, n]
            for k in range(3):
                step[k] = inside[k] - last[m, k]
            for k in (2, 1, 0):
                turns = np.rint(step[k] / box[k, k])
                for n in range(k + 1):
                    step[n] -= turns * box[k, n]
            for k in range(3):
                before[f, k] += weight[m] * last[m, k]
                steps[f, k] += weight[m] * step[k]
                continuous[m, k] += step[k]
                last[m, k] = inside[k]
                centres[f, m, k] = continuous[m, k]
                gone[k] += weight[m] * continuous[m, k]
        for k in range(3):
            gone[k] -= origin[k]
        for m in range(len(last)):
            for k in range(3):
                centres[f, m, k] -= gone[k]
