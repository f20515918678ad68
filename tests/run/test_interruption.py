from __future__ import annotations

import json
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mdstudy.base.xtc import frame_index
from mdstudy.run.interruption import EXIT_TERMINATED, Halt
from mdstudy.run.plan import Plan, Production
from mdstudy.run.rundir import RunDir, check
from mdstudy.run.simulate import run
from tests.run.test_simulate import STAGES, make_run, products, read_log, start, wait_for

#: Intervals that are no multiples of the steps between looks, so that a stage is left between its rows too.
PRODUCTION = Production(2, 480, 240, 120, temperature=150.0)
SHORT = Plan("test", 7, STAGES[1:2], replace(PRODUCTION, segments=1))


class AfterLooks(Halt):
    """Asks to leave when it has been looked at so many times."""

    def __init__(self, looks: int) -> None:
        self.looks = looks
        super().__init__()

    @property
    def asked(self) -> bool:  # type: ignore[override]
        self.looks -= 1
        return self.looks < 0

    @asked.setter
    def asked(self, value: bool) -> None:
        pass


def everything(run_dir: RunDir) -> dict[str, bytes]:
    """All that is written while a stage goes on, besides restart states."""
    tables = [p for name in ("stress.csv", "profile.csv") for p in sorted(run_dir.path.rglob(name))]
    return products(run_dir) | {str(p.relative_to(run_dir.path)): p.read_bytes() for p in tables}


def left(run_dir: RunDir, looks: int, platform: str = "Reference") -> Path:
    """Start a run that leaves; the directory of the product that it left."""
    with pytest.raises(SystemExit) as caught:
        run(run_dir.path, platform=platform, halt=AfterLooks(looks))
    assert caught.value.code == EXIT_TERMINATED
    (part,) = run_dir.parts()
    return part


@pytest.mark.parametrize(
    "production",
    [replace(PRODUCTION, stress_interval=60), replace(PRODUCTION, acceleration=0.5)],
    ids=["stress", "driven"],
)
def test_a_run_that_is_left_again_and_again_is_the_same_to_the_byte(tmp_path: Path, production: Production) -> None:
    plan, chance = Plan("test", 7, STAGES[:2], production), random.Random(5)
    whole, torn = make_run(tmp_path / "whole", plan), make_run(tmp_path / "torn", plan)
    run(whole.path, platform="Reference")
    steps = []
    while torn.status() != "done":
        try:
            run(torn.path, platform="Reference", halt=AfterLooks(chance.randrange(2, 9)))
        except SystemExit:
            steps += [json.loads((part / "left.json").read_text())["step"] for part in torn.parts()]
    assert len(steps) >= 4
    assert any(step % 60 for step in steps)  # not only where something was written
    assert everything(torn) == everything(whole)
    for product in [*torn.stages(), *torn.segments()]:
        check(product, deep=True)
        assert not list(product.glob("left.*"))
    last = [json.loads((p / "done.json").read_text()).get("gone_on_from_step") for p in torn.segments()]
    assert any(last)
    assert set(last) <= {None, *steps}


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, bytes]:
    """Products of :data:`SHORT` that nothing happened to."""
    whole = make_run(tmp_path_factory.mktemp("whole") / "run", SHORT)
    run(whole.path, platform="Reference")
    return products(whole)


def test_what_a_kill_leaves_behind_the_place_is_cut_off(tmp_path: Path, undisturbed: dict[str, bytes]) -> None:
    torn = make_run(tmp_path / "torn", SHORT)
    part = left(torn, 14)
    assert part.name == "0001.part"
    for name in ("state.csv", "frames.xtc"):
        with (part / name).open("ab") as file:
            file.write(b"half a row or frame")
    (part / "end.xml").write_text("<State")
    run(torn.path, platform="Reference")
    assert products(torn) == undisturbed


@pytest.mark.parametrize("harm", ["checkpoint", "note", "shorter", "version"])
def test_what_cannot_be_gone_on_with_begins_anew(tmp_path: Path, undisturbed: dict[str, bytes], harm: str) -> None:
    torn = make_run(tmp_path / "torn", SHORT)
    part = left(torn, 14)
    if harm == "checkpoint":
        data = bytearray((part / "left.chk").read_bytes())
        data[len(data) // 2] ^= 1
        (part / "left.chk").write_bytes(bytes(data))
    elif harm == "note":
        (part / "left.json").write_text("{")
    elif harm == "shorter":
        (part / "state.csv").write_text("step\n")
    else:
        note = json.loads((part / "left.json").read_text())
        note["where"]["openmm"] = "7.0"
        (part / "left.json").write_text(json.dumps(note))
    run(torn.path, platform="Reference")
    assert "gone_on_from_step" not in json.loads((torn.segment(1) / "done.json").read_text())
    assert products(torn) == undisturbed


def test_at_constant_pressure_no_frame_and_no_row_is_lost_or_repeated(tmp_path: Path) -> None:
    plan = Plan("test", 7, STAGES[1:2], replace(PRODUCTION, ensemble="npt", pressure=100.0))
    run_dir = make_run(tmp_path / "run", plan)
    while run_dir.status() != "done":
        try:
            run(run_dir.path, platform="Reference", halt=AfterLooks(7))
        except SystemExit:
            continue
    steps = np.concatenate([frame_index(file).steps for file in run_dir.frame_files()])
    np.testing.assert_array_equal(steps, [240, 480, 720, 960])
    log = read_log(run_dir.state_files())
    np.testing.assert_array_equal(log["step"], np.arange(1, 9) * 120)
    assert len(set(log["volume_nm3"])) > 4


def test_a_sigterm_is_followed_within_a_few_steps_and_gone_on_from(tmp_path: Path) -> None:
    plan = Plan("test", 7, STAGES[1:2], Production(1, 200_000, 20_000, 20_000, temperature=150.0))
    run_dir = make_run(tmp_path / "run", plan)
    process = start(run_dir)
    part = run_dir.segment(1).with_name("0001.part")
    wait_for(lambda: (part / "state.csv").exists())
    process.terminate()
    assert process.wait(180) == EXIT_TERMINATED
    note = json.loads((part / "left.json").read_text())
    assert 0 < note["step"] < 20_000  # before its first row
    assert run_dir.status() == "paused"
    with pytest.raises(SystemExit):
        run(run_dir.path, platform="Reference", halt=AfterLooks(2))
    assert json.loads((part / "left.json").read_text())["step"] == note["step"] + 100


def test_one_leaves_at_once_unless_a_stage_goes_on() -> None:
    halt = Halt()
    with pytest.raises(SystemExit) as caught:
        halt.ask()
    assert caught.value.code == EXIT_TERMINATED
    held = Halt()
    with held.held():
        held.ask()
    assert held.asked
