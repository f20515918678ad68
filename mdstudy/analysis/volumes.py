"""How much room molecules take: Voronoi cells of the atoms in a periodic box, added up molecule by molecule.

The cell of an atom is all that is nearer to it than to any other atom. Cells fill the box without gaps, so that the
volumes of all molecules add up to that of the box exactly, as partial molar volumes do. They are no partial molar
volumes, which are derivatives: where the two differ, molecules change the room that others take (Olsen, Hafskjold,
Lervik and Hansen, arXiv 2504.13602, relate them).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import Voronoi

from mdstudy.analysis.cores import share_out
from mdstudy.analysis.frames import Block, Series, Sites, Tallied
from mdstudy.analysis.periodic import box_matrices, wrap

#: One frame in so many is looked at: volumes hardly fluctuate, and a tessellation costs as much as several frames.
EVERY = 100
#: Images of atoms are first taken from this far around the box, in units of the cube root of the volume of an atom.
_MARGIN = 3.0


def cell_volumes(positions: NDArray[np.floating], matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """Volumes of the Voronoi cells of points in a periodic box.

    A cell is made of pyramids that stand on its faces with their tips at the point. Images within a margin of the box
    are enough if every corner of the cells is nearer to its points than half of the margin; else it is made wider.

    Parameters
    ----------
    positions : (n, 3) float array, nm
        Anywhere; no two in the same place.
    matrix : (3, 3) float array, nm
        Of :func:`mdstudy.analysis.periodic.box_matrices`.

    Returns
    -------
    (n,) float array, nm^3
        They add up to the volume of the box.
    """
    n = len(positions)
    inside = wrap(positions[None], matrix[None])[0]
    margin = _MARGIN * float(np.prod(np.diagonal(matrix)) / n) ** (1 / 3)
    while True:
        points = _with_images(inside, matrix, margin)
        made = Voronoi(points)
        faces = np.flatnonzero(made.ridge_points.min(axis=1) < n)
        sizes = np.array([len(made.ridge_vertices[k]) for k in faces])
        corners = np.concatenate([made.ridge_vertices[k] for k in faces])
        pair = made.ridge_points[faces]
        if corners.min() < 0:  # a cell is open
            margin *= 2
            continue
        xyz, face = made.vertices[corners], np.repeat(np.arange(len(faces)), sizes)
        away = float(np.linalg.norm(xyz - points[pair.min(axis=1)[face]], axis=1).max())
        if 2 * away <= margin:
            break
        margin = 2.01 * away
    starts = np.cumsum(sizes) - sizes
    xyz = xyz - xyz[starts][face]
    following = np.arange(len(corners)) + 1
    following[starts + sizes - 1] = starts
    area = np.linalg.norm(np.add.reduceat(np.cross(xyz, xyz[following]), starts), axis=1) / 2
    pyramid = area * np.linalg.norm(points[pair[:, 0]] - points[pair[:, 1]], axis=1) / 6
    return np.asarray(np.bincount(pair.ravel(), np.repeat(pyramid, 2), minlength=len(points))[:n], dtype=float)


def _with_images(inside: NDArray[np.float64], matrix: NDArray[np.float64], margin: float) -> NDArray[np.float64]:
    """Points of the unit cell (a brick, see :func:`mdstudy.analysis.periodic.wrap`), and their images around it."""
    edges = np.diagonal(matrix)
    most = np.ceil(margin / edges).astype(int) + int(np.count_nonzero(matrix) > 3)
    found = [inside]
    for turns in product(*(range(-m, m + 1) for m in most)):
        if any(turns):
            image = inside + np.array(turns) @ matrix
            found.append(image[np.all((image > -margin) & (image < edges + margin), axis=1)])
    return np.concatenate(found)


@dataclass(frozen=True)
class CellVolumes:
    """Tally: mean volume of the molecules of each species, nm^3, in one frame of so many.

    Attributes
    ----------
    every : int
        Frames whose number is a multiple of it are looked at, the first of all among them.
    """

    every: int = EVERY

    def __call__(self, block: Block, sites: Sites) -> Series:
        """Tessellate and add up, in the order of the species."""
        chosen = np.flatnonzero((block.first + np.arange(block.n_frames)) % self.every == 0)
        matrices = box_matrices(block.boxes)
        species = np.empty(sites.n_molecules, dtype=np.intp)
        for k, molecules in enumerate(sites.species.values()):
            species[molecules] = k
        kind, numbers = species[sites.molecule_of], [len(molecules) for molecules in sites.species.values()]

        def work(some: slice) -> list[NDArray[np.float64]]:
            return [np.bincount(kind, cell_volumes(block.positions[k], matrices[k])) / numbers for k in chosen[some]]

        rows = [row for part in share_out(len(chosen), work) for row in part]
        return Series(block.times[chosen], {"volume": np.array(rows).reshape(len(rows), len(numbers))})


def molecular_volumes(tallied: Tallied, sites: Sites, tally: CellVolumes) -> Mapping[str, float]:
    """Mean volume of a molecule of each species, nm^3; NaN where no frame was looked at."""
    volume = tallied.series(tally).arrays["volume"]
    mean = volume.mean(axis=0) if len(volume) else np.full(len(sites.species), np.nan)
    return dict(zip(sites.species, map(float, mean), strict=True))
