"""A force-field file, read and checked on its own, before any topology meets it.

The file is an OpenMM ForceField XML. OpenMM ignores what it does not know, so
the file also says what OpenMM has no place for, in an ``<Info>`` element:
``CombiningRule`` (geometric or lorentz-berthelot), ``DefaultChargeScale``,
``Cutoff`` and ``SwitchDistance`` (nm). OpenMM also skips, silently, bonded rows
that name an unknown class and topology terms that no row covers, and takes a
bond length of 1.5 "nm" for what it says: hence the checks. Every row of a force
names its source in an attribute ``source``.
"""

from __future__ import annotations

import math
import re
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mdstudy.base.errors import ForceFieldError, did_you_mean
from mdstudy.base.library import find
from mdstudy.base.provenance import sha256

#: Largest deviation of a residue's unscaled charge from a whole number, e.
CHARGE_TOLERANCE = 1e-6

_ROWS = {
    "bond": ("HarmonicBondForce/Bond",),
    "angle": ("HarmonicAngleForce/Angle",),
    "dihedral": ("PeriodicTorsionForce/Proper", "RBTorsionForce/Proper"),
    "improper": ("PeriodicTorsionForce/Improper", "RBTorsionForce/Improper"),
}
_LENGTH = {"bond": 2, "angle": 3, "dihedral": 4, "improper": 4}

_TORSION = {
    "periodicity": (1.0, 6.0, "(a count)"),
    "phase": (-math.pi, 2 * math.pi, "rad"),
    "k": (-200.0, 200.0, "kJ/mol"),
    "c": (-400.0, 400.0, "kJ/mol"),
}
#: Least and most that each number of a row may be, and its unit: wider than any molecular force field needs, narrower
#: than a mistaken unit (angstrom, degrees, kcal/mol, k without its half per angstrom^2) leaves it.
_MAGNITUDES = {
    "bond": {"length": (0.05, 0.3, "nm"), "k": (1e4, 2e6, "kJ/mol/nm^2")},
    "angle": {"angle": (0.5, math.pi, "rad"), "k": (150.0, 5000.0, "kJ/mol/rad^2")},
    "dihedral": _TORSION,
    "improper": _TORSION,
    "atom type": {"charge": (-3.0, 3.0, "e"), "sigma": (0.03, 0.6, "nm"), "epsilon": (0.0, 50.0, "kJ/mol")},
}


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
    bonds : dict of (str, str) to (float, float)
        Classes (or types) of each bond row, in the order of the file, to length (nm) and k (kJ/mol/nm^2).
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
    bonds: dict[tuple[str, ...], tuple[float, float]]

    def has_term(self, kind: str, types: Sequence[str]) -> bool:
        """Whether a "bond", "angle" or "dihedral" row covers these atom types, in either direction."""
        return any(self._covers(row, types) for row in self.terms[kind])

    def bond(self, types: Sequence[str]) -> tuple[float, float] | None:
        """Length (nm) and k (kJ/mol/nm^2) of the first row that covers two atom types, as OpenMM takes it."""
        return next((values for row, values in self.bonds.items() if self._covers(row, types)), None)

    def _covers(self, row: tuple[str, ...], types: Sequence[str]) -> bool:
        wanted = [(t, self.classes[t], "") for t in types]
        return any(all(name in choice for name, choice in zip(row, way, strict=True)) for way in (wanted, wanted[::-1]))


def load_force_field(name: str | Path) -> ForceField:
    """Read and check a force field by shipped name or path.

    Raises
    ------
    SpecError
        No such file.
    ForceFieldError
        Malformed XML, a duplicated or unknown atom type, an atom without
        Lennard-Jones row, a residue whose charge is not whole, a bonded row
        that names an unknown class or stands twice, a row without a source or
        with a number that its unit does not allow, an unknown combining rule,
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
    for row in root.iterfind("NonbondedForce/Atom"):
        _check_row(path, "atom type", row.attrib["type"], row)
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
        bonds={
            _names(row, "bond"): (float(row.attrib["length"]), float(row.attrib["k"]))
            for row in root.iterfind("HarmonicBondForce/Bond")
        },
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
        names = _names(row, kind)
        for name in names:
            if name not in known:
                hint = did_you_mean(name, known - {""})
                raise ForceFieldError(f'{path}: {kind} {"-".join(names)}: no class "{name}".{hint}')
        if names in found or names[::-1] in found:
            raise ForceFieldError(f"{path}: {kind} {'-'.join(names)} is defined twice")
        _check_row(path, kind, "-".join(names), row)
        found.add(names)
    return frozenset(found)


def _names(row: ElementTree.Element, kind: str) -> tuple[str, ...]:
    return tuple(row.attrib.get(f"class{i}", row.attrib.get(f"type{i}", "")) for i in range(1, _LENGTH[kind] + 1))


def _check_row(path: Path, kind: str, name: str, row: ElementTree.Element) -> None:
    """The row says where it is from, and no number of it is outside its :data:`_MAGNITUDES`."""
    if not row.get("source", "").strip():
        raise ForceFieldError(f'{path}: {kind} {name}: no source; say where the row is from: source="..."')
    for attribute, text in row.attrib.items():
        what = attribute.rstrip("0123456789")  # k1, phase2, periodicity3
        if what not in _MAGNITUDES[kind] or (what == "sigma" and float(row.attrib["epsilon"]) == 0):
            continue
        low, high, unit = _MAGNITUDES[kind][what]
        if not low <= float(text) <= high:
            expected = f"between {low:g} and {high:.6g} {unit} is expected"
            raise ForceFieldError(f"{path}: {kind} {name}: {attribute} = {text}: {expected}")


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
