from __future__ import annotations

import numpy as np
import pytest

from mdstudy.base.errors import BuildError
from mdstudy.system.chemistry import (
    Template,
    check_geometry,
    extent,
    molecule_template,
)
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.species import Molecule, all_species

MOLECULES = {name: s for name, s in all_species().items() if isinstance(s, Molecule)}


def template_of(name: str, seed: int = 1) -> Template:
    species = MOLECULES[name]
    return molecule_template(name, species.smiles, species.residue, species.atoms, seed, n_conformers=2)


@pytest.mark.parametrize("name", sorted(MOLECULES))
def test_a_molecule_has_the_atoms_and_bonds_that_the_force_field_expects(name: str) -> None:
    made, residue = template_of(name), load_force_field("clp-opls").residues[MOLECULES[name].residue]
    assert len(set(made.atom_names)) == made.n_atoms
    assert set(made.atom_names) == residue.types.keys()
    bonds = {frozenset((made.atom_names[i], made.atom_names[j])) for i, j in made.bonds}
    assert bonds == residue.bonds
    assert made.charge == residue.charge == MOLECULES[name].charge
    assert made.residues == ((MOLECULES[name].residue, slice(0, made.n_atoms)),)
    np.testing.assert_allclose(made.conformers.mean(axis=1), 0.0, atol=1e-12)


def test_hydrogens_are_named_after_the_atom_that_carries_them() -> None:
    made = template_of("Pyr13")
    for i, j in made.bonds:
        pair = sorted((i, j), key=lambda k: made.elements[k] == "H")
        carrier, other = (made.atom_names[k] for k in pair)
        if made.elements[pair[1]] == "H":
            assert other[1:-1] == carrier.removeprefix("C")


def test_the_same_seed_gives_the_same_conformers_and_another_seed_others() -> None:
    first, again, other = template_of("TTE", 3), template_of("TTE", 3), template_of("TTE", 4)
    np.testing.assert_array_equal(first.conformers, again.conformers)
    assert not np.allclose(first.conformers, other.conformers, atol=1e-3)


def test_the_hands_of_a_smiles_are_kept() -> None:
    """L-alanine: seen from H, the groups NH2, COOH and CH3 turn the other way than in D-alanine."""
    volumes = []
    for mark in ("@", "@@"):
        made = molecule_template("Ala", f"N[C{mark}H](C)C(=O)O", "ALA", ("N1", "C1", "C2", "C3", "O1", "O2"), seed=1)
        place = dict(zip(made.atom_names, np.moveaxis(made.conformers, 1, 0), strict=True))
        arms = np.stack([place[name] - place["C1"] for name in ("N1", "C2", "C3")], axis=1)
        signs = np.sign(np.linalg.det(arms))
        assert len(set(signs)) == 1
        volumes.append(signs[0])
    assert volumes[0] == -volumes[1]


@pytest.mark.parametrize(
    ("smiles", "atoms", "words"),
    [
        ("C(C", ("C1", "C2"), 'methane: RDKit cannot read the SMILES "C\\(C"'),
        ("CC", ("C1",), "methane: 1 atom names for 2 heavy atoms"),
        ("CC", ("C1", "C1"), "methane: atom name C1 of residue MTH: names must be unique"),
        ("CC", ("C1", "CARBON"), "methane: atom name CARBON of residue MTH"),
    ],
)
def test_a_structure_that_does_not_fit_its_names_is_refused(smiles: str, atoms: tuple[str, ...], words: str) -> None:
    with pytest.raises(BuildError, match=words):
        molecule_template("methane", smiles, "MTH", atoms, seed=1)


@pytest.mark.parametrize(
    ("bonds", "distance", "fault"),
    [
        ([[0, 1]], 0.154, ""),
        ([[0, 1]], 0.180, "impossible bond of 0.180 nm between C1 (0) and C2 (1)"),
        ([[0, 1]], 0.110, "impossible bond of 0.110 nm between C1 (0) and C2 (1)"),
        ([], 0.170, "impossible contact of 0.170 nm between C1 (0) and C2 (1)"),
        ([], 0.180, ""),
    ],
)
def test_a_bond_or_contact_out_of_range_is_named(bonds: list[list[int]], distance: float, fault: str) -> None:
    """Two carbons, of covalent radius 0.076 nm: bonded from 0.114 to 0.175 nm."""
    conformers = np.array([[[0.0, 0, 0], [distance, 0, 0]]])
    pairs = np.array(bonds, dtype=np.int64).reshape(-1, 2)
    made = Template("C2", (("C2", slice(0, 2)),), ("C1", "C2"), ("C", "C"), pairs, 0, conformers)
    if not fault:
        check_geometry(made)
        return
    with pytest.raises(BuildError) as caught:
        check_geometry(made)
    assert str(caught.value) == f"C2: {fault}"


def test_the_extent_is_the_greatest_distance() -> None:
    assert extent(np.zeros((1, 3))) == 0.0
    assert extent(np.array([[0.0, 0, 0], [3.0, 4.0, 0], [1.0, 0, 0]])) == 5.0
