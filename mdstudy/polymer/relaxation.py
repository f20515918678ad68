"""Dynamics between the steps of a polymerisation: the box settles, ends and C=C are drawn together, new bonds relax.

Nothing is measured here, and the run that follows equilibrates with its own forces: Lennard-Jones is mixed by the rule
that OpenMM has by hand, at half the cost on the CPU platform, and both it and Coulomb are cut shorter. Bonded terms are
those of the run, but periodic, so that a network may reach around the box.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from mdstudy.base.errors import SimulationError, first_line
from mdstudy.base.units import GAS_CONSTANT
from mdstudy.run.diagnosis import name_worst, require_finite
from mdstudy.run.platforms import Choice

#: Cutoff while the box grows, nm, and the switch before it.
CUTOFF, SWITCH = 0.9, 0.8
#: Time step, ps; friction, 1/ps; pressure, bar; steps between attempts to change the volume.
TIMESTEP, FRICTION, PRESSURE, BAROSTAT = 0.004, 5.0, 1.0, 20
#: Greatest forces, kJ/mol/nm, that draw the two carbons together, and the hydrogen of the end to the C=C.
PULL, TURN = 1500.0, 1500.0
#: Distances, nm, at which these forces cease.
_NEAR, _TOUCH = 0.4, 0.2
#: Iterations of a minimisation at most, and the force, kJ/mol/nm (rms), at which it ends: nothing more is needed than
#: that dynamics can start.
_DOWNHILL, _GENTLE = 200, 100.0
#: A time step is halved where the energy rises by more than this in kT an atom, until it is this much shorter.
_RISE, _GENTLEST = 3.0, 4.0


@dataclasses.dataclass(frozen=True, eq=False)
class Frame:
    """Positions (n_atoms, 3) and edges of the rectangular box (3,), nm."""

    positions: NDArray[np.float64]
    edges: NDArray[np.float64]


def reproducible(choice: Choice) -> Choice:
    """The same platform, adding up forces in an order that does not change, where it can."""
    if "DeterministicForces" not in choice.platform.getPropertyNames():
        return choice
    return dataclasses.replace(choice, properties=choice.properties | {"DeterministicForces": "true"})


def periodic(system: openmm.System) -> openmm.System:
    """Let the bonded terms of a System take nearest images; changes it and returns it."""
    for force in system.getForces():
        if isinstance(force, openmm.NonbondedForce):
            force.setExceptionsUsePeriodicBoundaryConditions(True)
        elif not isinstance(force, openmm.CustomNonbondedForce):
            force.setUsesPeriodicBoundaryConditions(True)
    return system


class Relaxation:
    """Dynamics of one topology at constant pressure.

    Parameters
    ----------
    system : openmm.System
        Of :func:`mdstudy.system.parameterise.parameterise`; it is changed.
    choice : Choice
        Platform.
    temperature : float
        K.
    seed : int
        Of velocities, thermostat and barostat.
    pulls : sequence of (int, int, float, float)
        Pairs of atoms, the greatest force that draws them together (kJ/mol/nm) and the distance at which it ceases.
    """

    def __init__(
        self,
        system: openmm.System,
        choice: Choice,
        temperature: float,
        seed: int,
        pulls: Sequence[tuple[int, int, float, float]] = (),
    ) -> None:
        periodic(system)
        if pulls:
            system.addForce(_draw(pulls))
        barostat = openmm.MonteCarloBarostat(PRESSURE, temperature, BAROSTAT)
        barostat.setRandomNumberSeed(seed)
        system.addForce(barostat)
        integrator = openmm.LangevinMiddleIntegrator(temperature, FRICTION, TIMESTEP)
        integrator.setRandomNumberSeed(seed)
        self._temperature, self._seed = temperature, seed
        self._context = reproducible(choice).context(system, integrator)

    def start(self, frame: Frame, downhill: bool) -> None:
        """Start from a frame: go downhill first if it is far from rest, and draw velocities."""
        self._context.setPeriodicBoxVectors(*(openmm.Vec3(*row) for row in np.diag(frame.edges)))
        self._context.setPositions(frame.positions)
        if downhill:
            openmm.LocalEnergyMinimizer.minimize(self._context, _GENTLE, _DOWNHILL)
        self._context.setVelocitiesToTemperature(self._temperature, self._seed)

    def advance(self, time: float) -> Frame:
        """Go on for a time in ps; what blows up goes on from there with half the time step.

        Raises
        ------
        SimulationError
            The positions are no numbers any more, with the shortest time step either.
        """
        start = self._context.getState(getPositions=True, getEnergy=True)
        most = _energy(start) + _RISE * self._context.getSystem().getNumParticles() * GAS_CONSTANT * self._temperature
        integrator = self._context.getIntegrator()
        while True:
            try:
                integrator.step(round(time / self.timestep))
                end = self._context.getState(getPositions=True, getEnergy=True, getVelocities=True)
                require_finite(end)
                if _energy(end) > most:
                    raise FloatingPointError("the energy leaps up")
            except (openmm.OpenMMException, FloatingPointError) as error:
                if self.timestep <= TIMESTEP / _GENTLEST:
                    what = first_line(error)
                    where = name_worst(self._context, start, lambda atom: f"atom {atom}")
                    raise SimulationError(f"polymerisation failed ({what}); {where}") from error
                integrator.setStepSize(self.timestep / 2)
                self._context.setPeriodicBoxVectors(*start.getPeriodicBoxVectors())
                self._context.setPositions(start.getPositions())
                self._context.setVelocitiesToTemperature(self._temperature, self._seed)
            else:
                return self.frame()

    @property
    def timestep(self) -> float:
        """In use at present, ps."""
        return float(self._context.getIntegrator().getStepSize().value_in_unit(unit.picosecond))

    def frame(self) -> Frame:
        """Where the box is."""
        state = self._context.getState(getPositions=True)
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        edges = np.diag(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer))
        return Frame(np.array(positions), np.array(edges))


def _energy(state: openmm.State) -> float:
    """Potential and kinetic, kJ/mol."""
    parts = state.getPotentialEnergy() + state.getKineticEnergy()
    return float(parts.value_in_unit(unit.kilojoule_per_mole))


def _draw(pulls: Sequence[tuple[int, int, float, float]]) -> openmm.CustomBondForce:
    """A force that is constant far away and ceases smoothly over 0.05 nm."""
    force = openmm.CustomBondForce("f*(sqrt(d^2+0.05^2)-0.05);d=max(0,r-near)")
    force.addPerBondParameter("f")
    force.addPerBondParameter("near")
    force.setUsesPeriodicBoundaryConditions(True)
    for i, j, strength, near in pulls:
        force.addBond(i, j, [strength, near])
    return force


def pull(carbon: int, cap: int, new: int) -> list[tuple[int, int, float, float]]:
    """What draws an end, `carbon` with its hydrogen `cap` foremost, and the carbon `new` of a C=C together."""
    return [(carbon, new, PULL, _NEAR), (cap, new, TURN, _TOUCH)]
