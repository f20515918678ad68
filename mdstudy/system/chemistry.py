"""Molecules in three dimensions: from a SMILES to named atoms, bonds and conformers.

RDKit reads the structure, embeds conformers (ETKDGv3, Wang et al., J. Chem. Inf. Model. 60, 2044 (2020),
doi 10.1021/acs.jcim.0c00025) and relaxes them in MMFF94 (Halgren, J. Comput. Chem. 17, 490 (1996)) or, where that
lacks parameters, in UFF. These geometries only start a simulation; its force field is another matter.

Order of atoms in each residue: the heavy atoms in the order of the SMILES, then the hydrogens in the order of the
atoms that carry them. A hydrogen is called H, the name of its carrier without the leading C, and a number from 1:
H51 H52 H53 on C5, HB1 HB2 on CB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdForceFieldHelpers
from scipy.spatial.distance import pdist, squareform

from mdstudy.base.errors import BuildError, did_you_mean
from mdstudy.system.chains import grow_chains

Dyad = Literal["m", "r"]

TACTICITIES = ("isotactic", "syndiotactic", "atactic")

#: Heavy atoms of a repeat unit CB-CA(CM)(C(=O1)O2-CO), in the order of :data:`_UNIT`.
UNIT_ATOMS = ("CB", "CA", "CM", "C", "O1", "O2", "CO")
#: Heavy atoms of the halves and of the middle of a PEG dimethacrylate, in the order of its SMILES.
_FIRST_HALF, _MIDDLE, _LAST_HALF = "C=C(C)C(=O)OC", "COC", "COC(=O)C(C)=C"
_FIRST_ATOMS = ("CB", "CA", "CM", "C", "O1", "O2", "CE")
_MIDDLE_ATOMS = ("C1", "O3", "C2")
_LAST_ATOMS = ("CE", "O2", "C", "O1", "CA", "CM", "CB")
_HEAD, _UNIT, _TAIL = "CC(C)(C(=O)OC)", "C[C{tag}](C)(C(=O)OC)", "C[C{tag}H](C)(C(=O)OC)"

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
    return _template(name, smiles, [(residue, tuple(atoms))], seed, n_conformers, n_conformers)


def polymer_template(
    length: int,
    tacticity: str,
    seed: int,
    *,
    residues: tuple[str, str, str] = ("MMH", "MMU", "MMT"),
    racemo_fraction: float = 0.5,
) -> Template:
    """Make the template of a PMMA chain H-[CH2-C(CH3)(COOCH3)]n-H, which :func:`grow` gives its coordinates.

    The CA of the head carries two methyl groups and is no stereocentre; the `length` - 2 dyads lie between the
    others.

    Parameters
    ----------
    length : int
        Repeat units, at least 2.
    tacticity : {"isotactic", "syndiotactic", "atactic"}
        All dyads meso, all racemo, or each racemo with probability `racemo_fraction`.
    seed : int
        Seed of the atactic sequence.
    residues : tuple of str
        Residue names of head, repeat unit and tail.
    racemo_fraction : float
        For an atactic chain.

    Raises
    ------
    BuildError
        Too short, or an unknown tacticity.
    """
    if length < 2:
        raise BuildError(f"PMMA: a chain of {length} units has no head and tail; 2 units are the least")
    if tacticity not in TACTICITIES:
        raise BuildError(f'PMMA: unknown tacticity "{tacticity}".{did_you_mean(tacticity, TACTICITIES)}')
    fraction = {"isotactic": 0.0, "syndiotactic": 1.0, "atactic": racemo_fraction}[tacticity]
    racemo = np.random.default_rng(seed).random(length - 2) < fraction
    # Equal tags along a chain written from head to tail are equal hands: a meso dyad keeps the tag.
    turned = np.concatenate([[0], np.cumsum(racemo)]) % 2
    tags = ["@" if turn == 0 else "@@" for turn in turned]
    smiles = _HEAD + "".join(_UNIT.format(tag=tag) for tag in tags[:-1]) + _TAIL.format(tag=tags[-1])
    head, unit, tail = residues
    sequence = [head] + [unit] * (length - 2) + [tail]
    _, _, template = _structure("PMMA", smiles, [(residue, UNIT_ATOMS) for residue in sequence])
    return replace(template, hands=np.concatenate([[1], np.where(turned == 0, 1, -1)]))


def grow(chains: Sequence[Template], edge: float, seed: int) -> list[NDArray[np.float64]]:
    """Grow chains together in a cubic periodic box and check their bonds.

    Parameters
    ----------
    chains : sequence of Template
        Of :func:`polymer_template`.
    edge : float
        Of the box, nm.
    seed : int

    Returns
    -------
    list of (n_atoms, 3) float array
        nm; chains are whole and may reach through the faces.

    Raises
    ------
    BuildError
        The chains do not fit, or atoms of one touch that are not bonded.
    """
    hands = [template.hands for template in chains if template.hands is not None]
    grown = []
    for template, units in zip(chains, grow_chains(hands, seed, edge), strict=True):
        positions = np.array([unit[name] for unit, name in _by_unit(template, units)])
        check_geometry(replace(template, conformers=positions[None]))
        grown.append(positions)
    return grown


def crosslinker_template(
    name: str, units: int, half: str, middle: str, seed: int, *, n_conformers: int = 2
) -> Template:
    """Make the template of a PEG dimethacrylate, CH2=C(CH3)CO-O-[CH2CH2O]n-CO-C(CH3)=CH2.

    Of four times `n_conformers` conformers the most coiled are kept.

    Parameters
    ----------
    name : str
        The species, for messages.
    units : int
        Ethylene oxide units n, at least 1.
    half, middle : str
        Residue names of the methacrylate halves and of what is between them.
    seed : int
        Seed of the conformers.
    n_conformers : int
        How many conformers to keep.

    Raises
    ------
    BuildError
        Too short, or no sound conformer.
    """
    if units < 1:
        raise BuildError(f"{name}: {units} ethylene oxide units join nothing; 1 is the least")
    smiles = _FIRST_HALF + _MIDDLE * (units - 1) + _LAST_HALF
    residues = [(half, _FIRST_ATOMS), *[(middle, _MIDDLE_ATOMS)] * (units - 1), (half, _LAST_ATOMS)]
    return _template(name, smiles, residues, seed, n_conformers, 4 * n_conformers)


def dyads(template: Template, conformer: int = 0) -> list[Dyad]:
    """Tacticity of a chain, measured on its coordinates.

    The hand of a unit is the sign of (CB - CA) · [(CM - CA) × (C - CA)]; equal neighbours are a meso dyad (m),
    opposite ones a racemo dyad (r). The head, no stereocentre, is left out.

    Parameters
    ----------
    template : Template
        A chain of :func:`polymer_template` with coordinates.
    conformer : int
        Which conformer to look at.

    Returns
    -------
    list of {"m", "r"}
        `length` - 2 dyads from head to tail.
    """
    hands = []
    for _, atoms in template.residues[1:]:
        place = dict(zip(template.atom_names[atoms], template.conformers[conformer, atoms], strict=True))
        arms = np.array([place[name] - place["CA"] for name in ("CB", "CM", "C")])
        hands.append(np.linalg.det(arms) > 0)
    return ["m" if a == b else "r" for a, b in pairwise(hands)]


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


def _template(
    name: str, smiles: str, residues: Sequence[tuple[str, tuple[str, ...]]], seed: int, keep: int, candidates: int
) -> Template:
    """Template whose heavy atoms, in the order of the SMILES, fill the residues one after another."""
    molecule, order, template = _structure(name, smiles, residues)
    return _most_coiled(template, _conformers(name, molecule, seed, keep, candidates)[:, order], keep)


def _structure(
    name: str, smiles: str, residues: Sequence[tuple[str, tuple[str, ...]]]
) -> tuple[Any, list[int], Template]:
    """The molecule of RDKit, the numbers that its atoms have there, and a template without conformers."""
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


def _by_unit(template: Template, chain: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Unit of a chain and name of each atom of its template."""
    for (_, atoms), unit in zip(template.residues, chain, strict=True):
        for name in template.atom_names[atoms]:
            yield unit, name


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
