"""Chains of PMMA and PEG dimethacrylates in space."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.errors import BuildError, did_you_mean
from mdstudy.system.chains import grow_chains
from mdstudy.system.chemistry import Template, check_geometry, read_structure, residue_template

TACTICITIES = ("isotactic", "syndiotactic", "atactic")

#: Heavy atoms of a repeat unit CB-CA(CM)(C(=O1)O2-CO), in the order of :data:`_UNIT`.
UNIT_ATOMS = ("CB", "CA", "CM", "C", "O1", "O2", "CO")
#: Heavy atoms of the halves and of the middle of a PEG dimethacrylate, in the order of its SMILES.
_FIRST_HALF, _MIDDLE, _LAST_HALF = "C=C(C)C(=O)OC", "COC", "COC(=O)C(C)=C"
_FIRST_ATOMS = ("CB", "CA", "CM", "C", "O1", "O2", "CE")
_MIDDLE_ATOMS = ("C1", "O3", "C2")
_LAST_ATOMS = ("CE", "O2", "C", "O1", "CA", "CM", "CB")
_HEAD, _UNIT, _TAIL = "CC(C)(C(=O)OC)", "C[C{tag}](C)(C(=O)OC)", "C[C{tag}H](C)(C(=O)OC)"


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
    _, _, template = read_structure("PMMA", smiles, [(residue, UNIT_ATOMS) for residue in sequence])
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
    return residue_template(name, smiles, residues, seed, n_conformers, 4 * n_conformers)


def _by_unit(template: Template, chain: Sequence[dict[str, Any]]) -> Iterator[tuple[dict[str, Any], str]]:
    """Unit of a chain and name of each atom of its template."""
    for (_, atoms), unit in zip(template.residues, chain, strict=True):
        for name in template.atom_names[atoms]:
            yield unit, name
