"""The scripts that derived charges and torsions from quantum chemistry, and that clp-opls.xml holds what they found."""

from __future__ import annotations

import json
import sys
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

import numpy as np
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "forcefields" / "derivation"
sys.path.insert(0, str(FOLDER))

from charges import METHOD, derive  # noqa: E402
from checks import check_conformers, check_scan  # noqa: E402
from conformers import structure  # noqa: E402
from dimers import FIELDS, surfaces  # noqa: E402
from molecules import TARGETS  # noqa: E402
from quantum import BOHR, DEBYE, dipole, hartree_fock, interaction, mp2_energy, potential  # noqa: E402
from relax import coordinate, dihedral, relax  # noqa: E402
from resp import RADII, SHELLS, TIGHTNESS, Potential, Problem, fit, surface_points, two_stages  # noqa: E402
from torsions import FREE, Conformers, Points, Scan, as_rows, free  # noqa: E402
from torsions import fit as fit_torsions  # noqa: E402

CHARGES = json.loads((FOLDER / "charges.json").read_text(encoding="utf-8"))
TORSIONS = json.loads((FOLDER / "torsions.json").read_text(encoding="utf-8"))
CHECKS = json.loads((FOLDER / "checks.json").read_text(encoding="utf-8"))
CHECKED, CONFORMERS = CHECKS["scans"], CHECKS["conformers"]
DIMERS = json.loads((FOLDER / "dimers.json").read_text(encoding="utf-8"))["dimers"]
ROOT = ElementTree.parse(FOLDER.parent / "clp-opls.xml").getroot()
GAFF = ElementTree.parse(FOLDER.parent / "gaff2-resp.xml").getroot()

#: Water, nm.
WATER = np.array([[0.0, 0.0, 0.0], [0.0957, 0.0, 0.0], [-0.0240, 0.0927, 0.0]])


def made_of(charges: list[float], positions: np.ndarray, elements: str) -> Potential:
    """The potential that these charges make on the shells."""
    points = surface_points(elements, positions)
    empty = Potential(positions / BOHR, points, np.zeros(len(points)))
    return Potential(empty.positions, points, empty.inverse_distances @ np.array(charges))


# The restrained fit.


def test_charges_that_made_a_potential_are_found_again() -> None:
    charges = [-0.7, 0.4, 0.3]
    problem = Problem((True, False, False), (0, 1, 2), (((0, 1, 2), 0.0),), {})
    assert fit([made_of(charges, WATER, "OHH")], [1.0], problem, 0.0) == pytest.approx(charges, abs=1e-9)


def test_atoms_of_a_class_share_the_charge_that_fits_both_best() -> None:
    charges = [-0.7, 0.4, 0.3]
    problem = Problem((True, False, False), (0, 1, 1), (((0, 1, 2), 0.0),), {})
    found = fit([made_of(charges, WATER, "OHH")], [1.0], problem, 0.0)
    assert found[1] == found[2] == pytest.approx(0.35, abs=0.01)
    assert found.sum() == pytest.approx(0, abs=1e-12)


def test_a_group_keeps_its_sum_and_a_frozen_atom_its_charge() -> None:
    problem = Problem((True, False, False), (0, 1, 2), (((0, 1, 2), 0.0), ((0, 1), -0.2)), {})
    assert fit([made_of([-0.7, 0.4, 0.3], WATER, "OHH")], [1.0], problem, 0.0)[2] == pytest.approx(0.2, abs=1e-12)
    frozen = Problem((True, False, False), (0, 1, 2), (((0, 1, 2), 0.0),), {0: -0.5})
    assert fit([made_of([-0.7, 0.4, 0.3], WATER, "OHH")], [1.0], frozen, 0.0)[0] == pytest.approx(-0.5, abs=1e-12)


def test_the_restrained_fit_is_where_its_sum_is_least() -> None:
    """Each change that keeps the net charge raises the squares plus twice the hyperbola, to second order only."""
    made = made_of([-0.7, 0.4, 0.3], WATER, "OHH")
    problem = Problem((True, False, False), (0, 1, 2), (((0, 1, 2), 0.0),), {})
    restraint, density = 0.01, 1.0
    found = fit([made], [1.0], problem, restraint, density)

    def total(charges: np.ndarray) -> float:
        squares = ((made.values - made.inverse_distances @ charges) ** 2).sum() / density
        return float(squares + 2 * restraint * (np.sqrt(charges[0] ** 2 + TIGHTNESS**2) - TIGHTNESS))

    assert abs(found[0]) < 0.7 - 1e-4
    for change in ([1e-3, -1e-3, 0], [0, 1e-3, -1e-3]):
        up, down = total(found + change) - total(found), total(found - np.array(change)) - total(found)
        assert up > 0
        assert down > 0
        assert up == pytest.approx(down, rel=0.02)


def test_two_conformers_weigh_what_they_are_told() -> None:
    one, other = made_of([-0.7, 0.4, 0.3], WATER, "OHH"), made_of([-0.5, 0.3, 0.2], WATER, "OHH")
    problem = Problem((True, False, False), (0, 1, 2), (((0, 1, 2), 0.0),), {})
    assert fit([one, other], [0.75, 0.25], problem, 0.0) == pytest.approx([-0.65, 0.375, 0.275], abs=1e-9)


def test_the_second_stage_gives_the_hydrogens_of_a_methyl_group_one_charge() -> None:
    made = structure("CO", ["C1", "O1"])
    xyz = np.array([[0, 0, 0], [0.142, 0, 0], [-0.036, 0.103, 0], [-0.036, -0.051, 0.089], [-0.036, -0.051, -0.089]])
    xyz = np.vstack([xyz, [0.174, 0.09, 0]])
    potential_of = made_of([0.1, -0.65, 0.06, 0.01, 0.02, 0.46], xyz, made.elements)
    whole = (tuple(range(6)), 0.0)
    found = two_stages([potential_of], [1.0], made.elements, made.bonds, made.symmetry, [whole])
    assert found[2] == found[3] == found[4]
    assert found.sum() == pytest.approx(0, abs=1e-10)


def test_points_lie_on_the_shells_of_one_atom_and_outside_all_of_a_molecule() -> None:
    alone = np.linalg.norm(surface_points("O", np.zeros((1, 3)), density=2.0), axis=1) * BOHR
    for factor in SHELLS:
        radius = factor * RADII["O"]
        assert np.isclose(alone, radius).sum() == round(4 * np.pi * (10 * radius) ** 2 * 2)
    distances = np.linalg.norm(surface_points("OHH", WATER)[:, None] * BOHR - WATER, axis=2)
    assert (distances >= SHELLS[0] * np.array([RADII[e] for e in "OHH"]) - 1e-6).all()


# Quantum chemistry and geometry.


def test_the_potential_of_an_ion_far_away_is_its_charge_over_the_distance() -> None:
    field = hartree_fock(["F"], np.zeros((1, 3)), -1, "6-31g*")
    assert potential(field, np.array([[0, 0, 40.0], [30.0, 0, 0]])) == pytest.approx([-1 / 40, -1 / 30], rel=1e-6)


def test_the_dipole_of_an_ion_does_not_depend_on_where_it_is() -> None:
    here = hartree_fock(["O", "H"], WATER[:2], -1)
    there = hartree_fock(["O", "H"], WATER[:2] + 0.5, -1)
    assert dipole(here) == pytest.approx(dipole(there), abs=1e-4)


def test_mp2_of_stretched_water_is_as_far_above_water_as_pyscf_has_it_without_density_fitting() -> None:
    from pyscf import gto, mp, scf

    def exact(positions: np.ndarray) -> float:
        mol = gto.M(atom=list(zip("OHH", positions * 10, strict=True)), basis="def2-tzvp", verbose=0)
        return float(mp.MP2(scf.RHF(mol).run(), frozen=1).run().e_tot * 2625.4996394799)

    def ours(positions: np.ndarray) -> float:
        return mp2_energy("OHH", positions, 0)

    stretched = 1.08 * WATER
    wanted = exact(stretched) - exact(WATER)
    assert wanted > 10
    assert ours(stretched) - ours(WATER) == pytest.approx(wanted, abs=0.15)  # half the least error of the fits


@pytest.mark.parametrize("path", [(0, 1), (0, 1, 2), (0, 1, 2, 3)])
def test_slopes_of_internal_coordinates_are_those_of_finite_differences(path: tuple[int, ...]) -> None:
    x = np.array([[0.1, 0.02, 0], [0, 0, 0], [0.03, 0.14, 0.01], [0.12, 0.15, 0.1]])
    slope = coordinate(x, path)[1]
    for i, k in np.ndindex(4, 3):
        shift = np.zeros((4, 3))
        shift[i, k] = 1e-6
        finite = (coordinate(x + shift, path)[0] - coordinate(x - shift, path)[0]) / 2e-6
        assert slope[i, k] == pytest.approx(finite, abs=1e-6)


def test_a_held_dihedral_is_exact_and_the_rest_at_its_minimum() -> None:
    """A chain of four atoms with springs and 10 (1 + cos phi): at 60 degrees, all springs are at rest, energy 15."""
    bonds, x = ((0, 1), (1, 2), (2, 3)), np.array([[0.1, 0.02, 0], [0, 0, 0], [0.03, 0.14, 0.01], [0.12, 0.15, 0.1]])

    def energy(p: np.ndarray) -> tuple[float, np.ndarray]:
        value, slope = 0.0, np.zeros_like(p)
        for path, rest, k in [((0, 1), 0.11, 3e5), ((1, 2), 0.15, 3e5), ((2, 3), 0.12, 3e5)]:
            r, d = coordinate(p, path)
            value, slope = value + k / 2 * (r - rest) ** 2, slope + k * (r - rest) * d
        for path in [(0, 1, 2), (1, 2, 3)]:
            r, d = coordinate(p, path)
            value, slope = value + 200 * (r - 1.9) ** 2, slope + 400 * (r - 1.9) * d
        phi, d = coordinate(p, (0, 1, 2, 3))
        return value + 10 * (1 + np.cos(phi)), slope - 10 * np.sin(phi) * d

    found = relax(energy, x, bonds, {(0, 1, 2, 3): np.pi / 3}, tolerance=0.1)
    assert found.converged
    assert dihedral(found.positions, (0, 1, 2, 3)) == pytest.approx(np.pi / 3, abs=1e-4)
    assert found.energy == pytest.approx(15, abs=1e-3)
    free = relax(energy, x, bonds, tolerance=0.1)
    assert free.energy == pytest.approx(0, abs=1e-3)


@pytest.mark.slow
def test_charges_of_methanol_come_out_again() -> None:
    found = derive(TARGETS["MeOH"])
    assert found["method"] == METHOD == CHARGES["MeOH"]["method"]
    for name, atom in CHARGES["MeOH"]["atoms"].items():
        assert found["atoms"][name]["charge"] == pytest.approx(atom["charge"], abs=2e-3)


def test_lithium_far_from_water_feels_its_dipole() -> None:
    """On either side of the dipole, 1 nm away: half the difference leaves out what is even, such as polarisation."""
    axis = (WATER[1] + WATER[2]) / np.linalg.norm(WATER[1] + WATER[2])
    sides = [interaction([*"OHH", "Li"], np.vstack([WATER, side * axis]), 0, "def2-svp") for side in (1, -1)]
    moment = dipole(hartree_fock("OHH", WATER, 0, "def2-svp")) / DEBYE
    half = (sides[0]["interaction"] - sides[1]["interaction"]) / 2
    assert half == pytest.approx(138.935 * moment, rel=0.1)  # a correlated dipole is smaller by some per cent
    for side in sides:
        assert side["ligand"] == pytest.approx(mp2_energy("OHH", WATER, 0, "def2-svp"), abs=1e-3)
        assert side["superposition"] == pytest.approx(0, abs=0.05)


# What was found, and the file that holds it.


@pytest.mark.parametrize("name", CHARGES)
def test_fitted_charges_sum_exactly(name: str) -> None:
    target, atoms = TARGETS[name], CHARGES[name]["atoms"]
    assert tuple(atoms) == target.structure.names
    values = [atom["charge"] for atom in atoms.values()]
    for members, total in target.groups:
        assert sum(values[i] for i in members) == pytest.approx(total, abs=1e-9)


def test_the_charges_of_tte_in_the_file_are_the_fitted_ones() -> None:
    types = {a.attrib["name"]: a.attrib["type"] for a in ROOT.find("Residues/Residue[@name='TTE']").iterfind("Atom")}
    charges = {row.attrib["type"]: float(row.attrib["charge"]) for row in ROOT.iterfind("NonbondedForce/Atom")}
    fitted = {name: atom["charge"] for name, atom in CHARGES["TTE"]["atoms"].items()}
    assert {name: charges[kind] for name, kind in types.items()} == fitted


@pytest.mark.parametrize("residue", [row.attrib["name"] for row in GAFF.iterfind("Residues/Residue[Bond]")])
def test_the_charges_of_gaff2_resp_are_the_fitted_ones(residue: str) -> None:
    """Every atom but those of the ends of a chain, which differ from a repeat unit by one hydrogen."""
    types = {a.attrib["name"]: a.attrib["type"] for a in GAFF.iterfind(f"Residues/Residue[@name='{residue}']/Atom")}
    charges = {row.attrib["type"]: float(row.attrib["charge"]) for row in GAFF.iterfind("NonbondedForce/Atom")}
    unit, *ends = {"MMH": ("MMU", "CB", "HB"), "MMT": ("MMU", "CA", "HA"), "PET": ("PEU", "CA", "HA")}.get(
        residue, (residue,)
    )
    inside = [name for name in types if not any(name.startswith(end) for end in ends)]
    assert len(inside) > len(types) / 2
    fitted = {name: CHARGES[unit]["atoms"][name]["charge"] for name in inside}
    assert {name: charges[types[name]] for name in inside} == pytest.approx(fitted, abs=5e-5)


def shipped(kind: tuple[str, ...]) -> dict[str, Any]:
    rows = [
        row.attrib
        for row in ROOT.iterfind("PeriodicTorsionForce/Proper")
        if tuple(row.attrib[f"class{k}"] for k in range(1, 5)) in (kind, kind[::-1])
    ]
    assert len(rows) == 1
    return rows[0]


@pytest.mark.parametrize("kind", FREE, ids="-".join)
def test_the_torsions_in_the_file_are_the_fitted_ones(kind: tuple[str, ...]) -> None:
    row, found = shipped(kind), [0.0, 0.0, 0.0]
    for k in range(1, 4):
        if f"periodicity{k}" in row:
            n = int(row[f"periodicity{k}"])
            assert float(row[f"phase{k}"]) == pytest.approx(np.pi * (n == 2))
            found[n - 1] = 2 * float(row[f"k{k}"])
    assert found == pytest.approx(TORSIONS["rows"]["-".join(kind)], abs=1e-4)
    assert row["status"] == "D"


CASES = [*(("scans", name) for name in TORSIONS["scans"]), *(("conformers", name) for name in TORSIONS["conformers"])]


def points_of(kind: str, name: str) -> Points:
    return Scan(name) if kind == "scans" else Conformers(name)


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "name"), CASES)
def test_the_shipped_file_follows_quantum_chemistry_as_torsions_json_says(kind: str, name: str) -> None:
    """The System as it is made from the file, no row replaced, has the energies that torsions.json states."""
    points, stated = points_of(kind, name), TORSIONS[kind][name]
    assert points.against(points.relaxed(points.system({}))[0])[0] == pytest.approx(stated["after"], abs=0.05)
    squares = (np.array(stated["after"]) - stated["quantum"]) ** 2
    assert stated["rms_after"] == pytest.approx(np.sqrt(np.average(squares, weights=points.weights)), abs=2e-3)


@pytest.mark.slow
def test_another_round_of_the_fit_changes_nothing() -> None:
    rows = {tuple(kind.split("-")): values for kind, values in TORSIONS["rows"].items()}
    again = fit_torsions([points_of(*case) for case in CASES], rows, rounds=1)
    assert free(again) == pytest.approx(free(rows), abs=0.05)


def test_free_values_fill_the_rows_in_order() -> None:
    count = sum(len(orders) for orders in FREE.values())
    rows = as_rows(np.arange(count, dtype=float))
    assert [rows[kind][n - 1] for kind, orders in FREE.items() for n in orders] == list(range(count))


@pytest.mark.parametrize("name", CHECKED)
def test_the_force_fields_as_shipped_miss_a_scan_by_what_checks_json_says(name: str) -> None:
    assert check_scan(name)["rms"] == pytest.approx(CHECKED[name]["rms"], abs=0.05)


@pytest.mark.parametrize("name", CONFORMERS)
def test_the_force_fields_as_shipped_rank_conformers_as_checks_json_says(name: str) -> None:
    found, stated = check_conformers(name), CONFORMERS[name]
    for field in ("clp-opls", "gaff2-resp"):
        assert found[field] == pytest.approx(stated[field], abs=0.05)
        assert found["rms"][field] == pytest.approx(stated["rms"][field], abs=0.02)
        misses = np.array(stated[field]) - stated["quantum"]
        assert stated["rms"][field] == pytest.approx(np.sqrt((misses**2).mean()), abs=0.01)


# Lithium and its ligands.


@pytest.mark.parametrize("name", DIMERS)
def test_the_force_fields_as_shipped_bind_lithium_as_dimers_json_says(name: str) -> None:
    positions = np.array(DIMERS[name]["positions_nm"])
    for label, field in FIELDS.items():
        both, alone = surfaces(DIMERS[name]["ligand"], *field)
        wanted = DIMERS[name]["mechanics"][label]["interaction"]
        assert both(positions)[0] - alone(positions[:-1])[0] == pytest.approx(wanted, abs=1e-3), label


def test_lithium_prefers_the_anion_to_the_ester_and_the_ester_to_tte() -> None:
    """In quantum chemistry and in both force fields, whether the charges of the ions are scaled or not."""
    order = ["FSI bidentate", "MMI carbonyl", "TTE chelate"]
    for found in (
        [DIMERS[name]["quantum"]["interaction"] for name in order],
        *([DIMERS[name]["mechanics"][label]["relaxed"] for name in order] for label in FIELDS),
    ):
        assert found == sorted(found)
