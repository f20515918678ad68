"""What an observable sees: blocks of frames, who is who, and tallies.

Everything is numpy in internal units (nm, ps, dalton, elementary charge). No
Universe, Quantity or Simulation crosses this border.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

from mdstudy.errors import TrajectoryError, did_you_mean
from mdstudy.results import Measurement, Quantity

FloatArray = NDArray[np.floating]
IndexArray = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Sites:
    """Who is who in a trajectory.

    Attributes
    ----------
    groups : mapping of str to (n,) int array
        Atom indices of each named site: ``"Li"``, ``"FSI.O"``, ``"PMMA.O_carbonyl"``;
        a species name alone stands for all its atoms.
    molecule_of : (n_atoms,) int array
        Index of the molecule that each atom belongs to, from 0.
    species : mapping of str to (n,) int array
        Molecule indices of each species. Molecules of species with no atoms are absent.
    masses : (n_atoms,) float array, dalton
    formal_charge : mapping of str to int
        Charge of one molecule of each species in units of e, unscaled.
    charge_scale : float
        Factor by which the model scales the ionic charges (1: not scaled; NaN: not known).
    """

    groups: Mapping[str, IndexArray]
    molecule_of: IndexArray
    species: Mapping[str, IndexArray]
    masses: NDArray[np.float64]
    formal_charge: Mapping[str, int]
    charge_scale: float = float("nan")

    @property
    def n_atoms(self) -> int:
        return len(self.molecule_of)

    @property
    def n_molecules(self) -> int:
        return int(self.molecule_of.max()) + 1 if len(self.molecule_of) else 0

    def atoms(self, group: str) -> IndexArray:
        """Atom indices of a named site.

        Raises
        ------
        TrajectoryError
            No such site, or the site has no atoms.
        """
        if group not in self.groups:
            raise TrajectoryError(f'"{group}": no such site.{did_you_mean(group, self.groups)}')
        indices = self.groups[group]
        if len(indices) == 0:
            raise TrajectoryError(f'"{group}": the trajectory has no atom of this site.')
        return indices


@dataclass(frozen=True, eq=False)
class Block:
    """Consecutive frames.

    Attributes
    ----------
    times : (n_frames,) float array, ps
    positions : (n_frames, n_atoms, 3) float32 array, nm
        As stored; may lie outside the box.
    centres : (n_frames, n_molecules, 3) float64 array, nm
        Centres of mass of the molecules, continuous in time over the whole
        trajectory (unwrapped), drift of the centre of mass of the whole box removed.
    boxes : (n_frames, 6) float32 array
        Box lengths in nm and angles in degrees.
    """

    times: NDArray[np.float64]
    positions: NDArray[np.float32]
    centres: NDArray[np.float64]
    boxes: NDArray[np.float32]

    @property
    def n_frames(self) -> int:
        return len(self.times)

    @property
    def volumes(self) -> NDArray[np.float64]:
        """(n_frames,) float array, nm^3."""
        lengths = self.boxes[:, :3].astype(float)
        cosines = np.cos(np.radians(self.boxes[:, 3:].astype(float)))
        a, b, c = cosines.T
        return np.asarray(lengths.prod(axis=1) * np.sqrt(1 - a * a - b * b - c * c + 2 * a * b * c))


@dataclass(frozen=True, eq=False)
class Sums:
    """Arrays that add: the total less one block is a delete-one sample."""

    n_frames: int
    arrays: Mapping[str, NDArray[np.float64]]

    def __add__(self, other: Sums) -> Sums:
        return Sums(self.n_frames + other.n_frames, {k: v + other.arrays[k] for k, v in self.arrays.items()})

    def __sub__(self, other: Sums) -> Sums:
        return Sums(self.n_frames - other.n_frames, {k: v - other.arrays[k] for k, v in self.arrays.items()})


@dataclass(frozen=True, eq=False)
class Series:
    """Arrays that join in time: the first axis of each is the frame."""

    times: NDArray[np.float64]
    arrays: Mapping[str, FloatArray]

    @staticmethod
    def join(parts: Sequence[Series]) -> Series:
        """Put consecutive parts together."""
        return Series(
            np.concatenate([p.times for p in parts]),
            {k: np.concatenate([p.arrays[k] for p in parts]) for k in parts[0].arrays},
        )


class Tally(Protocol):
    """Reduces a block of frames. Frozen and equal by value, so that observables
    which ask for the same tally share one."""

    def __call__(self, block: Block, sites: Sites) -> Sums | Series: ...

    def __hash__(self) -> int: ...


class Observable(Protocol):
    """A recipe: plain frozen data with the tally it needs and how it is finished.

    It opens no file, loops over no trajectory, plots and prints nothing.
    """

    name: ClassVar[str]
    quantities: ClassVar[tuple[Quantity, ...]]

    @property
    def tally(self) -> Tally:
        """What must be reduced from each block."""
        ...

    def finish(self, tallies: Sequence[Sums | Series], sites: Sites) -> Measurement:
        """Turn the tallies, one a block in order of time, into numbers."""
        ...
