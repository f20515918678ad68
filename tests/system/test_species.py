from __future__ import annotations

from pathlib import Path

import pytest
from rdkit import Chem
from rdkit.Chem.rdMolDescriptors import CalcMolFormula

from mdstudy.base.errors import SpecError
from mdstudy.base.library import names
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.species import (
    ATOMIC_MASS,
    FOLDER,
    Crosslinker,
    Molecule,
    Polymer,
    Salt,
    all_species,
    formula_mass,
    load_species,
    parse_formula,
    substance_mass,
)

SHIPPED = names(FOLDER, ".toml")

MOLECULE = """
kind = "molecule"
title = "methanol"
smiles = "CO"
formula = "CH4O"
charge = 0
residue = "MOH"
atoms = ["C1", "O1"]
molar_volume = "40.7 cm^3/mol"
source = "density 0.787 g/cm^3"
[sites]
O = ["O1"]
"""
SALT = """
kind = "salt"
title = "a salt"
ions = { Li = 1, FSI = 1 }
"""


def fault(folder: Path, text: str) -> str:
    file = folder / "made.toml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        load_species(file)
    message = str(caught.value)
    assert message.startswith(f"{file}: ")
    assert "\n" not in message
    return message.removeprefix(f"{file}: ")


def test_a_formula_is_counted() -> None:
    assert parse_formula("C5H4F8O") == {"C": 5, "H": 4, "F": 8, "O": 1}
    assert parse_formula("LiCLi2") == {"Li": 3, "C": 1}


@pytest.mark.parametrize(
    ("formula", "words"),
    [
        ("", "not a chemical formula"),
        ("C5h4", "not a chemical"),
        ("Xe", "no atomic mass of Xe"),
        ("H2O+", "not a chem"),
    ],
)
def test_what_is_no_formula_is_refused(formula: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_formula(formula)


def test_masses_are_sums_of_standard_atomic_masses() -> None:
    """Li 6.94, N 14.007, S 32.06, O 15.999, F 18.998403163 (IUPAC 2021)."""
    fsi = 14.007 + 2 * 32.06 + 4 * 15.999 + 2 * 18.998403163
    assert formula_mass("F2NO4S2") == pytest.approx(fsi, rel=1e-15)
    assert substance_mass(load_species("LiFSI")) == pytest.approx(fsi + 6.94, rel=1e-15)
    for element, mass in ATOMIC_MASS.items():
        assert mass == pytest.approx(Chem.GetPeriodicTable().GetAtomicWeight(element), abs=0.011)


def test_a_chain_is_its_units_and_its_ends() -> None:
    chain = load_species("PMMA")
    assert isinstance(chain, Polymer)
    assert chain.chain_atoms(10) == 10 * 15 + 2
    assert chain.chain_mass(10) == pytest.approx(10 * formula_mass("C5H8O2") + 2 * 1.008, rel=1e-15)


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ('kind = "molecule"', 'kind = "molecul"', 'kind: "molecul" is none. Did you mean "molecule"?'),
        ('kind = "molecule"\n', "", 'kind: "" is none. Known: crosslinker, molecule, polymer, salt.'),
        ("formula =", "formla =", 'formla: no such field. Did you mean "formula"?'),
        ('"CH4O"', '"CH4Q"', '(whole file): "CH4Q": no atomic mass of Q here.'),
        ('O = ["O1"]', 'O = ["O2"]', "sites.O: no atom O2. Known: C1, O1."),
        ('source = "density 0.787 g/cm^3"\n', "", "molar_volume needs its source"),
        ('"40.7 cm^3/mol"', "40.7", 'molar_volume: 40.7: a molar volume needs its unit, for example "150.7 cm^3/mol"'),
        ("charge = 0\n", "", "charge: is missing"),
    ],
)
def test_a_fault_is_one_line_with_file_and_field(tmp_path: Path, old: str, new: str, message: str) -> None:
    assert MOLECULE.count(old) == 1
    assert message in fault(tmp_path, MOLECULE.replace(old, new))


def test_faults_of_a_salt_are_told_in_the_words_of_salts(tmp_path: Path) -> None:
    assert fault(tmp_path, SALT.replace("ions", "iosn")).startswith('iosn: no such field. Did you mean "ions"?')
    assert fault(tmp_path, SALT.replace("Li = 1", "Li = 0")).startswith("ions.Li: Input should be greater than 0")
    assert fault(tmp_path, SALT.replace("Li = 1", "Li = 2")) == "ions: the formula unit carries a charge of +1 e"
    assert fault(tmp_path, SALT.replace("Li = 1", "Na = 1")).startswith('ions.Na: "Na": no such file')
    assert fault(tmp_path, SALT.replace("FSI = 1", "PMMA = 1")) == "ions.PMMA: not a molecule"


# Contract of every shipped file.


@pytest.mark.parametrize("name", SHIPPED)
def test_a_shipped_species_has_its_file_name_and_a_title(name: str) -> None:
    species = load_species(name)
    assert species.name == name
    assert all_species()[name] == species
    assert species.title
    assert "#" not in species.title


@pytest.mark.parametrize("name", [n for n in SHIPPED if isinstance(load_species(n), Molecule)])
def test_formula_charge_and_atoms_of_a_molecule_agree_with_its_smiles(name: str) -> None:
    species = load_species(name)
    assert isinstance(species, Molecule)
    molecule = Chem.MolFromSmiles(species.smiles)
    elements = parse_formula(CalcMolFormula(Chem.AddHs(molecule)).rstrip("+-"))
    assert elements == parse_formula(species.formula)
    assert Chem.GetFormalCharge(molecule) == species.charge
    assert len(species.atoms) == molecule.GetNumAtoms()
    symbols = [atom.GetSymbol().upper() for atom in molecule.GetAtoms()]
    assert all(label.startswith(symbol) for label, symbol in zip(species.atoms, symbols, strict=True))


@pytest.mark.parametrize("name", [n for n in SHIPPED if not isinstance(load_species(n), Salt)])
def test_the_force_field_knows_the_residues_with_the_atoms_of_the_sites(name: str) -> None:
    species, field = load_species(name), load_force_field("clp-opls")
    assert not isinstance(species, Salt)
    for residue in species.residues:
        assert residue in field.residues, f"{name}: no residue {residue}"
        known = field.residues[residue].types.keys()
        heavy = species.atoms if isinstance(species, Molecule) else ()
        assert set(heavy) <= known
        for site, atoms in species.sites.items():
            # The halves of a crosslinker and what is between them have different atoms.
            elsewhere = isinstance(species, Crosslinker) and not set(atoms) & known
            assert set(atoms) <= known or elsewhere, f"{name}.{site} in {residue}"
    everything = {atom for residue in species.residues for atom in field.residues[residue].types}
    assert {atom for atoms in species.sites.values() for atom in atoms} <= everything
    charges = [field.residues[residue].charge for residue in species.residues]
    assert charges == [species.charge] * len(charges)


def test_no_two_species_share_a_residue() -> None:
    residues = [r for s in all_species().values() if not isinstance(s, Salt) for r in s.residues]
    assert len(residues) == len(set(residues))
