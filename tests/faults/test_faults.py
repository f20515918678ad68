"""Short form: every fault strikes a few times. The long form is ``python -m tests.faults --harm 100``."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
NAMES = [
    "kill_at_random_instants",
    "kill_at_file_operations",
    "terminate",
    "disk_full",
    "file_too_large",
    "damaged_files",
    "leftovers",
    "several_at_once",
    "clock_jump",
    "changed_inputs",
]


@pytest.mark.slow
@pytest.mark.parametrize("names", [NAMES[:2], NAMES[2:5], NAMES[5:]], ids=["kills", "ends", "harm"])
def test_nothing_is_lost_repeated_or_torn_by(names: list[str]) -> None:
    command = [sys.executable, "-m", "tests.faults", "--harm", "3", "--only", *names]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=900, check=False)
    assert done.returncode == 0, done.stdout + done.stderr[-3000:]
    rows = [line for line in done.stdout.splitlines()[2:] if line.startswith("|")]
    assert len(rows) == len(names)
    assert all(row.endswith("| nothing lost |") or "not done: needs root" in row for row in rows), done.stdout
