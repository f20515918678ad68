"""Where the frames of an XTC file are, read from their headers alone."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.errors import TrajectoryError

#: First word of a frame; in the second form the length of packed positions takes two words.
MAGIC, MAGIC_LONG = 1995, 2023
#: Up to so many atoms positions are stored as they are.
UNPACKED = 9


class FrameIndex(NamedTuple):
    """What the headers of an XTC file say.

    Attributes
    ----------
    steps : (n,) int array
    times : (n,) float32 array
        ps, as stored.
    atoms : (n,) int array
    starts : (n + 1,) int array
        Where each frame begins and the last ends, bytes.
    """

    steps: NDArray[np.int64]
    times: NDArray[np.float32]
    atoms: NDArray[np.int64]
    starts: NDArray[np.int64]


def frame_index(file: Path) -> FrameIndex:
    """Step, time, size and place of each frame of an XTC file.

    Raises
    ------
    TrajectoryError
        Not an XTC file, or cut off within a frame; says after how many frames.
    """
    rows: list[tuple[int, float, int]] = []
    starts = [0]
    size = file.stat().st_size
    with file.open("rb") as stream:
        while starts[-1] < size:
            head = stream.read(56)  # magic, atoms, step, time, box (9), atoms
            if len(head) < 56:
                raise TrajectoryError(f"{file}: cut off after {len(rows)} whole frames")
            magic, atoms, step, time = struct.unpack(">iiif", head[:16])
            if magic not in (MAGIC, MAGIC_LONG):
                raise TrajectoryError(f"{file}: no XTC frame after {len(rows)} frames (magic number {magic})")
            if atoms <= UNPACKED:
                length = 12 * atoms
            else:
                packed = stream.read(32 + (8 if magic == MAGIC_LONG else 4))  # precision, bounds (6), index, bytes
                length = int.from_bytes(packed[32:], "big")
            end = stream.tell() + (length + 3) // 4 * 4
            if end > size:
                raise TrajectoryError(f"{file}: cut off after {len(rows)} whole frames")
            stream.seek(end)
            rows.append((step, time, atoms))
            starts.append(end)
    steps, times, natoms = zip(*rows, strict=True) if rows else ((), (), ())
    return FrameIndex(
        np.array(steps, dtype=np.int64),
        np.array(times, dtype=np.float32),
        np.array(natoms, dtype=np.int64),
        np.array(starts, dtype=np.int64),
    )
