from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import mdstudy
from mdstudy.cli import app
from mdstudy.study.pipeline import quantities
from mdstudy.system.composition import list_systems

ROOT = Path(__file__).resolve().parent.parent
BAD_SYSTEM = """
title = "bad"
default_variant = "A"
[variants.A]
assumption = "none"
[variants.A.amounts]
Pyr31FSI = "1 mol"
"""


def call(*words: str) -> str:
    done = CliRunner().invoke(app, list(words), env={"COLUMNS": "220"})
    assert done.exit_code == 0, done.output
    return done.output


def shell(*words: str, columns: int = 80) -> subprocess.CompletedProcess[str]:
    command, environment = [sys.executable, "-m", "mdstudy", *words], os.environ | {"COLUMNS": str(columns)}
    return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)


def test_every_shipped_system_is_listed_and_can_be_shown() -> None:
    listed = call("systems")
    for name in list_systems():
        assert name in listed
        shown = call("show", name, "--atoms", "4000")
        for word in ("molecules", "mole fraction", "mass", "estimated density", "charge", "+0 e", "Assumption: "):
            assert word in shown


def test_version_and_help() -> None:
    assert call("--version").strip() == mdstudy.__version__
    for command in ("systems", "show", "build", "run", "analyse", "compare", "report", "study"):
        assert command in call("--help")
        call(command, "--help")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["show", "lhcj"], '"lhcj": no such file, and not one of the shipped systems. Did you mean "lhci"?'),
        (["show", "lhci", "--variant", "Z"], 'no variant "Z"; it has A, B, C'),
        (["run", "nowhere"], "nowhere: not ready to run: no plan.json"),
        (["analyse", "nowhere"], "nowhere: not a run directory (no spec.json); make one with `mdstudy build`"),
        (["report", "nowhere"], "make one with `mdstudy build`"),
        (["study", "quik"], 'Did you mean "quick"?'),
        (["quantities", "densty"], 'no quantity has "densty" in its name or meaning. Did you mean "density"?'),
        (["why", "nowhere", "density"], "nowhere: not a run directory (no spec.json); make one with `mdstudy build`"),
        (["build", "lhci", "-o", "box", "--platform", "CUDDA"], 'platform "CUDDA" is unknown. Did you mean "CUDA"?'),
        (["build", "lhci", "-o", "/dev/null/box"], "/dev/null: File exists"),
    ],
)
def test_a_fault_is_one_message_without_a_traceback(words: list[str], message: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "mdstudy", *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert message in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert list(tmp_path.iterdir()) == [], "a fault left something behind"


@pytest.mark.parametrize(
    ("words", "near"),
    [
        (["show", "lhci", "--varient", "B"], "--variant"),
        (["build", "lhci", "--output", "x", "--temprature", "300"], "--temperature"),
        (["run", "x", "--untill", "density 1 %"], "--until"),
        (["analyse", "x", "--frames", "5"], ""),
        (["anlyse", "x"], "analyse"),
    ],
)
def test_a_misspelt_option_or_command_is_refused(words: list[str], near: str) -> None:
    done = CliRunner().invoke(app, words, env={"COLUMNS": "220"})
    assert done.exit_code == 2
    assert "No such" in done.output
    assert near in done.output


def test_quantities_are_listed_by_a_word_of_their_name_or_meaning() -> None:
    everything, some = shell("quantities").stdout, shell("quantities", "Self diffusion", columns=220).stdout
    for quantity in quantities():
        assert f" {quantity.name} " in everything
    for name in ("self_diffusion", "self_diffusion_infinite", "vehicular_share"):
        assert f" {name} " in some
    assert " diffusion_exponent " not in some
    assert "Self-diffusion coefficient in the periodic box, barycentric frame." in some


def written_commands() -> list[str]:
    """Every command line of the documentation, without its comment."""
    pages = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]
    found = [re.findall(r"^ {4}mdstudy (.+)$", page.read_text(encoding="utf-8"), flags=re.MULTILINE) for page in pages]
    return sorted({line.partition(" # ")[0].strip() for lines in found for line in lines})


@pytest.mark.parametrize("line", written_commands())
def test_the_documentation_writes_no_command_that_is_refused(line: str) -> None:
    name, *words = shlex.split(line)
    get_command(app).commands[name].make_context(name, words)


def test_a_bad_file_is_named_with_its_field(tmp_path: Path) -> None:
    file = tmp_path / "bad.toml"
    file.write_text(BAD_SYSTEM)
    done = shell("show", str(file))
    assert done.returncode == 1
    for word in ("bad.toml", "variants.A.amounts.Pyr31FSI", 'Did you mean "Pyr13FSI"?'):
        assert word in " ".join(done.stderr.split())
