"""What an OpenMM System holds, read back as plain arrays: what any other program needs of it.

This is the one place where sigma and epsilon are recovered from the factored form of the geometric rule, and where
all that other programs derive by rule (mixed 1-4 pairs, exclusions within three bonds) is checked against what the
System says, pair by pair, so that a writer may rely on the rule.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app

from mdstudy.base.errors import ExportError
from mdstudy.system.forcefield import ForceField
from mdstudy.system.parameterise import GEOMETRIC

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: Relative deviation that is still the same number: what a round trip through text leaves.
_SAME = 1e-6


@dataclass(frozen=True, eq=False)
class Interactions:
    """Atoms, terms and settings of a System in nm, kJ/mol, rad, e and Da; atoms are counted from 0.

    Attributes
    ----------
    names, types, residues : list of str
        Name, force-field type and residue name of each atom.
    classes : dict of str to str
        Class of each type.
    numbers : list of int
        Residue number of each atom, as in the topology.
    elements : list of int
        Atomic numbers.
    masses, charges, sigma, epsilon : (n,) float arrays
        Masses as simulated (hydrogens may carry mass of their neighbours), charges as scaled.
    starts : (m + 1,) int array
        First atom of each molecule, then the number of atoms.
    bonds : (b, 2) int array
    bond_values : (b, 2) float array
        Length and k of ``k/2 (r - r0)^2``, of constrained bonds too.
    constrained : (b,) bool array
    angles, angle_values : (a, 3) int, (a, 2) float array
        Angle and k of ``k/2 (t - t0)^2``.
    torsions, torsion_values : (t, 4) int, (t, 3) float array
        Periodicity n, phase and k of ``k (1 + cos(n f - phase))``; several rows may share their atoms.
    improper : (t,) bool array
        Whether the four atoms are no chain of bonds.
    excluded, one_four : (p, 2) int array
        Pairs one or two, and three bonds apart along the shortest path.
    coulomb14, lj14 : float
        Factors on the Coulomb and Lennard-Jones energy of the latter.
    rule : {"geometric", "lorentz-berthelot"}
        How sigma and epsilon mix, in 1-4 pairs too.
    cutoff, switch : float
        Of Lennard-Jones and direct Coulomb; equal where nothing is switched.
    long_range : bool
        Whether energy and pressure are corrected for Lennard-Jones beyond the cutoff.
    around : bool
        Whether a molecule may lead around the box, so that its bonded terms reach for images.
    alpha : float
        Ewald splitting, 1/nm.
    grid : (int, int, int) or None
        Points of the particle mesh where the System names them.
    tolerance : float
        Ewald error tolerance, from which OpenMM chooses a mesh where the System names none.
    """

    names: list[str]
    types: list[str]
    residues: list[str]
    classes: dict[str, str]
    numbers: list[int]
    elements: list[int]
    masses: Floats
    charges: Floats
    sigma: Floats
    epsilon: Floats
    starts: Indices
    bonds: Indices
    bond_values: Floats
    constrained: NDArray[np.bool_]
    angles: Indices
    angle_values: Floats
    torsions: Indices
    torsion_values: Floats
    improper: NDArray[np.bool_]
    excluded: Indices
    one_four: Indices
    coulomb14: float
    lj14: float
    rule: str
    cutoff: float
    switch: float
    long_range: bool
    around: bool
    alpha: float
    grid: tuple[int, int, int] | None
    tolerance: float

    def residue_starts(self) -> list[int]:
        """First atom of each residue, in order."""
        residue = [(self.residues[i], self.numbers[i]) for i in range(len(self.names))]
        molecules = set(self.starts.tolist())
        return [i for i in range(len(residue)) if i in molecules or residue[i] != residue[i - 1]]

    def mesh(self, edges: Floats) -> tuple[int, int, int]:
        """Points of the particle mesh in a box with these edges (nm), as OpenMM's formula has them."""
        if self.grid is not None:
            return self.grid
        x, y, z = (int(np.ceil(2 * self.alpha * edge / (3 * self.tolerance**0.2))) for edge in edges)
        return x, y, z


def numbered(values: Iterable[Any]) -> tuple[list[int], list[Any]]:
    """Type of each value, from 1 in order of appearance, and the distinct values."""
    types: dict[Any, int] = {}
    return [types.setdefault(value, len(types) + 1) for value in values], list(types)


def mix(rule: str, sigma: Floats, epsilon: Floats, i: Any, j: Any) -> tuple[Floats, Floats]:
    """Sigma (nm) and epsilon (kJ/mol) of pairs, by the rule; `i` and `j` index the arrays."""
    mean = np.sqrt(sigma[i] * sigma[j]) if rule == "geometric" else (sigma[i] + sigma[j]) / 2
    return mean, np.sqrt(epsilon[i] * epsilon[j])


def read_interactions(system: openmm.System, topology: app.Topology, field: ForceField) -> Interactions:
    """Read a System made by :func:`mdstudy.system.parameterise.parameterise`.

    Parameters
    ----------
    system : openmm.System
    topology : openmm.app.Topology
        Names of its atoms, in the same order.
    field : ForceField
        That it was made of: gives types, and the force constants of bonds that the System constrains.

    Raises
    ------
    ExportError
        A force or an expression that other programs are not told of; exclusions or 1-4 pairs that do not follow the
        rules; a constraint that is no bond of the force field.
    """
    atoms = list(topology.atoms())
    if len(atoms) != system.getNumParticles():
        raise ExportError(f"the topology has {len(atoms)} atoms, the System {system.getNumParticles()}")
    labels = [f"{atom.residue.name}{atom.residue.id}:{atom.name}" for atom in atoms]
    try:
        types = [field.residues[atom.residue.name].types[atom.name] for atom in atoms]
    except KeyError as error:
        raise ExportError(f"{field.path}: no residue or atom {error}, which the topology has") from error
    forces = _forces(system)
    nonbonded, custom = forces["NonbondedForce"], forces.get("CustomNonbondedForce")
    charges, sigma, epsilon = _particles(nonbonded, custom)
    rule = "lorentz-berthelot" if custom is None else "geometric"
    bonds, bond_values, constrained = _bonds(system, forces.get("HarmonicBondForce"), field, types, labels)
    angles, angle_values = _rows(forces.get("HarmonicAngleForce"), "Angle", 3)
    torsions, torsion_values = _rows(forces.get("PeriodicTorsionForce"), "Torsion", 4)
    apart = _separations(len(atoms), bonds)
    excluded, one_four = (
        np.array(sorted(pair for pair, steps in apart.items() if (steps == 3) is last), dtype=np.int64).reshape(-1, 2)
        for last in (False, True)
    )
    mixed = (charges[one_four[:, 0]] * charges[one_four[:, 1]], *mix(rule, sigma, epsilon, *one_four.T))
    coulomb14, lj14 = _factors(nonbonded, apart, one_four, mixed, labels)
    lennard_jones = nonbonded if custom is None else custom
    cutoff, tolerance = _value(nonbonded.getCutoffDistance()), nonbonded.getEwaldErrorTolerance()
    alpha, *mesh = (_value(parameter) for parameter in nonbonded.getPMEParameters())
    return Interactions(
        names=[atom.name for atom in atoms],
        types=types,
        residues=[atom.residue.name for atom in atoms],
        classes=field.classes,
        numbers=[int(atom.residue.id) for atom in atoms],
        elements=[atom.element.atomic_number for atom in atoms],
        masses=np.array([_value(system.getParticleMass(i)) for i in range(len(atoms))]),
        charges=charges,
        sigma=sigma,
        epsilon=epsilon,
        starts=_molecules(len(atoms), bonds),
        bonds=bonds,
        bond_values=bond_values,
        constrained=constrained,
        angles=angles,
        angle_values=angle_values,
        torsions=torsions,
        torsion_values=torsion_values,
        improper=np.array(
            [any(apart.get(_pair(*ends)) != 1 for ends in pairwise(row)) for row in torsions], dtype=bool
        ),
        excluded=excluded,
        one_four=one_four,
        coulomb14=coulomb14,
        lj14=lj14,
        rule=rule,
        cutoff=cutoff,
        switch=_value(lennard_jones.getSwitchingDistance()) if lennard_jones.getUseSwitchingFunction() else cutoff,
        long_range=nonbonded.getUseDispersionCorrection() if custom is None else custom.getUseLongRangeCorrection(),
        alpha=alpha or float(np.sqrt(-np.log(2 * tolerance))) / cutoff,
        grid=(int(mesh[0]), int(mesh[1]), int(mesh[2])) if alpha else None,
        around=any(
            force.usesPeriodicBoundaryConditions() for name, force in forces.items() if name.startswith("Harmonic")
        ),
        tolerance=tolerance,
    )


def _forces(system: openmm.System) -> dict[str, Any]:
    """Forces of the System by kind: those that can be written for another program, at most one of each."""
    known = {
        "HarmonicBondForce",
        "HarmonicAngleForce",
        "PeriodicTorsionForce",
        "NonbondedForce",
        "CustomNonbondedForce",
    }
    forces: dict[str, Any] = {}
    for force in system.getForces():
        kind = type(force).__name__
        if kind not in known or kind in forces:
            fault = "stands twice" if kind in forces else f"has no form elsewhere; known are {', '.join(sorted(known))}"
            raise ExportError(f'System: the force "{force.getName()}" ({kind}) {fault}')
        forces[kind] = force
    nonbonded, custom = forces.get("NonbondedForce"), forces.get("CustomNonbondedForce")
    if nonbonded is None or nonbonded.getNonbondedMethod() != openmm.NonbondedForce.PME:
        raise ExportError("System: a NonbondedForce with PME is needed")
    if custom is not None:
        if custom.getEnergyFunction() not in GEOMETRIC:
            raise ExportError(f'System: no other program is told of the expression "{custom.getEnergyFunction()}"')
        if custom.getCutoffDistance() != nonbonded.getCutoffDistance():
            raise ExportError("System: Lennard-Jones and Coulomb are cut off at different distances")
    return forces


def _particles(nonbonded: Any, custom: Any | None) -> tuple[Floats, Floats, Floats]:
    """Charge, sigma and epsilon of each atom, the last from B = 2 sqrt(epsilon) sigma^3 where the rule is geometric."""
    count = nonbonded.getNumParticles()
    rows = [[_value(x) for x in nonbonded.getParticleParameters(i)] for i in range(count)]
    charges, sigma, epsilon = np.array(rows, dtype=float).reshape(-1, 3).T
    if custom is None:
        return charges, sigma, epsilon
    a, b = np.array([custom.getParticleParameters(i) for i in range(count)], dtype=float).reshape(-1, 2).T
    root = np.divide(b, 2 * sigma**3)
    if epsilon.any() or not np.allclose(a, b * sigma**3, rtol=_SAME, atol=0):
        raise ExportError(
            "System: A and B of the Lennard-Jones force do not belong to the sigmas of the NonbondedForce"
        )
    return charges, sigma, root**2


def _rows(force: Any | None, kind: str, length: int) -> tuple[Indices, Floats]:
    """Atoms and numbers of each row of a bonded force."""
    count = 0 if force is None else getattr(force, f"getNum{kind}s")()
    rows = [[_value(x) for x in getattr(force, f"get{kind}Parameters")(k)] for k in range(count)]
    table = (
        np.array(rows, dtype=float).reshape(count, -1) if count else np.empty((0, length + (3 if length == 4 else 2)))
    )
    return table[:, :length].astype(np.int64), table[:, length:]


def _bonds(
    system: openmm.System, force: Any | None, field: ForceField, types: list[str], labels: list[str]
) -> tuple[Indices, Floats, NDArray[np.bool_]]:
    """Bonds, sorted, with length and k: of the System, and of the force field for those that the System constrains."""
    atoms, values = _rows(force, "Bond", 2)
    rows = [(*_pair(*pair), *value, False) for pair, value in zip(atoms, values, strict=True)]
    for k in range(system.getNumConstraints()):
        i, j, distance = system.getConstraintParameters(k)
        value = field.bond([types[i], types[j]])
        if value is None or abs(value[0] - _value(distance)) > _SAME:
            has = "has no such bond" if value is None else f"has {value[0]:g} nm"
            raise ExportError(
                f"constraint {labels[i]}-{labels[j]} of {_value(distance):g} nm: {field.path} {has}, "
                "and a bond needs its force constant elsewhere"
            )
        rows.append((*_pair(i, j), *value, True))
    table = np.array(sorted(rows), dtype=float).reshape(-1, 5)
    return table[:, :2].astype(np.int64), table[:, 2:4], table[:, 4].astype(bool)


def _separations(n_atoms: int, bonds: Indices) -> dict[tuple[int, int], int]:
    """Bonds along the shortest path between any two atoms, as far as three."""
    bound: list[list[int]] = [[] for _ in range(n_atoms)]
    for i, j in bonds.tolist():
        bound[i].append(j)
        bound[j].append(i)
    apart: dict[tuple[int, int], int] = {}
    for start in range(n_atoms):
        seen, edge = {start}, [start]
        for steps in (1, 2, 3):
            edge = sorted({far for near in edge for far in bound[near]} - seen)
            seen.update(edge)
            apart.update({(start, far): steps for far in edge if far > start})
    return apart


def _factors(
    nonbonded: Any, apart: dict[tuple[int, int], int], one_four: Indices, mixed: tuple[Floats, ...], labels: list[str]
) -> tuple[float, float]:
    """Factors on Coulomb and Lennard-Jones energy of 1-4 pairs, after a look at every exception."""
    rows = map(nonbonded.getExceptionParameters, range(nonbonded.getNumExceptions()))
    special = {_pair(i, j): (_value(product), _value(s), _value(e)) for i, j, product, s, e in rows}
    for i, j in sorted(special.keys() ^ apart.keys()):
        fault = "is special, but more than three bonds long" if (i, j) in special else "is not special"
        raise ExportError(f"System: the pair {labels[i]}, {labels[j]} {fault}; pairs within three bonds should be")
    for (i, j), (product, _, epsilon) in special.items():
        if apart[i, j] < 3 and (product or epsilon):
            raise ExportError(
                f"System: the pair {labels[i]}, {labels[j]} is {apart[i, j]} bonds apart and not excluded"
            )
    products, sigma, epsilon = (np.array([special[_pair(*p)][k] for p in one_four.tolist()]) for k in range(3))
    factors = []
    for what, found, whole in (("Coulomb", products, mixed[0]), ("Lennard-Jones", epsilon, mixed[2])):
        weight = float(whole @ whole)
        factor = round(float(found @ whole) / weight, 9) if weight else 1.0
        wrong = ~np.isclose(found, factor * whole, rtol=_SAME, atol=1e-12)
        if what == "Lennard-Jones":
            wrong |= (epsilon > 0) & ~np.isclose(sigma, mixed[1], rtol=_SAME, atol=0)
        if wrong.any():
            i, j = one_four[int(np.argmax(wrong))]
            raise ExportError(
                f"System: 1-4 pair {labels[i]}, {labels[j]}: {what} is not that of the mixed pair times one factor"
            )
        factors.append(factor)
    return factors[0], factors[1]


def _molecules(n_atoms: int, bonds: Indices) -> Indices:
    """First atom of each molecule (the shortest run of atoms that no bond leaves), then the number of atoms."""
    reach = np.arange(n_atoms)
    np.maximum.at(reach, bonds[:, 0], bonds[:, 1])
    ends = np.flatnonzero(np.maximum.accumulate(reach) == np.arange(n_atoms)) + 1
    return np.concatenate([[0], ends]).astype(np.int64)


def _pair(i: int, j: int) -> tuple[int, int]:
    return (int(i), int(j)) if i < j else (int(j), int(i))


def _value(quantity: Any) -> Any:
    """Number of an OpenMM quantity in OpenMM's own units, which are ours."""
    return quantity._value if hasattr(quantity, "_value") else quantity
