"""What is said to survive a change of model, from numbers whose differences are known."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mdstudy.base.results import Estimate
from mdstudy.study.compare import Comparison, RunResult, compare
from mdstudy.study.report import to_html
from mdstudy.study.sensitivity import conclusion_table, conclusions, models, sensitivity_table
from mdstudy.system.composition import resolve

MODELS = [("clp-opls", 0.7), ("clp-opls", 0.8), ("gaff2-resp", 0.8)]
LABELS = ["clp-opls x 0.7", "clp-opls x 0.8", "gaff2-resp x 0.8"]


def result(system: str, force_field: str, scale: float, value: float, converged: bool = True) -> RunResult:
    density = Estimate("density", "box", value, 0.01, "g/cm^3", "test", 30.0, converged)
    composition = resolve(system, None, 3000)
    return RunResult(
        *("r", system, composition, "title", "", 298.15, force_field, scale, "1 ns", (density,), (), {"seed": "1"})
    )


def test_boxes_of_two_sizes_have_a_row_each() -> None:
    runs = [
        replace(result("lhci", *name, value), composition=resolve("lhci", None, atoms))
        for name, value in zip(MODELS[:2], (1.4, 1.5), strict=True)
        for atoms in (3000, 9000)
    ]
    header, rows = sensitivity_table(compare(runs, []), summary=False)
    sizes = [resolve("lhci", None, atoms).atoms for atoms in (3000, 9000)]
    assert [row[2] for row in rows] == [f"lhci {atoms} atoms" for atoms in sizes]
    assert len(header) == 5


def compared(differences: list[float], doubtful: int | None = None) -> Comparison:
    """LHCI at 1.5 and DLHCI above it by a difference under each model; under one of them DLHCI is not converged."""
    runs = []
    for k, (name, difference) in enumerate(zip(MODELS, differences, strict=True)):
        runs += [result("lhci", *name, 1.5), result("dlhci", *name, 1.5 + difference, k != doubtful)]
    return compare(runs, [], [("dlhci", "lhci")])


@pytest.mark.parametrize(
    ("differences", "doubtful", "higher", "lower", "undecided", "verdict"),
    [
        ([0.1, 0.2, 0.3], None, [0, 1, 2], [], [], "survives: higher under all 3 models"),
        ([-0.1, -0.2, -0.3], None, [], [0, 1, 2], [], "survives: lower under all 3 models"),
        ([0.1, 0.2, -0.3], None, [0, 1], [2], [], "does not survive: the sign depends on the model"),
        ([0.1, 0.0, 0.3], None, [0, 2], [], [1], "higher where decided: 2 of 3 models"),
        ([0.1, 0.2, 0.3], 1, [0, 2], [], [1], "higher where decided: 2 of 3 models"),
        ([0.0, 0.01, -0.01], None, [], [], [0, 1, 2], "open: no model decides"),
        ([0.1, math.nan, 0.3], None, [0, 2], [], [1], "higher where decided: 2 of 3 models"),
    ],
)
def test_a_conclusion_counts_the_models_whose_difference_is_beyond_its_interval(
    differences: list[float],
    doubtful: int | None,
    higher: list[int],
    lower: list[int],
    undecided: list[int],
    verdict: str,
) -> None:
    (found,) = conclusions(compared(differences, doubtful))
    assert (found.quantity, found.of, found.pair) == ("density", "box", "dlhci against lhci")
    assert found.higher == tuple(LABELS[k] for k in higher)
    assert found.lower == tuple(LABELS[k] for k in lower)
    assert found.undecided == tuple(LABELS[k] for k in undecided)
    assert found.verdict == verdict


def test_each_number_stands_under_its_model() -> None:
    header, rows = sensitivity_table(compared([0.1, 0.2, 0.3]))
    assert header == ["quantity", "of", "system", *LABELS]
    assert [row[2:] for row in rows] == [
        ["lhci", "1.500 ± 0.010 g/cm^3", "1.500 ± 0.010 g/cm^3", "1.500 ± 0.010 g/cm^3"],
        ["dlhci", "1.600 ± 0.010 g/cm^3", "1.700 ± 0.010 g/cm^3", "1.800 ± 0.010 g/cm^3"],
    ]


def test_labels_name_what_varies_and_nothing_else() -> None:
    one_scale = [result("lhci", "clp-opls", 0.8, 1.5), result("lhci", "gaff2-resp", 0.8, 1.5)]
    one_field = [result("lhci", "clp-opls", 0.7, 1.5), result("lhci", "clp-opls", 0.8, 1.5)]
    assert list(models(compare(one_scale, [])).values()) == ["clp-opls", "gaff2-resp"]
    assert list(models(compare(one_field, [])).values()) == ["x 0.7", "x 0.8"]


def test_two_systems_are_compared_model_by_model_without_being_told_to() -> None:
    asked = compared([0.1, 0.2, 0.3])
    unasked = compare([run for case in asked.cases for run in case.runs], [])
    assert unasked.pairs == asked.pairs
    assert conclusion_table(unasked) == conclusion_table(asked)


def test_two_force_fields_of_one_system_give_numbers_and_no_conclusion() -> None:
    found = compare([result("lhci", "clp-opls", 0.8, 1.5), result("lhci", "gaff2-resp", 0.8, 1.6)], [])
    assert conclusions(found) == []
    assert len(sensitivity_table(found)[1]) == 1


def test_a_report_opens_with_the_sensitivity_only_where_models_differ() -> None:
    several = compared([0.1, 0.2, 0.3])
    page = to_html(several, "t")
    assert "survives: higher under all 3 models" in page
    assert page.index("Sensitivity to force field and charges") < page.index("<h2>Result</h2>")
    one = compare([replace(run, force_field="clp-opls", charge_scale=0.8) for run in several.cases[0].runs], [])
    assert "Sensitivity" not in to_html(one, "t")
