from __future__ import annotations

from pathlib import Path

import pytest

from mdstudy.base.errors import RunError
from mdstudy.bench import mdrun
from mdstudy.bench.speed import GROMACS, bench
from mdstudy.run.plan import Production, Stage
from mdstudy.run.simulate import run
from mdstudy.system.build import build

needs_gromacs = pytest.mark.skipif(mdrun.program() is None, reason="gmx (GROMACS) is not installed")

PROTOCOL = """
name = "brief"
title = "for a test"
timestep = "2 fs"
report = "0.02 ps"
[[stages]]
name = "minimise"
kind = "minimise"
iterations = 30
[production]
kind = "nvt"
time = "0.04 ps"
segment = "0.04 ps"
frames = "0.02 ps"
"""


def test_settings_are_replaced_not_repeated_and_the_rest_is_kept() -> None:
    segment = Production(1, 500, 500, 100, ensemble="npt", timestep=0.002, pressure=5.0, friction=0.5).segment(1)
    text = mdrun._changed("nsteps = 0\ncontinuation        = yes\nrvdw = 1.2\n; nsteps in words\n", segment, 40)
    lines = [line.replace(" ", "") for line in text.splitlines()]
    assert "nsteps=40" in lines
    assert "nsteps=0" not in lines
    assert "continuation=yes" not in lines
    assert {"rvdw=1.2", "tau-t=2.0", "ref-p=5.0", "nstxout-compressed=500", "nstenergy=100"} <= set(lines)
    assert "pcoupl" not in mdrun._changed("", Stage("a", "nvt", 10, report_interval=10), 1)


@pytest.mark.slow
@needs_gromacs
def test_gromacs_runs_the_box_of_a_run_and_is_one_of_the_ways(tmp_path: Path) -> None:
    (tmp_path / "brief.toml").write_text(PROTOCOL)
    build("tte", tmp_path / "run", atoms=1700, profile=tmp_path / "brief.toml")
    run(tmp_path / "run", "CPU")
    found = bench(tmp_path / "run", "CPU", repeats=1, seconds=0.1)
    assert found.without_gromacs == ""
    assert found.speed(GROMACS).median > 0
    assert [row[0] for row in found.table()[1]][-1] == GROMACS


@needs_gromacs
def test_what_gromacs_refuses_is_said(tmp_path: Path) -> None:
    (tmp_path / "bench.tpr").write_text("nothing")
    with pytest.raises(RunError, match="gmx mdrun failed: "):
        mdrun.speed(tmp_path / "bench.tpr")
