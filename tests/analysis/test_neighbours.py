from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mdstudy.analysis import neighbours
from mdstudy.analysis.neighbours import contacts, histogram
from mdstudy.analysis.periodic import box_matrices

#: Rectangular, slightly and strongly oblique; the last is the least oblique image of a truncated octahedron.
BOXES = {
    "rectangular": [5.0, 6.0, 7.0, 90.0, 90.0, 90.0],
    "oblique": [5.0, 5.5, 6.0, 80.0, 75.0, 85.0],
    "octahedron": [6.0, 6.0, 6.0, 70.5288, 109.4712, 70.5288],
}


def nearest(xyz: NDArray[np.float64], matrix: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.intp]]:
    """Distance from each point to each other over all images within two boxes, and which image is nearest."""
    turns = np.stack(np.meshgrid(*[np.arange(-2, 3)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    images = xyz[None, :, None] - xyz[:, None, None] + (turns @ matrix)[None, None]
    distance = np.linalg.norm(images, axis=-1)
    return distance.min(axis=-1), turns[distance.argmin(axis=-1)]


def points(box: list[float], n: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return n points spread over a box and a little beyond it (molecules are kept whole), and its matrix."""
    matrix = box_matrices(np.array([box]))[0].astype(np.float32).astype(float)
    fractions = np.random.default_rng(seed).uniform(-0.2, 1.3, (n, 3))
    return (fractions @ matrix).astype(np.float32), matrix


@pytest.mark.parametrize("r_max", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("few", [False, True], ids=["cells", "all pairs"])
@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_contacts_are_those_of_a_search_over_all_images(box: list[float], few: bool, r_max: float) -> None:
    xyz, matrix = points(box, 240, seed=len(str(box)))
    molecule = np.arange(240) // 3
    centre, around = (np.arange(12) if few else np.arange(120)), np.arange(60, 240)
    count, first, second, distance, image = contacts(
        xyz[None], matrix[None].astype(np.float32), centre, around, molecule, r_max
    )
    true, turns = nearest(xyz.astype(float), matrix)
    due = {
        (a, b): true[i, j]
        for a, i in enumerate(centre)
        for b, j in enumerate(around)
        if true[i, j] < r_max and molecule[i] != molecule[j]
    }
    found = dict(zip(zip(first.tolist(), second.tolist(), strict=True), distance.tolist(), strict=True))
    assert count.tolist() == [len(first)]
    assert len(found) == len(first), "a pair was listed twice"
    assert found.keys() == due.keys()
    np.testing.assert_allclose([found[pair] for pair in due], list(due.values()), atol=5e-6)
    np.testing.assert_array_equal(image, turns[centre[first], around[second]])


def test_cells_are_used_where_they_pay_and_not_for_few_centres_or_a_narrow_box() -> None:
    shape = np.empty(3, dtype=np.intp)
    wide = np.diag([9.0, 9.0, 9.0]).astype(np.float32)
    narrow = np.diag([3.0, 3.0, 3.0]).astype(np.float32)
    assert neighbours._cells(wide, 1000, 1000, 1.2, shape) == 1
    assert shape.tolist() == [7, 7, 7]
    assert neighbours._cells(wide, 100000, 1000, 1.2, shape) == 2
    assert shape.tolist() == [14, 14, 14]
    assert neighbours._cells(wide, 1000, 10, 1.2, shape) == 0
    assert neighbours._cells(narrow, 1000, 1000, 1.2, shape) == 0


@pytest.mark.parametrize("box", BOXES.values(), ids=BOXES)
def test_histograms_count_each_kind_of_atom_by_distance(box: list[float]) -> None:
    xyz, matrix = points(box, 300, seed=4)
    molecule, label = np.arange(300) // 2, np.repeat([0, 1], [150, 150])
    atoms = np.arange(300)
    counts = histogram(xyz[None], matrix[None].astype(np.float32), atoms, atoms, label, molecule, 1.0, (2, 20))
    true, _ = nearest(xyz.astype(float), matrix)
    for kind in (0, 1):
        others = (molecule[:, None] != molecule[None, :]) & (label[None, :] == kind)
        due, _ = np.histogram(true[others], bins=np.linspace(0, 1.0, 21))
        np.testing.assert_allclose(counts[kind], due, atol=1)  # a distance on an edge may fall to either side
        assert counts[kind].sum() == due.sum()


def test_frames_are_counted_alike_in_one_call_and_one_by_one() -> None:
    frames = np.stack([points(BOXES["rectangular"], 100, seed)[0] for seed in range(7)])
    matrices = np.repeat(box_matrices(np.array([BOXES["rectangular"]])), 7, axis=0).astype(np.float32)
    atoms, molecule = np.arange(100), np.arange(100)
    together = contacts(frames, matrices, atoms, atoms, molecule, 0.8)
    apart = [contacts(frames[k : k + 1], matrices[k : k + 1], atoms, atoms, molecule, 0.8) for k in range(7)]
    for k, whole in enumerate(together):
        np.testing.assert_array_equal(whole, np.concatenate([part[k] for part in apart]))


def test_a_crowd_of_contacts_beyond_the_room_set_aside_is_listed_whole() -> None:
    xyz = np.random.default_rng(1).uniform(0, 0.3, (1, 60, 3)).astype(np.float32)
    matrix = np.diag([5.0, 5.0, 5.0]).astype(np.float32)[None]
    count, *_ = contacts(xyz, matrix, np.arange(60), np.arange(60), np.arange(60), 1.0)
    assert count.tolist() == [60 * 59]
