"""What people write: the base of every recipe, and reading one from TOML.

A recipe is a frozen pydantic model that refuses unknown keys. Units are in the
field types: the text ``"4 fs"`` becomes a float in internal units.
"""

from __future__ import annotations

import tomllib
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, TypeVar, get_args

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

from mdstudy.base.errors import SpecError, did_you_mean
from mdstudy.base.units import parse


class Spec(BaseModel):
    """Base of all recipes: frozen, unknown keys refused, defaults validated."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)


def _quantity(dimension: str) -> BeforeValidator:
    def read(value: object) -> float:
        return parse(value, dimension)

    return BeforeValidator(read)


Length = Annotated[float, _quantity("length")]
Time = Annotated[float, _quantity("time")]
Temperature = Annotated[float, _quantity("temperature"), Field(gt=0)]
Pressure = Annotated[float, _quantity("pressure")]
Rate = Annotated[float, _quantity("rate")]
Acceleration = Annotated[float, _quantity("acceleration")]
Molarity = Annotated[float, _quantity("molarity")]
MolarVolume = Annotated[float, _quantity("molar volume")]

Model = TypeVar("Model", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """Parse a TOML file.

    Raises
    ------
    SpecError
        Not readable or not TOML; names the file and the line.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise SpecError(f"{path}: {error.strerror or error}") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise SpecError(f"{path}: not valid TOML: {error}") from error


def validate(data: object, model: type[Model], where: str) -> Model:
    """Check `data` against `model`; one line a fault, naming `where` and the field.

    Raises
    ------
    SpecError
        The data do not fit the model.
    """
    try:
        return model.model_validate(data)
    except ValidationError as error:
        told = [(fault, _sentence(fault, model)) for fault in error.errors()]
        lines = [f"{where}: {_field(fault['loc'])}: {text}" for fault, text in told if not _explained(fault, told)]
        raise SpecError("\n".join(dict.fromkeys(lines))) from error


def read_spec(path: Path, model: type[Model]) -> Model:
    """Read one recipe from a TOML file (see :func:`validate`)."""
    return validate(read_toml(path), model, str(path))


def _field(location: tuple[int | str, ...]) -> str:
    return ".".join(str(part) for part in location) or "(whole file)"


def _sentence(fault: Any, model: type[BaseModel]) -> str:
    if fault["type"] == "extra_forbidden":
        word = str(fault["loc"][-1])
        return "no such field." + did_you_mean(word, _fields_at(model, fault["loc"][:-1]))
    if fault["type"] == "missing":
        return "is missing"
    message = str(fault["msg"]).removeprefix("Value error, ")
    shown = fault.get("input")
    if fault["type"] == "value_error" or isinstance(shown, dict | list):
        return message
    return f"{message} (found {shown!r})"


def _explained(fault: Any, told: Sequence[tuple[Any, str]]) -> bool:
    """Whether a field is missing because it is misspelt, which is told already."""
    *table, name = fault["loc"] or ("",)
    return fault["type"] == "missing" and any(
        list(other["loc"][:-1]) == table and text.endswith(f'Did you mean "{name}"?') for other, text in told
    )


def _fields_at(model: type[BaseModel], location: tuple[int | str, ...]) -> list[str]:
    """Field names of the model that `location` leads to, walking through containers."""
    current: Any = model
    for part in location:
        if isinstance(current, type) and issubclass(current, BaseModel) and part in current.model_fields:
            current = current.model_fields[str(part)].annotation
        candidates = [current, *_flatten(current)]
        current = next((c for c in candidates if isinstance(c, type) and issubclass(c, BaseModel)), current)
    return list(current.model_fields) if isinstance(current, type) and issubclass(current, BaseModel) else []


def _flatten(annotation: Any) -> list[Any]:
    return [leaf for argument in get_args(annotation) for leaf in (argument, *_flatten(argument))]
