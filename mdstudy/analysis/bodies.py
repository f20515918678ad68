"""Axes that are tied to a molecule, and where in them the atoms of other molecules are."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.frames import Block, Sites, Sums
from mdstudy.analysis.neighbours import contacts
from mdstudy.base.errors import TrajectoryError

_PAIRS = 2_000_000  # whose places are found at once: bounds the memory


@dataclass(frozen=True)
class Axes:
    """Three atoms of a molecule that fix its axes, the apex and two arms.

    x points from the origin along the bisector of the arms (at the apex), or from an ion to the apex (at the ion); y
    lies in the plane of x and the line between the arms; z is normal to both.

    Attributes
    ----------
    apex, arms : str
        Sites with one atom and with two atoms a molecule: ``"FSI.N"`` and ``"FSI.S"``.
    """

    apex: str
    arms: str

    def atoms(self, sites: Sites) -> NDArray[np.intp]:
        """Apex and arms of each molecule that has them, (n_molecules, 3) int array.

        Raises
        ------
        TrajectoryError
            Another number of atoms than one and two in a molecule.
        """
        apex, arms = sites.atoms(self.apex), sites.atoms(self.arms)
        apex = apex[np.argsort(sites.molecule_of[apex], kind="stable")]
        arms = arms[np.argsort(sites.molecule_of[arms], kind="stable")]
        owners = sites.molecule_of[apex]
        fits = len(arms) == 2 * len(apex) and len(np.unique(owners)) == len(apex)
        if not fits or (sites.molecule_of[arms].reshape(-1, 2) != owners[:, None]).any():
            raise TrajectoryError(f"axes need one atom {self.apex} and two atoms {self.arms} a molecule")
        return np.column_stack([apex, arms.reshape(-1, 2)])


def turn(x: NDArray[np.float64], across: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rotations to axes with the first along `x` and the second in the plane of `x` and `across`.

    Parameters
    ----------
    x, across : (n, 3) float arrays

    Returns
    -------
    (n, 3, 3) float array
        Rows are the axes.
    """
    first = x / np.linalg.norm(x, axis=1, keepdims=True)
    second = across - np.einsum("nk,nk->n", across, first)[:, None] * first
    second /= np.linalg.norm(second, axis=1, keepdims=True)
    return np.stack([first, second, np.cross(first, second)], axis=1)


@dataclass(frozen=True)
class BodyDensity:
    """Tally: atoms of other molecules on a grid in the axes of a molecule, with the apex or an ion at the origin.

    Attributes
    ----------
    axes : Axes
    others : tuple of str
        Sites that are looked for.
    half, spacing : float
        Half the edge of the cube and the edge of a voxel, nm.
    every : int
        About one frame in so many is looked at, chosen by its time.
    ion, donor, cutoff : str, str, float
        With an ion, the origin is at each ion that a donor of the molecule is nearer to than the cutoff (nm), once a
        pair of ion and molecule.
    """

    axes: Axes
    others: tuple[str, ...]
    half: float = 0.6
    spacing: float = 0.04
    every: int = 1
    ion: str = ""
    donor: str = ""
    cutoff: float = 0.0

    @property
    def n(self) -> int:
        """Voxels along an edge."""
        return round(2 * self.half / self.spacing)

    @property
    def reach(self) -> float:
        """Distance of a corner of the cube, nm."""
        return self.half * 3**0.5

    def __call__(self, block: Block, sites: Sites) -> Sums:
        """Count atoms by voxel, and the pairs that an ideal gas of the same density would have a nm^3."""
        if self.reach > float(block.boxes[:, :3].min()) / 2:
            raise TrajectoryError(
                f"density in a cube of {2 * self.half} nm needs a box of {2 * self.reach:.2f} nm; this has "
                f"{block.boxes[:, :3].min():.2f}"
            )
        ticks = np.round(1000 * block.times).astype(np.int64)
        chosen = np.flatnonzero((ticks * 2654435761 >> 16) % self.every == 0)
        xyz, matrices = block.positions[chosen], block.matrices[chosen]
        groups = [sites.atoms(name) for name in self.others]
        around = np.concatenate(groups)
        kind = np.repeat(np.arange(len(groups)), [len(group) for group in groups])
        shape = (len(groups), self.n, self.n, self.n)
        if len(xyz) == 0:  # none of the frames of this block is looked at
            nothing = {"counts": np.zeros(shape), "density": np.zeros(len(groups)), "body": np.zeros((3, 3))}
            return Sums(block.n_frames, nothing | {"number": np.array(0.0)})
        body = self.axes.atoms(sites)
        origin, frame, centre, molecule, places = self._bodies(xyz, matrices, body, sites)
        axes, local = self._turned(places)
        counts = np.zeros(len(groups) * self.n**3)
        count, first, second, _, image = contacts(xyz, matrices, origin, around, sites.molecule_of, self.reach)
        cell = np.repeat(np.arange(len(xyz)), count) * len(origin) + first
        order = np.argsort(cell, kind="stable")
        start, end = (np.searchsorted(cell[order], frame * len(origin) + centre, side) for side in ("left", "right"))
        step = max(1, _PAIRS // max(1, int((end - start).max(initial=1))))
        for low in range(0, len(frame), step):
            some = slice(low, low + step)
            size = (end - start)[some]
            of = np.repeat(np.arange(len(frame))[some], size)
            pair = order[np.arange(size.sum()) + np.repeat(start[some] - np.r_[0, np.cumsum(size)[:-1]], size)]
            atom = around[second[pair]]
            keep = sites.molecule_of[atom] != molecule[of]
            of, pair, atom = of[keep], pair[keep], atom[keep]
            away = xyz[frame[of], atom].astype(float) - xyz[frame[of], origin[centre[of]]]
            away += np.einsum("pk,pkx->px", image[pair].astype(float), matrices[frame[of]])
            voxel = np.floor((np.einsum("pij,pj->pi", axes[of], away) + self.half) / self.spacing).astype(int)
            inside = ((voxel >= 0) & (voxel < self.n)).all(axis=1)
            x, y, z = voxel[inside].T
            index = ((kind[second[pair[inside]]] * self.n + x) * self.n + y) * self.n + z
            counts += np.bincount(index, minlength=len(counts))
        return Sums(
            block.n_frames,
            {
                "counts": counts.reshape(shape),
                "density": self._density(groups, block.volumes[chosen], frame, origin[centre], molecule, sites),
                "body": local.sum(axis=0),
                "number": np.array(float(len(frame))),
            },
        )

    def _bodies(
        self, xyz: NDArray[np.float32], matrices: NDArray[np.float32], body: NDArray[np.intp], sites: Sites
    ) -> tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.intp], NDArray[np.float64]]:
        """Atoms that serve as origin; frame, origin and molecule of each body; its atoms relative to the origin."""
        owners = sites.molecule_of[body[:, 0]]
        if not self.ion:
            frame, centre = (index.ravel() for index in np.indices((len(xyz), len(body))))
            places = xyz[frame[:, None], body[centre]].astype(float) - xyz[frame, body[centre, 0]][:, None]
            return body[:, 0], frame, centre, owners[centre], places
        ions, donors = sites.atoms(self.ion), sites.atoms(self.donor)
        count, first, second, _, image = contacts(xyz, matrices, ions, donors, sites.molecule_of, self.cutoff)
        frame, molecule = np.repeat(np.arange(len(xyz)), count), sites.molecule_of[donors[second]]
        key = (frame * len(ions) + first) * sites.n_molecules + molecule
        one = np.unique(key, return_index=True)[1]
        frame, centre, molecule = frame[one], first[one].astype(np.intp), molecule[one]
        atoms = body[np.searchsorted(owners, molecule)]
        shift = np.einsum("pk,pkx->px", image[one].astype(float), matrices[frame])
        places = xyz[frame[:, None], atoms].astype(float) - xyz[frame, ions[centre]][:, None] + shift[:, None]
        return ions, frame, centre, molecule, places

    def _turned(self, places: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Axes of each body, and its atoms in them."""
        apex, left, right = np.moveaxis(places, 1, 0)
        axes = turn(apex if self.ion else (left + right) / 2 - apex, left - right)
        return axes, np.einsum("pij,pkj->pki", axes, places)

    def _density(
        self,
        groups: list[NDArray[np.intp]],
        volumes: NDArray[np.float64],
        frame: NDArray[np.intp],
        origin: NDArray[np.intp],
        molecule: NDArray[np.intp],
        sites: Sites,
    ) -> NDArray[np.float64]:
        """Pairs a nm^3 of an ideal gas, summed over bodies: neither the molecule nor that of the origin counts."""
        found = []
        own = sites.molecule_of[origin]
        for group in groups:
            held = np.bincount(sites.molecule_of[group], minlength=sites.n_molecules)
            others = len(group) - held[molecule] - np.where(own == molecule, 0, held[own])
            found.append(float(np.sum(others / volumes[frame])))
        return np.array(found)
