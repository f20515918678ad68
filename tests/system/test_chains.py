"""Chains grown together in a box: hands as asked for, ideal geometry, no overlap in any image."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from mdstudy.base.errors import BuildError
from mdstudy.system.chains import FAR, NEAR, Unit, grow_chains, place

LONG = np.where(np.random.default_rng(5).random(30) < 0.5, 1, -1)
#: Short chains of several lengths, as dense as a build lets them grow.
HANDS = [LONG[k : k + n] for k, n in enumerate((8, 8, 7, 6, 2))]
EDGE = (sum(15 * len(one) + 2 for one in HANDS) / 42.0) ** (1 / 3)


@pytest.fixture(scope="module")
def chain() -> list[Unit]:
    (alone,) = grow_chains([LONG], seed=2, edge=20.0)
    return alone


@pytest.fixture(scope="module")
def chains() -> list[list[Unit]]:
    return grow_chains(HANDS, seed=3, edge=EDGE)


def test_an_atom_is_placed_by_length_angle_and_torsion() -> None:
    a, b, c = np.array([0.1, 0.1, 0.0]), np.zeros(3), np.array([0.15, 0.0, 0.0])
    trans, cis = place(a, b, c, 0.15, np.pi / 2, np.array([np.pi, 0.0]))
    np.testing.assert_allclose(trans, [0.15, -0.15, 0.0], atol=1e-12)
    np.testing.assert_allclose(cis, [0.15, 0.15, 0.0], atol=1e-12)
    np.testing.assert_allclose(place(a, b, c, 0.15, np.pi / 2, np.pi / 2), [0.15, 0.0, 0.15], atol=1e-12)


def test_every_unit_has_the_hand_asked_for_and_tetrahedral_bonds(chains: list[list[Unit]]) -> None:
    for grown, hands in zip(chains, HANDS, strict=True):
        for unit, hand in zip(grown, hands, strict=True):
            arms = np.array([unit[name] - unit["CA"] for name in ("CB", "CM", "C")])
            assert np.sign(np.linalg.det(arms)) == hand
            np.testing.assert_allclose(np.linalg.norm(arms, axis=1), 0.153, atol=1e-12)


def test_bonds_between_units_are_whole_across_the_faces_and_their_angles_are_those_of_pmma(
    chains: list[list[Unit]],
) -> None:
    for before, after in (pair for grown in chains for pair in pairwise(grown)):
        first, second = before["CA"] - after["CB"], after["CA"] - after["CB"]
        np.testing.assert_allclose([np.linalg.norm(first), np.linalg.norm(second)], 0.153, atol=1e-12)
        assert np.degrees(np.arccos(first @ second / 0.153**2)) == pytest.approx(124.0, abs=1e-6)
    everything = np.array([xyz for grown in chains for unit in grown for xyz in unit.values()])
    assert (everything < 0).any() or (everything > EDGE).any()  # a chain does reach through a face


def atoms(unit: Unit) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    """Places, and which are of heavy atoms."""
    names = [name for name in unit if name != "next"]
    return np.array([unit[name] for name in names]), np.array([not name.startswith("H") for name in names])


def test_atoms_keep_their_distance_in_every_image(chains: list[list[Unit]]) -> None:
    """Every pair of units that are not joined, counted here without the search that the growth uses."""
    units = [(k, n, *atoms(unit)) for k, grown in enumerate(chains) for n, unit in enumerate(grown)]
    nearest = []
    for i, (k, n, xyz, solid) in enumerate(units):
        for other, m, others, firm in units[i + 1 :]:
            if k == other and m == n + 1:
                continue
            heavy, any_two = NEAR if k == other and m == n + 2 else FAR
            gaps = xyz[:, None] - others[None]
            gaps = np.linalg.norm(gaps - EDGE * np.round(gaps / EDGE), axis=2)
            assert gaps.min() >= any_two
            assert gaps[solid][:, firm].min() >= heavy
            nearest.append(gaps.min())
    assert min(nearest) < 0.25  # the box is full enough for the test to say something


def test_the_seed_decides_the_chains(chains: list[list[Unit]]) -> None:
    again, other = grow_chains(HANDS, seed=3, edge=EDGE), grow_chains(HANDS, seed=4, edge=EDGE)
    ends = [np.array([grown[-1]["CA"] for grown in some]) for some in (chains, again, other)]
    np.testing.assert_array_equal(ends[0], ends[1])
    assert np.linalg.norm(ends[0] - ends[2], axis=1).min() > 0.01


def test_heads_are_spread_through_the_box() -> None:
    """Eight points at random are 0.55 / 8^(1/3) edges from their nearest neighbours on average."""
    grown = grow_chains([LONG[:2]] * 8, seed=1, edge=5.0)
    heads = np.array([one[0]["CA"] for one in grown])
    gaps = heads[:, None] - heads[None]
    gaps = np.linalg.norm(gaps - 5.0 * np.round(gaps / 5.0), axis=2) + 5.0 * np.eye(8)
    assert gaps.min(axis=1).mean() > 1.2 * 0.55 * 5.0 / 2


def test_long_chains_are_as_large_as_in_a_melt() -> None:
    """Characteristic ratio of 40 bonds within a chain: about 9 is published for long ones of atactic PMMA (Fetters et
    al., Macromolecules 27, 4639 (1994), doi 10.1021/ma00095a001); all trans has 18, free rotation below 4."""
    ratios = []
    for seed in range(6):
        racemo = np.random.default_rng(seed).random(40) < 0.79
        (grown,) = grow_chains([np.where(np.cumsum(racemo) % 2, 1, -1)], seed, edge=40.0)
        ca = np.array([unit["CA"] for unit in grown])
        ratios.append(((ca[20:] - ca[:-20]) ** 2).sum(axis=1).mean() / (40 * 0.153**2))
    assert 6.5 < np.mean(ratios) < 12


@pytest.mark.parametrize(
    ("chains", "edge", "words"),
    [
        (1, 1.4, r"PMMA: a unit would meet its own image in a box of 1\.40 nm; 1\.5 nm are the least"),
        (9, 1.5, r"PMMA: 9 chains do not fit in a box of 1\.50 nm: stuck with \d+ of 18 units; take another seed"),
    ],
)
def test_a_box_that_cannot_hold_the_chains_is_refused(chains: int, edge: float, words: str) -> None:
    with pytest.raises(BuildError, match=words):
        grow_chains([LONG[:2]] * chains, seed=1, edge=edge)
