"""Molecules in three dimensions: from a SMILES to named atoms, bonds and conformers.

RDKit reads the structure, embeds conformers (ETKDGv3, Wang et al., J. Chem. Inf. Model. 60, 2044 (2020),
doi 10.1021/acs.jcim.0c00025) and relaxes them in MMFF94 (Halgren, J. Comput. Chem. 17, 490 (1996)) or, where that
lacks parameters, in UFF. These geometries only start a simulation; its force field is another matter.

Order of atoms in each residue: the heavy atoms in the order of the SMILES, then the hydrogens in the order of the
atoms that carry them. A hydrogen is called H, the name of its carrier without the leading C, and a number from 1:
H51 H52 H53 on C5, HB1 HB2 on CB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from scipy.spatial.distance import pdist, squareform

from mdstudy.base.errors import BuildError

#: Two atoms are bonded if they are nearer than this multiple of the sum of their covalent radii.
_BONDED = 1.15
_SHORTEST = 0.75


@dataclass(frozen=True, eq=False)
class Template:
    """One kind of molecule, ready to be placed in a box.

    Attributes
    ----------
    name : str
        The species.
    residues : tuple of (str, slice)
        Residue names and the atoms of each, contiguous and in order.
    atom_names, elements : tuple of str
        One an atom.
    bonds : (n_bonds, 2) int array
        Pairs of atom indices, the lower first, sorted.
    charge : int
        Formal charge, e.
    conformers : (n_conformers, n_atoms, 3) float array
        Coordinates, nm, each conformer centred on its geometric centre. A chain has none: it is grown in its box.
    hands : (n_units,) int array, optional
        Of a chain: the hand of each unit, see :func:`mdstudy.system.chains.grow_chains`.
    """

    name: str
    residues: tuple[tuple[str, slice], ...]
    atom_names: tuple[str, ...]
    elements: tuple[str, ...]
    bonds: NDArray[np.int64]
    charge: int
    conformers: NDArray[np.float64]
    hands: NDArray[np.int64] | None = None

    @property
    def n_atoms(self) -> int:
        """Atoms of one molecule."""
        return len(self.atom_names)


def molecule_template(
    name: str, smiles: str, residue: str, atoms: Sequence[str], seed: int, *, n_conformers: int = 4
) -> Template:
    """Make the template of a molecule of one residue.

    Parameters
    ----------
    name : str
        The species, for messages.
    smiles : str
        Structure with formal charges.
    residue : str
        Residue name.
    atoms : sequence of str
        Names of the heavy atoms in the order of the SMILES.
    seed : int
        Seed of the conformers.
    n_conformers : int
        How many conformers to make (a single atom has one).

    Raises
    ------
    BuildError
        The SMILES cannot be read, the names do not fit it, or no sound conformer was found.
    """
    return residue_template(name, smiles, [(residue, tuple(atoms))], seed, n_conformers, n_conformers)


def check_geometry(template: Template) -> None:
    """Check that the bonds seen in each conformer are those of the structure.

    Two atoms count as bonded when nearer than 1.15 times the sum of their covalent radii, so that an overlap shows as
    an extra bond and a stretched bond as a missing one; a bond below 0.75 of the sum is too short.

    Raises
    ------
    BuildError
        Names the atoms and their distance.
    """
    table = Chem.GetPeriodicTable()
    radii = np.array([table.GetRcovalent(element) for element in template.elements]) / 10.0
    bonded = np.zeros((template.n_atoms, template.n_atoms), dtype=bool)
    bonded[tuple(template.bonds.T)] = True
    bonded |= bonded.T
    for positions in template.conformers:
        distances = squareform(pdist(positions))
        ratio = distances / (radii[:, None] + radii)
        wrong = ((ratio < _BONDED) != bonded) | (bonded & (ratio < _SHORTEST))
        np.fill_diagonal(wrong, False)
        if wrong.any():
            i, j = np.argwhere(wrong)[0]
            kind = "bond" if bonded[i, j] else "contact"
            pair = f"{template.atom_names[i]} ({i}) and {template.atom_names[j]} ({j})"
            raise BuildError(f"{template.name}: impossible {kind} of {distances[i, j]:.3f} nm between {pair}")


def residue_template(
    name: str, smiles: str, residues: Sequence[tuple[str, tuple[str, ...]]], seed: int, keep: int, candidates: int
) -> Template:
    """Make the template of a molecule whose heavy atoms, in the order of the SMILES, fill one residue after another.

    Parameters
    ----------
    name, smiles : str
    residues : sequence of (str, tuple of str)
        Residue names and the names of their heavy atoms.
    seed : int
        Seed of the conformers.
    keep, candidates : int
        How many conformers to keep, the most coiled, and of how many.

    Raises
    ------
    BuildError
        As for :func:`molecule_template`.
    """
    molecule, order, template = read_structure(name, smiles, residues)
    return _most_coiled(template, _conformers(name, molecule, seed, keep, candidates)[:, order], keep)


def read_structure(
    name: str, smiles: str, residues: Sequence[tuple[str, tuple[str, ...]]]
) -> tuple[Any, list[int], Template]:
    """Read a molecule of some residues; parameters of :func:`residue_template`.

    Returns
    -------
    molecule : rdkit.Chem.Mol
    order : list of int
        Numbers that its atoms have there.
    template : Template
        Without conformers.
    """
    parsed = Chem.MolFromSmiles(smiles)
    if parsed is None:
        raise BuildError(f'{name}: RDKit cannot read the SMILES "{smiles}"')
    named = sum(len(atoms) for _, atoms in residues)
    if parsed.GetNumAtoms() != named:
        raise BuildError(f'{name}: {named} atom names for {parsed.GetNumAtoms()} heavy atoms of "{smiles}"')
    molecule = Chem.AddHs(parsed)
    order: list[int] = []
    names: list[str] = []
    slices: list[tuple[str, slice]] = []
    first = 0
    for residue, heavy in residues:
        indices, labels = _with_hydrogens(molecule, first, heavy)
        first += len(heavy)
        faulty = [label for label in labels if labels.count(label) > 1 or len(label) > 4]
        if faulty:
            raise BuildError(
                f"{name}: atom name {faulty[0]} of residue {residue}: names must be unique, of 4 characters at most"
            )
        slices.append((residue, slice(len(order), len(order) + len(indices))))
        order += indices
        names += labels
    rank = np.argsort(order)
    pairs = [(rank[bond.GetBeginAtomIdx()], rank[bond.GetEndAtomIdx()]) for bond in molecule.GetBonds()]
    template = Template(
        name=name,
        residues=tuple(slices),
        atom_names=tuple(names),
        elements=tuple(molecule.GetAtomWithIdx(i).GetSymbol() for i in order),
        bonds=np.array(sorted((min(pair), max(pair)) for pair in pairs), dtype=np.int64).reshape(-1, 2),
        charge=Chem.GetFormalCharge(molecule),
        conformers=np.empty((0, len(names), 3)),
    )
    return molecule, order, template


def _most_coiled(template: Template, positions: NDArray[np.float64], keep: int) -> Template:
    """The template with the `keep` conformers of least extent, centred and checked."""
    positions = positions - positions.mean(axis=1, keepdims=True)
    if len(positions) > keep:
        positions = positions[np.argsort([extent(p) for p in positions], kind="stable")[:keep]]
    made = replace(template, conformers=positions)
    check_geometry(made)
    return made


def _with_hydrogens(molecule: Any, first: int, heavy: tuple[str, ...]) -> tuple[list[int], list[str]]:
    """RDKit indices and names of one residue: the heavy atoms from `first` on, then their hydrogens."""
    indices = list(range(first, first + len(heavy)))
    labels = list(heavy)
    for index, carrier in zip(range(first, first + len(heavy)), heavy, strict=True):
        neighbours = molecule.GetAtomWithIdx(index).GetNeighbors()
        hydrogens = sorted(atom.GetIdx() for atom in neighbours if atom.GetAtomicNum() == 1)
        indices += hydrogens
        labels += [f"H{carrier.removeprefix('C')}{number}" for number in range(1, len(hydrogens) + 1)]
    return indices, labels


def _conformers(name: str, molecule: Any, seed: int, keep: int, candidates: int) -> NDArray[np.float64]:
    """Relaxed coordinates, nm, of `candidates` conformers, of which `keep` at least must be found."""
    n_atoms = molecule.GetNumAtoms()
    if n_atoms == 1:
        return np.zeros((1, 1, 3))
    settings: Any = rdDistGeom.ETKDGv3()
    settings.randomSeed = seed % (2**31 - 1)
    made = list(rdDistGeom.EmbedMultipleConfs(molecule, candidates, settings))
    if len(made) < keep:
        settings.useRandomCoords = True
        made = list(rdDistGeom.EmbedMultipleConfs(molecule, candidates, settings))
    if len(made) < keep:
        raise BuildError(f"{name}: RDKit embedded {len(made)} of {keep} conformers; try another seed")
    if rdForceFieldHelpers.MMFFHasAllMoleculeParams(molecule):
        rdForceFieldHelpers.MMFFOptimizeMoleculeConfs(molecule, maxIters=500)
    else:
        rdForceFieldHelpers.UFFOptimizeMoleculeConfs(molecule, maxIters=500)
    return np.array([molecule.GetConformer(i).GetPositions() for i in made]) / 10.0


def extent(positions: NDArray[np.float64]) -> float:
    """Greatest distance between two atoms, nm.

    Parameters
    ----------
    positions : (n_atoms, 3) float array
        Coordinates, nm.
    """
    return float(pdist(positions).max()) if len(positions) > 1 else 0.0
