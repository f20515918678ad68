"""Reading a force-field file: what is refused, and that each shipped file says where its rows are from."""

from __future__ import annotations

import re
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from pathlib import Path

import pytest

from mdstudy.base.errors import ForceFieldError, SpecError
from mdstudy.base.library import data_dir
from mdstudy.system.forcefield import load_force_field

Edit = Callable[[str, str], Path]
SHIPPED = sorted(data_dir("forcefields").glob("*.xml"))


@pytest.fixture
def edited(tmp_path: Path) -> Edit:
    """The shipped force field with one text replaced; the text must be there."""

    def edit(old: str, new: str) -> Path:
        text = (data_dir("forcefields") / "clp-opls.xml").read_text(encoding="utf-8")
        assert old in text
        path = tmp_path / "edited.xml"
        path.write_text(text.replace(old, new, 1), encoding="utf-8")
        return path

    return edit


def test_the_shipped_force_field_loads_by_name() -> None:
    field = load_force_field("clp-opls")
    assert (field.combining_rule, field.charge_scale, field.cutoff, field.switch) == ("geometric", 0.8, 1.2, 1.1)
    charges = {name: residue.charge for name, residue in field.residues.items()}
    assert charges == {"LI": 1, "FSI": -1, "P13": 1, "TTE": 0, "MMH": 0, "MMU": 0, "MMT": 0, "MMA": 0} | dict.fromkeys(
        ("MMI", "PEV", "PEU", "PET", "PEO"), 0
    )


@pytest.mark.parametrize(
    ("residue", "formula"),
    [
        ("LI", {"Li": 1}),
        ("FSI", {"N": 1, "S": 2, "O": 4, "F": 2}),
        ("P13", {"C": 8, "H": 18, "N": 1}),
        ("TTE", {"C": 5, "H": 4, "F": 8, "O": 1}),
        ("MMA", {"C": 5, "H": 8, "O": 2}),
        ("MMH", {"C": 5, "H": 9, "O": 2}),
        ("MMU", {"C": 5, "H": 8, "O": 2}),
        ("MMT", {"C": 5, "H": 9, "O": 2}),
        ("MMI", {"C": 5, "H": 10, "O": 2}),
        ("PEV", {"C": 5, "H": 7, "O": 2}),
        ("PEU", {"C": 5, "H": 7, "O": 2}),
        ("PET", {"C": 5, "H": 8, "O": 2}),
        ("PEO", {"C": 2, "H": 4, "O": 1}),
    ],
)
def test_residues_have_the_right_formula(residue: str, formula: dict[str, int]) -> None:
    root = ElementTree.parse(data_dir("forcefields") / "clp-opls.xml").getroot()
    element = {row.attrib["name"]: row.attrib["element"] for row in root.iterfind("AtomTypes/Type")}
    found: dict[str, int] = {}
    for atom_type in load_force_field("clp-opls").residues[residue].types.values():
        found[element[atom_type]] = found.get(element[atom_type], 0) + 1
    assert found == formula


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_row_of_a_shipped_file_names_its_source_and_status(path: Path) -> None:
    root = ElementTree.parse(path).getroot()
    rows = [row for force in root if force.tag.endswith("Force") for row in force]
    assert len(rows) > 100
    assert [row.attrib for row in rows if not row.get("source") or row.get("status") not in ("P", "A", "D", "G")] == []


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_atom_type_of_a_shipped_file_is_used(path: Path) -> None:
    field = load_force_field(path)
    assert set(field.classes) == {t for residue in field.residues.values() for t in residue.types.values()}


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("</ForceField>", "", "not valid XML: no element found: line"),
        ('<Type name="FSI_S" ', '<Type name="FSI_F" ', "atom type FSI_F is defined 2 times"),
        ('name="N1" type="FSI_N"', 'name="N1" type="FSI_NN"', r"residue FSI: atom N1: no atom type .FSI_NN.*FSI_N"),
        ('"FSI_S" charge="1.02"', '"FSI_S" charge="1.00"', r"residue FSI: charges sum to -1\.040000 e"),
        ('"FSI_S" charge="1.02"', '"FSI_S" charge="much"', "could not convert string to float: 'much'"),
        ('"FSI_S" charge="1.02"', '"FSI_S"', "an element lacks its attribute 'charge'"),
        ('<Atom type="FSI_S" charge', '<Atom type="SSS" charge', "residue FSI: atom S1: type FSI_S has no Nonbonded"),
        ('<Bond class1="CF" class2="OS"', '<Bond class1="CF" class2="OSS"', 'bond CF-OSS: no class "OSS"'),
        ('<Bond class1="CF" class2="F"', '<Bond class1="CT" class2="CF"', "bond C[FT]-C[FT] is defined twice"),
        ("<CombiningRule>geometric", "<CombiningRule>geometrical", 'CombiningRule "geometrical"'),
        ("<DefaultChargeScale>0.8", "<DefaultChargeScale>8", "DefaultChargeScale = 8: it must be above 0"),
        ('args.get("combiningRule", None)', 'args.get("rule", None)', "without the <Script> that stops plain OpenMM"),
        ('atomName1="N1" atomName2="S1"', 'atomName1="N1" atomName2="S9"', "residue FSI: a bond names S9"),
        (
            '<Improper class1="C_2" class2="CX"',
            '<Improper class1="C2" class2="CX"',
            'improper C2-CX-OS-O_2: no class "C2"',
        ),
    ],
)
def test_faults_in_a_file_are_named(old: str, new: str, message: str, edited: Edit) -> None:
    path = edited(old, new)
    with pytest.raises(ForceFieldError, match=message) as caught:
        load_force_field(path)
    assert str(caught.value).startswith(str(path))


def test_an_unknown_name_is_told_what_is_shipped() -> None:
    with pytest.raises(SpecError, match="clp-opls"):
        load_force_field("clp-oplss")


def test_a_term_is_found_in_both_directions_and_by_wildcard(edited: Edit) -> None:
    field = load_force_field(edited('class1="HC" class2="CT" class3="CT" class4="HC"', 'class2="CT" class3="CT"'))
    assert field.has_term("angle", ["FSI_F", "FSI_S", "FSI_N"])
    assert field.has_term("angle", ["FSI_N", "FSI_S", "FSI_F"])
    assert not field.has_term("angle", ["FSI_S", "FSI_F", "FSI_N"])
    assert field.has_term("dihedral", ["FSI_F", "PMMA_CB", "PMMA_CQ", "FSI_F"])
    assert not field.has_term("dihedral", ["FSI_F", "PMMA_CB", "FSI_N", "FSI_F"])


STRETCH = 'length="0.157" k="313700.0"'
TORSION = 'periodicity1="1" phase1="0" k1="5.7225" periodicity2="2" phase2="3.14159265358979"'
LITHIUM = 'sigma="0.212645" epsilon="0.0764793"'


@pytest.mark.parametrize(
    ("row", "right", "wrong", "message"),
    [
        (STRETCH, "0.157", "1.57", "bond NB-SB: length = 1.57: between 0.05 and 0.3 nm is expected"),
        (STRETCH, "0.157", "nan", "bond NB-SB: length = nan: between 0.05 and 0.3 nm"),
        (STRETCH, "313700.0", "3137", "bond NB-SB: k = 3137: between 10000 and 2e+06 kJ/mol/nm^2"),
        (STRETCH, "313700.0", "374.9", "bond NB-SB: k = 374.9: between 10000 and 2e+06 kJ/mol/nm^2"),
        ('angle="1.79768913"', "1.79768913", "103.0", "angle FB-SB-NB: angle = 103.0: between 0.5 and 3.14159 rad"),
        ('k="902.0"', "902.0", "107.8", "angle FB-SB-NB: k = 107.8: between 150 and 5000 kJ/mol/rad^2"),
        (TORSION, "3.14159265358979", "180", "dihedral FB-SB-NB-SB: phase2 = 180: between -3.14159 and 6.28319 rad"),
        (TORSION, "5.7225", "5722.5", "dihedral FB-SB-NB-SB: k1 = 5722.5: between -200 and 200 kJ/mol"),
        (TORSION, '1="1"', '1="0"', "dihedral FB-SB-NB-SB: periodicity1 = 0: between 1 and 6 (a count)"),
        ('k1="43.932"', "43.932", "43932", "improper C_2-CT-OS-O_2: k1 = 43932: between -200 and 200 kJ/mol"),
        (LITHIUM, "0.212645", "2.12645", "atom type LI: sigma = 2.12645: between 0.03 and 0.6 nm"),
        (LITHIUM, "0.0764793", "76.4793", "atom type LI: epsilon = 76.4793: between 0 and 50 kJ/mol"),
        (LITHIUM, "0.0764793", "-0.07", "atom type LI: epsilon = -0.07: between 0 and 50 kJ/mol"),
        ('"LI" charge="1.0"', "1.0", "18.2223", "atom type LI: charge = 18.2223: between -3 and 3 e"),
    ],
)
def test_a_number_in_the_wrong_unit_is_named_with_the_right_one(
    row: str, right: str, wrong: str, message: str, edited: Edit
) -> None:
    path = edited(row, row.replace(right, wrong))
    with pytest.raises(ForceFieldError, match=re.escape(message)) as caught:
        load_force_field(path)
    assert str(caught.value).startswith(str(path))


def test_sigma_is_free_where_nothing_depends_on_it(edited: Edit) -> None:
    load_force_field(edited(LITHIUM, 'sigma="1.0" epsilon="0"'))


@pytest.mark.parametrize(
    ("row", "name"),
    [
        ('length="0.157" k="313700.0" status="P"', "bond NB-SB"),
        ('k="902.0" status="P"', "angle FB-SB-NB"),
        ('k3="-1.606" status="P"', "dihedral FB-SB-NB-SB"),
        ('class4="O_2" periodicity1="2" phase1="3.14159265358979" k1="43.932" status="P"', "improper C_2-CT-OS-O_2"),
        ('epsilon="0.0764793" status="P"', "atom type LI"),
    ],
)
@pytest.mark.parametrize("given", ["", ' source=" "'])
def test_a_row_without_a_source_is_refused(row: str, name: str, given: str, tmp_path: Path) -> None:
    text = (data_dir("forcefields") / "clp-opls.xml").read_text(encoding="utf-8")
    path = tmp_path / "edited.xml"
    bare, times = re.subn(re.escape(row) + r' source="[^"]*"', row + given, text, count=1)
    assert times == 1
    path.write_text(bare, encoding="utf-8")
    with pytest.raises(ForceFieldError, match=f"{name}: no source; say where the row is from"):
        load_force_field(path)


def test_a_bond_row_is_found_in_both_directions() -> None:
    field = load_force_field("clp-opls")
    assert field.bond(["TTE_C2", "TTE_O"]) == field.bond(["TTE_O", "TTE_C2"]) == (0.136, 267776.0)
    assert field.bond(["LI", "FSI_O"]) is None
