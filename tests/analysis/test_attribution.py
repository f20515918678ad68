"""Where numbers come from, and whether the halves of a run agree on them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import pytest

from mdstudy.analysis.attribution import READS, compare_halves, lacks_drift, origin, says
from mdstudy.base.results import Estimate, Measurement
from mdstudy.observables import recipes, vocabulary
from mdstudy.observables.diffusion import SelfDiffusion


@dataclass(frozen=True)
class Recipe:
    """Mean of :mod:`mdstudy.analysis.frames`, by the book.

    It assumes much (doi 10.1/2).

    Attributes
    ----------
    width : float
        nm.
    """

    width: float = 0.1
    name = "recipe"
    quantities = ()


def test_a_recipe_speaks_in_its_docstring_without_the_list_of_its_settings() -> None:
    assert says(Recipe) == "Mean of analysis.frames, by the book.\n\nIt assumes much (doi 10.1/2)."


def test_every_observable_says_how_it_estimates_and_on_what_authority() -> None:
    for recipe in recipes().values():
        said = says(recipe)
        assert len(said) > 200, recipe.name
        assert "doi 10." in " ".join(said.split()), recipe.name
        assert "----" not in said, recipe.name
        assert ":mod:" not in said, recipe.name


def test_what_is_read_off_the_curves_of_another_names_recipes_and_curves_that_there_are() -> None:
    assert set(READS) <= set(recipes())
    assert set(READS.values()) <= set(vocabulary())


def test_an_origin_counts_frames_and_their_time() -> None:
    made = origin(SelfDiffusion(), "runs/x", (10.0, 208.0), 100, 1, "ff", "code")
    assert (made.interval, made.length) == (2.0, 200.0)
    assert made.recipe == "SelfDiffusion(species=())"
    assert math.isnan(origin(SelfDiffusion(), "x", (0.0, 0.0), 1, 1, "", "").length)


def number(value: float, error: float, of: str = "Li", drift: float = math.nan) -> Estimate:
    return Estimate("self_diffusion", of, value, error, "m^2/s", "m", 30.0, True, "", drift)


def measured(*estimates: Estimate) -> Measurement:
    return Measurement("m", estimates)


def test_halves_that_differ_take_the_convergence_away_and_say_so() -> None:
    (found,) = compare_halves(
        measured(number(1, 0.1)), measured(number(0.7, 0.09)), measured(number(1.3, 0.12))
    ).estimates
    assert found.drift == pytest.approx(0.6 / 0.15)
    assert not found.converged
    assert found.note == "halves of the run differ by 4.0 standard errors"
    (kept,) = compare_halves(
        measured(number(1, 0.1)), measured(number(0.9, 0.09)), measured(number(1.1, 0.12))
    ).estimates
    assert kept.drift == pytest.approx(0.2 / 0.15)
    assert kept.converged


def test_a_drift_that_is_known_is_kept_and_one_that_cannot_be_known_is_not_made_up() -> None:
    known = measured(number(1, 0.1, drift=-1.0))
    assert compare_halves(known, measured(number(0, 0.1)), measured(number(9, 0.1))) == known
    assert not lacks_drift(known)
    whole = measured(number(1, 0.1), number(1, 0.1, of="FSI"))
    assert lacks_drift(whole)
    (a, b) = compare_halves(whole, measured(number(1, math.nan)), measured(number(2, 0.1))).estimates
    assert math.isnan(a.drift)
    assert math.isnan(b.drift)
    assert a.converged
    assert b.converged
