from __future__ import annotations

import math

import numpy as np

from mdstudy.analysis.shells import FirstShell
from mdstudy.base.results import find
from mdstudy.observables import cluster_lifetime
from mdstudy.observables.cluster_lifetime import ClusterLifetime, cluster_losses
from mdstudy.study.measure import measure
from tests.processes import exchange, pairs_apart

Bonds = list[list[tuple[int, int]]]


def losses(bonds: Bonds, numbers: tuple[int, int] = (4, 4)) -> tuple[list[int], list[int]]:
    rows = np.array([(t, i, j) for t, frame in enumerate(bonds) for i, j in frame], dtype=int).reshape(-1, 3)
    return cluster_losses(rows[:, 0], rows[:, 1], rows[:, 2], len(bonds), numbers)


def test_a_cluster_ends_when_an_ion_joins_or_leaves_and_not_when_bonds_within_it_change() -> None:
    ring = [(0, 0), (1, 0), (1, 1), (0, 1)]
    pair = [(2, 2)]
    # Four ions lose a bond of their ring and get it back; the pair stays, then takes an anion up.
    at_risk, ended = losses([ring + pair, ring[:3] + pair, ring + pair, [*ring, *pair, (2, 3)]])
    assert at_risk == [3, 3, 0]
    assert ended == [1, 0, 0]


def test_a_merger_ends_both_and_another_cluster_of_the_same_size_is_not_the_same() -> None:
    assert losses([[(0, 0), (1, 1)], [(0, 0), (1, 1), (0, 1)]]) == ([2, 0, 0], [2, 0, 0])
    assert losses([[(0, 0)], [(0, 1)]]) == ([1, 0, 0], [1, 0, 0])
    assert losses([[], [(0, 1)]]) == ([0, 0, 0], [0, 0, 0])


def test_frames_followed_in_chunks_are_those_followed_together(monkeypatch) -> None:
    rng = np.random.default_rng(1)
    bonds: Bonds = [[(0, 0)]]
    for _ in range(40):
        now = set(bonds[-1])
        now ^= {(int(rng.integers(6)), int(rng.integers(6)))}
        bonds.append(sorted(now))
    together = losses(bonds, (6, 6))
    assert sum(together[1]) > 10
    monkeypatch.setattr(cluster_lifetime, "_CHUNK", 60)
    assert losses(bonds, (6, 6)) == together


def test_pairs_that_part_at_a_known_rate_live_as_long_as_that_says() -> None:
    """50 frames of 10 ps together, 50 apart, with crossings of the minimum that do not count."""
    state = exchange(2, 1500, 60, 50.0, 50.0)
    crossing = np.random.default_rng(3).random(state.shape) < 0.1
    apart = np.where(state, np.where(crossing, 0.31, 0.2), 0.48)
    (found,) = measure(pairs_apart(apart), [ClusterLifetime(FirstShell("Li", ("FSI.O",)))])
    two = find(found.estimates, "cluster_lifetime", "Li-FSI, 2 ions")
    assert two is not None
    assert two.converged, two.note
    assert abs(two.value - 0.5) < 3 * two.error + 0.02  # a pair is seen when it is first within
    assert find(found.estimates, "cluster_lifetime", "Li-FSI, more than 10 ions").note == "no cluster seen"


def test_clusters_that_outlive_the_run_give_a_lower_bound() -> None:
    apart = np.full((300, 40), 0.2)
    apart[:, 0] = 0.48
    (found,) = measure(pairs_apart(apart), [ClusterLifetime(FirstShell("Li", ("FSI.O",)))])
    two = find(found.estimates, "cluster_lifetime", "Li-FSI, 2 ions")
    assert "lower bound at 95% confidence: no cluster ended" in two.note
    assert abs(two.value - 39 * 2.99 / math.log(20)) < 0.1
