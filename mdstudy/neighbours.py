"""Pairs of atoms within a distance of each other, in periodic boxes: compiled, frames shared out over the cores.

Every atom of one set is held against every atom of another. With few atoms at the centre (ions, oxygens) that beats the
upkeep of cell lists up to some ten thousand atoms around them; the work grows with the product of the two numbers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import Any, TypeVar, cast

import numba
import numpy as np
from numpy.typing import NDArray

IndexArray = NDArray[np.intp]
Result = TypeVar("Result")
Function = TypeVar("Function", bound=Callable[..., Any])


def _compiled(function: Function) -> Function:
    """Compile at first use, for this processor; what is compiled is kept on disk. Threads run it side by side."""
    return cast(Function, numba.njit(cache=True, nogil=True, fastmath={"contract", "arcp", "nsz"})(function))


@_compiled
def _distances(
    xyz: NDArray[np.float32], i: int, around: IndexArray, box: NDArray[np.float32], out: NDArray[np.float32]
) -> None:
    """Squared distances from atom i to the nearest images of others; `box` has its vectors as rows."""
    x0, y0, z0 = xyz[i, 0], xyz[i, 1], xyz[i, 2]
    ax, by, cz = box[0, 0], box[1, 1], box[2, 2]
    one = np.float32(1.0)
    iax, iby, icz = one / ax, one / by, one / cz
    if box[1, 0] == 0 and box[2, 0] == 0 and box[2, 1] == 0:
        for k in range(len(around)):
            j = around[k]
            x, y, z = xyz[j, 0] - x0, xyz[j, 1] - y0, xyz[j, 2] - z0
            x -= np.rint(x * iax) * ax
            y -= np.rint(y * iby) * by
            z -= np.rint(z * icz) * cz
            out[k] = x * x + y * y + z * z
    else:
        for k in range(len(around)):
            j = around[k]
            x, y, z = xyz[j, 0] - x0, xyz[j, 1] - y0, xyz[j, 2] - z0
            turns = np.rint(z * icz)
            x, y, z = x - turns * box[2, 0], y - turns * box[2, 1], z - turns * cz
            turns = np.rint(y * iby)
            x, y = x - turns * box[1, 0], y - turns * by
            x -= np.rint(x * iax) * ax
            out[k] = x * x + y * y + z * z


@_compiled
def _histogram(
    positions: NDArray[np.float32],
    boxes: NDArray[np.float32],
    centre: IndexArray,
    around: IndexArray,
    label: IndexArray,
    molecule_of: IndexArray,
    r_max: float,
    counts: NDArray[np.int64],
) -> None:
    n_bins = counts.shape[1]
    limit, scale = np.float32(r_max * r_max), np.float32(n_bins / r_max)
    squares = np.empty(len(around), dtype=np.float32)
    for f in range(positions.shape[0]):
        for i in centre:
            _distances(positions[f], i, around, boxes[f], squares)
            for k in range(len(around)):
                if squares[k] < limit and molecule_of[i] != molecule_of[around[k]]:
                    counts[label[k], min(int(np.sqrt(squares[k]) * scale), n_bins - 1)] += 1


@_compiled
def _contacts(
    positions: NDArray[np.float32],
    boxes: NDArray[np.float32],
    centre: IndexArray,
    around: IndexArray,
    molecule_of: IndexArray,
    r_max: float,
    room: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """Contacts of all frames; the last count is negative if there was not room enough."""
    limit = np.float32(r_max * r_max)
    squares = np.empty(len(around), dtype=np.float32)
    counts = np.zeros(positions.shape[0], dtype=np.int64)
    first, second = np.empty(room, dtype=np.int32), np.empty(room, dtype=np.int32)
    distance = np.empty(room, dtype=np.float32)
    n = 0
    for f in range(positions.shape[0]):
        before = n
        for a in range(len(centre)):
            _distances(positions[f], centre[a], around, boxes[f], squares)
            for b in range(len(around)):
                if squares[b] < limit and molecule_of[centre[a]] != molecule_of[around[b]]:
                    if n < room:
                        first[n], second[n], distance[n] = a, b, np.sqrt(squares[b])
                    n += 1
        counts[f] = n - before
    if n > room:
        counts[-1] = -n
    return counts, first[: min(n, room)], second[: min(n, room)], distance[: min(n, room)]


def _share_out(n_frames: int, work: Callable[[slice], Result]) -> list[Result]:
    """Run `work` on consecutive shares of the frames, one a core, and give the results in order."""
    cores = min(len(os.sched_getaffinity(0)), n_frames)
    cuts = [n_frames * k // cores for k in range(cores + 1)]
    with ThreadPoolExecutor(cores) as pool:
        return list(pool.map(work, [slice(a, b) for a, b in pairwise(cuts)]))


def histogram(
    positions: NDArray[np.float32],
    boxes: NDArray[np.float32],
    centre: IndexArray,
    around: IndexArray,
    label: IndexArray,
    molecule_of: IndexArray,
    r_max: float,
    shape: tuple[int, int],
) -> NDArray[np.int64]:
    """Count pairs of atoms of different molecules by distance.

    Parameters
    ----------
    positions : (n_frames, n_atoms, 3) float32 array, nm
    boxes : (n_frames, 3, 3) float32 array, nm
        Of :func:`mdstudy.periodic.box_matrices`; no height below twice `r_max`.
    centre, around : (n,), (m,) int arrays
        Atoms.
    label : (m,) int array
        Which histogram each atom of `around` counts in.
    molecule_of : (n_atoms,) int array
    r_max : float
        nm.
    shape : (int, int)
        Number of histograms and of bins.

    Returns
    -------
    (n_histograms, n_bins) int array
    """

    def work(frames: slice) -> NDArray[np.int64]:
        counts = np.zeros(shape, dtype=np.int64)
        _histogram(positions[frames], boxes[frames], centre, around, label, molecule_of, r_max, counts)
        return counts

    return np.asarray(sum(_share_out(len(positions), work)))


def contacts(
    positions: NDArray[np.float32],
    boxes: NDArray[np.float32],
    centre: IndexArray,
    around: IndexArray,
    molecule_of: IndexArray,
    r_max: float,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.float32]]:
    """List pairs of atoms of different molecules that are nearer than `r_max`; parameters of :func:`histogram`.

    Returns
    -------
    count : (n_frames,) int array
        Pairs of each frame, which follow each other in the other arrays.
    first, second : (n_pairs,) int32 arrays
        Places in `centre` and `around`.
    distance : (n_pairs,) float32 array, nm
    """

    def work(frames: slice) -> tuple[NDArray[Any], ...]:
        found = (positions[frames], boxes[frames], centre, around, molecule_of, r_max)
        room = 16 * len(centre) * len(found[0])
        listed = _contacts(*found, room)
        if listed[0][-1] < 0:
            listed = _contacts(*found, -int(listed[0][-1]))
        return listed

    count, first, second, distance = (
        np.concatenate(parts) for parts in zip(*_share_out(len(positions), work), strict=True)
    )
    return count, first, second, distance
