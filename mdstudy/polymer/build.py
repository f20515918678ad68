"""Make a run directory of any system; what has a network is polymerised on the way."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mdstudy.base.errors import BuildError, MdstudyError
from mdstudy.base.provenance import write_json
from mdstudy.polymer.addition import chemistry
from mdstudy.polymer.arrange import arranged, history, whole
from mdstudy.polymer.assembly import Assembly, assemble, reorder, topology
from mdstudy.polymer.growth import Reaction, polymerise
from mdstudy.polymer.ledger import Ledger, Record
from mdstudy.polymer.relaxation import Frame, periodic
from mdstudy.run.plan import seed_for
from mdstudy.run.platforms import check_name, choose
from mdstudy.system.build import ROOM
from mdstudy.system.build import build as build_run
from mdstudy.system.filling import Box, Job, fill, templates
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.gel import Network
from mdstudy.system.packing import pack
from mdstudy.system.parameterise import parameterise
from mdstudy.system.species import load_species

#: File of a run directory that tells how its network was made.
HISTORY = "polymerisation.json"
#: Monomer loses this share of its volume, from 106.7 to 84.8 cm^3/mol (systems/molecules).
_SHRINKS = 0.2


def build(
    system: str | Path,
    directory: str | Path,
    *,
    platform: str = "auto",
    device: str | int | None = None,
    **options: Any,
) -> str:
    """Build a system into a run directory, polymerising its network if it has one.

    A build that was killed while it polymerised goes on where it was, in ``DIRECTORY.growing`` beside the directory.

    Parameters
    ----------
    system : str or Path
        Shipped system name or a file.
    directory : str or Path
        Run directory to make.
    platform, device
        As for :func:`mdstudy.run.simulate.run`; a polymerisation needs molecular dynamics.
    **options
        As for :func:`mdstudy.system.build.build`.

    Returns
    -------
    str
        One line that says what was made or found.

    Raises
    ------
    MdstudyError
        As for :func:`mdstudy.system.build.build`, and :func:`mdstudy.polymer.growth.polymerise`.
    """
    check_name(platform)

    def how(job: Job) -> Box:
        return grow(job, platform, device) if job.composition.network else fill(job)

    return build_run(system, directory, how=how, **options)


def grow(job: Job, platform: str, device: str | int | None) -> Box:
    """Fill a box with monomers and their solvent, and polymerise it.

    Raises
    ------
    BuildError
        The box is too small, or too few chain ends find a C=C.
    """
    recipe = Network.model_construct(**job.composition.network)
    known = load_force_field(job.force_field)
    monomer = job.composition.volume_fractions.get(recipe.monomer, 0.0)
    if job.composition.edge * (1 - _SHRINKS * monomer) ** (1 / 3) < 2 * ROOM * known.cutoff:
        raise BuildError(
            f"{job.composition.system}: a box of {job.composition.edge:.2f} nm, which shrinks as it polymerises, has "
            f"no room for twice the cutoff of {known.cutoff:g} nm; take more atoms"
        )
    rules = chemistry([load_species(recipe.monomer), load_species(recipe.crosslinker)])
    reaction = Reaction(recipe, rules, job.force_field, job.charge_scale, choose(platform, device), job.seed)
    mark, steps = job.workspace / "build.json", job.workspace / "steps"
    if not mark.is_file() or json.loads(mark.read_text(encoding="utf-8")) != {"hash": job.hash}:
        shutil.rmtree(job.workspace, ignore_errors=True)
        job.workspace.mkdir(parents=True)
        write_json(mark, {"hash": job.hash})

    def progress(fraction: float, text: str) -> None:
        job.progress(0.1 + 0.85 * fraction, text)

    try:
        start = _start(job) if not Ledger(steps).records() else Ledger(steps).last()
        assembly, frame, records = polymerise(*start, reaction, steps, progress)
        return _finish(job, assembly, frame, records, reaction)
    except MdstudyError:
        shutil.rmtree(job.workspace, ignore_errors=True)
        raise


def _start(job: Job) -> tuple[Assembly, Frame]:
    """Molecules packed, as the force field has their atoms."""
    job.progress(0.02, "molecules")
    counted = templates(job.composition, job.seed)
    job.progress(0.05, "packing")
    positions, edge = pack(counted, job.composition.edge, seed_for(job.seed, "box", "packing"))
    made = assemble(counted)
    ordered, order = reorder(made, range(len(made.residues)), load_force_field(job.force_field).residues)
    return ordered, Frame(positions[order], np.full(3, edge))


def _finish(job: Job, assembly: Assembly, frame: Frame, records: Sequence[Record], reaction: Reaction) -> Box:
    """The box as a run has it: molecules one after another and whole, and the forces of the run."""
    order, chains = arranged(assembly, list(job.composition.molecules))
    ordered, atoms = reorder(assembly, order, reaction.known.residues)
    positions, around = whole(ordered, frame.positions[atoms], frame.edges)
    made = topology(ordered, frame.edges, chains)
    system = parameterise(made, job.force_field, charge_scale=job.charge_scale)
    if around:
        periodic(system)
    number = np.argsort(order).tolist()
    renumbered = [record.renumbered(number) for record in records]
    return Box(made, positions, system, {HISTORY: history(ordered, positions, frame.edges, renumbered, reaction)})
