from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.lifetimes import (
    bound_states,
    intermittent_sums,
    losses,
    ratio_curve,
    residence,
    spaced_lags,
    starts,
    survival_sums,
)
from tests.processes import exchange


def grouped(sums: np.ndarray) -> np.ndarray:
    """Sums over forty pairs each, as if of one ion."""
    return sums.reshape(-1, 40, sums.shape[1]).sum(axis=1)


@pytest.mark.parametrize("lifetime", [5.0, 60.0, 400.0])
def test_known_residence_time_is_found_within_its_error(lifetime: float) -> None:
    """The longest is twice the run."""
    found = residence(*losses(exchange(1, 200, 400, lifetime, 100.0)))
    assert found.error < 0.12 * lifetime
    assert abs(found.time - lifetime) < 2.5 * found.error


def test_lifetimes_of_contacts_that_ended_are_far_too_short_where_most_outlive_the_run() -> None:
    """What a fit that ignores censoring gives, on the data of the test above."""
    state = exchange(1, 200, 400, 400.0, 100.0)
    padded = np.pad(state.astype(int), ((1, 1), (0, 0)))
    begins, ends = (np.argwhere(sign == np.diff(padded, axis=0).T)[:, 1] for sign in (1, -1))
    complete = (begins > 0) & (ends < len(state))
    assert (ends - begins)[complete].mean() < 0.25 * 400


def test_contacts_that_all_outlive_the_run_give_a_lower_bound() -> None:
    found = residence(*losses(np.ones((101, 30), dtype=bool)))
    assert found.bounded
    assert math.isnan(found.error)
    # 3000 frames of contact without a loss: at 95 % confidence the rate is below ln 20 / 3000.
    assert found.time == pytest.approx(3000 / math.log(20), rel=1e-3)


def test_bounds_and_intervals_hold_as_often_as_they_say() -> None:
    lifetime, covered, bounds = 2000.0, 0, 0
    for seed in range(400):
        found = residence(*losses(exchange(seed, 61, 100, lifetime, 10.0)))
        assert found.low <= found.time <= found.high
        covered += found.low <= lifetime <= found.high
        bounds += found.bounded
    assert bounds > 5, "the bound was not put to the test"
    assert covered / 400 > 0.94


@pytest.mark.parametrize(("ended", "fewest", "most"), [(1, 0.0253, 5.572), (3, 0.619, 8.77), (10, 4.80, 18.39)])
def test_intervals_are_those_of_the_mean_of_a_poisson_count(ended: int, fewest: float, most: float) -> None:
    """Limits at 95 % as Garwood tabulates them."""
    found = residence(10**7, ended)
    assert 10**7 / found.low == pytest.approx(most, rel=1e-3)
    assert 10**7 / found.high == pytest.approx(fewest, rel=2e-3)


def test_a_state_is_kept_between_the_boundaries_and_begins_only_within_the_inner_one() -> None:
    #  beyond, between, within, between, within, beyond, between
    inner = np.array([[0], [0], [1], [0], [1], [0], [0]], dtype=bool)
    outer = np.array([[0], [1], [1], [1], [1], [0], [1]], dtype=bool)
    assert bound_states(inner, outer).ravel().tolist() == [False, False, True, True, True, False, False]


def test_survival_of_first_order_loss_is_exponential_also_where_contacts_outlive_the_run() -> None:
    state = exchange(3, 200, 2000, 150.0, 300.0)
    lags = spaced_lags(len(state))
    survival, error = ratio_curve(*map(grouped, survival_sums(state, lags)))
    assert survival[0] == 1
    assert np.all(np.abs(survival - np.exp(-lags / 150)) < 4 * error + 1e-12)
    assert error[-1] < 0.03


def test_survival_and_correlation_are_those_of_a_loop_over_origins() -> None:
    state = exchange(4, 40, 6, 5.0, 5.0)
    lags = np.array([0, 1, 4, 9])
    kept, started = survival_sums(state, lags)
    again = intermittent_sums(state, lags)
    for pair in range(6):
        for k, lag in enumerate(lags):
            origins = [t for t in range(40 - lag) if state[t, pair]]
            assert started[pair, k] == len(origins)
            assert kept[pair, k] == sum(state[t : t + lag + 1, pair].all() for t in origins)
            assert again[pair, k] == sum(state[t + lag, pair] for t in origins)


def test_correlation_of_two_state_exchange_falls_with_both_rates_to_chance() -> None:
    """(C - h) / (1 - h) = exp(-(1/20 + 1/60) t)."""
    state = exchange(5, 400, 2000, 20.0, 60.0)
    lags = spaced_lags(len(state))
    correlation, error = ratio_curve(grouped(intermittent_sums(state, lags)), grouped(starts(state, lags)))
    expected = 0.25 + 0.75 * np.exp(-lags * (1 / 20 + 1 / 60))
    assert np.all(np.abs(correlation - expected) < 4 * error + 1e-12)
    assert error.max() < 0.01
