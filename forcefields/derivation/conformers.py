"""Conformers of a molecule: ETKDG, relaxed in GFN2-xTB, each kept once together with its mirror image.

ETKDGv3: Wang et al., J. Chem. Inf. Model. 60, 2044 (2020), doi 10.1021/acs.jcim.0c00025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from quantum import Floats, tight_binding_surface
from rdkit import Chem
from rdkit.Chem import rdDistGeom
from relax import relax


@dataclass(frozen=True, eq=False)
class Structure:
    """A molecular graph with named atoms.

    Attributes
    ----------
    names, elements : tuple of str
        One an atom; heavy atoms in the order of the SMILES, hydrogens after them, H of C4 called H41, H42, ...
    bonds : tuple of (int, int)
    charge : int
    graph : rdkit.Chem.Mol
        With hydrogens.
    """

    names: tuple[str, ...]
    elements: tuple[str, ...]
    bonds: tuple[tuple[int, int], ...]
    charge: int
    graph: Chem.Mol

    @cached_property
    def symmetry(self) -> tuple[int, ...]:
        """Rank of each atom; atoms that the graph cannot tell apart have the same."""
        return tuple(Chem.CanonicalRankAtoms(self.graph, breakTies=False, includeChirality=False))


def structure(smiles: str, heavy: Sequence[str]) -> Structure:
    """Read a SMILES and name its atoms as :mod:`mdstudy.system.chemistry` does.

    Raises
    ------
    ValueError
        Not one name for each heavy atom.
    """
    bare = Chem.MolFromSmiles(smiles)
    if bare.GetNumAtoms() != len(heavy):
        raise ValueError(f"{smiles}: {bare.GetNumAtoms()} heavy atoms, but {len(heavy)} names")
    graph, names = Chem.AddHs(bare), list(heavy)
    for atom in graph.GetAtoms():
        if atom.GetIdx() >= len(heavy):
            carrier = heavy[atom.GetNeighbors()[0].GetIdx()].removeprefix("C")
            names.append(f"H{carrier}{1 + sum(name.startswith(f'H{carrier}') for name in names[len(heavy) :])}")
    return Structure(
        names=tuple(names),
        elements=tuple(atom.GetSymbol() for atom in graph.GetAtoms()),
        bonds=tuple((bond.GetBeginAtomIdx(), bond.GetEndAtomIdx()) for bond in graph.GetBonds()),
        charge=Chem.GetFormalCharge(graph),
        graph=graph,
    )


def search(molecule: Structure, *, trials: int, window: float, seed: int) -> list[tuple[float, Floats]]:
    """Relative GFN2-xTB energies (kJ/mol) and positions (nm) of the conformers within `window`, lowest first.

    Two conformers are the same if their energies agree within 0.5 kJ/mol and their sorted distances between atoms
    of equal symmetry within 0.03 nm each: permuted and mirrored copies go.
    """
    surface = tight_binding_surface(molecule.elements, molecule.charge)
    graph = Chem.Mol(molecule.graph)
    settings = rdDistGeom.ETKDGv3()
    settings.randomSeed = seed
    found: list[tuple[float, Floats]] = []
    for number in rdDistGeom.EmbedMultipleConfs(graph, trials, settings):
        start = graph.GetConformer(number).GetPositions() / 10
        relaxed = relax(surface, start, molecule.bonds, tolerance=10.0, most=150)
        if relaxed.converged:
            found.append((relaxed.energy, relaxed.positions))
    found.sort(key=lambda each: each[0])
    kept: list[tuple[float, Floats]] = []
    for energy, positions in found:
        if energy > found[0][0] + window:
            break
        mine = fingerprint(molecule, positions)
        if not any(energy - e < 0.5 and np.abs(fingerprint(molecule, p) - mine).max() < 0.03 for e, p in kept):
            kept.append((energy, positions))
    return [(energy - found[0][0], positions) for energy, positions in kept]


def fingerprint(molecule: Structure, positions: Floats) -> Floats:
    """All distances, sorted among pairs of the same symmetry: blind to permutation of like atoms and to mirroring."""
    rank = np.array(molecule.symmetry)
    i, j = np.triu_indices(len(rank), 1)
    kinds = np.sort(np.stack([rank[i], rank[j]]), axis=0)
    lengths = np.linalg.norm(positions[i] - positions[j], axis=1)
    return np.asarray(lengths[np.lexsort((lengths, kinds[1], kinds[0]))])
