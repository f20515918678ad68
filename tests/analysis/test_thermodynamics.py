from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest

from mdstudy.analysis.thermodynamics import average, log_estimates, read_log
from mdstudy.base.errors import RunError
from mdstudy.run.outputs import COLUMNS


def correlated(n: int, phi: float, seed: int) -> np.ndarray:
    """First-order autoregressive series of mean 0 and variance 1, started in equilibrium."""
    noise = np.random.default_rng(seed).normal(size=n)
    values = np.empty(n)
    values[0] = noise[0]
    for k in range(1, n):
        values[k] = phi * values[k - 1] + math.sqrt(1 - phi**2) * noise[k]
    return values


def write(path: Path, density: np.ndarray, first: int = 0) -> Path:
    rows = [
        f"{first + k + 1},{(first + k + 1) * 0.1:.9g},-1,1,0,{300 + d:.9g},10,{d:.9g}" for k, d in enumerate(density)
    ]
    path.write_text("\n".join([",".join(COLUMNS), *rows]) + "\n")
    return path


def test_the_error_bar_covers_the_mean_as_often_as_it_says() -> None:
    found = [average(1.5 + 0.01 * correlated(4000, 0.9, seed), "density", "box", "g/cm^3", "m") for seed in range(200)]
    z = np.array([(e.value - 1.5) / e.error for e in found])
    assert 0.58 < np.mean(np.abs(z) < 1) < 0.78
    assert 0.88 < np.mean(np.abs(z) < 2) < 0.99


def test_a_drifting_average_is_not_converged_and_says_so() -> None:
    steady = average(1.5 + 0.01 * correlated(4000, 0.5, 1), "density", "box", "g/cm^3", "m")
    drifting = average(
        1.5 + 0.01 * correlated(4000, 0.5, 1) + np.linspace(0, 0.05, 4000), "density", "box", "g/cm^3", "m"
    )
    assert steady.converged
    assert not drifting.converged
    assert "halves differ" in drifting.note


def test_a_handful_of_samples_has_an_error_that_is_not_known() -> None:
    estimate = average(np.array([1.0, 2.0, 3.0, 4.0]), "density", "box", "g/cm^3", "m")
    assert math.isnan(estimate.error)
    assert not estimate.converged


def test_logs_join_in_order_and_give_density_only_at_constant_pressure(tmp_path: Path) -> None:
    values = 1.5 + 0.01 * correlated(400, 0.3, 2)
    files = [write(tmp_path / "a.csv", values[:200]), write(tmp_path / "b.csv", values[200:], 200)]
    np.testing.assert_allclose(read_log(files)["density_g_per_cm3"], values, rtol=1e-8)
    npt = {e.quantity: e for e in log_estimates(files, "npt", "production")}
    assert npt["density"].value == pytest.approx(values[200:].mean(), rel=1e-8)
    assert npt["temperature"].value == pytest.approx(300 + values[200:].mean(), rel=1e-8)
    assert "last 50% of 40 ps of production, NPT" in npt["density"].method
    assert [e.quantity for e in log_estimates(files, "nvt", "production")] == ["temperature"]


def test_an_empty_log_is_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"empty\.csv: the log has no rows"):
        read_log([write(tmp_path / "empty.csv", np.array([]))])
