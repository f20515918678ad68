"""A small run to do harm to, and what must be true of it afterwards."""

from __future__ import annotations

import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from MDAnalysis.lib.formats.libmdaxdr import XTCFile

from mdstudy.base.xtc import frame_index
from mdstudy.run.plan import Plan, Production
from mdstudy.run.rundir import RunDir, check
from tests.run.test_simulate import STAGES, make_run, positions_of, products, read_log, state_of

ROOT = Path(__file__).resolve().parent.parent.parent
#: At constant pressure, so that log and trajectory can disagree about the box.
PRODUCTION = Production(6, 240, 40, 60, ensemble="npt", temperature=150.0, pressure=100.0, box="mean:density")
PLAN = Plan("faults", 7, STAGES, PRODUCTION)


@dataclass
class World:
    """Where runs are made, started and judged.

    Attributes
    ----------
    folder : Path
        Everything happens in it.
    harm : int
        How often a random fault is to strike.
    chance : random.Random
        Of instants and places.
    other_python : str or None
        Interpreter with another version of OpenMM.
    starts : int
        Processes started.
    """

    folder: Path
    harm: int
    chance: random.Random
    other_python: str | None = None
    starts: int = 0
    _made: int = 0
    seconds: float = 0.0
    undisturbed: dict[str, bytes] = field(default_factory=dict)

    def __post_init__(self) -> None:
        reference = self.fresh()
        began = time.monotonic()
        self.finish(reference)
        self.seconds = time.monotonic() - began
        self.undisturbed = products(reference)
        self.require_intact(reference)
        self.finished = reference

    def fresh(self, folder: Path | None = None) -> RunDir:
        """Make a run that was not started."""
        self._made += 1
        return make_run((folder or self.folder) / f"run-{self._made}", PLAN)

    def copy(self) -> RunDir:
        """Copy the undisturbed run."""
        self._made += 1
        run_dir = RunDir(self.folder / f"run-{self._made}")
        shutil.copytree(self.finished.path, run_dir.path)
        return run_dir

    def start(
        self,
        run_dir: RunDir,
        before: Sequence[str] = (),
        python: str = sys.executable,
        call: Sequence[str] = ("-m", "mdstudy.run.simulate"),
        preexec: Callable[[], None] | None = None,
    ) -> subprocess.Popen[str]:
        """Start the run step as a process of its own."""
        self.starts += 1
        command = [*before, python, *call, str(run_dir.path), "--platform", "Reference"]
        return subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, preexec_fn=preexec
        )

    def finish(self, run_dir: RunDir, before: Sequence[str] = ()) -> None:
        """Run to the end."""
        process = self.start(run_dir, before)
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 0, said

    def refused(self, run_dir: RunDir, *words: str) -> None:
        """Require that a start is refused with a message of these words, and no traceback."""
        process = self.start(run_dir)
        said = process.communicate(timeout=300)[1]
        assert process.returncode == 1, f"exit code {process.returncode}: {said}"
        assert "Traceback" not in said, said
        for word in words:
            assert word in said, f"{word!r} not in {said!r}"

    def require_intact(self, run_dir: RunDir, same_bytes: bool = True) -> None:
        """Require frames and rows at every step that they are due at, once, agreeing; and the undisturbed result."""
        assert run_dir.status() == "done"
        assert run_dir.parts() == []
        for product in [*run_dir.stages(), *run_dir.segments()]:
            check(product, deep=True)
        steps, times = map(np.concatenate, zip(*(frame_index(f)[:2] for f in run_dir.frame_files()), strict=True))
        due = np.arange(1, PRODUCTION.frames + 1) * PRODUCTION.frame_interval
        assert np.array_equal(steps, due), f"frames at {steps}"
        assert np.array_equal(times, (due * PRODUCTION.timestep).astype(np.float32)), f"times {times}"
        log = read_log(run_dir.state_files())
        rows = np.arange(1, len(log["step"]) + 1) * PRODUCTION.report_interval
        assert np.array_equal(log["step"], rows), f"rows at {log['step']}"
        assert rows[-1] == due[-1]
        volume_at = dict(zip(log["step"].astype(int), log["volume_nm3"], strict=True))
        for folder in run_dir.segments():
            with XTCFile(str(folder / "frames.xtc")) as file:
                for frame in file:
                    assert np.isfinite(frame.x).all()
                    if frame.step in volume_at:
                        volume = abs(np.linalg.det(frame.box))
                        assert abs(volume / volume_at[frame.step] - 1) < 1e-5, "log and trajectory differ"
            assert np.allclose(frame.x, positions_of(state_of(folder)), atol=6e-4)
        if same_bytes:
            assert products(run_dir) == self.undisturbed
