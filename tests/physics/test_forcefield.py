"""The System against energies written out by hand, and the force field against what its sources say of it."""

from __future__ import annotations

import itertools
import xml.etree.ElementTree as ElementTree

import numpy as np
import openmm
import pytest
from numpy.typing import NDArray
from openmm import Vec3, app, unit
from scipy.integrate import quad
from scipy.special import erfc

from mdstudy.base.library import data_dir, names
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.parameterise import energy_terms, parameterise

COULOMB = 138.935456  # kJ mol^-1 nm e^-2
EDGE, CUTOFF, SWITCH = 2.5, 1.2, 1.1
MIXTURE = ["LI", "FSI", "P13", "TTE", "MMA", "MMH MMU MMT", "FSI", "TTE"]

Array = NDArray[np.float64]


# What the tests know of the force field, read without the library's or OpenMM's reader.


def parameters(topology: app.Topology, scale: float) -> tuple[Array, Array, Array]:
    """Charge (ions scaled), sigma and epsilon of each atom."""
    root = ElementTree.parse(data_dir("forcefields") / "clp-opls.xml").getroot()
    rows = {row.attrib["type"]: row.attrib for row in root.iterfind("NonbondedForce/Atom")}
    residues = load_force_field("clp-opls").residues
    found = [rows[residues[atom.residue.name].types[atom.name]] for atom in topology.atoms()]
    ionic = np.array([atom.residue.name in ("LI", "FSI", "P13") for atom in topology.atoms()])
    q, sigma, epsilon = (np.array([float(row[k]) for row in found]) for k in ("charge", "sigma", "epsilon"))
    return q * np.where(ionic, scale, 1.0), sigma, epsilon


def separations(topology: app.Topology) -> NDArray[np.int64]:
    """Bonds between each pair of atoms along the shortest path; 9 where more than three."""
    n = topology.getNumAtoms()
    bonded = np.zeros((n, n), dtype=int)
    for a, b in topology.bonds():
        bonded[a.index, b.index] = bonded[b.index, a.index] = 1
    apart = np.full((n, n), 9)
    for steps in (3, 2, 1):
        apart[np.linalg.matrix_power(bonded, steps) > 0] = steps
    np.fill_diagonal(apart, 0)
    return apart


def lennard_jones(r: Array, sigma: Array, epsilon: Array) -> Array:
    return 4 * epsilon * ((sigma / r) ** 12 - (sigma / r) ** 6)


def switched(r: Array) -> Array:
    x = np.clip((r - SWITCH) / (CUTOFF - SWITCH), 0, 1)
    return 1 - 10 * x**3 + 15 * x**4 - 6 * x**5


def pairs(positions: Array) -> tuple[NDArray[np.intp], NDArray[np.intp], Array]:
    """All pairs i < j with the distance to the nearest image."""
    i, j = np.triu_indices(len(positions), 1)
    d = positions[j] - positions[i]
    return i, j, np.linalg.norm(d - EDGE * np.round(d / EDGE), axis=1)


def long_range(sigma: Array, epsilon: Array, mix: bool) -> float:
    """Lennard-Jones energy beyond the switch of a homogeneous liquid, over all pairs of atoms."""
    kinds, count = np.unique(np.stack([sigma, epsilon], axis=1), axis=0, return_counts=True)
    total, weights = 0.0, 0.0
    for a, b in itertools.combinations_with_replacement(range(len(kinds)), 2):
        n = count[a] * (count[a] + 1) / 2 if a == b else count[a] * count[b]
        s = np.sqrt(kinds[a, 0] * kinds[b, 0]) if mix else (kinds[a, 0] + kinds[b, 0]) / 2
        e = np.sqrt(kinds[a, 1] * kinds[b, 1])
        tail = 4 * e * (s**12 / (9 * CUTOFF**9) - s**6 / (3 * CUTOFF**3))
        ring = quad(lambda r, s=s, e=e: (1 - switched(r)) * lennard_jones(r, s, e) * r * r, SWITCH, CUTOFF)[0]
        total, weights = total + n * (tail + ring), weights + n
    return 2 * np.pi * len(sigma) ** 2 / EDGE**3 * total / weights


def ewald(positions: Array, q: Array) -> float:
    """Coulomb energy of a periodic box, all pairs, conducting boundary, neutralised by a uniform background."""
    alpha, reach = 4.5, 16
    i, j, r = pairs(positions)
    near = r < EDGE / 2
    real = np.sum((q[i] * q[j] * erfc(alpha * r) / r)[near])
    n = np.array(list(itertools.product(range(-reach, reach + 1), repeat=3)), dtype=float)
    k = 2 * np.pi / EDGE * n[np.any(n != 0, axis=1)]
    k2 = np.sum(k * k, axis=1)
    structure = np.abs(np.exp(1j * k @ positions.T) @ q) ** 2
    reciprocal = 2 * np.pi / EDGE**3 * np.sum(np.exp(-k2 / (4 * alpha**2)) / k2 * structure)
    own = -alpha / np.sqrt(np.pi) * np.sum(q * q)
    background = -np.pi * q.sum() ** 2 / (2 * EDGE**3 * alpha**2)
    return COULOMB * float(real + reciprocal + own + background)


def angle(p: Array, *atoms: int) -> float:
    a, b, c = p[list(atoms)]
    u, v = a - b, c - b
    return float(np.degrees(np.arccos(u @ v / np.linalg.norm(u) / np.linalg.norm(v))))


def dihedral(p: Array, *atoms: int) -> float:
    a, b, c, d = p[list(atoms)]
    axis = (c - b) / np.linalg.norm(c - b)
    u, v = (a - b) - (a - b) @ axis * axis, (d - c) - (d - c) @ axis * axis
    return float(np.degrees(np.arctan2(np.cross(axis, u) @ v, u @ v)))


def opls(v: tuple[float, float, float], degrees: float) -> float:
    f = np.radians(degrees)
    return float(v[0] * (1 + np.cos(f)) + v[1] * (1 - np.cos(2 * f)) + v[2] * (1 + np.cos(3 * f))) / 2


def minimised(system: openmm.System, positions: Array) -> tuple[float, Array]:
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    openmm.LocalEnergyMinimizer.minimize(context, 0.1)
    state = context.getState(getEnergy=True, getPositions=True)
    return state.getPotentialEnergy()._value, np.array(state.getPositions(asNumpy=True)._value)


# Energies.


def test_bonded_energy_of_fsi_from_the_published_numbers(make_box) -> None:
    box = make_box(["FSI"], edge=EDGE)
    index = {atom.name: atom.index for atom in box.topology.atoms()}
    p = box.positions
    bonds = {"S1 N1": (0.1570, 313700), "S1 F1": (0.1575, 187900), "S1 O1": (0.1437, 533100), "S1 O2": (0.1437, 533100)}
    angles = {
        "F1 S1 N1": (103.0, 902),
        "F1 S1 O1": (104.1, 1077),
        "F1 S1 O2": (104.1, 1077),
        "N1 S1 O1": (113.6, 789),
        "N1 S1 O2": (113.6, 789),
        "O1 S1 O2": (118.5, 969),
    }
    torsions = {
        "F1 S1 N1 S2": (11.4450, -15.1860, -3.2120),
        "O1 S1 N1 S2": (0.0, 0.0, -0.0150),
        "O2 S1 N1 S2": (0.0, 0.0, -0.0150),
    }
    other = str.maketrans({"O": "o", "S": "s", "F": "f"})
    twin = {"s1": "S2", "s2": "S1", "o1": "O3", "o2": "O4", "f1": "F2", "N1": "N1"}

    def both(names: str) -> list[list[int]]:
        return [
            [index[name] for name in names.split()],
            [index[twin[name]] for name in names.translate(other).split()],
        ]

    bond = sum(
        k / 2 * (np.linalg.norm(p[i] - p[j]) - r0) ** 2 for names, (r0, k) in bonds.items() for i, j in both(names)
    )
    bend = sum(
        k / 2 * np.radians(angle(p, *atoms) - t0) ** 2 for names, (t0, k) in angles.items() for atoms in both(names)
    )
    bend += 671 / 2 * np.radians(angle(p, index["S1"], index["N1"], index["S2"]) - 125.6) ** 2
    twist = sum(opls(v, dihedral(p, *atoms)) for names, v in torsions.items() for atoms in both(names))
    terms = energy_terms(parameterise(box.topology), p)
    assert terms["bond"] == pytest.approx(bond, rel=1e-6)
    assert terms["angle"] == pytest.approx(bend, rel=1e-6)
    assert terms["dihedral"] == pytest.approx(twist, rel=1e-6)
    assert min(bond, bend, abs(twist)) > 1


def test_lennard_jones_is_mixed_geometrically_and_corrected_at_long_range(make_box) -> None:
    box = make_box(MIXTURE, edge=EDGE)
    _, sigma, epsilon = parameters(box.topology, 1.0)
    i, j, r = pairs(box.positions)
    counted = (separations(box.topology)[i, j] > 3) & (r < CUTOFF)
    i, j, r = i[counted], j[counted], r[counted]
    depth = np.sqrt(epsilon[i] * epsilon[j])
    geometric = np.sum(lennard_jones(r, np.sqrt(sigma[i] * sigma[j]), depth) * switched(r))
    arithmetic = np.sum(lennard_jones(r, (sigma[i] + sigma[j]) / 2, depth) * switched(r))
    correction = long_range(sigma, epsilon, mix=True)
    found = energy_terms(parameterise(box.topology), box.positions)["lennard_jones"]
    assert found == pytest.approx(geometric + correction, rel=1e-6)
    assert correction < -1
    assert abs(arithmetic - geometric) > 1e-3 * abs(geometric), "the wrong rule must be far outside the tolerance"


@pytest.mark.parametrize("scale", [1.0, 0.8])
def test_coulomb_and_one_four_energy_against_an_ewald_sum(scale: float, make_box) -> None:
    box = make_box(MIXTURE, edge=EDGE)
    q, sigma, epsilon = parameters(box.topology, scale)
    # Excluded pairs are taken out of the lattice sum at their distance in space, not at the nearest image.
    apart = separations(box.topology)
    i, j = np.nonzero(np.triu((apart > 0) & (apart < 4)))
    r = np.linalg.norm(box.positions[i] - box.positions[j], axis=1)
    one_four = apart[i, j] == 3
    energy = ewald(box.positions, q) - COULOMB * np.sum(q[i] * q[j] / r)
    i, j, r = i[one_four], j[one_four], r[one_four]
    energy += 0.5 * COULOMB * np.sum(q[i] * q[j] / r)
    energy += 0.5 * np.sum(lennard_jones(r, np.sqrt(sigma[i] * sigma[j]), np.sqrt(epsilon[i] * epsilon[j])))
    system = parameterise(box.topology, charge_scale=scale, ewald_tolerance=1e-6)
    assert energy_terms(system, box.positions)["coulomb"] == pytest.approx(energy, rel=1e-4, abs=0.02)


def test_planar_centres_are_held_by_impropers_with_the_oxygen_last(make_box) -> None:
    box = make_box(["MMA"], edge=EDGE)
    index = {atom.name: atom.index for atom in box.topology.atoms()}
    system = parameterise(box.topology)
    (torsions,) = [f for f in system.getForces() if isinstance(f, openmm.PeriodicTorsionForce)]
    rows = [torsions.getTorsionParameters(k) for k in range(torsions.getNumTorsions())]
    bonded = {frozenset((a.index, b.index)) for a, b in box.topology.bonds()}
    impropers = [row for row in rows if frozenset(row[:2]) not in bonded]
    assert {row[2]: row[6]._value for row in impropers} == {index["C"]: 43.932, index["CA"]: 62.76, index["CB"]: 62.76}
    assert all(row[4] == 2 and row[5]._value == pytest.approx(np.pi) for row in impropers)
    (ester,) = [row for row in impropers if row[2] == index["C"]]
    assert [index["CA"], index["O2"], index["C"], index["O1"]] == ester[:4]


# What the sources say of the molecules.


def test_minimised_fsi_has_its_two_conformers(make_box) -> None:
    """Figures of the unscaled published set, minimised independently: see each assertion."""
    found = []
    for seed in range(1, 9):
        box = make_box(["FSI"], edge=5.0, seed=seed)
        energy, p = minimised(parameterise(box.topology, charge_scale=1.0), box.positions)
        index = {atom.name: atom.index for atom in box.topology.atoms()}
        length = {b: np.linalg.norm(p[index["S1"]] - p[index[b]]) for b in ("N1", "F1", "O1")}
        s_n_s = angle(p, *(index[name] for name in ("S1", "N1", "S2")))
        twists = sorted(
            abs(dihedral(p, *(index[name] for name in names.split()))) for names in ("F1 S1 N1 S2", "F2 S2 N1 S1")
        )
        found.append((energy, length, s_n_s, twists))
    low, high = min(found, key=lambda f: f[0]), max(found, key=lambda f: f[0])
    assert low[1] == {
        "N1": pytest.approx(0.157, abs=5e-4),
        "F1": pytest.approx(0.158, abs=5e-4),
        "O1": pytest.approx(0.144, abs=5e-4),
    }
    assert low[2] == pytest.approx(128.6, abs=0.2)
    assert low[3] == pytest.approx([82, 82], abs=1)
    assert high[3] == pytest.approx([70, 115], abs=1)
    assert high[0] - low[0] == pytest.approx(5.9, abs=0.1)


def test_minimised_tte_has_its_ether_angle(make_box) -> None:
    """118.4 degrees in the lowest conformer, trans-trans about the oxygen; 118.5 in the quantum-chemical geometry."""
    found = []
    for seed in range(5, 10):
        box = make_box(["TTE"], edge=EDGE, seed=seed)
        energy, p = minimised(parameterise(box.topology), box.positions)
        index = {atom.name: atom.index for atom in box.topology.atoms()}
        twist = abs(dihedral(p, *(index[name] for name in ("C1", "C2", "O1", "C3"))))
        found.append((energy, angle(p, *(index[name] for name in ("C2", "O1", "C3"))), twist))
    _, c_o_c, twist = min(found)
    assert c_o_c == pytest.approx(118.4, abs=0.2)
    assert twist == pytest.approx(180, abs=3)


@pytest.mark.parametrize("force_field", names("forcefields", ".xml"))
def test_a_network_has_every_residue_and_term_in_every_force_field(force_field: str) -> None:
    """Two chains, one crosslink with and one without an ether between its halves, and a half that has not reacted."""
    chains = ["MMH", "PEU", "MMU", "PET"], ["MMH", "PEU", "MMT"], ["PEO"], ["PEV"], ["MMI"], ["MMA"]
    crosslinks = [("PEU 0", "CE", "PEO 2", "C1"), ("PEO 2", "C2", "PEU 1", "CE"), ("PET 0", "CE", "PEV 3", "CE")]
    known, topology, placed = load_force_field(force_field).residues, app.Topology(), {}
    for k, chain in enumerate(chains):
        made, before = topology.addChain(), None
        for name in chain:
            residue = topology.addResidue(name, made)
            atoms = {
                atom: topology.addAtom(atom, app.Element.getBySymbol(atom[0]), residue) for atom in known[name].types
            }
            for a, b in map(sorted, known[name].bonds):
                topology.addBond(atoms[a], atoms[b])
            if before:
                topology.addBond(before["CA"], atoms["CB"])
            placed[f"{name} {k}"], before = atoms, atoms
    for one, a, other, b in crosslinks:
        topology.addBond(placed[one][a], placed[other][b])
    topology.setPeriodicBoxVectors([Vec3(*row) for row in np.eye(3) * EDGE] * unit.nanometer)
    system = parameterise(topology, force_field)
    nonbonded = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    charges = [nonbonded.getParticleParameters(i)[0]._value for i in range(system.getNumParticles())]
    assert sum(charges) == pytest.approx(0, abs=1e-9)
