"""One step of a chain: its end adds to a C=C, by the residues and atoms that change.

A chain end is a radical, for which the force field has no types. Here the end is written as what it will be when it has
taken up a hydrogen, -CH2-CH(CH3)(COOR), and that hydrogen, HA1, moves on to the new end when the chain grows::

    ~CH2-CHXY  +  CH2=CXY   ->   ~CH2-CXY-CH2-CHXY

Every stage is a closed shell with published types and no residual charge, and no atom comes or goes. A chain begins as
initiated monomer that has both its hydrogens, CH3-CHXY. The hydrogen stands where the next bond will be, so that its
side decides the hand of the unit.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mdstudy.polymer.assembly import Assembly, reorder
from mdstudy.polymer.images import nearest, wrapped
from mdstudy.system.forcefield import Residue
from mdstudy.system.species import Crosslinker, Molecule, Species

#: Carbon that has the open end, carbon that it adds to, and the hydrogen that moves on.
END, NEW, CAP = "CA", "CB", "HA1"
#: The arms of the carbon at an end, in the order that gives it its hand.
ARMS = ("CB", "CM", "C")
#: C-H bond of an aliphatic CH, nm.
_CH = 0.109


@dataclass(frozen=True)
class Chemistry:
    """Which residues are ends and which have a C=C, and what they become.

    Attributes
    ----------
    grown : dict of str to str
        Residue of an end to the residue that it is when it has added to a C=C.
    added : dict of str to str
        Residue with a C=C to the residue that it is when an end has added to it.
    """

    grown: dict[str, str]
    added: dict[str, str]

    def ends(self, assembly: Assembly) -> NDArray[np.int64]:
        """Residues that are ends of chains."""
        return np.flatnonzero([name in self.grown for name in assembly.residues])

    def vinyls(self, assembly: Assembly) -> NDArray[np.int64]:
        """Residues that have a C=C."""
        return np.flatnonzero([name in self.added for name in assembly.residues])


def chemistry(species: Sequence[Species]) -> Chemistry:
    """Collect what the files of monomer and crosslinker say that their C=C becomes."""
    grown: dict[str, str] = {}
    added: dict[str, str] = {}
    for one in species:
        if isinstance(one, Molecule | Crosslinker) and one.states:
            added[one.residue if isinstance(one, Molecule) else one.half] = one.states["tail"]
            grown[one.states["tail"]] = one.states["unit"]
            if "initiated" in one.states:
                grown[one.states["initiated"]] = one.states["head"]
    return Chemistry(grown, added)


def candidates(
    assembly: Assembly,
    rules: Chemistry,
    positions: NDArray[np.float64],
    edges: NDArray[np.float64],
    radius: float,
    barred: set[tuple[int, int]],
) -> list[tuple[int, int]]:
    """Pairs of an end and a C=C that may add, nearest first, none of them in two pairs.

    An end does not add to the other half of its own crosslinker.

    Parameters
    ----------
    assembly : Assembly
    rules : Chemistry
    positions : (n_atoms, 3) float array
        nm, in any images.
    edges : (3,) float array
        Of the box, nm.
    radius : float
        Greatest distance between the two carbons, nm, nearest images.
    barred : set of (int, int)
        Pairs that were tried in vain.

    Returns
    -------
    list of (int, int)
        Residue of the end, residue of the C=C.
    """
    ends, vinyls = rules.ends(assembly), rules.vinyls(assembly)
    if len(ends) == 0 or len(vinyls) == 0:
        return []
    places = [positions[assembly.find(atom, those)] for atom, those in ((END, ends), (NEW, vinyls))]
    trees = [cKDTree(wrapped(xyz, edges), boxsize=edges) for xyz in places]
    found = trees[0].sparse_distance_matrix(trees[1], radius, output_type="ndarray")
    taken: set[int] = set()
    pairs = []
    for _, i, j in sorted(found[["v", "i", "j"]].tolist()):
        end, vinyl = int(ends[i]), int(vinyls[j])
        alien = assembly.origin[end] != assembly.origin[vinyl]
        if alien and not {end, vinyl} & taken and (end, vinyl) not in barred:
            taken |= {end, vinyl}
            pairs.append((end, vinyl))
    return pairs


def hands(
    assembly: Assembly, positions: NDArray[np.float64], edges: NDArray[np.float64], residues: Iterable[int]
) -> NDArray[np.float64]:
    """Hand of the carbon CA of each residue: (CB - CA) . [(CM - CA) x (C - CA)] of unit vectors.

    Near 0.77 in size where CA is a tetrahedron; two units of opposite sign are a racemo dyad.
    """
    residues = list(residues)
    centre = positions[assembly.find(END, residues)]
    arms = [nearest(positions[assembly.find(name, residues)] - centre, edges) for name in ARMS]
    b, m, c = (arm / np.linalg.norm(arm, axis=1, keepdims=True) for arm in arms)
    return np.asarray(np.einsum("ij,ij->i", b, np.cross(m, c)))


def add(
    assembly: Assembly,
    rules: Chemistry,
    known: Mapping[str, Residue],
    positions: NDArray[np.float64],
    edges: NDArray[np.float64],
    pairs: Sequence[tuple[int, int]],
    hand: Sequence[int],
) -> tuple[Assembly, NDArray[np.float64]]:
    """Let ends add to C=C.

    Parameters
    ----------
    assembly : Assembly
    rules : Chemistry
    known : mapping of str to Residue
        Residues of the force field.
    positions : (n_atoms, 3) float array
        nm.
    edges : (3,) float array
        nm.
    pairs : sequence of (int, int)
        Residue of the end, residue of the C=C; no residue in two pairs.
    hand : sequence of int
        Hand, 1 or -1, that each new end shall have.

    Returns
    -------
    Assembly
        With the new bonds; residues keep their numbers.
    positions : (n_atoms, 3) float array
        The same but for the hydrogens that moved.
    """
    if not pairs:
        return assembly, positions
    ends, vinyls = np.array(pairs, dtype=np.int64).T
    old_ca, cap = assembly.find(END, ends), assembly.find(CAP, ends)
    new_cb, new_ca = assembly.find(NEW, vinyls), assembly.find(END, vinyls)
    residues = list(assembly.residues)
    for end, vinyl in pairs:
        residues[end], residues[vinyl] = rules.grown[residues[end]], rules.added[residues[vinyl]]
    residue_of = assembly.residue_of.copy()
    residue_of[cap] = vinyls
    gone = set(zip(old_ca.tolist(), cap.tolist(), strict=True))
    kept = [(i, j) for i, j in assembly.bonds.tolist() if (i, j) not in gone and (j, i) not in gone]
    made = [*zip(old_ca.tolist(), new_cb.tolist(), strict=True), *zip(new_ca.tolist(), cap.tolist(), strict=True)]
    placed = positions.copy()
    placed[cap] = _hydrogens(assembly, positions, edges, vinyls, np.asarray(hand))
    changed = replace(
        assembly,
        residues=tuple(residues),
        residue_of=residue_of,
        bonds=np.array([*kept, *made], dtype=np.int64),
    )
    ordered, order = reorder(changed, range(len(residues)), known)
    return ordered, placed[order]


def _hydrogens(
    assembly: Assembly,
    positions: NDArray[np.float64],
    edges: NDArray[np.float64],
    vinyls: NDArray[np.int64],
    hand: NDArray[np.int64],
) -> NDArray[np.float64]:
    """Places for hydrogens on the flat carbons CA, on the side that gives them their hand.

    The arms bend away from the hydrogen: seen from its side they run the other way round.
    """
    centre = positions[assembly.find(END, vinyls)]
    b, m, c = (nearest(positions[assembly.find(name, vinyls)] - centre, edges) for name in ARMS)
    normal = np.cross(b, m) + np.cross(m, c) + np.cross(c, b)
    normal /= np.linalg.norm(normal, axis=1, keepdims=True)
    return np.asarray(centre - _CH * hand[:, None] * normal)
