from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mdstudy.analysis.periodic import box_matrices
from mdstudy.analysis.volumes import nearest_atoms

RIGHT, OBLIQUE = [3.0, 3.5, 4.0, 90.0, 90.0, 90.0], [3.0, 2.8, 3.2, 75.0, 80.0, 65.0]


def matrix(box: list[float]) -> np.ndarray:
    return box_matrices(np.array([box]))[0]


@pytest.mark.parametrize("box", [RIGHT, OBLIQUE], ids=["right", "oblique"])
@pytest.mark.parametrize("n_atoms", [1, 5, 400])
def test_the_nearest_atom_is_that_of_a_search_over_all_images(box: list[float], n_atoms: int) -> None:
    """Few atoms leave holes as wide as the box, which the first guess of what images are near does not cover."""
    rng, edges = np.random.default_rng(1), matrix(box)
    places, points = rng.uniform(-5, 5, (n_atoms, 3)), rng.uniform(-5, 5, (300, 3))
    apart = np.full((300, n_atoms), np.inf)
    reduced = (points[:, None] - places) @ np.linalg.inv(edges)
    reduced -= np.round(reduced)
    for turns in product((-1, 0, 1), repeat=3):
        apart = np.minimum(apart, np.linalg.norm((reduced + turns) @ edges, axis=-1))
    np.testing.assert_array_equal(nearest_atoms(places, edges, points), apart.argmin(axis=1))


def test_atoms_on_a_line_have_slabs_that_end_half_way_to_their_neighbours() -> None:
    x, edges = np.array([0.2, 0.5, 1.4]), matrix([2.0, 1.0, 1.5, 90.0, 90.0, 90.0])
    points = np.zeros((2000, 3))
    points[:, 0] = np.linspace(0, 2, 2000, endpoint=False) + 5e-4
    found = nearest_atoms(np.stack([x, 0 * x, 0 * x], axis=1), edges, points)
    shares = np.bincount(found) / 2000
    np.testing.assert_allclose(2 * shares, [(0.3 + 0.8) / 2, (0.3 + 0.9) / 2, (0.9 + 0.8) / 2], atol=2e-3)
