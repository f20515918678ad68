"""Minimise an energy surface, with dihedrals held where a scan wants them.

Quasi-Newton in Cartesian coordinates. The first Hessian is a model of springs along bonds, angles and dihedrals (force
constants of Lindh et al., Chem. Phys. Lett. 241, 423 (1995), doi 10.1016/0009-2614(95)00646-L, for atoms at bonding
distance); later ones follow the gradients (BFGS, damped after Powell). A held dihedral is an equality constraint of
each step (sequential quadratic programming), so that it is exact at the end.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from quantum import HARTREE, Floats, Surface

#: Model force constants by number of atoms in the coordinate: kJ/mol/nm^2, kJ/mol/rad^2, kJ/mol/rad^2.
_SPRINGS = {2: 0.45 * HARTREE / 0.0529177**2, 3: 0.15 * HARTREE, 4: 0.005 * HARTREE}

Path = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Relaxed:
    """A stationary point: energy (kJ/mol), positions (nm), how many gradients it took, whether it converged."""

    energy: float
    positions: Floats
    gradients: int
    converged: bool


def dihedral(positions: Floats, path: Sequence[int]) -> float:
    """Dihedral angle of four atoms, rad, 0 is cis."""
    a, b, c = np.diff(positions[list(path)], axis=0)
    n, m = np.cross(a, b), np.cross(b, c)
    return float(np.arctan2(np.linalg.norm(b) * a @ m, n @ m))


def coordinate(positions: Floats, path: Path) -> tuple[float, Floats]:
    """Distance, angle or dihedral of two, three or four atoms and its gradient (n_atoms, 3)."""
    slope, p = np.zeros_like(positions), positions[list(path)]
    if len(path) == 2:
        d = p[1] - p[0]
        r = float(np.linalg.norm(d))
        slope[path[0]], slope[path[1]] = -d / r, d / r
        return r, slope
    if len(path) == 3:
        u, v = p[0] - p[1], p[2] - p[1]
        ru, rv = np.linalg.norm(u), np.linalg.norm(v)
        u, v = u / ru, v / rv
        cosine = float(np.clip(u @ v, -1, 1))
        sine = max(np.sqrt(1 - cosine**2), 1e-6)
        slope[path[0]], slope[path[2]] = (u * cosine - v) / (ru * sine), (v * cosine - u) / (rv * sine)
        slope[path[1]] = -slope[path[0]] - slope[path[2]]
        return float(np.arccos(cosine)), slope
    a, b, c = np.diff(p, axis=0)
    n, m, rb = np.cross(a, b), np.cross(b, c), np.linalg.norm(b)
    first, last = -rb / (n @ n) * n, rb / (m @ m) * m
    s, t = a @ b / rb**2, b @ c / rb**2
    slope[path[0]], slope[path[3]] = first, last
    slope[path[1]] = -(1 + s) * first + t * last
    slope[path[2]] = s * first - (1 + t) * last
    return dihedral(positions, path), slope


def paths(bonds: Sequence[tuple[int, int]]) -> list[Path]:
    """Bonds, angles and dihedrals of a molecular graph."""
    neighbours: dict[int, list[int]] = {}
    for i, j in bonds:
        neighbours.setdefault(i, []).append(j)
        neighbours.setdefault(j, []).append(i)
    angles = [(i, j, k) for j, bound in neighbours.items() for i, k in combinations(bound, 2)]
    dihedrals = [
        (i, j, k, l)
        for j, k in bonds
        for i in neighbours[j]
        for l in neighbours[k]  # noqa: E741
        if i != k and l != j and i != l
    ]
    return [*bonds, *angles, *dihedrals]


def model_hessian(positions: Floats, bonds: Sequence[tuple[int, int]]) -> Floats:
    """Springs along all internal coordinates, (3 n, 3 n), kJ/mol/nm^2, and weak ones that keep it regular."""
    hessian = 200.0 * np.eye(positions.size)
    for path in paths(bonds):
        slope = coordinate(positions, path)[1].ravel()
        hessian += _SPRINGS[len(path)] * np.outer(slope, slope)
    return hessian


def relax(
    surface: Surface,
    positions: Floats,
    bonds: Sequence[tuple[int, int]],
    held: Mapping[Path, float] | None = None,
    *,
    tolerance: float = 25.0,
    longest: float = 0.02,
    most: int = 100,
) -> Relaxed:
    """Minimise `surface` from `positions`.

    Parameters
    ----------
    surface : callable
        Positions (nm) to energy (kJ/mol) and gradient (kJ/mol/nm).
    positions : (n_atoms, 3) float array, nm
    bonds : sequence of (int, int)
        For the model Hessian; may join what is not bonded chemically.
    held : mapping of four atoms to rad, optional
        Dihedrals and the values to hold them at.
    tolerance : float
        Largest component of the gradient along what is free, kJ/mol/nm; 25 is 5e-4 hartree/bohr, with which
        energies are converged to some 0.02 kJ/mol.
    longest : float
        Longest displacement of an atom in a step, nm.
    most : int
        Gradients after which to give up; the result then says that it is not converged.
    """
    targets = dict(held or {})
    x = np.array(positions, dtype=float)
    hessian = model_hessian(x, bonds)
    energy, gradient = surface(x)
    for used in range(1, most + 1):
        pulls, misses = _constraints(x, targets)
        step, multipliers = _newton(hessian, gradient.ravel(), pulls, misses)
        free = gradient.ravel() + pulls.T @ multipliers
        settled = np.abs(free).max() < tolerance and (not len(misses) or np.abs(misses).max() < 1e-4)
        if settled or used == most:
            return Relaxed(energy, x, used, bool(settled))
        step *= min(1.0, longest / np.linalg.norm(step.reshape(-1, 3), axis=1).max())
        x = x + step.reshape(-1, 3)
        energy, gradient = surface(x)
        change = gradient.ravel() + _constraints(x, targets)[0].T @ multipliers - free
        hessian = _updated(hessian, step, change)
    raise AssertionError("unreachable: the last pass returns")


def _constraints(x: Floats, targets: Mapping[Path, float]) -> tuple[Floats, Floats]:
    """Gradients (n_held, 3 n) of the held dihedrals and by how much they miss, rad."""
    pulls, misses = np.zeros((len(targets), x.size)), np.zeros(len(targets))
    for k, (path, target) in enumerate(targets.items()):
        value, slope = coordinate(x, path)
        pulls[k], misses[k] = slope.ravel(), (value - target + np.pi) % (2 * np.pi) - np.pi
    return pulls, misses


def _newton(hessian: Floats, gradient: Floats, pulls: Floats, misses: Floats) -> tuple[Floats, Floats]:
    """The step to the minimum of the quadratic model that mends the constraints to first order, and the multipliers."""
    n, m = len(gradient), len(misses)
    matrix = np.block([[hessian, pulls.T], [pulls, np.zeros((m, m))]])
    solved = np.linalg.solve(matrix, np.concatenate([-gradient, -misses]))
    return solved[:n], solved[n:]


def _updated(hessian: Floats, step: Floats, change: Floats) -> Floats:
    """BFGS with Powell's damping, which keeps the Hessian positive."""
    moved = hessian @ step
    curvature, expected = step @ change, step @ moved
    if curvature < 0.2 * expected:
        mix = 0.8 * expected / (expected - curvature)
        change = mix * change + (1 - mix) * moved
        curvature = step @ change
    return hessian + np.outer(change, change) / curvature - np.outer(moved, moved) / expected
