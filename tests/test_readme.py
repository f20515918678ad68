"""The examples of the README, as they stand there but for their size, on a run that is made by the first of them."""

from __future__ import annotations

import re
import warnings
from pathlib import Path

import MDAnalysis
import pytest
from matplotlib import pyplot

from mdstudy.exchange.export import export

pytestmark = pytest.mark.slow

ROOT = Path(__file__).resolve().parent.parent
PROTOCOL = """
name = "tiny"
title = "for a test"
report = "0.04 ps"
[[stages]]
name = "minimise"
kind = "minimise"
iterations = 60
[[stages]]
name = "heat"
kind = "nvt"
time = "0.2 ps"
timestep = "2 fs"
friction = "10 1/ps"
temperature = ["50 K", "target"]
[production]
kind = "nvt"
time = "0.8 ps"
segment = "0.4 ps"
frames = "0.02 ps"
"""
#: What is made smaller, and files of another program that the first example does not make.
SMALLER = {
    "atoms=5000": "atoms=1000",
    'profile="quick"': 'profile="tiny.toml"',
    '"topol.tpr", "traj.xtc"': '"run.prmtop", "run.xtc"',
}


def blocks() -> list[str]:
    return re.findall(r"```python\n(.*?)```", (ROOT / "README.md").read_text(encoding="utf-8"), flags=re.DOTALL)


def carried_out(block: str, capsys: pytest.CaptureFixture[str]) -> str:
    """What an example prints."""
    for large, small in SMALLER.items():
        block = block.replace(large, small)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MDAnalysis, of what a format does not hold
        exec(compile(block, "README.md", "exec"), {})
    return capsys.readouterr().out


def test_the_examples_of_the_readme_do_what_they_say(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "runs").mkdir()
    (tmp_path / "tiny.toml").write_text(PROTOCOL, encoding="utf-8")
    first, *others = blocks()
    assert others, "an example for the trajectories of other programs"
    printed = carried_out(first, capsys)
    assert re.search(r"self_diffusion of Li: \S+ ± \S+ m\^2/s \(not converged\)", printed)
    run = tmp_path / "runs" / "lhci"
    (topology,) = [path for path in export(run, "amber", tmp_path) if path.suffix == ".prmtop"]
    topology.rename("run.prmtop")
    frames = MDAnalysis.Universe(str(run / "box" / "start.pdb"), *[str(p) for p in run.glob("produce/*/frames.xtc")])
    frames.atoms.write("run.xtc", frames="all")
    for block in others:
        assert "self_diffusion of Li" in carried_out(block, capsys)
    pyplot.close("all")
