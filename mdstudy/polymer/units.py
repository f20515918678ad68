"""Methacryloyl units of a box and what joins them, found by their chemistry: elements and bonds, no names.

A unit is a carbon (alpha) that carries an ester group. It has not reacted while its C=C is there, which shows as a
partner of three neighbours with no other heavy one than alpha. Chain bonds join two alphas that are bonded (chains that
combined) or share a carbon that is no carbonyl; crosslinks join two alphas through their ester groups.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import numpy as np
from MDAnalysis.lib.mdamath import triclinic_vectors
from numpy.typing import NDArray
from openmm import app, unit

from mdstudy.base.errors import RunError
from mdstudy.base.graphs import Parts, connect
from mdstudy.run.mechanics import load
from mdstudy.run.rundir import RunDir

Floats = NDArray[np.float64]
Indices = NDArray[np.intp]


@dataclass(frozen=True, eq=False)
class Edges:
    """Pairs of nodes in a periodic box.

    Attributes
    ----------
    i, j : (n,) int arrays
    shift : (n, 3) int array
        Box vectors to add to j to have it next to i.
    """

    i: Indices
    j: Indices
    shift: Indices

    def __len__(self) -> int:
        return len(self.i)

    @staticmethod
    def of(rows: Sequence[tuple[int, int, Any]]) -> Edges:
        """From rows of i, j and the shift."""
        i, j = (np.array([row[k] for row in rows], dtype=np.intp) for k in (0, 1))
        return Edges(i, j, np.array([row[2] for row in rows], dtype=np.intp).reshape(-1, 3))

    def __add__(self, other: Edges) -> Edges:
        return Edges(*(np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(Edges)))

    def __getitem__(self, chosen: NDArray[np.bool_]) -> Edges:
        return Edges(self.i[chosen], self.j[chosen], self.shift[chosen])

    def parts(self, n: int) -> Parts:
        """Connected parts of `n` nodes."""
        return connect(self.i, self.j, self.shift, n)

    def vectors(self, positions: Floats, box: Floats) -> Floats:
        """From each i to the image of j next to it, (n, 3), nm."""
        return np.asarray(positions[self.j] + self.shift @ box - positions[self.i])


@dataclass(frozen=True, eq=False)
class Units:
    """Units, the molecules that they are in, and what joins them.

    Attributes
    ----------
    reacted : (n_units,) bool array
        Whether the C=C is gone.
    molecule : (n_units,) int array
        Molecule of each unit.
    mass : (n_molecules,) float array
        Of each molecule that has a unit, Da.
    percolates : (n_molecules, 3) bool array
        Whether a molecule is bonded to its own image along each vector of the box.
    chain : Edges
        Chain bonds.
    crosslinks : Edges
        Crosslinkers, as pairs of units.
    positions : (n_units, 3) float array
        Of the alpha carbons, nm, in the image that was read.
    box : (3, 3) float array
        Box vectors as rows, nm.
    """

    reacted: NDArray[np.bool_]
    molecule: Indices
    mass: Floats
    percolates: NDArray[np.bool_]
    chain: Edges
    crosslinks: Edges
    positions: Floats
    box: Floats

    def __len__(self) -> int:
        return len(self.reacted)

    @property
    def edges(self) -> Edges:
        """Chain bonds, then crosslinks."""
        return self.chain + self.crosslinks


def read_units(directory: str | Path) -> Units:
    """Units of a run directory, where they stand in the last state that it has reached.

    Raises
    ------
    RunError
        Not built, or nothing in the box can polymerise.
    """
    run = RunDir(Path(directory))
    for path in (run.topology, run.start_xml):
        if not path.is_file():
            raise RunError(f"{run.path}: not a built run (no {path.name}); make one with `mdstudy build`")
    state = load(run.states()[-1])
    found = from_topology(
        app.PDBxFile(str(run.topology)).topology,
        state.getPositions(asNumpy=True).value_in_unit(unit.nanometer),
        state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer),
    )
    if not len(found):
        raise RunError(f"{run.path}: no methacrylate in the box, so there is neither polymer nor network")
    return found


def from_topology(topology: app.Topology, positions: Floats, box: Floats) -> Units:
    """Units of an OpenMM topology.

    Parameters
    ----------
    topology : openmm.app.Topology
        With bonds.
    positions : (n_atoms, 3) float array
        nm, in any images.
    box : (3, 3) float array
        Box vectors as rows, nm.
    """
    atoms = list(topology.atoms())
    bonds = np.array([(a.index, b.index) for a, b in topology.bonds()], dtype=np.intp).reshape(-1, 2)
    masses = np.array([atom.element.mass.value_in_unit(unit.dalton) for atom in atoms])
    return find_units([atom.element.symbol for atom in atoms], masses, bonds, positions, box)


def from_universe(universe: Any) -> Units:
    """Units of an MDAnalysis Universe with elements, masses and bonds, as its current frame has them."""
    atoms = universe.atoms
    return find_units(
        list(atoms.elements),
        np.asarray(atoms.masses, dtype=float),
        np.asarray(universe.bonds.indices, dtype=np.intp),
        np.asarray(atoms.positions, dtype=float) / 10,
        np.asarray(triclinic_vectors(universe.dimensions), dtype=float) / 10,
    )


def find_units(elements: Sequence[str], masses: Floats, bonds: Indices, positions: Floats, box: Floats) -> Units:
    """Units of atoms and bonds; nothing is known of residues or names.

    Parameters
    ----------
    elements : sequence of str
        Chemical symbols, (n_atoms,).
    masses : (n_atoms,) float array
        Da.
    bonds : (n_bonds, 2) int array
    positions : (n_atoms, 3) float array
        nm, in any images; a bond is shorter than half the box.
    box : (3, 3) float array
        Box vectors as rows, nm.
    """
    fractional = (positions[bonds[:, 1]] - positions[bonds[:, 0]]) @ np.linalg.inv(box)
    all_bonds = Edges(bonds[:, 0], bonds[:, 1], -np.round(fractional).astype(np.intp))
    atoms = _Atoms(elements, bonds)
    ester_of = dict(atoms.esters())  # alpha carbon to carbonyl carbon
    alphas = np.array(sorted(ester_of), dtype=np.intp)
    number = {int(atom): k for k, atom in enumerate(alphas)}
    molecules = all_bonds.parts(len(elements))
    kept, molecule = np.unique(molecules.label[alphas], return_inverse=True)
    around = np.zeros((molecules.number, 3), dtype=bool)
    np.logical_or.at(around, molecules.label[all_bonds.i], molecules.winding != 0)
    return Units(
        reacted=np.array([not atoms.has_double_bond(int(a), ester_of[int(a)]) for a in alphas], dtype=bool),
        molecule=molecule.astype(np.intp),
        mass=np.bincount(molecules.label, weights=masses, minlength=molecules.number).astype(float)[kept],
        percolates=around[kept],
        chain=_chain_bonds(atoms, all_bonds, number, set(ester_of.values())),
        crosslinks=_crosslinks(all_bonds, ester_of, number, len(elements)),
        positions=np.asarray(positions, dtype=float)[alphas],
        box=np.asarray(box, dtype=float),
    )


class _Atoms:
    """Elements and neighbours."""

    def __init__(self, elements: Sequence[str], bonds: Indices) -> None:
        self.elements = elements
        self.near: list[list[int]] = [[] for _ in elements]
        for a, b in bonds.tolist():
            self.near[a].append(b)
            self.near[b].append(a)

    def neighbours(self, atom: int, element: str) -> list[int]:
        return [other for other in self.near[atom] if self.elements[other] == element]

    def esters(self) -> Iterator[tuple[int, int]]:
        """Carbons that carry an ester group C(=O)O, each with the carbon of that."""
        for atom, element in enumerate(self.elements):
            if element == "C" and len(self.near[atom]) == 3:
                oxygens = sorted(len(self.near[o]) for o in self.neighbours(atom, "O"))
                carbons = self.neighbours(atom, "C")
                if oxygens == [1, 2] and len(carbons) == 1:
                    yield carbons[0], atom

    def has_double_bond(self, alpha: int, ester: int) -> bool:
        """Whether alpha is in a C=C that nothing has been added to."""
        others = [c for c in self.neighbours(alpha, "C") if c != ester]
        alone = all(len([a for a in self.near[c] if self.elements[a] != "H"]) == 1 for c in others)
        return alone and len(self.near[alpha]) == 3 and any(len(self.near[c]) == 3 for c in others)


def _chain_bonds(atoms: _Atoms, bonds: Edges, number: dict[int, int], carbonyls: set[int]) -> Edges:
    shift = {(int(a), int(b)): s for a, b, s in zip(bonds.i, bonds.j, bonds.shift, strict=True)}
    shift |= {(b, a): -s for (a, b), s in shift.items()}
    rows = [(number[a], number[b], shift[a, b]) for a, b in zip(bonds.i.tolist(), bonds.j.tolist(), strict=True)
            if a in number and b in number]  # fmt: skip
    for atom, element in enumerate(atoms.elements):
        if element == "C" and atom not in number and atom not in carbonyls:
            ends = [other for other in atoms.near[atom] if other in number]
            rows += [(number[a], number[b], shift[a, atom] + shift[atom, b]) for a, b in combinations(ends, 2)]
    return Edges.of(rows)


def _crosslinks(bonds: Edges, ester_of: dict[int, int], number: dict[int, int], n_atoms: int) -> Edges:
    """Alphas that are still joined when each keeps no other carbon than its carbonyl."""
    pairs = zip(bonds.i.tolist(), bonds.j.tolist(), strict=True)
    kept = [ester_of.get(a, b) == b and ester_of.get(b, a) == a for a, b in pairs]
    side = bonds[np.array(kept, dtype=bool)].parts(n_atoms)
    groups: dict[int, list[int]] = {}
    for alpha in sorted(ester_of):
        groups.setdefault(int(side.label[alpha]), []).append(alpha)
    return Edges.of(
        [(number[a], number[b], side.image[b] - side.image[a]) for group in groups.values() for a, b in pairwise(group)]
    )
