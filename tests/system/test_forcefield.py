"""Reading a force-field file: what is refused, and that each shipped file says where its rows are from."""

from __future__ import annotations

import copy
import xml.etree.ElementTree as ElementTree
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from mdstudy.base.errors import ForceFieldError, SpecError
from mdstudy.base.library import data_dir
from mdstudy.system.forcefield import load_force_field

SHIPPED = sorted(data_dir("forcefields").glob("*.xml"))
every_file = pytest.mark.parametrize("shipped", SHIPPED, ids=lambda path: path.stem)

NEUTRAL = ("TTE", "MMA", "MMH", "MMU", "MMT")
CHARGES = {"LI": 1, "FSI": -1, "P13": 1} | dict.fromkeys(NEUTRAL, 0)
NETWORK = dict.fromkeys(("MMI", "PEV", "PEU", "PET", "PEO"), 0)

FORMULAS = {
    "LI": {"Li": 1},
    "FSI": {"N": 1, "S": 2, "O": 4, "F": 2},
    "P13": {"C": 8, "H": 18, "N": 1},
    "TTE": {"C": 5, "H": 4, "F": 8, "O": 1},
    "MMA": {"C": 5, "H": 8, "O": 2},
    "MMH": {"C": 5, "H": 9, "O": 2},
    "MMU": {"C": 5, "H": 8, "O": 2},
    "MMT": {"C": 5, "H": 9, "O": 2},
    "MMI": {"C": 5, "H": 10, "O": 2},
    "PEV": {"C": 5, "H": 7, "O": 2},
    "PEU": {"C": 5, "H": 7, "O": 2},
    "PET": {"C": 5, "H": 8, "O": 2},
    "PEO": {"C": 2, "H": 4, "O": 1},
}

# What is done to a file. The names of residues, of their atoms and of the types of FSI- are those of every file.

Change = Callable[[ElementTree.Element], object]
Edit = Callable[[Path, Change], Path]

BOND, ANGLE = "HarmonicBondForce/Bond", "HarmonicAngleForce/Angle"
PROPER, IMPROPER = "PeriodicTorsionForce/Proper", "PeriodicTorsionForce/Improper"
SULFUR, LITHIUM = "NonbondedForce/Atom[@type='FSI_S']", "NonbondedForce/Atom[@type='LI']"
SULFUR_TYPE, NITROGEN = "AtomTypes/Type[@name='FSI_S']", "Residues/Residue[@name='FSI']/Atom[@name='N1']"


def found(root: ElementTree.Element, where: str) -> ElementTree.Element:
    row = root.find(where)
    assert row is not None
    return row


def put(where: str, **attributes: str) -> Change:
    """Change attributes of the first such row, which has them."""

    def change(root: ElementTree.Element) -> None:
        row = found(root, where)
        assert attributes.keys() <= row.attrib.keys()
        row.attrib.update(attributes)

    return change


def drop(where: str, attribute: str) -> Change:
    return lambda root: found(root, where).attrib.pop(attribute)


def say(where: str, text: str) -> Change:
    return lambda root: setattr(found(root, where), "text", text)


def repeat_reversed(root: ElementTree.Element) -> None:
    """The first bond once more, its classes the other way round."""
    row = copy.deepcopy(found(root, BOND))
    row.set("class1", found(root, BOND).attrib["class2"])
    row.set("class2", found(root, BOND).attrib["class1"])
    found(root, "HarmonicBondForce").append(row)


def classes(path: Path, where: str) -> str:
    row = found(ElementTree.parse(path).getroot(), where)
    return "-".join(row.attrib[f"class{i}"] for i in range(1, 5) if f"class{i}" in row.attrib)


@pytest.fixture
def edited(tmp_path: Path) -> Edit:
    def edit(shipped: Path, change: Change) -> Path:
        tree, path = ElementTree.parse(shipped), tmp_path / "edited.xml"
        change(tree.getroot())
        tree.write(path)
        return path

    return edit


# What the shipped files are.


@pytest.mark.parametrize(
    ("name", "settings", "charges"),
    [
        ("clp-opls", ("geometric", 0.8, 1.2, 1.1), CHARGES | NETWORK),
        ("gaff2-resp", ("lorentz-berthelot", 0.8, 1.0, 0.9), CHARGES | NETWORK),
    ],
)
def test_a_shipped_force_field_loads_by_name(name: str, settings: tuple[object, ...], charges: dict[str, int]) -> None:
    field = load_force_field(name)
    assert (field.combining_rule, field.charge_scale, field.cutoff, field.switch) == settings
    assert {name: residue.charge for name, residue in field.residues.items()} == charges


@every_file
def test_residues_have_the_right_formula(shipped: Path) -> None:
    root, residues = ElementTree.parse(shipped).getroot(), load_force_field(shipped).residues
    element = {row.attrib["name"]: row.attrib["element"] for row in root.iterfind("AtomTypes/Type")}
    count = {name: Counter(element[t] for t in residue.types.values()) for name, residue in residues.items()}
    assert count == {name: FORMULAS[name] for name in residues}


def test_residues_have_the_same_atoms_and_bonds_in_every_file() -> None:
    """Names of atoms are how a topology finds its residues, whatever the force field."""
    first, second = (load_force_field(name).residues for name in ("clp-opls", "gaff2-resp"))
    for name, residue in second.items():
        assert residue.types.keys() == first[name].types.keys()
        assert (residue.bonds, residue.external) == (first[name].bonds, first[name].external)


@every_file
def test_every_row_of_a_shipped_file_names_its_source_and_status(shipped: Path) -> None:
    root = ElementTree.parse(shipped).getroot()
    rows = [row for force in root if force.tag.endswith("Force") for row in force]
    assert len(rows) > 100
    assert [row.attrib for row in rows if not row.get("source") or row.get("status") not in ("P", "A", "D", "G")] == []


@every_file
def test_every_atom_type_of_a_shipped_file_is_used(shipped: Path) -> None:
    field = load_force_field(shipped)
    assert set(field.classes) == {t for residue in field.residues.values() for t in residue.types.values()}


# Faults.


@every_file
@pytest.mark.parametrize(
    ("change", "message"),
    [
        (put(SULFUR_TYPE, name="FSI_F"), "atom type FSI_F is defined 2 times"),
        (put(NITROGEN, type="FSI_NN"), r"residue FSI: atom N1: no atom type .FSI_NN.*FSI_N"),
        (put(SULFUR, charge="1.00"), r"residue FSI: charges sum to -[01]\.\d+ e: the sum must be a whole number"),
        (put(SULFUR, charge="much"), "could not convert string to float: 'much'"),
        (drop(SULFUR, "charge"), "an element lacks its attribute 'charge'"),
        (put(SULFUR, type="SSS"), "residue FSI: atom S1: type FSI_S has no NonbondedForce row"),
        (put(BOND, class2="OSS"), r'bond \w+-OSS: no class "OSS"'),
        (put(IMPROPER, class1="C22"), r'improper C22-\w+-\w+-\w+: no class "C22"'),
        (repeat_reversed, r"bond (\w+)-(\w+) is defined twice"),
        (put("Residues/Residue[@name='FSI']/Bond", atomName2="S9"), "residue FSI: a bond names S9"),
        (say("Info/CombiningRule", "geometrical"), 'CombiningRule "geometrical"'),
        (say("Info/DefaultChargeScale", "8"), "DefaultChargeScale = 8: it must be above 0"),
    ],
)
def test_faults_in_a_file_are_named(shipped: Path, change: Change, message: str, edited: Edit) -> None:
    path = edited(shipped, change)
    with pytest.raises(ForceFieldError, match=message) as caught:
        load_force_field(path)
    assert str(caught.value).startswith(str(path))


@every_file
@pytest.mark.parametrize(
    ("where", "attribute", "wrong", "expected"),
    [
        (BOND, "length", "1.57", "between 0.05 and 0.3 nm"),
        (BOND, "length", "nan", "between 0.05 and 0.3 nm"),
        (BOND, "k", "3137", "between 10000 and 2e+06 kJ/mol/nm^2"),
        (BOND, "k", "374.9", "between 10000 and 2e+06 kJ/mol/nm^2"),
        (ANGLE, "angle", "103.0", "between 0.5 and 3.14159 rad"),
        (ANGLE, "k", "107.8", "between 150 and 5000 kJ/mol/rad^2"),
        (PROPER, "phase1", "180", "between -3.14159 and 6.28319 rad"),
        (PROPER, "k1", "5722.5", "between -200 and 200 kJ/mol"),
        (PROPER, "periodicity1", "0", "between 1 and 6 (a count)"),
        (IMPROPER, "k1", "43932", "between -200 and 200 kJ/mol"),
        (LITHIUM, "sigma", "2.12645", "between 0.03 and 0.6 nm"),
        (LITHIUM, "epsilon", "76.4793", "between 0 and 50 kJ/mol"),
        (LITHIUM, "epsilon", "-0.07", "between 0 and 50 kJ/mol"),
        (LITHIUM, "charge", "18.2223", "between -3 and 3 e"),
    ],
)
def test_a_number_in_the_wrong_unit_is_named_with_the_right_one(
    shipped: Path, where: str, attribute: str, wrong: str, expected: str, edited: Edit
) -> None:
    path = edited(shipped, put(where, **{attribute: wrong}))
    kind = {BOND: "bond", ANGLE: "angle", PROPER: "dihedral", IMPROPER: "improper", LITHIUM: "atom type"}[where]
    row = "LI" if where == LITHIUM else classes(shipped, where)
    with pytest.raises(ForceFieldError) as caught:
        load_force_field(path)
    assert str(caught.value) == f"{path}: {kind} {row}: {attribute} = {wrong}: {expected} is expected"


@every_file
@pytest.mark.parametrize(
    ("where", "kind"),
    [(BOND, "bond"), (ANGLE, "angle"), (PROPER, "dihedral"), (IMPROPER, "improper"), (LITHIUM, "atom type")],
)
@pytest.mark.parametrize("change", [lambda w: drop(w, "source"), lambda w: put(w, source=" ")], ids=["none", "empty"])
def test_a_row_without_a_source_is_refused(
    shipped: Path, where: str, kind: str, change: Callable[[str], Change], edited: Edit
) -> None:
    row = "LI" if where == LITHIUM else classes(shipped, where)
    with pytest.raises(ForceFieldError, match=f"{kind} {row}: no source; say where the row is from"):
        load_force_field(edited(shipped, change(where)))


@every_file
def test_sigma_is_free_where_nothing_depends_on_it(shipped: Path, edited: Edit) -> None:
    load_force_field(edited(shipped, put(LITHIUM, sigma="1.0", epsilon="0")))


def test_a_file_that_is_no_xml_is_named(tmp_path: Path) -> None:
    path = tmp_path / "edited.xml"
    path.write_text("<ForceField>", encoding="utf-8")
    with pytest.raises(ForceFieldError, match="not valid XML: no element found: line"):
        load_force_field(path)


def test_a_geometric_rule_that_plain_openmm_would_not_notice_is_refused(edited: Edit) -> None:
    path = edited(data_dir("forcefields") / "gaff2-resp.xml", say("Info/CombiningRule", "geometric"))
    with pytest.raises(ForceFieldError, match="without the <Script> that stops plain OpenMM"):
        load_force_field(path)


def test_an_unknown_name_is_told_what_is_shipped() -> None:
    with pytest.raises(SpecError, match="clp-opls"):
        load_force_field("clp-oplss")


# Finding a term.


def test_a_term_is_found_in_both_directions_and_by_wildcard(edited: Edit) -> None:
    any_ends = put(f"{PROPER}[@class1='HC'][@class2='CT'][@class3='CT'][@class4='HC']", class1="", class4="")
    field = load_force_field(edited(data_dir("forcefields") / "clp-opls.xml", any_ends))
    assert field.has_term("angle", ["FSI_F", "FSI_S", "FSI_N"])
    assert field.has_term("angle", ["FSI_N", "FSI_S", "FSI_F"])
    assert not field.has_term("angle", ["FSI_S", "FSI_F", "FSI_N"])
    assert field.has_term("dihedral", ["FSI_F", "PMMA_CB", "PMMA_CQ", "FSI_F"])
    assert not field.has_term("dihedral", ["FSI_F", "PMMA_CB", "FSI_N", "FSI_F"])


def test_a_bond_row_is_found_in_both_directions() -> None:
    field = load_force_field("clp-opls")
    assert field.bond(["TTE_C2", "TTE_O"]) == field.bond(["TTE_O", "TTE_C2"]) == (0.136, 267776.0)
    assert field.bond(["LI", "FSI_O"]) is None
