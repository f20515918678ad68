from __future__ import annotations

import os
import signal
import threading
import time
from pathlib import Path

import numpy as np
import openmm
import pytest

from mdstudy.base.errors import RunError
from mdstudy.run.plan import Plan, Production, Stage
from mdstudy.run.replicas import run_many
from mdstudy.run.rundir import RunDir

EDGE = 2.4
PRODUCTION = Production(2, 240, 40, 60, temperature=90.0)


def built(folder: Path, seed: int, production: Production = PRODUCTION) -> RunDir:
    """Argon-like atoms on a grid."""
    run_dir = RunDir(folder)
    run_dir.box.mkdir(parents=True)
    system, force = openmm.System(), openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.9)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * EDGE))
    for _ in range(64):
        system.addParticle(40.0)
        force.addParticle(0.0, 0.34, 1.0)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions((np.array(list(np.ndindex(4, 4, 4))) + 0.5) * EDGE / 4)
    run_dir.system_xml.write_text(openmm.XmlSerializer.serialize(system))
    run_dir.start_xml.write_text(openmm.XmlSerializer.serialize(context.getState(getPositions=True)))
    run_dir.plan.write_text(Plan("test", seed, (Stage("minimise", "minimise", 10),), production).to_json())
    return run_dir


def test_replicas_run_some_at_a_time_and_differ(tmp_path: Path) -> None:
    runs = [built(tmp_path / f"run-{seed}", seed) for seed in (1, 2, 3)]
    said: list[tuple[float, str]] = []
    outcomes = run_many(
        [run.path for run in runs], 2, "CPU", progress=lambda fraction, text: said.append((fraction, text))
    )
    assert [run.status() for run in runs] == ["done"] * 3
    for run, outcome in zip(runs, outcomes, strict=True):
        assert outcome.startswith(f"{run.path}: done: 0.00192 ns in 12 frames")
    assert len({run.frame_files()[-1].read_bytes() for run in runs}) == 3
    fractions = [fraction for fraction, _ in said]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    assert not any("run-1" in text and "run-2" in text and "run-3" in text for _, text in said)
    assert all("already done" in outcome for outcome in run_many([run.path for run in runs], 3, "CPU"))


def test_one_that_fails_is_named_after_the_others_have_ended(tmp_path: Path) -> None:
    good, bad = built(tmp_path / "good", 1), built(tmp_path / "bad", 2)
    bad.system_xml.write_text("<System")
    with pytest.raises(RunError, match=r"1 of 2 runs failed: .*bad.*system\.xml: cannot be read"):
        run_many([bad.path, good.path], 1, "CPU")
    assert good.status() == "done"


def test_one_that_is_killed_is_named_and_takes_no_other_with_it(tmp_path: Path) -> None:
    long = built(tmp_path / "long", 1, Production(1, 2_000_000, 2_000_000, 100, temperature=90.0))
    short = built(tmp_path / "short", 2)

    def kill() -> None:
        limit = time.monotonic() + 60
        while (holder := long.holder()) is None or not long.stages()[0].exists() or short.status() != "done":
            assert time.monotonic() < limit
            time.sleep(0.02)
        os.kill(int(holder.split()[1]), signal.SIGKILL)

    killer = threading.Thread(target=kill)
    killer.start()
    with pytest.raises(RunError, match=r"1 of 2 runs failed: .*long: the process was ended by signal 9"):
        run_many([long.path, short.path], 2, "CPU")
    killer.join()
    assert short.status() == "done"
    assert long.status() == "paused"


def test_no_workers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="0 workers"):
        run_many([tmp_path], 0)
