"""A force-field file, read and checked on its own, before any topology meets it.

The file is an OpenMM ForceField XML. OpenMM ignores what it does not know, so
the file also says what OpenMM has no place for, in an ``<Info>`` element:
``CombiningRule`` (geometric or lorentz-berthelot), ``DefaultChargeScale``,
``Cutoff`` and ``SwitchDistance`` (nm). OpenMM also skips, silently, bonded rows
that name an unknown class and topology terms that no row covers: hence the checks.
"""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mdstudy.errors import ForceFieldError, did_you_mean
from mdstudy.library import find
from mdstudy.provenance import sha256

#: Largest deviation of a residue's unscaled charge from a whole number, e.
CHARGE_TOLERANCE = 1e-6

_ROWS = {
    "bond": ("HarmonicBondForce/Bond",),
    "angle": ("HarmonicAngleForce/Angle",),
    "dihedral": ("PeriodicTorsionForce/Proper", "RBTorsionForce/Proper"),
}
_LENGTH = {"bond": 2, "angle": 3, "dihedral": 4}


@dataclass(frozen=True)
class Residue:
    """What a force field knows of one residue.

    Attributes
    ----------
    types : dict of str to str
        Atom name to atom type.
    bonds : frozenset of frozenset of str
        Pairs of atom names.
    external : Counter of str
        How many bonds each atom has to other residues.
    charge : int
        Net charge, e, unscaled.
    """

    types: dict[str, str]
    bonds: frozenset[frozenset[str]]
    external: Counter[str]
    charge: int


@dataclass(frozen=True)
class ForceField:
    """A force-field file, checked on its own.

    Attributes
    ----------
    name : str
    path : Path
    sha256 : str
        Hash of the file.
    combining_rule : {"geometric", "lorentz-berthelot"}
    charge_scale : float
        Default factor on the charges of ions.
    cutoff, switch : float
        Default cutoff of Lennard-Jones and direct Coulomb, and where the switch begins, nm.
    residues : dict of str to Residue
    classes : dict of str to str
        Class of each atom type.
    terms : dict of str to set of tuple of str
        Classes (or types) that the rows of each bonded term name; "" stands for any.
    """

    name: str
    path: Path
    sha256: str
    combining_rule: str
    charge_scale: float
    cutoff: float
    switch: float
    residues: dict[str, Residue]
    classes: dict[str, str]
    terms: dict[str, frozenset[tuple[str, ...]]]

    def has_term(self, kind: str, types: Sequence[str]) -> bool:
        """Whether a "bond", "angle" or "dihedral" row covers these atom types, in either direction."""
        wanted = [(t, self.classes[t], "") for t in types]
        return any(
            all(name in choice for name, choice in zip(row, way, strict=True))
            for row in self.terms[kind]
            for way in (wanted, wanted[::-1])
        )


def load_force_field(name: str | Path) -> ForceField:
    """Read and check a force field by shipped name or path.

    Raises
    ------
    SpecError
        No such file.
    ForceFieldError
        Malformed XML, a duplicated or unknown atom type, an atom without
        Lennard-Jones row, a residue whose charge is not whole, a bonded row
        that names an unknown class or stands twice, an unknown combining rule,
        or a geometric one that plain OpenMM would not notice.
    """
    path = find(name, "forcefields", ".xml")
    try:
        root = ElementTree.parse(path).getroot()
        return _read(path, root)
    except ElementTree.ParseError as error:
        raise ForceFieldError(f"{path}: not valid XML: {error}") from error
    except KeyError as error:
        raise ForceFieldError(f"{path}: an element lacks its attribute {error}") from error
    except ValueError as error:
        raise ForceFieldError(f"{path}: {error}") from error


def _read(path: Path, root: ElementTree.Element) -> ForceField:
    rule = (root.findtext("Info/CombiningRule") or "lorentz-berthelot").strip()
    if rule not in ("geometric", "lorentz-berthelot"):
        raise ForceFieldError(f'{path}: CombiningRule "{rule}": it must be geometric or lorentz-berthelot')
    scripts = " ".join(script.text or "" for script in root.iterfind("Script"))
    if rule == "geometric" and not re.search(r"args\W.*combiningRule", scripts):
        raise ForceFieldError(
            f"{path}: geometric CombiningRule without the <Script> that stops plain OpenMM, see clp-opls"
        )
    rows = list(root.iterfind("AtomTypes/Type"))
    classes = {row.attrib["name"]: row.attrib["class"] for row in rows}
    for atom_type, times in Counter(row.attrib["name"] for row in rows).items():
        if times > 1:
            raise ForceFieldError(f"{path}: atom type {atom_type} is defined {times} times")
    charges = {row.attrib["type"]: float(row.attrib["charge"]) for row in root.iterfind("NonbondedForce/Atom")}
    residues = {
        row.attrib["name"]: _residue(f"{path}: residue {row.attrib['name']}", row, classes, charges)
        for row in root.iterfind("Residues/Residue")
    }
    scale = float(root.findtext("Info/DefaultChargeScale") or 1.0)
    cutoff = float(root.findtext("Info/Cutoff") or 1.2)
    return ForceField(
        name=path.stem,
        path=path,
        sha256=sha256(path),
        combining_rule=rule,
        charge_scale=check_charge_scale(scale, f"{path}: DefaultChargeScale"),
        cutoff=cutoff,
        switch=float(root.findtext("Info/SwitchDistance") or cutoff - 0.1),
        residues=residues,
        classes=classes,
        terms={kind: _terms(path, root, kind, classes) for kind in _ROWS},
    )


def _residue(where: str, row: ElementTree.Element, classes: dict[str, str], charges: dict[str, float]) -> Residue:
    types = {atom.attrib["name"]: atom.attrib["type"] for atom in row.iterfind("Atom")}
    for atom, atom_type in types.items():
        if atom_type not in classes:
            hint = did_you_mean(atom_type, classes)
            raise ForceFieldError(f'{where}: atom {atom}: no atom type "{atom_type}".{hint}')
        if atom_type not in charges:
            raise ForceFieldError(f"{where}: atom {atom}: type {atom_type} has no NonbondedForce row")
    bonds = frozenset(frozenset((bond.attrib["atomName1"], bond.attrib["atomName2"])) for bond in row.iterfind("Bond"))
    for stray in frozenset[str]().union(*bonds) - types.keys():
        raise ForceFieldError(f"{where}: a bond names {stray}, which is no atom of it.{did_you_mean(stray, types)}")
    total = sum(charges[atom_type] for atom_type in types.values())
    if abs(total - round(total)) > CHARGE_TOLERANCE:
        raise ForceFieldError(f"{where}: charges sum to {total:.6f} e: the sum must be a whole number")
    return Residue(types, bonds, Counter(b.attrib["atomName"] for b in row.iterfind("ExternalBond")), round(total))


def _terms(path: Path, root: ElementTree.Element, kind: str, classes: dict[str, str]) -> frozenset[tuple[str, ...]]:
    known = {*classes, *classes.values(), ""}
    found: set[tuple[str, ...]] = set()
    for row in (row for where in _ROWS[kind] for row in root.iterfind(where)):
        names = tuple(row.attrib.get(f"class{i}", row.attrib.get(f"type{i}", "")) for i in range(1, _LENGTH[kind] + 1))
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known - {""})
                raise ForceFieldError(f'{path}: {kind} {"-".join(names)}: no class "{name}".{hint}')
        if names in found or names[::-1] in found:
            raise ForceFieldError(f"{path}: {kind} {'-'.join(names)} is defined twice")
        found.add(names)
    return frozenset(found)


def check_charge_scale(scale: float, where: str) -> float:
    """Return `scale` if it lies in (0, 1.5]; the error names `where`.

    Raises
    ------
    ForceFieldError
        It does not.
    """
    if not 0 < scale <= 1.5:
        raise ForceFieldError(f"{where} = {scale:g}: it must be above 0 and at most 1.5")
    return scale
