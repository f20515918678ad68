from __future__ import annotations

import io
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest

from mdstudy.base.xtc import frame_index
from mdstudy.run.outputs import COLUMNS, Frames, Log, Table
from tests.run.test_mechanics import EDGE, context_of, dimers

GAS_CONSTANT = 8.31446261815324e-3  # kJ/mol/K


def test_the_log_has_kinetic_temperature_and_density_as_by_hand() -> None:
    system, positions = dimers()
    context = context_of(system, positions)
    velocities = np.zeros_like(positions)
    velocities[:, 0] = 0.5  # nm/ps, all molecules alike: bonds stay
    context.setVelocities(velocities)
    file = io.StringIO()
    log = Log(file, system, 0.004)
    log.write(context.getState(getEnergy=True, getPositions=True, getVelocities=True), 250)
    header, row = file.getvalue().splitlines()
    values = dict(zip(header.split(","), map(float, row.split(",")), strict=True))
    assert tuple(values) == COLUMNS
    kinetic = 0.5 * 280 * 0.25
    assert values["kinetic_kJ_per_mol"] == pytest.approx(kinetic)
    assert values["temperature_K"] == pytest.approx(2 * kinetic / (50 * GAS_CONSTANT))
    assert values["density_g_per_cm3"] == pytest.approx(280 * 1.66053906660e-3 / EDGE**3)
    assert (values["step"], values["time_ps"]) == (250, 1.0)
    assert log.densities == pytest.approx([values["density_g_per_cm3"]])


def test_a_temperature_beyond_any_liquid_is_an_explosion() -> None:
    system, positions = dimers()
    context = context_of(system, positions)
    context.setVelocities(np.full_like(positions, 20.0))
    with pytest.raises(FloatingPointError, match="temperature"):
        Log(io.StringIO(), system, 0.004).write(context.getState(getEnergy=True), 1)


def test_frames_are_written_with_their_steps_times_and_box(tmp_path: Path) -> None:
    system, positions = dimers()
    context = context_of(system, positions)
    frames = Frames(tmp_path / "frames.xtc", system, 0.004, 500, 250)
    for shift in (0.0, 5.0):  # outside the box: not wrapped
        context.setPositions(positions + shift)
        frames.write(context.getState(getPositions=True))
    read = MDAnalysis.Universe.empty(20).load_new(str(tmp_path / "frames.xtc"))
    found = [(ts.data["step"], ts.time, ts.positions.copy(), ts.dimensions.copy()) for ts in read.trajectory]
    assert [(step, time) for step, time, _, _ in found] == [(500, pytest.approx(2.0)), (750, pytest.approx(3.0))]
    np.testing.assert_allclose(found[1][2] / 10, positions + 5.0, atol=6e-4)
    np.testing.assert_allclose(found[1][3][:3], 10 * EDGE, rtol=1e-6)


def test_a_table_that_is_gone_on_with_has_one_header_and_one_clock(tmp_path: Path) -> None:
    file = tmp_path / "table.csv"
    for mode, steps in (("w", (10, 20)), ("a", (30,))):
        with file.open(mode) as stream:
            table = Table(stream, ("step", "time_ps", "value"), 0.004)
            for step in steps:
                table.add(step, step / 3)
    assert file.read_text().splitlines() == [
        "step,time_ps,value", "10,0.04,3.33333333", "20,0.08,6.66666667", "30,0.12,10",
    ]  # fmt: skip


def test_a_log_that_is_gone_on_with_knows_what_it_holds(tmp_path: Path) -> None:
    system, positions = dimers()
    state = context_of(system, positions).getState(getEnergy=True)
    file = tmp_path / "state.csv"
    with file.open("w") as stream:
        log = Log(stream, system, 0.004)
        log.write(state, 10)
    with file.open("a") as stream:
        again = Log(stream, system, 0.004, file)
        assert (again.potentials, again.densities) == (log.potentials, log.densities)


def test_frames_that_are_gone_on_with_stay_on_their_clock(tmp_path: Path) -> None:
    system, positions = dimers()
    state = context_of(system, positions).getState(getPositions=True)
    file = tmp_path / "frames.xtc"
    for _ in range(2):
        Frames(file, system, 0.004, 500, 250).write(state)
    np.testing.assert_array_equal(frame_index(file).steps, [500, 750])
