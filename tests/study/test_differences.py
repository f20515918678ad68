from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy import stats

from mdstudy.base.results import Estimate, Origin
from mdstudy.study.differences import Difference, difference, pool


def estimate(value: float, error: float, n: float = 30.0, converged: bool = True) -> Estimate:
    return Estimate("coordination_number", "Li-FSI.O", value, error, "1", "test", n, converged)


def test_three_replicas_are_pooled_with_the_error_of_their_spread() -> None:
    pooled = pool([estimate(1.0, 0.001), estimate(2.0, 0.001), estimate(3.0, 0.001)])
    assert pooled.value == 2.0
    assert pooled.error == pytest.approx(1.0 / math.sqrt(3))
    assert pooled.n_independent == 3
    assert "3 replicas" in pooled.method


def test_two_replicas_never_look_better_than_their_own_errors() -> None:
    assert pool([estimate(1.0, 0.3), estimate(1.0, 0.4)]).error == pytest.approx(0.25)
    assert pool([estimate(1.0, 0.0), estimate(3.0, 0.0)]).error == pytest.approx(1.0)


def test_a_pool_is_converged_only_if_every_replica_is_and_leaves_out_what_was_not_found() -> None:
    assert not pool([estimate(1, 0.1), estimate(1, 0.1, converged=False), estimate(1, 0.1)]).converged
    assert pool([estimate(math.nan, math.nan), estimate(5.0, 0.1)]).value == 5.0


def test_a_pool_of_two_counts_the_samples_behind_the_error_that_it_takes() -> None:
    assert pool([estimate(1.0, 0.3, 8), estimate(1.0, 0.4, 9)]).n_independent == 17
    assert pool([estimate(1.0, 0.0, 8), estimate(3.0, 0.0, 9)]).n_independent == 2


def test_replicas_that_all_have_the_same_number_have_no_spread_to_learn_from() -> None:
    never_seen = [estimate(0.0, math.nan), estimate(0.0, math.nan), estimate(0.0, math.nan)]
    assert math.isnan(pool(never_seen).error)
    assert math.isnan(pool(never_seen[:2]).error)
    assert pool([estimate(1.0, 0.3), estimate(1.0, 0.3), estimate(1.0, 0.3)]).error == pytest.approx(0.3 / math.sqrt(3))


def test_the_mean_of_lower_bounds_is_one_and_has_no_error() -> None:
    bounds = [replace(estimate(value, math.nan, converged=False), lower_bound=True) for value in (20.0, 21.0)]
    for replicas in (bounds, [*bounds, estimate(19.0, 1.0)]):
        pooled = pool(replicas)
        assert pooled.lower_bound
        assert math.isnan(pooled.error)
        found = difference(pooled, estimate(1.0, 0.1))
        assert all(math.isnan(number) for number in (found.value, found.low, found.ratio, found.ratio_low))
    assert not pool([estimate(1.0, 0.1), estimate(2.0, 0.1)]).lower_bound


def test_a_pool_adds_up_the_time_of_its_replicas_so_that_the_forecast_is_of_all_together() -> None:
    made = Origin("o", "O()", "", (), "r1", 100, 1.0, 100.0)
    one, two = (
        replace(estimate(v, 0.1), origin=o)
        for v, o in ((1.0, made), (2.0, replace(made, source="r2", frames=50, length=50.0)))
    )
    pooled = pool([one, two])
    assert pooled.origin is not None
    assert (pooled.origin.source, pooled.origin.frames, pooled.length) == ("r1, r2", 150, 150.0)


def test_a_difference_of_replicas_has_the_interval_of_welch() -> None:
    """As scipy's unequal-variance t-test on the same replicas."""
    rng = np.random.default_rng(3)
    a, b = rng.normal(4.0, 0.3, 4), rng.normal(3.0, 0.1, 3)
    found = difference(pool([estimate(x, 0.01) for x in a]), pool([estimate(x, 0.01) for x in b]))
    welch = stats.ttest_ind(a, b, equal_var=False)
    assert found.freedom == pytest.approx(welch.df)
    assert found.z == pytest.approx(welch.statistic)
    assert (found.low, found.high) == pytest.approx(tuple(welch.confidence_interval(0.95)))
    assert found.factor == pytest.approx(stats.t.ppf(0.975, welch.df))


def covered(n_a: int, n_b: int, trials: int, seed: int) -> tuple[float, float]:
    """How often intervals of a few replicas hold the true difference and the true ratio."""
    rng = np.random.default_rng(seed)
    made = []
    for _ in range(trials):
        a, b = rng.normal(4.0, 0.2, n_a), rng.normal(2.0, 0.1, n_b)
        made.append(difference(pool([estimate(x, 0.0) for x in a]), pool([estimate(x, 0.0) for x in b])))
    return np.mean([d.low < 2.0 < d.high for d in made]), np.mean([d.ratio_low < 2.0 < d.ratio_high for d in made])


def test_intervals_of_three_replicas_hold_the_truth_as_often_as_they_say() -> None:
    for share in covered(3, 3, 1500, 1):
        assert 0.93 < share < 0.99  # Welch and Satterthwaite are conservative with so few


def test_the_interval_of_a_ratio_is_where_the_difference_from_a_multiple_is_zero() -> None:
    a, b = estimate(4.0, 0.2, math.nan), estimate(2.0, 0.1, math.nan)
    found = difference(a, b)
    for edge in (found.ratio_low, found.ratio_high):
        assert abs(a.value - edge * b.value) / math.hypot(a.error, edge * b.error) == pytest.approx(found.factor)
    assert found.factor == pytest.approx(1.959964, abs=1e-6)
    assert math.isinf(found.freedom)


def test_a_ratio_to_what_may_be_zero_has_no_interval() -> None:
    assert math.isnan(difference(estimate(4.0, 0.2), estimate(0.1, 0.1)).ratio_low)
    assert math.isnan(difference(estimate(4.0, 0.2), estimate(0.0, 0.1)).ratio)


def test_nothing_is_said_of_what_is_not_converged_or_has_no_error() -> None:
    assert difference(estimate(4.0, 0.1), estimate(3.0, 0.1)).verdict == "differs"
    assert difference(estimate(3.1, 0.1), estimate(3.0, 0.1)).verdict == "no difference seen"
    assert difference(estimate(4.0, 0.1), estimate(3.0, 0.1, converged=False)).verdict == "no evidence: not converged"
    unknown = difference(estimate(4.0, math.nan), estimate(3.0, 0.1))
    assert unknown.verdict == "not known"
    assert math.isnan(unknown.high)
    assert math.isnan(difference(estimate(4.0, 0.1, n=1.0), estimate(3.0, 0.1)).low), "one sample has no interval"


def test_a_difference_reads_as_a_sentence() -> None:
    text = str(difference(estimate(3.48, 0.06, math.nan), estimate(4.0, 0.08, math.nan)))
    assert text == (
        "coordination_number of Li-FSI.O: -0.52 ± 0.1 (95% interval -0.716 to -0.324, "
        "Student factor 1.96 (number of samples not known)), z = -5.2; differs"
    )
    assert isinstance(difference(estimate(1.0, 0.1), estimate(1.0, 0.1)), Difference)
