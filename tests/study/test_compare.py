from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mdstudy.base.errors import MdstudyError
from mdstudy.base.results import Curve, Estimate
from mdstudy.study.compare import Comparison, RunResult, compare
from mdstudy.study.measured import MeasuredValue
from mdstudy.system.composition import resolve


def estimate(
    value: float, error: float, quantity: str = "density", of: str = "box", converged: bool = True
) -> Estimate:
    return Estimate(quantity, of, value, error, "g/cm^3" if quantity == "density" else "mS/cm", "test", 30.0, converged)


def result(
    system: str,
    *estimates: Estimate,
    variant: str | None = None,
    scale: float = 0.8,
    name: str = "r",
    atoms: int = 3000,
    protocol: str = "standard",
) -> RunResult:
    curve = Curve(
        "radial_distribution", "Li-FSI.O", np.arange(3.0), np.ones(3), np.array([math.nan, 0.1, 0.1]), "r", "nm", "1"
    )
    composition = resolve(system, variant, atoms)
    return RunResult(
        *(name, system, composition, "title", "", 298.15, "clp-opls", scale, "1 ns", estimates, (curve,)),
        provenance={"run hash": name},
        protocol=protocol,
    )


def measured(system: str, value: float, uncertainty: float | None, **more: object) -> MeasuredValue:
    fields = {
        "system": system,
        "quantity": "density",
        "of": "box",
        "value": value,
        "unit": "g/cm^3",
        "uncertainty": uncertainty,
        "method": "m",
        "source": "s",
        "confidence": "high",
        "read_at_source": True,
    }
    return MeasuredValue.model_validate(fields | more)


def the_row(comparison: Comparison, quantity: str = "density"):
    (row,) = [row for row in comparison.rows if row.quantity == quantity]
    return row


def test_runs_that_differ_in_the_seed_alone_are_replicas_and_others_are_cases() -> None:
    runs = [
        result("lhci", estimate(1.0, 0.1), name="a"),
        result("lhci", estimate(2.0, 0.1), name="b"),
        result("lhci", estimate(3.0, 0.1), scale=0.7),
        result("lhci", estimate(4.0, 0.1), variant="B"),
        result("dlhci", estimate(5.0, 0.1)),
    ]
    comparison = compare(runs, [])
    assert [len(case.runs) for case in comparison.cases] == [2, 1, 1, 1]
    assert len({case.label for case in comparison.cases}) == 4
    assert comparison.cases[1].label == "lhci A charges x 0.7"


def test_boxes_of_two_sizes_and_runs_by_two_protocols_are_no_replicas() -> None:
    runs = [
        result("lhci", estimate(1.0, 0.1), name="a"),
        result("lhci", estimate(2.0, 0.1), name="b", atoms=9000),
        result("lhci", estimate(3.0, 0.1), name="c", protocol="quick"),
    ]
    cases = compare(runs, []).cases
    assert [case.estimates[0].value for case in cases] == [1.0, 2.0, 3.0]
    small, large = (resolve("lhci", None, atoms).atoms for atoms in (3000, 9000))
    assert [case.label for case in cases] == [
        f"lhci standard {small} atoms",
        f"lhci standard {large} atoms",
        f"lhci quick {small} atoms",
    ]


def test_boxes_nearest_in_size_and_runs_of_one_protocol_are_compared() -> None:
    sizes = (("small", 3000), ("large", 9000))
    runs = [result(s, estimate(1.0, 0.1), name=n, atoms=atoms) for s in ("lhci", "dlhci") for n, atoms in sizes]
    runs.append(result("lhci", estimate(1.0, 0.1), protocol="quick"))
    comparison = compare(runs, [], [("dlhci", "lhci")])
    names = [(comparison.cases[i].first.name, comparison.cases[j].first.name) for i, j in comparison.pairs]
    assert names == [("small", "small"), ("large", "large")]


def test_one_build_counted_twice_is_refused() -> None:
    run = result("lhci", estimate(1.0, 0.1), name="a")
    with pytest.raises(MdstudyError, match="a and copy are one build with one seed, no replicas"):
        compare([run, result("dlhci", estimate(1.0, 0.1)), replace(run, name="copy")], [])
    two = compare([run, replace(run, protocol="quick")], [])
    assert len(two.cases) == 2, "under another protocol it is another run"


def test_two_cases_are_divided_second_by_first_and_a_study_may_say_otherwise() -> None:
    runs = [result("lhci", estimate(2.0, 0.1)), result("dlhci", estimate(3.0, 0.1))]
    assert the_row(compare(runs, [])).differences[0].ratio == 1.5
    assert the_row(compare(runs, [], [("lhci", "dlhci")])).differences[0].ratio == pytest.approx(2 / 3)
    assert the_row(compare(runs, [], [])).differences == ()


def test_ratios_are_taken_between_cases_that_agree_in_everything_else() -> None:
    runs = [result(s, estimate(1.0, 0.1), variant=v) for s in ("lhci", "dlhci") for v in ("A", "B")]
    comparison = compare(runs, [], [("dlhci", "lhci")])
    labels = [(comparison.cases[i].label, comparison.cases[j].label) for i, j in comparison.pairs]
    assert labels == [("dlhci A", "lhci A"), ("dlhci B", "lhci B")]


def test_z_counts_both_errors() -> None:
    row = the_row(compare([result("tte", estimate(1.53, 0.03))], [measured("tte", 1.54, 0.04)]))
    assert row.z[0] == pytest.approx(-0.01 / 0.05)
    assert math.isnan(the_row(compare([result("tte", estimate(1.5, math.nan))], [measured("tte", 1.5, 0.1)])).z[0])


def test_variants_that_two_systems_do_not_share_are_no_obstacle() -> None:
    """A gel varies in its network, the liquid beside it does not."""
    runs = [result("lhci-gel", estimate(1.0, 0.1), variant=v) for v in ("w05", "w10")]
    runs += [result(s, estimate(1.0, 0.1), variant="A") for s in ("lhci", "dlhci")]
    comparison = compare(runs, [measured("lhci", 1.2, 0.1)], [("lhci-gel", "lhci"), ("dlhci-gel", "dlhci")])
    labels = [(comparison.cases[i].label, comparison.cases[j].label) for i, j in comparison.pairs]
    assert labels == [("lhci-gel w05", "lhci A"), ("lhci-gel w10", "lhci A")]
    assert [m.value if m else None for m in the_row(comparison).measured] == [1.2, 1.2, 1.2, None]


def test_a_measured_value_is_taken_only_for_its_system_variant_and_temperature_the_best_source_first() -> None:
    run = [result("tte", estimate(1.5, 0.1))]
    values = [
        measured("pyr13fsi", 1.0, 0.1),
        measured("tte", 2.0, 0.1, temperature="320 K"),
        measured("tte", 3.0, 0.1, variant="other"),
        measured("tte", 4.0, 0.1, read_at_source=False),
        measured("tte", 5.0, 0.1, confidence="low"),
        measured("tte", 6.0, 0.1, temperature="297 K"),
    ]
    assert the_row(compare(run, values)).measured[0].value == 6.0
    assert the_row(compare(run, values[:5])).measured[0].value == 5.0
    assert the_row(compare(run, values[:4])).measured[0].value == 4.0
    assert the_row(compare(run, values[:3])).measured[0] is None


def test_the_gel_is_compared_with_what_was_measured_of_the_electrolyte_and_the_remark_says_what_differs() -> None:
    value = measured("lhci", 2.25, None).model_copy(update={"quantity": "ionic_conductivity", "unit": "mS/cm"})
    row = the_row(
        compare([result("lhci-pmma", estimate(3.0, 0.1, "conductivity_nernst_einstein"))], [value]),
        "conductivity_nernst_einstein",
    )
    assert row.measured[0] is value
    assert "Nernst-Einstein" in row.remark
    assert row.z[0] == pytest.approx(7.5)


def test_a_result_survives_json_with_what_is_not_known() -> None:
    run = result("lhci", estimate(1.0, math.nan), replace(estimate(2.0, 0.1), note="±"))
    again = RunResult.from_dict(run.to_dict())
    assert again.to_dict() == run.to_dict()
    assert math.isnan(again.estimates[0].error)
    assert math.isnan(again.curves[0].y_error[0])
    assert again.composition == run.composition


def test_nothing_cannot_be_compared() -> None:
    with pytest.raises(MdstudyError, match="no runs"):
        compare([], [])
