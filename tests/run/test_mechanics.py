from __future__ import annotations

from pathlib import Path

import numpy as np
import openmm
import pytest
from numpy.typing import NDArray

from mdstudy.base.errors import RunError, SimulationError
from mdstudy.run.mechanics import degrees_of_freedom, equip, load, masses, mean_volume, place, relax

EDGE, BOND = 2.0, 0.11


def dimers(count: int = 10) -> tuple[openmm.System, NDArray[np.float64]]:
    """Rigid dimers of 28 Da without interactions, on a diagonal."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * EDGE))
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.9)
    positions = []
    for k in range(count):
        for sign in (-1, 1):
            system.addParticle(14.0)
            force.addParticle(0.0, 0.3, 0.0)
            positions.append([0.15 * k + 0.1, 0.15 * k, 0.1 + sign * BOND / 2])
        system.addConstraint(2 * k, 2 * k + 1, BOND)
    system.addForce(force)
    return system, np.array(positions)


def context_of(system: openmm.System, positions: NDArray[np.float64]) -> openmm.Context:
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    return context


def test_degrees_of_freedom_are_counted() -> None:
    system, _ = dimers()
    assert degrees_of_freedom(system) == 60 - 10
    system.addForce(openmm.CMMotionRemover())
    assert degrees_of_freedom(system) == 60 - 10 - 3
    system.setParticleMass(0, 0.0)
    assert degrees_of_freedom(system) == 60 - 10 - 3 - 3
    assert masses(system).sum() == 19 * 14.0


def test_what_equips_a_system_leaves_the_original_alone_and_is_refused_twice() -> None:
    system, _ = dimers()
    equipped = equip(system, openmm.MonteCarloBarostat(1, 300), 10)
    assert system.getNumForces() == 1
    assert [type(force).__name__ for force in equipped.getForces()][1:] == ["MonteCarloBarostat", "CMMotionRemover"]
    with pytest.raises(RunError, match="holds a MonteCarloBarostat"):
        equip(equipped)


def test_a_new_volume_moves_molecules_rigidly_with_their_centres() -> None:
    system, positions = dimers()
    context = context_of(system, positions)
    place(context, context.getState(getPositions=True), volume=(1.1 * EDGE) ** 3)
    found = np.array(context.getState(getPositions=True).getPositions(asNumpy=True)._value)
    centres, were = found.reshape(-1, 2, 3).mean(axis=1), positions.reshape(-1, 2, 3).mean(axis=1)
    np.testing.assert_allclose(centres, 1.1 * were, atol=1e-12)
    np.testing.assert_allclose(found[1::2] - found[::2], positions[1::2] - positions[::2], atol=1e-12)
    assert context.getState().getPeriodicBoxVolume()._value == pytest.approx((1.1 * EDGE) ** 3, rel=1e-12)


def test_the_mean_volume_is_that_of_the_second_half(tmp_path: Path) -> None:
    log = tmp_path / "state.csv"
    log.write_text("volume_nm3\n9\n8\n2\n3\n4\n")
    assert mean_volume(log) == 3.0
    log.write_text("volume_nm3\n")
    with pytest.raises(RunError, match="no rows"):
        mean_volume(log)


def test_a_file_that_is_no_openmm_object_is_named(tmp_path: Path) -> None:
    (tmp_path / "end.xml").write_text("<State")
    with pytest.raises(RunError, match=r"end\.xml: cannot be read"):
        load(tmp_path / "end.xml")


def test_minimising_positions_that_are_no_numbers_is_refused_though_their_energy_is_finite() -> None:
    system, positions = dimers()
    positions[3] = np.nan
    context = context_of(system, positions)
    assert np.isfinite(context.getState(getEnergy=True).getPotentialEnergy()._value)
    with pytest.raises(SimulationError, match="minimisation failed"):
        relax(context, 10, lambda index: "")  # noqa: ARG005
