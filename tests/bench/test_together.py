from __future__ import annotations

from pathlib import Path

import pytest

from mdstudy.base.errors import RunError
from mdstudy.bench.together import doubling, table, throughput
from tests.bench.argon import built


def test_the_speed_of_copies_that_go_together_is_one_number_each(tmp_path: Path) -> None:
    run_dir = built(tmp_path / "run")
    said: list[tuple[float, str]] = []
    found = throughput(run_dir.path, (1, 2), "CPU", seconds=0.1, progress=lambda *done: said.append(done))
    assert {count: len(speeds) for count, speeds in found.items()} == {1: 1, 2: 2}
    assert all(speed > 0 for speeds in found.values() for speed in speeds)
    assert said == [(0.0, "1 at once"), (0.5, "2 at once")]
    assert run_dir.status() == "ready"


def test_copies_that_cannot_run_say_why(tmp_path: Path) -> None:
    run_dir = built(tmp_path / "run")
    run_dir.system_xml.write_text("<System")
    with pytest.raises(RunError, match=r"2 at once: RunError: .*system\.xml: cannot be read"):
        throughput(run_dir.path, (2,), "CPU", seconds=0.1)


def test_copies_are_set_beside_one_alone() -> None:
    assert doubling(2) == [1, 2]
    assert doubling(16) == [1, 2, 4, 8, 16]
    assert doubling(6) == [1, 2, 4, 6]
    header, rows = table({1: [8.0], 4: [4.0, 5.0, 5.0, 6.0]})
    assert len(header) == 4
    assert rows == [["1", "8", "8 to 8", "1.00"], ["4", "20", "4 to 6", "2.50"]]
