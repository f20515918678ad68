"""Exported boxes have the same energies, term by term, in programs that we did not write.

These are GROMACS and LAMMPS, and OpenMM's reader of AMBER files.

Every box holds a shipped system, loosely packed, with PMMA as trimers: they have each kind of its residues. What holds
for one force field must hold for every other: under each of them, one mixes geometrically and one does not.
"""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
import subprocess
from collections.abc import Callable
from functools import cache
from pathlib import Path

import MDAnalysis
import numpy as np
import openmm
import pytest
from numpy.typing import NDArray
from openmm import app
from scipy import stats

from mdstudy.base.library import names
from mdstudy.exchange.export import export
from mdstudy.run.mechanics import masses, molecule_of
from mdstudy.run.platforms import choose
from mdstudy.run.rundir import RunDir
from mdstudy.run.stress import BAR, ELEMENTS, ShearStress
from mdstudy.system.chemistry import Template
from mdstudy.system.composition import list_systems, load_system, resolve
from mdstudy.system.filling import templates
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.packing import pack, topology, write_structure
from mdstudy.system.parameterise import parameterise
from mdstudy.system.protocol import load_protocol

pytestmark = pytest.mark.slow

GMX, LAMMPS = shutil.which("gmx_d"), shutil.which("lmp")
needs_gromacs = pytest.mark.skipif(GMX is None, reason="gmx_d (GROMACS in double precision) is not installed")
needs_lammps = pytest.mark.skipif(LAMMPS is None, reason="lmp (LAMMPS) is not installed")
every_force_field = pytest.mark.parametrize("force_field", names("forcefields", ".xml"))

EDGE = 2.6
SPECIES = ["Li", "FSI", "Pyr13", "TTE", "PMMA", "MMA"]
#: Names of the energies of GROMACS, by the terms that they make up.
GROMACS_TERMS = {
    "bond": ["Bond"],
    "angle": ["Angle"],
    "dihedral": ["Proper Dih.", "Per. Imp. Dih."],
    "lennard-jones": ["LJ (SR)"],
    "lennard-jones 1-4": ["LJ-14"],
    "dispersion": ["Disper. corr."],
    "coulomb": ["Coulomb (SR)", "Coul. recip."],
    "coulomb 1-4": ["Coulomb-14"],
}

Terms = dict[str, float]


# Boxes.


def polymerised(system: str) -> bool:
    """Whether its polymer is a network, which is grown and not packed."""
    made = load_system(system)
    return made.variants[made.default_variant].network is not None


@cache
def species(name: str) -> Template:
    """One molecule; PMMA as a trimer."""
    composition = resolve(load_system("lhci-pmma"), None, 2000)
    ((template, _),) = templates(dataclasses.replace(composition, molecules={name: 1}, formula_units={"PMMA": 3.0}), 1)
    return template


def write_run(
    directory: Path,
    counted: list[tuple[Template, int]],
    positions: NDArray[np.float64],
    edge: float,
    force_field: str | Path = "clp-opls",
) -> RunDir:
    """A run directory with tight Ewald sums."""
    run, field = RunDir(directory), load_force_field(force_field)
    run.box.mkdir(parents=True)
    made = topology(counted, edge)
    system = parameterise(made, force_field, ewald_tolerance=1e-6)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    write_structure(run.topology, made, positions)
    run.system_xml.write_text(openmm.XmlSerializer.serialize(system), encoding="utf-8")
    run.start_xml.write_text(openmm.XmlSerializer.serialize(context.getState(getPositions=True)), encoding="utf-8")
    spec = {"system": "box", "title": "box", "seed": 1, "force_field": field.name, "force_field_sha256": field.sha256}
    run.spec.write_text(json.dumps(spec), encoding="utf-8")
    run.plan.write_text(load_protocol("quick").plan(1, 298.15).to_json(), encoding="utf-8")
    return run


@pytest.fixture(scope="module")
def box(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., RunDir]:
    """Run directory of a shipped system with about 1,000 atoms, made once."""

    @cache
    def make(system: str, force_field: str | Path = "clp-opls") -> RunDir:
        composition = resolve(load_system(system), None, 1000)
        chains = {"PMMA": round(composition.molecules.get("PMMA", 0) * composition.chain_length / 3)}
        counted = [(species(name), chains.get(name, count)) for name, count in composition.molecules.items()]
        positions, edge = pack(counted, EDGE / 1.06, seed=1, tolerance=0.24)
        return write_run(tmp_path_factory.mktemp("box") / system, counted, positions, edge, force_field)

    return make


# OpenMM. Under the geometric rule Lennard-Jones has a force of its own; else it is in the NonbondedForce, "coulomb".


def only_exceptions(force: openmm.NonbondedForce) -> None:
    for i in range(force.getNumParticles()):
        force.setParticleParameters(i, 0, 1, 0)
    force.setNonbondedMethod(force.NoCutoff)


def without_14_charges(force: openmm.NonbondedForce) -> None:
    for k in range(force.getNumExceptions()):
        i, j, _, sigma, epsilon = force.getExceptionParameters(k)
        force.setExceptionParameters(k, i, j, 0, sigma, epsilon)


def without_14_lennard_jones(force: openmm.NonbondedForce) -> None:
    for k in range(force.getNumExceptions()):
        i, j, product, _, _ = force.getExceptionParameters(k)
        force.setExceptionParameters(k, i, j, product, 1, 0)


def without_charges(force: openmm.Force) -> None:
    if isinstance(force, openmm.NonbondedForce):
        for i in range(force.getNumParticles()):
            _, sigma, epsilon = force.getParticleParameters(i)
            force.setParticleParameters(i, 0, sigma, epsilon)
        without_14_charges(force)
        without_14_lennard_jones(force)


def without_lennard_jones(force: openmm.NonbondedForce) -> None:
    for i in range(force.getNumParticles()):
        charge, _, _ = force.getParticleParameters(i)
        force.setParticleParameters(i, charge, 1, 0)
    without_14_lennard_jones(force)


def without_correction(force: openmm.Force) -> None:
    if isinstance(force, openmm.NonbondedForce):
        force.setUseDispersionCorrection(False)
    else:
        force.setUseLongRangeCorrection(False)


def larger(force: openmm.Force) -> None:
    """Sigma times the sixth root of two: C6 twice, C12 four times as large."""
    for i in range(force.getNumParticles()):
        values = list(force.getParticleParameters(i))
        if isinstance(force, openmm.NonbondedForce):
            values[1] *= 2 ** (1 / 6)
            force.setParticleParameters(i, *values)
        else:
            force.setParticleParameters(i, [values[0] * 2, values[1] * 2**0.5])


def without_cutoff(force: openmm.Force) -> None:
    if hasattr(force, "NoCutoff"):
        force.setNonbondedMethod(force.NoCutoff)


@cache
def openmm_terms(run: RunDir, *, vacuum: bool = False) -> Terms:
    """Energy of each term in double precision: the System as it is, with what else is in its force switched off."""
    text = run.system_xml.read_text(encoding="utf-8")
    state = openmm.XmlSerializer.deserialize(run.start_xml.read_text(encoding="utf-8"))

    def energy(name: str, *changes: Callable[[openmm.Force], None]) -> float:
        system = openmm.XmlSerializer.deserialize(text)
        for k in reversed(range(system.getNumForces())):
            if system.getForce(k).getName() != name:
                system.removeForce(k)
        (force,) = system.getForces()
        for change in (*changes, without_cutoff) if vacuum else changes:
            change(force)
        platform = openmm.Platform.getPlatformByName("Reference")
        context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
        context.setPositions(state.getPositions())
        return float(context.getState(getEnergy=True).getPotentialEnergy()._value)

    pairs = "lennard_jones" if "lennard_jones" in text else "coulomb"
    terms = {term: energy(term) for term in ("bond", "angle", "dihedral")}
    terms["lennard-jones"] = energy(pairs, without_charges, without_correction)
    terms["lennard-jones 1-4"] = energy("coulomb", only_exceptions, without_14_charges)
    terms["coulomb 1-4"] = energy("coulomb", only_exceptions, without_14_lennard_jones)
    terms["coulomb"] = energy("coulomb", without_lennard_jones) - terms["coulomb 1-4"]
    if not vacuum:
        correction = energy(pairs, without_charges) - terms["lennard-jones"]
        of_larger = energy(pairs, without_charges, larger) - energy(pairs, without_charges, larger, without_correction)
        terms["C12 correction"] = of_larger / 2 - correction
        terms["C6 correction"] = correction - terms["C12 correction"]
    return terms


def dispersion(run: RunDir, average: Callable[[NDArray[np.float64], NDArray[np.int64]], float]) -> Terms:
    """Long-range correction of OpenMM as it is with another program's `average` of C6 and C12 over pairs of atoms.

    OpenMM averages over all pairs, an atom with itself among them.
    """
    system = openmm.XmlSerializer.deserialize(run.system_xml.read_text(encoding="utf-8"))
    forces = {force.getName(): force for force in system.getForces()}
    nonbonded, n = forces["coulomb"], system.getNumParticles()
    if "lennard_jones" in forces:
        a, b = np.array([forces["lennard_jones"].getParticleParameters(i) for i in range(n)]).T
        coefficients = {"C12": np.outer(a, a), "C6": np.outer(b, b)}
    else:
        rows = [nonbonded.getParticleParameters(i) for i in range(n)]
        sigma, epsilon = (np.array([row[k]._value for row in rows]) for k in (1, 2))
        sigma, epsilon = (sigma[:, None] + sigma) / 2, np.sqrt(np.outer(epsilon, epsilon))
        coefficients = {"C12": epsilon * sigma**12, "C6": epsilon * sigma**6}
    special = np.array([nonbonded.getExceptionParameters(k)[:2] for k in range(nonbonded.getNumExceptions())])
    terms = openmm_terms(run)
    corrections = {
        power: terms[f"{power} correction"] * average(c, special) / ((c.sum() + np.trace(c)) / (n * (n + 1)))
        for power, c in coefficients.items()
    }
    return {"dispersion": sum(corrections.values())}


# GROMACS and LAMMPS.


def average_of_gromacs(c: NDArray[np.float64], special: NDArray[np.int64]) -> float:
    """Over pairs of different atoms, more than three bonds apart."""
    n = len(c)
    return float(((c.sum() - np.trace(c)) / 2 - c[tuple(special.T)].sum()) / (n * (n - 1) / 2 - len(special)))


def average_of_lammps(c: NDArray[np.float64], special: NDArray[np.int64]) -> float:
    """Over all ordered pairs, an atom with itself among them."""
    del special
    return float(c.mean())


def command(folder: Path, *words: str, stdin: str = "") -> str:
    done = subprocess.run(words, cwd=folder, input=stdin, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, f"{' '.join(words)}\n{done.stdout[-2000:]}\n{done.stderr[-3000:]}"
    return done.stdout


def gromacs_values(folder: Path) -> Terms:
    """All that GROMACS says of the exported files box.top, box.gro and box.mdp; grompp must have nothing to warn of."""
    files = ("-f", "box.mdp", "-c", "box.gro", "-p", "box.top", "-o", "box.tpr")
    command(folder, "gmx_d", "-nobackup", "grompp", *files, "-maxwarn", "0")
    command(folder, "gmx_d", "-nobackup", "mdrun", "-s", "box.tpr", "-deffnm", "box", "-nt", "1")
    numbers = " ".join(map(str, range(1, 60)))
    command(folder, "gmx_d", "-nobackup", "energy", "-f", "box.edr", "-dp", "-o", "box.xvg", stdin=f"{numbers} 0\n")
    text = (folder / "box.xvg").read_text(encoding="utf-8")
    names = re.findall(r'^@ s\d+ legend "(.*)"$', text, flags=re.MULTILINE)
    return dict(zip(names, map(float, text.splitlines()[-1].split()[1:]), strict=True))


def gromacs_terms(folder: Path) -> Terms:
    """Its energies by terms."""
    values = gromacs_values(folder)
    assert sum(values.get(name, 0.0) for parts in GROMACS_TERMS.values() for name in parts) == pytest.approx(
        values["Potential"], rel=1e-9
    ), f"a term is left out of {sorted(values)}"
    return {term: sum(values.get(name, 0.0) for name in parts) for term, parts in GROMACS_TERMS.items()}


def lammps_terms(folder: Path) -> Terms:
    """Energies of the exported files box.data and box.in, kJ/mol."""
    output = command(folder, "lmp", "-in", "box.in", "-log", "none", "-screen", "/dev/stdout")
    header, values = re.search(r"^(Step .*)\n(.*)$", output, flags=re.MULTILINE).groups()
    found = dict(zip(header.split(), (4.184 * float(value) for value in values.split()), strict=True))
    return {
        "bond": found["E_bond"],
        "angle": found["E_angle"],
        "dihedral": found["E_dihed"],
        "lennard-jones": found["E_vdwl"] - found["E_tail"],
        "dispersion": found["E_tail"],
        "coulomb": found["E_coul"] + found["E_long"],
    }


# The proof.


def agree(found: Terms, expected: Terms, tolerance: float) -> None:
    wrong = {
        term: (value, expected[term])
        for term, value in found.items()
        if value != pytest.approx(expected[term], rel=tolerance, abs=1e-9)
    }
    assert wrong == {}, "term: (found, expected), kJ/mol"
    assert all(found.values()), f"no energy, no proof: {found}"


@needs_gromacs
@every_force_field
@pytest.mark.parametrize("system", [name for name in list_systems() if not polymerised(name)])
def test_every_term_of_a_box_is_the_same_in_gromacs(system: str, force_field: str, box, tmp_path: Path) -> None:
    run = box(system, force_field)
    export(run.path, "gromacs", tmp_path)
    agree(gromacs_terms(tmp_path), openmm_terms(run) | dispersion(run, average_of_gromacs), 1e-6)


@needs_gromacs
@every_force_field
def test_the_shear_stress_of_molecules_is_that_of_the_virial_of_gromacs(
    force_field: str, box, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """P_ab V = -2 Xi_ab - sum_i f_ia (r_i - R_i)_b at rest, Xi the virial of atoms and f their forces in GROMACS.

    The virial of atoms has what bonds, angles and the rest do within molecules; the sum takes it off, R being the
    centre of mass of the molecule. Nothing is constrained there, so that forces of constraints, which add nothing to
    the virial of molecules, are not in either. The shear is a tenth of what a run takes, which double precision allows
    and which leaves a hundredth of the cubic term.
    """
    monkeypatch.setattr("mdstudy.run.stress.SHEAR", 2e-4)
    run = box("lhci-pmma", force_field)
    export(run.path, "gromacs", tmp_path)
    settings = tmp_path / "box.mdp"
    text = settings.read_text(encoding="utf-8")
    for setting, value in (("constraints", "none"), ("dt", "0.001"), ("nstfout", "1")):
        text = re.sub(rf"^{setting} .*\n", "", text, flags=re.MULTILINE) + f"{setting} = {value}\n"
    settings.write_text(text, encoding="utf-8")
    values = gromacs_values(tmp_path)
    forces = MDAnalysis.coordinates.TRR.TRRReader(str(tmp_path / "box.trr"), convert_units=False).ts.forces

    system = openmm.XmlSerializer.deserialize(run.system_xml.read_text(encoding="utf-8"))
    context = choose("Reference").context(system, openmm.VerletIntegrator(0.001))
    context.setState(openmm.XmlSerializer.deserialize(run.start_xml.read_text(encoding="utf-8")))
    context.setVelocities(np.zeros((system.getNumParticles(), 3)))
    state, owner = context.getState(getPositions=True, getVelocities=True), molecule_of(context)
    positions, mass = np.array(state.getPositions(asNumpy=True)._value), masses(system)
    centres = np.stack([np.bincount(owner, mass * x) for x in positions.T], axis=1) / np.bincount(owner, mass)[:, None]
    within = (positions - centres[owner]).T @ forces
    theirs = [-2 * values[f"Vir-{'XYZ'[a]}{'XYZ'[b]}"] - within[b, a] for a, b in ELEMENTS]
    theirs = np.array(theirs) / state.getPeriodicBoxVolume()._value * BAR

    found = ShearStress(system, choose("Reference"), owner)(state)
    assert np.abs(within).max() > 10 * np.abs(found).max() * state.getPeriodicBoxVolume()._value / BAR
    np.testing.assert_allclose(found, theirs, atol=1e-4 * np.abs(theirs).max())


@needs_lammps
@every_force_field
@pytest.mark.parametrize("system", ["lhci-pmma", "tte"])
def test_every_term_of_a_box_is_the_same_in_lammps(system: str, force_field: str, box, tmp_path: Path) -> None:
    run = box(system, force_field)
    export(run.path, "lammps", tmp_path)
    found = lammps_terms(tmp_path)
    assert found.pop("dispersion") == 0, "this pair style has no correction"
    agree_with_lammps(found, in_lammps(openmm_terms(run)))


def agree_with_lammps(found: Terms, expected: Terms) -> None:
    """Coulomb nearly cancels; LAMMPS differs there by 2.5e-5, which neither its table nor a finer mesh moves."""
    agree({term: value for term, value in found.items() if term != "coulomb"}, expected, 1e-6)
    agree({"coulomb": found["coulomb"]}, expected, 1e-4)


def in_lammps(terms: Terms) -> Terms:
    """LAMMPS counts 1-4 pairs among the others."""
    together = {term: terms[term] + terms[f"{term} 1-4"] for term in ("lennard-jones", "coulomb")}
    return {term: terms[term] for term in ("bond", "angle", "dihedral")} | together


@needs_lammps
@every_force_field
def test_without_a_switch_lammps_corrects_beyond_the_cutoff(force_field: str, box, tmp_path: Path) -> None:
    run = unswitched(box("lhci-pmma", force_field), tmp_path / "run")
    export(run.path, "lammps", tmp_path)
    agree_with_lammps(lammps_terms(tmp_path), in_lammps(openmm_terms(run)) | dispersion(run, average_of_lammps))


def unswitched(run: RunDir, directory: Path) -> RunDir:
    shutil.copytree(run.path, directory)
    system = openmm.XmlSerializer.deserialize(run.system_xml.read_text(encoding="utf-8"))
    for force in system.getForces():
        if hasattr(force, "setUseSwitchingFunction"):
            force.setUseSwitchingFunction(False)
    changed = RunDir(directory)
    changed.system_xml.write_text(openmm.XmlSerializer.serialize(system), encoding="utf-8")
    return changed


@every_force_field
def test_every_force_is_the_same_when_openmm_reads_the_files_for_amber(force_field: str, box, tmp_path: Path) -> None:
    """Its reader of AMBER files takes A and B of each pair of types from the table and knows nothing of the rule."""
    run, field = box("lhci-pmma", force_field), load_force_field(force_field)
    parameters, coordinates, _ = export(run.path, "amber", tmp_path)
    structure = app.AmberInpcrdFile(str(coordinates))
    settings = {"nonbondedCutoff": field.cutoff, "switchDistance": field.switch, "ewaldErrorTolerance": 1e-6}
    settings["removeCMMotion"] = False
    found = app.AmberPrmtopFile(str(parameters), periodicBoxVectors=structure.boxVectors).createSystem(
        nonbondedMethod=app.PME, constraints=app.HBonds, **settings
    )
    original = openmm.XmlSerializer.deserialize(run.system_xml.read_text(encoding="utf-8"))
    assert found.getNumConstraints() == original.getNumConstraints()
    state = openmm.XmlSerializer.deserialize(run.start_xml.read_text(encoding="utf-8"))
    both = structure.positions, state.getPositions()
    places = [np.array(positions.value_in_unit(openmm.unit.nanometer)) for positions in both]
    np.testing.assert_allclose(*places, rtol=0, atol=1e-8)  # seven decimals of an angstrom
    energies = [by_force(system, structure.positions) for system in (found, original)]
    agree(*energies, 1e-7)
    assert energies[0].keys() == energies[1].keys()


def by_force(system: openmm.System, positions: object) -> Terms:
    for group, force in enumerate(system.getForces()):
        force.setForceGroup(group)
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    states = [context.getState(getEnergy=True, groups={group}) for group in range(system.getNumForces())]
    names = [type(force).__name__ for force in system.getForces()]
    return {name: state.getPotentialEnergy()._value for name, state in zip(names, states, strict=True)}


@needs_gromacs
@needs_gromacs
def test_steps_of_4_fs_keep_their_energy_in_gromacs(tmp_path: Path) -> None:
    """By less than 0.5 kT a ns and degree of freedom, as ours do (test_timestep.py): 3 H on a carbon are the test."""
    counted = [(species("MMA"), 24)]
    positions, _ = pack(counted, EDGE, seed=1, tolerance=0.24)
    export(write_run(tmp_path / "run", counted, positions, EDGE).path, "gromacs", tmp_path)
    mesh = dict.fromkeys(("fourier-nx", "fourier-ny", "fourier-nz"), 16)  # coarse is quick, and keeps its energy too
    settled = mesh | {"integrator": "steep", "nsteps": 200, "emtol": 1}
    moving = mesh | {"integrator": "md", "nsteps": 2500, "dt": 0.004, "continuation": "no", "gen-vel": "yes"}
    text, start = (tmp_path / "box.mdp").read_text(encoding="utf-8"), "box.gro"
    for name, values in (("settled", settled), ("moving", moving | {"gen-temp": 300, "gen-seed": 1, "nstenergy": 5})):
        for setting, value in values.items():
            text = re.sub(rf"^{setting} .*\n", "", text, flags=re.MULTILINE) + f"{setting} = {value}\n"
        (tmp_path / f"{name}.mdp").write_text(text, encoding="utf-8")
        files = ("-f", f"{name}.mdp", "-c", start, "-p", "box.top", "-o", f"{name}.tpr", "-maxwarn", "1")
        command(tmp_path, "gmx_d", "-nobackup", "grompp", *files)
        command(tmp_path, "gmx_d", "-nobackup", "mdrun", "-deffnm", name, "-nt", "1")
        start = f"{name}.gro"
    words = ("-f", "moving.edr", "-dp", "-xvg", "none", "-o", "energy.xvg")
    command(tmp_path, "gmx_d", "-nobackup", "energy", *words, stdin="Total-Energy\nKinetic-En.\n\n")
    time, kinetic, total = np.loadtxt(tmp_path / "energy.xvg")[20:].T
    line = stats.linregress(time, total)
    thermal = 2 * kinetic.mean() / 1000  # kT for all degrees of freedom and 1/ns in 1/ps
    assert line.stderr < 0.2 * thermal, (line, thermal)
    assert abs(line.slope) < 0.5 * thermal + 2 * line.stderr, (line, thermal)


@every_force_field
@pytest.mark.parametrize("molecules", [["FSI"], ["Pyr13"], ["TTE"], ["PMMA"], ["MMA"], SPECIES], ids="-".join)
def test_every_term_of_molecules_in_vacuum_is_the_same_in_gromacs(
    molecules: list[str], force_field: str, tmp_path: Path
) -> None:
    """All pairs, no cutoff: a box so large that no image is within reach of plain Coulomb and Lennard-Jones."""
    counted = [(species(name), 1) for name in molecules]
    positions, _ = pack(counted, EDGE, seed=1, tolerance=0.24)
    run = write_run(tmp_path / "run", counted, positions + 3, 12.0, force_field)
    export(run.path, "gromacs", tmp_path)
    settings = tmp_path / "box.mdp"
    text = settings.read_text(encoding="utf-8")
    for setting, value in (
        *(("coulombtype", "Cut-off"), ("vdw-modifier", "None"), ("DispCorr", "no")),
        *(("rcoulomb", "5.5"), ("rvdw", "5.5"), ("rlist", "5.5")),
    ):
        text = re.sub(rf"^{setting} .*\n", "", text, flags=re.MULTILINE) + f"{setting} = {value}\n"
    settings.write_text(text + "verlet-buffer-tolerance = -1\n", encoding="utf-8")
    found, expected = gromacs_terms(tmp_path), openmm_terms(run, vacuum=True)
    assert found.pop("dispersion") == 0
    agree({term: value for term, value in found.items() if expected[term] or value}, expected, 1e-6)


@needs_gromacs
@pytest.mark.parametrize(
    ("old", "new", "terms"),
    [
        ("\n1 3 yes 0.5 0.5\n", "\n1 2 yes 0.5 0.5\n", {"lennard-jones", "lennard-jones 1-4", "dispersion"}),
        ("\n1 3 yes 0.5 0.5\n", "\n1 3 yes 0.5 0.8333\n", {"coulomb 1-4"}),
        ("\n1 3 yes 0.5 0.5\n", "\n1 3 yes 1.0 0.5\n", {"lennard-jones 1-4"}),
    ],
    ids=["Lorentz-Berthelot", "another factor on Coulomb", "another factor on Lennard-Jones"],
)
def test_the_wrong_rule_is_far_outside_the_tolerance(old: str, new: str, terms: set[str], box, tmp_path: Path) -> None:
    run = box("lhci-pmma")
    export(run.path, "gromacs", tmp_path)
    topology_file = tmp_path / "box.top"
    text = topology_file.read_text(encoding="utf-8")
    assert old in text
    topology_file.write_text(text.replace(old, new), encoding="utf-8")
    found, expected = gromacs_terms(tmp_path), openmm_terms(run) | dispersion(run, average_of_gromacs)
    off = {term: abs(found[term] / expected[term] - 1) for term in GROMACS_TERMS}
    assert {term for term, deviation in off.items() if deviation > 1e-6} == terms, off
    assert min(off[term] for term in terms) > 1e-3, off
