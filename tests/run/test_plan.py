from __future__ import annotations

import json

import pytest

from mdstudy.base.errors import RunError
from mdstudy.run.plan import Plan, Production, Stage, completed, difference, seed_for

STAGES = (
    Stage("minimise", "minimise", 100),
    Stage("heat", "nvt", 500, temperature=(50.0, 298.15), report_interval=100, draw_velocities=True),
    Stage("density", "npt", 1000, pressure=(1000.0, 1.0), report_interval=100),
)
PRODUCTION = Production(3, 600, 200, 100, timestep=0.1 * 3, box="mean:density")  # a float that is not 0.3
PLAN = Plan("quick", 12345, STAGES, PRODUCTION, "note with ± and 1e-3")


def test_a_plan_survives_json_exactly() -> None:
    again = Plan.from_json(PLAN.to_json())
    assert again == PLAN
    assert again.to_json() == PLAN.to_json()
    assert isinstance(again.stages[1].temperature, tuple)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"stages": [{"nmae": "x"}]}', PLAN.to_json().replace("steps", "stpes")]
)
def test_what_is_no_plan_is_refused(text: str) -> None:
    with pytest.raises(RunError, match=r"plan\.json"):
        Plan.from_json(text)


def test_segments_continue_one_clock_and_only_the_first_sets_the_box() -> None:
    segments = PLAN.segments()
    assert [s.first_step for s in segments] == [0, 600, 1200]
    assert [s.box for s in segments] == ["mean:density", None, None]
    assert not any(s.draw_velocities for s in segments)
    assert PLAN.production.frames == 9


def test_velocities_are_drawn_in_production_if_nothing_moved_before() -> None:
    plan = Plan("x", 1, (STAGES[0],), Production(2, 600, 200, 100))
    assert [s.draw_velocities for s in plan.segments()] == [True, False]


def test_seeds_are_31_bit_never_zero_distinct_and_fixed() -> None:
    seeds = {seed_for(s, f"{k:04d}", what) for s in range(5) for k in range(100) for what in ("thermostat", "barostat")}
    assert len(seeds) == 1000
    assert 0 < min(seeds) < max(seeds) < 2**31
    assert seed_for(1, "2-heat", "velocities") == 510193680  # a change would make every run another one


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda: Stage("a", "nve", 10, report_interval=10), "nve"),
        (lambda: Stage("a", "npt", 10, report_interval=10), "pressure"),
        (lambda: Stage("a", "nvt", 10, report_interval=10, pressure=(1, 1)), "pressure"),
        (lambda: Stage("a", "nvt", 15, report_interval=10), "report intervals of 10"),
        (lambda: Stage("a", "nvt", 10, report_interval=10, until="quiet", check_interval=10), "quiet"),
        (lambda: Stage("a", "nvt", 10, report_interval=10, until="stationary"), "check interval of 0"),
        (lambda: Stage("a", "nvt", 10, report_interval=10, check_interval=10), "check interval of 10"),
        (lambda: Stage("a", "nvt", 30, report_interval=10, until="stationary", check_interval=15), "report intervals"),
        (lambda: Stage("a", "nvt", 30, report_interval=10, until="stationary", check_interval=20), "check intervals"),
        (
            lambda: Stage(
                "a", "nvt", 20, temperature=(1, 2), report_interval=10, until="stationary", check_interval=10
            ),
            "ramp",
        ),
        (lambda: Production(2, 600, 250, 100), "frame intervals of 250"),
        (lambda: Plan("x", 1, STAGES + STAGES[:1], PRODUCTION), "same name"),
        (lambda: Plan("x", 1, STAGES[:2], PRODUCTION), "mean:density"),
    ],
)
def test_an_impossible_plan_cannot_be_made(make: object, words: str) -> None:
    with pytest.raises(RunError, match=words):
        make()  # type: ignore[operator]


def test_difference_names_the_fields() -> None:
    old, new = json.loads(PLAN.to_json())["stages"][1], json.loads(PLAN.to_json())["stages"][1] | {"steps": 700}
    assert difference(old, new) == "steps: 500 then, 700 now"
    assert difference(old, dict(old)) == ""


def test_a_record_without_the_newer_fields_is_one_with_their_defaults() -> None:
    now = json.loads(PLAN.to_json())["stages"][1]
    then = {key: value for key, value in now.items() if key not in ("until", "check_interval")}
    assert difference(completed(then), now) == ""
    assert difference(completed(then), now | {"until": "stationary"}) == "until: None then, stationary now"
    assert Plan.from_json(
        json.dumps(json.loads(PLAN.to_json()) | {"stages": [then], "production": _boxless()})
    ).stages == (STAGES[1],)


def _boxless() -> dict[str, object]:
    return json.loads(PLAN.to_json())["production"] | {"box": None}


def test_a_stage_is_tried_as_planned_then_with_short_steps_then_minimised() -> None:
    planned, shorter, relaxed = STAGES[2].tries()
    assert (planned.substeps, planned.gentle, planned.minimise) == (1, 0, False)
    assert (shorter.substeps, shorter.gentle, shorter.minimise) == (4, 100, False)  # a tenth of 1000 steps
    assert (relaxed.substeps, relaxed.gentle, relaxed.minimise) == (4, 100, True)
    assert len(STAGES[0].tries()) == 1
    assert [how.minimise for how in PLAN.segments()[0].tries()] == [False, False]


@pytest.mark.parametrize(("steps", "gentle"), [(10, 10), (100, 10), (110, 20), (200, 20)])
def test_the_gentle_part_is_a_tenth_in_whole_report_intervals(steps: int, gentle: int) -> None:
    assert Stage("a", "nvt", steps, report_interval=10).tries()[1].gentle == gentle
