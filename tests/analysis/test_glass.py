"""The glass transition of density curves whose transition is known."""

from __future__ import annotations

import dataclasses
import math

import numpy as np
import pytest

from mdstudy.analysis.glass import Hyperbola, cooling, fits, glass_transition, rise
from mdstudy.base.results import Measurement, find
from mdstudy.run.plan import Plan, Stage
from mdstudy.system.protocol import load_protocol

TEMPERATURE = np.arange(600.0, 190.0, -20.0)
#: A polymer as simulated: g/cm^3, per K.
TRUE = Hyperbola(transition=413.0, width=12.0, density=1.11, glass=-2.4e-4, melt=-6.3e-4)
RATE = 0.02  # K/ps


def value(found: Measurement, quantity: str, of: str = "box") -> float:
    estimate = find(found.estimates, quantity, of)
    assert estimate is not None
    return estimate.value


def noisy(seed: int, error: float, true: Hyperbola = TRUE) -> np.ndarray:
    return true(TEMPERATURE) + error * np.random.default_rng(seed).normal(size=len(TEMPERATURE))


def test_the_slopes_of_the_hyperbola_are_those_of_glass_and_melt_and_its_lines_meet_at_the_transition() -> None:
    far = np.array([-1e6, 1e6]) + TRUE.transition
    slope = (TRUE(far + 1) - TRUE(far)) / 1
    np.testing.assert_allclose(slope, [TRUE.glass, TRUE.melt], rtol=1e-4)
    low, high = TRUE(far)
    assert low == pytest.approx(TRUE.density + TRUE.glass * -1e6, rel=1e-6)
    assert high == pytest.approx(TRUE.density + TRUE.melt * 1e6, rel=1e-6)


def test_a_hyperbola_without_noise_is_found_again() -> None:
    found = fits(TEMPERATURE, TRUE(TEMPERATURE)[None], np.ones(len(TEMPERATURE)))[0]
    assert found.transition == pytest.approx(413.0, abs=0.5)
    assert found.width == pytest.approx(12.0, rel=0.3)  # the grid of widths is coarse
    assert found.glass == pytest.approx(-2.4e-4, rel=0.01)
    assert found.melt == pytest.approx(-6.3e-4, rel=0.01)


def test_two_lines_meet_where_they_meet() -> None:
    density = np.where(TEMPERATURE < 390, 1.1 - 2e-4 * (TEMPERATURE - 390), 1.1 - 6e-4 * (TEMPERATURE - 390))
    found = fits(TEMPERATURE, density[None], np.ones(len(density)))[0]
    assert found.transition == pytest.approx(390.0, abs=1.0)


def test_the_error_of_the_bootstrap_is_the_scatter_of_repeated_experiments() -> None:
    error = 5e-4
    sigma = np.full(len(TEMPERATURE), error)
    found = find(
        glass_transition(TEMPERATURE, noisy(0, error), sigma, RATE).estimates, "glass_transition_temperature", "box"
    )
    assert found is not None
    curves = np.stack([noisy(seed, error) for seed in range(1, 201)])
    repeated = [one.transition for one in fits(TEMPERATURE, curves, 1 / sigma)]
    assert found.error == pytest.approx(np.std(repeated), rel=0.4)
    assert abs(found.value - 413.0) < 3 * found.error
    assert abs(np.mean(repeated) - 413.0) < 0.5 * np.std(repeated)
    assert found.converged


def test_expansion_is_the_slope_over_the_density_where_the_lines_meet() -> None:
    found = glass_transition(TEMPERATURE, noisy(1, 1e-5), np.full(len(TEMPERATURE), 1e-5), RATE)
    assert value(found, "thermal_expansion", "glass") == pytest.approx(2.4e-4 / 1.11, rel=0.01)
    assert value(found, "thermal_expansion", "melt") == pytest.approx(6.3e-4 / 1.11, rel=0.01)


def test_the_scatter_about_the_fit_counts_where_errors_are_too_small_or_not_known() -> None:
    density = noisy(2, 1e-3)
    errors = [
        find(glass_transition(TEMPERATURE, density, given, RATE).estimates, "glass_transition_temperature", "box")
        for given in (np.full(len(density), 1e-6), np.full(len(density), math.nan), np.full(len(density), 1e-3))
    ]
    small, unknown, right = (e.error for e in errors if e is not None)
    assert small == pytest.approx(right, rel=0.5)
    assert unknown == pytest.approx(right, rel=0.5)


def test_a_straight_line_has_no_transition_that_counts() -> None:
    straight = Hyperbola(400.0, 10.0, 1.1, -5e-4, -5e-4)
    found = glass_transition(TEMPERATURE, noisy(3, 1e-3, straight), np.full(len(TEMPERATURE), 1e-3), RATE)
    assert not any(e.converged for e in found.estimates)


def test_a_melt_that_was_not_cooled_far_enough_is_not_converged() -> None:
    warm = TEMPERATURE > 410
    found = glass_transition(TEMPERATURE[warm], noisy(4, 1e-4)[warm], np.full(warm.sum(), 1e-4), RATE)
    assert not any(e.converged for e in found.estimates)


def test_the_rise_with_the_rate_is_three_kelvin_for_the_first_decade_and_more_for_those_after() -> None:
    calorimeter = 10 / 60e12
    assert rise(calorimeter) == 0.0
    assert (rise(calorimeter * 1.001) - 0) / math.log10(1.001) == pytest.approx(51.6 / 17.44, rel=1e-3)
    assert rise(1e10 * calorimeter) == pytest.approx(516 / 7.44, rel=1e-9)
    assert rise(1e18 * calorimeter) == math.inf


def held(name: str, first: float, last: float, kind: str = "npt") -> Stage:
    plan = load_protocol("density").plan(1, 300.0)
    template = next(stage for stage in plan.stages if stage.kind == "npt")
    pressure = template.pressure if kind == "npt" else None
    return dataclasses.replace(template, name=name, kind=kind, temperature=(first, last), pressure=pressure)


def test_cooling_is_the_longest_row_of_stages_at_ever_lower_constant_temperature() -> None:
    stages = (
        held("warm", 500, 500),
        held("ramp", 500, 600),
        held("a", 600, 600),
        held("between", 600, 560, "nvt"),
        held("b", 560, 560),
        held("c", 520, 520),
        held("settle", 560, 560),
    )
    plan = Plan("p", 1, stages, load_protocol("density").plan(1, 300.0).production, "")
    assert [stage.name for stage in cooling(plan)] == ["a", "b", "c"]
