"""Make a run directory: composition, box, OpenMM System, plan and manifest."""

from __future__ import annotations

import math
import shutil
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import openmm
from openmm import unit

from mdstudy.base.errors import BuildError, RunError, SpecError
from mdstudy.base.library import find
from mdstudy.base.pace import Progress, silent
from mdstudy.base.provenance import content_hash, record, write_json, write_text
from mdstudy.run.lock import hold
from mdstudy.run.plan import Plan
from mdstudy.run.rundir import RunDir
from mdstudy.system.composition import FOLDER as SYSTEMS
from mdstudy.system.composition import Composition, load_system, resolve
from mdstudy.system.filling import Box, Job, fill
from mdstudy.system.forcefield import check_charge_scale, load_force_field
from mdstudy.system.packing import write_structure
from mdstudy.system.protocol import load_protocol
from mdstudy.system.species import FOLDER as SPECIES

#: Molecules pack tighter than additive volumes say: an edge of this much more than twice the cutoff has room for it.
ROOM = 1.05


def build(
    system: str | Path,
    directory: str | Path,
    *,
    variant: str | None = None,
    atoms: int = 5000,
    seed: int = 1,
    force_field: str | Path = "clp-opls",
    charge_scale: float | None = None,
    profile: str | Path = "standard",
    temperature: float | None = None,
    progress: Progress = silent,
    how: Callable[[Job], Box] = fill,
) -> str:
    """Build a system into a run directory; nothing half-written is left behind.

    Parameters
    ----------
    system : str or Path
        Shipped system name or a file.
    directory : str or Path
        Run directory to make. If it holds the same build already, nothing is done.
    variant : str, optional
        Composition hypothesis; the system's default if absent.
    atoms : int
        Target number of atoms.
    seed : int
        Seed of every random choice: conformers, packing, velocities, thermostat, barostat.
    force_field : str or Path
        Shipped force field or XML file.
    charge_scale : float, optional
        Factor on the charges of ions; the force field's default if absent.
    profile : str or Path
        Protocol that the plan is made of.
    temperature : float, optional
        Kelvin; the system's if absent.
    progress : callable
        Called with the fraction done and a word on what goes on.
    how : callable
        What fills the box.

    Returns
    -------
    str
        One line that says what was made or found.

    Raises
    ------
    SpecError, ForceFieldError, BuildError
        As the inputs deserve.
    RunError
        The directory holds another build (names the first difference), a run begun under another protocol, or files
        that are none of a build.
    LockedError
        Another process builds it; says which.
    """
    run = RunDir(Path(directory))
    spec = load_system(system)
    composition = resolve(system, variant, atoms)
    forces = load_force_field(force_field)
    scale = check_charge_scale(forces.charge_scale if charge_scale is None else charge_scale, "charge_scale")
    kelvin = spec.temperature if temperature is None else temperature
    if not 0 < kelvin < math.inf:
        raise SpecError(f"a temperature of {kelvin:g} K: it must be above 0")
    identity = {
        "system": Path(system).stem,
        "title": spec.title,
        "composition": composition.to_dict(),
        "temperature_K": kelvin,
        "force_field": forces.name,
        "force_field_sha256": forces.sha256,
        "charge_scale": scale,
        "seed": seed,
    }
    identity["hash"] = content_hash(_physics(identity))[:16]
    plan = _plan(profile, identity)
    run.path.parent.mkdir(parents=True, exist_ok=True)
    lock = run.path.with_name(f".{run.path.name}.lock")
    with hold(lock, f"{run.path}: already being built by", temporary=True):
        if run.spec.is_file():
            _same(run.read_spec(), identity, run.path)
            planned = set_profile(run.path, profile)
            return f"already built: {composition.atoms} atoms" + (f"; {planned}" if planned else "")
        if run.path.exists() and not (run.path.is_dir() and not any(run.path.iterdir())):
            raise RunError(f"{run.path}: holds something that is no build; choose another directory")

        _check_size(composition, plan, forces.cutoff)
        workspace = run.path.with_name(run.path.name + ".growing")
        box = how(Job(composition, seed, force_field, scale, str(identity["hash"]), workspace, progress))
        progress(0.95, "writing")
        part = run.path.with_name(run.path.name + ".part")
        if part.exists():
            shutil.rmtree(part)
        fresh = RunDir(part)
        fresh.box.mkdir(parents=True)
        write_structure(fresh.topology, box.topology, box.positions)
        write_structure(fresh.box / "start.pdb", box.topology, box.positions)
        write_text(fresh.system_xml, openmm.XmlSerializer.serialize(box.system))
        write_text(fresh.start_xml, openmm.XmlSerializer.serialize(_state(box.system, box.positions)))
        for name, data in box.files.items():
            write_json(fresh.path / name, data)
        write_json(fresh.spec, identity)
        write_text(fresh.plan, plan.to_json())
        write_json(
            fresh.manifest,
            record(_inputs(system, composition, forces.path)) | {"seed": seed, "build": identity["hash"]},
        )
        part.replace(run.path)
        shutil.rmtree(workspace, ignore_errors=True)
        edge = box.topology.getUnitCellDimensions()[0].value_in_unit(unit.nanometer)
        return f"{composition.atoms} atoms, {edge:.3f} nm box, {forces.name}, ionic charges x {scale:g}"


def _check_size(composition: Composition, plan: Plan, cutoff: float) -> None:
    """A box that takes its own density must not become smaller than twice the cutoff."""
    ensembles = {*(stage.kind for stage in plan.stages), plan.production.ensemble}
    if "npt" in ensembles and not composition.network and composition.edge < 2 * cutoff:
        enough = math.ceil(composition.atoms * (2 * ROOM * cutoff / composition.edge) ** 3)
        raise BuildError(
            f"{composition.system}: at constant pressure {composition.atoms} atoms fill a box of about "
            f"{composition.edge:.2f} nm, less than twice the cutoff of {cutoff:g} nm; take {enough} or more"
        )


def set_profile(directory: str | Path, profile: str | Path) -> str:
    """Plan a built run by another protocol, unless something was run already.

    Returns
    -------
    str
        What changed; empty if the plan is that of this protocol already.

    Raises
    ------
    RunError
        Not a build, or the run has begun under another plan.
    """
    run = RunDir(Path(directory))
    plan = _plan(profile, run.read_spec())
    old = run.read_plan()
    if plan == old:
        return ""
    if plan == replace(old, production=replace(old.production, segments=plan.production.segments)):
        return _planned_longer(run, plan)
    if run.status() != "ready":
        new = f'"{plan.profile}"' if plan.profile != old.profile else "what its file says now"
        raise RunError(f'{run.path}: run already under profile "{old.profile}"; build a new directory for {new}')
    write_text(run.plan, plan.to_json())
    return f'planned anew by profile "{plan.profile}" instead of "{old.profile}"'


def _planned_longer(run: RunDir, plan: Plan) -> str:
    """Plan a run whose production differs in nothing but its length, which may not become less than there is."""
    if plan.production.segments <= len(run.segments()):
        return ""
    with run.lock():
        write_text(run.plan, plan.to_json())
    return f"planned for {plan.production.time / 1e3:g} ns of production"


def _inputs(system: str | Path, composition: Composition, force_field: Path) -> list[Path]:
    """Files that a build is made from: system, substances, their molecules, force field."""
    substances = sorted({*composition.formula_units, *composition.molecules})
    return [find(system, SYSTEMS, ".toml"), *(find(name, SPECIES, ".toml") for name in substances), force_field]


def _plan(profile: str | Path, identity: dict[str, object]) -> Plan:
    seed = int(str(identity["hash"]), 16) % (2**31)
    return load_protocol(profile).plan(seed, float(str(identity["temperature_K"])))


def _state(system: openmm.System, positions: object) -> openmm.State:
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    return context.getState(getPositions=True)


def _same(old: dict[str, object], new: dict[str, object], path: Path) -> None:
    difference = _difference(_physics(old), _physics(new))
    if difference is not None:
        key, there, asked = difference
        raise RunError(f"{path}: holds another build: {key} is {there!r} there, {asked!r} asked for")


def _physics(identity: Mapping[str, Any]) -> dict[str, Any]:
    """What makes a run this one and no other: all but the words about it, and the hash that follows from the rest."""
    composition = {key: value for key, value in identity["composition"].items() if key != "assumption"}
    return {key: value for key, value in identity.items() if key not in ("title", "hash")} | {
        "composition": composition
    }


def _difference(old: dict[str, Any], new: dict[str, Any]) -> tuple[str, object, object] | None:
    """First key, in the order of `new`, whose values differ, with both."""
    for key, asked in new.items():
        there = old.get(key)
        if there == asked:
            continue
        inner = _difference(there, asked) if isinstance(there, dict) and isinstance(asked, dict) else None
        return (f"{key}.{inner[0]}", *inner[1:]) if inner else (key, there, asked)
    return None
