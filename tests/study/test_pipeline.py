"""A whole study of two small real boxes: planned, killed in production, resumed, measured, compared, reported."""

from __future__ import annotations

import csv
import json
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from mdstudy.base.errors import MdstudyError, RunError
from mdstudy.base.provenance import sha256
from mdstudy.base.xtc import frame_index
from mdstudy.cli import app
from mdstudy.run.rundir import RunDir
from mdstudy.study.analyse import analyse
from mdstudy.study.compare import compare
from mdstudy.study.explain import explain
from mdstudy.study.measure import MEMORY
from mdstudy.study.pipeline import compare_runs, load_result, report_runs, run_study
from mdstudy.study.report import read_results

pytestmark = pytest.mark.slow

PROTOCOL = """
name = "shortest"
title = "for a test"
note = "NOT CONVERGED: for a test"
report = "0.04 ps"
[[stages]]
name = "minimise"
kind = "minimise"
iterations = 100
[[stages]]
name = "heat"
kind = "nvt"
time = "0.2 ps"
timestep = "2 fs"
friction = "10 1/ps"
temperature = ["50 K", "target"]
[production]
kind = "nvt"
time = "1.2 ps"
segment = "0.4 ps"
frames = "0.04 ps"
friction = "1 1/ps"
"""
STUDY = """
title = "LHCI against DLHCI, a test"
question = "Does it all hang together?"
protocol = "{protocol}"
atoms = 1500
seed = 7
runs = [{{ system = "lhci" }}, {{ system = "dlhci" }}]
ratios = [{{ of = "dlhci", to = "lhci" }}]
"""
FRAMES = 30


@pytest.fixture(scope="module")
def study_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("study")
    (folder / "shortest.toml").write_text(PROTOCOL)
    (folder / "test.toml").write_text(STUDY.format(protocol=folder / "shortest.toml"))
    return folder / "test.toml"


@pytest.fixture(scope="module")
def runs(study_file: Path) -> list[Path]:
    """Both runs of the study; the process was killed in the production of the first and the study started again."""
    folder = study_file.parent / "runs"
    command = [sys.executable, "-m", "mdstudy", "study", str(study_file), "-o", str(folder), "--platform", "CPU"]
    output = study_file.parent / "output.txt"
    with output.open("w") as stream:
        process = subprocess.Popen(command, stdout=stream, stderr=stream)
    first = RunDir(folder / "lhci-A-r1")
    limit = time.monotonic() + 300
    while not (first.segments() and any("0002" in part.name for part in first.parts())):
        assert process.poll() is None, output.read_text()
        assert time.monotonic() < limit
        time.sleep(0.01)
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert first.status() == "paused"
    before = sha256(first.frame_files()[0])
    written = run_study(study_file, folder, platform="CPU")
    assert sha256(first.frame_files()[0]) == before, "what was finished before the kill was made again"
    assert [path.name for path in written] == ["report.html", "report.csv", "report.json", "report-differences.csv"]
    return [folder / "lhci-A-r1", folder / "dlhci-A-r1"]


def test_no_frame_is_lost_or_repeated_by_a_kill(runs: list[Path]) -> None:
    for run in map(RunDir, runs):
        steps, times = (np.concatenate(a) for a in zip(*(frame_index(f)[:2] for f in run.frame_files()), strict=True))
        np.testing.assert_array_equal(steps, np.arange(1, FRAMES + 1) * 10)
        np.testing.assert_allclose(times, np.arange(1, FRAMES + 1) * 0.04, rtol=1e-5)


def test_the_csv_has_a_unit_an_error_and_a_method_for_every_number(runs: list[Path]) -> None:
    with (runs[0].parent / "report.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["case"] for row in rows} == {"lhci", "dlhci"}
    assert all(row["unit"] and row["method"] and row["standard_error"] for row in rows)
    quantities = {row["quantity"] for row in rows}
    assert {"density", "coordination_number", "self_diffusion", "conductivity_nernst_einstein"} - quantities <= {
        "density"  # there was no constant-pressure stage
    }
    assert all(row["converged"] == "False" for row in rows if row["quantity"] == "self_diffusion")


def test_the_page_holds_everything_and_points_nowhere(runs: list[Path]) -> None:
    page = (runs[0].parent / "report.html").read_text(encoding="utf-8")
    assert page.count("<figure>") == 6
    assert "NOT CONVERGED: for a test" in page
    assert "Does it all hang together?" in page
    assert "2.25 ± not given mS/cm; 3.93 ± not given mS/cm" in page
    assert "10.1063/5.0221854" in page or "Song et al." in page
    for outside in ("src=", "href=", "<script", "@import"):
        assert outside not in page.replace('xlink:href="#', "").replace('href="#', "")


def test_doing_it_again_changes_nothing(study_file: Path, runs: list[Path]) -> None:
    folder = runs[0].parent
    made = [p for p in folder.rglob("*") if p.is_file() and p.name != ".lock" and not p.name.startswith("report")]
    before = {p: p.stat().st_mtime_ns for p in made}
    pages = [(folder / f"report.{suffix}").read_bytes() for suffix in ("html", "csv", "json")]
    run_study(study_file, folder, platform="CPU")
    assert {p: p.stat().st_mtime_ns for p in made} == before
    assert [(folder / f"report.{suffix}").read_bytes() for suffix in ("html", "csv", "json")] == pages


def test_results_that_other_frames_made_are_made_again(runs: list[Path]) -> None:
    stamp = runs[0] / "measure" / "inputs.json"
    data = json.loads(stamp.read_text())
    estimates = analyse(runs[0])
    stamp.write_text(json.dumps(data | {"made_from": data["made_from"] | {"produce/0001": "other"}}))
    (runs[0] / "measure" / "estimates.csv").write_text("stale")
    again = analyse(runs[0])
    assert [str(e) for e in again] == [str(e) for e in estimates]


def test_results_of_a_run_that_went_on_are_not_shown_as_its_own(runs: list[Path], tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(runs[0], run)
    assert load_result(run).estimates
    stamp = run / "measure" / "inputs.json"
    data = json.loads(stamp.read_text())
    del data["made_from"][max(name for name in data["made_from"] if name.startswith("produce"))]
    stamp.write_text(json.dumps(data))
    for reads in (load_result, lambda path: explain(path, "self_diffusion")):
        with pytest.raises(RunError, match="went on since it was analysed; do it again with `mdstudy analyse"):
            reads(run)


def test_results_made_with_less_memory_are_made_again_and_those_made_with_more_are_not(runs: list[Path]) -> None:
    stamp = runs[0] / "measure" / "inputs.json"
    made = stamp.read_bytes()
    analyse(runs[0], memory=MEMORY / 2)
    assert stamp.read_bytes() == made
    analyse(runs[0], memory=2 * MEMORY)
    assert json.loads(stamp.read_text())["memory"] == 2 * MEMORY


def test_a_report_can_be_read_back_and_compared_without_its_trajectories(runs: list[Path]) -> None:
    read = read_results(runs[0].parent / "report.json")
    assert [r.to_dict() for r in read] == [load_result(run).to_dict() for run in runs]
    fresh = compare_runs(runs)
    again = compare(read, [])
    assert [row.quantity for row in again.rows] == [row.quantity for row in fresh.rows]
    with pytest.raises(RunError, match="not the JSON file of a report"):
        read_results(runs[0] / "plan.json")


def test_the_commands_print_what_they_did(runs: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdstudy.cli.console", Console(width=250))  # no line is broken

    def call(*words: object) -> str:
        done = CliRunner().invoke(app, [str(word) for word in words])
        assert done.exit_code == 0, done.output
        return " ".join(done.output.split())

    assert "already done" in call("run", runs[0])
    assert "coordination number" in call("analyse", runs[0])
    compared = call("compare", *runs)
    assert "conductivity" in compared
    assert "dlhci-A-r1 less lhci-A-r1" in compared or "dlhci less lhci" in compared
    told = call("why", runs[0], "self_diffusion", "Li", "-o", tmp_path / "why.svg")
    for fact in ("30 frames", "barycentric frame", "clp-opls, SHA-256", "code", "lags", "SelfDiffusion(species=())"):
        assert fact in told, fact
    assert "<svg" in (tmp_path / "why.svg").read_text(encoding="utf-8")
    (tmp_path / "why.svg").unlink()
    assert f"wrote {tmp_path}" in call("report", *runs, "-o", tmp_path / "r.html").replace("\n", "")
    assert {p.name for p in tmp_path.iterdir()} == {"r.html", "r.csv", "r.json", "r-differences.csv"}


def test_what_is_not_there_yet_is_named_with_what_to_do(tmp_path: Path, runs: list[Path]) -> None:
    with pytest.raises(RunError, match="make one with `mdstudy build`"):
        analyse(tmp_path)
    with pytest.raises(RunError, match="make one with `mdstudy build`"):
        load_result(tmp_path)
    with pytest.raises(MdstudyError, match="no runs"):
        report_runs([], tmp_path / "r.html")
    del runs


def test_a_study_goes_on_until_its_number_is_known_or_to_its_limit(study_file: Path, runs: list[Path]) -> None:
    """Last, for it leaves its mark on the runs."""
    text = study_file.read_text(encoding="utf-8")
    longer = study_file.with_name("until.toml")
    longer.write_text('until = "temperature 0.01 %"\nat_most = "1.6 ps"\n' + text)
    lines: list[str] = []
    run_study(longer, runs[0].parent, platform="CPU", say=lines.append)
    assert [len(RunDir(run).segments()) for run in runs] == [4, 4]
    assert sum("NOT reached after 1.6 ps, the limit of 1.6 ps" in line for line in lines) == 2
    assert "stopped by temperature" in load_result(runs[0]).length
