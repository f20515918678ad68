"""Chains of PMMA of any length, grown together through a periodic box.

Bond lengths and angles are ideal. Each unit is drawn many times, its two backbone torsions from rotational isomeric
states about trans and gauche, and the first draw that keeps its distance from all that is there, in every image, is
taken; where none does, the chain goes back two units. In PMMA all but the states near trans are rare (Sundararajan and
Flory, J. Am. Chem. Soc. 96, 5025 (1974), doi 10.1021/ja00823a002). The weights are not theirs: they take no notice of
tacticity, and give long chains about the size that they have in a melt. What a run does not relax is as it was grown.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import chain as joined

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree
from scipy.spatial.transform import Rotation

from mdstudy.base.errors import BuildError

Vector = NDArray[np.float64]
#: Atoms by name: (3,) of a unit that is placed, (draws, 3) of one that is drawn. "next" is where the next CB comes.
Unit = dict[str, Vector]

#: Bond lengths, nm.
_CC, _CH, _CO_DOUBLE, _CO, _OC = 0.153, 0.109, 0.123, 0.133, 0.141
#: Angles of the backbone at CH2 and at the quaternary carbon, rad: 124 and 110 degrees.
_AT_CH2, _AT_CQ = np.radians([124.0, 110.0])
#: Backbone torsions, rad, their weights and their spread.
_STATES, _WEIGHTS, _SPREAD = np.radians([180.0, 60.0, -60.0]), (0.8, 0.1, 0.1), np.radians(10.0)
#: Least distance of heavy atoms, and of all, nm: within a unit and from the two before it, and from everything else.
NEAR, FAR = (0.24, 0.15), (0.28, 0.20)
#: Draws of a unit, units that a chain goes back, and how often it may do so for each unit of all chains.
_DRAWS, _BACK, _PATIENCE = 50, 2, 20
#: Two units and their images need this much, nm.
_LEAST = 1.5


def grow_chains(hands: Sequence[NDArray[np.int64]], seed: int, edge: float) -> list[list[Unit]]:
    """Grow chains H-[CH2-C(CH3)(COOCH3)]n-H in a cubic periodic box, a unit of each in turn.

    The head of each is put where there is most room. Same arguments, same chains. The time grows with the square of
    the number of units.

    Parameters
    ----------
    hands : sequence of (n,) int array
        Hand of each unit of each chain, 1 or -1: the sign of (CB - CA) . [(CM - CA) x (C - CA)]. That of a head is no
        stereocentre.
    seed : int
        Of all that is drawn.
    edge : float
        Of the box, nm.

    Returns
    -------
    list of list of dict of str to (3,) float array
        Atoms of each unit of each chain by name, nm; chains are whole and may reach through the faces.

    Raises
    ------
    BuildError
        The box is too small for a unit and its image, or the chains do not fit.
    """
    if edge < _LEAST:
        raise BuildError(
            f"PMMA: a unit would meet its own image in a box of {edge:.2f} nm; {_LEAST:g} nm are the least"
        )
    random = np.random.default_rng(seed)
    chains: list[list[Unit]] = [[] for _ in hands]
    total, failures = sum(len(one) for one in hands), 0
    while growing := [k for k, chain in enumerate(chains) if len(chain) < len(hands[k])]:
        for k in growing:
            own = chains[k]
            room = _Room(joined(*(c for c in chains if c is not own), own[:-2]), edge)
            drawn = _draw(own, int(hands[k][len(own)]), len(own) == len(hands[k]) - 1, random)
            if not own:
                drawn = _scatter(drawn, room, random)
            fitting = np.flatnonzero(_keeps_its_shape(drawn, own[-2:]))
            fitting = fitting[room.holds({name: xyz[fitting] for name, xyz in drawn.items()})]
            if fitting.size:
                own.append({name: xyz[fitting[0]] for name, xyz in drawn.items()})
                continue
            failures += 1
            if failures > _PATIENCE * total:
                placed = sum(len(chain) for chain in chains)
                raise BuildError(
                    f"PMMA: {len(hands)} chains do not fit in a box of {edge:.2f} nm: stuck with {placed} of {total} "
                    "units; take another seed"
                )
            del own[-_BACK:]
    return chains


def place(a: Vector, b: Vector, c: Vector, length: float, angle: float, torsion: Vector | float) -> Vector:
    """Position of an atom bonded to `c`, by its bond length (nm), angle with `b` and torsion about b-c (rad).

    Points are (3,) or (n, 3), torsions one number or (n,).
    """
    axis = _unit(c - b)
    normal = _unit(np.cross(b - a, axis))
    turn = np.asarray(torsion)[..., None]
    around = np.cos(turn) * np.cross(normal, axis) + np.sin(turn) * normal
    return np.asarray(c + length * (np.sin(angle) * around - np.cos(angle) * axis))


def inside(positions: Vector, edge: float) -> Vector:
    """Images of atoms inside a cubic box, nm, as a periodic tree and packmol want them."""
    found = np.mod(positions, edge)
    found[found >= edge] = 0.0  # np.mod rounds a tiny negative number up to the edge itself
    return np.asarray(found)


class _Room:
    """What is in the box already."""

    def __init__(self, units: Iterable[Unit], edge: float) -> None:
        self.edge = edge
        atoms = [(name, xyz) for unit in units for name, xyz in unit.items() if name != "next"]
        xyz = np.array([xyz for _, xyz in atoms]).reshape(-1, 3)
        solid = _solid([name for name, _ in atoms])
        self._trees = [cKDTree(inside(some, edge), boxsize=edge) for some in (xyz[solid], xyz)]

    def distance(self, points: Vector) -> Vector:
        """To the nearest heavy atom, nm; infinity in an empty box."""
        return np.asarray(self._trees[0].query(inside(points, self.edge))[0])

    def holds(self, drawn: Unit) -> NDArray[np.bool_]:
        """Which draws keep their distance, the next CB among them."""
        xyz, solid = np.stack(list(drawn.values()), axis=1), _solid(drawn)
        held = np.ones(len(xyz), dtype=bool)
        for tree, some, least in zip(self._trees, (solid, np.ones_like(solid)), FAR, strict=True):
            gaps = tree.query(inside(xyz[:, some], self.edge), distance_upper_bound=least)[0]
            held &= (gaps >= least).all(axis=1)
        return held


def _draw(before: list[Unit], hand: int, last: bool, random: np.random.Generator) -> Unit:
    """A unit after those that are there, many times."""
    if before:
        behind = before[-1]["CA"]
        cb = np.broadcast_to(before[-1]["next"], (_DRAWS, 3))
        ca = place(before[-1]["CB"], behind, cb, _CC, _AT_CH2, _torsions(random))
    else:
        behind = np.array([-0.05, 0.14, 0.0])
        cb, ca = np.zeros((_DRAWS, 3)), np.tile([_CC, 0.0, 0.0], (_DRAWS, 1))
    following = place(behind, cb, ca, _CC, _AT_CQ, _torsions(random))
    sides = _arms(ca, cb, following, _CC, 109.5)
    volume = np.einsum("ij,ij->i", cb - ca, np.cross(sides[0] - ca, sides[1] - ca))
    first = (volume * hand > 0)[:, None]
    atoms = {"CB": cb, "CA": ca, "CM": np.where(first, *sides), "C": np.where(first, *sides[::-1])}
    turn = random.uniform(0, 2 * np.pi, _DRAWS)
    atoms["O1"] = place(cb, ca, atoms["C"], _CO_DOUBLE, np.radians(122.0), turn)
    atoms["O2"] = place(cb, ca, atoms["C"], _CO, np.radians(112.0), turn + np.pi)
    atoms["CO"] = place(atoms["O1"], atoms["C"], atoms["O2"], _OC, np.radians(116.0), 0.0)
    atoms |= _methyl("HM", ca, atoms["CM"], cb, random)
    atoms |= _methyl("HO", atoms["O2"], atoms["CO"], atoms["C"], random)
    if before:
        atoms |= dict(zip(("HB1", "HB2"), _arms(cb, behind, ca, _CH, 106.0), strict=True))
    else:
        atoms |= _methyl("HB", ca, cb, following, random)
    if last:
        atoms["HA1"] = ca + _CH * _unit(following - ca)
    return atoms | {"next": following}


def _scatter(drawn: Unit, room: _Room, random: np.random.Generator) -> Unit:
    """Draws of a head turned and moved at random, those with most room first."""
    points = random.uniform(0, room.edge, (_DRAWS, 3))
    points = points[np.argsort(-room.distance(points), kind="stable")]
    turns = Rotation.random(_DRAWS, random_state=random).as_matrix()
    return {name: np.einsum("kij,kj->ki", turns, xyz) + points for name, xyz in drawn.items()}


def _keeps_its_shape(drawn: Unit, before: list[Unit]) -> NDArray[np.bool_]:
    """Which draws keep their distance from themselves and the two units before, but for atoms that few bonds join."""
    ester = {name: drawn[name] for name in ("O1", "O2", "CO", "HO1", "HO2", "HO3")}
    fits = _apart(ester, {name: xyz for name, xyz in drawn.items() if name.startswith(("HM", "HB", "HA"))})
    if before:
        free = {name: xyz for name, xyz in drawn.items() if name not in ("CB", "HB1", "HB2")}
        fits &= _apart(free, {name: xyz for name, xyz in before[-1].items() if name not in ("CA", "HA1", "next")})
    if len(before) > 1:
        fits &= _apart(drawn, {name: xyz for name, xyz in before[-2].items() if name not in ("HA1", "next")})
    return fits


def _apart(some: Unit, others: Unit) -> NDArray[np.bool_]:
    """For each draw of `some`, whether it keeps :data:`NEAR` from the others, which are placed or drawn with it."""
    xyz, fixed = np.stack(list(some.values()), axis=-2), np.stack(list(others.values()), axis=-2)
    gaps = np.linalg.norm(xyz[..., :, None, :] - fixed[..., None, :, :], axis=-1)
    heavy = gaps[:, _solid(some)][:, :, _solid(others)]
    return np.asarray((gaps >= NEAR[1]).all(axis=(1, 2)) & (heavy >= NEAR[0]).all(axis=(1, 2)))


def _solid(names: Sequence[str] | Unit) -> NDArray[np.bool_]:
    return np.array([not name.startswith("H") for name in names], dtype=bool)


def _torsions(random: np.random.Generator) -> Vector:
    return np.asarray(random.choice(_STATES, _DRAWS, p=_WEIGHTS) + random.normal(0, _SPREAD, _DRAWS))


def _unit(vectors: Vector) -> Vector:
    return np.asarray(vectors / np.linalg.norm(vectors, axis=-1, keepdims=True))


def _arms(root: Vector, a: Vector, b: Vector, length: float, angle: float) -> list[Vector]:
    """Two atoms bonded to `root`, `angle` degrees apart, on either side of the plane of its other arms a and b."""
    back, ahead = _unit(a - root), _unit(b - root)
    inner, across, half = _unit(-(back + ahead)), _unit(np.cross(back, ahead)), np.radians(angle / 2)
    return [root + length * (np.cos(half) * inner + sign * np.sin(half) * across) for sign in (1, -1)]


def _methyl(name: str, root: Vector, carbon: Vector, reference: Vector, random: np.random.Generator) -> Unit:
    turn = np.pi / 3 + random.normal(0, _SPREAD, _DRAWS)
    turns = [turn + 2 * np.pi / 3 * k for k in range(3)]
    return {f"{name}{k}": place(reference, root, carbon, _CH, np.radians(109.5), t) for k, t in enumerate(turns, 1)}
