from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.signal import lfilter

from mdstudy.analysis.viscosity import STRESS_COLUMNS, driven_viscosity, logged_viscosity, stress_viscosity
from mdstudy.base.errors import RunError
from mdstudy.base.units import BOLTZMANN_SI

VOLUME, TEMPERATURE = 50.0, 300.0
#: Viscosity in mPa s of a stress with variance 1 bar^2 that is correlated for 1 ps: V/(kT) bar^2 ps.
UNIT = VOLUME * 1e-27 / (BOLTZMANN_SI * TEMPERATURE) * 1e10 * 1e-12 * 1e3


def ornstein_uhlenbeck(
    rng: np.random.Generator, n: int, interval: float, time: float, spread: float, copies: int = 3
) -> NDArray[np.float64]:
    """Stress with <P(0)P(t)> = spread^2 exp(-t/time), exactly, (n, copies) array in bar."""
    keep = math.exp(-interval / time)
    noise = rng.normal(scale=spread * math.sqrt(1 - keep**2), size=(n, copies))
    noise[0] = rng.normal(scale=spread, size=copies)
    return np.asarray(lfilter([1.0], [1.0, -keep], noise, axis=0))


def viscosity(stress: list[NDArray[np.float64]], interval: float) -> tuple[float, float, bool]:
    (found,) = stress_viscosity(stress, interval, VOLUME, TEMPERATURE, "made").estimates
    return found.value, found.error, found.converged


def test_correlated_stress_has_the_viscosity_of_its_integral_and_errors_cover_it_as_often_as_they_say() -> None:
    """Two relaxations: 300 bar for 0.5 ps and 100 bar for 5 ps, eta = UNIT (300^2 0.5 + 100^2 5)."""
    due = UNIT * (300.0**2 * 0.5 + 100.0**2 * 5.0)
    rng = np.random.default_rng(1)
    found = []
    for _ in range(25):
        fast, slow = (ornstein_uhlenbeck(rng, 20_000, 0.1, *law) for law in ((0.5, 300.0), (5.0, 100.0)))
        found.append(viscosity([fast + slow], 0.1))
    values, errors, _ = np.array(found).T
    z = (values - due) / errors
    assert abs(values.mean() / due - 1) < 0.07
    assert np.mean(np.abs(z) < 1) > 0.55
    assert np.mean(np.abs(z) < 2) > 0.88
    assert 0.08 < np.median(errors) / due < 0.3


@pytest.mark.parametrize("length", [30.0, 90.0])
def test_a_run_of_ten_or_thirty_slow_times_is_not_called_converged_while_it_is_far_off(length: float) -> None:
    """Half of the viscosity relaxes in 0.09 ps and half in 3 ps: the fast half alone looks like a plateau.

    A line through Helfand moments from where the running integral levels off called a quarter (30 ps) to a half (90 ps)
    of such runs converged, most of them at half of what is due; of 25 runs 6 and 13, where 5 % make 1.
    """
    due = UNIT * 2 * 100.0**2 * 3.0
    rng = np.random.default_rng(9)
    found = []
    for _ in range(25):
        laws = ((0.09, 100.0 * math.sqrt(3.0 / 0.09)), (3.0, 100.0))
        fast, slow = (ornstein_uhlenbeck(rng, int(length / 0.03), 0.03, *law) for law in laws)
        found.append(viscosity([fast + slow], 0.03))
    values, errors, converged = np.array(found).T
    far = np.abs(values / due - 1) > 0.3
    assert np.sum((converged > 0) & far) <= 3
    assert np.mean(np.abs(values - due) < 2 * errors) > (0.4 if length < 60 else 0.6)


def test_replicas_halve_the_error_of_a_quarter_of_them() -> None:
    rng = np.random.default_rng(2)
    runs = [ornstein_uhlenbeck(rng, 20_000, 0.1, 1.0, 200.0) for _ in range(8)]
    few, many = viscosity(runs[:2], 0.1), viscosity(runs, 0.1)
    assert abs(many[0] - UNIT * 200.0**2) < 3 * many[1]
    assert many[1] / few[1] == pytest.approx(0.5, abs=0.15)


def test_viscosity_is_of_the_box_and_not_of_a_particle() -> None:
    """Eight boxes side by side: the stress of the whole is the mean of theirs, the volume eight times as large."""
    rng = np.random.default_rng(3)
    parts = [ornstein_uhlenbeck(rng, 50_000, 0.1, 1.0, 200.0) for _ in range(8)]
    (small,) = stress_viscosity(parts[:1], 0.1, VOLUME, TEMPERATURE, "small").estimates
    (large,) = stress_viscosity([np.mean(parts, axis=0)], 0.1, 8 * VOLUME, TEMPERATURE, "large").estimates
    assert abs(large.value - small.value) < 3 * math.hypot(large.error, small.error)
    (same,) = stress_viscosity([parts[0] / math.sqrt(8)], 0.1, 8 * VOLUME, TEMPERATURE, "as small").estimates
    assert (same.value, same.error) == pytest.approx((small.value, small.error), rel=1e-6)


def test_the_running_integral_is_that_of_an_exponential_within_its_error() -> None:
    stress = [ornstein_uhlenbeck(np.random.default_rng(4), 100_000, 0.1, 1.0, 200.0)]
    (curve,) = stress_viscosity(stress, 0.1, VOLUME, TEMPERATURE, "made").curves
    due = UNIT * 200.0**2 * (1 - np.exp(-curve.x))
    early = curve.x < 20
    z = (curve.y - due)[early] / curve.y_error[early]
    assert np.sqrt(np.mean(z**2)) < 2.5
    assert np.all(curve.y_error[early] < 0.2 * due[-1])
    assert curve.y_error[-1] > 2 * curve.y_error[early][0], "it grows with time"


def test_stress_that_decays_between_samples_is_told_and_in_the_error() -> None:
    """One sample a relaxation time: the trapezoid is 8 % too large; every tenth one: it is not known."""
    rng = np.random.default_rng(5)
    due = UNIT * 200.0**2
    value, error, _ = viscosity([ornstein_uhlenbeck(rng, 40_000, 1.0, 1.0, 200.0)], 1.0)
    assert abs(value - due) < 2 * error
    assert error > 0.08 * due
    (found,) = stress_viscosity(
        [ornstein_uhlenbeck(rng, 40_000, 10.0, 1.0, 200.0)], 10.0, VOLUME, TEMPERATURE, "rare"
    ).estimates
    assert not found.converged
    assert "may come from stress that decays between samples" in found.note
    assert abs(found.value - due) < 2 * found.error


def test_a_run_shorter_than_its_relaxation_has_no_small_error_and_says_what_it_takes_for_granted() -> None:
    stress = ornstein_uhlenbeck(np.random.default_rng(6), 2_000, 0.1, 200.0, 200.0)
    (found,) = stress_viscosity([stress], 0.1, VOLUME, TEMPERATURE, "short").estimates
    assert not found.converged
    assert "standard error above 20%" in found.note
    assert found.note.startswith("if no stress relaxes more slowly than 40 ps, a fifth of the run")


def test_a_driven_flow_gives_the_viscosity_that_it_was_made_with_and_its_start_is_left_out() -> None:
    """10 mPa s, 1.5 g/cm^3, k = 1.5/nm, friction 1/ps: V = a/(eta k^2/d + g) = 0.02/16 nm/ps, rising in 30 rows."""
    steady = 0.02 / (10.0 * 1.5**2 / 1.5 + 1.0)
    rng = np.random.default_rng(7)
    rise = steady * (1 - np.exp(-np.arange(4000) / 30.0))
    velocity = rise + ornstein_uhlenbeck(rng, 4000, 1.0, 3.0, steady, 1)[:, 0]
    (found,) = driven_viscosity(velocity, 0.02, 1.5, 1.0, 1.5, "made").estimates
    assert abs(found.value - 10.0) < 2.5 * found.error
    assert found.error < 1.0
    assert found.converged, found.note
    (noise,) = driven_viscosity(velocity - rise, 0.02, 1.5, 1.0, 1.5, "nothing").estimates
    assert not noise.converged


def test_logs_are_joined_and_holes_in_them_refused(tmp_path) -> None:
    stress = ornstein_uhlenbeck(np.random.default_rng(8), 8_000, 0.1, 1.0, 200.0)
    names = ["step", "time_ps", "volume_nm3", *STRESS_COLUMNS]
    files = []
    for k, rows in enumerate(np.split(np.arange(8_000), 2)):
        time = 0.1 * (rows + 1)
        table = np.column_stack([np.round(time / 0.002), time, np.full(len(rows), VOLUME), stress[rows]])
        files.append(tmp_path / f"{k}" / "stress.csv")
        files[-1].parent.mkdir()
        np.savetxt(files[-1], table, delimiter=",", header=",".join(names), comments="", fmt="%.9g")
    joined = logged_viscosity(files, TEMPERATURE, "production")
    assert joined is not None
    alone = viscosity([stress], 0.1)
    assert joined.estimates[0].value == pytest.approx(alone[0], rel=1e-6)
    assert logged_viscosity([], TEMPERATURE, "production") is None
    with pytest.raises(RunError, match="missing, repeated or not evenly spaced"):
        logged_viscosity([files[1], files[0]], TEMPERATURE, "production")
