from __future__ import annotations

import math

import numpy as np

from mdstudy.analysis.verdicts import frame_average, halves_differ, if_exchanged, not_exchanged
from mdstudy.base.results import Curve, Estimate


def correlated(seed: int, n: int, memory: float) -> np.ndarray:
    """Autoregressive series of mean 3 and unit variance whose correlation falls by `memory` a step."""
    rng = np.random.default_rng(seed)
    x = np.empty(n)
    x[0] = rng.normal()
    for k in range(1, n):
        x[k] = memory * x[k - 1] + math.sqrt(1 - memory**2) * rng.normal()
    return 3 + x


def test_error_bars_of_correlated_averages_cover_the_truth_as_often_as_they_say() -> None:
    made = [frame_average("q", "box", correlated(seed, 1500, 0.8), "mean") for seed in range(200)]
    inside = np.mean([abs(e.value - 3) < e.error for e in made])
    assert abs(inside - 0.683) < 3 * math.sqrt(0.683 * 0.317 / 200)
    assert abs(np.median([e.n_independent for e in made]) / (1500 * 0.2 / 1.8) - 1) < 0.15
    assert np.mean([e.converged for e in made]) > 0.95


def test_a_drift_or_a_known_fault_keeps_an_average_from_being_converged() -> None:
    drifting = correlated(1, 1500, 0.0) + np.linspace(0, 1, 1500)
    found = frame_average("q", "box", drifting, "mean")
    assert not found.converged
    assert "halves of the run differ by" in found.note
    told = frame_average("q", "box", correlated(1, 1500, 0.0), "mean", ["Li moved too little"], "3.1 to 3.2")
    assert not told.converged
    assert told.note == "3.1 to 3.2; Li moved too little"


def test_what_never_changes_has_an_error_that_is_not_known() -> None:
    for value in (0.0, 7 / 11):
        found = frame_average("q", "box", np.full(50, value), "mean")
        assert found.value == value
        assert math.isnan(found.error)
        assert not found.converged
        assert found.note == "the same in all 50 frames"


def test_molecules_have_exchanged_once_they_moved_by_a_nanometre() -> None:
    assert not_exchanged("Li", 1.0) == ()
    assert not_exchanged("Li", 0.99) == ("Li moved 0.99 nm in half the run: neighbours have not exchanged",)


def test_halves_agree_within_two_and_a_half_standard_errors() -> None:
    assert halves_differ(2.4) == ()
    assert halves_differ(2.6) == ("halves of the run differ by 2.6 standard errors",)
    assert halves_differ(math.nan) == ("too short to compare its halves",)


def test_what_a_log_tells_is_not_converged_before_the_slowest_species_has_moved() -> None:
    eta = Estimate("shear_viscosity", "box", 0.26, 0.04, "mPa s", "m", converged=True, note="as is")
    x = np.array([1.0, 5.0])

    def moved(*ends: float) -> list[Curve]:
        return [
            Curve("mean_squared_displacement", f"S{k}", x, x * y / 5, x * 0, "t", "ps", "nm^2")
            for k, y in enumerate(ends)
        ]

    assert if_exchanged(eta, moved(1.1, 4.0)) is eta
    found = if_exchanged(eta, moved(4.0, 0.25))
    assert not found.converged
    assert found.note == "as is; S1 moved 0.50 nm at the longest lag: neighbours have not exchanged"
    assert (found.value, found.error) == (eta.value, eta.error)
    assert not if_exchanged(eta, []).converged
