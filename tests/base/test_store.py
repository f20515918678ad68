from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from mdstudy.base.errors import RunError
from mdstudy.base.results import Curve, Estimate, Measurement, Origin, Quantity, attributed
from mdstudy.base.store import curve_row, estimate_rows, estimates_to_csv, load, origins_of, save

NAN = math.nan
SURE = Estimate(
    "density",
    "box",
    1 / 3,
    0.1 + 0.2,
    "g/cm^3",
    "mean, of all",
    12.5,
    converged=True,
    note='said "so"\ntwice',
    drift=-1.5,
)
UNSURE = Estimate("self_diffusion", "Li", 1e-300, NAN, "m^2/s", "MSD", lower_bound=True)
X = np.linspace(0, 1, 4)
CURVE = Curve("radial_distribution", "Li-FSI.O", X, np.exp(X), np.array([0.1, NAN, 0.3, 0.4]), "r", "nm", "1")
ORIGIN = Origin(
    "rdf", "Rdf()", 'g(r), "as" usual', (Quantity("density", "g/cm^3", "Mass."),), "x", 1, NAN, NAN, "m", "c"
)


def test_estimates_come_back_from_csv_bit_by_bit() -> None:
    text = estimates_to_csv([SURE, UNSURE])
    assert (
        text.splitlines()[0]
        == "quantity,of,value,error,unit,method,n_independent,converged,note,drift,lower_bound,origin"
    )
    back = [Estimate(**{**row, "origin": None}) for row in estimate_rows(text)]
    assert repr(back) == repr([SURE, UNSURE])  # NaN is not equal to itself; repr keeps every bit of a float


def test_a_measurement_comes_back_with_what_made_it_and_what_is_behind_it(tmp_path: Path) -> None:
    made = attributed(Measurement("rdf", (replace(SURE, of="Li-FSI.O"),), (CURVE,)), ORIGIN)
    save(tmp_path, [*made.estimates, UNSURE], made.curves)
    (estimate, unsure), (curve,) = load(tmp_path)
    assert repr(estimate.origin) == repr(ORIGIN)
    assert repr(curve.origin) == repr(ORIGIN)
    assert estimate.behind == (curve,)
    assert str(estimate.why()) == str(made.estimates[0].why())
    assert unsure.origin is None
    np.testing.assert_allclose(curve.y, CURVE.y, rtol=1e-6)
    np.testing.assert_allclose(curve.x, CURVE.x, rtol=1e-6)
    np.testing.assert_array_equal(np.isnan(curve.y_error), np.isnan(CURVE.y_error))


def test_nan_is_null_in_json() -> None:
    assert curve_row(CURVE)["y_error"][1] is None
    (plain,) = origins_of([replace(CURVE, origin=ORIGIN), replace(SURE, origin=ORIGIN)]).values()
    assert "NaN" not in json.dumps([plain, curve_row(CURVE)])


def test_results_that_are_not_whole_are_refused_with_what_to_do(tmp_path: Path) -> None:
    folder = tmp_path / "run" / "measure"
    folder.mkdir(parents=True)
    save(folder, [SURE], [CURVE])
    (folder / "origins.json").unlink()
    with pytest.raises(RunError, match=r"origins.json: missing; do `mdstudy analyse .*run` again"):
        load(folder)
