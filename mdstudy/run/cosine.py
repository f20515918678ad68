"""Viscosity from a periodic perturbation: a box driven by an acceleration that is a cosine in space.

Every atom gets the acceleration a cos(k z) along x, with k = 2 pi n / L_z. A liquid of density d and viscosity eta
then flows with the mean profile V cos(k z); the friction g of a Langevin thermostat takes momentum from every atom
alike, so that to linear order (Hess, J. Chem. Phys. 116, 209 (2002), doi 10.1063/1.1421362, without friction)::

    V = a / (eta k^2 / d + g),    eta = (a / V - g) d / k^2

The amplitude V = 2 sum(m v_x cos(k z)) / sum(m) is summed at every step, with velocities and positions of the middle
of the step: it decorrelates within d / (eta k^2), some 10 fs for an ionic liquid, and rarer samples would throw most
of it away.

It is a run of its own, not at equilibrium: nothing but the viscosity (and the heating, see the temperature in
``state.csv``) is to be taken from it. The result is that of a finite k, eta(k) = eta(0) (1 - c k^2), and of a finite
shear rate k V: it needs k small against molecules and k V small against the slowest relaxation; smaller
`acceleration` or larger boxes show it.

A segment of production with an `acceleration` holds ``profile.csv``: a row every `report_interval` steps, on the
clock of ``state.csv``, and the columns of :data:`COLUMNS`:

- ``step``, ``time_ps``: end of the interval, since the start of production, over all segments;
- ``velocity_nm_per_ps``: mean of V over the steps of the interval;
- ``acceleration_nm_per_ps2``, ``wavenumber_per_nm``, ``friction_per_ps``, ``density_g_per_cm3``: a, k, g and d, the
  same in all rows.

The profile builds up within a few times 1 / (eta k^2 / d + g): leave out the first rows of the first segment.
"""

from __future__ import annotations

import math
from typing import TextIO

import openmm

from mdstudy.base.units import GAS_CONSTANT
from mdstudy.run.mechanics import CONSTRAINT_TOLERANCE, Seed, masses
from mdstudy.run.outputs import DALTON_PER_NM3, Table
from mdstudy.run.plan import Stage

#: Columns of ``profile.csv``.
COLUMNS = (
    "step",
    "time_ps",
    "velocity_nm_per_ps",
    "acceleration_nm_per_ps2",
    "wavenumber_per_nm",
    "friction_per_ps",
    "density_g_per_cm3",
)
_WAVE, _FLOW, _COUNT = "wavenumber", "flow", "summed"


def driven(stage: Stage, seed: Seed) -> openmm.CustomIntegrator:
    """LangevinMiddle, as OpenMM has it, with the acceleration added to every kick and the flow summed at mid-step.

    Parameters
    ----------
    stage : Stage
        With an acceleration.
    seed : callable
        Seed for a purpose.
    """
    integrator = openmm.CustomIntegrator(stage.timestep)
    integrator.setRandomNumberSeed(seed("thermostat"))
    integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
    values = {
        "kT": GAS_CONSTANT * stage.temperature[0], "friction": stage.friction, "acceleration": stage.acceleration,
        "keep": 1.0, _WAVE: 0.0, "momentum": 0.0, _FLOW: 0.0, _COUNT: 0.0,
    }  # fmt: skip
    for name, value in values.items():
        integrator.addGlobalVariable(name, value)
    integrator.addPerDofVariable("free", 0.0)
    integrator.addUpdateContextState()
    integrator.addComputeGlobal("keep", "exp(-friction*dt)")
    integrator.addComputePerDof("v", f"v+dt*(f/m+acceleration*cos({_WAVE}*_z(x))*vector(1,0,0))")
    integrator.addConstrainVelocities()
    integrator.addComputePerDof("x", "x+0.5*dt*v")
    integrator.addComputePerDof("v", "keep*v+sqrt((1-keep*keep)*kT/m)*gaussian")
    integrator.addComputeSum("momentum", f"m*v*cos({_WAVE}*_z(x))*vector(1,0,0)")
    integrator.addComputeGlobal(_FLOW, f"{_FLOW}+momentum")
    integrator.addComputeGlobal(_COUNT, f"{_COUNT}+1")
    integrator.addComputePerDof("x", "x+0.5*dt*v")
    integrator.addComputePerDof("free", "x")
    integrator.addConstrainPositions()
    integrator.addComputePerDof("v", "v+(x-free)/dt")
    return integrator


class Profile(Table):
    """Writes rows of ``profile.csv`` and gives the integrator its wave number.

    Parameters
    ----------
    file : text file
        Open for writing, or for going on.
    context : openmm.Context
        With its box, and the integrator of :func:`driven`.
    stage : Stage
    """

    def __init__(self, file: TextIO, context: openmm.Context, stage: Stage) -> None:
        super().__init__(file, COLUMNS, stage.timestep)
        self._integrator = context.getIntegrator()
        state = context.getState()
        edge = state.getPeriodicBoxVectors()[2][2]._value
        self._mass = masses(context.getSystem()).sum()
        density = self._mass / state.getPeriodicBoxVolume()._value * DALTON_PER_NM3
        wave = 2 * math.pi * stage.waves / edge
        self._integrator.setGlobalVariableByName(_WAVE, wave)
        self._constants = (stage.acceleration, wave, stage.friction, density)

    def write(self, state: openmm.State, step: int) -> None:
        """Add a row with the mean flow since the last one."""
        del state
        flow, count = (self._integrator.getGlobalVariableByName(name) for name in (_FLOW, _COUNT))
        self.add(step, 2 * flow / (count * self._mass), *self._constants)
        for name in (_FLOW, _COUNT):
            self._integrator.setGlobalVariableByName(name, 0.0)
