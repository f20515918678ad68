"""Runs written for other programs: what is kept, where it is written and every refusal. Energies: tests/physics."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
import pytest
from numpy.typing import NDArray
from openmm import app

from mdstudy.base.errors import ExportError, RunError
from mdstudy.exchange import gromacs, lammps
from mdstudy.exchange.export import TARGETS, export
from mdstudy.exchange.interactions import Interactions, read_interactions
from mdstudy.run.rundir import RunDir
from mdstudy.system.chemistry import Template, molecule_template
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.macromolecules import grow, polymer_template
from mdstudy.system.packing import topology, write_structure
from mdstudy.system.parameterise import parameterise
from mdstudy.system.protocol import load_protocol
from mdstudy.system.species import load_species

EDGE = 3.0
ATOMS = 3 + 2 * 9 + 27 + 47
Change = Callable[[openmm.System], None]


def molecule(name: str) -> Template:
    species = load_species(name)
    return molecule_template(name, species.smiles, species.residue, species.atoms, 1)


@pytest.fixture(scope="module")
def counted() -> list[tuple[Template, int]]:
    """Ions, then others, then the same ions again."""
    li, fsi, trimer = molecule("Li"), molecule("FSI"), polymer_template(length=3, tacticity="atactic", seed=1)
    trimer = replace(trimer, conformers=np.array(grow([trimer], edge=3.0, seed=1)))
    return [(li, 1), (fsi, 2), (molecule("Pyr13"), 1), (trimer, 1), (li, 2)]


@pytest.fixture(scope="module")
def made(counted) -> app.Topology:
    return topology(counted, EDGE)


@pytest.fixture(scope="module")
def system(made) -> openmm.System:
    return parameterise(made)


@pytest.fixture
def changed(system, made) -> Callable[[Change], Interactions]:
    """Interactions of the System after a change."""

    def read(change: Change = lambda _: None) -> Interactions:
        copy = openmm.XmlSerializer.clone(system)
        change(copy)
        return read_interactions(copy, made, load_force_field("clp-opls"))

    return read


@pytest.fixture
def run(system, made, counted, tmp_path: Path) -> RunDir:
    """A run directory as `build` leaves it."""
    run, field = RunDir(tmp_path / "run"), load_force_field("clp-opls")
    run.box.mkdir(parents=True)
    shift = np.random.default_rng(1).uniform(0, EDGE, (sum(n for _, n in counted), 3))
    whole = [template.conformers[0] for template, count in counted for _ in range(count)]
    positions = np.concatenate([xyz + by for xyz, by in zip(whole, shift, strict=True)])
    write_structure(run.topology, made, positions)
    run.system_xml.write_text(openmm.XmlSerializer.serialize(system), encoding="utf-8")
    write_state(run.start_xml, positions, np.eye(3) * EDGE)
    spec = {"system": "box", "title": "A box", "seed": 1, "force_field": "clp-opls", "force_field_sha256": field.sha256}
    run.spec.write_text(json.dumps(spec), encoding="utf-8")
    run.plan.write_text(load_protocol("quick").plan(1, 310.0).to_json(), encoding="utf-8")
    return run


def write_state(path: Path, positions: NDArray[np.float64], box: NDArray[np.float64]) -> None:
    particles = openmm.System()
    for _ in positions:
        particles.addParticle(1.0)
    particles.addForce(openmm.NonbondedForce())  # periodic, so that the state has a box
    particles.getForce(0).setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    for _ in positions:
        particles.getForce(0).addParticle(0, 1, 0)
    context = openmm.Context(particles, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPeriodicBoxVectors(*(openmm.Vec3(*row) for row in box))
    context.setPositions(positions)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(openmm.XmlSerializer.serialize(context.getState(getPositions=True)), encoding="utf-8")


def positions_of(path: Path) -> NDArray[np.float64]:
    state = openmm.XmlSerializer.deserialize(path.read_text(encoding="utf-8"))
    return np.array(state.getPositions(asNumpy=True)._value)


def force(system: openmm.System, kind: type) -> openmm.Force:
    (found,) = [force for force in system.getForces() if isinstance(force, kind)]
    return found


# What is kept.


def test_coordinates_keep_order_names_residue_numbers_and_box(run: RunDir, made) -> None:
    _, file, _ = export(run.path, "gromacs")
    _, count, *rows, box = file.read_text(encoding="utf-8").splitlines()
    kept = [(int(row[:5]), row[5:10].strip(), row[10:15].strip()) for row in rows]
    assert kept == [(int(atom.residue.id), atom.residue.name, atom.name) for atom in made.atoms()]
    assert int(count) == len(rows)
    found = np.array([[float(row[20 + 14 * k : 34 + 14 * k]) for k in range(3)] for row in rows])
    np.testing.assert_allclose(found, positions_of(run.start_xml), rtol=0, atol=6e-10)
    assert [float(edge) for edge in box.split()] == [EDGE] * 3


def test_topology_keeps_charges_and_masses_of_the_simulation_atom_by_atom(run: RunDir, system, made) -> None:
    file, _, _ = export(run.path, "gromacs")
    sections = file.read_text(encoding="utf-8").split("[ ")
    atoms: dict[str, list[list[str]]] = {}
    for section in sections:
        rows = [line.split() for line in section.splitlines()[1:] if line and not line.startswith(";")]
        if section.startswith("moleculetype"):
            ((name, nearest),) = rows
            assert nearest == "3"
        elif section.startswith("atoms ]"):
            atoms[name] = rows
        elif section.startswith("molecules"):
            molecules = [(kind, int(count)) for kind, count in rows]
    assert molecules == [("LI", 1), ("FSI", 2), ("P13", 1), ("MMH_MMU_MMT", 1), ("LI", 2)]
    written = [row for kind, count in molecules for _ in range(count) for row in atoms[kind]]
    assert [row[3:5] for row in written] == [[atom.residue.name, atom.name] for atom in made.atoms()]
    nonbonded = force(system, openmm.NonbondedForce)
    charges = [nonbonded.getParticleParameters(i)[0]._value for i in range(len(written))]
    masses = [system.getParticleMass(i)._value for i in range(len(written))]
    np.testing.assert_allclose([float(row[6]) for row in written], charges, rtol=1e-11)
    np.testing.assert_allclose([float(row[7]) for row in written], masses, rtol=1e-11)
    assert charges[0] == 0.8
    assert {row[7] for row in written if row[4].startswith("H")} == {"3"}
    assert [row[2] for row in atoms["MMH_MMU_MMT"]] == ["1"] * 16 + ["2"] * 15 + ["3"] * 16


def test_springs_of_an_ester_are_those_of_opls_as_published(run: RunDir) -> None:
    """kcal/mol and angstrom, and no half before the constant, in LAMMPS and AMBER alike: CT-OS, C-OS, CT-OS-C."""
    data, _ = export(run.path, "lammps")
    parameters, *_ = export(run.path, "amber")
    rows = [line.split() for line in data.read_text(encoding="utf-8").splitlines()]
    lines = [tuple(map(float, row[1:])) for row in rows if len(row) == 3 and row[1][0].isdigit()]
    for constant, rest in ((320.0, 1.41), (214.0, 1.327), (83.0, 116.9)):
        assert any(line == pytest.approx((constant, rest), rel=1e-6) for line in lines), (constant, rest)
    sections = dict(part.split("\n", 1) for part in parameters.read_text(encoding="utf-8").split("%FLAG ")[1:])
    for name, constants in (("BOND", (320.0, 214.0)), ("ANGLE", (83.0,))):
        (text,) = [text for flag, text in sections.items() if flag.split()[0] == f"{name}_FORCE_CONSTANT"]
        values = [float(word) for line in text.splitlines()[1:] for word in line.split()]
        for constant in constants:
            assert any(value == pytest.approx(constant, rel=1e-6) for value in values), (name, constant)


def test_bonds_that_are_constrained_come_with_the_force_constants_of_the_force_field(changed) -> None:
    read = changed()
    names = np.array(read.names)
    hydrogen = np.array([any(name.startswith("H") for name in names[row]) for row in read.bonds])
    assert np.array_equal(read.constrained, hydrogen)
    types = [tuple(read.types[i] for i in row) for row in read.bonds]
    field = load_force_field("clp-opls")
    np.testing.assert_array_equal(read.bond_values, [field.bond(pair) for pair in types])
    assert "constraints         = h-bonds" in gromacs.settings_text(read, np.full(3, EDGE), 0.004, 298.15)


def test_planar_centres_are_told_from_torsions(changed) -> None:
    read = changed()
    assert read.improper.sum() == 3
    assert {read.names[i] for row in read.torsions[read.improper] for i in row} >= {"C", "O1", "O2"}


def test_lennard_jones_comes_back_from_its_factors(changed) -> None:
    read = changed()
    assert (read.rule, read.coulomb14, read.lj14, read.cutoff, read.switch) == ("geometric", 0.5, 0.5, 1.2, 1.1)
    i = read.types.index("FSI_S")
    assert read.sigma[i] == pytest.approx(0.355, rel=1e-12)
    assert read.epsilon[i] == pytest.approx(1.046, rel=1e-12)


def test_settings_name_cutoffs_switch_mesh_and_temperature(run: RunDir) -> None:
    *_, file = export(run.path, "gromacs")
    lines = [line.split(";")[0].split("=") for line in file.read_text(encoding="utf-8").splitlines()]
    settings = {key.strip(): value.strip() for key, value in (line for line in lines if len(line) == 2)}
    assert settings["rcoulomb"] == settings["rvdw"] == "1.2"
    assert (settings["vdw-modifier"], settings["rvdw-switch"]) == ("Potential-switch", "1.1")
    assert (settings["coulombtype"], settings["coulomb-modifier"]) == ("PME", "None")
    assert (settings["DispCorr"], settings["dt"], settings["ref-t"]) == ("AllEnerPres", "0.004", "310")
    assert settings["fourier-nx"] == "21"  # 2 alpha edge / (3 tolerance^0.2), alpha = sqrt(-ln(2 tolerance)) / cutoff
    assert float(settings["ewald-rtol"]) == pytest.approx(2.0166e-4, rel=1e-4)


def test_a_mesh_that_the_system_names_is_kept(changed) -> None:
    read = changed(lambda system: force(system, openmm.NonbondedForce).setPMEParameters(3.0, 40, 42, 44))
    assert (read.alpha, read.mesh(np.full(3, EDGE))) == (3.0, (40, 42, 44))


def test_atoms_of_one_type_that_differ_in_mass_are_two_types_in_lammps(changed) -> None:
    def heavier(system: openmm.System) -> None:
        system.setParticleMass(0, 7.5)

    plain, heavy = (
        lammps.data_text("", changed(c), np.zeros((ATOMS, 3)), np.ones(3)) for c in (lambda _: None, heavier)
    )
    count = {text: int(text.split(" atom types")[0].split()[-1]) for text in (plain, heavy)}
    assert count[heavy] == count[plain] + 1
    assert "\n1 7.5 # LI\n" in heavy


# Where it comes from and goes to.


@pytest.mark.parametrize("to", TARGETS)
def test_files_are_replaced_whole(to: str, run: RunDir, tmp_path: Path) -> None:
    first = export(run.path, to, tmp_path / "out")
    texts = [path.read_bytes() for path in first]
    first[0].write_text("old", encoding="utf-8")
    assert export(run.path, to, tmp_path / "out") == first
    assert [path.read_bytes() for path in first] == texts
    assert sorted((tmp_path / "out").iterdir()) == sorted(first)


def test_the_run_keeps_an_export_where_none_is_asked_for(run: RunDir) -> None:
    assert {path.parent for path in export(run.path, "lammps")} == {run.path / "export" / "lammps"}


def test_the_end_is_that_of_the_last_finished_part(run: RunDir) -> None:
    with pytest.raises(RunError, match='nothing is finished yet, so there is no end; export the state "start"'):
        export(run.path, state="end")
    start = positions_of(run.start_xml)
    for shift, folder in ((0.1, run.stages()[0]), (0.2, run.stages()[1]), (0.3, run.segment(1)), (0.4, run.segment(2))):
        write_state(folder / "end.xml", start + shift, np.eye(3) * (EDGE + shift))
        _, file, _ = export(run.path, state="end")
        *_, last, box = file.read_text(encoding="utf-8").splitlines()
        assert float(last[20:34]) == pytest.approx(start[-1, 0] + shift, abs=1e-9)
        assert float(box.split()[0]) == pytest.approx(EDGE + shift, abs=1e-9)


# Refusals.


def test_an_unknown_target_or_state_is_told_the_nearest(run: RunDir) -> None:
    with pytest.raises(ExportError, match=r'"gromac": no such target of an export\. Did you mean "gromacs"\?'):
        export(run.path, "gromac")
    with pytest.raises(ExportError, match=r'"ends": no such state of an export\. Did you mean "end"\?'):
        export(run.path, state="ends")


def test_a_directory_that_is_not_built_is_named_with_what_it_lacks(run: RunDir, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"nowhere: not a built run \(no spec.json, plan.json, system.xml"):
        export(tmp_path / "nowhere")
    run.start_xml.unlink()
    with pytest.raises(RunError, match=r"not a built run \(no start.xml\)"):
        export(run.path)


def test_another_force_field_than_that_of_the_run_is_refused(run: RunDir, tmp_path: Path) -> None:
    other = tmp_path / "clp-opls.xml"
    shutil.copy(load_force_field("clp-opls").path, other)
    export(run.path, force_field=other)
    other.write_text(other.read_text(encoding="utf-8") + "<!-- edited -->", encoding="utf-8")
    with pytest.raises(ExportError, match=r"clp-opls.xml: not the file that .*run was built with"):
        export(run.path, force_field=other)


def test_a_box_that_is_not_rectangular_is_refused(run: RunDir) -> None:
    write_state(run.start_xml, positions_of(run.start_xml), np.array([[3, 0, 0], [0.5, 3, 0], [0, 0, 3]], dtype=float))
    with pytest.raises(ExportError, match=r"start.xml: the box is not rectangular"):
        export(run.path)


def other_expression(system: openmm.System) -> None:
    force(system, openmm.CustomNonbondedForce).setEnergyFunction("A1*B2/r^9")


def other_cutoff(system: openmm.System) -> None:
    force(system, openmm.CustomNonbondedForce).setCutoffDistance(1.0)


def without_mesh(system: openmm.System) -> None:
    force(system, openmm.NonbondedForce).setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)


def foreign_factors(system: openmm.System) -> None:
    custom = force(system, openmm.CustomNonbondedForce)
    a, b = custom.getParticleParameters(0)
    custom.setParticleParameters(0, [2 * a, b])


def one_four(system: openmm.System, product: float, sigma: float, epsilon: float) -> None:
    """Scale what the 1-4 pair that comes first has."""
    nonbonded = force(system, openmm.NonbondedForce)
    rows = map(nonbonded.getExceptionParameters, range(nonbonded.getNumExceptions()))
    k, (i, j, q, s, e) = next((k, row) for k, row in enumerate(rows) if row[4]._value > 0)
    nonbonded.setExceptionParameters(k, i, j, product * q, sigma * s, epsilon * e)


def another_exclusion(system: openmm.System) -> None:
    nonbonded = force(system, openmm.NonbondedForce)
    nonbonded.setExceptionParameters(0, 0, system.getNumParticles() - 1, 0, 1, 0)


def half_an_exclusion(system: openmm.System) -> None:
    nonbonded = force(system, openmm.NonbondedForce)
    rows = map(nonbonded.getExceptionParameters, range(nonbonded.getNumExceptions()))
    k, (i, j, *_) = next((k, row) for k, row in enumerate(rows) if row[2]._value == 0 and row[4]._value == 0)
    nonbonded.setExceptionParameters(k, i, j, 0.1, 1, 0)


def longer_constraint(system: openmm.System) -> None:
    i, j, length = system.getConstraintParameters(0)
    system.setConstraintParameters(0, i, j, 1.01 * length)


def held_angle(system: openmm.System) -> None:
    system.addConstraint(3, 4, 0.25)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda system: system.addForce(openmm.CMMotionRemover()),
            r"CMMotionRemover\) has no form elsewhere; known are",
        ),
        (lambda system: system.addForce(openmm.RBTorsionForce()), r"RBTorsionForce\) has no form elsewhere"),
        (lambda system: system.addForce(openmm.HarmonicBondForce()), r"HarmonicBondForce\) stands twice"),
        (without_mesh, "a NonbondedForce with PME is needed"),
        (other_expression, r'no other program is told of the expression "A1\*B2/r\^9"'),
        (other_cutoff, "Lennard-Jones and Coulomb are cut off at different distances"),
        (foreign_factors, "A and B of the Lennard-Jones force do not belong to the sigmas"),
        (lambda system: one_four(system, 1.001, 1, 1), r"1-4 pair \w+:\w+, \w+:\w+: Coulomb is not that"),
        (lambda system: one_four(system, 1, 1.001, 1), r"1-4 pair \w+:\w+, \w+:\w+: Lennard-Jones is not that"),
        (lambda system: one_four(system, 1, 1, 1.001), r"1-4 pair \w+:\w+, \w+:\w+: Lennard-Jones is not that"),
        (another_exclusion, r"the pair LI1:LI, LI9:LI is special, but more than three bonds long"),
        (half_an_exclusion, r"is \d bonds apart and not excluded"),
        (longer_constraint, r"constraint P134:\w+-P134:H\w+ of 0.1100\d* nm: .*clp-opls.xml has 0.109 nm"),
        (held_angle, r"constraint FSI2:O1-FSI2:O2 of 0.25 nm: .* has no such bond"),
        (lambda system: system.addParticle(1.0), r"the topology has \d+ atoms, the System \d+"),
    ],
)
def test_a_system_that_cannot_be_said_elsewhere_is_refused(change: Change, message: str, changed) -> None:
    with pytest.raises(ExportError, match=message):
        changed(change)


def test_the_message_names_the_run(run: RunDir, system) -> None:
    copy = openmm.XmlSerializer.clone(system)
    barostat = openmm.MonteCarloBarostat(1, 300)
    copy.addForce(barostat)
    run.system_xml.write_text(openmm.XmlSerializer.serialize(copy), encoding="utf-8")
    with pytest.raises(ExportError, match=r'run: System: the force "MonteCarloBarostat" \(MonteCarloBarostat\)'):
        export(run.path)


def test_constraints_that_gromacs_has_no_word_for_are_refused(changed) -> None:
    read = changed()
    for held, word in ((np.zeros_like(read.constrained), "none"), (np.ones_like(read.constrained), "all-bonds")):
        text = gromacs.settings_text(replace(read, constrained=held), np.full(3, EDGE), 0.004, 298.15)
        assert f"constraints         = {word}\n" in text
    some = read.constrained.copy()
    some[np.argmax(some)] = False
    with pytest.raises(ExportError, match="GROMACS constrains the bonds of atoms whose names begin with H"):
        gromacs.settings_text(replace(read, constrained=some), np.full(3, EDGE), 0.004, 298.15)


def test_names_that_a_gro_file_has_no_room_for_are_refused(changed) -> None:
    read = changed()
    with pytest.raises(ExportError, match=r'"LITHIUM": a \.gro file has no room'):
        gromacs.coordinates_text(
            "", replace(read, names=["LITHIUM", *read.names[1:]]), np.zeros((ATOMS, 3)), np.ones(3)
        )


def test_a_phase_between_degrees_is_refused_by_lammps(changed) -> None:
    read = changed()
    values = read.torsion_values.copy()
    values[0, 1] = 1.0
    with pytest.raises(ExportError, match=r"LAMMPS: a torsion has the phase 57\.2958 degrees"):
        lammps.data_text("", replace(read, torsion_values=values), np.zeros((ATOMS, 3)), np.ones(3))
