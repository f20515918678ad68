from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.signal import lfilter

from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import find
from mdstudy.observables.segmental_motion import SegmentalMotion
from mdstudy.study.measure import measure

BOX = [60.0, 60.0, 60.0, 90.0, 90.0, 90.0]
RECIPE = SegmentalMotion("PMMA.O", "PMMA.C")


def test_a_chain_of_rouse_has_the_displacement_and_the_exponent_of_its_modes(trajectory_of) -> None:
    """g1 = 12 sum_p s_p^2 (1 - exp(-t p^2/T)) over beads with modes of variance s_p^2 = s^2/p^2, centre at rest."""
    rng = np.random.default_rng(1)
    n_frames, chains, beads, longest = 1500, 8, 24, 1000.0
    modes = np.arange(1, beads)
    spread, keep = 2.0 / modes, np.exp(-(modes**2) / longest)
    noise = rng.normal(size=(n_frames, chains, 3, len(modes))) * spread * np.sqrt(1 - keep**2)
    noise[0] = rng.normal(size=noise.shape[1:]) * spread
    moved = np.stack([lfilter([1.0], [1.0, -k], noise[..., p], axis=0) for p, k in enumerate(keep)], axis=-1)
    shape = 2 * np.cos(np.pi * modes[:, None] * (np.arange(beads) + 0.5) / beads)
    xyz = np.moveaxis(moved @ shape, 2, -1) + 30.0  # frames, chains, beads, 3
    both = np.stack([xyz, xyz + np.array([0.1, 0, 0])], axis=3).reshape(n_frames, -1, 3)
    trajectory = trajectory_of([("PMMA", ("O", "C") * beads)] * chains, both, BOX)
    (found,) = measure(trajectory, [RECIPE])
    curve = next(c for c in found.curves if c.of == "PMMA.O in the box")
    due = 12 * np.sum(spread**2 * (1 - np.exp(-curve.x[:, None] * modes**2 / longest)), axis=1)
    early = curve.x < 100
    np.testing.assert_allclose(curve.y[early], due[early], rtol=0.05)
    exponent = find(found.estimates, "segmental_exponent", "PMMA.O")
    window = curve.x <= 0.25 * curve.x[-1]
    expected = np.polyfit(np.log(curve.x[window]), np.log(due[window]), 1)[0]
    assert 0.4 < expected < 0.7
    assert abs(exponent.value - expected) < 3 * exponent.error
    assert exponent.error < 0.05


def turning(n_frames: int, chains: int, units: int, rate: float) -> np.ndarray:
    """Centres at rest with two atoms each at the ends of a line that diffuses in direction, (frames, atoms, 3)."""
    rng = np.random.default_rng(2)
    u = np.empty((n_frames, chains * units, 3))
    u[0] = rng.normal(size=u.shape[1:])
    u[0] /= np.linalg.norm(u[0], axis=-1, keepdims=True)
    for t in range(1, n_frames):
        u[t] = u[t - 1] + rng.normal(scale=math.sqrt(2 * rate), size=u.shape[1:])
        u[t] /= np.linalg.norm(u[t], axis=-1, keepdims=True)
    places = 30 + rng.normal(size=(1, chains * units, 3))
    return np.stack([places - 0.1 * u, places + 0.1 * u], axis=2).reshape(n_frames, -1, 3)


def test_lines_that_diffuse_in_direction_turn_in_a_sixth_of_the_inverse_rate(trajectory_of) -> None:
    xyz = turning(1500, 6, 10, 0.004)
    (found,) = measure(trajectory_of([("PMMA", ("O", "C") * 10)] * 6, xyz, BOX), [RECIPE])
    time = find(found.estimates, "segmental_relaxation_time", "PMMA.O-PMMA.C")
    assert abs(time.value - 1 / (6 * 0.004) / 1000) < 3 * time.error
    assert time.error < 0.15 * time.value
    assert time.converged, time.note


def test_segments_that_hardly_turn_give_a_lower_bound(trajectory_of) -> None:
    xyz = turning(300, 6, 10, 1e-5)
    (found,) = measure(trajectory_of([("PMMA", ("O", "C") * 10)] * 6, xyz, BOX), [RECIPE])
    time = find(found.estimates, "segmental_relaxation_time", "PMMA.O-PMMA.C")
    assert "lower bound at 95% confidence" in time.note
    assert time.value == pytest.approx(0.15, rel=0.02)
    assert not time.converged


def test_sites_that_do_not_pair_are_refused(trajectory_of) -> None:
    trajectory = trajectory_of([("PMMA", ("O", "C", "C"))] * 2, np.full((5, 6, 3), 3.0), BOX)
    with pytest.raises(TrajectoryError, match=r"PMMA\.O and PMMA\.C differ in number"):
        measure(trajectory, [RECIPE])
