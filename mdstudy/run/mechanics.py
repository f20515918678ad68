"""What every stage needs of OpenMM: thermostat and barostat, molecules, placing and relaxing atoms."""

from __future__ import annotations

import copy
import csv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import unit

from mdstudy.base.errors import RunError, SimulationError, first_line
from mdstudy.run.diagnosis import Describe, name_worst, require_finite
from mdstudy.run.plan import Stage

#: Derives a seed for a purpose, for example "thermostat".
Seed = Callable[[str], int]
CONSTRAINT_TOLERANCE = 1e-6  # relative; a tenth of OpenMM's default, at no measurable cost
DRIFT_INTERVAL = 10  # steps between removals of the motion of the centre of mass


def degrees_of_freedom(system: openmm.System) -> int:
    """Three a massive particle, less constraints, less three if the centre of mass is held."""
    massive = masses(system) > 0
    pairs = (system.getConstraintParameters(i)[:2] for i in range(system.getNumConstraints()))
    held = sum(massive[i] or massive[j] for i, j in pairs)
    remover = any(isinstance(force, openmm.CMMotionRemover) for force in system.getForces())
    return int(3 * massive.sum() - held - 3 * remover)


def masses(system: openmm.System) -> NDArray[np.float64]:
    """Mass of each particle, Da."""
    return np.array([system.getParticleMass(i)._value for i in range(system.getNumParticles())])


def molecule_of(context: openmm.Context) -> NDArray[np.int64]:
    """Index of the molecule of each atom; molecules are what bonds and constraints hold together."""
    owner = np.empty(context.getSystem().getNumParticles(), dtype=np.int64)
    for number, atoms in enumerate(context.getMolecules()):
        owner[list(atoms)] = number
    return owner


def bond_pairs(system: openmm.System) -> NDArray[np.int64]:
    """Atoms of every constraint and harmonic bond, shape (n, 2)."""
    pairs = [system.getConstraintParameters(k)[:2] for k in range(system.getNumConstraints())]
    for force in system.getForces():
        if isinstance(force, openmm.HarmonicBondForce):
            pairs += [force.getBondParameters(k)[:2] for k in range(force.getNumBonds())]
    return np.array(pairs, dtype=np.int64).reshape(-1, 2)


def scale_centres(positions: NDArray[np.float64], owner: NDArray[np.int64], factor: float) -> NDArray[np.float64]:
    """Scale the centres of molecules about the origin and move each molecule rigidly with its centre.

    Parameters
    ----------
    positions : (n, 3) float array
        Molecules whole, nm.
    owner : (n,) int array
        Molecule of each atom.
    factor : float
        Ratio of new to old edge.
    """
    counts = np.bincount(owner)
    centres = np.stack([np.bincount(owner, weights=positions[:, k]) / counts for k in range(3)], axis=1)
    return np.asarray(positions + (factor - 1) * centres[owner])


def mean_volume(log: Path) -> float:
    """Mean volume in nm^3 over the second half of a ``state.csv``."""
    with log.open(encoding="utf-8", newline="") as file:
        volumes = [float(row["volume_nm3"]) for row in csv.DictReader(file)]
    if not volumes:
        raise RunError(f"{log}: the log has no rows")
    return float(np.mean(volumes[len(volumes) // 2 :]))


def place(context: openmm.Context, state: openmm.State, volume: float | None = None) -> None:
    """Set box and positions from a state, scaled to `volume` (nm^3) if one is given."""
    vectors = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    if volume is not None:
        factor = (volume / abs(np.linalg.det(vectors))) ** (1 / 3)
        positions = scale_centres(positions, molecule_of(context), factor)
        vectors = vectors * factor
    context.setPeriodicBoxVectors(*(openmm.Vec3(*row) for row in vectors))
    context.setPositions(positions)


def equip(
    system: openmm.System, barostat: openmm.MonteCarloBarostat | None = None, drift_interval: int = 0
) -> openmm.System:
    """Copy a System and add a barostat and the removal of the motion of the centre of mass.

    Parameters
    ----------
    system : openmm.System
        Without thermostat, barostat and removal of drift.
    barostat : openmm.MonteCarloBarostat, optional
    drift_interval : int
        Steps between removals; 0: none.

    Raises
    ------
    RunError
        The System has one of them already.
    """
    ours = (openmm.MonteCarloBarostat, openmm.CMMotionRemover, openmm.AndersenThermostat)
    if found := [type(force).__name__ for force in system.getForces() if isinstance(force, ours)]:
        raise RunError(f"box/system.xml: holds a {found[0]}; thermostat, barostat and drift belong to the plan")
    equipped = copy.deepcopy(system)
    if barostat is not None:
        equipped.addForce(barostat)
    if drift_interval:
        equipped.addForce(openmm.CMMotionRemover(drift_interval))
    return equipped


def coupled(system: openmm.System, stage: Stage, seed: Seed) -> openmm.System:
    """Copy a System and add what a stage needs: barostat, and removal of the motion of the centre of mass."""
    barostat = None
    if stage.pressure is not None:
        barostat = openmm.MonteCarloBarostat(stage.pressure[0], stage.temperature[0], stage.barostat_interval)
        barostat.setRandomNumberSeed(seed("barostat"))
    return equip(system, barostat, DRIFT_INTERVAL if stage.remove_drift else 0)


def thermostatted(stage: Stage, seed: Seed) -> openmm.LangevinMiddleIntegrator:
    """Integrator of a stage (Zhang et al., J. Phys. Chem. A 123, 6056 (2019), doi 10.1021/acs.jpca.9b02771)."""
    integrator = openmm.LangevinMiddleIntegrator(stage.temperature[0], stage.friction, stage.timestep)
    integrator.setRandomNumberSeed(seed("thermostat"))
    integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
    return integrator


def load(path: Path) -> Any:
    """Read an OpenMM object from its XML.

    Raises
    ------
    RunError
        It cannot be read.
    """
    try:
        return openmm.XmlSerializer.deserialize(path.read_text(encoding="utf-8"))
    except (openmm.OpenMMException, ValueError) as error:
        raise RunError(f"{path}: cannot be read ({first_line(error)})") from error


def relax(context: openmm.Context, iterations: int, describe: Describe) -> openmm.State:
    """Minimise the energy, and return where that leads.

    Parameters
    ----------
    context : openmm.Context
        With positions.
    iterations : int
        At most; 0: until it converges.
    describe : callable
        Words for an atom, see :func:`mdstudy.run.diagnosis.name_worst`.

    Raises
    ------
    SimulationError
        The result is not a number; names the atoms.
    """
    start = context.getState(getPositions=True)
    try:
        openmm.LocalEnergyMinimizer.minimize(context, maxIterations=iterations)
        end = context.getState(getPositions=True, getVelocities=True, getEnergy=True)
        require_finite(end)
    except (openmm.OpenMMException, FloatingPointError) as error:
        what = first_line(error)
        raise SimulationError(f"minimisation failed ({what}); {name_worst(context, start, describe)}") from error
    return end
