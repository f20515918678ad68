"""Chains of PMMA of any length, grown unit by unit through free space.

Bond lengths and angles are ideal; the two backbone torsions of a unit are drawn from rotational isomeric states about
trans and gauche, and a unit that comes too near to what is there is drawn anew, with the ones before it if need be. In
PMMA all but the states near trans are rare (Sundararajan and Flory, J. Am. Chem. Soc. 96, 5025 (1974),
doi 10.1021/ja00823a002); the weights here only keep a chain from being straight, its run relaxes it.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from mdstudy.base.errors import BuildError

Vector = NDArray[np.float64]

#: Bond lengths, nm.
_CC, _CH, _CO_DOUBLE, _CO, _OC = 0.153, 0.109, 0.123, 0.133, 0.141
#: Angles of the backbone at CH2 and at the quaternary carbon, rad: 124 and 110 degrees.
_AT_CH2, _AT_CQ = np.radians([124.0, 110.0])
#: Backbone torsions, rad, their weights and their spread.
_STATES, _WEIGHTS, _SPREAD = np.radians([180.0, 60.0, -60.0]), (0.8, 0.1, 0.1), np.radians(10.0)
#: Least distance of heavy atoms of a new unit from those placed two units before or earlier, and of all atoms, nm.
_HEAVY, _ANY = 0.24, 0.13
_TRIES, _BACK = 40, 2


def place(a: Vector, b: Vector, c: Vector, length: float, angle: float, torsion: float) -> Vector:
    """Position of an atom bonded to `c`, by its bond length (nm), angle with `b` and torsion about b-c (rad)."""
    axis = (c - b) / np.linalg.norm(c - b)
    normal = np.cross(b - a, axis)
    normal /= np.linalg.norm(normal)
    along = [-np.cos(angle), np.sin(angle) * np.cos(torsion), np.sin(angle) * np.sin(torsion)]
    return np.asarray(c + length * (np.stack([axis, np.cross(normal, axis), normal]).T @ along))


def grow_chain(hands: NDArray[np.int64], seed: int) -> list[dict[str, Vector]]:
    """Grow a chain H-[CH2-C(CH3)(COOCH3)]n-H.

    Parameters
    ----------
    hands : (n,) int array
        Hand of each unit, 1 or -1: the sign of (CB - CA) . [(CM - CA) x (C - CA)]. That of the head is no stereocentre.
    seed : int
        Of the torsions.

    Returns
    -------
    list of dict of str to (3,) float array
        Atoms of each unit by name, nm.

    Raises
    ------
    BuildError
        The chain runs into itself at every turn.
    """
    random = np.random.default_rng(seed)
    units: list[dict[str, Vector]] = []
    failures = 0
    while len(units) < len(hands):
        for _ in range(_TRIES):
            unit = _unit(units, int(hands[len(units)]), len(units) == len(hands) - 1, random)
            if _fits(unit, units):
                units.append(unit)
                break
        else:
            failures += 1
            if failures > 20 * len(hands):
                raise BuildError(
                    f"PMMA: a chain of {len(hands)} units ran into itself at every turn; take another seed"
                )
            del units[-_BACK:]
    return units


def _torsion(random: np.random.Generator) -> float:
    return float(random.choice(_STATES, p=_WEIGHTS) + random.normal(0, _SPREAD))


def _unit(units: list[dict[str, Vector]], hand: int, last: bool, random: np.random.Generator) -> dict[str, Vector]:
    """A unit after those that are there, and where the next CB is to come ("next")."""
    if units:
        before = units[-1]
        cb = before["next"]
        ca = place(before["CB"], before["CA"], cb, _CC, _AT_CH2, _torsion(random))
        behind = before["CA"]
    else:
        cb, ca = np.zeros(3), np.array([_CC, 0.0, 0.0])
        behind = np.array([-0.05, 0.14, 0.0])
    following = place(behind, cb, ca, _CC, _AT_CQ, _torsion(random))
    atoms = {"CB": cb, "CA": ca}
    back, ahead = ((x - ca) / np.linalg.norm(x - ca) for x in (cb, following))
    inner, across = -(back + ahead), np.cross(back, ahead)
    inner, across = inner / np.linalg.norm(inner), across / np.linalg.norm(across)
    half = np.radians(54.75)
    sides = [ca + _CC * (np.cos(half) * inner + sign * np.sin(half) * across) for sign in (1, -1)]
    methyl, ester = sides if np.dot(cb - ca, np.cross(sides[0] - ca, sides[1] - ca)) * hand > 0 else sides[::-1]
    atoms |= {"CM": methyl, "C": ester}
    turn = random.uniform(0, 2 * np.pi)
    atoms["O1"] = place(cb, ca, ester, _CO_DOUBLE, np.radians(122.0), turn)
    atoms["O2"] = place(cb, ca, ester, _CO, np.radians(112.0), turn + np.pi)
    atoms["CO"] = place(atoms["O1"], ester, atoms["O2"], _OC, np.radians(116.0), 0.0)
    atoms |= _methyl("HM", ca, methyl, cb, random)
    atoms |= _methyl("HO", atoms["O2"], atoms["CO"], ester, random)
    if units:
        atoms |= _methylene(behind, cb, ca)
    else:
        atoms |= _methyl("HB", ca, cb, following, random)
    if last:
        atoms["HA1"] = ca + _CH * (following - ca) / np.linalg.norm(following - ca)
    return atoms | {"next": following}


def _methyl(
    name: str, root: Vector, carbon: Vector, reference: Vector, random: np.random.Generator
) -> dict[str, Vector]:
    turn = np.pi / 3 + random.normal(0, _SPREAD)
    turns = turn + 2 * np.pi / 3 * np.arange(3)
    return {f"{name}{k}": place(reference, root, carbon, _CH, np.radians(109.5), t) for k, t in enumerate(turns, 1)}


def _methylene(behind: Vector, cb: Vector, ca: Vector) -> dict[str, Vector]:
    back, ahead = ((x - cb) / np.linalg.norm(x - cb) for x in (behind, ca))
    inner, across = -(back + ahead), np.cross(back, ahead)
    inner, across = inner / np.linalg.norm(inner), across / np.linalg.norm(across)
    half = np.radians(53.0)
    return {f"HB{k}": cb + _CH * (np.cos(half) * inner + sign * np.sin(half) * across) for k, sign in ((1, 1), (2, -1))}


def _fits(unit: dict[str, Vector], units: list[dict[str, Vector]]) -> bool:
    """Whether a unit keeps its distance from itself and from those before it."""
    names = [name for name in unit if name != "next"]
    own = np.array([unit[name] for name in names])
    heavy = np.array([not name.startswith("H") for name in names])
    if units:
        near = units[-1]
        beside = {name: xyz for name, xyz in near.items() if name not in ("next", "CA", "HA1")}
        free = np.array([name not in ("CB", "HB1", "HB2") for name in names])
        gaps = np.linalg.norm(own[free][:, None] - np.array(list(beside.values()))[None], axis=2)
        solid = np.array([not name.startswith("H") for name in beside])
        if gaps.min() < _ANY or gaps[heavy[free]][:, solid].min() < _HEAVY:
            return False
    if len(units) > 1:
        far = [(name, xyz) for one in units[:-1] for name, xyz in one.items() if name != "next"]
        others = np.array([xyz for _, xyz in far])
        solid = np.array([not name.startswith("H") for name, _ in far])
        if cKDTree(others).query(own)[0].min() < _ANY:
            return False
        if cKDTree(others[solid]).query(own[heavy])[0].min() < _HEAVY:
            return False
    inner = np.linalg.norm(own[:, None] - own[None], axis=2)[np.triu_indices(len(own), 1)]
    return bool(inner.min() > 0.1)
