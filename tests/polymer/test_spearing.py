"""Bonds that pierce rings, made by hand: where they do is known."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mdstudy.base.errors import BuildError
from mdstudy.polymer.spearing import spearings

BOX = np.array([3.0, 3.5, 4.0])


def ring_and_bond(
    at: tuple[float, float] = (0.0, 0.0), low: float = -0.07, high: float = 0.07, n: int = 6, radius: float = 0.14
) -> NDArray[np.float64]:
    """A flat ring of n atoms about the origin in the plane z = 0 and two atoms of a bond along z through `at`."""
    angle = 2 * np.pi * np.arange(n) / n
    ring = np.stack([radius * np.cos(angle), radius * np.sin(angle), np.zeros(n)], axis=1)
    return np.concatenate([ring, [[*at, low], [*at, high]]])


def found(xyz: NDArray[np.float64], n: int = 6) -> list[tuple[int, int]]:
    """Spearings of the bond between the last two atoms and the ring of the first n, its own bonds among the bonds."""
    around = [(i, (i + 1) % n) for i in range(n)]
    return spearings(xyz, BOX, [*around, (n, n + 1)], [list(range(n))])


@pytest.mark.parametrize("at", [(0.0, 0.0), (0.05, 0.03), (-0.11, 0.0), (0.0, -0.12)])
def test_a_bond_through_a_ring_pierces_it(at: tuple[float, float]) -> None:
    assert found(ring_and_bond(at)) == [(6, 0)]


@pytest.mark.parametrize("at", [(0.15, 0.0), (0.0, 0.125), (0.13, 0.1)])
def test_a_bond_beside_a_ring_does_not(at: tuple[float, float]) -> None:
    assert found(ring_and_bond(at)) == []


def test_a_bond_that_ends_before_the_plane_of_a_ring_does_not() -> None:
    assert found(ring_and_bond(low=0.001, high=0.15)) == []
    assert found(ring_and_bond(low=-0.15, high=-0.001)) == []
    assert found(ring_and_bond(low=-0.001, high=0.15)) == [(6, 0)]


def test_a_bond_in_the_plane_of_a_ring_does_not() -> None:
    xyz = ring_and_bond()
    xyz[6:] = [[-0.05, 0.0, 0.0], [0.05, 0.01, 0.0]]
    assert found(xyz) == []


def test_a_bond_through_a_spoke_of_the_fan_is_found_once() -> None:
    """Between centre and atom it is on the edge of two triangles."""
    assert found(ring_and_bond((0.07, 0.0))) == [(6, 0)]


@pytest.mark.parametrize("corner", [(0, 0, 0), (0.5, 0.5, 0.5), (1, 0, 0.02), (0.99, 1, 1)])
def test_a_ring_across_the_boundary_is_pierced_in_every_image(corner: tuple[float, float, float]) -> None:
    rng = np.random.default_rng(1)
    for at, expected in (((0.04, 0.02), [(6, 0)]), ((0.16, 0.02), [])):
        xyz = ring_and_bond(at) + np.array(corner) * BOX
        assert found(xyz % BOX) == expected
        assert found(xyz + BOX * rng.integers(-2, 3, (len(xyz), 3))) == expected


def test_turning_everything_changes_nothing() -> None:
    rng = np.random.default_rng(2)
    for turn in Rotation.random(50, random_state=3):
        at = tuple(rng.uniform(-0.2, 0.2, 2))
        xyz = ring_and_bond(at)
        xyz[:6, 2] += 0.02 * (-1) ** np.arange(6)  # a chair
        assert found(turn.apply(xyz) + rng.uniform(0, 3, 3)) == found(xyz)


def test_a_bond_of_a_ring_or_on_an_atom_of_it_is_left_out() -> None:
    xyz = ring_and_bond()
    xyz[7] = [-0.2, 0.0, 0.05]
    xyz[6] = [0.02, 0.0, -0.05]
    assert spearings(xyz, BOX, [(6, 7)], [list(range(6))]) == [(0, 0)]
    # The same segment of an atom of the ring itself.
    assert spearings(xyz, BOX, [(6, 7)], [[0, 1, 2, 3, 4, 5, 6]]) == []


def test_a_large_puckered_ring_is_pierced_through_its_surface_and_not_through_its_hollow() -> None:
    """A saddle of 24 atoms, 0.5 nm in radius and 0.3 nm high."""
    n = 24
    angle = 2 * np.pi * np.arange(n) / n
    ring = np.stack([0.5 * np.cos(angle), 0.5 * np.sin(angle), 0.15 * np.cos(2 * angle)], axis=1)
    height = 0.15 * 0.6  # of the fan at 0.6 of the radius, on the ridge along x

    def hit(a: tuple[float, float, float], b: tuple[float, float, float]) -> list[tuple[int, int]]:
        return found(np.concatenate([ring, [a, b]]), n)

    assert hit((0.3, 0.0, height - 0.02), (0.3, 0.0, height + 0.12)) == [(24, 0)]
    assert hit((0.3, 0.0, height + 0.02), (0.3, 0.0, height + 0.16)) == []
    # Level through the ridge: in on one flank, out on the other.
    assert hit((0.3, -0.12, height - 0.01), (0.3, 0.12, height - 0.01)) == []
    assert hit((0.3, -0.12, height - 0.01), (0.3, 0.0, height - 0.01)) == [(24, 0)]


def test_many_rings_and_bonds_are_found_as_when_each_pair_is_looked_at_alone() -> None:
    """Against the test by plane and winding angle, one pair and one image at a time, for flat rings."""
    rng = np.random.default_rng(4)
    box = np.array([1.6, 1.7, 1.8])
    turns = Rotation.random(60, random_state=5)
    flat = ring_and_bond(n=5)[:5]
    rings = np.array([turn.apply(flat) + rng.uniform(0, 1.6, 3) for turn in turns])
    middle, along = rng.uniform(0, 1.8, (400, 3)), rng.normal(size=(400, 3))
    ends = (
        middle[:, None] + 0.075 * np.array([-1, 1])[:, None] * (along / np.linalg.norm(along, axis=1)[:, None])[:, None]
    )
    expected = []
    for b, (first, last) in enumerate(ends):
        for r, ring in enumerate(rings):
            centre = ring.mean(axis=0)
            shift = box * np.round(((first + last) / 2 - centre) / box)
            normal = np.cross(ring[0] - centre, ring[1] - centre)
            heights = np.array([first - shift - centre, last - shift - centre]) @ normal
            if heights[0] * heights[1] > 0:
                continue
            point = first - shift + (last - first) * heights[0] / (heights[0] - heights[1])
            arms = ring - point
            turned = np.cross(arms, np.roll(arms, -1, axis=0)) @ normal
            if (turned > 0).all() or (turned < 0).all():
                expected.append((b, r))
    xyz = np.concatenate([rings.reshape(-1, 3), ends.reshape(-1, 3)])
    bonds = 300 + np.arange(800).reshape(400, 2)
    assert len(expected) > 20
    assert spearings(xyz % box, box, bonds, np.arange(300).reshape(60, 5).tolist()) == expected


def test_a_ring_around_the_box_is_refused() -> None:
    line = np.stack([np.arange(20) * 0.15, np.zeros(20), np.zeros(20)], axis=1)
    with pytest.raises(BuildError, match="ring 0 of 20 atoms leads around the box"):
        spearings(line, BOX, [(0, 1)], [list(range(20))])


def test_a_ring_and_a_bond_too_large_for_their_box_are_refused() -> None:
    with pytest.raises(BuildError, match=r"half the shortest edge of the box or more \(1.500 nm\): take a larger box"):
        found(ring_and_bond(low=-0.7, high=0.7, n=60, radius=1.4), 60)


def test_without_rings_or_bonds_there_are_none() -> None:
    assert spearings(np.zeros((2, 3)), BOX, [(0, 1)], []) == []
    assert spearings(np.zeros((3, 3)), BOX, np.empty((0, 2), dtype=int), [[0, 1, 2]]) == []
