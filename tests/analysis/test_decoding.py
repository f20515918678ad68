"""XTC frames against GROMACS' own code, which MDAnalysis has, to the last bit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from MDAnalysis.lib.formats.libmdaxdr import XTCFile
from numpy.typing import NDArray

from mdstudy.analysis.decoding import decoded
from mdstudy.base.xtc import frame_index

Frames = Sequence[NDArray[np.float32]]
BOX = np.array([[5.0, 0.0, 0.0], [1.0, 4.0, 0.0], [-1.5, 0.5, 6.0]], dtype=np.float32)


def write(file: Path, frames: Frames, precision: float = 1000.0) -> Path:
    with XTCFile(str(file), "w") as stream:
        for k, xyz in enumerate(frames):
            stream.write(xyz, BOX * (1 + k), 10 * k, 0.5 * k, precision)
    return file


def ours(file: Path) -> list[NDArray[np.float32]]:
    return [xyz for positions, _ in decoded(file, frame_index(file)) for xyz in positions]


def theirs(file: Path) -> list[NDArray[np.float32]]:
    with XTCFile(str(file)) as stream:
        return [frame.x.copy() for frame in stream]


def liquid(rng: np.random.Generator, atoms: int, edge: float, molecule: int) -> NDArray[np.float32]:
    """Molecules of so many atoms, close to each other, anywhere in a box that begins below zero."""
    centres = np.repeat(rng.uniform(-0.3 * edge, 0.7 * edge, (-(-atoms // molecule), 3)), molecule, axis=0)[:atoms]
    return (centres + rng.normal(0, 0.1, (atoms, 3))).astype(np.float32)


@pytest.mark.parametrize("precision", [10.0, 1000.0, 1e5, 1e6])
@pytest.mark.parametrize("molecule", [2, 3, 16])
@pytest.mark.parametrize("edge", [0.01, 4.0, 60.0])
def test_positions_equal_those_of_gromacs_code_to_the_last_bit(
    tmp_path: Path, edge: float, molecule: int, precision: float
) -> None:
    """From eight bits an atom to more than 64, and to ranges that are stored one by one."""
    rng = np.random.default_rng(0)
    file = write(tmp_path / "made.xtc", [liquid(rng, 500, edge, molecule) for _ in range(5)], precision)
    np.testing.assert_array_equal(ours(file), theirs(file))


def test_atoms_that_have_no_neighbours_equal_those_of_gromacs_code(tmp_path: Path) -> None:
    file = write(tmp_path / "made.xtc", [liquid(np.random.default_rng(k), 500, 4.0, 1) for k in range(3)])
    np.testing.assert_array_equal(ours(file), theirs(file))


@pytest.mark.parametrize("atoms", [1, 3, 9, 10, 11, 12])
def test_few_atoms_are_stored_as_they_are(tmp_path: Path, atoms: int) -> None:
    frames = [liquid(np.random.default_rng(k), atoms, 4.0, 3) for k in range(3)]
    file = write(tmp_path / "made.xtc", frames)
    np.testing.assert_array_equal(ours(file), theirs(file))


@pytest.mark.parametrize("spread", [0.0, 1e-4])
def test_atoms_in_one_place_take_fewer_bits_than_a_byte(tmp_path: Path, spread: float) -> None:
    frames = [np.float32(2) + np.float32(spread) * np.random.default_rng(1).normal(size=(40, 3)).astype(np.float32)]
    file = write(tmp_path / "made.xtc", frames, 1e4)
    np.testing.assert_array_equal(ours(file), theirs(file))


def test_boxes_times_and_steps_are_those_stored(tmp_path: Path) -> None:
    file = write(tmp_path / "made.xtc", [liquid(np.random.default_rng(k), 50, 4.0, 5) for k in range(4)])
    index = frame_index(file)
    boxes = np.concatenate([vectors for _, vectors in decoded(file, index)])
    np.testing.assert_array_equal(boxes, np.stack([BOX * (1 + k) for k in range(4)]))
    np.testing.assert_array_equal(index.times, [0, 0.5, 1, 1.5])
    np.testing.assert_array_equal(index.steps, [0, 10, 20, 30])
    assert index.starts[-1] == file.stat().st_size


def test_frames_come_in_order_however_many_are_decoded_at_once(tmp_path: Path, monkeypatch) -> None:
    frames = [liquid(np.random.default_rng(k), 100, 4.0, 5) for k in range(23)]
    file = write(tmp_path / "made.xtc", frames)
    monkeypatch.setattr("mdstudy.analysis.decoding._AHEAD", 5 * 300)
    assert max(len(positions) for positions, _ in decoded(file, frame_index(file))) == 5
    np.testing.assert_array_equal(ours(file), theirs(file))


def test_a_number_of_atoms_that_changes_ends_what_comes_together(tmp_path: Path) -> None:
    both = [write(tmp_path / f"{n}.xtc", [liquid(np.random.default_rng(n), n, 4.0, 5)] * 2) for n in (20, 5, 30)]
    file = tmp_path / "made.xtc"
    file.write_bytes(b"".join(one.read_bytes() for one in both))
    assert [xyz.shape[0] for xyz in ours(file)] == [20, 20, 5, 5, 30, 30]


def test_the_form_for_large_systems_differs_in_the_length_alone(tmp_path: Path) -> None:
    """Magic number 2023, which GROMACS writes from 3e8 atoms on: the count of bytes takes eight of them."""
    file = write(tmp_path / "made.xtc", [liquid(np.random.default_rng(2), 200, 4.0, 5)])
    stored = file.read_bytes()
    long = tmp_path / "long.xtc"
    long.write_bytes((2023).to_bytes(4, "big") + stored[4:88] + bytes(4) + stored[88:])
    np.testing.assert_array_equal(ours(long), ours(file))


@pytest.mark.parametrize("place", [52, 56, 72, 84])
def test_a_head_that_contradicts_itself_is_told(tmp_path: Path, place: int) -> None:
    """Number of atoms, precision, bounds and size of small numbers, one after the other."""
    file = write(tmp_path / "made.xtc", [liquid(np.random.default_rng(3), 200, 4.0, 5)] * 2)
    stored, size, first = bytearray(file.read_bytes()), file.stat().st_size // 2, theirs(file)[:1]
    stored[size + place : size + place + 4] = b"\x80\x00\x00\x00"
    file.write_bytes(stored)
    frames = decoded(file, frame_index(file))
    np.testing.assert_array_equal(next(frames)[0], first)
    with pytest.raises(OSError, match=r"^frame 1 is damaged$"):
        next(frames)


def test_no_bits_lead_beyond_a_frame(tmp_path: Path) -> None:
    """Whatever is written over positions, there are others or an error, in the time that it takes."""
    file = write(tmp_path / "made.xtc", [liquid(np.random.default_rng(4), 300, 4.0, 6)])
    stored, rng, told = file.read_bytes(), np.random.default_rng(5), 0
    for _ in range(200):
        place = int(rng.integers(92, len(stored) - 40))
        file.write_bytes(stored[:place] + rng.bytes(40) + stored[place + 40 :])
        try:
            assert ours(file)[0].shape == (300, 3)
        except OSError:
            told += 1
    assert told > 0
