"""Measured values that simulated ones are set beside: never fitted to, and none without its source.

``systems/measured/*.toml`` hold one ``[[value]]`` a number. Their vocabulary is that of the observables, and what is
measured but not computed is declared as ``[[quantity]]``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, StrictBool, StrictFloat, StringConstraints

from mdstudy.base.errors import SpecError, did_you_mean
from mdstudy.base.library import data_dir
from mdstudy.base.results import Quantity
from mdstudy.base.spec import Spec, Temperature, read_toml, validate
from mdstudy.base.units import convert, result_dimension

FOLDER = "systems/measured"

Text = Annotated[str, StringConstraints(min_length=1, strip_whitespace=True)]


class MeasuredValue(Spec):
    """A number from the literature, with everything that a reader needs to judge it.

    After loading, `value` and `uncertainty` are in the unit of the quantity, whatever the file gave.
    """

    system: Text = Field(description="name of a system file, or any other name where there is none")
    variant: Text | None = Field(None, description="variant of the system that it belongs to; None: any")
    quantity: Text
    of: Text = Field(description='as in results: "box", "Li", "Li-FSI.O"')
    value: Annotated[StrictFloat, Field(allow_inf_nan=False)]
    unit: Text
    uncertainty: Annotated[StrictFloat, Field(gt=0, allow_inf_nan=False)] | None = Field(
        None, description="as published, in `unit`; None where none was"
    )
    temperature: Temperature | None = Field(None, description="K; None where none was stated")
    method: Text
    source: Text = Field(description="where the number stands")
    doi: Annotated[str, Field(pattern=r"^10\.\d{4,9}/\S+$")] | None = Field(None, description="of the source")
    confidence: Literal["high", "medium", "low"]
    read_at_source: StrictBool = Field(description="whether a person has read the number in the source named")
    note: str = ""


class _Declared(Spec):
    """A quantity that is measured, whether or not an observable computes it."""

    name: Text
    unit: Text
    text: Text


def load_measured(known: Iterable[Quantity] = ()) -> list[MeasuredValue]:
    """Every shipped measured value.

    Parameters
    ----------
    known : iterable of Quantity
        Quantities that are computed (:func:`mdstudy.observables.vocabulary`); a declared one must agree with them.

    Returns
    -------
    list of MeasuredValue
        In the units of the quantities, in the order of the files.

    Raises
    ------
    SpecError
        As :func:`read_measured`.
    """
    return read_measured(sorted(data_dir(FOLDER).glob("*.toml")), known)


def read_measured(files: Iterable[Path], known: Iterable[Quantity] = ()) -> list[MeasuredValue]:
    """Measured values of some files, which may use each other's quantities.

    Parameters
    ----------
    files : iterable of Path
    known : iterable of Quantity
        As in :func:`load_measured`.

    Returns
    -------
    list of MeasuredValue
        In the units of the quantities, in the order of the files.

    Raises
    ------
    SpecError
        One line, naming the file and the entry as counted from 1: a field that is missing or wrong, a quantity that
        nobody declares, a unit of another dimension, a quantity declared twice or at odds with an observable.
    """
    tables = [(path, read_toml(path)) for path in files]
    for path, table in tables:
        for key in table:
            if key not in ("quantity", "value"):
                raise SpecError(f"{path}: {key}: no such table.{did_you_mean(key, ('quantity', 'value'))}")
    quantities = {quantity.name: quantity for quantity in known}
    declared: dict[str, str] = {}
    for path, table in tables:
        for where, entry in _entries(path, table, "quantity"):
            quantity = _declaration(entry, where, quantities)
            if quantity.name in declared:
                raise SpecError(f"{where}: {quantity.name} is declared already in {declared[quantity.name]}")
            declared[quantity.name] = where
            quantities.setdefault(quantity.name, quantity)
    return [
        _value(entry, where, quantities) for path, table in tables for where, entry in _entries(path, table, "value")
    ]


def _entries(path: Path, table: Mapping[str, Any], kind: str) -> list[tuple[str, object]]:
    """Entries of an array of tables with the words that name them."""
    entries = table.get(kind, [])
    if not isinstance(entries, list):
        raise SpecError(f"{path}: {kind}: entries are written as [[{kind}]]")
    return [(f"{path}: {kind} {number}", entry) for number, entry in enumerate(entries, 1)]


def _declaration(entry: object, where: str, known: Mapping[str, Quantity]) -> Quantity:
    declared = validate(entry, _Declared, where)
    try:
        result_dimension(declared.unit)
    except ValueError as error:
        raise SpecError(f"{where}: unit: {error}") from error
    computed = known.get(declared.name)
    if computed is not None and computed.unit != declared.unit:
        raise SpecError(f"{where}: unit: {declared.name} is computed in {computed.unit!r}, not in {declared.unit!r}")
    return Quantity(declared.name, declared.unit, declared.text)


def _value(entry: object, where: str, quantities: Mapping[str, Quantity]) -> MeasuredValue:
    """One value in the unit of its quantity."""
    given = validate(entry, MeasuredValue, where)
    if given.quantity not in quantities:
        raise SpecError(
            f'{where}: quantity: "{given.quantity}" is not known.{did_you_mean(given.quantity, quantities)}'
        )
    unit = quantities[given.quantity].unit
    try:
        factor = convert(1.0, given.unit, unit)
    except ValueError as error:
        raise SpecError(f"{where}: unit: {error}") from error
    uncertainty = None if given.uncertainty is None else given.uncertainty * factor
    return given.model_copy(update={"value": given.value * factor, "uncertainty": uncertainty, "unit": unit})
