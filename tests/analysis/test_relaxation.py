from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.relaxation import relaxation_time

LAGS = np.linspace(0.0, 4.0, 41)  # ns


def found(values: np.ndarray, errors: float | np.ndarray = 0.0):
    return relaxation_time("t", "x", LAGS, values, errors + 0.0 * LAGS, "m")


def test_an_exponential_has_its_own_time_and_the_error_over_its_steepness() -> None:
    estimate = found(np.exp(-LAGS / 1.7), 0.01)
    assert estimate.value == pytest.approx(1.7, rel=1e-3)
    assert estimate.error == pytest.approx(0.01 * 1.7 * math.e, rel=0.05)  # slope of exp(-t/tau) at tau: 1/(e tau)
    assert estimate.converged
    assert not estimate.lower_bound


def test_a_correlation_that_stays_up_gives_the_last_lag_at_which_it_is_up_with_95_percent_confidence() -> None:
    """1 - t/8 ends at 0.5; less 1.645 errors of 0.1 it falls below 1/e behind t = 3.74."""
    values = 1 - LAGS / 8
    sure = 8 * (1 - math.exp(-1) - 1.645 * 0.1)
    estimate = found(values, 0.1)
    assert math.isnan(estimate.error)
    assert not estimate.converged
    assert "lower bound at 95%" in estimate.note
    assert estimate.lower_bound
    assert str(estimate) == f"t of x: more than {estimate.value:.4g} ns (not converged)"
    assert sure - 0.1 <= estimate.value < sure
    assert found(values, 0.01).value == LAGS[-1]
    assert found(values, 1.0).value == 0.0, "nothing is sure"


def test_what_falls_within_the_first_interval_is_not_resolved() -> None:
    estimate = found(np.where(LAGS > 0, 0.0, 1.0), 0.001)
    assert estimate.value < LAGS[1]
    assert not estimate.converged
    assert "shorter than a frame" in estimate.note
