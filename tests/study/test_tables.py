from __future__ import annotations

import math
from dataclasses import replace

import pytest

from mdstudy.base.results import Estimate, Origin
from mdstudy.study.tables import composition_rows, estimate_text, shown
from mdstudy.system.composition import resolve


@pytest.mark.parametrize(
    ("value", "error", "unit", "text"),
    [
        (1.23456, 0.0123, "g/cm^3", "1.235 ± 0.012 g/cm^3"),
        (1.23456e-11, 2.5e-12, "m^2/s", "(1.23 ± 0.25)e-11 m^2/s"),
        (2.25, 0.3, "mS/cm", "2.25 ± 0.30 mS/cm"),
        (4.0, 12.0, "1", "4 ± 12"),
        (4.0, math.nan, "1", "4 ± not known"),
        (math.nan, math.nan, "nm", "not found"),
        (0.0, 0.0, "1", "0 ± 0"),
        (1234.5, 12.0, "kg/m^3", "1234 ± 12 kg/m^3"),
    ],
)
def test_a_number_is_shown_to_the_digits_of_its_error(value: float, error: float, unit: str, text: str) -> None:
    assert shown(value, error, unit) == text


def test_a_measured_value_without_uncertainty_says_that_none_was_given() -> None:
    assert shown(2.25, math.nan, "mS/cm", measured=True) == "2.25 ± not given mS/cm"


def test_what_is_not_converged_is_called_so() -> None:
    assert "not converged" in estimate_text(Estimate("q", "x", 1.0, 0.1, "1", "m"))
    assert "not converged" not in estimate_text(Estimate("q", "x", 1.0, 0.1, "1", "m", converged=True))
    assert estimate_text(None) == "–"
    bound = Estimate("residence_time", "Li-FSI", 0.02338, math.nan, "ns", "m", lower_bound=True)
    assert estimate_text(bound) == "> 0.0234 ns (not converged)"
    assert estimate_text(replace(bound, value=math.nan)) == "not found"


def test_a_number_is_shown_with_the_time_that_it_needs() -> None:
    made = Origin("o", "O()", "", (), "r1", 100, 1.0, 5000.0)
    known = Estimate("q", "x", 1.0, 0.2, "1", "m", converged=True, origin=made)
    assert estimate_text(known) == "1.00 ± 0.20 (15 ns more for 10 %)"
    assert estimate_text(replace(known, converged=False)) == "1.00 ± 0.20 (not converged, at least 15 ns more for 10 %)"
    assert estimate_text(replace(known, error=0.05)) == "1.000 ± 0.050"


def test_a_composition_shows_counts_charge_density_and_the_rounding_error_of_the_molarity() -> None:
    rows = dict(composition_rows(resolve("lhci", "A", 5000)))
    assert rows["molecules"] == "37 Li, 111 FSI, 74 Pyr13, 110 TTE"
    assert rows["charge"] == "+0 e"
    molarity = resolve("lhci", "A", 5000).molarity["LiFSI"]
    assert rows["molarity of LiFSI"].startswith(f"{molarity:.4f} mol/L of the liquid (asked for 1; rounding ")
    assert f"{100 * (molarity - 1):+.2f} %" in rows["molarity of LiFSI"]
    assert "polymer" not in rows
    assert dict(composition_rows(resolve("lhci-pmma", "A", 5000)))["polymer"] == "syndiotactic, 10 units a chain"
