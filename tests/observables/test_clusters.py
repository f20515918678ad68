from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.shells import FirstShell, Shells
from mdstudy.base.results import find
from mdstudy.observables import clusters
from mdstudy.observables.clusters import Clusters, IonClusters
from mdstudy.study.measure import measure


def graph(n_ions: int, n_anions: int, bonds: list[tuple[int, int, int, tuple[int, int, int]]], n_frames: int) -> Shells:
    """Shells with given bonds: frame, ion, anion, image of the anion next to the ion."""
    rows = sorted(bonds)
    frame, ion, anion = (np.array([row[k] for row in rows], dtype=np.intp) for k in range(3))
    image = np.array([row[3] for row in rows], dtype=np.intp).reshape(-1, 3)
    one = np.ones(len(rows), dtype=np.intp)
    molecules = n_ions + np.arange(n_anions)
    return Shells(("FSI",), (molecules,), n_frames, n_ions, frame, ion, n_ions + anion, 0 * one, one, image, one, one)


NEAR = (0, 0, 0)


def test_clusters_of_a_chain_a_pair_and_lone_ions_are_those_drawn() -> None:
    """Frame 0: Li0-F0-Li1-F1 and Li2-F2, F3 alone. Frame 1: nothing. Frame 2: F0 with three Li."""
    bonds = [(0, 0, 0, NEAR), (0, 1, 0, NEAR), (0, 1, 1, NEAR), (0, 2, 2, NEAR)]
    bonds += [(2, 0, 0, NEAR), (2, 1, 0, NEAR), (2, 2, 0, NEAR)]
    found = Clusters.find(graph(3, 4, bonds, 3), "FSI")
    np.testing.assert_allclose(found.weight_average(), [(16 + 4 + 1) / 7, 1, (16 + 3) / 7])
    np.testing.assert_array_equal(found.largest(), [4, 1, 4])
    sizes = found.sizes()
    assert sorted(sizes) == [1, 2, 4]
    np.testing.assert_allclose([sizes[s] for s in (1, 2, 4)], [[1 / 7, 1, 3 / 7], [2 / 7, 0, 0], [4 / 7, 0, 4 / 7]])
    charges = found.charges(1, -1)
    np.testing.assert_allclose(charges[0], [2 / 3, 0, 0])
    np.testing.assert_allclose(charges[-1], [1 / 3, 4 / 7, 3 / 4])
    np.testing.assert_allclose(charges[2], [0, 0, 1 / 4])
    assert not found.percolates.any()


@pytest.mark.parametrize(
    ("turn", "due"),
    [
        ((0, 0, 0), [False, False, False]),
        ((1, 0, 0), [True, False, False]),
        ((0, -2, 0), [False, True, False]),
        ((1, 1, 0), [True, True, False]),
        ((0, 0, 1), [False, False, True]),
    ],
)
def test_a_ring_spans_the_box_where_its_images_do_not_add_up_to_nothing(turn, due) -> None:
    """Li0-F0-Li1-F1-Li2-F2-Li0; the box is left in the last bond."""
    bonds = [(1, 0, 0, NEAR), (1, 1, 0, NEAR), (1, 1, 1, NEAR), (1, 2, 1, NEAR), (1, 2, 2, NEAR), (1, 0, 2, turn)]
    found = Clusters.find(graph(3, 3, bonds, 2), "FSI")
    np.testing.assert_array_equal(found.percolates, [[False] * 3, due])


def test_a_chain_across_the_boundary_and_a_ring_that_comes_back_do_not_span_the_box() -> None:
    chain = [(0, 0, 0, (1, 0, 0)), (0, 1, 0, NEAR), (0, 1, 1, (0, 1, 0))]
    ring = [(1, 0, 0, (1, 0, 0)), (1, 1, 0, (1, 0, 0)), (1, 1, 1, (0, 0, -1)), (1, 0, 1, (0, 0, -1))]
    assert not Clusters.find(graph(2, 2, chain + ring, 2), "FSI").percolates.any()


def test_whether_a_cluster_spans_the_box_does_not_depend_on_the_images_that_were_stored() -> None:
    """Nodes moved to any image change every bond and no verdict; compared with copies of the graph side by side.

    In a box of 5 x 1 x 1 images, joined to a ring, a part that spans along a joins the copies of an ion.
    """
    rng = np.random.default_rng(8)
    verdicts = []
    for _ in range(60):
        n_ions, n_anions = 6, 6
        pairs = [(i, j) for i in range(n_ions) for j in range(n_anions) if rng.random() < 0.2]
        images = [(int(x), 0, 0) for x in rng.integers(-1, 2, len(pairs))]
        bonds = [(0, i, j, s) for (i, j), s in zip(pairs, images, strict=True)]
        spans = bool(Clusters.find(graph(n_ions, n_anions, bonds, 1), "FSI").percolates[0, 0])
        away_i, away_j = rng.integers(-3, 4, n_ions), rng.integers(-3, 4, n_anions)
        moved = [(0, i, j, (s[0] + int(away_i[i] - away_j[j]), 0, 0)) for _, i, j, s in bonds]
        assert Clusters.find(graph(n_ions, n_anions, moved, 1), "FSI").percolates[0, 0] == spans
        copies = 13  # a prime above any number of turns here
        parts = list(range(copies * 12))

        def root(k: int, parts: list[int] = parts) -> int:
            while parts[k] != k:
                k = parts[k]
            return k

        for (i, j), s in zip(pairs, images, strict=True):
            for c in range(copies):
                parts[root(c * 12 + i)] = root((c + s[0]) % copies * 12 + 6 + j)
        assert spans == any(root(k) == root(12 + k) for k in range(12))
        verdicts.append(spans)
    assert 5 < sum(verdicts) < 55, "the test must see both"


def test_frames_found_in_chunks_are_those_found_together(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(3)
    bonds = [
        (f, i, j, tuple(rng.integers(-1, 2, 3).tolist()))
        for f in range(9) for i in range(8) for j in range(8) if rng.random() < 0.15
    ]  # fmt: skip
    shells = graph(8, 8, bonds, 9)
    together = Clusters.find(shells, "FSI")
    monkeypatch.setattr(clusters, "_CHUNK", 40)
    apart = Clusters.find(shells, "FSI")
    np.testing.assert_array_equal(apart.percolates, together.percolates)
    np.testing.assert_allclose(apart.weight_average(), together.weight_average())
    assert apart.charges(1, -1).keys() == together.charges(1, -1).keys()


def test_an_infinite_chain_in_a_box_percolates_along_it_alone_and_charges_come_from_the_sites(trajectory_of) -> None:
    """Li at every 0.25 nm along a and an anion above each two, 16 and 16 ions in a box of 4 nm; one anion apart."""
    line = np.zeros((32, 3))
    line[:16, 0], line[16:, 0], line[16:, 1] = np.arange(16) * 0.25, np.arange(16) * 0.25 + 0.125, 0.16
    lone = np.array([[2.0, 2.0, 2.0]])
    rng = np.random.default_rng(1)
    frames = np.concatenate([line, lone]) + rng.uniform(0, 4, (40, 1, 3)) + rng.normal(scale=0.004, size=(40, 33, 3))
    molecules = [("Li", ("Li",))] * 16 + [("FSI", ("O",))] * 17
    trajectory = trajectory_of(molecules, frames % 4.0, [4.0] * 3 + [90.0] * 3)
    (found,) = measure(trajectory, [IonClusters(FirstShell("Li", ("FSI.O",)))])
    along = [find(found.estimates, "percolation_probability", f"Li-FSI, along {v}").value for v in "abc"]
    assert along == [1.0, 0.0, 0.0]
    assert find(found.estimates, "cluster_size", "Li-FSI").value == pytest.approx((32**2 + 1) / 33)
    assert find(found.estimates, "largest_cluster_share", "Li-FSI").value == pytest.approx(32 / 33)
    curves = {curve.quantity: curve for curve in found.curves}
    assert curves["cluster_charge_distribution"].x.tolist() == [-1, 0]
    np.testing.assert_allclose(curves["cluster_charge_distribution"].y, [0.5, 0.5])
    np.testing.assert_allclose(curves["cluster_size_distribution"].y, [1 / 33, 32 / 33])
    assert all(math.isnan(e) for e in curves["cluster_size_distribution"].y_error)
