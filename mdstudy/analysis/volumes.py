"""How much room molecules take: the share of points, drawn anywhere in a box, that belong to one of its atoms.

A point belongs to the atom with the least power distance |r - r_i|^2 - R_i^2, R_i being its radius: atoms have radical
(Laguerre) cells, planes between two of which lie nearer to the smaller one (Gellatly and Finney, J. Mol. Biol. 161, 305
(1982), doi 10.1016/0022-2836(82)90155-7; of bulk liquids: Brehm and Thomas, Molecules 26, 1875 (2021), doi
10.3390/molecules26071875). Cells fill the box without gaps, so that the volumes of all molecules add up to that of the
box exactly, as partial molar volumes do. They are no partial molar volumes, which are derivatives: where the two
differ, molecules change the room that others take (Olsen, Hafskjold, Lervik and Hansen, arXiv 2504.13602, relate them).
Points are drawn because a mean over a species needs no single cell: a tessellation of as many atoms takes many times as
long.
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
from mdstudy.analysis.scattering import elements_of

#: Radii, nm: Bondi, J. Phys. Chem. 68, 441 (1964), doi 10.1021/j100785a001; of Li+ in six-fold coordination: Shannon,
#: Acta Cryst. A32, 751 (1976), doi 10.1107/S0567739476001551.
RADII = {"H": 0.120, "D": 0.120, "Li": 0.076, "C": 0.170, "N": 0.155, "O": 0.152, "F": 0.147, "S": 0.180}
#: One frame in so many is looked at, at so many points.
EVERY, POINTS = 50, 20_000
#: Images of atoms are first taken from this far around the box, in units of the cube root of the volume of an atom.
_MARGIN = 2.0


def radii_of(masses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Radius of each atom, nm.

    Raises
    ------
    TrajectoryError
        Elements are not known by their masses (:func:`mdstudy.analysis.scattering.elements_of`).
    """
    names, kind = np.unique(elements_of(masses), return_inverse=True)
    return np.array([RADII[name] for name in names])[kind]


def owners(
    positions: NDArray[np.floating],
    radii: NDArray[np.float64],
    matrix: NDArray[np.float64],
    points: NDArray[np.float64],
) -> NDArray[np.intp]:
    """To which atom of a periodic box each point belongs.

    The power distance, less a constant, is the square of a distance in four dimensions, in the last of which an atom is
    sqrt(R_max^2 - R_i^2) away from the points.

    Parameters
    ----------
    positions : (n, 3) float array, nm
        Anywhere.
    radii : (n,) float array, nm
    matrix : (3, 3) float array, nm
        Of :func:`mdstudy.analysis.periodic.box_matrices`.
    points : (m, 3) float array, nm
        Anywhere.

    Returns
    -------
    (m,) int array
    """
    inside, sought = (wrap(xyz[None], matrix[None])[0] for xyz in (positions, points))
    height = np.sqrt(radii.max() ** 2 - radii**2)
    margin = _MARGIN * float(np.prod(np.diagonal(matrix)) / len(inside)) ** (1 / 3)
    owner, left = np.empty(len(sought), dtype=np.intp), np.arange(len(sought))
    while True:
        places, atom = _with_images(inside, matrix, margin)
        tree = KDTree(np.column_stack([places, height[atom]]))
        distance, found = tree.query(np.column_stack([sought[left], np.zeros(len(left))]))
        owner[left] = atom[found]
        left = left[distance > margin]  # whatever is not among the places is farther away than that
        if len(left) == 0:
            return owner
        margin = 1.01 * float(distance.max())


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
class CellVolumes:
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
        matrices, volumes, radii = box_matrices(block.boxes), block.volumes, radii_of(sites.masses)
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
                counts = np.bincount(kind[owners(xyz, radii, matrices[k], points)], minlength=len(numbers))
                rows.append(counts / self.points * volumes[k] / numbers)
            return rows

        rows = [row for part in share_out(len(chosen), work) for row in part]
        return Series(block.times[chosen], {"volume": np.array(rows).reshape(len(rows), len(numbers))})


def molecular_volumes(tallied: Tallied, sites: Sites, tally: CellVolumes) -> Mapping[str, float]:
    """Mean volume of a molecule of each species, nm^3; NaN where no frame was looked at."""
    volume = tallied.series(tally).arrays["volume"]
    mean = volume.mean(axis=0) if len(volume) else np.full(len(sites.species), np.nan)
    return dict(zip(sites.species, map(float, mean), strict=True))
