from __future__ import annotations

import math

import pytest

from mdstudy.base.errors import RunError, SpecError
from mdstudy.base.results import Estimate, Origin
from mdstudy.study.goal import Goal, parse_goal

MADE = Origin("o", "O()", "", (), "r", 100, 1.0, 1000.0)


def estimate(of: str, value: float, error: float, converged: bool = True) -> Estimate:
    return Estimate("self_diffusion", of, value, error, "m^2/s", "m", 30.0, converged, origin=MADE)


@pytest.mark.parametrize(
    ("text", "goal"),
    [
        ("conductivity 10 %", Goal("ionic_conductivity", None, 0.1)),
        ("self-diffusion of Li 2.5%", Goal("self_diffusion", "Li", 0.025)),
        ("coordination number of Li-FSI.O 1 %", Goal("coordination_number", "Li-FSI.O", 0.01)),
        ("conductivity_nernst_einstein", Goal("conductivity_nernst_einstein", None, 0.1)),
        ("density", Goal("density", None, 0.005)),
    ],
)
def test_a_goal_is_read_in_words(text: str, goal: Goal) -> None:
    assert parse_goal(text) == goal
    assert parse_goal(str(goal)) == goal


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("conductivty 10 %", 'no quantity "conductivty"'),
        ("conductivity ten %", "a percentage at the end"),
        ("conductivity 0 %", "between 0 and 100"),
        ("conductivity 120 %", "between 0 and 100"),
    ],
)
def test_what_is_no_goal_is_refused(text: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        parse_goal(text)


def test_a_goal_is_reached_when_all_that_it_is_about_is_converged_within_the_target() -> None:
    every, one = Goal("self_diffusion", None, 0.1), Goal("self_diffusion", "Li", 0.1)
    run = [estimate("Li", 1.0, 0.05), estimate("FSI", 1.0, 0.2)]
    assert not every.reached(every.pooled([run]))
    assert one.reached(one.pooled([run]))
    assert every.more(every.pooled([run])) == pytest.approx(3000)
    assert not one.reached([estimate("Li", 1.0, 0.05, converged=False)])
    assert math.isnan(one.more([estimate("Li", 1.0, math.nan)]))


def test_replicas_are_pooled_before_they_are_judged() -> None:
    goal = Goal("self_diffusion", "Li", 0.1)
    (pooled,) = goal.pooled([[estimate("Li", v, 0.3)] for v in (1.0, 1.02, 0.98)])
    assert pooled.error == pytest.approx(0.02 / math.sqrt(3))
    assert pooled.length == 3000
    assert goal.reached([pooled])


def test_what_the_runs_do_not_give_is_named() -> None:
    with pytest.raises(RunError, match='Did you mean "Li"'):
        Goal("self_diffusion", "LI", 0.1).pooled([[estimate("Li", 1.0, 0.1)]])
    with pytest.raises(RunError, match="give no such number"):
        Goal("density", None, 0.1).pooled([[estimate("Li", 1.0, 0.1)]])
