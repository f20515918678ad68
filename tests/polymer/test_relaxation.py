"""Dynamics between the steps: two atoms on a spring that a time step can or cannot follow."""

from __future__ import annotations

import numpy as np
import openmm
import pytest

from mdstudy.base.errors import SimulationError
from mdstudy.polymer.relaxation import TIMESTEP, Frame, Relaxation
from mdstudy.run.platforms import choose


def spring(frequency: float) -> Relaxation:
    """Two atoms of 1 Da whose spring has this angular frequency, 1/ps; a leapfrog step of 2 over it is the longest."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(openmm.Vec3(*row) for row in np.eye(3) * 3.0))
    force = openmm.HarmonicBondForce()
    for _ in range(2):
        system.addParticle(1.0)
    force.addBond(0, 1, 0.15, 0.5 * frequency**2)
    system.addForce(force)
    made = Relaxation(system, choose("Reference"), 300.0, 1)
    made.start(Frame(np.array([[1.0, 1.0, 1.0], [1.15, 1.0, 1.0]]), np.full(3, 3.0)), downhill=False)
    return made


@pytest.mark.parametrize(("times", "halved"), [(0.5, 1), (1.5, 2), (3.0, 4)])
def test_what_a_time_step_cannot_follow_goes_on_with_half_of_it(times: float, halved: int) -> None:
    """`times` is the usual step over the longest that is stable."""
    made = spring(2 * times / TIMESTEP)
    for _ in range(3):
        frame = made.advance(0.4)
    (first, second) = frame.positions
    assert np.linalg.norm(second - first) == pytest.approx(0.15, abs=0.03)
    assert made.timestep == pytest.approx(TIMESTEP / halved)


def test_what_no_time_step_can_follow_is_an_error_that_names_the_atoms() -> None:
    with pytest.raises(SimulationError, match=r"polymerisation failed \(.*\); .*atom [01]"):
        spring(20 / TIMESTEP).advance(0.4)
