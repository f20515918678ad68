from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.spectrum import at_zero, bands


def test_power_of_a_wave_and_of_its_mean_by_hand() -> None:
    """a cos(w_k t) of n samples: |a n/2|^2 h/(2n) at k; a constant b: |b n|^2 h/(2n) at zero."""
    n, h, a, b = 64, 0.5, 3.0, 2.0
    wave = a * np.cos(2 * np.pi * 5 * np.arange(n) / n) + b
    found = bands([wave[:, None], np.zeros((n, 2))], h)
    due = np.zeros(6)
    due[0], due[5] = (b * n) ** 2 * h / (2 * n) / 3, (a * n / 2) ** 2 * h / (2 * n) / 3
    np.testing.assert_allclose(found.power[:6], due, atol=1e-9)
    np.testing.assert_allclose(found.frequency[:6], 2 * np.pi * np.arange(6) / (n * h))
    np.testing.assert_allclose(found.shape[:6], [1.5, 3, 3, 3, 3, 3])


def test_bands_hold_each_frequency_once() -> None:
    rng = np.random.default_rng(1)
    series = rng.normal(size=(4096, 2))
    found = bands([series], 1.0)
    assert found.shape.sum() == 2 * (1024 - 0.5)
    plain = (np.abs(np.fft.rfft(series, axis=0)) ** 2).mean(axis=1)[:1024] / (2 * 4096)
    plain[0] /= 2
    assert found.power @ found.shape == pytest.approx(2 * plain.sum())
    assert np.all(np.diff(found.frequency) > 0)


def test_white_noise_has_half_its_variance_times_the_interval_and_errors_that_cover_it() -> None:
    rng = np.random.default_rng(2)
    found = [at_zero([rng.normal(scale=2.0, size=(2048, 3))], 0.5) for _ in range(20)]
    values, errors = np.array([[one.value, one.error] for one in found if one]).T
    assert len(values) == 20
    assert abs(values.mean() - 1.0) < 0.05
    assert np.mean(np.abs(values - 1.0) < 2 * errors) > 0.84
    assert np.median(errors) > 1 / math.sqrt(3 * 512), "no less than if it were known to be white"
    assert found[0] is not None
    assert found[0].slowest == pytest.approx(2048 * 0.5 / 5)


def test_a_spectrum_that_vanishes_at_zero_is_found_to() -> None:
    """Differences of white noise, whose correlation has an integral of zero: S(w) rises as w^2."""
    rng = np.random.default_rng(3)
    found = at_zero([np.diff(rng.normal(size=(8193, 3)), axis=0)], 1.0)
    assert found is not None
    assert abs(found.value) < 0.02, "of 1 for the noise itself times two"


def test_too_few_samples_and_nothing_at_all_have_none() -> None:
    rng = np.random.default_rng(4)
    assert at_zero([rng.normal(size=(31, 3))], 1.0) is None
    assert at_zero([rng.normal(size=(32, 3))], 1.0) is not None
    assert at_zero([np.zeros((500, 3))], 1.0) is None
