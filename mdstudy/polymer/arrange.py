"""A polymerised box as a run has it: molecules one after another, chains from head to tail, whole; and its history."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.graphs import connect
from mdstudy.polymer.addition import END, NEW, hands
from mdstudy.polymer.assembly import Assembly
from mdstudy.polymer.growth import Reaction
from mdstudy.polymer.ledger import Record
from mdstudy.system.species import Salt, all_species


def whole(
    assembly: Assembly, positions: NDArray[np.float64], edges: NDArray[np.float64]
) -> tuple[NDArray[np.float64], bool]:
    """Put molecules together along their bonds.

    Returns
    -------
    positions : (n_atoms, 3) float array
        nm.
    around : bool
        Whether one leads around the box: a bond of it then reaches for an image.
    """
    i, j = assembly.bonds.T
    shift = -np.round((positions[j] - positions[i]) / edges).astype(np.int64)
    parts = connect(i, j, shift, assembly.n_atoms)
    return positions + parts.image * edges, bool(parts.winding.any())


def arranged(assembly: Assembly, order: Sequence[str]) -> tuple[list[int], list[str]]:
    """Residues molecule by molecule and along their chains.

    A molecule is of the species of its first residue: a network of that of the head of a chain.

    Parameters
    ----------
    assembly : Assembly
    order : sequence of str
        Species in the order in which their molecules shall stand; others come after them.

    Returns
    -------
    residues : list of int
        Numbers of the residues in the new order.
    species : list of str
        Species of the molecule of each.
    """
    species = all_species()
    known = {residue: name for name, s in species.items() if not isinstance(s, Salt) for residue in s.residues}
    labels = [known[name] for name in assembly.residues]
    molecule = assembly.molecules()
    following = next_in_chain(assembly)
    members: dict[int, list[int]] = {}
    for residue, owner in enumerate(molecule.tolist()):
        members.setdefault(owner, []).append(residue)
    heads = set(following) - set(following.values())
    groups = []
    for residues in members.values():
        walked: list[int] = []
        for residue in residues:
            step: int | None = residue if residue in heads else None
            while step is not None:
                walked.append(step)
                step = following.get(step)
        groups.append([*walked, *(r for r in residues if r not in set(walked))])
    rank = {name: k for k, name in enumerate(order)}
    groups.sort(key=lambda group: (rank.get(labels[group[0]], len(rank)), group[0]))
    return [r for group in groups for r in group], [labels[group[0]] for group in groups for _ in group]


def next_in_chain(assembly: Assembly) -> dict[int, int]:
    """Residue that follows each in its chain, from head to tail."""
    return {
        int(assembly.residue_of[i]): int(assembly.residue_of[j])
        for pair in assembly.bonds.tolist()
        for i, j in (pair, pair[::-1])
        if (assembly.names[i], assembly.names[j]) == (END, NEW) and assembly.residue_of[i] != assembly.residue_of[j]
    }


def history(
    assembly: Assembly,
    positions: NDArray[np.float64],
    edges: NDArray[np.float64],
    records: Sequence[Record],
    reaction: Reaction,
) -> dict[str, Any]:
    """How a network was made, and the tacticity that its coordinates show."""
    following = next_in_chain(assembly)
    heads = set(following) - set(following.values())
    # The head of a chain has two methyl groups and no hand.
    dyads = [(a, b) for a, b in following.items() if a not in heads]
    first, second = (np.sign(hands(assembly, positions, edges, [pair[side] for pair in dyads])) for side in (0, 1))
    meso = int((first == second).sum())
    added = sum(len(record.added) for record in records)
    left = len(reaction.rules.vinyls(assembly))
    return {
        "double_bonds": added + left,
        "reacted": added,
        "conversion": added / (added + left),
        "chains": len(heads),
        "dyads": {"meso": meso, "racemo": len(dyads) - meso},
        "temperature_K": reaction.network.temperature,
        "steps": [record.to_dict() for record in records],
    }
