"""Pairs of atoms within a distance of each other, in periodic boxes: compiled, frames shared out over the cores.

Few atoms at the centre (ions) are held against every atom around them. Where they are many and the box is wide, atoms
are sorted into cells first (Allen and Tildesley, Computer Simulation of Liquids, 2nd ed., section 5.3.2, doi
10.1093/oso/9780198803195.001.0001), and the work grows with the number of atoms, not with its square. A frame is
arranged, then searched about each centre; what is counted or listed does not depend on which of the two ways it was.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.cores import compiled, share_out

IndexArray = NDArray[np.intp]
Floats = NDArray[np.float32]

#: Sorting into cells pays from this many atoms at the centre on ...
LEAST_CENTRES = 16
#: ... where the cells that must be looked at hold less than this share of the box.
LARGEST_SHARE = 0.5
#: Cells have half the range as their edge, not the whole, from this many atoms in a cube of the range on.
CROWDED = 32.0


class Room(NamedTuple):
    """What a search of one frame writes to.

    Attributes
    ----------
    shape : (3,) int array
        Numbers of cells along each vector of the box.
    places : (3, m) float32 array, nm
        Atoms of `around` inside the box, cell after cell.
    order : (m,) int array
        Where each of `places` stands in `around`.
    squares : (m,) float32 array, nm^2
        Distances that were found, squared ...
    which : (m,) int array
        ... and to which of `around`.
    """

    shape: IndexArray
    places: Floats
    order: IndexArray
    squares: Floats
    which: IndexArray


@compiled
def _make_room(m: int) -> Room:
    places, squares = np.empty((3, m), dtype=np.float32), np.empty(m, dtype=np.float32)
    return Room(np.empty(3, dtype=np.intp), places, np.empty(m, dtype=np.intp), squares, np.empty(m, dtype=np.intp))


@compiled
def _distances(xyz: Floats, i: int, around: IndexArray, box: Floats, out: Floats) -> None:
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


@compiled
def _image(xyz: Floats, i: int, j: int, box: Floats, out: NDArray[np.int16]) -> None:
    """Box vectors to add to atom j to have it next to atom i."""
    x, y, z = xyz[j, 0] - xyz[i, 0], xyz[j, 1] - xyz[i, 1], xyz[j, 2] - xyz[i, 2]
    turns = np.rint(z / box[2, 2])
    x, y = x - turns * box[2, 0], y - turns * box[2, 1]
    out[2] = -turns
    turns = np.rint(y / box[1, 1])
    x -= turns * box[1, 0]
    out[1] = -turns
    out[0] = -np.rint(x / box[0, 0])


@compiled
def _cell(xyz: Floats, i: int, box: Floats, shape: IndexArray, place: Floats) -> tuple[int, int, int]:
    """Cell of an atom; its place inside the box goes to `place`."""
    x, y, z = xyz[i, 0], xyz[i, 1], xyz[i, 2]
    turns = np.floor(z / box[2, 2])
    x, y, z = x - turns * box[2, 0], y - turns * box[2, 1], z - turns * box[2, 2]
    turns = np.floor((y - z / box[2, 2] * box[2, 1]) / box[1, 1])
    x, y = x - turns * box[1, 0], y - turns * box[1, 1]
    c = z / box[2, 2]
    b = (y - c * box[2, 1]) / box[1, 1]
    turns = np.floor((x - c * box[2, 0] - b * box[1, 0]) / box[0, 0])
    x -= turns * box[0, 0]
    a = (x - c * box[2, 0] - b * box[1, 0]) / box[0, 0]
    place[0], place[1], place[2] = x, y, z
    return (
        min(max(int(a * shape[0]), 0), shape[0] - 1),
        min(max(int(b * shape[1]), 0), shape[1] - 1),
        min(max(int(c * shape[2]), 0), shape[2] - 1),
    )


@compiled
def _cells(box: Floats, n_around: int, n_centre: int, r_max: float, shape: IndexArray) -> int:
    """Numbers of cells along each vector of the box, and how many to look at to each side; 0 where they do not pay."""
    volume = float(box[0, 0]) * box[1, 1] * box[2, 2]
    if n_centre < LEAST_CENTRES:
        return 0
    reach = 2 if n_around * r_max**3 / volume > CROWDED else 1
    most = max(2 * reach + 1, int((4.0 * n_around) ** (1 / 3)) + 1)
    for k in range(3):
        u, v = box[(k + 1) % 3], box[(k + 2) % 3]
        x, y, z = u[1] * v[2] - u[2] * v[1], u[2] * v[0] - u[0] * v[2], u[0] * v[1] - u[1] * v[0]
        height = volume / np.sqrt(x * x + y * y + z * z)
        shape[k] = min(int(height * 0.99999 / r_max * reach), most)
        if shape[k] < 2 * reach + 1:
            return 0
    return reach if (2 * reach + 1) ** 3 < LARGEST_SHARE * shape[0] * shape[1] * shape[2] else 0


@compiled
def _sort(xyz: Floats, around: IndexArray, box: Floats, room: Room) -> IndexArray:
    """Sort atoms into cells; gives where the cells start."""
    shape, places, order = room.shape, room.places, room.order
    cell = np.empty(len(around), dtype=np.intp)
    starts = np.zeros(shape[0] * shape[1] * shape[2] + 1, dtype=np.intp)
    inside = np.empty((len(around), 3), dtype=np.float32)
    for k in range(len(around)):
        a, b, c = _cell(xyz, around[k], box, shape, inside[k])
        cell[k] = (a * shape[1] + b) * shape[2] + c
        starts[cell[k] + 1] += 1
    for n in range(1, len(starts)):
        starts[n] += starts[n - 1]
    filled = starts.copy()
    for k in range(len(around)):
        slot = filled[cell[k]]
        filled[cell[k]] += 1
        order[slot] = k
        places[0, slot], places[1, slot], places[2, slot] = inside[k, 0], inside[k, 1], inside[k, 2]
    return starts


@compiled
def _distances_in_cells(xyz: Floats, i: int, box: Floats, reach: int, starts: IndexArray, room: Room) -> int:
    """Do as :func:`_search` does, in the cells about the atom."""
    shape, places, order, out, which = room.shape, room.places, room.order, room.squares, room.which
    place = np.empty(3, dtype=np.float32)
    a, b, c = _cell(xyz, i, box, shape, place)
    n = 0
    for p in range(a - reach, a + reach + 1):
        turn_a = -1 if p < 0 else (1 if p >= shape[0] else 0)
        for q in range(b - reach, b + reach + 1):
            turn_b = -1 if q < 0 else (1 if q >= shape[1] else 0)
            row = ((p - turn_a * shape[0]) * shape[1] + q - turn_b * shape[1]) * shape[2]
            for turn_c in range(-1, 2):
                low = max(c - reach - turn_c * shape[2], 0)
                high = min(c + reach - turn_c * shape[2], shape[2] - 1)
                if low > high:
                    continue
                x0 = np.float32(place[0] - turn_a * box[0, 0] - turn_b * box[1, 0] - turn_c * box[2, 0])
                y0 = np.float32(place[1] - turn_b * box[1, 1] - turn_c * box[2, 1])
                z0 = np.float32(place[2] - turn_c * box[2, 2])
                start, end = starts[row + low], starts[row + high + 1]
                for k in range(end - start):
                    x, y, z = places[0, start + k] - x0, places[1, start + k] - y0, places[2, start + k] - z0
                    out[n + k] = x * x + y * y + z * z
                    which[n + k] = order[start + k]
                n += end - start
    return n


@compiled
def _arrange(
    xyz: Floats, around: IndexArray, box: Floats, n_centre: int, r_max: float, room: Room
) -> tuple[int, IndexArray]:
    """Prepare the search of a frame; gives how many cells to look at to each side (0: all atoms), and their starts."""
    reach = _cells(box, len(around), n_centre, r_max, room.shape)
    if reach:
        return reach, _sort(xyz, around, box, room)
    for k in range(len(around)):
        room.which[k] = k
    return reach, room.order


@compiled
def _search(xyz: Floats, i: int, around: IndexArray, box: Floats, reach: int, starts: IndexArray, room: Room) -> int:
    """Squared distances from atom i to all atoms that may be near it, and who they are; gives how many."""
    if reach:
        return _distances_in_cells(xyz, i, box, reach, starts, room)
    _distances(xyz, i, around, box, room.squares)
    return len(around)


@compiled
def _histogram(
    positions: Floats,
    boxes: Floats,
    centre: IndexArray,
    around: IndexArray,
    label: IndexArray,
    molecule_of: IndexArray,
    r_max: float,
    counts: NDArray[np.int64],
) -> None:
    n_bins = counts.shape[1]
    limit, scale = np.float32(r_max * r_max), np.float32(n_bins / r_max)
    room = _make_room(len(around))
    squares, which = room.squares, room.which
    for f in range(positions.shape[0]):
        xyz, box = positions[f], boxes[f]
        reach, starts = _arrange(xyz, around, box, len(centre), r_max, room)
        for i in centre:
            for k in range(_search(xyz, i, around, box, reach, starts, room)):
                if squares[k] < limit:
                    b = which[k]
                    if molecule_of[i] != molecule_of[around[b]]:
                        counts[label[b], min(int(np.sqrt(squares[k]) * scale), n_bins - 1)] += 1


@compiled
def _contacts(
    positions: Floats,
    boxes: Floats,
    centre: IndexArray,
    around: IndexArray,
    molecule_of: IndexArray,
    r_max: float,
    most: int,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], Floats, NDArray[np.int16]]:
    """Contacts of all frames, as far as `most`; beyond it the last count is their number, negative."""
    limit = np.float32(r_max * r_max)
    room = _make_room(len(around))
    squares, which = room.squares, room.which
    counts = np.zeros(positions.shape[0], dtype=np.int64)
    first, second = np.empty(most, dtype=np.int32), np.empty(most, dtype=np.int32)
    distance, image = np.empty(most, dtype=np.float32), np.empty((most, 3), dtype=np.int16)
    n = 0
    for f in range(positions.shape[0]):
        before, xyz, box = n, positions[f], boxes[f]
        reach, starts = _arrange(xyz, around, box, len(centre), r_max, room)
        for a in range(len(centre)):
            i = centre[a]
            for k in range(_search(xyz, i, around, box, reach, starts, room)):
                if squares[k] < limit:
                    b = which[k]
                    if molecule_of[i] != molecule_of[around[b]]:
                        if n < most:
                            first[n], second[n], distance[n] = a, b, np.sqrt(squares[k])
                            _image(xyz, i, around[b], box, image[n])
                        n += 1
        counts[f] = n - before
    if n > most:
        counts[-1] = -n
    kept = min(n, most)
    return counts, first[:kept], second[:kept], distance[:kept], image[:kept]


def histogram(
    positions: Floats,
    boxes: Floats,
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
        Of :func:`mdstudy.analysis.periodic.box_matrices`; no height below twice `r_max`.
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

    return np.asarray(sum(share_out(len(positions), work)))


def contacts(
    positions: Floats,
    boxes: Floats,
    centre: IndexArray,
    around: IndexArray,
    molecule_of: IndexArray,
    r_max: float,
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], Floats, NDArray[np.int16]]:
    """List pairs of atoms of different molecules that are nearer than `r_max`; parameters of :func:`histogram`.

    Returns
    -------
    count : (n_frames,) int array
        Pairs of each frame, which follow each other in the other arrays.
    first, second : (n_pairs,) int32 arrays
        Places in `centre` and `around`.
    distance : (n_pairs,) float32 array, nm
    image : (n_pairs, 3) int16 array
        Box vectors to add to the second atom to have it next to the first.
    """

    def work(frames: slice) -> tuple[NDArray[Any], ...]:
        found = (positions[frames], boxes[frames], centre, around, molecule_of, r_max)
        listed = _contacts(*found, 16 * len(centre) * len(found[0]))
        if len(listed[0]) and listed[0][-1] < 0:
            listed = _contacts(*found, -int(listed[0][-1]))
        return listed

    count, first, second, distance, image = (
        np.concatenate(parts) for parts in zip(*share_out(len(positions), work), strict=True)
    )
    return count, first, second, distance, image
