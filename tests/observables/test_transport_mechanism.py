from __future__ import annotations

import numpy as np

from mdstudy.analysis.frames import Sites
from mdstudy.analysis.shells import FirstShell
from mdstudy.analysis.trajectory import Trajectory
from mdstudy.base.results import Estimate, find
from mdstudy.observables.transport_mechanism import TransportMechanism
from mdstudy.study.measure import measure

EDGE, IONS = 30.0, 60
BOX = np.array([EDGE] * 3 + [90.0] * 3, dtype=np.float32)


def carried(seed: int, n_frames: int, step: float, rate: float) -> Trajectory:
    """Ions 0.2 nm from anions that walk; in each frame an ion goes over to any other anion with a probability.

    Anions are anywhere in the box, so that a jump from one to the other is (EDGE/2)^2 long in the mean of squares:
    three directions of EDGE^2/12. An anion more is 0.45 nm from the first ion, or there would be no second shell.
    """
    rng = np.random.default_rng(seed)
    anions = rng.uniform(0, EDGE, (1, 2 * IONS, 3)) + rng.normal(scale=step, size=(n_frames, 2 * IONS, 3)).cumsum(
        axis=0
    )
    host = np.empty((n_frames, IONS), dtype=int)
    host[0] = rng.permutation(2 * IONS)[:IONS]
    for t in range(1, n_frames):
        host[t] = host[t - 1]
        for ion in np.flatnonzero(rng.random(IONS) < rate):
            host[t, ion] = rng.choice(np.setdiff1d(np.arange(2 * IONS), host[t]))
    ions = np.take_along_axis(anions, host[..., None], axis=1) + rng.normal([0.2, 0, 0], 0.008, (n_frames, IONS, 3))
    xyz = np.concatenate([ions, anions, ions[:, :1] + [0.0, 0.45, 0.0]], axis=1) % EDGE
    n = xyz.shape[1]
    species = {"Li": np.arange(IONS), "FSI": np.arange(IONS, n)}
    groups = {**species, "FSI.O": species["FSI"]}
    sites = Sites(groups, np.arange(n), species, np.ones(n), {"Li": 1, "FSI": -1})
    frames = xyz.astype(np.float32)
    return Trajectory(sites, n_frames, lambda: ((1.0 * t, one, BOX) for t, one in enumerate(frames)), None, "made")


def share(trajectory: Trajectory) -> Estimate:
    (found,) = measure(trajectory, [TransportMechanism(FirstShell("Li", ("FSI.O",)))])
    estimate = find(found.estimates, "vehicular_share", "Li")
    assert estimate is not None
    return estimate


def test_an_ion_that_keeps_its_shell_is_carried_all_the_way() -> None:
    found = share(carried(1, 400, 0.3, 0.0))
    assert abs(found.value - 1) < 0.01
    assert found.converged, found.note


def test_an_ion_that_hops_between_molecules_at_rest_is_not_carried() -> None:
    found = share(carried(2, 1200, 0.0, 0.02))
    assert abs(found.value) < 0.01


def test_the_share_is_that_of_the_two_diffusion_coefficients_where_both_go_on() -> None:
    """A step of 0.5 nm, 3 x 0.25 nm^2 a frame, and jumps of (30/2)^2 nm^2, one in 300 frames: half and half."""
    found = share(carried(3, 3000, 0.5, 1 / 300))
    carrying, hopping = 3 * 0.5**2, (EDGE / 2) ** 2 / 300
    assert abs(found.value - carrying / (carrying + hopping)) < 2.5 * found.error
    assert found.error < 0.08


def test_shells_that_change_between_frames_are_told() -> None:
    found = share(carried(4, 600, 0.3, 0.3))
    assert not found.converged
    assert "contacts change from frame to frame" in found.note
