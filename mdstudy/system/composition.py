"""A system recipe, given as a chemist gives it, to whole molecule counts.

Volumes add (ideal mixing), so the amount of the substance that brings a salt to
its molarity follows from one linear equation.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from mdstudy.base.errors import SpecError
from mdstudy.base.library import find, names
from mdstudy.base.spec import Molarity, Spec, Temperature, read_spec
from mdstudy.base.units import AVOGADRO, UNITS, parse
from mdstudy.system.gel import Network
from mdstudy.system.lengths import SHORTEST
from mdstudy.system.species import (
    Crosslinker,
    Molecule,
    Polymer,
    Salt,
    Species,
    load_species,
    named_species,
    substance_mass,
    substance_volume,
)

FOLDER = "systems"


def _amount(value: object) -> tuple[float, str]:
    """("mol" | "g" | "mL" worth of a number) from text such as "2 mol" or "1 kg"."""
    dimensions = ("amount", "bulk mass", "bulk volume")
    for dimension in dimensions:
        with suppress(ValueError):
            number = parse(value, dimension)
            break
    else:
        units = ", ".join(unit for dimension in dimensions for unit in UNITS[dimension])
        raise ValueError(f'{value!r}: an amount needs a number and its unit ({units}), for example "1 mol"')
    if number < 0:
        raise ValueError(f"{value!r}: an amount cannot be negative")
    return number, dimension


Amount = Annotated[tuple[float, str], BeforeValidator(_amount)]


class MolarityTarget(Spec):
    """Bring `of` to `value` by adding more of one substance."""

    of: str
    value: Annotated[Molarity, Field(gt=0)]
    by_adding: str
    basis: Literal["liquid", "whole"] = Field(
        "liquid", description="volume that the molarity counts: with or without polymer"
    )


class PolymerShare(Spec):
    """Polymer in the box, by its share of the whole."""

    species: str
    mass_fraction: float | None = Field(None, ge=0, le=1, description="1 for the neat polymer")
    volume_fraction: float | None = Field(None, ge=0, lt=1)
    length: int = Field(10, ge=2, description="repeat units a chain, on average where chains differ")
    dispersity: float = Field(1.0, ge=1, le=10, description="mass over number average of the lengths; 1: all equal")
    tacticity: Literal["isotactic", "syndiotactic", "atactic"] = "syndiotactic"
    racemo_fraction: float = Field(0.5, ge=0, le=1, description="of the dyads of an atactic chain, at random")

    @model_validator(mode="after")
    def _one_share(self) -> PolymerShare:
        if (self.mass_fraction is None) == (self.volume_fraction is None):
            raise ValueError("give either mass_fraction or volume_fraction")
        return self


class Variant(Spec):
    """One composition hypothesis."""

    assumption: str = Field(min_length=1)
    amounts: dict[str, Amount] = Field({}, description="nothing beside a neat polymer")
    molarity: MolarityTarget | None = None
    polymer: PolymerShare | None = None
    network: Network | None = None

    @model_validator(mode="after")
    def _one_scaffold(self) -> Variant:
        if self.polymer is not None and self.network is not None:
            raise ValueError("give either polymer or network")
        return self

    @model_validator(mode="after")
    def _something_or_neat(self) -> Variant:
        if self.is_neat and (self.amounts or self.molarity):
            raise ValueError("a mass_fraction of 1 leaves no room for amounts and molarity")
        if not (self.is_neat or self.amounts):
            raise ValueError("amounts: say what is weighed in, or polymer.mass_fraction = 1 for the neat polymer")
        return self

    @property
    def is_neat(self) -> bool:
        """Whether all of it is polymer, or network."""
        return any(share is not None and share.mass_fraction == 1 for share in (self.polymer, self.network))

    def load(self, name: str) -> Species:
        """A species of the recipe, a crosslinker with its number of units."""
        return load_species(name) if self.network is None else self.network.load(name)

    def is_scaffold(self, name: str) -> bool:
        """Whether a substance is of the polymer or of the network."""
        return name == (self.polymer and self.polymer.species) or bool(self.network and name in self.network.species)


class SystemSpec(Spec):
    """What a system file says."""

    title: str
    default_variant: str
    temperature: Temperature = Field("298.15 K", validate_default=True)
    variants: dict[str, Variant] = Field(min_length=1)

    @model_validator(mode="after")
    def _default_exists(self) -> SystemSpec:
        if self.default_variant not in self.variants:
            raise ValueError(
                f'default_variant "{self.default_variant}" is not among the variants {", ".join(self.variants)}'
            )
        return self


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
        _moles(variant, f"{path}: variants.{key}")
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
    moles = _moles(recipe, where)
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
    volumes = {s: n * _volume(recipe.load(s), label) for s, n in units.items()}
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


def _volume(species: Species, where: str) -> float:
    volume = substance_volume(species)
    if volume is None:
        raise SpecError(
            f"{where}: {species.name} has no molar_volume; weigh in a neutral substance that has one (LiFSI, not Li)"
        )
    return volume


def _in_moles(name: str, amount: tuple[float, str], where: str) -> float:
    number, dimension = amount
    if dimension == "bulk mass":
        return number / substance_mass(load_species(name))
    if dimension == "bulk volume":
        return number / _volume(load_species(name), where)
    return number


def _moles(recipe: Variant, where: str) -> dict[str, float]:
    """Moles of each substance (repeat units of a polymer), to a common factor."""
    if recipe.network is not None:
        recipe.network.check(f"{where}.network")
    moles: dict[str, float] = {}
    charge = 0.0
    for name, amount in recipe.amounts.items():
        species = named_species(name, f"{where}.amounts.{name}")
        if isinstance(species, Polymer | Crosslinker):
            table = "polymer" if isinstance(species, Polymer) else "network"
            raise SpecError(f"{where}.amounts.{name}: a {species.kind} goes into [{table}]")
        if recipe.network is not None and name in recipe.network.species:
            raise SpecError(f"{where}.amounts.{name}: it is in [network] already, by its share")
        moles[name] = _in_moles(name, amount, f"{where}.amounts.{name}")
        charge += moles[name] * (species.charge if isinstance(species, Molecule) else 0)
    if not any(moles.values()) and not recipe.is_neat:
        raise SpecError(f"{where}.amounts: nothing is weighed in: every amount is zero")
    if abs(charge) > 1e-9 * sum(moles.values()):
        raise SpecError(f"{where}.amounts: the box is not neutral ({charge:+g} e a mole of recipe)")
    for name in moles:
        _volume(load_species(name), f"{where}.amounts.{name}")
    scaffold = partial(_scaffold, recipe, where)

    def scaffold_volume(amounts: dict[str, float]) -> float:
        return sum(n * _volume(recipe.load(s), where) for s, n in scaffold(amounts).items())

    if recipe.molarity is not None:
        target = recipe.molarity
        named_species(target.of, f"{where}.molarity.of")
        if target.of != target.by_adding and target.of not in moles:
            raise SpecError(f"{where}.molarity.of: {target.of} is not among the amounts ({', '.join(moles)})")
        if isinstance(named_species(target.by_adding, f"{where}.molarity.by_adding"), Polymer):
            raise SpecError(f"{where}.molarity.by_adding: a polymer goes into [polymer]")
        x = _solve(target, moles, scaffold_volume, where)
        moles[target.by_adding] = moles.get(target.by_adding, 0.0) + x
    moles |= scaffold(moles)
    return {name: n for name, n in moles.items() if n > 0}


def _scaffold(recipe: Variant, where: str, moles: dict[str, float]) -> dict[str, float]:
    """Polymer (repeat units) or molecules of a network that have the wanted share; linear in the rest."""
    share = recipe.polymer
    if share is None:
        rest = sum(n * substance_mass(load_species(s)) for s, n in moles.items())
        return recipe.network.moles(rest) if recipe.network else {}
    species = named_species(share.species, f"{where}.polymer.species")
    if not isinstance(species, Polymer):
        raise SpecError(f"{where}.polymer.species: {share.species} is not a polymer")
    if recipe.is_neat:
        return {share.species: 1.0}
    if share.mass_fraction is not None:
        rest = sum(n * substance_mass(load_species(s)) for s, n in moles.items())
        return {share.species: share.mass_fraction / (1 - share.mass_fraction) * rest / substance_mass(species)}
    fraction = share.volume_fraction or 0.0
    rest = sum(n * _volume(load_species(s), where) for s, n in moles.items())
    return {share.species: fraction / (1 - fraction) * rest / _volume(species, where)}


def _solve(
    target: MolarityTarget, moles: dict[str, float], scaffold_volume: Callable[[dict[str, float]], float], where: str
) -> float:
    """Moles x of `by_adding` such that n(of) / V = c; both sides are linear in x."""

    def litres(amounts: dict[str, float]) -> float:
        volume = sum(n * _volume(load_species(s), where) for s, n in amounts.items())
        return (volume + (scaffold_volume(amounts) if target.basis == "whole" else 0.0)) / 1e3

    more = moles | {target.by_adding: moles.get(target.by_adding, 0.0) + 1.0}
    v0, slope = litres(moles), litres(more) - litres(moles)
    n0, gain = moles.get(target.of, 0.0), 1.0 if target.of == target.by_adding else 0.0
    denominator = gain - target.value * slope
    x = (target.value * v0 - n0) / denominator if denominator else math.inf
    if not 0 <= x < math.inf:
        start = n0 / v0
        limit = gain / slope
        low, high = sorted((start, limit))
        raise SpecError(
            f"{where}.molarity.value: {target.value:g} mol/L {target.of} is impossible by adding {target.by_adding}: "
            f"only between {low:.3g} and {high:.3g} mol/L"
        )
    return x
