from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from mdstudy.analysis.displacement import (
    DiffusionFit,
    fit_displacement,
    fit_window,
    mean_squared_displacement,
    random_walk_covariance,
    travel,
)

INTERVAL = 2.0


def walk(rng: np.random.Generator, n_frames: int, n: int, cage: float = 0.0) -> np.ndarray:
    """Steps of unit variance in each direction, D = 1/(2 INTERVAL), rattling about each place."""
    path = np.cumsum(rng.normal(size=(n_frames, n, 3)), axis=0)
    return path + rng.normal(scale=cage, size=path.shape) if cage else path


def fitted(path: np.ndarray) -> DiffusionFit | None:
    return fit_displacement(mean_squared_displacement(path), path.shape[1], INTERVAL)


def loops(paths: np.ndarray) -> np.ndarray:
    n_frames, n, _ = paths.shape
    return np.array(
        [
            np.mean([np.sum((paths[t + k, i] - paths[t, i]) ** 2) for t in range(n_frames - k) for i in range(n)])
            for k in range(n_frames)
        ]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("n_frames", [2, 7, 16])
def test_displacement_by_fourier_transform_is_that_of_loops(n_frames: int, dtype: type) -> None:
    paths = (walk(np.random.default_rng(0), n_frames, 3) + 20).astype(dtype)
    np.testing.assert_allclose(mean_squared_displacement(paths), loops(paths.astype(float)), rtol=1e-5, atol=1e-9)


def test_small_displacements_far_from_the_origin_are_not_lost_to_rounding() -> None:
    rng = np.random.default_rng(1)
    paths = 1e-4 * walk(rng, 200, 4)
    here, there = mean_squared_displacement(paths), mean_squared_displacement(paths + 1000.0)
    np.testing.assert_allclose(there[1:], here[1:], rtol=1e-6)


def test_travel_is_the_displacement_in_half_the_run() -> None:
    paths = np.zeros((10, 2, 3))
    paths[:, 0, 0] = np.arange(10)
    assert travel(paths) == pytest.approx(5 / np.sqrt(2))
    assert travel(paths[:1]) == 0


def brute_force_covariance(step: float, noise: float, n_frames: int, lags: np.ndarray) -> np.ndarray:
    """Covariance of mean-squared displacements from the covariance matrix of the positions (Isserlis)."""
    times = np.arange(n_frames)
    positions = step**2 * np.minimum.outer(times, times) + noise**2 * np.eye(n_frames)
    windows = []
    for lag in lags:
        windows.append(np.eye(n_frames)[lag:] - np.eye(n_frames)[: n_frames - lag])
    result = np.empty((len(lags), len(lags)))
    for i, a in enumerate(windows):
        for j, b in enumerate(windows):
            result[i, j] = np.mean(2 * (a @ positions @ b.T) ** 2)
    return result


def test_covariance_of_a_random_walk_with_noise_is_exact() -> None:
    lags = np.array([1, 2, 5, 9, 13])
    step, noise = 0.7, 1.9
    walk_part, cross, noise_part = random_walk_covariance(lags, 14)
    found = step**4 * walk_part + step**2 * noise**2 * cross + noise**4 * noise_part
    np.testing.assert_allclose(found, brute_force_covariance(step, noise, 14, lags), rtol=1e-12)


@pytest.mark.parametrize("cage", [0.0, 1.0], ids=["walk", "walk in cages"])
def test_error_bars_of_the_diffusion_coefficient_hold_as_often_as_they_say(cage: float) -> None:
    rng = np.random.default_rng(2)
    lags = np.unique(np.geomspace(1, 120, 16).astype(int))
    deviations, qualities = [], []
    for _ in range(300):
        msd = mean_squared_displacement(walk(rng, 300, 8, cage))[lags]
        fit = fit_window(lags, msd, 300, 8, INTERVAL)
        deviations.append((fit.slope - 3 / INTERVAL) / fit.slope_error)
        qualities.append(fit.quality)
    z = np.abs(deviations)
    assert 0.61 < np.mean(z < 1) < 0.75  # 68 % of 300 within two and a half standard errors
    assert np.mean(z < 1.96) > 0.91
    assert abs(np.mean(deviations)) < 0.25
    # The quality is the probability of worse residuals: uniform where the model holds.
    assert stats.kstest(qualities, "uniform").pvalue > 1e-3


def test_ordinary_least_squares_would_claim_far_too_small_an_error() -> None:
    """The fault that the covariance is there to avoid, on the same data."""
    rng = np.random.default_rng(3)
    lags = np.arange(1, 121)
    z = []
    for _ in range(60):
        msd = mean_squared_displacement(walk(rng, 300, 8))[lags]
        (slope, _), covariance = np.polyfit(lags * INTERVAL, msd, 1, cov=True)
        z.append(abs(slope - 3 / INTERVAL) / np.sqrt(covariance[0, 0]))
    assert np.mean(np.array(z) < 1.96) < 0.4


def test_window_is_chosen_and_the_coefficient_right_for_walkers_in_cages() -> None:
    fit = fitted(walk(np.random.default_rng(4), 2000, 60, 1.5))
    assert fit is not None
    assert fit.diffusive
    assert fit.slope_error < 0.05 * fit.slope
    assert abs(fit.slope - 3 / INTERVAL) < 2.5 * fit.slope_error
    assert abs(fit.intercept - 6 * 1.5**2) < 2.0


def test_twice_as_many_walkers_halve_the_variance() -> None:
    rng = np.random.default_rng(5)
    both = walk(rng, 500, 20)
    many, few = fitted(both), fitted(both[:, :10])
    assert many is not None
    assert few is not None
    assert many.slope_error == pytest.approx(few.slope_error / np.sqrt(2), rel=0.2)


def test_motion_in_a_harmonic_well_is_not_called_diffusive() -> None:
    """Ornstein-Uhlenbeck: the displacement levels off at 6 kT/k."""
    rng = np.random.default_rng(6)
    phi = np.exp(-1 / 40)
    path = np.empty((2000, 30, 3))
    path[0] = rng.normal(size=(30, 3))
    for t in range(1, len(path)):
        path[t] = phi * path[t - 1] + np.sqrt(1 - phi**2) * rng.normal(size=(30, 3))
    fit = fitted(path)
    assert fit is not None
    assert not fit.diffusive


def test_ballistic_flight_is_not_called_diffusive() -> None:
    rng = np.random.default_rng(7)
    path = np.arange(500)[:, None, None] * rng.normal(size=(1, 30, 3))
    fit = fitted(path)
    assert fit is not None
    assert not fit.diffusive
    assert fit.exponent == pytest.approx(2, abs=0.05)


def test_what_stands_still_has_no_exponent_and_is_not_diffusive() -> None:
    fit = fitted(np.zeros((100, 5, 3)))
    assert fit is not None
    assert not fit.diffusive
    assert np.isnan(fit.exponent)


def test_too_few_frames_give_no_fit() -> None:
    assert fitted(np.zeros((24, 5, 3))) is None
    assert fitted(walk(np.random.default_rng(8), 25, 5)) is not None
