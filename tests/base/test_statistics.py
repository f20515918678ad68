from __future__ import annotations

import math

import numpy as np
import pytest
from scipy import stats

from mdstudy.base.statistics import (
    drift_z,
    generalised_least_squares,
    halves_apart,
    jackknife,
    mean_and_error,
)


def autoregressive(seed: int, n: int, phi: float) -> np.ndarray:
    """AR(1) of unit variance from a stationary start."""
    rng = np.random.default_rng(seed)
    values = np.empty(n)
    values[0] = rng.normal()
    kicks = rng.normal(scale=math.sqrt(1 - phi**2), size=n)
    for t in range(1, n):
        values[t] = phi * values[t - 1] + kicks[t]
    return values


def test_a_constant_series_has_no_error() -> None:
    mean, error, _ = mean_and_error(np.full(100, 3.3))
    assert (mean, error) == (pytest.approx(3.3), pytest.approx(0, abs=1e-12))


def test_error_of_a_correlated_mean_is_its_spread_between_series() -> None:
    means, errors = zip(*(mean_and_error(autoregressive(seed, 2000, 0.9))[:2] for seed in range(200)), strict=True)
    assert np.mean(errors) == pytest.approx(np.std(means), rel=0.15)
    assert np.mean(np.abs(means) < 1.96 * np.array(errors)) > 0.9


def test_too_few_values_have_an_unknown_error() -> None:
    assert math.isnan(mean_and_error(np.array([1.0, 2.0, 3.0]))[1])
    assert math.isnan(mean_and_error(np.array([]))[0])


def test_drift_of_a_stationary_series_is_standard_normal_and_of_a_ramp_is_not() -> None:
    z = [drift_z(autoregressive(seed, 4000, 0.6)) for seed in range(200)]
    assert np.mean(z) == pytest.approx(0, abs=0.25)
    assert np.std(z) == pytest.approx(1, abs=0.15)
    assert stats.kstest(z, "norm").pvalue > 1e-3
    assert drift_z(autoregressive(1, 4000, 0.6) + np.linspace(0, 1, 4000)) > 5


def test_jackknife_of_a_mean_is_its_standard_error() -> None:
    x = np.random.default_rng(1).normal(size=12)
    value, error = jackknife(list(x), lambda some: np.array([np.mean(some)]))
    assert value[0] == pytest.approx(x.mean())
    assert error[0] == pytest.approx(x.std(ddof=1) / math.sqrt(12))


def test_jackknife_of_a_ratio_is_its_spread() -> None:
    rng = np.random.default_rng(2)

    def ratio(some: object) -> np.ndarray:
        a = np.asarray(some)
        return np.array([a[:, 0].sum() / a[:, 1].sum()])

    found = [jackknife(list(rng.normal([2.0, 4.0], 0.5, size=(20, 2))), ratio) for _ in range(300)]
    assert np.mean([e[0] for _, e in found]) == pytest.approx(np.std([v[0] for v, _ in found]), rel=0.1)


def test_jackknife_of_fewer_than_three_blocks_knows_no_error() -> None:
    _, error = jackknife([1.0, 2.0], lambda some: np.array([np.mean(some)]))
    assert math.isnan(error[0])


def test_halves_that_differ_are_seen_and_halves_that_do_not_are_not() -> None:
    rng = np.random.default_rng(3)

    def mean(some: object) -> np.ndarray:
        return np.array([np.mean(np.asarray(some))])

    same = rng.normal(size=40)
    assert halves_apart(list(same), mean)[0] < 2.5
    assert halves_apart([*same[:20], *(same[20:] + 5)], mean)[0] > 5
    assert halves_apart([1.0] * 8, mean)[0] == 0


def test_generalised_least_squares_is_weighted_least_squares_for_a_diagonal_covariance() -> None:
    rng = np.random.default_rng(4)
    x, sigma = np.linspace(1, 9, 9), rng.uniform(0.2, 2, 9)
    y = 3 - 0.5 * x + sigma * rng.normal(size=9)
    found, spread = generalised_least_squares(x, y, np.diag(sigma**2))
    (slope, intercept), covariance = np.polyfit(x, y, 1, w=1 / sigma, cov="unscaled")
    np.testing.assert_allclose(found, [intercept, slope], rtol=1e-10)
    np.testing.assert_allclose(spread, covariance[::-1, ::-1], rtol=1e-10)


def test_generalised_least_squares_of_a_walk_is_the_textbook_formula_and_has_its_variance() -> None:
    """(X' V^-1 X)^-1 X' V^-1 y, for V = min(i, j), y a Brownian path about a line."""
    rng = np.random.default_rng(5)
    x = np.arange(1.0, 11.0)
    v = np.minimum.outer(x, x)
    design = np.stack([np.ones(10), x], axis=1)
    inverse = np.linalg.inv(v)
    slopes = []
    for _ in range(400):
        y = 2 + 0.3 * x + np.cumsum(rng.normal(size=10))
        found, spread = generalised_least_squares(x, y, v)
        np.testing.assert_allclose(
            found, np.linalg.solve(design.T @ inverse @ design, design.T @ inverse @ y), rtol=1e-8
        )
        slopes.append(found[1])
    assert np.std(slopes) == pytest.approx(math.sqrt(spread[1, 1]), rel=0.1)
