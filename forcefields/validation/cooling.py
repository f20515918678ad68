"""Density of a polymer that is cooled in steps, from GROMACS, and the glass transition that it shows.

The same as the study `pmma-glass`, at a rate that a processor can afford: a look, not a measurement. A stage is skipped
when its result is there, and goes on from its checkpoint after a kill:

    python forcefields/validation/cooling.py pmma --atoms 2000 --seed 1 --hold 30 -o runs/cooling
    python forcefields/validation/cooling.py --table runs/cooling  # all results so far as CSV
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
from liquid import Stage, barostat, series, simulate, thermostat

from mdstudy.analysis.glass import glass_transition
from mdstudy.base.provenance import record, write_text
from mdstudy.base.statistics import mean_and_error
from mdstudy.exchange.export import export
from mdstudy.polymer.build import build

#: Temperatures, K, from the melt down.
HOLDS = tuple(range(600, 199, -25))
#: Share of each that is left out, because the box follows its temperature.
SETTLES = 0.25
#: Independent samples from which a mean density counts as known.
ENOUGH = 50
DT = 0.003  # ps
COLUMNS = (
    "run", "system", "variant", "atoms", "force_field_sha256", "commit", "gromacs", "hold_ps", "quantity", "of",
    "temperature_K", "value", "error", "unit", "converged", "note",
)  # fmt: skip


def stages(hold: float) -> list[Stage]:
    """From the packed or polymerised box to the coldest temperature (times in ps)."""
    hot = float(HOLDS[0])
    new = f"gen-vel = yes\ngen-temp = {hot}\ncontinuation = no\n"
    return [
        Stage("1-minimise", 1.0, 0.002, "integrator = steep\nemtol = 100\n"),
        Stage("2-heat", 10.0, 0.001, thermostat(hot) + new),
        Stage("3-compress", 40.0, 0.002, thermostat(hot) + barostat(3000.0)),
        Stage("4-anneal", 50.0, DT, thermostat(hot) + barostat(1.0)),
        *(Stage(f"hold-{t}", hold, DT, thermostat(float(t)) + barostat(1.0)) for t in HOLDS),
    ]


def density(folder: Path, name: str) -> tuple[float, float, float]:
    """Mean density of a stage without its beginning, g/cm^3, its standard error and the number of samples."""
    values = series(folder, name, "Density")
    mean, error, samples = mean_and_error(values[round(SETTLES * len(values)) :])
    return mean / 1000, error / 1000, samples


def evaluate(folder: Path, hold: float) -> dict[str, Any]:
    """What a finished run says, with what made it."""
    found = [density(folder, f"hold-{t}") for t in HOLDS]
    values, errors = (np.array([row[k] for row in found]) for k in (0, 1))
    rate = (HOLDS[0] - HOLDS[-1]) / (hold * (len(HOLDS) - 1))
    measured = glass_transition(np.array(HOLDS, dtype=float), values, errors, rate)
    history = folder / "polymerisation.json"
    return {
        "spec": json.loads((folder / "spec.json").read_text()),
        "conversion": json.loads(history.read_text())["conversion"] if history.is_file() else None,
        "hold_ps": hold,
        "density": [[float(t), *row] for t, row in zip(HOLDS, found, strict=True)],
        "estimates": [asdict(estimate) for estimate in measured.estimates],
        "gromacs": re.findall(r"GROMACS:.*version ([\w.-]+)", (folder / f"hold-{HOLDS[-1]}.log").read_text())[:1],
        "provenance": record([folder / "spec.json"]),
    }


def table(folder: Path) -> str:
    """All results below a folder, a line each, as CSV."""
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for path in sorted(folder.rglob("result.json")):
        found = json.loads(path.read_text())
        spec, composition = found["spec"], found["spec"]["composition"]
        head = {
            "run": path.parent.name,
            "system": spec["system"],
            "variant": composition["variant"],
            "atoms": composition["atoms"],
            "force_field_sha256": spec["force_field_sha256"][:12],
            "commit": found["provenance"]["commit"],
            "gromacs": "".join(found["gromacs"]),
            "hold_ps": found["hold_ps"],
        }
        made = "" if found["conversion"] is None else f"conversion {found['conversion']:.3f}"
        for kelvin, value, error, samples in found["density"]:
            row = {"quantity": "density", "of": "box", "temperature_K": kelvin, "unit": "g/cm^3", "note": made}
            row |= {"value": f"{value:.4f}", "error": f"{error:.4f}", "converged": samples >= ENOUGH}
            writer.writerow(head | row)
        for one in found["estimates"]:
            row = {key: one[key] for key in ("quantity", "of", "unit", "converged", "note")}
            writer.writerow(head | row | {"value": f"{one['value']:.4g}", "error": f"{one['error']:.2g}"})
    return out.getvalue()


def main() -> None:
    """Words typed to files."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("system", nargs="?", help="system to cool; none with --table")
    ask.add_argument("--variant")
    ask.add_argument("--atoms", type=int, default=2000)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--hold", type=float, default=30.0, help="ps at each temperature")
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--table", type=Path, help="print the results below a folder")
    ask.add_argument("-o", "--output", type=Path, default=Path("runs/cooling"))
    asked = ask.parse_args()
    if asked.table:
        print(table(asked.table), end="")  # noqa: T201
        return
    if not asked.system:
        ask.error("say which system")
    variant = "" if asked.variant is None else f"-{asked.variant}"
    folder = asked.output / f"{asked.system}{variant}-s{asked.seed}-{asked.hold:g}ps"
    if not folder.exists():
        build(asked.system, folder, variant=asked.variant, atoms=asked.atoms, seed=asked.seed)
    if not (folder / "export" / "gromacs").exists():
        export(folder, "gromacs")
    simulate(folder, stages(asked.hold), asked.threads)
    found = evaluate(folder, asked.hold)
    write_text(folder / "result.json", json.dumps(found, indent=1) + "\n")
    glass = found["estimates"][0]
    print(f"{folder.name}: {glass['value']:.0f} ± {glass['error']:.0f} K; {glass['note']}")  # noqa: T201


if __name__ == "__main__":
    main()
