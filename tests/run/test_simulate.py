from __future__ import annotations

import dataclasses
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import MDAnalysis
import numpy as np
import openmm
import pytest
from numpy.typing import NDArray
from openmm import app, unit

from mdstudy.base.errors import LockedError, RunError, SimulationError, TrajectoryError
from mdstudy.base.xtc import frame_index
from mdstudy.run.interruption import EXIT_TERMINATED
from mdstudy.run.mechanics import degrees_of_freedom, mean_volume
from mdstudy.run.plan import Plan, Production, Stage
from mdstudy.run.rundir import RunDir, check
from mdstudy.run.simulate import run

ROOT = Path(__file__).resolve().parents[2]
MOLECULES, EDGE, BOND = 64, 1.7, 0.11

STAGES = (
    Stage("minimise", "minimise", 50),
    Stage("heat", "nvt", 200, temperature=(50.0, 150.0), friction=10, report_interval=20, draw_velocities=True),
    Stage("density", "npt", 300, temperature=(150.0, 150.0), pressure=(100.0, 100.0), report_interval=20),
)
PRODUCTION = Production(5, 240, 40, 60, temperature=150.0, box="mean:density")
PLAN = Plan("test", 7, STAGES, PRODUCTION)


def dimers(count: int = MOLECULES, constrain: bool = True) -> tuple[openmm.System, NDArray[np.float64]]:
    """Polar rigid dimers of about the size of nitrogen on a grid, bonds across the box faces unbroken."""
    system = openmm.System()
    nonbonded = openmm.NonbondedForce()
    nonbonded.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    nonbonded.setCutoffDistance(0.75)
    positions = []
    grid = np.ndindex(*[int(np.ceil(count ** (1 / 3)))] * 3)
    for site, k in zip(grid, range(count), strict=False):
        for sign in (-1, 1):
            system.addParticle(14.0)
            nonbonded.addParticle(sign * 0.1, 0.33, 0.3)
            axis = np.eye(3)[k % 3]
            positions.append((np.array(site) + 0.3) * EDGE / np.ceil(count ** (1 / 3)) + sign * axis * BOND / 2)
        if constrain:
            system.addConstraint(2 * k, 2 * k + 1, BOND)
        nonbonded.addException(2 * k, 2 * k + 1, 0, 1, 0)
    system.addForce(nonbonded)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * EDGE))
    return system, np.array(positions)


def make_run(path: Path, plan: Plan = PLAN, positions: NDArray[np.float64] | None = None) -> RunDir:
    run_dir = RunDir(path)
    run_dir.box.mkdir(parents=True)
    system, grid = dimers()
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(grid if positions is None else positions)
    run_dir.system_xml.write_text(openmm.XmlSerializer.serialize(system))
    run_dir.start_xml.write_text(openmm.XmlSerializer.serialize(context.getState(getPositions=True)))
    run_dir.plan.write_text(plan.to_json())
    return run_dir


def products(run_dir: RunDir) -> dict[str, bytes]:
    """All files that are a function of the inputs alone."""
    names = ("frames.xtc", "state.csv", "end.xml")
    return {str(p.relative_to(run_dir.path)): p.read_bytes() for n in names for p in sorted(run_dir.path.rglob(n))}


def read_log(files: list[Path]) -> dict[str, NDArray[np.float64]]:
    tables = [np.genfromtxt(file, delimiter=",", names=True) for file in files]
    return {name: np.concatenate([np.atleast_1d(t[name]) for t in tables]) for name in tables[0].dtype.names}


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> RunDir:
    """One run without interruption."""
    run_dir = make_run(tmp_path_factory.mktemp("finished") / "run")
    assert run_dir.status() == "ready"
    outcome = run(run_dir.path, platform="Reference")
    assert outcome.startswith("done: 0.0048 ns in 30 frames")
    return run_dir


def state_of(folder: Path) -> openmm.State:
    return openmm.XmlSerializer.deserialize((folder / "end.xml").read_text())


def positions_of(state: openmm.State) -> NDArray[np.float64]:
    return np.asarray(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))


def start(run_dir: RunDir) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "mdstudy.run.simulate", str(run_dir.path), "--platform", "Reference"]
    return subprocess.Popen(command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def wait_for(condition: object, seconds: float = 180.0) -> None:
    limit = time.monotonic() + seconds
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < limit, "waited in vain"
        time.sleep(0.005)


def test_frames_are_complete_and_evenly_spaced_on_one_clock(finished: RunDir) -> None:
    steps, times = zip(*(frame_index(file)[:2] for file in finished.frame_files()), strict=True)
    wanted = np.arange(1, PRODUCTION.frames + 1) * PRODUCTION.frame_interval
    np.testing.assert_array_equal(np.concatenate(steps), wanted)
    np.testing.assert_array_equal(np.concatenate(times), (wanted * PRODUCTION.timestep).astype(np.float32))
    assert finished.status() == "done"


def test_the_log_is_on_the_same_clock_and_adds_up(finished: RunDir) -> None:
    log = read_log(finished.state_files())
    np.testing.assert_array_equal(log["step"], np.arange(1, 21) * PRODUCTION.report_interval)
    np.testing.assert_allclose(log["time_ps"], log["step"] * PRODUCTION.timestep, rtol=1e-12)
    np.testing.assert_allclose(
        log["total_kJ_per_mol"], log["potential_kJ_per_mol"] + log["kinetic_kJ_per_mol"], rtol=1e-6
    )
    mass = 28.0 * MOLECULES * 1.66053906660  # 1e-24 g
    np.testing.assert_allclose(log["density_g_per_cm3"], mass / log["volume_nm3"] * 1e-3, rtol=1e-6)
    assert np.ptp(log["volume_nm3"]) == 0


def test_the_trajectory_is_what_the_end_states_say(finished: RunDir) -> None:
    universe = MDAnalysis.Universe.empty(2 * MOLECULES, trajectory=False)
    universe.load_new([str(file) for file in finished.frame_files()], format="XTC", continuous=False)
    universe.trajectory[-1]
    last = state_of(finished.segments()[-1])
    np.testing.assert_allclose(universe.atoms.positions / 10, positions_of(last), atol=6e-4)
    edges = np.diag(last.getPeriodicBoxVectors(asNumpy=True)._value)
    np.testing.assert_allclose(universe.dimensions[:3] / 10, edges, atol=1e-6)


def test_molecules_are_written_whole_and_not_wrapped(finished: RunDir) -> None:
    for folder in finished.segments():
        xyz = positions_of(state_of(folder))
        np.testing.assert_allclose(np.linalg.norm(xyz[1::2] - xyz[::2], axis=1), BOND, rtol=1e-5)


def test_production_starts_at_the_mean_volume_with_rigid_molecules(finished: RunDir) -> None:
    density = finished.stage("density")
    log = read_log([density / "state.csv"])["volume_nm3"]
    volume = log[len(log) // 2 :].mean()
    assert mean_volume(density / "state.csv") == pytest.approx(volume, rel=1e-12)
    assert np.ptp(log) > 0.01  # the barostat moved
    assert read_log(finished.state_files())["volume_nm3"][0] == pytest.approx(volume, rel=1e-7)
    assert abs(volume / log[-1] - 1) > 1e-5  # there was something to scale


def test_a_ramp_ends_near_its_end(finished: RunDir) -> None:
    log = read_log([finished.stage("heat") / "state.csv"])["temperature_K"]
    assert log[0] < 90
    assert 110 < log[-3:].mean() < 190


def test_running_again_does_nothing(finished: RunDir) -> None:
    before = {p: p.stat().st_mtime_ns for p in finished.path.rglob("*") if p.name != ".lock"}
    assert run(finished.path).startswith("already done")
    assert {p: p.stat().st_mtime_ns for p in finished.path.rglob("*") if p.name != ".lock"} == before


def test_sigkill_at_random_instants_changes_nothing(finished: RunDir, tmp_path: Path) -> None:
    run_dir, chance, kills = make_run(tmp_path / "run"), random.Random(20240913), 0
    left_parts = 0
    while run_dir.status() != "done":
        assert kills < 40
        process = start(run_dir)
        wait_for(lambda p=process: any((run_dir.path / "produce").glob("*.part")) or p.poll() is not None)
        begun = len(run_dir.segments())
        if kills < 4:
            wait_for(lambda b=begun, p=process: len(run_dir.segments()) > b or p.poll() is not None)
            time.sleep(chance.uniform(0, 0.05))
            process.send_signal(signal.SIGKILL)
            left_parts += process.wait() != 0 and bool(run_dir.parts())
            kills += process.returncode == -signal.SIGKILL
        else:
            assert process.wait() == 0
    assert kills >= 2
    assert left_parts >= 1
    assert not run_dir.parts()
    assert products(run_dir) == products(finished)
    assert sum(len(frame_index(file).steps) for file in run_dir.frame_files()) == PRODUCTION.frames
    outcomes = [record["outcome"] for record in json.loads(run_dir.log.read_text())]
    # The last kill may fall between the last product and the word that all is done, or between that and the exit.
    in_vain = process.returncode != 0 and outcomes[-1] == "done"
    assert outcomes[-1] == "done" or process.returncode != 0
    assert outcomes.count("not ended") == kills - in_vain


def test_sigterm_leaves_with_its_own_exit_code_and_can_go_on(tmp_path: Path) -> None:
    production = Production(2, 40000, 40, 40, temperature=150.0)
    run_dir = make_run(tmp_path / "run", Plan("test", 7, STAGES[:2], production))
    process = start(run_dir)
    wait_for(lambda: run_dir.status() == "running" and run_dir.parts() and "0001" in run_dir.parts()[0].name)
    with pytest.raises(LockedError, match=f"already being run by process {process.pid} on "):
        run(run_dir.path)
    process.terminate()
    assert process.wait(180) == EXIT_TERMINATED
    assert run_dir.status() == "paused"
    assert json.loads(run_dir.log.read_text())[-1]["outcome"] == f"SystemExit: {EXIT_TERMINATED}"


def test_a_sigterm_after_the_work_is_done_leaves_the_exit_code_alone(finished: RunDir) -> None:
    code = (
        "import os, signal, sys\nfrom mdstudy.run.simulate import main\ncode = main(sys.argv[1:])\n"
        "os.kill(os.getpid(), signal.SIGTERM)\nsys.exit(code)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(finished.path)], cwd=ROOT, capture_output=True, check=False)
    assert done.returncode == 0
    assert b"already done" in done.stderr


def test_a_lock_refuses_a_second_run_and_dies_with_its_process(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "run")
    with run_dir.lock():
        assert run_dir.status() == "running"
        with pytest.raises(LockedError, match=f"process {os.getpid()} on "), run_dir.lock():
            pass
    code = (
        "import os; from pathlib import Path; from mdstudy.run.rundir import RunDir\n"
        f"with RunDir(Path({str(run_dir.path)!r})).lock(): os._exit(1)"
    )
    subprocess.run([sys.executable, "-c", code], cwd=ROOT, check=False)
    assert run_dir.status() == "ready"
    with run_dir.lock():
        pass


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda d: _edit_plan(d, "seed", 8), "seed: 7 then, 8 now"),
        (lambda d: _edit_stage(d, "steps", 400), "2-heat.*steps: 200 then, 400 now"),
        (lambda d: d.system_xml.write_text(d.system_xml.read_text() + "\n"), "1-minimise.*system: "),
        (lambda d: _replace_restart_state(d.segment(2)), "0003.*start: "),
        (lambda d: shutil.rmtree(d.segment(2)), "0002: is missing, but 0003"),
    ],
)
def test_changed_inputs_are_refused_and_named(finished: RunDir, tmp_path: Path, change: object, words: str) -> None:
    run_dir = RunDir(tmp_path / "run")
    shutil.copytree(finished.path, run_dir.path)
    change(run_dir)  # type: ignore[operator]
    with pytest.raises(RunError, match=words):
        run(run_dir.path, platform="Reference")


def _forget_files(product: Path) -> None:
    """Make a record as it was before files were sealed."""
    record = json.loads((product / "done.json").read_text())
    del record["files"]
    (product / "done.json").write_text(json.dumps(record))


def _replace_restart_state(product: Path) -> None:
    (product / "end.xml").write_text((product / "end.xml").read_text() + "\n")
    _forget_files(product)


def _edit_plan(run_dir: RunDir, key: str, value: object) -> None:
    run_dir.plan.write_text(json.dumps(json.loads(run_dir.plan.read_text()) | {key: value}))


def _edit_stage(run_dir: RunDir, key: str, value: object) -> None:
    data = json.loads(run_dir.plan.read_text())
    data["stages"][1][key] = value
    run_dir.plan.write_text(json.dumps(data))


def test_production_can_be_made_longer_afterwards(finished: RunDir, tmp_path: Path) -> None:
    run_dir = RunDir(tmp_path / "run")
    shutil.copytree(finished.path, run_dir.path)
    data = json.loads(run_dir.plan.read_text())
    data["production"]["segments"] += 1
    run_dir.plan.write_text(json.dumps(data))
    assert run_dir.status() == "paused"
    run(run_dir.path, platform="Reference")
    steps = np.concatenate([frame_index(file).steps for file in run_dir.frame_files()])
    np.testing.assert_array_equal(steps, np.arange(1, 37) * 40)


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda d: _truncate(d.segment(5) / "end.xml", -1), "0005/end.xml: has "),
        (lambda d: _flip_a_bit(d.segment(5) / "end.xml"), "0005/end.xml: is damaged"),
        (lambda d: _truncate(d.segment(2) / "frames.xtc", -4), "0002/frames.xtc: has "),
        (lambda d: (d.segment(1) / "state.csv").unlink(), "0001/state.csv: is missing"),
        (lambda d: _truncate(d.segment(3) / "done.json", 40), "0003/done.json: cannot be read"),
        (lambda d: (d.segment(3) / "done.json").write_text('{"made_from": []}'), "0003/done.json: cannot be read"),
    ],
)
def test_a_damaged_product_is_refused_with_what_to_do_and_made_again_alike(
    finished: RunDir, tmp_path: Path, damage: object, words: str
) -> None:
    run_dir = RunDir(tmp_path / "run")
    shutil.copytree(finished.path, run_dir.path)
    damage(run_dir)  # type: ignore[operator]
    with pytest.raises(RunError, match=words) as caught:
        run(run_dir.path, platform="Reference")
    advice = re.search(r"remove (\S+) and all that comes after it", str(caught.value))
    assert advice is not None
    for folder in sorted(Path(advice[1]).parent.iterdir()):
        if folder.name >= Path(advice[1]).name:
            shutil.rmtree(folder)
    run(run_dir.path, platform="Reference")
    assert products(run_dir) == products(finished)


def test_a_flipped_bit_in_a_trajectory_is_found_by_a_deep_check(finished: RunDir, tmp_path: Path) -> None:
    product = tmp_path / "0001"
    shutil.copytree(finished.segment(1), product)
    check(product, deep=True)
    _flip_a_bit(product / "frames.xtc")
    check(product)
    with pytest.raises(RunError, match=r"frames\.xtc: is damaged"):
        check(product, deep=True)


def _truncate(file: Path, size: int) -> None:
    file.write_bytes(file.read_bytes()[:size])


def _flip_a_bit(file: Path) -> None:
    data = bytearray(file.read_bytes())
    data[len(data) // 2] ^= 1
    file.write_bytes(bytes(data))


def test_runs_recorded_before_files_were_sealed_and_stages_could_end_early_go_on(
    finished: RunDir, tmp_path: Path
) -> None:
    run_dir = RunDir(tmp_path / "run")
    shutil.copytree(finished.path, run_dir.path)
    plan = json.loads(run_dir.plan.read_text())
    for stage in plan["stages"]:
        del stage["until"], stage["check_interval"]
    run_dir.plan.write_text(json.dumps(plan))
    for product in [*run_dir.stages(), *run_dir.segments()]:
        record = json.loads((product / "done.json").read_text())
        del record["files"], record["made_from"]["until"], record["made_from"]["check_interval"]
        (product / "done.json").write_text(json.dumps(record))
    assert run(run_dir.path).startswith("already done")
    shutil.rmtree(run_dir.segment(5))
    run(run_dir.path, platform="Reference")
    assert products(run_dir) == products(finished)


def overlapping(distance: float) -> NDArray[np.float64]:
    """Molecule 21 moved onto molecule 8: atom 42 at `distance` from atom 17."""
    _, positions = dimers()
    positions[42:44] += positions[17] - positions[42] + [distance, 0, 0]
    return positions


@pytest.mark.parametrize("stage", [STAGES[0], STAGES[1]])
def test_a_simulation_that_blows_up_names_the_atoms_and_can_be_tried_again(tmp_path: Path, stage: Stage) -> None:
    """Two atoms in the very same place, which no step, however short, and no minimisation can mend."""
    run_dir = make_run(tmp_path / "run", Plan("test", 1, (stage,), Production(1, 40, 40, 40)), overlapping(0.0))
    for _ in range(2):
        with pytest.raises(SimulationError, match=r"equilibrate/1-\w+: .*largest forces: ") as caught:
            run(run_dir.path, platform="Reference")
        assert {"atom 17 ", "atom 42 "} == set(re.findall("atom (?:17|42) ", str(caught.value)))
        assert "0.000 nm from atom 42" in str(caught.value)
        assert str(caught.value).count("tried again") == len(stage.tries()) - 1
        assert run_dir.status() == "failed"
        assert (run_dir.parts()[0] / "error.txt").read_text().strip() == str(caught.value)


def test_atoms_at_fault_are_named_as_in_the_structure_file(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "run", Plan("test", 1, STAGES[:1], Production(1, 40, 40, 40)), overlapping(0.0))
    topology = app.Topology()
    for _ in range(MOLECULES):
        residue = topology.addResidue("DIM", topology.addChain())
        for name, element in (("N1", "N"), ("O1", "O")):
            topology.addAtom(name, app.Element.getBySymbol(element), residue)
    with (run_dir.box / "start.pdb").open("w") as file:
        app.PDBFile.writeFile(topology, overlapping(0.0) * 10, file)
    with pytest.raises(SimulationError, match=r"atom 17 \(O O1 of DIM 9, inf .* atom 42 \(N N1 of DIM 22, inf "):
        run(run_dir.path, platform="Reference")


def test_a_stage_that_blows_up_is_tried_more_gently_which_is_recorded_and_repeatable(tmp_path: Path) -> None:
    plan = Plan("test", 1, STAGES[1:2], Production(1, 40, 40, 40))
    found = []
    for name in ("one", "two"):
        run_dir = make_run(tmp_path / name, plan, overlapping(0.05))
        run(run_dir.path, platform="Reference")
        tries = json.loads((run_dir.stage("heat") / "done.json").read_text())["tries"]
        assert json.loads(run_dir.log.read_text())[-1]["stages"]["equilibrate/1-heat"]["tries"] == tries
        found.append((products(run_dir), tries))
    assert found[0] == found[1]
    tries = found[0][1]
    assert [one["how"] for one in tries] == [one.how for one in STAGES[1].tries()][: len(tries)]
    assert len(tries) > 1
    assert all("atom 17 " in one["fault"] for one in tries[:-1])
    assert tries[-1]["fault"] == ""
    log = read_log([run_dir.stage("heat") / "state.csv"])
    np.testing.assert_array_equal(log["step"], np.arange(1, 11) * 20)  # one clock, whatever the steps


def test_a_trajectory_is_never_minimised(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "run", Plan("test", 1, (), Production(1, 240, 40, 60)), overlapping(0.05))
    with pytest.raises(SimulationError, match="tried again, first 60 steps in quarters") as caught:
        run(run_dir.path, platform="Reference")
    assert "minimised" not in str(caught.value)
    assert run_dir.segments() == []


def test_velocities_that_are_no_numbers_never_become_a_restart_state(tmp_path: Path) -> None:
    """A state that is broken from the start is refused, not carried on."""
    run_dir = make_run(tmp_path / "run", Plan("test", 1, STAGES[1:2], Production(1, 40, 40, 40)))
    run(run_dir.path, platform="Reference")
    shutil.rmtree(run_dir.segment(1))
    end = run_dir.stage("heat") / "end.xml"
    broken = re.sub(r'<Velocity x="[^"]+"', '<Velocity x="nan"', end.read_text(), count=1)
    assert broken != end.read_text()
    end.write_text(broken)
    _forget_files(end.parent)
    with pytest.raises(SimulationError, match=r"0001: blew up within step 40 \(.*\); largest forces: atom "):
        run(run_dir.path, platform="Reference")
    assert run_dir.segments() == []


SETTLE = Stage(
    "settle", "npt", 16000, temperature=(150.0, 150.0), pressure=(400.0, 400.0), friction=10.0, barostat_interval=5,
    report_interval=20, until="stationary", check_interval=2000,
)  # fmt: skip


def test_a_stage_ends_when_it_is_stationary_and_says_why(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "run", Plan("test", 7, (*STAGES[:2], SETTLE), Production(1, 40, 40, 40)))
    said: list[float] = []
    outcome = run(run_dir.path, platform="CPU", progress=lambda fraction, text: said.append(fraction))  # noqa: ARG005
    verdict = json.loads((run_dir.stage("settle") / "done.json").read_text())["equilibration"]
    assert "NOT EQUILIBRATED" not in outcome
    assert verdict["stationary"]
    rows = len(read_log([run_dir.stage("settle") / "state.csv"])["step"])
    assert rows * SETTLE.report_interval in range(SETTLE.check_interval, SETTLE.steps, SETTLE.check_interval)
    assert verdict["time_ps"] == pytest.approx(rows * SETTLE.report_interval * SETTLE.timestep)
    for series in ("potential", "density"):
        assert verdict[series]["independent_samples"] >= 20
        assert verdict[series]["equilibrated_after_ps"] <= verdict["time_ps"] / 2
    assert said == sorted(said)
    assert said[-1] == pytest.approx(1.0)


def test_a_box_that_shrinks_below_the_cutoff_is_no_explosion_and_says_what_to_do(tmp_path: Path) -> None:
    crushed = dataclasses.replace(SETTLE, pressure=(20000.0, 20000.0), until=None, check_interval=0)
    run_dir = make_run(tmp_path / "run", Plan("test", 7, (*STAGES[:2], crushed), Production(1, 40, 40, 40)))
    with pytest.raises(RunError, match=r"3-settle: .*twice the nonbonded cutoff.*more atoms") as caught:
        run(run_dir.path, platform="CPU")
    assert not isinstance(caught.value, SimulationError)
    assert "tried again" not in str(caught.value)
    assert run_dir.status() == "failed"


def test_a_stage_that_reaches_its_limit_before_it_is_stationary_is_called_so(tmp_path: Path) -> None:
    """Fifteen rows cannot hold twenty independent samples."""
    short = dataclasses.replace(SETTLE, steps=300, check_interval=100)
    run_dir = make_run(tmp_path / "run", Plan("test", 7, (*STAGES[:2], short), Production(1, 40, 40, 40)))
    outcome = run(run_dir.path, platform="Reference")
    assert outcome.endswith("NOT EQUILIBRATED: 3-settle reached the limit of time before becoming stationary")
    assert not json.loads((run_dir.stage("settle") / "done.json").read_text())["equilibration"]["stationary"]
    assert run_dir.status() == "done"


def test_what_is_not_built_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match=r"not ready to run: no plan\.json"):
        run(tmp_path)
    assert RunDir(tmp_path).status() == "waiting"


def test_a_system_with_a_barostat_of_its_own_is_refused(tmp_path: Path) -> None:
    run_dir = make_run(tmp_path / "run")
    system = openmm.XmlSerializer.deserialize(run_dir.system_xml.read_text())
    system.addForce(openmm.MonteCarloBarostat(1, 300))
    run_dir.system_xml.write_text(openmm.XmlSerializer.serialize(system))
    with pytest.raises(RunError, match=r"system\.xml: holds a MonteCarloBarostat"):
        run(run_dir.path, platform="Reference")


@pytest.mark.parametrize("cut", [1, 57, 100])
def test_a_trajectory_that_is_cut_off_is_noticed(finished: RunDir, tmp_path: Path, cut: int) -> None:
    data = finished.frame_files()[0].read_bytes()
    (tmp_path / "frames.xtc").write_bytes(data[:-cut])
    with pytest.raises(TrajectoryError, match="cut off after 5 whole frames"):
        frame_index(tmp_path / "frames.xtc")


def test_the_temperature_is_that_of_the_thermostat(tmp_path: Path) -> None:
    """Kinetic temperature of f degrees of freedom: mean T, standard deviation T sqrt(2/f)."""
    production = Production(1, 12000, 12000, 60, temperature=150.0, friction=10.0)  # samples 2.4 relaxation times apart
    run_dir = make_run(tmp_path / "run", Plan("test", 3, STAGES[:2], production))
    run(run_dir.path, platform="CPU")
    found = read_log(run_dir.state_files())["temperature_K"][20:]
    system, _ = dimers()
    spread = 150.0 * np.sqrt(2 / (degrees_of_freedom(system) - 3))
    error = spread / np.sqrt(len(found)) * 1.3  # neighbours are not quite independent
    assert abs(found.mean() - 150.0) < 4 * error
    assert found.std() == pytest.approx(spread, rel=0.25)
