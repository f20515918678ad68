from __future__ import annotations

import numpy as np
import pytest

from mdstudy.analysis.periodic import box_matrices
from mdstudy.analysis.volumes import cell_volumes

OBLIQUE = [3.0, 2.8, 3.2, 75.0, 80.0, 65.0]


def matrix(box: list[float]) -> np.ndarray:
    return box_matrices(np.array([box]))[0]


def cube(edge: float) -> np.ndarray:
    return matrix([edge] * 3 + [90.0] * 3)


def lattice(n: int, basis: list[list[float]], constant: float) -> np.ndarray:
    corners = np.stack(np.meshgrid(*[np.arange(n)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    return constant * (corners + np.array(basis)).reshape(-1, 3)


@pytest.mark.parametrize(
    "basis",
    [[[0, 0, 0]], [[0, 0, 0], [0.5, 0.5, 0.5]], [[0, 0, 0], [0, 0.5, 0.5], [0.5, 0, 0.5], [0.5, 0.5, 0]]],
    ids=["simple", "body-centred", "face-centred"],
)
def test_atoms_of_a_lattice_share_the_box_equally(basis: list[list[float]]) -> None:
    found = cell_volumes(lattice(4, basis, 0.5) + 0.1, cube(2.0))
    np.testing.assert_allclose(found, 0.5**3 / len(basis), rtol=1e-9)


def test_one_atom_has_the_whole_of_an_oblique_box() -> None:
    """Where images about a box reach far beyond its nearest neighbours."""
    found = cell_volumes(np.array([[9.0, -4.0, 0.3]]), matrix(OBLIQUE))
    assert found == pytest.approx([np.linalg.det(matrix(OBLIQUE))], rel=1e-9)


def test_atoms_on_a_line_have_slabs_that_end_half_way_to_their_neighbours() -> None:
    x = np.array([0.2, 0.5, 1.4])
    found = cell_volumes(np.stack([x, 0 * x, 0 * x], axis=1), matrix([2.0, 1.0, 1.5, 90.0, 90.0, 90.0]))
    np.testing.assert_allclose(found, 1.5 * np.array([(0.3 + 0.8) / 2, (0.3 + 0.9) / 2, (0.9 + 0.8) / 2]), rtol=1e-9)


@pytest.mark.parametrize("box", [[3.0, 3.5, 4.0, 90.0, 90.0, 90.0], OBLIQUE], ids=["right", "oblique"])
def test_cells_of_atoms_anywhere_fill_the_box_wherever_its_corner_is(box: list[float]) -> None:
    rng, edges = np.random.default_rng(1), matrix(box)
    places = rng.uniform(0, 1, (300, 3)) @ edges
    found = cell_volumes(places, edges)
    assert found.sum() == pytest.approx(np.linalg.det(edges), rel=1e-9)
    assert found.max() > 5 * found.min()
    moved = places + rng.integers(-2, 3, (300, 3)) @ edges + [0.7, -0.3, 1.1]
    np.testing.assert_allclose(cell_volumes(moved, edges), found, rtol=1e-7)


def test_the_volume_of_an_atom_is_the_share_of_points_that_are_nearest_to_it() -> None:
    rng, edge = np.random.default_rng(2), 2.0
    places, points = rng.uniform(0, edge, (40, 3)), rng.uniform(0, edge, (40_000, 3))
    apart = points[:, None] - places
    apart -= edge * np.round(apart / edge)
    counts = np.bincount(np.argmin((apart**2).sum(axis=-1), axis=1), minlength=40)
    found = cell_volumes(places, cube(edge))
    spread = np.sqrt(counts) * edge**3 / len(points)
    assert np.all(np.abs(counts * edge**3 / len(points) - found) < 4.5 * spread)
