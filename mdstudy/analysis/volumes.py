"""How much room molecules take: the share of points, drawn anywhere in a box, that one of its atoms is nearest to.

That is the volume of the Voronoi cells of the atoms, added up molecule by molecule. Cells fill the box without gaps, so
that the volumes of all molecules add up to that of the box exactly, as partial molar volumes do. They are no partial
molar volumes, which are derivatives: where the two differ, molecules change the room that others take (Olsen,
Hafskjold, Lervik and Hansen, arXiv 2504.13602, relate them). Points are drawn because a mean over a species needs no
single cell: a tessellation of as many atoms takes many times as long, and half a gigabyte.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import product

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import KDTree

from mdstudy.analysis.cores import share_out
from mdstudy.analysis.frames import Block, Series, Sites, Tallied
from mdstudy.analysis.periodic import box_matrices, wrap

#: One frame in so many is looked at, at so many points.
EVERY, POINTS = 50, 20_000
#: Images of atoms are first taken from this far around the box, in units of the cube root of the volume of an atom.
_MARGIN = 2.0


def nearest_atoms(
    positions: NDArray[np.floating], matrix: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.intp]:
    """Which atom of a periodic box is nearest to each point.

    Parameters
    ----------
    positions : (n, 3) float array, nm
        Anywhere.
    matrix : (3, 3) float array, nm
        Of :func:`mdstudy.analysis.periodic.box_matrices`.
    points : (m, 3) float array, nm
        Anywhere.

    Returns
    -------
    (m,) int array
    """
    inside, sought = (wrap(xyz[None], matrix[None])[0] for xyz in (positions, points))
    margin = _MARGIN * float(np.prod(np.diagonal(matrix)) / len(inside)) ** (1 / 3)
    while True:
        places, atom = _with_images(inside, matrix, margin)
        distance, found = KDTree(places).query(sought)
        if distance.max() <= margin:
            return np.asarray(atom[found])
        margin = 1.01 * min(float(distance.max()), 2 * margin) if np.isfinite(distance).all() else 2 * margin


def _with_images(
    inside: NDArray[np.float64], matrix: NDArray[np.float64], margin: float
) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Atoms of the unit cell (a brick, :func:`mdstudy.analysis.periodic.wrap`), images about it, and who each is."""
    edges = np.diagonal(matrix)
    most = np.ceil(margin / edges).astype(int) + int(np.count_nonzero(matrix) > 3)
    found, atoms = [inside], [np.arange(len(inside))]
    for turns in product(*(range(-m, m + 1) for m in most)):
        if any(turns):
            image = inside + np.array(turns) @ matrix
            near = np.flatnonzero(np.all((image > -margin) & (image < edges + margin), axis=1))
            found.append(image[near])
            atoms.append(near)
    return np.concatenate(found), np.concatenate(atoms)


@dataclass(frozen=True)
class NearestShares:
    """Tally: mean volume of the molecules of each species, nm^3, in one frame of so many.

    What is drawn depends on the time of the frame alone, and moves with its atoms.

    Attributes
    ----------
    every : int
        Frames whose number is a multiple of it are looked at, the first of all among them.
    points : int
        Drawn in a frame.
    seed : int
        Of the draw.
    """

    every: int = EVERY
    points: int = POINTS
    seed: int = 1

    def __call__(self, block: Block, sites: Sites) -> Series:
        """Count points by species, in the order of these."""
        chosen = np.flatnonzero((block.first + np.arange(block.n_frames)) % self.every == 0)
        matrices, volumes = box_matrices(block.boxes), block.volumes
        species = np.empty(sites.n_molecules, dtype=np.intp)
        for k, molecules in enumerate(sites.species.values()):
            species[molecules] = k
        kind, numbers = species[sites.molecule_of], [len(molecules) for molecules in sites.species.values()]

        def work(some: slice) -> list[NDArray[np.float64]]:
            rows = []
            for k in chosen[some]:
                rng = np.random.default_rng([self.seed, round(1000 * block.times[k])])
                xyz = block.positions[k].astype(float)
                turns = np.exp(2j * np.pi * xyz @ np.linalg.inv(matrices[k])).sum(axis=0)
                points = (rng.random((self.points, 3)) + np.angle(turns) / (2 * np.pi)) @ matrices[k]
                counts = np.bincount(kind[nearest_atoms(xyz, matrices[k], points)], minlength=len(numbers))
                rows.append(counts / self.points * volumes[k] / numbers)
            return rows

        rows = [row for part in share_out(len(chosen), work) for row in part]
        return Series(block.times[chosen], {"volume": np.array(rows).reshape(len(rows), len(numbers))})


def molecular_volumes(tallied: Tallied, sites: Sites, tally: NearestShares) -> Mapping[str, float]:
    """Mean volume of a molecule of each species, nm^3; NaN where no frame was looked at."""
    volume = tallied.series(tally).arrays["volume"]
    mean = volume.mean(axis=0) if len(volume) else np.full(len(sites.species), np.nan)
    return dict(zip(sites.species, map(float, mean), strict=True))
