"""Force field and topology to a System: settings, charge scaling, and every refusal."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import Vec3, app, unit

from mdstudy.base.errors import ForceFieldError
from mdstudy.base.library import data_dir
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.parameterise import TERMS, energy_terms, parameterise

ALL = ["LI", "FSI", "P13", "TTE", "MMA", "MMH MMU MMT"]


def topology_of(molecules: list[str], edge: float = 3.0) -> app.Topology:
    """Molecules as the force field knows them; units of a chain are bonded CA to CB."""
    field = load_force_field("clp-opls")
    topology = app.Topology()
    for molecule in molecules:
        chain, tail = topology.addChain(), None
        for name in molecule.split():
            residue = topology.addResidue(name, chain)
            atoms = {}
            for atom in field.residues[name].types:
                symbol = "Li" if atom == "LI" else atom[0]
                atoms[atom] = topology.addAtom(atom, app.Element.getBySymbol(symbol), residue)
            for a, b in map(sorted, field.residues[name].bonds):
                topology.addBond(atoms[a], atoms[b])
            if tail is not None:
                topology.addBond(tail, atoms["CB"])
            tail = atoms.get("CA")
    topology.setPeriodicBoxVectors([Vec3(*row) for row in np.eye(3) * edge] * unit.nanometer)
    return topology


def force(system: openmm.System, kind: type) -> openmm.Force:
    (found,) = [force for force in system.getForces() if isinstance(force, kind)]
    return found


def charges(system: openmm.System) -> np.ndarray:
    nonbonded = force(system, openmm.NonbondedForce)
    return np.array([nonbonded.getParticleParameters(i)[0]._value for i in range(system.getNumParticles())])


def edited(tmp_path: Path, pattern: str, new: str = "") -> Path:
    """The shipped force field with what matches `pattern` replaced, once."""
    text, times = re.subn(
        pattern, new, (data_dir("forcefields") / "clp-opls.xml").read_text(encoding="utf-8"), count=1, flags=re.DOTALL
    )
    assert times == 1
    path = tmp_path / "edited.xml"
    path.write_text(text, encoding="utf-8")
    return path


def test_settings_of_the_forces() -> None:
    system = parameterise(topology_of(ALL))
    nonbonded, mixed = force(system, openmm.NonbondedForce), force(system, openmm.CustomNonbondedForce)
    assert nonbonded.getNonbondedMethod() == openmm.NonbondedForce.PME
    assert not nonbonded.getUseDispersionCorrection()
    assert nonbonded.getEwaldErrorTolerance() == 5e-4
    assert mixed.getNonbondedMethod() == openmm.CustomNonbondedForce.CutoffPeriodic
    assert mixed.getUseLongRangeCorrection()
    assert mixed.getUseSwitchingFunction()
    assert mixed.getSwitchingDistance() == 1.1 * unit.nanometer
    assert mixed.getCutoffDistance() == nonbonded.getCutoffDistance() == 1.2 * unit.nanometer
    assert not any(isinstance(f, openmm.CMMotionRemover) for f in system.getForces())


def test_each_force_has_its_own_group_and_name() -> None:
    system = parameterise(topology_of(ALL))
    assert {f.getForceGroup(): f.getName() for f in system.getForces()} == dict(enumerate(TERMS))


def test_both_nonbonded_forces_exclude_the_same_pairs() -> None:
    system = parameterise(topology_of(ALL))
    nonbonded, mixed = force(system, openmm.NonbondedForce), force(system, openmm.CustomNonbondedForce)
    exceptions = {frozenset(nonbonded.getExceptionParameters(k)[:2]) for k in range(nonbonded.getNumExceptions())}
    exclusions = {frozenset(mixed.getExclusionParticles(k)) for k in range(mixed.getNumExclusions())}
    assert exceptions == exclusions
    assert len(exclusions) == mixed.getNumExclusions() > 100


def test_hydrogens_are_constrained_and_carry_mass_taken_from_their_neighbours() -> None:
    topology = topology_of(ALL)
    system = parameterise(topology)  # 3 Da unless told otherwise
    plain = parameterise(topology, hydrogen_mass=1.008)
    hydrogens = {atom.index for atom in topology.atoms() if atom.element is app.element.hydrogen}
    assert system.getNumConstraints() == len(hydrogens)
    masses = np.array([system.getParticleMass(i)._value for i in range(system.getNumParticles())])
    before = np.array([plain.getParticleMass(i)._value for i in range(system.getNumParticles())])
    assert {masses[i] for i in hydrogens} == {3.0}
    assert masses.sum() == pytest.approx(before.sum(), abs=1e-9)
    assert masses.min() >= 3.0


def test_only_ions_are_scaled_and_their_14_products_by_the_square() -> None:
    topology = topology_of([*ALL, "LI", "FSI"])
    full, scaled = parameterise(topology, charge_scale=1.0), parameterise(topology, charge_scale=0.7)
    ionic = np.array([atom.residue.name in ("LI", "FSI", "P13") for atom in topology.atoms()])
    np.testing.assert_allclose(charges(scaled), np.where(ionic, 0.7, 1.0) * charges(full), rtol=1e-12)
    a, b = force(full, openmm.NonbondedForce), force(scaled, openmm.NonbondedForce)
    seen = {True: 0, False: 0}
    for k in range(a.getNumExceptions()):
        i, _, product, sigma, epsilon = a.getExceptionParameters(k)
        _, _, product_scaled, *same = b.getExceptionParameters(k)
        assert product_scaled._value == pytest.approx(product._value * (0.49 if ionic[i] else 1.0), abs=1e-12)
        assert same == [sigma, epsilon]
        seen[bool(ionic[i])] += product._value != 0
    assert all(seen.values())


def test_the_default_scale_is_that_of_the_file() -> None:
    topology = topology_of(["LI", "FSI"])
    np.testing.assert_allclose(charges(parameterise(topology)), 0.8 * charges(parameterise(topology, charge_scale=1)))


@pytest.mark.parametrize("scale", [1.0, 0.8])
def test_net_charge_of_every_residue(scale: float) -> None:
    topology = topology_of(ALL)
    q = charges(parameterise(topology, charge_scale=scale))
    expected = {"LI": scale, "FSI": -scale, "P13": scale}
    for residue in topology.residues():
        total = sum(q[atom.index] for atom in residue.atoms())
        assert total == pytest.approx(expected.get(residue.name, 0.0), abs=1e-9), residue.name


@pytest.mark.parametrize("scale", [0.0, -1.0, 1.51, float("nan")])
def test_a_charge_scale_out_of_range_is_refused(scale: float) -> None:
    with pytest.raises(ForceFieldError, match=r"charge_scale = .*: it must be above 0 and at most 1\.5"):
        parameterise(topology_of(["LI"]), charge_scale=scale)


def test_one_four_pairs_are_halved_and_mixed_geometrically() -> None:
    topology = topology_of(["TTE"])
    nonbonded = force(parameterise(topology), openmm.NonbondedForce)
    index = {atom.name: atom.index for atom in topology.atoms()}
    pair = {index["H31"], index["F41"]}  # H-C-C-F
    (found,) = [
        p for p in map(nonbonded.getExceptionParameters, range(nonbonded.getNumExceptions())) if set(p[:2]) == pair
    ]
    assert found[2]._value == pytest.approx(0.5 * 0.1287 * -0.1862, rel=1e-9)
    assert found[3]._value == pytest.approx((0.25 * 0.295) ** 0.5, rel=1e-9)
    assert found[4]._value == pytest.approx(0.5 * (0.12552 * 0.22175) ** 0.5, rel=1e-9)


def test_ring_pairs_that_are_13_one_way_and_14_the_other_are_excluded() -> None:
    topology = topology_of(["P13"])
    nonbonded = force(parameterise(topology), openmm.NonbondedForce)
    index = {atom.name: atom.index for atom in topology.atoms()}
    pair = {index["C1"], index["C3"]}
    (found,) = [
        p for p in map(nonbonded.getExceptionParameters, range(nonbonded.getNumExceptions())) if set(p[:2]) == pair
    ]
    assert (found[2]._value, found[4]._value) == (0.0, 0.0)


def test_plain_openmm_is_refused_where_the_rule_would_be_lost() -> None:
    with pytest.raises(ValueError, match=r"geometrically.*mdstudy\.system\.parameterise"):
        app.ForceField(str(data_dir("forcefields") / "clp-opls.xml")).createSystem(topology_of(["TTE"]))


def test_a_lorentz_berthelot_file_keeps_the_plain_force(tmp_path: Path) -> None:
    path = edited(tmp_path, "<CombiningRule>geometric(.*)<Script>.*</Script>", r"<CombiningRule>lorentz-berthelot\1")
    system = parameterise(topology_of(["TTE", "FSI"]), path)
    assert not any(isinstance(f, openmm.CustomNonbondedForce) for f in system.getForces())
    nonbonded = force(system, openmm.NonbondedForce)
    assert nonbonded.getUseDispersionCorrection()
    assert nonbonded.getUseSwitchingFunction()
    assert nonbonded.getParticleParameters(0)[2]._value > 0


@pytest.mark.parametrize(
    ("row", "kind", "atoms"),
    [
        ('<Bond class1="CF" class2="OS"', "bond", {"C2", "O1"}),
        ('<Angle class1="CF" class2="OS" class3="CT"', "angle", {"C2", "O1", "C3"}),
        ('<Proper class1="CF" class2="CF" class3="OS" class4="CT"', "dihedral", {"C1", "C2", "O1", "C3"}),
    ],
)
def test_a_missing_term_names_the_atoms(row: str, kind: str, atoms: set[str], tmp_path: Path) -> None:
    path = edited(tmp_path, row + "[^>]*/>")
    with pytest.raises(ForceFieldError, match=f"no {kind} term for atoms") as caught:
        parameterise(topology_of(["LI", "TTE"]), path)
    named = str(caught.value).split("atoms ")[1].split(" ")[0].split("-")
    assert set(named) == {f"TTE2:{atom}" for atom in atoms}


def test_a_row_of_zeros_is_a_term(tmp_path: Path) -> None:
    row = 'class1="HC" class2="CT" class3="C_2" class4="O_2"'
    parameterise(topology_of(["MMH MMT"]))
    with pytest.raises(ForceFieldError, match="no dihedral term"):
        parameterise(topology_of(["MMH MMT"]), edited(tmp_path, f"<Proper {row}[^>]*/>"))


def test_an_alien_bond_is_refused_with_its_atoms() -> None:
    topology = topology_of(["LI", "FSI"])
    atoms = {atom.name: atom for atom in topology.atoms()}
    topology.addBond(atoms["O1"], atoms["F1"])
    with pytest.raises(ForceFieldError, match="residue FSI 2: F1-O1 is bonded, but not in the force field"):
        parameterise(topology)


def test_a_bond_between_molecules_is_refused() -> None:
    topology = topology_of(["LI", "FSI"])
    atoms = {atom.name: atom for atom in topology.atoms()}
    topology.addBond(atoms["LI"], atoms["O1"])
    with pytest.raises(ForceFieldError, match="residue LI 1: atom LI has 1 bonds to other residues instead of 0"):
        parameterise(topology)


def test_a_chain_without_its_end_is_refused() -> None:
    with pytest.raises(ForceFieldError, match="residue MMU 2: atom CA has 0 bonds to other residues instead of 1"):
        parameterise(topology_of(["MMH MMU"]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("residue", r"residue TTF 1 \(atoms C1, .*\): no such residue. Did you mean .TTE"),
        ("atom", r"residue TTE 1: no atom H39.* Did you mean .H3"),
        ("twice", "residue TTE 1: atoms missing: F12; atoms present twice: F11"),
    ],
)
def test_a_residue_that_does_not_match_is_refused(change: str, message: str) -> None:
    topology = topology_of(["TTE"])
    (residue,) = topology.residues()
    atoms = {atom.name: atom for atom in residue.atoms()}
    if change == "residue":
        residue.name = "TTF"
    elif change == "atom":
        atoms["H31"].name = "H39"
    else:
        atoms["F12"].name = "F11"
    with pytest.raises(ForceFieldError, match=message):
        parameterise(topology)


def test_a_box_must_be_there_and_large_enough() -> None:
    with pytest.raises(ForceFieldError, match=r"box edge 2\.30 nm is below twice the cutoff"):
        parameterise(topology_of(["TTE"], edge=2.3))
    topology = topology_of(["TTE"])
    topology.setPeriodicBoxVectors(None)
    with pytest.raises(ForceFieldError, match="no periodic box"):
        parameterise(topology)


def test_energy_terms_add_up() -> None:
    topology = topology_of(["TTE", "P13"])
    positions = np.random.default_rng(1).uniform(0, 3, (topology.getNumAtoms(), 3))
    terms = energy_terms(parameterise(topology), positions)
    assert tuple(terms) == (*TERMS, "total")
    assert sum(terms[term] for term in TERMS) == pytest.approx(terms["total"], rel=1e-10)
    assert all(terms[term] != 0 for term in TERMS)
