"""A run directory written by hand: argon that walks at random, and a stress of known viscosity beside it."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from scipy.signal import lfilter

from mdstudy.analysis.trajectory import RawFrame, Trajectory, open_run
from mdstudy.base.results import Estimate, find
from mdstudy.run.plan import Plan, Production
from mdstudy.run.rundir import RunDir
from mdstudy.study import analyse

ATOMS, EDGE, FRAMES, ROWS = 12, 3.0, 300, 30_000
MOTION = ("shear_viscosity", "self_diffusion", "self_diffusion_infinite")


def written(path: Path, step: float) -> RunDir:
    """A run whose atoms go `step` nm in each direction from frame to frame, 10 ps apart."""
    run, rng = RunDir(path), np.random.default_rng(1)
    segment = run.segment(1)
    for folder in (run.box, segment):
        folder.mkdir(parents=True)
    production = Production(1, 5000 * FRAMES, 5000, 5000, timestep=0.002, temperature=300.0, friction=1.0)
    run.plan.write_text(Plan("argon", 1, (), production).to_json())
    spec = {"charge_scale": 1.0, "force_field": "none", "force_field_sha256": "0" * 64, "temperature_K": 300.0}
    run.spec.write_text(json.dumps(spec))
    paths = rng.uniform(0, EDGE, (ATOMS, 3)) + np.cumsum(rng.normal(scale=step, size=(FRAMES, ATOMS, 3)), axis=0)
    universe = MDAnalysis.Universe.empty(ATOMS, ATOMS, atom_resindex=np.arange(ATOMS), trajectory=True)
    attributes = {"names": ["AR"] * ATOMS, "elements": ["Ar"] * ATOMS, "resnames": ["AR"] * ATOMS}
    for name, values in {**attributes, "resids": np.arange(1, ATOMS + 1)}.items():
        universe.add_TopologyAttr(name, values)
    with MDAnalysis.Writer(str(segment / "frames.xtc"), ATOMS) as file:
        for k, positions in enumerate(paths):
            universe.atoms.positions = 10 * positions
            universe.dimensions = [10 * EDGE] * 3 + [90.0] * 3
            universe.trajectory.ts.time = 10.0 * (k + 1)
            universe.trajectory.ts.data["step"] = 5000 * (k + 1)
            file.write(universe.atoms)
    with pytest.warns(UserWarning, match="Found (no information|missing)"):  # that nobody needs
        universe.atoms.write(str(run.box / "start.pdb"))
    steps = 50 * np.arange(1, ROWS + 1)
    keep = math.exp(-0.1 / 0.3)  # 300 bar for 0.3 ps
    noise = rng.normal(scale=300 * math.sqrt(1 - keep**2), size=(ROWS, 3))
    stress = lfilter([1.0], [1.0, -keep], noise, axis=0)
    save(segment / "stress.csv", ("volume_nm3", "xy_bar", "xz_bar", "yz_bar"), steps, np.full(ROWS, EDGE**3), stress)
    state = rng.normal(300, 5, 200)
    save(segment / "state.csv", ("temperature_K", "density_g_per_cm3"), 500 * np.arange(1, 201), state, state / 300)
    return run


def save(file: Path, names: tuple[str, ...], steps: np.ndarray, *columns: np.ndarray) -> None:
    table = np.column_stack([steps, 0.002 * steps, *columns])
    np.savetxt(file, table, delimiter=",", header=",".join(("step", "time_ps", *names)), comments="", fmt="%.9g")


@pytest.fixture
def reads(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one each time that the frames of a run are asked for."""
    asked: list[str] = []

    def counted(directory: Path) -> Trajectory:
        trajectory = open_run(directory)

        def read() -> Iterator[RawFrame]:
            asked.append(trajectory.source)
            return trajectory.read()

        return replace(trajectory, read=read)

    monkeypatch.setattr(analyse, "open_run", counted)
    return asked


def estimates(run: RunDir, *wanted: str) -> list[Estimate]:
    found = analyse.measured(run, lambda name: name in (wanted or MOTION))
    return [estimate for one in found for estimate in one.estimates]


def test_frames_are_read_once_where_a_viscosity_is_judged_by_them(tmp_path: Path, reads: list[str]) -> None:
    found = estimates(written(tmp_path / "run", 0.2))
    assert len(reads) == 1
    assert find(found, "shear_viscosity", "box").converged
    corrected = find(found, "self_diffusion_infinite", "AR")
    assert corrected.converged, corrected.note
    assert math.isfinite(corrected.error)


def test_atoms_that_met_no_others_take_the_convergence_of_all_that_rests_on_the_viscosity(
    tmp_path: Path, reads: list[str]
) -> None:
    found = estimates(written(tmp_path / "run", 0.03))
    assert len(reads) == 1
    for quantity, of in (("shear_viscosity", "box"), ("self_diffusion_infinite", "AR")):
        estimate = find(found, quantity, of)
        assert not estimate.converged
        assert "neighbours have not exchanged" in estimate.note
    assert find(found, "self_diffusion", "AR").converged


def test_a_viscosity_is_judged_where_it_alone_is_wanted_and_left_out_where_it_is_not(
    tmp_path: Path, reads: list[str]
) -> None:
    run = written(tmp_path / "run", 0.03)
    found = estimates(run, "shear_viscosity")
    assert len(reads) == 1
    assert not find(found, "shear_viscosity", "box").converged
    assert find(found, "self_diffusion", "AR") is None
    assert find(estimates(run, "density"), "shear_viscosity", "box") is None
    assert len(reads) == 1, "of a log only"
