"""A run written for another program: topology, coordinates and settings that give the same energies there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from openmm import app, unit

from mdstudy.base.errors import ExportError, RunError, did_you_mean
from mdstudy.base.provenance import write_text
from mdstudy.exchange import amber, gromacs, lammps
from mdstudy.exchange.interactions import Floats, Interactions, read_interactions
from mdstudy.run.mechanics import load
from mdstudy.run.rundir import RunDir
from mdstudy.system.forcefield import load_force_field

TARGETS = ("gromacs", "lammps", "amber")
STATES = ("start", "end")


def export(
    directory: str | Path,
    to: str = "gromacs",
    output: str | Path | None = None,
    state: str = "start",
    force_field: str | Path | None = None,
) -> list[Path]:
    """Write a run directory for another program.

    The order of atoms, their names, residues, charges (scaled) and masses (with repartitioned hydrogens) are those of
    the System. Bonds that it constrains are written with the force constants of the force field and constrained by the
    settings. ``gromacs`` has the very same potential. ``lammps`` too, without the long-range correction, which it has
    for an unswitched potential only. ``amber`` holds the mixing rule as a table of pairs of types, but its programs
    cannot switch Lennard-Jones: it is cut off, and corrected beyond.

    Parameters
    ----------
    directory : str or Path
        Run directory.
    to : {"gromacs", "lammps", "amber"}
    output : str or Path, optional
        Folder to write to; ``export/TARGET`` of the run directory if absent. Files that are there are replaced.
    state : {"start", "end"}
        The box as built, or where the last finished stage or segment ended. Positions alone; velocities are drawn anew.
    force_field : str or Path, optional
        Where the force field of the run lies, if it is none of the shipped.

    Returns
    -------
    list of Path
        Files written.

    Raises
    ------
    ExportError
        An unknown target or state; not the force field of the run; what
        :func:`mdstudy.exchange.interactions.read_interactions` or the target cannot express; a box that is not
        rectangular.
    RunError
        Not built, or nothing finished to take the end of.
    SpecError, ForceFieldError
        The force field is not found, or cannot be used.
    """
    for word, known, what in ((to, TARGETS, "target"), (state, STATES, "state")):
        if word not in known:
            raise ExportError(f'"{word}": no such {what} of an export.{did_you_mean(word, known)}')
    run = RunDir(Path(directory))
    missing = [
        path.name for path in (run.spec, run.plan, run.system_xml, run.topology, run.start_xml) if not path.is_file()
    ]
    if missing:
        raise RunError(f"{run.path}: not a built run (no {', '.join(missing)}); make one with `mdstudy build`")
    spec = run.read_spec()
    field = load_force_field(spec["force_field"] if force_field is None else force_field)
    if field.sha256 != spec["force_field_sha256"]:
        raise ExportError(
            f"{field.path}: not the file that {run.path} was built with (SHA-256 {spec['force_field_sha256'][:12]}..., "
            f"here {field.sha256[:12]}...); give that one as force_field"
        )
    system = load(run.system_xml)
    try:
        interactions = read_interactions(system, app.PDBxFile(str(run.topology)).topology, field)
    except ExportError as error:
        raise ExportError(f"{run.path}: {error}") from error
    source = run.start_xml if state == "start" else _end(run)
    positions, edges = _structure(source)
    title = f"{spec['title']}, seed {spec['seed']}, {source.relative_to(run.path)}"
    production = run.read_plan().production
    texts = _texts(
        to, spec["system"], title, interactions, positions, edges, production.timestep, production.temperature
    )
    folder = run.path / "export" / to if output is None else Path(output)
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in texts.items():
        write_text(folder / name, text)
    return [folder / name for name in texts]


def _texts(
    to: str,
    name: str,
    title: str,
    system: Interactions,
    positions: Floats,
    edges: Floats,
    timestep: float,
    temperature: float,
) -> dict[str, str]:
    """Text of each file by its name."""
    if to == "gromacs":
        return {
            f"{name}.top": gromacs.topology_text(title, system),
            f"{name}.gro": gromacs.coordinates_text(title, system, positions, edges),
            f"{name}.mdp": gromacs.settings_text(system, edges, timestep, temperature),
        }
    if to == "lammps":
        return {
            f"{name}.data": lammps.data_text(title, system, positions, edges),
            f"{name}.in": lammps.settings_text(f"{name}.data", system, timestep, temperature),
        }
    return {
        f"{name}.prmtop": amber.topology_text(title, system, edges),
        f"{name}.rst7": amber.coordinates_text(title, positions, edges),
        f"{name}.mdin": amber.settings_text(system, edges, timestep, temperature),
    }


def _end(run: RunDir) -> Path:
    """Last state that was reached."""
    reached = run.states()
    if len(reached) == 1:
        raise RunError(f'{run.path}: nothing is finished yet, so there is no end; export the state "start"')
    return reached[-1]


def _structure(path: Path) -> tuple[Floats, Floats]:
    """Positions and edges of the box, nm."""
    state = load(path)
    box = state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer)
    edges = np.diag(box).astype(float)
    if not np.array_equal(box, np.diag(edges)):
        raise ExportError(f"{path}: the box is not rectangular; only such boxes are written")
    return state.getPositions(asNumpy=True).value_in_unit(unit.nanometer), edges
