"""Molecules, polymers, crosslinkers and salts: what boxes are made of and what a chemist weighs in.

One TOML file each under ``systems/molecules``; its file name is its name.
"""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, model_validator

from mdstudy.base.errors import SpecError, did_you_mean
from mdstudy.base.library import find, names
from mdstudy.base.spec import MolarVolume, Spec, read_toml, validate

FOLDER = "systems/molecules"

#: Standard atomic masses, dalton: IUPAC 2021, Prohaska et al., Pure Appl. Chem. 94, 573 (2022),
#: doi 10.1515/pac-2019-0603.
ATOMIC_MASS = {"H": 1.008, "Li": 6.94, "C": 12.011, "N": 14.007, "O": 15.999, "F": 18.998403163, "S": 32.06}

Name = Annotated[str, Field(min_length=1)]

#: Residues that a residue with a C=C becomes in a chain: "initiated" (a chain of it alone), "head", "unit" and "tail".
States = Annotated[
    dict[Literal["initiated", "head", "unit", "tail"], Name],
    Field(description="residues that its C=C becomes in a chain; none: it has no C=C that reacts"),
]


def parse_formula(formula: str) -> dict[str, int]:
    """Element counts of a formula such as ``"C5H4F8O"``.

    Raises
    ------
    ValueError
        Not a formula, or an element without a mass in the table.
    """
    parts = re.findall(r"([A-Z][a-z]?)(\d*)", formula)
    if "".join(e + n for e, n in parts) != formula or not parts:
        raise ValueError(f'"{formula}" is not a chemical formula such as "C5H4F8O"')
    counts: dict[str, int] = {}
    for element, number in parts:
        if element not in ATOMIC_MASS:
            raise ValueError(f'"{formula}": no atomic mass of {element} here.{did_you_mean(element, ATOMIC_MASS)}')
        counts[element] = counts.get(element, 0) + int(number or 1)
    return counts


def formula_mass(formula: str) -> float:
    """Molar mass, g/mol."""
    return sum(ATOMIC_MASS[e] * n for e, n in parse_formula(formula).items())


class _Substance(Spec):
    name: str = ""
    title: str
    molar_volume: MolarVolume | None = Field(None, description="contribution to the volume of a mixture, cm^3/mol")
    source: str = Field("", description="where the molar volume is from")

    @model_validator(mode="after")
    def _sourced(self) -> _Substance:
        if self.molar_volume is not None and not self.source.strip():
            raise ValueError("molar_volume needs its source")
        return self


class _Structure(_Substance):
    formula: str
    sites: dict[str, tuple[Name, ...]] = Field({}, description="named sets of atoms")

    @model_validator(mode="after")
    def _formula(self) -> _Structure:
        parse_formula(self.formula)
        return self


class Molecule(_Structure):
    """A molecule or ion with a structure of its own."""

    kind: Literal["molecule"]
    smiles: Name
    charge: int
    residue: Name
    atoms: tuple[Name, ...] = Field(min_length=1, description="names of the heavy atoms in the order of the SMILES")
    states: States = Field({})

    @model_validator(mode="after")
    def _known_sites(self) -> Molecule:
        for site, members in self.sites.items():
            for atom in members:
                if atom not in self.atoms:
                    raise ValueError(f"sites.{site}: no atom {atom}.{did_you_mean(atom, self.atoms)}")
        return self

    @property
    def mass(self) -> float:
        """g/mol."""
        return formula_mass(self.formula)

    @property
    def n_atoms(self) -> int:
        """Atoms of one molecule."""
        return sum(parse_formula(self.formula).values())

    @property
    def residues(self) -> tuple[str, ...]:
        """Residue names, one for a molecule."""
        return (self.residue,)


class _Chain(_Structure):
    """Something of any length; `formula` and `molar_volume` are those of one repeat unit."""

    end_groups: str
    charge: Literal[0] = 0

    def chain_mass(self, length: int) -> float:
        """g/mol of a chain of `length` units."""
        return length * formula_mass(self.formula) + formula_mass(self.end_groups)

    def chain_atoms(self, length: int) -> int:
        """Atoms of a chain of `length` units."""
        return length * sum(parse_formula(self.formula).values()) + sum(parse_formula(self.end_groups).values())


class Polymer(_Chain):
    """A linear chain of repeat units."""

    kind: Literal["polymer"]
    residues: tuple[Name, Name, Name] = Field(description="head, repeat unit, tail")


class Crosslinker(_Chain):
    """Two halves with a C=C each, and `units` repeat units in all between their ester groups."""

    kind: Literal["crosslinker"]
    end_volume: MolarVolume = Field(description="contribution of the end groups, cm^3/mol")
    half: Name = Field(description="residue of each half; with one repeat unit the molecule is two of them")
    middle: Name = Field(description="residue between the halves, one fewer than repeat units")
    states: States = Field(min_length=1)
    units: int = Field(0, ge=0, description="of one molecule; a system states it")

    @property
    def residues(self) -> tuple[str, ...]:
        """Residue names before and after the C=C have reacted."""
        return (self.half, self.middle, *self.states.values())


class Salt(_Substance):
    """A neutral formula unit of ions."""

    kind: Literal["salt"]
    ions: dict[Name, Annotated[int, Field(gt=0)]] = Field(min_length=1)


Species: TypeAlias = Molecule | Polymer | Crosslinker | Salt

_KINDS: dict[str, type[Species]] = {
    "molecule": Molecule,
    "polymer": Polymer,
    "crosslinker": Crosslinker,
    "salt": Salt,
}


def load_species(name: str | Path) -> Species:
    """Read one species by shipped name or path.

    Raises
    ------
    SpecError
        Unknown, or the file does not fit; a salt that is not neutral.
    """
    return _load(find(name, FOLDER, ".toml"))


@cache
def _load(path: Path) -> Species:
    data = read_toml(path)
    kind = str(data.get("kind", ""))
    if kind not in _KINDS:
        raise SpecError(f'{path}: kind: "{kind}" is none.{did_you_mean(kind, _KINDS)}')
    species: Species = validate(data | {"name": path.stem}, _KINDS[kind], str(path))
    if isinstance(species, Salt):
        charge = 0
        for ion, count in species.ions.items():
            try:
                member = load_species(ion)
            except SpecError as error:
                raise SpecError(f"{path}: ions.{ion}: {error}") from error
            if not isinstance(member, Molecule):
                raise SpecError(f"{path}: ions.{ion}: not a molecule")
            charge += count * member.charge
        if charge:
            raise SpecError(f"{path}: ions: the formula unit carries a charge of {charge:+d} e")
    return species


def named_species(name: str, where: str) -> Species:
    """:func:`load_species`, whose error names the field `where` that asked for it."""
    try:
        return load_species(name)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error


def all_species() -> dict[str, Species]:
    """All shipped species by name."""
    return {name: load_species(name) for name in names(FOLDER, ".toml")}


@cache
def shipped_sites() -> frozenset[str]:
    """Species that boxes may hold, and their sites: ``"FSI"``, ``"FSI.O"``."""
    made = {name: species for name, species in all_species().items() if not isinstance(species, Salt)}
    return frozenset(made) | {f"{name}.{site}" for name, species in made.items() for site in species.sites}


def substance_mass(substance: Species) -> float:
    """Molar mass of a molecule, formula unit or repeat unit, g/mol."""
    if isinstance(substance, Salt):
        return sum(n * substance_mass(load_species(ion)) for ion, n in substance.ions.items())
    if isinstance(substance, Crosslinker):
        return substance.chain_mass(substance.units)
    return formula_mass(substance.formula)


def substance_volume(substance: Species) -> float | None:
    """Contribution of a molecule, formula unit or repeat unit to the volume of a mixture, cm^3/mol; None if unknown."""
    if isinstance(substance, Crosslinker) and substance.molar_volume is not None:
        return substance.end_volume + substance.units * substance.molar_volume
    return substance.molar_volume
