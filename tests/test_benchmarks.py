"""The scripts in benchmarks/ run; what they measure is for people to read."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"


def test_the_check_list_needs_openmm_and_numpy_alone() -> None:
    tree = ast.parse((FOLDER / "gpu_checklist.py").read_text(encoding="utf-8"))
    names = {alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module or "" for node in ast.walk(tree) if isinstance(node, ast.ImportFrom)}
    assert {name.split(".")[0] for name in names} - sys.stdlib_module_names == {"openmm", "numpy"}


@pytest.mark.slow
def test_the_check_list_passes_on_the_processor() -> None:
    command = [sys.executable, str(FOLDER / "gpu_checklist.py"), "--platform", "CPU", "--seconds", "0.1"]
    done = subprocess.run(
        [*command, "--atoms", "2000", "--replicas", "1"], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("| passed |") >= 2  # forces and restart; a drift may be too short to judge
    assert "FAILED" not in done.stdout
    assert "| 2000 atoms | " in done.stdout
    assert "| 1 replicas of 4k atoms | " in done.stdout


@pytest.mark.slow
def test_scaling_is_told_with_the_largest_memory_of_a_process_of_its_own() -> None:
    command = [sys.executable, str(FOLDER / "scaling.py"), "--atoms", "2500", "--frames", "12"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr
    (row,) = re.findall(r"^\| 2,500 \| 12 \| (.*) \|$", done.stdout, flags=re.MULTILINE)
    seconds, each, before, after = map(float, row.split("|"))
    assert each == pytest.approx(1000 * seconds / 12, rel=0.1)
    assert 100 < before < after < 1024
