"""What fills a box: the molecules of a composition, placed as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app

from mdstudy.base.errors import BuildError
from mdstudy.base.pace import Progress
from mdstudy.run.plan import seed_for
from mdstudy.system.chemistry import Template, molecule_template
from mdstudy.system.composition import Composition
from mdstudy.system.lengths import draw_lengths
from mdstudy.system.macromolecules import crosslinker_template, polymer_template
from mdstudy.system.packing import pack, topology
from mdstudy.system.parameterise import parameterise
from mdstudy.system.species import Crosslinker, Molecule, Polymer, load_species


@dataclass(frozen=True)
class Job:
    """What fills a box: all that it depends on.

    Attributes
    ----------
    composition : Composition
    seed : int
    force_field : str or Path
        Shipped force field or XML file.
    charge_scale : float
    hash : str
        Of all that the build is made of.
    workspace : Path
        Folder for what a long filling keeps in order to go on after a kill; it is not made here, and removed when the
        run directory is there.
    progress : callable
    """

    composition: Composition
    seed: int
    force_field: str | Path
    charge_scale: float
    hash: str
    workspace: Path
    progress: Progress


@dataclass(frozen=True, eq=False)
class Box:
    """A box filled: topology with box vectors, positions (n_atoms, 3) in nm, System, and more files by name as data."""

    topology: app.Topology
    positions: NDArray[np.float64]
    system: openmm.System
    files: Mapping[str, Any] = field(default_factory=dict)


def fill(job: Job) -> Box:
    """Place the molecules of a composition, as they are, in a box.

    Raises
    ------
    BuildError
        The composition has a network, which has to be polymerised.
    """
    if job.composition.network:
        raise BuildError(
            f"{job.composition.system}: its network is to be polymerised: build it with mdstudy.polymer.build"
        )
    job.progress(0.05, "molecules")
    counted = templates(job.composition, job.seed)
    job.progress(0.1, "packing")
    positions, edge = pack(counted, job.composition.edge, seed_for(job.seed, "box", "packing"))
    job.progress(0.7, "force field")
    made = topology(counted, edge)
    return Box(made, positions, parameterise(made, job.force_field, charge_scale=job.charge_scale))


def templates(composition: Composition, seed: int) -> list[tuple[Template, int]]:
    """Molecules of a composition in three dimensions, with their counts.

    Raises
    ------
    BuildError
        A polymer other than PMMA, or no sound conformer of a molecule.
    """
    made: list[tuple[Template, int]] = []
    for name, count in composition.molecules.items():
        species = load_species(name)
        own_seed = seed_for(seed, name, "conformer")
        if isinstance(species, Polymer):
            made += _chains(composition, species, seed)
            continue
        if isinstance(species, Molecule):
            template = molecule_template(name, species.smiles, species.residue, species.atoms, own_seed)
        elif isinstance(species, Crosslinker):
            units = composition.network["crosslinker_units"]
            template = crosslinker_template(name, units, species.half, species.middle, own_seed)
        else:
            raise BuildError(f"{name}: a salt has no box of its own; its ions have")
        made.append((template, count))
    return made


def _chains(composition: Composition, species: Polymer, seed: int) -> list[tuple[Template, int]]:
    """One chain after the other, each with its own length and tacticity."""
    name = species.name
    if name != "PMMA":
        raise BuildError(f"{name}: no chain of this polymer can be built; only PMMA")
    units, count = round(composition.formula_units[name]), composition.molecules[name]
    lengths = draw_lengths(units, count, composition.dispersity, seed_for(seed, name, "lengths"))
    return [
        (
            polymer_template(
                int(length),
                composition.tacticity,
                seed_for(seed, f"{name} {k}", "tacticity"),
                residues=species.residues,
                racemo_fraction=composition.racemo_fraction,
            ),
            1,
        )
        for k, length in enumerate(lengths)
    ]
