"""Units and physical constants.

One system inside, as plain floats and arrays: nm, ps, dalton, elementary
charge, kelvin, bar and kJ/mol (OpenMM's own). Quantities that a person writes
are strings with a unit; :func:`parse` turns them into internal floats.

References
----------
Constants: CODATA 2018, Tiesinga et al., Rev. Mod. Phys. 93, 025010 (2021),
doi 10.1103/RevModPhys.93.025010 (exact since the 2019 SI, the dalton excepted).
"""

from __future__ import annotations

import re

AVOGADRO = 6.02214076e23  # 1/mol
BOLTZMANN_SI = 1.380649e-23  # J/K
ELEMENTARY_CHARGE = 1.602176634e-19  # C
GAS_CONSTANT = 8.31446261815324e-3  # kJ/mol/K
DALTON = 1.66053906660e-27  # kg

#: Every unit a person may write: dimension -> unit -> factor to the internal unit.
UNITS: dict[str, dict[str, float]] = {
    "length": {"nm": 1.0, "angstrom": 0.1, "Å": 0.1, "A": 0.1, "pm": 1e-3},
    "time": {"ps": 1.0, "fs": 1e-3, "ns": 1e3, "us": 1e6},
    "temperature": {"K": 1.0},
    "pressure": {"bar": 1.0, "atm": 1.01325, "MPa": 10.0, "kPa": 0.01, "Pa": 1e-5},
    "rate": {"1/ps": 1.0, "1/ns": 1e-3},
    "acceleration": {"nm/ps^2": 1.0},
    "molarity": {"mol/L": 1.0, "M": 1.0, "mmol/L": 1e-3},
    "molar volume": {"cm^3/mol": 1.0, "mL/mol": 1.0, "L/mol": 1e3},
    "amount": {"mol": 1.0, "mmol": 1e-3},
    "bulk mass": {"g": 1.0, "mg": 1e-3, "kg": 1e3},
    "bulk volume": {"mL": 1.0, "cm^3": 1.0, "L": 1e3},
}

EXAMPLES = {
    "length": "1.2 nm",
    "time": "4 fs",
    "temperature": "298.15 K",
    "pressure": "1 bar",
    "rate": "1 1/ps",
    "acceleration": "0.1 nm/ps^2",
    "molarity": "1.0 mol/L",
    "molar volume": "150.7 cm^3/mol",
    "amount": "1 mol",
    "bulk mass": "1 kg",
    "bulk volume": "10 mL",
}

_QUANTITY = re.compile(r"\s*([-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?)(?:\s+|(?=[^\d.]))(\S.*?)\s*")


def parse(text: object, dimension: str) -> float:
    """Read a quantity with its unit, for example ``"4 fs"``.

    Parameters
    ----------
    text : str
        Number and unit.
    dimension : str
        A key of :data:`UNITS`.

    Returns
    -------
    float
        The value in the internal unit of `dimension` (the unit of factor one).

    Raises
    ------
    ValueError
        No unit, an unknown unit or no number; the message shows a right example.
    """
    table = UNITS[dimension]
    example = f'for example "{EXAMPLES[dimension]}"'
    if isinstance(text, bool) or not isinstance(text, str):
        raise ValueError(f"{text!r}: a {dimension} needs its unit, {example}")
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r}: not a number with a unit, {example}")
    number, unit = match.groups()
    if unit not in table:
        raise ValueError(f"{text!r}: {unit!r} is no unit of {dimension} ({', '.join(table)}), {example}")
    return float(number) * table[unit]


#: Units in which results and measured values are given: dimension -> unit -> factor to SI.
RESULT_DIMENSIONS: dict[str, dict[str, float]] = {
    "number": {"1": 1.0},
    "length": {"nm": 1e-9, "angstrom": 1e-10, "Å": 1e-10},
    "inverse length": {"1/nm": 1e9},
    "area": {"nm^2": 1e-18},
    "time": {"ps": 1e-12, "ns": 1e-9},
    "rate": {"1/ps": 1e12},
    "energy": {"kJ/mol": 1e3 / AVOGADRO},
    "temperature": {"K": 1.0},
    "density": {"kg/m^3": 1.0, "g/cm^3": 1e3},
    "concentration": {"mol/L": 1e3 * AVOGADRO},
    "molar volume": {"cm^3/mol": 1e-6 / AVOGADRO},
    "diffusion": {"m^2/s": 1.0},
    "conductivity": {"S/m": 1.0, "S/cm": 1e2, "mS/cm": 0.1},
    "Onsager coefficient": {"mol^2/(J m s)": AVOGADRO**2},
    "molar conductivity": {"S m^2/mol": 1.0 / AVOGADRO},
    "viscosity": {"Pa s": 1.0, "mPa s": 1e-3},
    "thermal expansion": {"1/K": 1.0},
    "compressibility": {"1/Pa": 1.0, "1/GPa": 1e-9},
}

#: The same without the dimensions: unit -> factor to SI.
RESULT_UNITS: dict[str, float] = {
    unit: factor for table in RESULT_DIMENSIONS.values() for unit, factor in table.items()
}


def result_dimension(unit: str) -> str:
    """Dimension of a result unit, a key of :data:`RESULT_DIMENSIONS`.

    Raises
    ------
    ValueError
        Not a result unit; the message lists those that are.
    """
    for dimension, table in RESULT_DIMENSIONS.items():
        if unit in table:
            return dimension
    raise ValueError(f"{unit!r} is no unit of a result ({', '.join(RESULT_UNITS)})")


def convert(value: float, unit: str, to: str) -> float:
    """Convert `value` from one result unit to another of the same dimension.

    Parameters
    ----------
    value : float
        Number in `unit`.
    unit, to : str
        Keys of :data:`RESULT_UNITS`.

    Raises
    ------
    ValueError
        An unknown unit, or two units of different dimensions.
    """
    found, wanted = result_dimension(unit), result_dimension(to)
    if found != wanted:
        raise ValueError(f"{unit!r} is a unit of {found}, not of {wanted} ({', '.join(RESULT_DIMENSIONS[wanted])})")
    return value * (RESULT_UNITS[unit] / RESULT_UNITS[to])


#: nm^2/ps -> m^2/s
DIFFUSION_TO_SI = 1e-6
