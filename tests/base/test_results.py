from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from mdstudy.base.errors import MdstudyError
from mdstudy.base.results import (
    Curve,
    Estimate,
    curves_from_json,
    curves_to_json,
    estimates_from_csv,
    estimates_to_csv,
    find,
    read_estimates,
)

NAN = math.nan
SURE = Estimate(
    "density", "box", 1 / 3, 0.1 + 0.2, "g/cm^3", "mean, of all", 12.5, converged=True, note='said "so"\ntwice'
)
UNSURE = Estimate("self_diffusion", "Li", 1e-300, NAN, "m^2/s", "MSD")


def same(a: Estimate, b: Estimate) -> bool:
    return repr(a) == repr(b)  # NaN is not equal to itself; repr keeps every bit of a float


def test_estimates_come_back_from_csv_bit_by_bit(tmp_path: Path) -> None:
    text = estimates_to_csv([SURE, UNSURE])
    assert text.splitlines()[0] == "quantity,of,value,error,unit,method,n_independent,converged,note"
    for back, given in zip(estimates_from_csv(text), [SURE, UNSURE], strict=True):
        assert same(back, given)
    file = tmp_path / "estimates.csv"
    file.write_text(text, encoding="utf-8")
    assert same(read_estimates(file)[0], SURE)


def test_an_unknown_error_is_shown_as_not_known_and_never_as_zero() -> None:
    assert str(UNSURE) == "self_diffusion of Li: 1e-300 ± not known m^2/s (not converged)"
    assert str(SURE) == "density of box: 0.3333 ± 0.3 g/cm^3"


def test_an_estimate_without_a_known_unit_or_with_a_negative_error_is_refused() -> None:
    with pytest.raises(MdstudyError, match="density of box: unknown unit 'g/cm3'"):
        Estimate("density", "box", 1.0, 0.1, "g/cm3", "mean")
    with pytest.raises(MdstudyError, match=r"density of box: negative standard error -0\.1"):
        Estimate("density", "box", 1.0, -0.1, "g/cm^3", "mean")


def test_curves_come_back_from_json_and_nan_is_null() -> None:
    x = np.linspace(0, 1, 4)
    curve = Curve("radial_distribution", "Li-FSI.O", x, np.exp(x), np.array([0.1, NAN, 0.3, 0.4]), "r", "nm", "1")
    text = curves_to_json([curve])
    assert json.loads(text)[0]["y_error"][1] is None
    assert "NaN" not in text
    (back,) = curves_from_json(text)
    assert (back.quantity, back.of, back.x_name, back.x_unit, back.y_unit) == (
        "radial_distribution", "Li-FSI.O", "r", "nm", "1",
    )  # fmt: skip
    np.testing.assert_allclose(back.y, curve.y, rtol=1e-6)
    np.testing.assert_allclose(back.x, curve.x, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(back.y_error), np.isnan(curve.y_error))


def test_a_curve_of_unequal_columns_is_refused() -> None:
    with pytest.raises(MdstudyError, match="differ in length"):
        Curve("q", "box", np.zeros(3), np.zeros(3), np.zeros(2), "r", "nm", "1")


def test_find_gives_the_estimate_of_both_names_or_none() -> None:
    assert find([SURE, UNSURE], "self_diffusion", "Li") is UNSURE
    assert find([SURE, UNSURE], "self_diffusion", "FSI") is None
    assert find([], "density", "box") is None
