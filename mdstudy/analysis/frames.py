"""What an observable sees: blocks of frames, who is who, and tallies.

Everything is numpy in internal units (nm, ps, dalton, elementary charge). No
Universe, Quantity or Simulation crosses this border.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Protocol, TypeVar, cast

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.periodic import Motion, box_matrices, box_volumes
from mdstudy.base.errors import TrajectoryError, did_you_mean
from mdstudy.base.results import Measurement, Quantity
from mdstudy.system.species import shipped_sites

IndexArray = NDArray[np.intp]
Result = TypeVar("Result")


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

    @property
    def molecule_masses(self) -> NDArray[np.float64]:
        """(n_molecules,) float array, dalton."""
        return np.bincount(self.molecule_of, weights=self.masses).astype(float)

    def molecules(self, group: str) -> IndexArray:
        """Molecules that the atoms of a named site belong to, each once."""
        return np.unique(self.molecule_of[self.atoms(group)])

    def present(self, groups: Sequence[str]) -> tuple[str, ...]:
        """Those of the named sites that have atoms here, in the order given.

        Raises
        ------
        TrajectoryError
            A name that is neither a site here nor one of ``systems/molecules``: left out, it would be missing unseen.
        """
        for group in groups:
            if group not in self.groups and group not in shipped_sites():
                raise self._unknown(group)
        return tuple(group for group in groups if len(self.groups.get(group, ())))

    def _unknown(self, group: str) -> TrajectoryError:
        return TrajectoryError(f'"{group}": no such site.{did_you_mean(group, self.groups)}')

    def atoms(self, group: str) -> IndexArray:
        """Atom indices of a named site.

        Raises
        ------
        TrajectoryError
            No such site, or the site has no atoms.
        """
        if group not in self.groups:
            raise self._unknown(group)
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
        Molecules whole; may lie outside the box.
    follow : callable
        Gives `centres` and `drift`. They continue those of the block before: ask every block for them, or none.
    boxes : (n_frames, 6) float32 array
        Box lengths in nm and angles in degrees.
    first : int
        Number of the first frame, counted from the start of the trajectory.
    total : int
        Frames of the whole trajectory.
    """

    times: NDArray[np.float64]
    positions: NDArray[np.float32]
    follow: Callable[[], Motion]
    boxes: NDArray[np.float32]
    first: int = 0
    total: int = 1

    @cached_property
    def _motion(self) -> Motion:
        return self.follow()

    @property
    def centres(self) -> NDArray[np.float64]:
        """Centres of mass of the molecules, (n_frames, n_molecules, 3) float array, nm.

        Continuous in time over the whole trajectory (unwrapped), drift of the centre of mass of the whole box removed.
        """
        return self._motion.centres

    @property
    def drift(self) -> NDArray[np.float64]:
        """How far the centre of mass of the whole box has gone in `positions`, (n_frames, 3) float array, box vectors.

        Since the first frame of the trajectory, beyond where the scaling of the box has carried it.
        """
        return self._motion.drift

    def every(self, stride: int) -> Block:
        """Those of the frames whose number is a multiple of `stride`; their centres still know of all frames."""
        if stride == 1:
            return self
        some = slice(-self.first % stride, None, stride)
        first, total = -(-self.first // stride), -(-self.total // stride)

        def follow() -> Motion:
            return Motion(self.centres[some], self.drift[some])

        return Block(self.times[some], self.positions[some], follow, self.boxes[some], first, total)

    @property
    def n_frames(self) -> int:
        return len(self.times)

    @property
    def matrices(self) -> NDArray[np.float32]:
        """Box vectors as rows, lower triangular, (n_frames, 3, 3) float32 array, nm."""
        return box_matrices(self.boxes).astype(np.float32)

    @property
    def volumes(self) -> NDArray[np.float64]:
        """(n_frames,) float array, nm^3."""
        return box_volumes(self.boxes)


@dataclass(frozen=True, eq=False)
class Sums:
    """Arrays that add: the total of all blocks but one is a delete-one sample."""

    n_frames: int
    arrays: Mapping[str, NDArray[np.float64]]

    def __add__(self, other: Sums) -> Sums:
        return Sums.total([self, other])

    @staticmethod
    def total(parts: Sequence[Sums]) -> Sums:
        """Add parts up."""
        arrays = {name: np.array(array) for name, array in parts[0].arrays.items()}
        for part in parts[1:]:
            for name, array in arrays.items():
                array += part.arrays[name]
        return Sums(sum(part.n_frames for part in parts), arrays)


@dataclass(frozen=True, eq=False)
class Series:
    """Arrays that join in time: the first axis of each is the frame."""

    times: NDArray[np.float64]
    arrays: dict[str, NDArray[Any]]

    @property
    def size(self) -> int:
        """Bytes that it takes."""
        return sum(array.nbytes for array in self.arrays.values())

    @staticmethod
    def join(parts: Sequence[Series]) -> Series:
        """Put consecutive parts together; their arrays become views of the whole, so that nothing is held twice."""
        whole = Series(np.concatenate([part.times for part in parts]), {})
        for name in parts[0].arrays:
            whole.arrays[name] = _joined([part.arrays[name] for part in parts])
            first = 0
            for part in parts:
                last = first + len(part.arrays[name])
                part.arrays[name] = whole.arrays[name][first:last]
                first = last
        return whole


def _joined(arrays: Sequence[NDArray[Any]]) -> NDArray[Any]:
    """One array; a view, where they stand behind each other in a larger one already."""
    owner = arrays[0].base
    if not isinstance(owner, np.ndarray) or any(
        array.base is not owner or array.shape[1:] != owner.shape[1:] or array.strides != owner.strides
        for array in arrays
    ):
        return np.concatenate(arrays)
    places = [array.ctypes.data - owner.ctypes.data for array in arrays]
    ends = [place + array.nbytes for place, array in zip(places, arrays, strict=True)]
    if places[1:] != ends[:-1] or not owner.nbytes:
        return np.concatenate(arrays)
    first = places[0] // owner.strides[0]
    return owner[first : first + sum(map(len, arrays))]


class Tally(Protocol):
    """Reduces a block of frames.

    Frozen and equal by value, so that observables which ask for the same tally share one.
    """

    def __call__(self, block: Block, sites: Sites) -> Sums | Series:
        """Reduce the block to arrays that add, or to arrays that join in time."""
        ...

    def __hash__(self) -> int: ...


class Tallied:
    """What one pass over a trajectory gathered: for each tally its parts, one a block in order of time."""

    def __init__(self, parts: Mapping[Tally, Sequence[Sums | Series]]) -> None:
        self._parts = parts
        self._derived: dict[object, object] = {}

    def sums(self, tally: Tally) -> list[Sums]:
        """Parts of a tally that adds."""
        return [part for part in self._parts[tally] if isinstance(part, Sums)]

    def pieces(self, tally: Tally) -> list[Series]:
        """Parts of a tally that joins in time."""
        return [part for part in self._parts[tally] if isinstance(part, Series)]

    def series(self, tally: Tally) -> Series:
        """The whole of a tally that joins in time."""
        return self.once(tally, lambda: Series.join(self.pieces(tally)))

    def once(self, key: object, compute: Callable[[], Result]) -> Result:
        """What several observables derive from the same tallies, computed by the first that asks."""
        if key not in self._derived:
            self._derived[key] = compute()
        return cast(Result, self._derived[key])


class Observable(Protocol):
    """A recipe: plain frozen data with the tallies it needs and how they are finished.

    It opens no file, loops over no trajectory, plots and prints nothing.
    """

    name: ClassVar[str]
    quantities: ClassVar[tuple[Quantity, ...]]

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """What must be reduced from each block; raises TrajectoryError if a site that it needs has no atoms."""
        ...

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Turn the tallies into numbers."""
        ...


@dataclass(frozen=True)
class Centres:
    """Tally: continuous centres of mass of all molecules, float32 nm, and volumes, nm^3, frame by frame."""

    def __call__(self, block: Block, sites: Sites) -> Series:
        """Keep the centres and the volumes."""
        del sites
        arrays: dict[str, NDArray[Any]] = {"centres": block.centres.astype(np.float32), "volume": block.volumes}
        return Series(block.times, arrays)
