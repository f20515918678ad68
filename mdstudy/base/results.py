"""What a measurement gives: estimates and curves, each complete when made.

An unknown error is NaN and is shown as "not known", never as zero.
"""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.errors import MdstudyError
from mdstudy.base.units import RESULT_UNITS


@dataclass(frozen=True)
class Quantity:
    """One entry of the vocabulary shared by results and measured values.

    Attributes
    ----------
    name : str
        Machine name, for example ``"self_diffusion"``.
    unit : str
        Unit in which it is stored, a key of :data:`mdstudy.base.units.RESULT_UNITS`.
    text : str
        One sentence that says what it is.
    """

    name: str
    unit: str
    text: str


@dataclass(frozen=True)
class Estimate:
    """A number with its unit, standard error and origin.

    Attributes
    ----------
    quantity : str
        What it is, for example ``"coordination_number"``.
    of : str
        Of what, for example ``"Li-FSI.O"``.
    value, error : float
        Value and one standard error in `unit`; NaN where not known.
    unit : str
        A key of :data:`mdstudy.base.units.RESULT_UNITS`.
    method : str
        How it was estimated, with cutoff, window or frame of reference.
    n_independent : float
        Number of independent samples behind the error; NaN where not known.
    converged : bool
        Whether the stated criterion of the method was met.
    note : str
        Why not, or anything else that a reader must know.
    """

    quantity: str
    of: str
    value: float
    error: float
    unit: str
    method: str
    n_independent: float = math.nan
    converged: bool = False
    note: str = ""

    def __post_init__(self) -> None:
        if self.unit not in RESULT_UNITS:
            raise MdstudyError(f"{self.quantity} of {self.of}: unknown unit {self.unit!r}")
        if self.error < 0:
            raise MdstudyError(f"{self.quantity} of {self.of}: negative standard error {self.error}")

    def __str__(self) -> str:
        error = "not known" if math.isnan(self.error) else f"{self.error:.2g}"
        verdict = "" if self.converged else " (not converged)"
        return f"{self.quantity} of {self.of}: {self.value:.4g} ± {error} {self.unit}{verdict}"


@dataclass(frozen=True)
class Curve:
    """A function of one variable with its pointwise standard error.

    Attributes
    ----------
    quantity, of : str
        As in :class:`Estimate`.
    x, y, y_error : (n,) float arrays
        Abscissa, ordinate and standard error of the ordinate (NaN: not known).
    x_name, x_unit, y_unit : str
        Label of the abscissa and the units.
    """

    quantity: str
    of: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    y_error: NDArray[np.float64]
    x_name: str
    x_unit: str
    y_unit: str

    def __post_init__(self) -> None:
        if not (len(self.x) == len(self.y) == len(self.y_error)):
            raise MdstudyError(f"{self.quantity} of {self.of}: x, y and y_error differ in length")


@dataclass(frozen=True)
class Measurement:
    """All that one observable gave on one trajectory."""

    observable: str
    estimates: tuple[Estimate, ...] = ()
    curves: tuple[Curve, ...] = ()
    assumptions: tuple[str, ...] = field(default=())


ESTIMATE_COLUMNS = tuple(f.name for f in fields(Estimate))


def estimates_to_csv(estimates: Iterable[Estimate]) -> str:
    """One tidy table, a row an estimate, the unit in its own column."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ESTIMATE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    for estimate in estimates:
        writer.writerow(asdict(estimate))
    return out.getvalue()


def estimates_from_csv(text: str) -> list[Estimate]:
    """Inverse of :func:`estimates_to_csv`."""
    rows = csv.DictReader(io.StringIO(text))
    return [
        Estimate(
            quantity=row["quantity"],
            of=row["of"],
            value=float(row["value"]),
            error=float(row["error"]),
            unit=row["unit"],
            method=row["method"],
            n_independent=float(row["n_independent"]),
            converged=row["converged"] == "True",
            note=row["note"],
        )
        for row in rows
    ]


def curves_to_json(curves: Iterable[Curve]) -> str:
    """Curves as JSON; NaN is written as null."""

    def column(values: NDArray[np.float64]) -> list[float | None]:
        return [None if math.isnan(v) else float(f"{v:.7g}") for v in values]

    rows: list[Mapping[str, Any]] = [
        {
            "quantity": c.quantity,
            "of": c.of,
            "x_name": c.x_name,
            "x_unit": c.x_unit,
            "y_unit": c.y_unit,
            "x": column(c.x),
            "y": column(c.y),
            "y_error": column(c.y_error),
        }
        for c in curves
    ]
    return json.dumps(rows) + "\n"


def curves_from_json(text: str) -> list[Curve]:
    """Inverse of :func:`curves_to_json`."""

    def column(values: list[float | None]) -> NDArray[np.float64]:
        return np.array([math.nan if v is None else v for v in values], dtype=float)

    return [
        Curve(
            quantity=row["quantity"],
            of=row["of"],
            x=column(row["x"]),
            y=column(row["y"]),
            y_error=column(row["y_error"]),
            x_name=row["x_name"],
            x_unit=row["x_unit"],
            y_unit=row["y_unit"],
        )
        for row in json.loads(text)
    ]


def find(estimates: Iterable[Estimate], quantity: str, of: str) -> Estimate | None:
    """The one estimate of `quantity` of `of`, or None."""
    for estimate in estimates:
        if estimate.quantity == quantity and estimate.of == of:
            return estimate
    return None


def read_estimates(path: Path) -> list[Estimate]:
    """Read an ``estimates.csv``."""
    return estimates_from_csv(path.read_text(encoding="utf-8"))
