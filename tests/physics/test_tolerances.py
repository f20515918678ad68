"""Constraints and particle-mesh Ewald are as tight as docs/reliability.md says, in a box of ions."""

from __future__ import annotations

import copy

import numpy as np
import openmm
import pytest

from mdstudy.run.mechanics import CONSTRAINT_TOLERANCE
from mdstudy.system.parameterise import parameterise

#: Error of the forces that the mesh may leave, over the rms force (docs/performance.md has it for liquids).
ALLOWED = 1e-4


@pytest.fixture(scope="module")
def ions(make_box) -> tuple[openmm.System, np.ndarray]:
    """Salt and ionic liquid at 300 K: ions have the largest reciprocal sums, and at rest they would have no forces."""
    box = make_box(["LI", "FSI", "P13", "FSI", "P13", "FSI"] * 5, edge=3.0)
    system = parameterise(box.topology)
    integrator = openmm.LangevinMiddleIntegrator(300.0, 10.0, 0.002)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(box.positions)
    openmm.LocalEnergyMinimizer.minimize(context, 10, 200)
    integrator.step(250)
    return system, np.array(context.getState(getPositions=True).getPositions(asNumpy=True)._value)


def forces(system: openmm.System, positions: np.ndarray, tolerance: float | None) -> np.ndarray:
    """Forces, kJ/mol/nm, at a tolerance of Ewald's sum, or as the System has it."""
    changed = copy.deepcopy(system)
    (coulomb,) = (force for force in changed.getForces() if isinstance(force, openmm.NonbondedForce))
    if tolerance is not None:
        coulomb.setEwaldErrorTolerance(tolerance)
    platform = openmm.Platform.getPlatformByName("CPU")
    context = openmm.Context(changed, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    return np.array(context.getState(getForces=True).getForces(asNumpy=True)._value)


def test_the_mesh_of_charges_is_fine_enough(ions) -> None:
    system, positions = ions
    exact = forces(system, positions, 1e-6)

    def error(tolerance: float | None) -> float:
        return float(np.linalg.norm(forces(system, positions, tolerance) - exact) / np.linalg.norm(exact))

    assert error(None) < ALLOWED
    assert error(1e-2) > ALLOWED  # the measure can tell


def test_constraints_hold_at_the_full_time_step(ions) -> None:
    system, positions = ions
    integrator = openmm.LangevinMiddleIntegrator(400.0, 5.0, 0.004)
    integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
    integrator.setRandomNumberSeed(1)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    context.applyConstraints(CONSTRAINT_TOLERANCE)
    context.setVelocitiesToTemperature(400.0, 1)
    integrator.step(5)
    moved = np.array(context.getState(getPositions=True).getPositions(asNumpy=True)._value)
    rows = [system.getConstraintParameters(k) for k in range(system.getNumConstraints())]
    first, second = (np.array([row[side] for row in rows]) for side in (0, 1))
    wanted = np.array([row[2]._value for row in rows])
    found = np.linalg.norm(moved[first] - moved[second], axis=1)
    assert np.abs(moved - positions).max() > 0.001  # they moved
    np.testing.assert_allclose(found, wanted, rtol=2 * CONSTRAINT_TOLERANCE)
