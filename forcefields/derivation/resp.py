"""Restrained fit of atomic charges to electrostatic potentials of several conformers (RESP).

Bayly et al., J. Phys. Chem. 97, 10269 (1993), doi 10.1021/j100142a004. The charges minimise

    sum_i (V_i - sum_j q_j / r_ij)^2 + a sum_j (sqrt(q_j^2 + b^2) - b),   b = 0.1 e,

with the second sum over heavy atoms. Stage 1 has a = 0.0005; stage 2 has a = 0.001 and fits only the carbons that
carry two or three hydrogens and those hydrogens, which then share a charge; all others keep that of stage 1. As in the
program of the paper, the linear equations hold a / sqrt(q^2 + b^2), twice the slope of the sum above. Points
lie on spheres of 1.4, 1.6, 1.8 and 2.0 van der Waals radii outside all other atoms (Singh and Kollman, J. Comput.
Chem. 5, 129 (1984), doi 10.1002/jcc.540050204). The paper's a belongs to one point per square angstrom: with more
points, the first sum is divided by as many. Conformers add with the weights given, which sum to one. Atomic units.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from quantum import BOHR, Floats

#: Radii of Merz and Kollman, nm.
RADII = {"H": 0.120, "C": 0.150, "N": 0.150, "O": 0.140, "F": 0.135, "S": 0.175}
SHELLS = (1.4, 1.6, 1.8, 2.0)
#: Points per square angstrom.
DENSITY = 3.0
TIGHTNESS = 0.1


@dataclass(frozen=True, eq=False)
class Potential:
    """Electrostatic potential of one conformer: positions (n_atoms, 3) and points (n, 3) in bohr, values (n,) in au."""

    positions: Floats
    points: Floats
    values: Floats

    @property
    def inverse_distances(self) -> Floats:
        """1/r of each point (row) to each atom (column), 1/bohr."""
        return np.asarray(1 / np.linalg.norm(self.points[:, None] - self.positions[None], axis=2))


@dataclass(frozen=True)
class Problem:
    """What a fit may not break.

    Attributes
    ----------
    heavy : tuple of bool
        Which atoms are restrained: all but hydrogen.
    classes : tuple of int
        Atoms with the same number share a charge.
    groups : tuple of (tuple of int, float)
        Atoms whose charges sum to a given value, e.
    frozen : dict of int to float
        Atoms that keep a charge.
    """

    heavy: tuple[bool, ...]
    classes: tuple[int, ...]
    groups: tuple[tuple[tuple[int, ...], float], ...]
    frozen: dict[int, float]


def surface_points(elements: Sequence[str], positions: Floats, density: float = DENSITY) -> Floats:
    """Points on the four shells about a molecule, (n, 3) in bohr; positions in nm."""
    radii = np.array([RADII[element] for element in elements])
    kept = []
    for factor in SHELLS:
        for centre, radius in zip(positions, factor * radii, strict=True):
            points = centre + radius * sphere(max(1, round(4 * np.pi * radius**2 * 100 * density)))
            distances = np.linalg.norm(points[:, None] - positions[None], axis=2)
            kept.append(points[(distances >= factor * radii - 1e-9).all(axis=1)])
    return np.concatenate(kept) / BOHR


def sphere(count: int) -> Floats:
    """About evenly spread points on the unit sphere, (count, 3): a Fibonacci lattice."""
    k = np.arange(count) + 0.5
    height, turn = 1 - 2 * k / count, np.pi * (1 + 5**0.5) * k
    ring = np.sqrt(1 - height**2)
    return np.stack([ring * np.cos(turn), ring * np.sin(turn), height], axis=1)


def fit(
    potentials: Sequence[Potential],
    weights: Sequence[float],
    problem: Problem,
    restraint: float,
    density: float = DENSITY,
) -> Floats:
    """Charges (n_atoms,) that solve one stage, e.

    The restraint makes the equations non-linear in q; they are solved by iteration of linear ones, each with the
    slope of the hyperbola at the charges of the one before.

    Raises
    ------
    RuntimeError
        200 iterations were not enough.
    """
    classes = np.unique(problem.classes, return_inverse=True)[1]
    share = np.eye(classes.max() + 1)[classes]  # (n_atoms, n_classes): one charge a class
    matrix, right = np.zeros((len(classes),) * 2), np.zeros(len(classes))
    for each, weight in zip(potentials, weights, strict=True):
        inverse = each.inverse_distances
        matrix += weight / density * inverse.T @ inverse
        right += weight / density * inverse.T @ each.values
    rows = [share[list(atoms)].sum(axis=0) for atoms, _ in problem.groups] + [share[i] for i in problem.frozen]
    values = [value for _, value in problem.groups] + list(problem.frozen.values())
    constraints = np.array(rows)
    charges = np.zeros(len(classes))
    for _ in range(200):
        slope = np.where(problem.heavy, restraint / np.sqrt(charges**2 + TIGHTNESS**2), 0.0)
        inner = share.T @ (matrix + np.diag(slope)) @ share
        zero = np.zeros((len(rows), len(rows)))
        system = np.block([[inner, constraints.T], [constraints, zero]])
        # Constraints may repeat each other (all atoms of a group frozen): the least-squares solution does not mind.
        solved = np.linalg.lstsq(system, np.concatenate([share.T @ right, values]), rcond=None)[0]
        new = share @ solved[: inner.shape[0]]
        if np.abs(new - charges).max() < 1e-7:
            return np.asarray(new)
        charges = new
    raise RuntimeError("the restrained fit did not converge")


def two_stages(
    potentials: Sequence[Potential],
    weights: Sequence[float],
    elements: Sequence[str],
    bonds: Sequence[tuple[int, int]],
    symmetry: Sequence[int],
    groups: Sequence[tuple[tuple[int, ...], float]],
) -> Floats:
    """Charges (n_atoms,) by the standard procedure; `symmetry` says which atoms share one.

    In stage 1, hydrogens and carbons of CH2 and CH3 are free of each other where the carbon is unique.
    """
    carried: dict[int, list[int]] = {i: [] for i, element in enumerate(elements) if element == "C"}
    for i, j in [*bonds, *(bond[::-1] for bond in bonds)]:
        if i in carried and elements[j] == "H":
            carried[i].append(j)
    late = {atom for carbon, found in carried.items() if len(found) > 1 for atom in (carbon, *found)}
    heavy = tuple(element != "H" for element in elements)
    n = len(elements)
    early = tuple(n + i if i in late else symmetry[i] for i in range(n))
    first = fit(potentials, weights, Problem(heavy, early, tuple(groups), {}), 0.0005)
    frozen = {i: first[i] for i in range(n) if i not in late}
    if not late:
        return first
    return fit(potentials, weights, Problem(heavy, tuple(symmetry), tuple(groups), frozen), 0.001)


def relative_error(potential: Potential, charges: Floats) -> float:
    """Root-mean-square error of the potential of the charges over that of the potential itself (RRMS)."""
    error = potential.inverse_distances @ charges - potential.values
    return float(np.sqrt((error**2).mean() / (potential.values**2).mean()))
