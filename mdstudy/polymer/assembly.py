"""The atoms, residues and bonds of a box whose molecules react: what a force field sees, in plain arrays."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from openmm import Vec3, app, unit

from mdstudy.base.graphs import connect
from mdstudy.system.chemistry import Template
from mdstudy.system.forcefield import Residue

#: Largest ring inside a residue that is looked for.
_RING = 8


@dataclass(frozen=True, eq=False)
class Assembly:
    """Atoms sorted by residue.

    Attributes
    ----------
    residues : tuple of str
        Name of each residue.
    origin : (n_residues,) int array
        Molecule of which each residue was before anything reacted.
    residue_of : (n_atoms,) int array
        Residue of each atom, ascending.
    names, elements : tuple of str
        One an atom.
    bonds : (n_bonds, 2) int array
        The lower atom first, sorted.
    """

    residues: tuple[str, ...]
    origin: NDArray[np.int64]
    residue_of: NDArray[np.int64]
    names: tuple[str, ...]
    elements: tuple[str, ...]
    bonds: NDArray[np.int64]

    @property
    def n_atoms(self) -> int:
        """Atoms in the box."""
        return len(self.names)

    def find(self, atom: str, residues: Iterable[int]) -> NDArray[np.int64]:
        """Index of the atom of this name in each residue."""
        return np.array([self._index[atom, int(r)] for r in residues], dtype=np.int64)

    @cached_property
    def _index(self) -> dict[tuple[str, int], int]:
        return {key: i for i, key in enumerate(zip(self.names, self.residue_of.tolist(), strict=True))}

    def molecules(self) -> NDArray[np.int64]:
        """Number of the molecule of each residue: what bonds hold together, counted by the first residue."""
        i, j = self.residue_of[self.bonds].T
        return connect(i, j, np.zeros((len(i), 3), dtype=np.int64), len(self.residues)).label.astype(np.int64)

    def rings(self) -> list[list[int]]:
        """Atoms of the smallest ring through each bond inside a residue, in order around it, each ring once."""
        inside = self.bonds[self.residue_of[self.bonds[:, 0]] == self.residue_of[self.bonds[:, 1]]]
        while (dangling := (np.bincount(inside.ravel())[inside] == 1).any(axis=1)).any():
            inside = inside[~dangling]
        neighbours: dict[int, list[int]] = {}
        for a, b in inside.tolist():
            neighbours.setdefault(a, []).append(b)
            neighbours.setdefault(b, []).append(a)
        found = {tuple(sorted(ring)): ring for a, b in inside.tolist() if (ring := _way_round(a, b, neighbours))}
        return list(found.values())


def _way_round(start: int, goal: int, neighbours: Mapping[int, list[int]]) -> list[int]:
    """Shortest path from `start` to `goal` that is not their bond; empty if it is longer than a ring."""
    paths = [[start, atom] for atom in neighbours[start] if atom != goal]
    for _ in range(_RING - 2):
        paths = [[*path, atom] for path in paths for atom in neighbours[path[-1]] if atom not in path]
        for path in paths:
            if path[-1] == goal:
                return path
    return []


def assemble(counted: Sequence[tuple[Template, int]]) -> Assembly:
    """Molecules in the order of :func:`mdstudy.system.packing.pack`.

    Parameters
    ----------
    counted : sequence of (Template, int)
        Molecules and their counts.
    """
    residues: list[str] = []
    origin: list[int] = []
    residue_of: list[int] = []
    names: list[str] = []
    elements: list[str] = []
    bonds: list[NDArray[np.int64]] = []
    for template, count in counted:
        for _ in range(count):
            bonds.append(template.bonds + len(names))
            molecule = origin[-1] + 1 if origin else 0
            for name, atoms in template.residues:
                residue_of += [len(residues)] * len(template.atom_names[atoms])
                residues.append(name)
                origin.append(molecule)
            names += template.atom_names
            elements += template.elements
    return Assembly(
        residues=tuple(residues),
        origin=np.array(origin, dtype=np.int64),
        residue_of=np.array(residue_of, dtype=np.int64),
        names=tuple(names),
        elements=tuple(elements),
        bonds=np.concatenate(bonds).reshape(-1, 2),
    )


def reorder(
    assembly: Assembly, residues: Sequence[int], known: Mapping[str, Residue]
) -> tuple[Assembly, NDArray[np.int64]]:
    """Sort residues, and the atoms of each as its residue of the force field has them.

    Parameters
    ----------
    assembly : Assembly
    residues : sequence of int
        Old number of each residue, in the new order.
    known : mapping of str to Residue
        Residues of the force field.

    Returns
    -------
    Assembly
        The same molecules.
    order : (n_atoms,) int array
        Old number of each atom, in the new order.
    """
    rank = {name: {atom: k for k, atom in enumerate(known[name].types)} for name in set(assembly.residues)}
    new_residue = np.argsort(np.asarray(residues))
    within = np.array(
        [
            rank[assembly.residues[residue]][name]
            for residue, name in zip(assembly.residue_of, assembly.names, strict=True)
        ]
    )
    order = np.lexsort((within, new_residue[assembly.residue_of]))
    new_atom = np.argsort(order)
    bonds = np.sort(new_atom[assembly.bonds], axis=1)
    return (
        replace(
            assembly,
            residues=tuple(assembly.residues[r] for r in residues),
            origin=assembly.origin[np.asarray(residues)],
            residue_of=new_residue[assembly.residue_of][order],
            names=tuple(assembly.names[i] for i in order),
            elements=tuple(assembly.elements[i] for i in order),
            bonds=bonds[np.lexsort((bonds[:, 1], bonds[:, 0]))],
        ),
        order,
    )


def topology(assembly: Assembly, edges: NDArray[np.float64], chains: Sequence[str] | None = None) -> app.Topology:
    """Topology for OpenMM.

    Parameters
    ----------
    assembly : Assembly
    edges : (3,) float array
        Of the box, nm.
    chains : sequence of str, optional
        Chain identifier of each residue, equal ones together; one chain for all if absent.
    """
    made = app.Topology()
    atoms: list[app.topology.Atom] = []
    labels = [""] * len(assembly.residues) if chains is None else list(chains)
    chain, label = None, None
    bounds = np.searchsorted(assembly.residue_of, np.arange(len(assembly.residues) + 1))
    for number, name in enumerate(assembly.residues):
        if chain is None or labels[number] != label:
            label = labels[number]
            chain = made.addChain(label)
        residue = made.addResidue(name, chain)
        for i in range(bounds[number], bounds[number + 1]):
            atoms.append(made.addAtom(assembly.names[i], app.Element.getBySymbol(assembly.elements[i]), residue))
    for i, j in assembly.bonds:
        made.addBond(atoms[i], atoms[j])
    made.setPeriodicBoxVectors([Vec3(*row) for row in np.diag(edges)] * unit.nanometer)
    return made
