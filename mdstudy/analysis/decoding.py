"""Positions of XTC frames, decoded on all cores.

The format packs the positions of a frame, as whole multiples of a precision, into a stream of bits: three numbers of a
mixed base for an atom that stands by itself, then, for runs of neighbours, three smaller ones that count from the atom
before (GROMACS' ``xdr3dfcoord``; Lindahl, Hess and van der Spoel, J. Mol. Model. 7, 306 (2001), doi
10.1007/s008940100045). Frames are independent of each other. What comes out equals what GROMACS' own code gives to the
last bit; that takes four times as long and keeps other threads waiting.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.cores import compiled, inlined, share_out
from mdstudy.base.xtc import MAGIC_LONG, UNPACKED, FrameIndex

#: Sizes of the small numbers: their cubes fit into as many bits as their index says. The first nine are not used.
_SIZES = np.array(
    [0] * 9
    + [8, 10, 12, 16, 20, 25, 32, 40, 50, 64, 80, 101, 128, 161, 203, 256, 322, 406, 512, 645, 812, 1024, 1290]
    + [1625, 2048, 2580, 3250, 4096, 5060, 6501, 8192, 10321, 13003, 16384, 20642, 26007, 32768, 41285, 52015, 65536]
    + [82570, 104031, 131072, 165140, 208063, 262144, 330280, 416127, 524287, 660561, 832255, 1048576, 1321122]
    + [1664510, 2097152, 2642245, 3329021, 4194304, 5284491, 6658042, 8388607, 10568983, 13316085, 16777216],
    dtype=np.int64,
)
_FIRST = 9
#: A range that is larger is stored by itself; others as three digits of one number.
_LARGEST = 0xFFFFFF
#: Numbers in the positions that are decoded at once (float32), and frames at least; words that a damaged frame may go
#: beyond its end before that is noticed.
_AHEAD, _FEWEST, _BEYOND = 1_000_000, 2, 32
#: Words of a frame where its box is, and where its positions begin.
_BOX, _HEAD = np.arange(4, 13), 14

Decoded = tuple[NDArray[np.float32], NDArray[np.float32]]


def decoded(file: Path, index: FrameIndex) -> Iterator[Decoded]:
    """Positions and boxes of an XTC file, some frames at a time and in order.

    Parameters
    ----------
    file : Path
    index : FrameIndex
        Of this file. The number of atoms may change; frames that come together have the same.

    Yields
    ------
    positions : (n_frames, n_atoms, 3) float32 array, nm
    vectors : (n_frames, 3, 3) float32 array, nm
        Box vectors as rows.

    Raises
    ------
    OSError
        The bits of a frame do not make positions, after those before it.
    """
    with file.open("rb") as stream:
        first = 0
        while first < len(index.atoms):
            atoms = int(index.atoms[first])
            last = first + max(_FEWEST, _AHEAD // max(1, 3 * atoms))
            last = first + int(np.argmin(np.append(index.atoms[first:last] == atoms, False)))
            starts = index.starts[first : last + 1] // 4
            stored = np.fromfile(stream, dtype=">u4", count=int(starts[-1] - starts[0]))
            starts -= starts[0]
            words = np.zeros(int(starts[-1]) + _BEYOND, dtype=np.uint32)
            words[: len(stored)] = stored
            positions, whole = _share_out(words, starts, atoms)
            good = int(np.argmin(np.append(whole, False)))
            boxes = words.view(np.float32)[starts[:good, None] + _BOX].reshape(-1, 3, 3)
            yield positions[:good], boxes
            if good < len(whole):
                raise OSError(f"frame {first + good} is damaged")
            first = last


def _share_out(
    words: NDArray[np.uint32], starts: NDArray[np.int64], atoms: int
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Positions of frames with so many atoms, and whether their bits make any."""
    whole = np.empty(len(starts) - 1, dtype=np.bool_)
    positions = np.empty((len(whole), atoms, 3), dtype=np.float32)
    share_out(
        len(whole),
        lambda some: _decode(words, starts[:-1][some], starts[1:][some], _SIZES, positions[some], whole[some]),
    )
    return positions, whole


@compiled
def _decode(
    words: NDArray[np.uint32],
    starts: NDArray[np.int64],
    ends: NDArray[np.int64],
    sizes: NDArray[np.int64],
    out: NDArray[np.float32],
    whole: NDArray[np.bool_],
) -> None:
    """Decode frames that begin and end at these words; `whole` says whether the bits made sense."""
    floats, atoms = words.view(np.float32), out.shape[1]
    for f in range(len(out)):
        at = starts[f] + _HEAD
        if words[at - 1] != atoms:
            whole[f] = False
        elif atoms <= UNPACKED:
            for i in range(3 * atoms):
                out[f, i // 3, i % 3] = floats[at + i]
            whole[f] = True
        else:
            head = 9 if words[starts[f]] == MAGIC_LONG else 8
            whole[f] = floats[at] > 0 and _unpack(words, at, at + head + 1, ends[f], sizes, floats[at], out[f])


@compiled
def _unpack(
    words: NDArray[np.uint32],
    head: int,
    start: int,
    end: int,
    sizes: NDArray[np.int64],
    precision: np.float32,
    out: NDArray[np.float32],
) -> bool:
    """Positions of one frame; False where the bits do not make any."""
    bounds, grain = words.view(np.int32), np.float32(1) / precision
    x0, y0, z0 = int(bounds[head + 1]), int(bounds[head + 2]), int(bounds[head + 3])
    nx, ny, nz = bounds[head + 4] - x0 + 1, bounds[head + 5] - y0 + 1, bounds[head + 6] - z0 + 1
    if nx < 1 or ny < 1 or nz < 1:
        return False
    apart = max(nx, ny, nz) > _LARGEST
    bx, by, bz, together = _length(nx), _length(ny), _length(nz), 0 if apart else _length_of_product(nx, ny, nz)
    index = int(bounds[head + 7])
    if not _FIRST <= index < len(sizes):
        return False
    half, smaller = sizes[index] // 2, sizes[max(_FIRST, index - 1)] // 2
    i, run, at, limit = 0, 0, 32 * start, 32 * end
    while i < len(out):
        if apart:
            x, y = int(_bits(words, at, bx)), int(_bits(words, at + bx, by))
            z = int(_bits(words, at + bx + by, bz))
            at += bx + by + bz
        else:
            x, y, z = _digits(words, at, together, ny, nz)
            at += together
        x, y, z = x + x0, y + y0, z + z0
        change = 0
        if _bits(words, at, 1):
            run = int(_bits(words, at + 1, 5))
            change = run % 3 - 1
            run //= 3
            at += 5
        at += 1
        small = int(sizes[index])
        if at > limit or i + 1 + run > len(out):
            return False
        own = i + 1 if run else i  # the first two of a run are stored in turn
        out[own, 0], out[own, 1], out[own, 2] = np.float32(x) * grain, np.float32(y) * grain, np.float32(z) * grain
        i += 1
        for k in range(run):
            dx, dy, dz = _digits(words, at, index, small, small)
            at += index
            x, y, z = x + dx - half, y + dy - half, z + dz - half
            own = i - 1 if k == 0 else i
            out[own, 0] = np.float32(x) * grain
            out[own, 1] = np.float32(y) * grain
            out[own, 2] = np.float32(z) * grain
            i += 1
        index += change
        if not _FIRST <= index < len(sizes):
            return False
        if change < 0:
            half, smaller = smaller, sizes[index - 1] // 2 if index > _FIRST else 0
        elif change > 0:
            half, smaller = sizes[index] // 2, half
    return at <= limit


@inlined
def _digits(words: NDArray[np.uint32], at: int, n: int, ny: int, nz: int) -> tuple[int, int, int]:
    """Digits of a number of n bits, (x ny + y) nz + z, whose bytes come the least first, what is left over last."""
    sy, sz = np.uint64(ny), np.uint64(nz)
    if n < 64:
        found, left = _bits(words, at, n), np.uint64(n & 7)
        full, mixed = np.uint64(n) - left, found >> left
        ones, twos = np.uint64(0x00FF00FF00FF00FF), np.uint64(0x0000FFFF0000FFFF)
        mixed = ((mixed & ones) << np.uint64(8)) | ((mixed >> np.uint64(8)) & ones)
        mixed = ((mixed & twos) << np.uint64(16)) | ((mixed >> np.uint64(16)) & twos)
        mixed = (mixed << np.uint64(32)) | (mixed >> np.uint64(32))
        mixed = mixed >> (np.uint64(64) - full) if n > 7 else np.uint64(0)
        found = mixed | ((found & ((np.uint64(1) << left) - np.uint64(1))) << full)
        rows = found // sz
        x = rows // sy
        return int(x), int(rows - x * sy), int(found - rows * sz)
    return _wide_digits(words, at, n, sy, sz)


@compiled
def _wide_digits(words: NDArray[np.uint32], at: int, n: int, ny: np.uint64, nz: np.uint64) -> tuple[int, int, int]:
    """The same of 64 to 72 bits, divided byte by byte."""
    bytes_, digits = np.zeros(10, dtype=np.uint64), np.zeros(2, dtype=np.uint64)
    count = (n + 7) // 8
    for k in range(count):
        bytes_[k] = _bits(words, at + 8 * k, min(8, n - 8 * k))
    for d, size in enumerate((nz, ny)):
        for k in range(count - 1, -1, -1):
            digits[d] = (digits[d] << np.uint64(8)) | bytes_[k]
            bytes_[k] = digits[d] // size
            digits[d] -= bytes_[k] * size
    x = np.uint64(0)
    for k in range(count - 1, -1, -1):
        x = (x << np.uint64(8)) | bytes_[k]
    return int(x), int(digits[1]), int(digits[0])


@inlined
def _bits(words: NDArray[np.uint32], at: int, n: int) -> np.uint64:
    """The n bits from here on, 64 at most, as a number; the first counts most."""
    word, shift = at >> 5, np.uint64(at & 31)
    front = (np.uint64(words[word]) << np.uint64(32)) | np.uint64(words[word + 1])
    back = (np.uint64(words[word + 2]) << shift) >> np.uint64(32)
    return ((front << shift) | back) >> np.uint64(64 - n)


@compiled
def _length(number: int) -> int:
    """Bits of a number."""
    n = 0
    while number > 0:
        number, n = number >> 1, n + 1
    return n


@compiled
def _length_of_product(a: int, b: int, c: int) -> int:
    """Bits of a product of three numbers of 24 bits at most, which may have more than 64."""
    low = ((a * b) & _LARGEST) * c
    high = ((a * b) >> 24) * c + (low >> 24)
    return 24 + _length(high) if high else _length(low)
