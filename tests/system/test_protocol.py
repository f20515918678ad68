from __future__ import annotations

from pathlib import Path

import pytest

from mdstudy.base.errors import SpecError
from mdstudy.system.protocol import list_protocols, load_protocol

SMALL = """
name = "small"
title = "for a test"
timestep = "4 fs"
report = "0.4 ps"
[[stages]]
name = "minimise"
kind = "minimise"
iterations = 10
[[stages]]
name = "heat"
kind = "nvt"
time = "2 ps"
temperature = ["50 K", "target"]
[[stages]]
name = "density"
kind = "npt"
time = "4 ps"
[production]
kind = "nvt"
time = "20 ps"
segment = "10 ps"
frames = "2 ps"
friction = "0.1 1/ps"
box = "mean:density"
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "small.toml"
    file.write_text(text)
    return file


def test_times_become_steps_and_target_becomes_the_temperature_of_the_system(tmp_path: Path) -> None:
    plan = load_protocol(write(tmp_path, SMALL)).plan(seed=3, temperature=310.0)
    minimise, heat, density = plan.stages
    assert (minimise.kind, minimise.steps) == ("minimise", 10)
    assert (heat.steps, heat.report_interval, heat.temperature) == (500, 100, (50.0, 310.0))
    assert (heat.draw_velocities, density.draw_velocities) == (True, False)
    assert (density.steps, density.temperature, density.pressure) == (1000, (310.0, 310.0), (1.0, 1.0))
    production = plan.production
    assert (production.segments, production.steps, production.frame_interval) == (2, 2500, 500)
    assert (production.friction, production.box, production.frames) == (0.1, "mean:density", 10)
    assert (plan.profile, plan.seed) == ("small", 3)


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ('time = "2 ps"', 'time = "2.001 ps"', ["heat: time of 2.001 ps", "timesteps of 4 fs"]),
        ('frames = "2 ps"', 'frames = "3 fs"', ["frames of 0.003 ps", "timesteps of 4 fs"]),
        ('segment = "10 ps"', 'segment = "9 ps"', ["segment of 9 ps"]),
        ('time = "20 ps"', 'time = "25 ps"', ["production: time of 25 ps", "segments"]),
        ('time = "4 ps"', 'time = "4"', ["stages.2.time", "not a number with a unit"]),
        ('kind = "npt"', 'kind = "npt"\npresure = "1 bar"', ["presure", 'Did you mean "pressure"']),
        ('kind = "npt"', 'kind = "nvt"\npressure = "1 bar"', ["density: a pressure belongs to kind npt"]),
        ("iterations = 10", 'time = "1 ps"', ["minimise: a minimisation takes iterations"]),
        ('time = "4 ps"', 'time = "4 ps"\nuntil = "stationary"', ["density: until", "at_most"]),
        ('time = "4 ps"', 'time = "4 ps"\nat_most = "9 ps"', ["density: until", "at_most"]),
        (
            'time = "4 ps"',
            'time = "4 ps"\nuntil = "stationary"\nat_most = "9 ps"',
            ["density: at_most of 9 ps", "times"],
        ),
        ('time = "2 ps"', 'time = "2 ps"\nuntil = "stationary"\nat_most = "4 ps"', ["stage heat", "ramp"]),
        ("iterations = 10", 'until = "stationary"\nat_most = "4 ps"', ["minimise: a minimisation cannot end"]),
        ('box = "mean:density"', 'box = "mean:heat"', ["mean:heat", "constant-pressure stage"]),
        ('name = "density"', 'name = "heat"', ["same name"]),
        ('["50 K", "target"]', '["50 K", "traget"]', ["stages.1.temperature", "traget"]),
    ],
)
def test_a_fault_is_one_line_with_file_and_field(tmp_path: Path, old: str, new: str, words: list[str]) -> None:
    assert old in SMALL
    file = write(tmp_path, SMALL.replace(old, new, 1))
    with pytest.raises(SpecError) as caught:
        load_protocol(file)
    message = str(caught.value)
    assert "\n" not in message
    assert message.startswith(str(file))
    for word in words:
        assert word in message


def test_a_stage_may_end_when_stationary_within_a_limit(tmp_path: Path) -> None:
    text = SMALL.replace('time = "4 ps"', 'time = "4 ps"\nuntil = "stationary"\nat_most = "20 ps"')
    density = load_protocol(write(tmp_path, text)).plan(1, 300.0).stages[2]
    assert (density.until, density.check_interval, density.steps) == ("stationary", 1000, 5000)


def test_every_shipped_protocol_is_read_under_its_own_name_and_says_what_it_is_for() -> None:
    shipped = list_protocols()
    assert {"quick", "density", "standard"} <= set(shipped)
    for name in shipped:
        protocol = load_protocol(name)
        assert protocol.name == name
        plan = protocol.plan(1, 298.15)
        assert plan.stages[-1].temperature[1] == plan.production.temperature == 298.15
    assert "NOT CONVERGED" in load_protocol("quick").plan(1, 298.15).note
    assert load_protocol("standard").plan(1, 298.15).production.time >= 100_000


def test_viscosity_drives_a_flow_and_a_stress_is_sampled_where_it_is_asked_for() -> None:
    driven = load_protocol("viscosity").plan(1, 298.15).production
    assert (driven.ensemble, driven.acceleration, driven.waves, driven.stress_interval) == ("nvt", 0.1, 1, 0)
    still = load_protocol("standard")
    sampled = still.model_copy(update={"production": still.production.model_copy(update={"stress": 1.0})})
    production = sampled.plan(1, 298.15).production
    assert (production.stress_interval, production.acceleration) == (250, 0.0)
