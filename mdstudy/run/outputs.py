"""What a stage writes as it goes: tables of numbers and frames."""

from __future__ import annotations

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import TextIO

import openmm
from openmm import app, unit

from mdstudy.base.units import DALTON, GAS_CONSTANT
from mdstudy.run.mechanics import degrees_of_freedom, masses

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
DALTON_PER_NM3 = DALTON * 1e3 / 1e-21  # in g/cm^3


class Table:
    """Rows of a file of comma-separated values, on the clock of a trajectory.

    Parameters
    ----------
    file : text file
        Open for writing (``"w"``), or for going on behind what is there (``"a"``).
    columns : sequence of str
        Names, step and time first.
    timestep : float
        ps; 0 where there is no time.
    """

    def __init__(self, file: TextIO, columns: Sequence[str], timestep: float) -> None:
        self.file, self.timestep = file, timestep
        if file.tell() == 0:
            file.write(",".join(columns) + "\n")

    def add(self, step: int, *values: float) -> None:
        """Add a row: the step, its time, and the values with nine digits."""
        time = float(round(step * self.timestep, 9))
        self.file.write(f"{step},{time!r}," + ",".join(f"{value:.9g}" for value in values) + "\n")


class Log(Table):
    """Writes rows of ``state.csv``.

    Parameters
    ----------
    file : text file
        Open for writing, or for going on.
    system : openmm.System
        With all its forces; gives masses and degrees of freedom.
    timestep : float
        ps; 0 where there is no time.
    earlier : Path, optional
        The file itself, where it is gone on with: what it holds counts as written.

    Attributes
    ----------
    potentials, densities : list of float
        What was written so far, as it reads, kJ/mol and g/cm^3.
    """

    def __init__(self, file: TextIO, system: openmm.System, timestep: float, earlier: Path | None = None) -> None:
        super().__init__(file, COLUMNS, timestep)
        self.freedom, self.mass = degrees_of_freedom(system), masses(system).sum()
        self.potentials: list[float] = []
        self.densities: list[float] = []
        if earlier is not None:
            with earlier.open(encoding="utf-8", newline="") as rows:
                for row in csv.DictReader(rows):
                    self.potentials.append(float(row["potential_kJ_per_mol"]))
                    self.densities.append(float(row["density_g_per_cm3"]))

    def write(self, state: openmm.State, step: int) -> None:
        """Add a row.

        Raises
        ------
        FloatingPointError
            The kinetic energy is beyond any liquid (:data:`TOO_HOT`).
        """
        potential, kinetic = state.getPotentialEnergy()._value, state.getKineticEnergy()._value
        volume = state.getPeriodicBoxVolume()._value
        temperature = 2 * kinetic / (self.freedom * GAS_CONSTANT)
        if temperature > TOO_HOT:
            raise FloatingPointError(f"temperature {temperature:.3g} K")
        density = self.mass / volume * DALTON_PER_NM3
        self.potentials.append(float(f"{potential:.9g}"))
        self.densities.append(float(f"{density:.9g}"))
        self.add(step, potential, kinetic, potential + kinetic, temperature, volume, density)


class Frames:
    """Writes ``frames.xtc``, positions as integrated (not wrapped); goes on behind frames that are there.

    Parameters
    ----------
    file : Path
        To be made, or gone on with.
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
        self._file = app.XTCFile(str(file), topology, timestep, first, interval, append=file.is_file())

    def write(self, state: openmm.State) -> None:
        """Add a frame."""
        positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
        self._file.writeModel(positions, periodicBoxVectors=state.getPeriodicBoxVectors())
