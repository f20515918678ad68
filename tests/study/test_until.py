"""Free particles that diffuse by Langevin dynamics: D = kT / (m friction) is known, and a picosecond takes no time."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app, unit

from mdstudy.base.errors import RunError
from mdstudy.base.units import DIFFUSION_TO_SI, GAS_CONSTANT
from mdstudy.run.plan import Plan, Production, Stage
from mdstudy.run.rundir import RunDir
from mdstudy.run.simulate import run as simulate
from mdstudy.study.goal import parse_goal
from mdstudy.study.pipeline import pursue
from mdstudy.study.until import RECORD, Pursuit, run_until

pytestmark = pytest.mark.slow

PARTICLES, EDGE, MASS, KELVIN, FRICTION = 8, 6.0, 39.948, 300.0, 5.0
#: Segments of 5 ps with a frame a picosecond.
PRODUCTION = Production(40, 250, 50, 50, timestep=0.02, temperature=KELVIN, friction=FRICTION)
HEAT = Stage("heat", "nvt", 250, 0.02, (KELVIN, KELVIN), friction=FRICTION, report_interval=50, draw_velocities=True)
GOAL = "self-diffusion of AR 6 %"


def gas(path: Path, seed: int = 1, segments: int = 40) -> RunDir:
    """A run directory as `build` leaves it."""
    run = RunDir(path)
    run.box.mkdir(parents=True)
    system, topology = openmm.System(), app.Topology()
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * EDGE))
    topology.setPeriodicBoxVectors(np.eye(3) * EDGE)
    chain = topology.addChain()
    for _ in range(PARTICLES):
        system.addParticle(MASS)
        topology.addAtom("AR", app.Element.getBySymbol("Ar"), topology.addResidue("AR", chain))
    positions = np.random.default_rng(seed).uniform(0, EDGE, (PARTICLES, 3))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    run.system_xml.write_text(openmm.XmlSerializer.serialize(system))
    run.start_xml.write_text(openmm.XmlSerializer.serialize(context.getState(getPositions=True)))
    with (run.box / "start.pdb").open("w") as file:
        app.PDBFile.writeFile(topology, positions * unit.nanometer, file)
    run.plan.write_text(Plan("gas", seed, (HEAT,), replace(PRODUCTION, segments=segments)).to_json())
    spec = {"charge_scale": 1.0, "force_field": "none", "force_field_sha256": "0" * 64, "temperature_K": KELVIN}
    run.spec.write_text(json.dumps(spec))
    return run


def carry_out(directories: Sequence[Path]) -> None:
    for directory in directories:
        simulate(directory, platform="Reference")


def record(run: RunDir) -> dict:
    return json.loads((run.path / RECORD).read_text())


def frames(run: RunDir) -> bytes:
    return b"".join(file.read_bytes() for file in run.frame_files())


@pytest.fixture(scope="module")
def reached(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunDir, str]:
    run = gas(tmp_path_factory.mktemp("reached") / "run")
    return run, run_until(Pursuit.of([run.path], parse_goal(GOAL)), carry_out)


def test_a_run_stops_when_its_number_is_known_and_the_number_is_right(reached: tuple[RunDir, str]) -> None:
    run, verdict = reached
    assert ": reached after " in verdict
    last = record(run)["looks"][-1]
    assert 4 < len(run.segments()) == last["segments"] < 40
    assert run.status() == "done"
    (found,) = last["found"]
    assert found["error"] <= 0.06 * found["value"]
    # Without the motion of the centre of mass a particle of eight moves by 7/8 of its own.
    exact = GAS_CONSTANT * KELVIN / (MASS * FRICTION) * (1 - 1 / PARTICLES) * DIFFUSION_TO_SI
    assert abs(found["value"] - exact) < 3.5 * found["error"]


def test_looks_grow_by_a_quarter_at_most_and_only_the_last_reaches_the_goal(reached: tuple[RunDir, str]) -> None:
    looks = record(reached[0])["looks"]
    at = [look["segments"] for look in looks]
    assert at[0] == 4
    assert all(a < b <= max(a + 1, np.ceil(1.25 * a)) for a, b in pairwise(at))
    assert [look["reached"] for look in looks] == [False] * (len(looks) - 1) + [True]


def test_an_interrupted_pursuit_goes_on_to_the_same_end(reached: tuple[RunDir, str], tmp_path: Path) -> None:
    run, calls = gas(tmp_path / "run"), 0

    def stopped(directories: Sequence[Path]) -> None:
        nonlocal calls
        calls += 1
        if calls == 3:
            raise KeyboardInterrupt
        carry_out(directories)

    with pytest.raises(KeyboardInterrupt):
        run_until(Pursuit.of([run.path], parse_goal(GOAL)), stopped)
    assert 0 < len(run.segments()) < len(reached[0].segments())
    assert run_until(Pursuit.of([run.path], parse_goal(GOAL)), carry_out) == reached[1]
    assert record(run) == record(reached[0])
    assert frames(run) == frames(reached[0])


def test_a_longer_plan_begins_with_the_same_trajectory(reached: tuple[RunDir, str], tmp_path: Path) -> None:
    at_once = gas(tmp_path / "run", segments=len(reached[0].segments()))
    simulate(at_once.path, platform="Reference")
    assert frames(at_once) == frames(reached[0])


def test_asking_again_does_nothing(reached: tuple[RunDir, str]) -> None:
    run, verdict = reached
    before = {p: p.stat().st_mtime_ns for p in run.path.rglob("*") if p.is_file() and p.name != ".lock"}
    assert pursue(run.path, GOAL, platform="Reference") == verdict
    assert {p: p.stat().st_mtime_ns for p in before} == before


def test_the_limit_ends_a_run_whose_goal_is_out_of_reach(tmp_path: Path) -> None:
    run = gas(tmp_path / "run")
    verdict = pursue(run.path, "self-diffusion of AR 0.1 %", "25 ps", platform="Reference")
    assert "NOT reached after 25 ps, the limit of 25 ps" in verdict
    assert " more for 0.1 %" in verdict
    assert len(run.segments()) == 5
    assert pursue(run.path, "self-diffusion of AR 0.1 %", platform="Reference") == verdict, "the limit is remembered"
    pursue(run.path, "self-diffusion of AR 0.1 %", "30 ps", platform="Reference")
    assert len(run.segments()) == 6


def test_replicas_are_continued_together_and_judged_together(tmp_path: Path) -> None:
    runs = [gas(tmp_path / f"r{k}", seed=k) for k in (1, 2)]
    verdict = run_until(Pursuit.of([run.path for run in runs], parse_goal("self-diffusion of AR 1 %"), 25.0), carry_out)
    assert "in each of 2 replicas" in verdict
    assert [len(run.segments()) for run in runs] == [5, 5]
    assert frames(runs[0]) != frames(runs[1])


def test_a_limit_of_less_than_a_segment_is_refused(tmp_path: Path) -> None:
    run = gas(tmp_path / "run")
    with pytest.raises(RunError, match="at most 2 ps: less than one segment of 5 ps"):
        Pursuit.of([run.path], parse_goal(GOAL), 2.0)
    with pytest.raises(RunError, match=r"not ready to run: no plan.json"):
        Pursuit.of([tmp_path / "nowhere"], parse_goal(GOAL))
