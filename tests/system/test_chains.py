"""Chains grown through free space: hands as asked for, ideal geometry, no overlap."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from scipy.spatial.distance import pdist

from mdstudy.system.chains import grow_chain, place
from mdstudy.system.chemistry import dyads, polymer_template

HANDS = np.where(np.random.default_rng(5).random(30) < 0.5, 1, -1)


@pytest.fixture(scope="module")
def chain() -> list[dict[str, np.ndarray]]:
    return grow_chain(HANDS, seed=2)


def test_an_atom_is_placed_by_length_angle_and_torsion() -> None:
    a, b, c = np.array([0.1, 0.1, 0.0]), np.zeros(3), np.array([0.15, 0.0, 0.0])
    trans = place(a, b, c, 0.15, np.pi / 2, np.pi)
    np.testing.assert_allclose(trans, [0.15, -0.15, 0.0], atol=1e-12)
    np.testing.assert_allclose(place(a, b, c, 0.15, np.pi / 2, 0.0), [0.15, 0.15, 0.0], atol=1e-12)


def test_every_unit_has_the_hand_asked_for_and_tetrahedral_bonds(chain) -> None:
    for unit, hand in zip(chain, HANDS, strict=True):
        arms = np.array([unit[name] - unit["CA"] for name in ("CB", "CM", "C")])
        assert np.sign(np.linalg.det(arms)) == hand
        np.testing.assert_allclose(np.linalg.norm(arms, axis=1), 0.153, atol=1e-12)


def test_backbone_angles_are_those_of_pmma(chain) -> None:
    for before, after in pairwise(chain):
        first, second = before["CA"] - after["CB"], after["CA"] - after["CB"]
        assert np.degrees(np.arccos(first @ second / 0.153**2)) == pytest.approx(124.0, abs=1e-6)


def test_heavy_atoms_of_different_units_keep_their_distance(chain) -> None:
    for step in range(2, len(chain)):
        gaps = [
            np.linalg.norm(chain[k][a] - chain[k + step][b])
            for k in range(len(chain) - step)
            for a in chain[k]
            for b in chain[k + step]
            if a[0] in "CO" and b[0] in "CO"
        ]
        assert min(gaps) >= 0.24


def test_the_seed_decides_the_chain(chain) -> None:
    again, other = grow_chain(HANDS, seed=2), grow_chain(HANDS, seed=3)
    assert all((a["CA"] == b["CA"]).all() for a, b in zip(chain, again, strict=True))
    assert pdist([u["CA"] for u in chain]).max() != pdist([u["CA"] for u in other]).max()


@pytest.mark.slow
def test_a_long_atactic_chain_has_the_racemo_dyads_asked_for() -> None:
    """120 draws at 0.79: six standard deviations are 0.22."""
    made = dyads(polymer_template(122, "atactic", seed=4, racemo_fraction=0.79, n_conformers=1))
    assert len(made) == 120
    assert made.count("r") / 120 == pytest.approx(0.79, abs=0.22)
