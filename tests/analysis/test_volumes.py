from __future__ import annotations

from itertools import product

import numpy as np
import pytest

from mdstudy.analysis.periodic import box_matrices
from mdstudy.analysis.volumes import owners, radii_of
from mdstudy.base.errors import TrajectoryError

RIGHT, OBLIQUE = [3.0, 3.5, 4.0, 90.0, 90.0, 90.0], [3.0, 2.8, 3.2, 75.0, 80.0, 65.0]


def matrix(box: list[float]) -> np.ndarray:
    return box_matrices(np.array([box]))[0]


@pytest.mark.parametrize("box", [RIGHT, OBLIQUE], ids=["right", "oblique"])
@pytest.mark.parametrize("n_atoms", [1, 5, 400])
def test_a_point_belongs_to_the_atom_of_least_power_distance_of_all_images(box: list[float], n_atoms: int) -> None:
    """Few atoms leave holes as wide as the box, which the first guess of what images are near does not cover."""
    rng, edges = np.random.default_rng(1), matrix(box)
    places, points, radii = rng.uniform(-5, 5, (n_atoms, 3)), rng.uniform(-5, 5, (300, 3)), rng.uniform(0, 0.4, n_atoms)
    power = np.full((300, n_atoms), np.inf)
    reduced = (points[:, None] - places) @ np.linalg.inv(edges)
    reduced -= np.round(reduced)
    for turns in product((-1, 0, 1), repeat=3):
        power = np.minimum(power, np.sum(((reduced + turns) @ edges) ** 2, axis=-1) - radii**2)
    np.testing.assert_array_equal(owners(places, radii, edges, points), power.argmin(axis=1))


def test_radii_are_those_of_the_elements_and_repartitioned_masses_are_refused() -> None:
    np.testing.assert_array_equal(radii_of(np.array([6.94, 18.998, 1.008])), [0.076, 0.147, 0.120])
    with pytest.raises(TrajectoryError, match="not repartitioned ones"):
        radii_of(np.array([12.011, 3.024]))
