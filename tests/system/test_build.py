from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import openmm
import pytest
from openmm import app, unit

from mdstudy.base.errors import BuildError, ForceFieldError, LockedError, RunError, SpecError
from mdstudy.base.library import data_dir
from mdstudy.base.provenance import sha256
from mdstudy.run.plan import Plan
from mdstudy.run.rundir import RunDir
from mdstudy.system.build import build, set_profile
from mdstudy.system.composition import resolve
from mdstudy.system.filling import Box, Job, templates
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.packing import topology
from mdstudy.system.parameterise import parameterise

#: Every species in one small box, the chains as short as head, unit and tail.
SYSTEM = """
title = "a gel of short chains"
default_variant = "gel"
[variants.gel]
assumption = "for a test"
amounts = { LiFSI = "1 mol", Pyr13FSI = "2 mol", TTE = "2 mol", MMA = "0.5 mol" }
polymer = { species = "PMMA", mass_fraction = 0.1, length = 3 }
"""
ATOMS = 1400
#: At constant volume throughout.
FIXED = """
name = "fixed"
title = "for a test"
stages = []
[production]
kind = "nvt"
time = "1 ps"
segment = "1 ps"
frames = "1 ps"
"""
FILES = ["box", "manifest.json", "plan.json", "spec.json"]
BOX = ["start.pdb", "start.xml", "system.xml", "topology.cif"]


@pytest.fixture(scope="module")
def system(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("system") / "gel.toml"
    file.write_text(SYSTEM, encoding="utf-8")
    return file


@pytest.fixture(scope="module")
def built(system: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Shared by the tests: what they try to change must stay as it is."""
    directory = tmp_path_factory.mktemp("runs") / "gel"
    build(system, directory, atoms=ATOMS, seed=3, profile="quick")
    return directory


def content(directory: Path) -> Mapping[str, tuple[str, int]]:
    """Hash and time of change of every file."""
    files = sorted(path for path in directory.rglob("*") if path.is_file())
    return {str(path.relative_to(directory)): (sha256(path), path.stat().st_mtime_ns) for path in files}


def read(path: Path) -> object:
    return openmm.XmlSerializer.deserialize(path.read_text(encoding="utf-8"))


def test_a_build_is_the_files_of_a_run_directory_and_nothing_else(built: Path) -> None:
    assert sorted(p.name for p in built.iterdir()) == FILES
    assert sorted(p.name for p in (built / "box").iterdir()) == BOX
    assert [p.name for p in built.parent.iterdir()] == ["gel"]
    assert RunDir(built).status() == "ready"


def test_system_state_and_structure_agree_with_each_other_and_with_the_composition(built: Path, system: Path) -> None:
    composition = resolve(system, atoms=ATOMS)
    made, state = read(built / "box" / "system.xml"), read(built / "box" / "start.xml")
    structure = app.PDBxFile(str(built / "box" / "topology.cif"))
    assert isinstance(made, openmm.System)
    assert isinstance(state, openmm.State)
    assert made.getNumParticles() == composition.atoms == structure.topology.getNumAtoms()
    positions = state.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    written = structure.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    np.testing.assert_allclose(positions, written, atol=6e-5)
    vectors = [v.value_in_unit(unit.nanometer) for v in made.getDefaultPeriodicBoxVectors()]
    np.testing.assert_array_equal(state.getPeriodicBoxVectors(asNumpy=True).value_in_unit(unit.nanometer), vectors)
    counts = {chain.id: sum(1 for _ in chain.residues()) for chain in structure.topology.chains()}
    assert counts == {n: c * (3 if n == "PMMA" else 1) for n, c in composition.molecules.items()}
    assert [r.name for c in structure.topology.chains() if c.id == "PMMA" for r in c.residues()][:3] == [
        "MMH",
        "MMU",
        "MMT",
    ]
    mass = sum(made.getParticleMass(i).value_in_unit(unit.dalton) for i in range(made.getNumParticles()))
    assert mass == pytest.approx(composition.mass, rel=1e-4)  # OpenMM's atomic masses differ in the fifth digit


def charges_of(system: object) -> list[float]:
    """Charges of all particles, e."""
    assert isinstance(system, openmm.System)
    (force,) = (f for f in system.getForces() if isinstance(f, openmm.NonbondedForce))
    parameters = (force.getParticleParameters(i) for i in range(system.getNumParticles()))
    return [charge.value_in_unit(unit.elementary_charge) for charge, _, _ in parameters]


def test_the_box_is_neutral_and_its_ions_carry_scaled_charges(built: Path) -> None:
    charges = charges_of(read(built / "box" / "system.xml"))
    lithium = [a.index for a in app.PDBxFile(str(built / "box" / "topology.cif")).topology.atoms() if a.name == "LI"]
    assert {charges[i] for i in lithium} == {0.8}
    assert abs(sum(charges)) < 1e-9


def test_before_scaling_every_residue_has_a_whole_charge(system: Path) -> None:
    composition = resolve(system, atoms=ATOMS)
    counted = [(template, 1) for template, _ in templates(composition, seed=1)]
    top = topology(counted, 3.0)
    charges = charges_of(parameterise(top, charge_scale=1.0))
    wanted = {template.name: template.charge for template, _ in counted}
    for residue in top.residues():
        charge = sum(charges[atom.index] for atom in residue.atoms())
        assert charge == pytest.approx(wanted[residue.chain.id], abs=1e-6), residue.name


def test_the_manifest_names_inputs_seed_versions_and_hashes(built: Path, system: Path) -> None:
    manifest = json.loads((built / "manifest.json").read_text(encoding="utf-8"))
    spec = json.loads((built / "spec.json").read_text(encoding="utf-8"))
    substances = ["LiFSI", "Pyr13FSI", "TTE", "MMA", "PMMA", "Li", "FSI", "Pyr13"]
    files = [data_dir("systems") / "molecules" / f"{name}.toml" for name in substances]
    files += [system, data_dir("forcefields") / "clp-opls.xml"]
    assert manifest["inputs"] == {path.name: sha256(path) for path in files}
    assert (manifest["seed"], manifest["build"]) == (3, spec["hash"])
    assert {"mdstudy", "python", "openmm", "rdkit", "packmol"} <= manifest["versions"].keys()
    assert manifest["commit"]
    assert (spec["seed"], spec["system"], spec["temperature_K"], spec["charge_scale"]) == (3, "gel", 298.15, 0.8)
    assert spec["force_field_sha256"] == manifest["inputs"]["clp-opls.xml"]


def test_the_same_build_again_does_nothing(built: Path, system: Path) -> None:
    before = content(built)
    atoms = resolve(system, atoms=ATOMS).atoms
    assert build(system, built, atoms=ATOMS, seed=3, profile="quick") == f"already built: {atoms} atoms"
    assert content(built) == before


def test_other_words_about_a_system_make_no_other_build(built: Path, system: Path, tmp_path: Path) -> None:
    renamed = tmp_path / system.name
    renamed.write_text(SYSTEM.replace("a gel of short chains", "another title").replace("for a test", "other words"))
    before = content(built)
    assert build(renamed, built, atoms=ATOMS, seed=3, profile="quick").startswith("already built")
    assert content(built) == before
    assert json.loads((built / "spec.json").read_text(encoding="utf-8"))["composition"]["system"] == "gel"


@pytest.mark.slow
def test_the_same_build_elsewhere_gives_the_same_bytes(built: Path, system: Path, tmp_path: Path) -> None:
    build(system, tmp_path / "again", atoms=ATOMS, seed=3, profile="quick")
    for name in ["spec.json", "plan.json", *(f"box/{name}" for name in BOX if name != "system.xml")]:
        assert (tmp_path / "again" / name).read_bytes() == (built / name).read_bytes(), name


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"seed": 4}, "seed is 3 there, 4 asked for"),
        ({"atoms": 2400}, "composition.molecules."),
        ({"charge_scale": 0.9}, "charge_scale is 0.8 there, 0.9 asked for"),
        ({"temperature": 350.0}, "temperature_K is 298.15 there, 350.0 asked for"),
    ],
)
def test_another_build_is_refused_with_the_first_difference(
    built: Path, system: Path, changed: dict[str, float], words: str
) -> None:
    before = content(built)
    with pytest.raises(RunError) as caught:
        build(system, built, **{"atoms": ATOMS, "seed": 3, "profile": "quick"} | changed)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith(f"{built}: holds another build: ")
    assert words in message
    assert len(message) < 300
    assert content(built) == before


def test_a_force_field_changed_by_one_byte_is_another_build(built: Path, system: Path, tmp_path: Path) -> None:
    changed = tmp_path / "clp-opls.xml"
    changed.write_bytes((data_dir("forcefields") / "clp-opls.xml").read_bytes() + b"\n")
    with pytest.raises(RunError, match="force_field_sha256 is"):
        build(system, built, atoms=ATOMS, seed=3, profile="quick", force_field=changed)


def test_a_directory_of_something_else_is_left_alone_and_at_once(system: Path, tmp_path: Path) -> None:
    (tmp_path / "mine.txt").write_text("keep")
    spoken: list[str] = []
    with pytest.raises(RunError, match=f"{tmp_path}: holds something that is no build"):
        build(system, tmp_path, atoms=ATOMS, progress=lambda _, text: spoken.append(text))
    assert [p.name for p in tmp_path.iterdir()] == ["mine.txt"]
    assert spoken == []


def test_a_fault_of_the_force_field_leaves_no_directory(system: Path, tmp_path: Path) -> None:
    fixed = tmp_path / "fixed.toml"
    fixed.write_text(FIXED, encoding="utf-8")
    with pytest.raises(ForceFieldError, match=r"box edge 1\.\d\d nm is below twice the cutoff .* take more atoms"):
        build(system, tmp_path / "small", atoms=400, seed=3, profile=fixed)
    assert list(tmp_path.iterdir()) == [fixed]


def test_a_box_that_would_shrink_below_twice_the_cutoff_is_refused_with_what_is_enough(tmp_path: Path) -> None:
    with pytest.raises(
        BuildError, match=r"fill a box of about 2\.\d\d nm, less than twice .*; take \d+ or more"
    ) as told:
        build("lhci", tmp_path / "small", atoms=950, profile="quick")
    assert list(tmp_path.iterdir()) == []
    enough = int(str(told.value).split()[-3])
    edge = resolve("lhci", atoms=enough).edge
    assert edge > 2 * load_force_field("clp-opls").cutoff
    assert edge < 2.7, "not many more than it takes"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"temperature": -3.0}, "a temperature of -3 K: it must be above 0"),
        ({"temperature": float("nan")}, "a temperature of nan K: it must be above 0"),
        ({"charge_scale": 2.0}, "charge_scale = 2: it must be above 0"),
        ({"profile": "quik"}, 'Did you mean "quick"?'),
    ],
)
def test_a_senseless_wish_is_refused_before_anything_is_packed(
    options: dict[str, Any], message: str, tmp_path: Path
) -> None:
    spoken: list[str] = []
    with pytest.raises((SpecError, ForceFieldError), match=re.escape(message)):
        build("lhci", tmp_path / "box", progress=lambda _, text: spoken.append(text), **options)
    assert spoken == []
    assert list(tmp_path.iterdir()) == []


def copy_of(built: Path, folder: Path) -> Path:
    """A build to change: links would change the original."""
    copy = folder / "copy"
    subprocess.run(["cp", "-r", str(built), str(copy)], check=True)
    return copy


def profile_of(directory: Path) -> str:
    return Plan.from_json(RunDir(directory).plan.read_text(encoding="utf-8")).profile


def test_before_anything_was_run_another_profile_plans_anew_and_says_so(
    built: Path, system: Path, tmp_path: Path
) -> None:
    copy = copy_of(built, tmp_path)
    box = content(copy / "box")
    line = build(system, copy, atoms=ATOMS, seed=3, profile="standard")
    assert line.endswith('planned anew by profile "standard" instead of "quick"')
    assert profile_of(copy) == "standard"
    assert content(copy / "box") == box
    assert "already built" in build(system, copy, atoms=ATOMS, seed=3, profile="quick")
    assert RunDir(copy).plan.read_bytes() == (built / "plan.json").read_bytes()


def test_after_something_was_run_another_profile_is_refused(built: Path, system: Path, tmp_path: Path) -> None:
    copy = copy_of(built, tmp_path)
    (copy / "equilibrate" / "1-minimise").mkdir(parents=True)
    with pytest.raises(RunError, match=r'run already under profile "quick"; build a new directory for "standard"'):
        build(system, copy, atoms=ATOMS, seed=3, profile="standard")
    assert "already built" in build(system, copy, atoms=ATOMS, seed=3, profile="quick")
    assert profile_of(copy) == "quick"
    own = tmp_path / "quick.toml"
    text = (data_dir("systems") / "protocols" / "quick.toml").read_text(encoding="utf-8")
    own.write_text(re.sub(r"iterations = \d+", "iterations = 11", text), encoding="utf-8")
    with pytest.raises(RunError, match=r'run already under profile "quick"; build a new directory for what its file'):
        set_profile(copy, own)


def test_after_something_was_run_production_may_become_longer(built: Path, tmp_path: Path) -> None:
    copy = copy_of(built, tmp_path)
    (copy / "produce" / "0001").mkdir(parents=True)
    own, text = tmp_path / "quick.toml", (data_dir("systems") / "protocols" / "quick.toml").read_text(encoding="utf-8")
    own.write_text(text.replace('time = "16 ps"', 'time = "40 ps"'), encoding="utf-8")
    assert set_profile(copy, own) == "planned for 0.04 ns of production"
    plan = Plan.from_json(RunDir(copy).plan.read_text(encoding="utf-8"))
    assert plan.segments()[:4] == Plan.from_json((built / "plan.json").read_text(encoding="utf-8")).segments()
    for number in range(2, 6):
        (copy / "produce" / f"{number:04d}").mkdir()
    assert set_profile(copy, "quick") == "", "five segments are there already, four are asked for"
    assert len(plan.segments()) == 10


def test_a_profile_needs_a_build(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"not a run directory \(no spec\.json\); make one with `mdstudy build`"):
        set_profile(tmp_path, "quick")


KILLED = """
import os, signal, sys
from mdstudy.system.build import build
def progress(fraction, text):
    print(text, flush=True)
    if text == sys.argv[3]:
        os.kill(os.getpid(), signal.SIGKILL)
build(sys.argv[1], sys.argv[2], atoms=1200, seed=5, profile="quick", progress=progress)
"""


def killed_build(directory: Path, at: str) -> subprocess.Popen[str]:
    """A build of TTE in another process, killed by itself at a step, or left to be killed."""
    words = [sys.executable, "-c", KILLED, "tte", str(directory), at]
    return subprocess.Popen(words, stdout=subprocess.PIPE, text=True, env=os.environ)


@pytest.mark.slow
def test_a_kill_at_any_step_leaves_no_half_written_build_and_the_same_build_again_succeeds(tmp_path: Path) -> None:
    directory, part = tmp_path / "run", tmp_path / "run.part"
    for step in ("packing", "writing"):
        process = killed_build(directory, step)
        assert process.communicate()[0].split("\n")[-2] == step
        assert process.returncode == -signal.SIGKILL
        assert not directory.exists()
    process = killed_build(directory, "never")
    while not part.exists() and process.poll() is None:
        time.sleep(0.0005)
    assert process.poll() is None, "the build ended before it could be killed"
    process.kill()
    process.communicate()
    assert part.exists()
    assert not directory.exists()
    build("tte", directory, atoms=1200, seed=5, profile="quick")
    assert sorted(p.name for p in directory.iterdir()) == FILES
    assert sorted(p.name for p in (directory / "box").iterdir()) == BOX
    assert [p.name for p in tmp_path.iterdir()] == ["run"]


def test_a_second_build_of_a_directory_is_refused_and_told_who_is_at_it(system: Path, tmp_path: Path) -> None:
    directory = tmp_path / "new" / "gel"

    class EnoughError(Exception):
        pass

    def meanwhile(job: Job) -> Box:
        with pytest.raises(LockedError, match=rf"gel: already being built by process {os.getpid()} on "):
            build(system, directory, atoms=job.composition.atoms)
        raise EnoughError

    with pytest.raises(EnoughError):
        build(system, directory, atoms=ATOMS, how=meanwhile)
    assert list(directory.parent.iterdir()) == []  # the lock is gone, and the next may build
    with pytest.raises(EnoughError):
        build(system, directory, atoms=ATOMS, how=meanwhile)
