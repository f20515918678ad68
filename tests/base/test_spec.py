from __future__ import annotations

from pathlib import Path
from typing import Literal

import pytest
from pydantic import Field, ValidationError

from mdstudy.base.errors import SpecError
from mdstudy.base.spec import Length, Spec, Temperature, Time, read_spec, read_toml, validate


class Step(Spec):
    name: str
    time: Time
    kind: Literal["nvt", "npt"] = "nvt"


class Recipe(Spec):
    title: str
    cutoff: Length = Field("1.2 nm")  # type: ignore[assignment]
    temperature: Temperature | None = None
    steps: tuple[Step, ...] = ()
    named: dict[str, Step] = Field({})


GOOD = {"title": "t", "steps": [{"name": "a", "time": "4 fs"}], "named": {"x": {"name": "b", "time": "1 ns"}}}


def test_text_becomes_internal_floats_and_defaults_are_read_like_text() -> None:
    recipe = validate(GOOD, Recipe, "here")
    assert (recipe.cutoff, recipe.temperature) == (1.2, None)
    assert recipe.steps[0].time == pytest.approx(0.004, rel=1e-15)
    assert recipe.named["x"].time == 1000.0


def test_a_recipe_is_frozen() -> None:
    recipe = validate(GOOD, Recipe, "here")
    with pytest.raises(ValidationError, match="frozen"):
        recipe.title = "another"  # type: ignore[misc]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"tilte": "t"}, 'here: tilte: no such field. Did you mean "title"?'),
        (
            {"steps": [{"name": "a", "tiem": "4 fs", "time": "4 fs"}]},
            'here: steps.0.tiem: no such field. Did you mean "time"?',
        ),
        (
            {"named": {"x": {"nmae": "b", "name": "b", "time": "1 ps"}}},
            'here: named.x.nmae: no such field. Did you mean "name"?',
        ),
        ({"steps": [{"name": "a"}]}, "here: steps.0.time: is missing"),
        ({"steps": [{"name": "a", "tme": "4 fs"}]}, 'here: steps.0.tme: no such field. Did you mean "time"?'),
        ({"temperature": "-3 K"}, "here: temperature: Input should be greater than 0 (found '-3 K')"),
        ({"temperature": "25"}, "here: temperature: '25': not a number with a unit, for example \"298.15 K\""),
        ({"cutoff": 1.2}, 'here: cutoff: 1.2: a length needs its unit, for example "1.2 nm"'),
        (
            {"steps": [{"name": "a", "time": "4 fs", "kind": "nve"}]},
            "here: steps.0.kind: Input should be 'nvt' or 'npt' (found 'nve')",
        ),
    ],
)
def test_a_fault_names_place_field_and_what_would_be_right(change: dict[str, object], message: str) -> None:
    with pytest.raises(SpecError) as caught:
        validate(GOOD | change, Recipe, "here")
    assert str(caught.value) == message


def test_each_fault_has_its_own_line() -> None:
    with pytest.raises(SpecError) as caught:
        validate({"cutoff": "1", "steps": [{"name": "a"}]}, Recipe, "here")
    lines = str(caught.value).splitlines()
    assert len(lines) == 3
    assert all(line.startswith("here: ") for line in lines)


def test_a_file_that_is_missing_or_no_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"absent\.toml: No such file"):
        read_toml(tmp_path / "absent.toml")
    file = tmp_path / "broken.toml"
    file.write_text('title = "t"\ncutoff = \n')
    with pytest.raises(SpecError, match=r"broken\.toml: not valid TOML: .*line 2"):
        read_spec(file, Recipe)
    file.write_bytes(b'title = "\xff"\n')
    with pytest.raises(SpecError, match=r"broken\.toml: not valid TOML"):
        read_spec(file, Recipe)
    file.write_text('title = "t"\ncutof = "1 nm"\n')
    with pytest.raises(SpecError, match=rf'{file}: cutof: no such field. Did you mean "cutoff"'):
        read_spec(file, Recipe)
