from __future__ import annotations

import csv
import math

import numpy as np
import pytest

from mdstudy.analysis.thermodynamics import QUANTITIES
from mdstudy.base.drawing import to_svg
from mdstudy.base.results import Curve, Estimate
from mdstudy.observables import vocabulary
from mdstudy.study.compare import Comparison, RunResult, compare
from mdstudy.study.figures import (
    FIGURES,
    FURTHER,
    conductivities,
    displacements,
    distributions,
    draw,
    further,
    shells,
    surroundings,
)
from mdstudy.study.measured import load_measured
from mdstudy.study.report import differences_to_csv, to_csv, to_html, to_json
from mdstudy.system.composition import resolve


def result(system: str, shift: float) -> RunResult:
    x = np.linspace(0.01, 1, 50)
    curves = [
        Curve(quantity, of, x, y, np.full(50, 0.05), "x", unit, "1")
        for quantity, of, y, unit in (
            ("radial_distribution", "Li-FSI.O", np.exp(-((x - 0.2 - shift) ** 2) / 0.001), "nm"),
            ("running_coordination_number", "Li-FSI.O", 4 * x, "nm"),
            ("mean_squared_displacement", "Li", x * (1 + shift), "ps"),
            ("potential_of_mean_force", "Li-FSI.O", x + shift, "nm"),
            ("structure_factor_xray", "box", x**2 + shift, "1/nm"),
            *(("van_hove_distinct", f"Li-Li in {t} ps", x**t + shift, "nm") for t in (0, 2)),
        )
    ]
    estimates = (
        Estimate("shell_probability", "Li: 3 FSI", 0.6 + shift, 0.05, "1", "m"),
        Estimate("shell_probability", "Li: 4 FSI", 0.4 - shift, math.nan, "1", "m"),
        Estimate(
            "conductivity_nernst_einstein", "box", 3.0 + shift, 0.4, "mS/cm", "m", note="<script>alert(1)</script>"
        ),
        Estimate("density", "box", math.nan, math.nan, "g/cm^3", "m"),
    )
    composition = resolve(system, None, 3000)
    return RunResult(
        "r",
        system,
        composition,
        "t",
        "a note",
        298.15,
        "clp-opls",
        0.8,
        "1 ns",
        estimates,
        tuple(curves),
        {"seed": "1"},
    )


@pytest.fixture(scope="module")
def comparison() -> Comparison:
    measured = load_measured([*vocabulary().values(), *QUANTITIES])
    return compare([result("lhci", 0.0), result("dlhci", 0.1)], measured)


def test_the_figures_hold_the_numbers_that_they_were_given(comparison: Comparison) -> None:
    panel, twin, *_ = draw(distributions, comparison).axes
    assert [line.get_label() for line in panel.lines] == ["lhci", "dlhci"]
    assert panel.lines[0].get_ydata().max() == pytest.approx(1.0, abs=0.2)
    assert twin.lines[1].get_ydata()[-1] == 4.0
    heights = [bar.get_height() for bar in draw(shells, comparison).axes[0].patches]
    assert heights == pytest.approx([0.6, 0.4, 0.7, 0.3])
    bars = [bar.get_height() for bar in draw(conductivities, comparison).axes[0].patches]
    assert [bar for bar in bars if bar] == pytest.approx([3.0, 3.1, 2.25, 3.93]), "simulated, measured; LHCI, DLHCI"
    assert len(draw(displacements, comparison).axes) == 2


def test_the_surroundings_have_a_panel_a_case_and_a_line_a_time(comparison: Comparison) -> None:
    panels = draw(surroundings, comparison).axes
    assert [panel.get_title() for panel in panels] == ["lhci: Li–Li", "dlhci: Li–Li"]
    for panel, shift in zip(panels, (0.0, 0.1), strict=True):
        assert [line.get_label() for line in panel.lines[:2]] == ["0 ps", "2 ps"]
        assert panel.lines[1].get_ydata()[-1] == pytest.approx(1 + shift)
        assert panel.get_ylim()[1] > 1.1


def test_further_curves_have_a_panel_a_quantity_and_a_line_a_case(comparison: Comparison) -> None:
    panels = [panel for panel in draw(further, comparison).axes if panel.axison]
    assert [panel.get_title() for panel in panels] == ["Li–FSI.O", "box"]
    for panel, power in zip(panels, (1, 2), strict=True):
        assert [line.get_label() for line in panel.lines] == ["lhci", "dlhci"]
        for line, shift in zip(panel.lines, (0.0, 0.1), strict=True):
            np.testing.assert_allclose(line.get_ydata(), line.get_xdata() ** power + shift)


def test_every_further_curve_is_one_that_is_computed() -> None:
    assert {quantity for quantity, _ in FURTHER} <= {*vocabulary(), *(quantity.name for quantity in QUANTITIES)}


def test_a_bar_that_is_not_converged_is_open(comparison: Comparison) -> None:
    assert draw(conductivities, comparison).axes[0].patches[0].get_facecolor()[3] == 0


def test_what_is_not_there_is_not_drawn() -> None:
    bare = RunResult("r", "tte", resolve("tte", None, 3000), "t", "", 298.15, "clp-opls", 0.8, "1 ns", (), (), {})
    assert [draw(function, compare([bare], [])) for function, _ in FIGURES] == [None] * len(FIGURES)


def test_the_same_figure_gives_the_same_bytes(comparison: Comparison) -> None:
    assert to_svg(draw(shells, comparison)) == to_svg(draw(shells, comparison))


def test_text_from_files_cannot_break_the_page(comparison: Comparison) -> None:
    page = to_html(comparison, "A & B <b>", "why?")
    assert "<script" not in page
    assert "&lt;script&gt;" in page
    assert "<title>A &amp; B &lt;b&gt;</title>" in page


def test_the_page_says_what_changes_and_how_well_each_number_is_known(comparison: Comparison) -> None:
    page = to_html(comparison, "t")
    assert "dlhci less lhci" in page
    assert "0.10 ± 0.57 mS/cm" in page, "3.1 ± 0.4 less 3.0 ± 0.4"
    assert "no evidence: not converged" in page
    assert "a criterion is not met, needs at least a longer run for 10 %" in page
    assert "†" in page, "the measured conductivity has no uncertainty"
    (row,) = [r for r in csv.DictReader(differences_to_csv(comparison).splitlines()) if "conductivity" in r["quantity"]]
    assert (row["first"], row["second"]) == ("dlhci", "lhci")
    assert float(row["ratio"]) == pytest.approx(3.1 / 3.0)


def test_csv_and_json_have_a_row_for_every_estimate_and_no_bare_nan(comparison: Comparison) -> None:
    assert len(to_csv(comparison).splitlines()) == 1 + 2 * 4
    assert "NaN" not in to_json(comparison)
