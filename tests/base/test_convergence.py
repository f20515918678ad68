from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.base.convergence import assess, duration
from mdstudy.base.statistics import mean_and_error


def test_an_error_of_twice_the_target_needs_three_times_the_run_more() -> None:
    found = assess(10.0, 2.0, True, 50_000.0, 0.1)
    assert found.relative_error == pytest.approx(0.2)
    assert found.more == pytest.approx(150_000)
    assert not found.reached
    assert found.text == "± 20 %, needs about 0.15 µs more for 10 %"


def test_the_forecast_holds_for_correlated_samples() -> None:
    """A moving average of ten is correlated over ten steps; run for as long as forecast, its error meets the target."""

    def series(n: int) -> np.ndarray:
        return 1 + np.convolve(np.random.default_rng(5).normal(size=n + 9), np.full(10, 0.3), "valid")

    mean, error, _ = mean_and_error(series(4000))
    more = assess(mean, error, True, 4000.0, error / mean / 3).more
    assert more == pytest.approx(8 * 4000)
    longer = mean_and_error(series(4000 + round(more)))
    assert longer[1] / longer[0] == pytest.approx(error / mean / 3, rel=0.15)


def test_a_criterion_that_is_not_met_is_not_reached_however_small_the_error() -> None:
    assert assess(1.0, 0.01, True, 1e3).reached
    found = assess(1.0, 0.01, False, 1e3)
    assert not found.reached
    assert found.text == "not converged: ± 1 %, a criterion is not met"
    assert "needs at least about 3 ns more" in assess(1.0, 0.2, False, 1e3).text


def test_what_is_not_known_is_never_reached() -> None:
    for value, error in ((math.nan, 0.1), (1.0, math.nan), (0.0, 0.1)):
        found = assess(value, error, True, 1e3)
        assert not found.reached
        assert math.isnan(found.more)
    assert "needs a longer run" in assess(1.0, 0.5, True, math.nan).text


@pytest.mark.parametrize(
    ("ps", "text"),
    [(47.0, "47 ps"), (99.7, "0.1 ns"), (1234.0, "1.2 ns"), (2.5e7, "25 µs"), (1e6, "1 µs"), (3e11, "300 ms")],
)
def test_times_are_shown_in_a_unit_that_suits_them(ps: float, text: str) -> None:
    assert duration(ps) == text
