from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from matplotlib import pyplot
from matplotlib.figure import Figure

from mdstudy.base.errors import MdstudyError
from mdstudy.base.results import Curve, Estimate, Measurement, Origin, Quantity, attributed, find

NAN = math.nan
SURE = Estimate(
    "density", "box", 1 / 3, 0.1 + 0.2, "g/cm^3", "mean, of all", 12.5, converged=True, note='said "so"\ntwice'
)
UNSURE = Estimate("self_diffusion", "Li", 1e-300, NAN, "m^2/s", "MSD")


def test_an_unknown_error_is_shown_as_not_known_and_never_as_zero() -> None:
    assert str(UNSURE) == "self_diffusion of Li: 1e-300 ± not known m^2/s (not converged)"
    assert str(SURE) == "density of box: 0.3333 ± 0.3 g/cm^3"


def test_an_estimate_without_a_known_unit_or_with_a_negative_error_is_refused() -> None:
    with pytest.raises(MdstudyError, match="density of box: unknown unit 'g/cm3'"):
        Estimate("density", "box", 1.0, 0.1, "g/cm3", "mean")
    with pytest.raises(MdstudyError, match=r"density of box: negative standard error -0\.1"):
        Estimate("density", "box", 1.0, -0.1, "g/cm^3", "mean")


def test_a_curve_of_unequal_columns_is_refused() -> None:
    with pytest.raises(MdstudyError, match="differ in length"):
        Curve("q", "box", np.zeros(3), np.zeros(3), np.zeros(2), "r", "nm", "1")


def test_find_gives_the_estimate_of_both_names_or_none() -> None:
    assert find([SURE, UNSURE], "self_diffusion", "Li") is UNSURE
    assert find([SURE, UNSURE], "self_diffusion", "FSI") is None
    assert find([], "density", "box") is None


ORIGIN = Origin(
    "self_diffusion",
    "SelfDiffusion()",
    "Slope of the mean-squared displacement.",
    (Quantity("self_diffusion", "m^2/s", "How fast it diffuses.", target=0.05),),
    "runs/x",
    frames=100,
    interval=2.0,
    length=200.0,
    model="clp-opls, SHA-256 abc",
    code="code 123",
)


def curve(quantity: str, of: str, x: np.ndarray | None = None) -> Curve:
    x = np.linspace(0.1, 1, 8) if x is None else x
    return Curve(quantity, of, x, x**2, np.full(len(x), 0.1), "t", "ps", "nm^2")


def measured() -> Measurement:
    estimates = (
        Estimate("self_diffusion", "Li", 2.0, 0.2, "m^2/s", "slope of MSD/6, lags 1 to 4 ps", 50.0, True, drift=-0.4),
        Estimate("self_diffusion", "FSI", 2.0, NAN, "m^2/s", "MSD", note="too few frames"),
    )
    curves = (curve("mean_squared_displacement", "Li"), curve("mean_squared_displacement", "FSI"))
    return attributed(Measurement("self_diffusion", estimates, curves), ORIGIN)


def test_an_estimate_tells_all_that_made_it() -> None:
    told = str(measured().estimates[0].why())
    for fact in (
        "self_diffusion of Li: 2 ± 0.2 m^2/s",
        "How fast it diffuses.",
        "lags 1 to 4 ps",
        "100 frames, 2 ps apart, 200 ps",
        "clp-opls, SHA-256 abc",
        "code 123",
        "SelfDiffusion()",
        "Slope of the mean-squared displacement.",
        "± 10 %, needs about 0.6 ns more for 5 %",
        "50, one in 4 ps",
        "-0.4 standard errors",
    ):
        assert fact in told, fact
    untold = str(measured().estimates[1].why())
    assert "too few frames" in untold
    assert "not known" in untold


def test_behind_an_estimate_are_the_curves_of_its_recipe_of_the_same_name() -> None:
    lithium, anion = measured().estimates
    assert [c.of for c in lithium.behind] == ["Li"]
    assert [c.of for c in anion.behind] == ["FSI"]
    shell = replace(ORIGIN, observable="shell", reads="radial_distribution")
    others = [replace(curve("radial_distribution", f"Li-{of}"), origin=ORIGIN) for of in ("FSI.O", "FSI.F", "TTE.O")]
    alone = Measurement("shell", tuple(Estimate("n", of, 1.0, 0.1, "1", "m") for of in ("Li-FSI", "Li: 3 FSI")))
    named, unnamed = attributed(alone, shell, others).estimates
    assert [c.of for c in named.behind] == ["Li-FSI.O", "Li-FSI.F"]
    assert len(unnamed.behind) == 3


def test_a_curve_draws_its_numbers_with_a_band_of_one_error() -> None:
    drawn = curve("radial_distribution", "Li-FSI.O")
    ax = drawn.plot(Figure().subplots())
    (line,), (band,) = ax.get_lines(), ax.collections
    np.testing.assert_array_equal(line.get_xdata(), drawn.x)
    np.testing.assert_array_equal(line.get_ydata(), drawn.y)
    corners = band.get_paths()[0].vertices
    assert corners[:, 1].max() == pytest.approx(drawn.y.max() + 0.1)
    assert (ax.get_xlabel(), ax.get_ylabel(), ax.get_title()) == ("t / ps", "radial distribution / nm²", "Li-FSI.O")


def test_lags_that_are_spread_over_decades_are_drawn_on_logarithmic_axes() -> None:
    ax = curve("mean_squared_displacement", "Li", np.geomspace(1, 1000, 20)).plot(Figure().subplots())
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")
    ax = curve("radial_distribution", "Li").plot(Figure().subplots())
    assert (ax.get_xscale(), ax.get_yscale()) == ("linear", "linear")


def test_a_measurement_draws_a_panel_a_quantity_and_bars_where_it_has_no_curve() -> None:
    ax = measured().plot()
    assert [line.get_label() for line in ax.get_lines()] == ["Li", "FSI"]
    pyplot.close(ax.figure)
    ax = Measurement("shell", measured().estimates).plot(Figure().subplots())
    assert [bar.get_width() for bar in ax.patches] == [2.0, 2.0]
    assert [label.get_text() for label in ax.get_yticklabels()] == ["Li", "FSI"]


def test_what_has_no_curve_behind_it_says_so_when_it_is_asked_to_draw() -> None:
    with pytest.raises(MdstudyError, match="density of box: there is no curve behind it"):
        SURE.plot()


def test_a_notebook_shows_text_that_is_escaped_and_the_plot() -> None:
    shown = replace(measured().estimates[0], note="a < b")._repr_html_()
    assert "a &lt; b" in shown
    assert "<svg" in shown
    assert "<svg" in measured()._repr_html_()
    assert "<svg" in measured().curves[0]._repr_html_()
