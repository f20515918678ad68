"""Methacryloyl units found by chemistry: on molecules written as SMILES, whose states a chemist can read."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import MDAnalysis
import numpy as np
import openmm
import pytest
from openmm import unit
from rdkit import Chem

from mdstudy.base.errors import RunError
from mdstudy.polymer.units import Edges, Units, find_units, from_topology, from_universe, read_units
from mdstudy.run.rundir import RunDir
from mdstudy.system.chemistry import Template, molecule_template
from mdstudy.system.macromolecules import grow, polymer_template
from mdstudy.system.packing import topology, write_structure

BOX = np.diag([3.0, 3.0, 3.0])


def read(smiles: str) -> Units:
    """Units of molecules without extent."""
    molecule = Chem.AddHs(Chem.MolFromSmiles(smiles))
    atoms = molecule.GetAtoms()
    bonds = np.array([(b.GetBeginAtomIdx(), b.GetEndAtomIdx()) for b in molecule.GetBonds()])
    masses = np.array([atom.GetMass() for atom in atoms])
    return find_units([a.GetSymbol() for a in atoms], masses, bonds, np.zeros((len(atoms), 3)), BOX)


def pairs(edges: Edges) -> set[frozenset[int]]:
    return {frozenset(pair) for pair in zip(edges.i.tolist(), edges.j.tolist(), strict=True)}


@pytest.mark.parametrize(
    ("name", "smiles", "reacted"),
    [
        ("methyl methacrylate", "C=C(C)C(=O)OC", [False]),
        ("ethyl acrylate", "C=CC(=O)OCC", [False]),
        ("methyl isobutyrate", "CC(C)C(=O)OC", [True]),
        ("its radical", "C[C](C)C(=O)OC", [True]),
        ("radical with initiator", "N#CC(C)(C)C[C](C)C(=O)OC", [True]),
        ("one end with C=C by disproportionation", "CC(C)(C(=O)OC)CC(=C)C(=O)OC", [True, True]),
        ("the other kind of it", "CC(C)(C(=O)OC)C=C(C)C(=O)OC", [True, True]),
        ("ethylene glycol dimethacrylate", "C=C(C)C(=O)OCCOC(=O)C(C)=C", [False, False]),
        ("half of it reacted", "CC(C)C(=O)OCCOC(=O)C(C)=C", [True, False]),
        ("nothing of the liquid", "C(F)(F)C(F)(F)OCC(F)(F)C(F)F.CCC[N+]1(C)CCCC1.[N-](S(=O)(=O)F)S(=O)(=O)F.[Li+]", []),
        ("an ether and a ketone", "COC(C)C(=O)C=C", []),
    ],
)
def test_a_unit_has_reacted_when_its_double_bond_is_gone(name: str, smiles: str, reacted: list[bool]) -> None:
    assert read(smiles).reacted.tolist() == reacted, name


def test_chain_bonds_join_neighbours_and_heads_that_combined() -> None:
    trimer = read("CC(C)(C(=O)OC)CC(C)(C(=O)OC)CC(C)C(=O)OC")
    assert pairs(trimer.chain) == {frozenset({0, 1}), frozenset({1, 2})}
    assert len(trimer.crosslinks) == 0
    combined = read("CC(C)(C(=O)OC)C(C)(C)C(=O)OC")
    assert pairs(combined.chain) == {frozenset({0, 1})}


@pytest.mark.parametrize("bridge", ["OCCO", "OCCOCCO", "O" + "CCO" * 9, "OCC(C)(C)CO", "OCC(O)CO"])
def test_crosslinks_are_found_whatever_joins_the_ester_groups(bridge: str) -> None:
    monomer = read(f"C=C(C)C(=O){bridge}C(=O)C(C)=C.C=C(C)C(=O)OC")
    assert (len(monomer), len(monomer.chain), pairs(monomer.crosslinks)) == (3, 0, {frozenset({0, 1})})
    two_chains = read(f"CC(C)(C(=O)OC)CC(C)C(=O){bridge}C(=O)C(C)CC(C)(C)C(=O)OC")
    assert two_chains.reacted.all()
    assert pairs(two_chains.chain) == {frozenset({0, 1}), frozenset({2, 3})}
    assert pairs(two_chains.crosslinks) == {frozenset({1, 2})}
    assert two_chains.molecule.tolist() == [0, 0, 0, 0]


def test_a_loop_in_one_chain_is_a_crosslink_between_its_units() -> None:
    loop = read("C1C(C)(C(=O)OC)CC(C)(C)C(=O)OCCOC(=O)C1C")
    assert pairs(loop.chain) == {frozenset({0, 1}), frozenset({0, 2})}
    assert pairs(loop.crosslinks) == {frozenset({1, 2})}


def test_masses_are_those_of_the_molecules_with_units() -> None:
    found = read("[Li+].C=C(C)C(=O)OC.CC(C)(C(=O)OC)CC(C)C(=O)OC")
    assert found.molecule.tolist() == [0, 1, 1]
    np.testing.assert_allclose(found.mass, [100.12, 202.25], atol=0.01)


def around_the_box(closed: bool) -> Units:
    """Twenty units along x, with the last bonded to the first or not, every atom in some image."""
    n = 20
    unit_atoms = ["CA", "CB", "CM", "C", "O1", "O2", "CO"]
    elements, bonds, places = [], [], []
    for k in range(n):
        first = k * len(unit_atoms)
        elements += [name[0] for name in unit_atoms]
        bonds += [(first, first + b) for b in (1, 2, 3)] + [(first + 3, first + 4), (first + 3, first + 5)]
        bonds.append((first + 5, first + 6))
        if closed or k < n - 1:
            bonds.append((first + 1, (first + len(unit_atoms)) % (n * len(unit_atoms))))
        x = 3.0 * k / n
        places += [[x + 0.075 * (name == "CB"), 0.1 * y, 1.0] for y, name in enumerate(unit_atoms)]
    xyz = np.array(places)
    shifts = 3.0 * np.random.default_rng(1).integers(-2, 3, xyz.shape)
    return find_units(elements, np.ones(len(elements)), np.array(bonds), xyz + shifts, BOX)


def test_a_chain_around_the_box_percolates_along_it_and_an_open_one_does_not() -> None:
    assert around_the_box(closed=True).percolates.tolist() == [[True, False, False]]
    assert around_the_box(closed=False).percolates.tolist() == [[False, False, False]]


def test_chain_bonds_lead_to_the_next_image() -> None:
    found = around_the_box(closed=True)
    np.testing.assert_allclose(np.abs(found.chain.vectors(found.positions, found.box)), [[0.15, 0, 0]] * 20, atol=1e-9)


@pytest.fixture(scope="module")
def counted() -> list[tuple[Template, int]]:
    monomer = molecule_template("MMA", "C=C(C)C(=O)OC", "MMA", ["CB", "CA", "CM", "C", "O1", "O2", "CO"], 1)
    chain = polymer_template(3, "syndiotactic", 1)
    return [(replace(chain, conformers=np.array(grow([chain], edge=3.0, seed=1))), 1), (monomer, 2)]


def placed(counted: list[tuple[Template, int]]) -> np.ndarray:
    """The molecules side by side, each one whole."""
    copies = [t.conformers[0] for t, n in counted for _ in range(n)]
    return np.concatenate([xyz + np.array([1.5 * k, 0, 0]) for k, xyz in enumerate(copies)])


def test_openmm_and_mdanalysis_give_the_same_units(counted: list[tuple[Template, int]]) -> None:
    made, xyz = topology(counted, 3.0), placed(counted)
    ours = from_topology(made, xyz, BOX)
    universe = MDAnalysis.Universe.empty(len(xyz), trajectory=True)
    universe.add_TopologyAttr("elements", [atom.element.symbol for atom in made.atoms()])
    universe.add_TopologyAttr("masses", [atom.element.mass.value_in_unit(unit.dalton) for atom in made.atoms()])
    universe.add_TopologyAttr("bonds", [(a.index, b.index) for a, b in made.bonds()])
    universe.atoms.positions, universe.dimensions = 10 * xyz, [30, 30, 30, 90, 90, 90]
    theirs = from_universe(universe)
    assert ours.reacted.tolist() == theirs.reacted.tolist() == [True] * 3 + [False] * 2
    assert pairs(ours.chain) == pairs(theirs.chain) == {frozenset({0, 1}), frozenset({1, 2})}
    np.testing.assert_allclose(ours.positions, theirs.positions, atol=1e-6)
    np.testing.assert_allclose(ours.mass, theirs.mass)
    np.testing.assert_allclose(ours.box, theirs.box, atol=1e-6)


def built(folder: Path, counted: list[tuple[Template, int]]) -> RunDir:
    """What units are read from: topology, start and the names of the stages."""
    run, made, xyz = RunDir(folder), topology(counted, 3.0), placed(counted)
    run.box.mkdir(parents=True)
    write_structure(run.topology, made, xyz)
    system = openmm.System()
    for _ in range(len(xyz)):
        system.addParticle(1.0)
    system.setDefaultPeriodicBoxVectors(*BOX)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    for path, shift in ((run.start_xml, 0.0), (folder / "equilibrate" / "1-settle" / "end.xml", 0.5)):
        path.parent.mkdir(parents=True, exist_ok=True)
        context.setPositions(xyz + shift)
        path.write_text(openmm.XmlSerializer.serialize(context.getState(getPositions=True)), encoding="utf-8")
    run.plan.write_text(json.dumps({"stages": [{"name": "settle"}]}), encoding="utf-8")
    return run


def test_a_run_directory_gives_its_units_where_they_stand_last(
    tmp_path: Path, counted: list[tuple[Template, int]]
) -> None:
    found = read_units(built(tmp_path / "run", counted).path)
    expected = from_topology(topology(counted, 3.0), placed(counted) + 0.5, BOX)
    assert found.reacted.tolist() == expected.reacted.tolist()
    assert pairs(found.chain) == pairs(expected.chain)
    np.testing.assert_allclose(found.positions, expected.positions, atol=1e-6)


def test_a_folder_that_is_no_run_and_a_box_without_polymer_are_named(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"not a built run \(no topology.cif\)"):
        read_units(tmp_path)
    liquid = [(molecule_template("TTE", "COC", "TTE", ["C1", "O1", "C2"], 1), 1)]
    with pytest.raises(RunError, match="no methacrylate in the box"):
        read_units(built(tmp_path / "run", liquid).path)
