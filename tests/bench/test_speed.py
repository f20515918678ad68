from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from mdstudy.base.errors import RunError
from mdstudy.bench.speed import BARE, ENGINE, NAIVE, Benchmark, Speed, bench
from tests.bench.argon import ATOMS, built


def contents(folder: Path) -> dict[str, str]:
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.rglob("*")) if f.is_file()}


@pytest.mark.parametrize("pressure", [None, 1.0])
def test_all_ways_are_measured_as_often_and_the_run_is_left_as_it_was(tmp_path: Path, pressure: float | None) -> None:
    run_dir = built(tmp_path / "run", pressure)
    before = contents(run_dir.path)
    said: list[float] = []
    found = bench(run_dir.path, "CPU", repeats=2, seconds=0.05, progress=lambda f, text: said.append(f))  # noqa: ARG005
    assert contents(run_dir.path) == before
    assert run_dir.status() == "ready"
    assert found.atoms == ATOMS
    assert [(one.name, len(one.values)) for one in found.speeds] == [(ENGINE, 2), (BARE, 2), (NAIVE, 2)]
    assert all(value > 0 for one in found.speeds for value in one.values)
    assert found.start >= 0
    assert found.without_gromacs  # no gmx, or nothing finished to start from
    assert said == [0.0, 0.5]
    header, rows = found.table()
    assert len(header) == len(rows[0]) == 4
    assert [row[0] for row in rows] == [ENGINE, BARE, NAIVE]


def test_the_efficiency_is_the_median_of_the_ratios_within_turns() -> None:
    speeds = (Speed(ENGINE, (90.0, 49.0, 9.8)), Speed(BARE, (100.0, 50.0, 10.0)), Speed(NAIVE, (1.0, 1.0, 1.0)))
    assert Benchmark(1, "", speeds, 0.0).efficiency == pytest.approx(0.98)


def test_what_is_not_built_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a built run directory"):
        bench(tmp_path)
