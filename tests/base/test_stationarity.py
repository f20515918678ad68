from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mdstudy.base.stationarity import (
    MIN_INDEPENDENT,
    Equilibration,
    autocovariance,
    equilibration,
    statistical_inefficiency,
)


def autoregressive(n: int, memory: float, seed: int) -> NDArray[np.float64]:
    """x_t = memory x_(t-1) + noise, started in its stationary distribution: g = (1 + memory) / (1 - memory)."""
    noise = np.random.default_rng(seed).normal(size=n)
    values = np.empty(n)
    values[0] = noise[0] / np.sqrt(1 - memory**2)
    for t in range(1, n):
        values[t] = memory * values[t - 1] + noise[t]
    return values


@pytest.mark.parametrize("memory", [0.0, 0.5, 0.9])
def test_the_inefficiency_of_an_autoregressive_series_is_that_of_theory(memory: float) -> None:
    found = np.mean([statistical_inefficiency(autoregressive(20000, memory, seed)) for seed in range(10)])
    assert found == pytest.approx((1 + memory) / (1 - memory), rel=0.08)


def test_autocovariance_is_that_of_a_loop() -> None:
    x = autoregressive(30, 0.7, 0)
    d = x - x.mean()
    expected = [np.mean(d[: len(d) - k] * d[k:]) for k in range(len(d))]
    np.testing.assert_allclose(autocovariance(x), expected, atol=1e-12)


def test_a_constant_series_is_worth_all_its_samples() -> None:
    assert equilibration(np.full(100, 1.5)) == Equilibration(100, 0, 1.0)


@pytest.mark.parametrize("seed", range(5))
def test_the_origin_follows_the_relaxation_of_a_series_that_starts_far_away(seed: int) -> None:
    relaxation = 40
    values = autoregressive(2000, 0.5, seed) + 50 * np.exp(-np.arange(2000) / relaxation)
    found = equilibration(values)
    assert 2 * relaxation < found.origin < 10 * relaxation  # 50 exp(-2) = 7 and 50 exp(-10) = 0.002 of a spread of 1.2
    assert found.stationary


@pytest.mark.parametrize("seed", range(5))
def test_a_series_that_drifts_by_a_few_of_its_spreads_is_not_stationary(seed: int) -> None:
    values = autoregressive(400, 0.5, seed) + np.linspace(0, 8, 400)
    assert not equilibration(values).stationary


def test_a_late_jump_puts_the_origin_behind_it_and_is_not_stationary() -> None:
    values = autoregressive(1000, 0.2, 1)
    values[:700] += 20
    found = equilibration(values)
    assert 690 <= found.origin <= 720
    assert found.independent > MIN_INDEPENDENT
    assert not found.stationary


def test_few_samples_are_never_enough() -> None:
    assert not equilibration(autoregressive(15, 0.0, 1)).stationary


def test_most_stationary_series_are_accepted_where_they_are_long_enough() -> None:
    """g = 9 in 1000 samples: 111 independent ones."""
    accepted = [equilibration(autoregressive(1000, 0.8, seed)).stationary for seed in range(40)]
    assert np.mean(accepted) > 0.9
