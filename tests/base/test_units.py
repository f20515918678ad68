from __future__ import annotations

import math

import pytest

from mdstudy.base.units import (
    AVOGADRO,
    BOLTZMANN_SI,
    DALTON,
    DIFFUSION_TO_SI,
    ELEMENTARY_CHARGE,
    EXAMPLES,
    GAS_CONSTANT,
    RESULT_DIMENSIONS,
    RESULT_UNITS,
    UNITS,
    convert,
    parse,
    result_dimension,
)


def test_constants_are_those_of_the_si_and_agree_with_each_other() -> None:
    """The 2019 SI fixes N_A, k and e; R = N_A k; a dalton is a gram over N_A to 3e-10."""
    gas, dalton_in_gram, faraday = AVOGADRO * BOLTZMANN_SI * 1e-3, DALTON * 1e3, AVOGADRO * ELEMENTARY_CHARGE
    assert gas == pytest.approx(GAS_CONSTANT, rel=1e-15, abs=0)
    assert dalton_in_gram == pytest.approx(1 / AVOGADRO, rel=4e-10, abs=0)
    assert faraday == pytest.approx(96485.33212331, rel=1e-13)  # C/mol, exact to the digits given
    nm2_per_ps = (1e-9) ** 2 / 1e-12
    assert nm2_per_ps == pytest.approx(DIFFUSION_TO_SI, rel=1e-15, abs=0)


@pytest.mark.parametrize(
    ("text", "dimension", "value"),
    [
        ("4 fs", "time", 0.004),
        ("1.5 ns", "time", 1500.0),
        ("12 angstrom", "length", 1.2),
        ("12 Å", "length", 1.2),
        ("1e3 mg", "bulk mass", 1.0),
        ("1 atm", "pressure", 1.01325),
        ("0.1 MPa", "pressure", 1.0),
        ("1000 mmol/L", "molarity", 1.0),
        ("1 kg", "bulk mass", 1e3),
        ("3 mL", "bulk volume", 3.0),
        ("0.1 nm/ps^2", "acceleration", 0.1),
        ("  -2.5e-1   nm ", "length", -0.25),
        (".5 nm", "length", 0.5),
        ("2mol", "amount", 2.0),
        ("1 1/ps", "rate", 1.0),
        ("0.1507 L/mol", "molar volume", 150.7),
    ],
)
def test_text_with_a_unit_becomes_an_internal_float(text: str, dimension: str, value: float) -> None:
    assert parse(text, dimension) == pytest.approx(value, rel=1e-14)


@pytest.mark.parametrize(
    ("text", "dimension", "words"),
    [
        (4, "time", ["4: a time needs its unit", 'for example "4 fs"']),
        (True, "time", ["needs its unit"]),
        (None, "length", ["needs its unit"]),
        ("4", "time", ["not a number with a unit"]),
        ("25", "temperature", ["'25': not a number with a unit"]),
        ("fs", "time", ["not a number with a unit"]),
        ("", "time", ["not a number with a unit"]),
        ("four fs", "time", ["not a number with a unit"]),
        ("4 K", "time", ["'K' is no unit of time", "ps, fs, ns, us"]),
        ("4 FS", "time", ["'FS' is no unit of time"]),
        ("25 degC", "temperature", ["'degC' is no unit of temperature", '"298.15 K"']),
        ("nan K", "temperature", ["not a number"]),
    ],
)
def test_what_is_no_quantity_is_refused_with_an_example(text: object, dimension: str, words: list[str]) -> None:
    with pytest.raises(ValueError, match=r"for example") as caught:
        parse(text, dimension)
    for word in words:
        assert word in str(caught.value)


def test_every_dimension_has_an_internal_unit_and_an_example_that_is_right() -> None:
    assert UNITS.keys() == EXAMPLES.keys()
    for dimension, table in UNITS.items():
        assert 1.0 in table.values(), dimension
        assert math.isfinite(parse(EXAMPLES[dimension], dimension))


@pytest.mark.parametrize(
    ("value", "unit", "to", "expected"),
    [
        (2.25e-3, "S/cm", "mS/cm", 2.25),
        (0.225, "S/m", "mS/cm", 2.25),
        (1338.8, "kg/m^3", "g/cm^3", 1.3388),
        (1.95, "angstrom", "nm", 0.195),
        (0.0406, "Pa s", "mPa s", 40.6),
        (3.9e-10, "1/Pa", "1/GPa", 0.39),
        (1.0, "ns", "ps", 1000.0),
        (-3.0, "kJ/mol", "kJ/mol", -3.0),
    ],
)
def test_results_convert_there_and_back(value: float, unit: str, to: str, expected: float) -> None:
    assert convert(value, unit, to) == pytest.approx(expected, rel=1e-14, abs=0)
    assert convert(expected, to, unit) == pytest.approx(value, rel=1e-14, abs=0)


def test_a_unit_belongs_to_one_dimension_and_none_converts_to_another() -> None:
    assert sum(len(table) for table in RESULT_DIMENSIONS.values()) == len(RESULT_UNITS)
    for unit in RESULT_UNITS:
        for other in RESULT_UNITS:
            if result_dimension(unit) == result_dimension(other):
                assert math.isfinite(convert(1.0, unit, other))
            else:
                with pytest.raises(ValueError, match="is a unit of"):
                    convert(1.0, unit, other)


def test_a_unit_of_no_result_is_refused_with_those_that_are() -> None:
    with pytest.raises(ValueError, match=r"'mS/m' is no unit of a result .*mS/cm"):
        convert(1.0, "mS/m", "S/m")
    with pytest.raises(ValueError, match=r"'g/cm3' is no unit of a result"):
        convert(1.0, "g/cm^3", "g/cm3")
