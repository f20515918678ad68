"""What every stage needs of OpenMM: placing atoms, writing, and naming what blew up."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import TextIO

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app, unit

from mdstudy.errors import RunError
from mdstudy.units import DALTON, GAS_CONSTANT

#: Columns of ``state.csv``.
COLUMNS = (
    "step",
    "time_ps",
    "potential_kJ_per_mol",
    "kinetic_kJ_per_mol",
    "total_kJ_per_mol",
    "temperature_K",
    "volume_nm3",
    "density_g_per_cm3",
)
TOO_HOT = 1e4  # K; kinetic temperature that says that a simulation has exploded
_DALTON_PER_NM3 = DALTON * 1e3 / 1e-21  # in g/cm^3


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


class Log:
    """Writes rows of ``state.csv``.

    Parameters
    ----------
    file : text file
        Open for writing.
    system : openmm.System
        With all its forces; gives masses and degrees of freedom.
    timestep : float
        ps; 0 where there is no time.
    """

    def __init__(self, file: TextIO, system: openmm.System, timestep: float) -> None:
        self.file, self.timestep = file, timestep
        self.freedom, self.mass = degrees_of_freedom(system), masses(system).sum()
        file.write(",".join(COLUMNS) + "\n")

    def write(self, state: openmm.State, step: int) -> None:
        """Add a row.

        Raises
        ------
        FloatingPointError
            An energy is not a number, or the kinetic one beyond any liquid (:data:`TOO_HOT`).
        """
        potential, kinetic = state.getPotentialEnergy()._value, state.getKineticEnergy()._value
        if not np.isfinite(potential + kinetic):
            raise FloatingPointError(f"potential energy {potential}, kinetic energy {kinetic} kJ/mol")
        volume = state.getPeriodicBoxVolume()._value
        temperature = 2 * kinetic / (self.freedom * GAS_CONSTANT)
        if temperature > TOO_HOT:
            raise FloatingPointError(f"temperature {temperature:.3g} K")
        row = (potential, kinetic, potential + kinetic, temperature, volume, self.mass / volume * _DALTON_PER_NM3)
        time = round(step * self.timestep, 9)
        self.file.write(f"{step},{time!r}," + ",".join(f"{value:.9g}" for value in row) + "\n")


class Frames:
    """Writes ``frames.xtc``, positions as integrated (not wrapped).

    Parameters
    ----------
    file : Path
        To be made.
    system : openmm.System
        Gives the number of atoms.
    timestep : float
        ps.
    first, interval : int
        Step of the first frame and steps between frames.
    """

    def __init__(self, file: Path, system: openmm.System, timestep: float, first: int, interval: int) -> None:
        topology = app.Topology()  # the writer takes from it the number of atoms and that there is a box
        residue = topology.addResidue("BOX", topology.addChain())
        for _ in range(system.getNumParticles()):
            topology.addAtom("X", None, residue)
        topology.setPeriodicBoxVectors(system.getDefaultPeriodicBoxVectors())
        self._file = app.XTCFile(str(file), topology, timestep, first, interval)

    def write(self, state: openmm.State) -> None:
        """Add a frame."""
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        self._file.writeModel(positions, periodicBoxVectors=state.getPeriodicBoxVectors())


def name_worst(context: openmm.Context, good: openmm.State, replay: int = 0, count: int = 5) -> str:
    """Name the atoms with the largest forces, going again from the last good state until it breaks.

    Parameters
    ----------
    context : openmm.Context
        In which the simulation failed.
    good : openmm.State
        The last state that was sound.
    replay : int
        Steps to go again at most; a force above 1e7 kJ/mol/nm ends it.
    count : int
        How many atoms to name.
    """
    context.setState(good)
    forces = _forces(context)
    for _ in range(replay):
        if not np.isfinite(forces).all() or forces.max() > 1e7:
            break
        try:
            context.getIntegrator().step(1)
            forces = _forces(context)
        except openmm.OpenMMException:
            break
    forces = np.where(np.isfinite(forces), forces, np.inf)
    worst = np.argsort(-forces, kind="stable")[:count]
    return "largest forces: " + ", ".join(f"atom {i} ({forces[i]:.3g} kJ/mol/nm)" for i in worst)


def _forces(context: openmm.Context) -> NDArray[np.float64]:
    forces = context.getState(getForces=True).getForces(asNumpy=True)
    return np.asarray(np.linalg.norm(forces._value, axis=1))
