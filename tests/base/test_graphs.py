"""Parts of periodic graphs: chains, rings and lattices whose walks are known."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.graphs import Parts, connect


def found(edges: list[tuple[int, int, tuple[int, int, int]]], n: int) -> Parts:
    i, j, shift = zip(*edges, strict=True)
    return connect(np.array(i), np.array(j), np.array(shift), n)


def chain(n: int) -> list[tuple[int, int, tuple[int, int, int]]]:
    """Nodes side by side across the box along its first vector."""
    return [(k, k + 1, (0, 0, 0)) for k in range(n - 1)]


def test_parts_are_labelled_and_single_nodes_are_parts() -> None:
    parts = found([(0, 2, (0, 0, 0)), (3, 4, (0, 0, 0))], 6)
    assert parts.number == 4
    assert parts.label[0] == parts.label[2]
    assert parts.label[3] == parts.label[4]
    assert len({parts.label[k] for k in (0, 1, 3, 5)}) == 4


def test_a_chain_that_closes_on_its_own_image_winds_and_one_that_does_not_does_not() -> None:
    open_chain = found(chain(5), 5)
    assert not open_chain.winding.any()
    around = found([*chain(5), (4, 0, (1, 0, 0))], 5)
    assert np.abs(around.winding).sum(axis=0).tolist() == [1, 0, 0]


def test_a_ring_across_a_wall_does_not_wind() -> None:
    ring = found([(0, 1, (0, 0, 0)), (1, 2, (0, 1, 0)), (2, 3, (0, 0, 0)), (3, 0, (0, -1, 0))], 4)
    assert not ring.winding.any()


def test_a_chain_twice_around_counts_two() -> None:
    twice = found([(0, 1, (0, 1, 0)), (1, 0, (0, 1, 0))], 2)
    assert np.abs(twice.winding).max(axis=0).tolist() == [0, 2, 0]


def test_images_make_every_edge_of_a_tree_short() -> None:
    rng = np.random.default_rng(1)
    n = 200
    place = rng.uniform(0, 1, (n, 3)).cumsum(axis=0)  # a walk through many boxes
    box = np.floor(place)
    parent = np.array([rng.integers(max(0, k - 3), k) for k in range(1, n)])
    child = np.arange(1, n)
    flip = rng.random(n - 1) < 0.5
    i, j = np.where(flip, child, parent), np.where(flip, parent, child)
    parts = connect(i, j, (box[j] - box[i]).astype(int), n)
    assert not parts.winding.any()
    np.testing.assert_array_equal(parts.image, box - box[0])


def test_a_node_joined_to_its_own_image_winds() -> None:
    assert np.abs(found([(0, 0, (0, 0, 1))], 1).winding).tolist() == [[0, 0, 1]]


def test_double_edges_are_cycles() -> None:
    def winding(second: tuple[int, int, int]) -> NDArray[np.intp]:
        return found([(0, 1, (0, 0, 0)), (0, 1, second)], 2).winding

    assert not winding((0, 0, 0)).any()
    assert winding((1, 0, 0)).any()
