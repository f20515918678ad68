"""Results as files: estimates as CSV, curves as JSON, and once for each recipe what made them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.errors import RunError
from mdstudy.base.provenance import content_hash, write_text
from mdstudy.base.results import Curve, Estimate, Origin, Quantity, curves_behind

#: Columns of a table of estimates; the last names an entry of the origins.
ESTIMATE_COLUMNS = tuple(f.name for f in fields(Estimate) if f.name != "behind")
ESTIMATES, CURVES, ORIGINS = "estimates.csv", "curves.json", "origins.json"


def key(origin: Origin | None) -> str:
    """Short name of an origin, a hash of all that it says; empty for none."""
    return content_hash(asdict(origin))[:12] if origin else ""


def origins_of(items: Iterable[Estimate | Curve]) -> dict[str, dict[str, Any]]:
    """Every origin once, by its key, as plain data."""
    distinct = {id(item.origin): item.origin for item in items if item.origin}
    return {key(origin): _plain(asdict(origin)) for origin in distinct.values()}


def estimate_row(estimate: Estimate) -> dict[str, Any]:
    """An estimate as plain data, with the key of its origin."""
    row = {name: getattr(estimate, name) for name in ESTIMATE_COLUMNS}
    return row | {"origin": key(estimate.origin)}


def curve_row(curve: Curve) -> dict[str, Any]:
    """A curve as plain data with seven digits, NaN as None, and the key of its origin."""

    def column(values: NDArray[np.float64]) -> list[float | None]:
        return [None if math.isnan(v) else float(f"{v:.7g}") for v in values]

    row = {f.name: getattr(curve, f.name) for f in fields(Curve)}
    arrays = {name: column(row[name]) for name in ("x", "y", "y_error")}
    return row | arrays | {"origin": key(curve.origin)}


def joined(
    estimates: Iterable[Mapping[str, Any]],
    curves: Iterable[Mapping[str, Any]],
    origins: Mapping[str, Mapping[str, Any]],
) -> tuple[list[Estimate], list[Curve]]:
    """Estimates and curves from plain data, each with its origin and what is behind it."""
    known = {name: _origin(data) for name, data in origins.items()}

    def array(values: Sequence[float | None]) -> NDArray[np.float64]:
        return np.array([math.nan if v is None else v for v in values], dtype=float)

    read = [
        Curve(
            **{
                **row,
                **{name: array(row[name]) for name in ("x", "y", "y_error")},
                "origin": known.get(row.get("origin", "")),
            }
        )
        for row in curves
    ]
    made = [Estimate(**{**row, "origin": known.get(row.get("origin", ""))}) for row in estimates]
    return [replace(estimate, behind=curves_behind(estimate, read)) for estimate in made], read


def estimates_to_csv(estimates: Iterable[Estimate]) -> str:
    """One tidy table, a row an estimate, the unit in its own column."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ESTIMATE_COLUMNS, lineterminator="\n")
    writer.writeheader()
    writer.writerows(map(estimate_row, estimates))
    return out.getvalue()


def estimate_rows(text: str) -> list[dict[str, Any]]:
    """Rows of :func:`estimates_to_csv` as plain data."""
    numbers = ("value", "error", "n_independent", "drift")
    marks = ("converged", "lower_bound")
    return [
        row
        | {name: float(row[name]) for name in numbers}
        | {name: row[name] == "True" for name in marks if name in row}
        for row in csv.DictReader(io.StringIO(text))
    ]


def save(folder: Path, estimates: Sequence[Estimate], curves: Sequence[Curve]) -> None:
    """Write ``estimates.csv``, ``curves.json`` and ``origins.json``."""
    write_text(folder / ESTIMATES, estimates_to_csv(estimates))
    write_text(folder / CURVES, json.dumps([curve_row(curve) for curve in curves]) + "\n")
    write_text(folder / ORIGINS, json.dumps(origins_of([*estimates, *curves]), indent=1, ensure_ascii=False) + "\n")


def load(folder: Path) -> tuple[list[Estimate], list[Curve]]:
    """Inverse of :func:`save`.

    Raises
    ------
    RunError
        A file is missing.
    """
    files = {name: folder / name for name in (ESTIMATES, CURVES, ORIGINS)}
    if missing := [str(file) for file in files.values() if not file.is_file()]:
        raise RunError(f"{', '.join(missing)}: missing; do `mdstudy analyse {folder.parent}` again")
    texts = {name: file.read_text(encoding="utf-8") for name, file in files.items()}
    return joined(estimate_rows(texts[ESTIMATES]), json.loads(texts[CURVES]), json.loads(texts[ORIGINS]))


def _plain(data: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in data.items()}


def _origin(data: Mapping[str, Any]) -> Origin:
    known: dict[str, Any] = {k: math.nan if v is None else v for k, v in data.items()}
    return Origin(**{**known, "quantities": tuple(Quantity(**q) for q in data["quantities"])})
