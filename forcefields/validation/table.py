"""Results of liquid.py as tables: python forcefields/validation/table.py runs/gromacs.

Renews liquids.csv, a row a number, and liquids.md, densities and enthalpies beside what was measured, boxes that differ
by their seed together. Rows of runs that are not in the folder stay as they are.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from mdstudy.base.provenance import write_text
from mdstudy.base.results import Estimate
from mdstudy.study.differences import pool
from mdstudy.study.measured import MeasuredValue
from mdstudy.study.pipeline import measured_values

HERE = Path(__file__).parent
HEADER = (
    *(
        "run",
        "system",
        "variant",
        "force_field",
        "charge_scale",
        "temperature_K",
        "force_field_sha256",
        "commit",
        "gromacs",
    ),
    *("production_ps", "quantity", "of", "value", "error", "unit", "converged", "note"),
)
#: Shown beside measured values.
SHOWN = ("density", "enthalpy_of_vaporisation")
#: Kelvin by which a measured value may be off to be shown, and from which on its temperature is shown too.
NEAR, OTHER = 6.0, 1.0


def rows(folder: Path) -> list[dict[str, str]]:
    """A row for each number of each result below a folder."""
    found = []
    for path in sorted(folder.rglob("result.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        spec, run = result["spec"], result["run"]
        scale, kelvin, field = spec["charge_scale"], spec["temperature_K"], spec["force_field_sha256"][:12]
        made = [
            path.parent.name,
            spec["system"],
            spec["composition"]["variant"],
            run["force_field"],
            scale,
            kelvin,
            field,
        ]
        made += [result["provenance"]["commit"], result["gromacs"], run["production"]]
        for one in result["estimates"]:
            number = [one["quantity"], one["of"], f"{one['value']:.5g}", f"{one['error']:.2g}", one["unit"]]
            cells = [*made, *number, one["converged"], one["note"]]
            found.append(dict(zip(HEADER, map(str, cells), strict=True)))
    return found


def merged(old: Iterable[dict[str, str]], new: list[dict[str, str]]) -> list[dict[str, str]]:
    """New rows, and old ones of other runs."""
    renewed = {row["run"] for row in new}
    return sorted([*(row for row in old if row["run"] not in renewed), *new], key=lambda row: row["run"])


def markdown(table: Iterable[dict[str, str]], measured: list[MeasuredValue]) -> str:
    """Densities and enthalpies of vaporisation, pooled over seeds, beside what was measured of the same liquid."""
    lines = ["| run | force field | charges x | seeds: ps | quantity | simulated | measured | difference |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    boxes: dict[tuple[str, str], list[dict[str, str]]] = {}
    for row in table:
        if row["quantity"] in SHOWN:
            boxes.setdefault((row["run"].rpartition("-s")[0], row["quantity"]), []).append(row)
    for (name, quantity), rows_ in boxes.items():
        first, pooled = rows_[0], pool([estimate(row) for row in rows_])
        beside, apart = near_by(first, pooled.value, measured)
        known = "" if pooled.converged else ", not converged"
        seeds = ", ".join(f"{row['run'].rpartition('-s')[2]}: {float(row['production_ps']):g}" for row in rows_)
        said = f"{pooled.value:.4g} ± {pooled.error:.2g} {pooled.unit}{known}"
        cells = [name, first["force_field"], first["charge_scale"], seeds, quantity, said, beside, apart]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def estimate(row: dict[str, str]) -> Estimate:
    """A row as it was before it became text."""
    value, error, converged = float(row["value"]), float(row["error"]), row["converged"] == "True"
    return Estimate(row["quantity"], row["of"], value, error, row["unit"], "GROMACS", converged=converged)


def near_by(row: dict[str, str], value: float, measured: list[MeasuredValue]) -> tuple[str, str]:
    """The measured value nearest in temperature and how far the simulated one is from it; empty where there is none."""
    kelvin = float(row["temperature_K"])
    fits = [
        (abs(one.temperature - kelvin), k, one)
        for k, one in enumerate(measured)
        if (one.system, one.quantity, one.of) == (row["system"], row["quantity"], row["of"])
        and one.variant in (None, row["variant"])
        and one.temperature is not None
        and abs(one.temperature - kelvin) < NEAR
    ]
    if not fits:
        return "", ""
    off, _, found = min(fits)
    said = f"{found.value:g}" if found.uncertainty is None else f"{found.value:g} ± {found.uncertainty:g}"
    return said + (f" at {found.temperature:g} K" if off > OTHER else ""), f"{value / found.value - 1:+.1%}"


def main() -> None:
    """Folder to tables."""
    file = HERE / "liquids.csv"
    with file.open(encoding="utf-8", newline="") as stream:
        table = merged(csv.DictReader(stream), rows(Path(sys.argv[1])))
    text = io.StringIO()
    writer = csv.DictWriter(text, HEADER, lineterminator="\n")
    writer.writeheader()
    writer.writerows(table)
    write_text(file, text.getvalue())
    write_text(HERE / "liquids.md", markdown(table, measured_values()))


if __name__ == "__main__":
    main()
