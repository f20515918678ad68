"""A system recipe to whole molecule counts."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from mdstudy.base.errors import SpecError
from mdstudy.base.library import find, names
from mdstudy.base.spec import read_spec
from mdstudy.base.units import AVOGADRO
from mdstudy.system.amounts import moles_of, volume_of
from mdstudy.system.lengths import SHORTEST
from mdstudy.system.recipe import SystemSpec, Variant
from mdstudy.system.species import Crosslinker, Molecule, Polymer, Salt, Species, load_species, substance_mass

FOLDER = "systems"


@dataclass(frozen=True)
class Composition:
    """A system resolved to whole molecules.

    Attributes
    ----------
    molecules : dict of str to int
        Count of each molecule or polymer chain in the box.
    formula_units : dict of str to float
        Count of each substance as weighed in (repeat units for a polymer).
    target_ratio : dict of str to float
        The same before rounding, relative to the box.
    molarity, molarity_target : dict of str to float
        mol/L of each salt, and of what has a target, by the stated basis; the target only where one was given.
    atoms, charge : int
    mass : float
        g per mol of boxes.
    density : float
        g/cm^3, ideal mixing.
    edge : float
        Edge of the cubic box at that density, nm.
    racemo_fraction : float
        Of the dyads of an atactic polymer.
    dispersity : float
        Mass average over number average of the lengths of its chains, `chain_length` being the latter.
    network : dict of str
        What is polymerised in the box and how, see :class:`Network`; empty if nothing is.
    """

    system: str
    variant: str
    assumption: str
    molecules: dict[str, int]
    formula_units: dict[str, float]
    target_ratio: dict[str, float]
    mole_fractions: dict[str, float]
    mass_fractions: dict[str, float]
    volume_fractions: dict[str, float]
    molarity: dict[str, float]
    molarity_target: dict[str, float]
    molarity_basis: str
    atoms: int
    charge: int
    mass: float
    density: float
    edge: float
    chain_length: int
    tacticity: str
    racemo_fraction: float = 0.5
    dispersity: float = 1.0
    network: dict[str, Any] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON, without what means nothing for this system."""
        meant = {
            "network": bool(self.network),
            "racemo_fraction": self.tacticity == "atactic",
            "dispersity": self.dispersity != 1,
        }
        return {key: value for key, value in asdict(self).items() if meant.get(key, True)}

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Composition:
        """Inverse of :meth:`to_dict`."""
        return Composition(**data)


def list_systems() -> list[str]:
    """Names of the shipped systems."""
    return names(FOLDER, ".toml")


def load_system(name: str | Path) -> SystemSpec:
    """Read a system by shipped name or path and check every variant.

    Raises
    ------
    SpecError
        One line a fault, naming file and field.
    """
    path = find(name, FOLDER, ".toml")
    system = read_spec(path, SystemSpec)
    for key, variant in system.variants.items():
        moles_of(variant, f"{path}: variants.{key}")
    return system


def resolve(system: str | Path | SystemSpec, variant: str | None = None, atoms: int = 5000) -> Composition:
    """Whole molecule counts for a target number of atoms.

    The rarest substance is rounded first and the others follow its count, so
    that stoichiometry between salts keeps as well as whole numbers allow.

    Parameters
    ----------
    system : str, Path or SystemSpec
    variant : str, optional
        The system's default if absent.
    atoms : int
        Target number of atoms.

    Raises
    ------
    SpecError
        Unknown variant, or fewer atoms than one unit of the rarest substance needs.
    """
    spec = system if isinstance(system, SystemSpec) else load_system(system)
    label = spec.title if isinstance(system, SystemSpec) else Path(system).stem
    key = spec.default_variant if variant is None else variant
    if key not in spec.variants:
        raise SpecError(f'{label}: no variant "{key}"; it has {", ".join(spec.variants)}')
    recipe = spec.variants[key]
    where = f"{label}: variants.{key}"
    moles = moles_of(recipe, where)
    length = recipe.polymer.length if recipe.polymer else 0
    per_mole = sum(n * _atoms(recipe.load(s)) for s, n in moles.items())
    network = recipe.network
    counted = [s for s in moles if network is None or s not in network.species]
    scale = atoms / per_mole
    if counted:
        rarest = min(counted, key=lambda s: moles[s] / (length if _is_polymer(s) else 1))
        unit = length if _is_polymer(rarest) else 1
        count = round(scale * moles[rarest] / unit)
        if count < 1:
            need = math.ceil(per_mole / moles[rarest] * unit)
            raise SpecError(f"{where}: {atoms} atoms are too few for one {rarest}; take at least {need}")
        scale = count * unit / moles[rarest]
    exact = {s: n * scale for s, n in moles.items()}
    alike = recipe.polymer is not None and recipe.polymer.dispersity == 1
    step = {s: length if alike and _is_polymer(s) else 1 for s in counted}
    units = {s: float(round(exact[s] / step[s]) * step[s]) for s in counted}
    if network is not None:
        liquid = sum(n * substance_mass(load_species(s)) for s, n in units.items())
        units |= network.whole(exact, liquid, f"{where}.network")
    return _describe(label, key, recipe, exact, units)


def _describe(label: str, key: str, recipe: Variant, exact: dict[str, float], units: dict[str, float]) -> Composition:
    length = recipe.polymer.length if recipe.polymer else 0
    molecules: dict[str, int] = {}
    for substance, n in units.items():
        species = recipe.load(substance)
        members = species.ions if isinstance(species, Salt) else {substance: 1}
        for member, each in members.items():
            polymer = isinstance(species, Polymer)
            whole = min(round(n / length), round(n) // SHORTEST) if polymer else round(n) * each
            molecules[member] = molecules.get(member, 0) + whole
    masses = {s: n * substance_mass(recipe.load(s)) for s, n in units.items()}
    volumes = {s: n * volume_of(recipe.load(s), label) for s, n in units.items()}
    n_atoms, mass, charge = 0, 0.0, 0
    for name, n in molecules.items():
        species = recipe.load(name)
        if isinstance(species, Polymer | Crosslinker):
            repeats = round(units[name]) if isinstance(species, Polymer) else n * species.units
            n_atoms += species.chain_atoms(repeats) + (n - 1) * species.chain_atoms(0)
            mass += species.chain_mass(repeats) + (n - 1) * species.chain_mass(0)
        elif isinstance(species, Molecule):
            n_atoms += n * species.n_atoms
            mass += n * species.mass
            charge += n * species.charge
    volume = sum(volumes.values())  # cm^3 per mol of boxes
    target = recipe.molarity
    of, basis = (target.of, target.basis) if target else ("", "liquid")
    counted = sum(v for s, v in volumes.items() if basis == "whole" or not recipe.is_scaffold(s))
    total, total_mass = sum(units.values()), sum(masses.values())
    return Composition(
        system=label,
        variant=key,
        assumption=recipe.assumption,
        molecules={m: n for m, n in molecules.items() if n},
        formula_units=units,
        target_ratio=exact,
        mole_fractions={s: n / total for s, n in units.items()},
        mass_fractions={s: m / total_mass for s, m in masses.items()},
        volume_fractions={s: v / volume for s, v in volumes.items()},
        molarity={s: 1e3 * units[s] / counted for s in units if s == of or isinstance(load_species(s), Salt)},
        molarity_target={of: target.value} if target else {},
        molarity_basis=basis,
        atoms=n_atoms,
        charge=charge,
        mass=mass,
        density=mass / volume,
        edge=(volume / AVOGADRO * 1e21) ** (1 / 3),
        chain_length=length,
        tacticity=recipe.polymer.tacticity if recipe.polymer else "",
        racemo_fraction=recipe.polymer.racemo_fraction if recipe.polymer else 0.5,
        dispersity=recipe.polymer.dispersity if recipe.polymer else 1.0,
        network=recipe.network.model_dump() if recipe.network else {},
    )


def _is_polymer(name: str) -> bool:
    return isinstance(load_species(name), Polymer)


def _atoms(species: Species) -> float:
    """Atoms of a molecule, formula unit or repeat unit."""
    if isinstance(species, Salt):
        return sum(n * _atoms(load_species(ion)) for ion, n in species.ions.items())
    if isinstance(species, Polymer):
        return species.chain_atoms(1) - species.chain_atoms(0)
    if isinstance(species, Crosslinker):
        return species.chain_atoms(species.units)
    return species.n_atoms
