"""What every observable owes: found by its file, held to its declaration, indifferent to names and places."""

from __future__ import annotations

import math
from dataclasses import MISSING, fields, replace
from typing import Any

import numpy as np
import pytest

from mdstudy.analysis.frames import Observable, Series, Sums
from mdstudy.analysis.shells import FirstShell
from mdstudy.analysis.trajectory import Trajectory
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import Measurement
from mdstudy.base.units import RESULT_UNITS
from mdstudy.observables import recipes, vocabulary
from mdstudy.study.measure import measure, standard_observables

#: What a recipe is asked about in the synthetic electrolyte, by the names of its fields.
ARGUMENTS: dict[str, Any] = {
    "reference": "Li",
    "others": ("FSI.O", "TTE.O", "Li"),
    "shell": FirstShell("Li", ("FSI.O", "TTE.O")),
    "temperature": 298.15,
    "site": "FSI.F",
    "partner": "FSI.S",
    "viscosity": 20.0,
}
RECIPES = recipes()


def example(recipe: type[Observable]) -> Observable:
    """Make one of its kind: arguments by name where the table has them, else the defaults of the recipe."""
    asked = {}
    for field in fields(recipe):  # type: ignore[arg-type]
        required = field.default is MISSING and field.default_factory is MISSING
        if field.name in ARGUMENTS and (required or field.name == "temperature"):
            asked[field.name] = ARGUMENTS[field.name]
        else:
            assert not required, (
                f"{recipe.name}: what is {field.name} of the synthetic electrolyte? Add it to ARGUMENTS"
            )
    return recipe(**asked)


def numbers(measurement: Measurement) -> dict[tuple[str, str], float]:
    return {(e.quantity, e.of): e.value for e in measurement.estimates}


@pytest.fixture(params=RECIPES.values(), ids=list(RECIPES))
def observable(request: pytest.FixtureRequest) -> Observable:
    return example(request.param)


def test_every_recipe_is_plain_frozen_data_that_is_equal_by_value(observable: Observable) -> None:
    assert replace(observable) == observable  # type: ignore[type-var]
    assert hash(replace(observable)) == hash(observable)  # type: ignore[type-var]
    with pytest.raises(AttributeError):
        setattr(observable, fields(observable)[0].name if fields(observable) else "name", None)  # type: ignore[arg-type]


def test_a_misspelt_setting_is_refused(observable: Observable) -> None:
    for field in fields(observable):  # type: ignore[arg-type]
        with pytest.raises(TypeError, match=f"unexpected keyword argument '{field.name}s'"):
            replace(observable, **{f"{field.name}s": getattr(observable, field.name)})  # type: ignore[type-var]


def test_every_recipe_says_when_it_holds_and_where_it_is_from(observable: Observable) -> None:
    assert "doi" in (type(observable).__doc__ or "").lower()


def test_quantities_have_one_unit_each_that_we_know_and_a_sentence() -> None:
    for recipe in RECIPES.values():
        for quantity in recipe.quantities:
            assert quantity.unit in RESULT_UNITS, quantity
            assert quantity.text.endswith("."), quantity
            assert vocabulary()[quantity.name] == quantity, f"{quantity.name} is declared twice, differently"


def test_what_is_produced_is_what_is_declared(observable: Observable, electrolyte: Trajectory) -> None:
    (measured,) = measure(electrolyte, [observable])
    produced = {(e.quantity, e.unit) for e in measured.estimates} | {(c.quantity, c.y_unit) for c in measured.curves}
    produced |= {(g.quantity, g.unit) for g in measured.grids}
    assert measured.observable == observable.name
    assert produced == {(quantity.name, quantity.unit) for quantity in observable.quantities}


def test_every_estimate_is_named_once_has_a_method_and_no_error_of_zero(
    observable: Observable, electrolyte: Trajectory
) -> None:
    (measured,) = measure(electrolyte, [observable])
    everything = [*measured.estimates, *measured.curves, *measured.grids]
    names = [(one.quantity, one.of) for one in everything]
    assert len(set(names)) == len(names)
    for estimate in measured.estimates:
        assert estimate.method, estimate
        assert estimate.error > 0 or math.isnan(estimate.error), estimate
        assert estimate.converged or estimate.note, f"{estimate}: does not say why it is not converged"


def test_nothing_depends_on_where_in_the_box_molecules_are(observable: Observable, electrolyte: Trajectory) -> None:
    """Moved by a third of the box, and every molecule put back into the box as a whole."""
    sites = electrolyte.sites
    first = np.unique(sites.molecule_of, return_index=True)[1]

    def moved():  # type: ignore[no-untyped-def]
        for time, xyz, box in electrolyte.read():
            away = xyz + np.array([1.25, 2.5, 0.375], dtype=np.float32)
            turns = np.floor(away[first] / box[:3])
            yield time, away - (turns * box[:3])[sites.molecule_of].astype(np.float32), box

    (here,), (there,) = measure(electrolyte, [observable]), measure(replace(electrolyte, read=moved), [observable])
    assert numbers(here).keys() == numbers(there).keys()
    for key, value in numbers(here).items():
        np.testing.assert_allclose(numbers(there)[key], value, rtol=2e-4, atol=1e-15, err_msg=str(key))


def test_nothing_depends_on_the_order_of_molecules(
    observable: Observable, electrolyte: Trajectory, renumbered: Any
) -> None:
    (here,), (there,) = measure(electrolyte, [observable]), measure(renumbered(electrolyte, 3), [observable])
    assert numbers(here).keys() == numbers(there).keys()
    for key, value in numbers(here).items():
        np.testing.assert_allclose(numbers(there)[key], value, rtol=2e-4, atol=1e-15, err_msg=str(key))


def test_tallies_of_two_parts_make_the_tally_of_the_whole(observable: Observable, electrolyte: Trajectory) -> None:
    sites = electrolyte.sites
    (_, whole), *_ = electrolyte.blocks(1)
    parts = [block for _, block in electrolyte.blocks(2)]
    for tally in observable.tallies(sites):
        of_whole, of_parts = tally(whole, sites), [tally(part, sites) for part in parts]
        if isinstance(of_whole, Sums):
            joined: Sums | Series = of_parts[0] + of_parts[1]  # type: ignore[operator]
            assert joined.n_frames == of_whole.n_frames  # type: ignore[union-attr]
        else:
            joined = Series.join(of_parts)  # type: ignore[arg-type]
            np.testing.assert_array_equal(joined.times, of_whole.times)
        for name, array in of_whole.arrays.items():
            np.testing.assert_allclose(joined.arrays[name], array, rtol=1e-5, atol=1e-6, err_msg=f"{tally}: {name}")


def test_a_site_that_is_not_there_is_refused_by_its_name(observable: Observable, electrolyte: Trajectory) -> None:
    if hasattr(observable, "shell"):
        absent = replace(observable, shell=replace(observable.shell, reference="Na"))  # type: ignore[type-var]
    elif hasattr(observable, "reference"):
        absent = replace(observable, reference="Na")  # type: ignore[type-var]
    else:
        pytest.skip("asks for no site")
    with pytest.raises(TrajectoryError, match='"Na": no such site'):
        measure(electrolyte, [absent])


def test_fewer_frames_than_blocks_give_numbers_whose_errors_are_not_known(
    observable: Observable, electrolyte: Trajectory
) -> None:
    frames = list(electrolyte.read())[:2]
    short = replace(electrolyte, n_frames=2, read=lambda: iter(frames))
    (measured,) = measure(short, [observable])
    for estimate in measured.estimates:
        assert not estimate.converged, estimate
        assert estimate.note, estimate


def test_some_frames_are_kept_however_little_memory_there_is(electrolyte) -> None:
    full = measure(electrolyte, standard_observables(electrolyte.sites, 298.15))
    thin = measure(electrolyte, standard_observables(electrolyte.sites, 298.15), memory=1.0)
    assert {e.origin.stride for m in thin for e in m.estimates} == {2}
    for a, b in zip(full, thin, strict=True):  # distances are counted in all frames
        if a.observable in {"radial_distribution", "structure_factor", "shell_angles"}:
            for one, other in zip(a.curves, b.curves, strict=True):
                np.testing.assert_array_equal(one.y, other.y)
