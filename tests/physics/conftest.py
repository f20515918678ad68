"""Small boxes for physics tests: molecules by RDKit on a grid, named as the force field names them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from openmm import Vec3, app, unit
from rdkit import Chem
from rdkit.Chem import AllChem

from mdstudy.system.forcefield import ForceField, load_force_field

SMILES = {
    "LI": "[Li+]",
    "FSI": "[N-](S(=O)(=O)F)S(=O)(=O)F",
    "P13": "C[N+]1(CCC)CCCC1",
    "TTE": "FC(F)C(F)(F)OCC(F)(F)C(F)F",
    "MMA": "C=C(C)C(=O)OC",
    "MMH MMU MMT": "CC(C)(C(=O)OC)CC(C)(C(=O)OC)CC(C)C(=O)OC",
}


@dataclass(frozen=True)
class Box:
    """A topology with its box and the positions of all atoms, nm."""

    topology: app.Topology
    positions: NDArray[np.float64]


MakeBox = Callable[..., Box]


def conformer(
    field: ForceField, molecule: str, seed: int
) -> tuple[list[tuple[str, str]], list[tuple[int, int]], Chem.Mol]:
    """Residue and name of each atom in template order, bonds, and an RDKit molecule with atoms in that order."""
    residues = molecule.split()
    atoms = [(residue, name) for residue in residues for name in field.residues[residue].types]
    keys = [(k, name) for k, residue in enumerate(residues) for name in field.residues[residue].types]
    index = {key: i for i, key in enumerate(keys)}
    bonds = [
        (index[k, a], index[k, b])
        for k, residue in enumerate(residues)
        for a, b in map(sorted, field.residues[residue].bonds)
    ]
    bonds += [(index[k, "CA"], index[k + 1, "CB"]) for k in range(len(residues) - 1)]
    query = Chem.RWMol()
    for _, name in atoms:
        symbol = "Li" if name == "LI" else name[0]
        query.AddAtom(Chem.AtomFromSmarts(f"[#{Chem.GetPeriodicTable().GetAtomicNumber(symbol)}]"))
    for a, b in bonds:
        query.AddBond(a, b, Chem.BondType.SINGLE)
        query.ReplaceBond(query.GetNumBonds() - 1, Chem.BondFromSmarts("~"))
    mol = Chem.AddHs(Chem.MolFromSmiles(SMILES[molecule]))
    order = mol.GetSubstructMatch(query)
    assert len(order) == len(atoms) == mol.GetNumAtoms(), f"{molecule}: the template is not this molecule"
    mol = Chem.RenumberAtoms(mol, list(order))
    assert AllChem.EmbedMolecule(mol, randomSeed=seed) == 0
    return atoms, bonds, mol


@pytest.fixture(scope="session")
def make_box() -> MakeBox:
    """Put molecules on a cubic grid: ``make_box(["TTE", "LI"], edge=2.6, seed=1)``."""
    field = load_force_field("clp-opls")

    def make(molecules: list[str], edge: float, seed: int = 1, spacing: float | None = None) -> Box:
        topology, positions = app.Topology(), []
        per_edge = int(np.ceil(len(molecules) ** (1 / 3)))
        step = edge / per_edge if spacing is None else spacing
        sites = [np.array(site) for site in np.ndindex(per_edge, per_edge, per_edge)]
        for i, molecule in enumerate(molecules):
            names, bonds, mol = conformer(field, molecule, seed + i)
            chain, made, last = topology.addChain(), [], ""
            for residue_name, name in names:
                if residue_name != last:
                    residue, last = topology.addResidue(residue_name, chain), residue_name
                element = app.Element.getBySymbol("Li" if name == "LI" else name[0])
                made.append(topology.addAtom(name, element, residue))
            for a, b in bonds:
                topology.addBond(made[a], made[b])
            xyz = mol.GetConformer().GetPositions() / 10
            positions.append(xyz - xyz.mean(axis=0) + (sites[i] + 0.5) * step)
        topology.setPeriodicBoxVectors([Vec3(*row) for row in np.eye(3) * edge] * unit.nanometer)
        return Box(topology, np.concatenate(positions))

    return make
