from __future__ import annotations

import io
import math
from pathlib import Path

import numpy as np
import openmm
import pytest

from mdstudy.run.cosine import COLUMNS, Profile, driven
from mdstudy.run.mechanics import equip, thermostatted
from mdstudy.run.plan import Plan, Production, Stage
from mdstudy.run.platforms import choose
from mdstudy.run.simulate import run
from tests.run.test_simulate import PLAN, dimers, make_run, read_log

STAGE = Stage(
    "drive", "nvt", 1000, temperature=(0.0, 0.0), friction=2.0, report_interval=100, acceleration=0.3, waves=2
)


def one(purpose: str) -> int:
    del purpose
    return 1


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_atoms_at_rest_flow_at_the_acceleration_over_the_friction(platform: str) -> None:
    """Without forces and temperature: v -> e^(-g dt) (v + a dt cos(k z)) at mid-step, whose limit is exact."""
    system = openmm.System()
    system.setDefaultPeriodicBoxVectors(*np.diag([2.0, 2.0, 3.0]))
    force = openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.9)
    for mass in (1.0, 5.0) * 30:
        system.addParticle(mass)
        force.addParticle(0.0, 0.3, 0.0)
    system.addForce(force)
    positions = np.zeros((60, 3))
    positions[:, 2] = np.arange(60) // 2 * 3.0 / 30
    positions[1::2, 0] = 1.0
    context = choose(platform).context(system, driven(STAGE, one))
    context.setPositions(positions)
    context.setVelocities(np.zeros((60, 3)))
    file = io.StringIO()
    profile = Profile(file, context, STAGE)
    context.getIntegrator().step(4000)  # 32 relaxation times
    profile.write(context.getState(), 4000)
    context.getIntegrator().step(7)
    profile.write(context.getState(), 4007)
    header, _, row = file.getvalue().splitlines()
    assert tuple(header.split(",")) == COLUMNS
    values = dict(zip(COLUMNS, map(float, row.split(",")), strict=True))
    limit = 0.3 * STAGE.timestep / math.expm1(2.0 * STAGE.timestep)
    assert values["velocity_nm_per_ps"] == pytest.approx(limit, rel=1e-6)
    assert values["wavenumber_per_nm"] == pytest.approx(2 * math.pi * 2 / 3.0)
    assert values["density_g_per_cm3"] == pytest.approx(180 / 12 * 1.66053906660e-3)
    assert (values["acceleration_nm_per_ps2"], values["friction_per_ps"]) == (0.3, 2.0)


def test_without_acceleration_the_integrator_is_that_of_every_other_stage() -> None:
    """At zero temperature, where no random numbers enter; molecules are rigid."""
    still = Stage("still", "nvt", 1000, temperature=(0.0, 0.0), friction=2.0, report_interval=100)
    system, positions = dimers()
    velocities = np.repeat(np.random.default_rng(1).normal(scale=0.2, size=(len(positions) // 2, 3)), 2, axis=0)
    found = []
    for integrator in (thermostatted(still, one), driven(still, one)):
        context = choose("Reference").context(equip(system, None, 10), integrator)
        context.setPositions(positions)
        context.setVelocities(velocities)
        integrator.step(200)
        state = context.getState(getPositions=True, getVelocities=True)
        found.append((state.getPositions(asNumpy=True)._value, state.getVelocities(asNumpy=True)._value))
    np.testing.assert_allclose(found[1][0], found[0][0], atol=1e-7)
    np.testing.assert_allclose(found[1][1], found[0][1], atol=1e-5)


def test_a_driven_segment_writes_its_flow_on_the_clock_of_its_log(tmp_path: Path) -> None:
    production = Production(2, 120, 40, 60, temperature=150.0, acceleration=0.5, waves=1)
    run_dir = make_run(tmp_path / "run", Plan("test", 7, PLAN.stages[:2], production))
    run(run_dir.path, platform="Reference")
    table = read_log([folder / "profile.csv" for folder in run_dir.segments()])
    np.testing.assert_array_equal(table["step"], read_log(run_dir.state_files())["step"])
    np.testing.assert_allclose(
        table["density_g_per_cm3"], read_log(run_dir.state_files())["density_g_per_cm3"], rtol=1e-8
    )
    assert np.isfinite(table["velocity_nm_per_ps"]).all()
    assert np.ptp(table["velocity_nm_per_ps"]) > 0
