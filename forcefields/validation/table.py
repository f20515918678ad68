"""Results of liquid.py as tables: python forcefields/validation/table.py runs/gromacs.

Renews liquids.csv, a row a number, and liquids.md, densities and enthalpies beside what was measured. Rows of runs that
are not in the folder stay as they are.
"""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Iterable
from pathlib import Path

from mdstudy.base.provenance import write_text
from mdstudy.study.measured import MeasuredValue
from mdstudy.study.pipeline import measured_values

HERE = Path(__file__).parent
HEADER = (
    *("run", "system", "force_field", "charge_scale", "temperature_K", "force_field_sha256", "commit", "gromacs"),
    *("production_ps", "quantity", "of", "value", "error", "unit", "converged", "note"),
)
#: Shown beside measured values.
SHOWN = ("density", "enthalpy_of_vaporisation")
#: Kelvin by which a measured value may be off to be shown.
NEAR = 2.5


def rows(folder: Path) -> list[dict[str, str]]:
    """A row for each number of each result below a folder."""
    found = []
    for path in sorted(folder.rglob("result.json")):
        result = json.loads(path.read_text(encoding="utf-8"))
        spec, run = result["spec"], result["run"]
        scale, kelvin, field = spec["charge_scale"], spec["temperature_K"], spec["force_field_sha256"][:12]
        made = [path.parent.name, spec["system"], run["force_field"], scale, kelvin, field]
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
    """Densities and enthalpies of vaporisation beside the first value measured of the same liquid near by."""
    lines = ["| run | force field | charges x | production, ps | quantity | simulated | measured | difference |"]
    lines.append("|---|---|---|---|---|---|---|---|")
    for row in table:
        if row["quantity"] not in SHOWN:
            continue
        value, kelvin = float(row["value"]), float(row["temperature_K"])
        fits = [
            one
            for one in measured
            if (one.system, one.quantity, one.of) == (row["system"], row["quantity"], row["of"])
            and one.temperature is not None
            and abs(one.temperature - kelvin) < NEAR
        ]
        beside, apart = "", ""
        if fits:
            spread = "" if fits[0].uncertainty is None else f" ± {fits[0].uncertainty:g}"
            beside, apart = f"{fits[0].value:g}{spread}", f"{value / fits[0].value - 1:+.1%}"
        known = "" if row["converged"] == "True" else ", not converged"
        said = f"{value:g} ± {row['error']} {row['unit']}{known}"
        cells = [row["run"], row["force_field"], row["charge_scale"], row["production_ps"], row["quantity"]]
        lines.append("| " + " | ".join([*cells, said, beside, apart]) + " |")
    return "\n".join(lines) + "\n"


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
