"""A step of 4 fs with heavy hydrogens against 2 and 1 fs: energy drift at constant energy, and temperature.

A drift of r kT per degree of freedom and time is carried off by a Langevin thermostat of friction g at the cost of a
temperature that is too high by r/g (its power is g kT per degree of freedom and unit of dT/T). At the friction of
production, 0.1 1/ps, the bound of 0.5 kT/ns below is half a per cent, 1.5 K.

MDSTUDY_NVE_PS=60 pytest -s tests/physics/test_timestep.py measures longer, for the table in docs/reliability.md.
"""

from __future__ import annotations

import math
import os
from dataclasses import dataclass

import numpy as np
import openmm
import openmm.app
import pytest

from mdstudy.base.units import GAS_CONSTANT
from mdstudy.run.mechanics import CONSTRAINT_TOLERANCE, degrees_of_freedom, equip
from mdstudy.system.parameterise import parameterise

pytestmark = pytest.mark.slow

TIME = float(os.environ.get("MDSTUDY_NVE_PS", "6"))  # ps at 4 fs
KELVIN = 400.0
BOUND = 0.5  # kT per ns and degree of freedom
MOLECULES = ["LI", "FSI", "TTE", "TTE", "P13", "FSI", "TTE", "TTE"] * 4


@dataclass(frozen=True)
class Drift:
    """Slope of the total energy with its error, kT/ns per degree of freedom; spread of the energy, kJ/mol."""

    slope: float
    error: float
    spread: float


@dataclass(frozen=True)
class Liquid:
    """A settled box; `system` makes its System for a hydrogen mass."""

    topology: openmm.app.Topology
    state: openmm.State

    def system(self, hydrogen_mass: float) -> openmm.System:
        return equip(_system(self.topology, hydrogen_mass), drift_interval=10**6)  # the motion is drawn without drift

    def context(self, system: openmm.System, integrator: openmm.Integrator) -> openmm.Context:
        integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
        context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
        context.setPeriodicBoxVectors(*self.state.getPeriodicBoxVectors())
        context.setPositions(self.state.getPositions())
        context.applyConstraints(CONSTRAINT_TOLERANCE)
        context.setVelocitiesToTemperature(KELVIN, 3)
        return context

    def drift(self, timestep: float, hydrogen_mass: float, time: float) -> Drift:
        system = self.system(hydrogen_mass)
        context = self.context(system, openmm.VerletIntegrator(timestep))
        energies = []
        for _ in range(round(time / timestep / 5)):
            try:
                context.getIntegrator().step(5)
                state = context.getState(getEnergy=True)
            except openmm.OpenMMException:  # coordinates are not numbers
                return Drift(math.inf, 0.0, math.inf)
            energies.append((state.getPotentialEnergy() + state.getKineticEnergy())._value)
        blocks = np.array([block.mean() for block in np.array_split(np.array(energies), 12)])
        (slope, _), covariance = np.polyfit(np.arange(12) * time / 12, blocks, 1, cov=True)
        unit = degrees_of_freedom(system) * GAS_CONSTANT * KELVIN / 1e3
        found = Drift(float(slope / unit), float(np.sqrt(covariance[0, 0])) / unit, float(np.std(energies)))
        print(f"NVE {timestep * 1e3:g} fs, H {hydrogen_mass} Da, {time:g} ps: {found}")  # noqa: T201
        return found


def _system(topology: openmm.app.Topology, hydrogen_mass: float) -> openmm.System:
    return parameterise(topology, hydrogen_mass=hydrogen_mass, cutoff=0.9, switch=0.8)


@pytest.fixture(scope="module")
def liquid(make_box) -> Liquid:  # type: ignore[no-untyped-def]
    """472 atoms of LiFSI, Pyr13FSI and TTE, compressed at 400 K to about the density of the liquid."""
    box = make_box(MOLECULES, edge=2.8)
    barostat = openmm.MonteCarloBarostat(500, KELVIN, 5)
    barostat.setRandomNumberSeed(1)
    integrator = openmm.LangevinMiddleIntegrator(KELVIN, 5, 0.002)
    integrator.setRandomNumberSeed(1)
    system = equip(_system(box.topology, 3.0), barostat)
    context = openmm.Context(system, integrator, openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(box.positions)
    openmm.LocalEnergyMinimizer.minimize(context, 10, 300)
    context.setVelocitiesToTemperature(300, 1)
    integrator.step(1500)
    return Liquid(box.topology, context.getState(getPositions=True))


def test_4_fs_with_heavy_hydrogens_keeps_the_energy_and_is_in_the_second_order_regime(liquid: Liquid) -> None:
    four, two = liquid.drift(0.004, 3.0, TIME), liquid.drift(0.002, 3.0, TIME / 2)
    assert abs(four.slope) + 2 * four.error < BOUND
    assert 3 < four.spread / two.spread < 6  # Verlet: the fluctuation of the energy goes with the square of the step
    if TIME > 10:
        liquid.drift(0.001, 3.0, TIME / 4)
        liquid.drift(0.001, 1.008, TIME / 4)


def test_the_bound_is_passed_by_a_step_too_long_for_light_hydrogens(liquid: Liquid) -> None:
    found = liquid.drift(0.005, 1.008, 1.5)
    assert found.slope - 2 * found.error > BOUND


@pytest.mark.parametrize("timestep", [0.004, 0.002] if TIME <= 10 else [0.004, 0.002, 0.001])
def test_the_temperature_is_that_of_the_thermostat(liquid: Liquid, timestep: float) -> None:
    """Half-step velocities of LangevinMiddle are free of the error of second order that those of full steps have."""
    system = liquid.system(3.0)
    friction, every = 5.0, 0.2  # 1/ps, ps
    correlation = math.exp(
        -friction * every
    )  # of kinetic energies, at most: the total energy relaxes with the friction
    integrator = openmm.LangevinMiddleIntegrator(KELVIN, friction, timestep)
    integrator.setRandomNumberSeed(5)
    context = liquid.context(system, integrator)
    integrator.step(round(TIME / 4 / timestep))  # the box still gives off heat at first
    found = []
    for _ in range(round(TIME / 2 / every)):
        integrator.step(round(every / timestep))
        found.append(2 * context.getState(getEnergy=True).getKineticEnergy()._value)
    temperatures = np.array(found) / (degrees_of_freedom(system) * GAS_CONSTANT)
    error = (
        KELVIN * np.sqrt(2 / degrees_of_freedom(system) / len(found)) * np.sqrt((1 + correlation) / (1 - correlation))
    )
    print(f"NVT {timestep * 1e3:g} fs: {temperatures.mean():.2f} +- {error:.2f} K")  # noqa: T201
    assert abs(temperatures.mean() - KELVIN) < 3.5 * error
    assert error < 0.02 * KELVIN
