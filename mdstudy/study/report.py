"""The written result: one self-contained HTML page, and the same numbers as CSV and JSON."""

from __future__ import annotations

import csv
import io
import json
import math
from dataclasses import asdict, fields
from html import escape
from pathlib import Path
from typing import Any

from mdstudy.base.drawing import to_svg
from mdstudy.base.errors import RunError
from mdstudy.study.compare import Comparison, RunResult
from mdstudy.study.differences import CONFIDENCE, Difference
from mdstudy.study.figures import FIGURES, draw
from mdstudy.study.sensitivity import conclusion_table, conclusions, models, sensitivity_table
from mdstudy.study.tables import (
    Table,
    comparison_table,
    composition_rows,
    convergence_table,
    difference_table,
    measured_table,
    measured_text,
)


def to_csv(comparison: Comparison) -> str:
    """Every estimate of every case, a row each, with what was measured."""
    out, records = io.StringIO(), _records(comparison)
    writer = csv.DictWriter(out, list(records[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(records)
    return out.getvalue()


def differences_to_csv(comparison: Comparison) -> str:
    """Every difference between the cases that are compared, a row each."""
    out = io.StringIO()
    columns = ["first", "second", *(f.name for f in fields(Difference)), "z", "verdict"]
    writer = csv.DictWriter(out, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(_differences(comparison))
    return out.getvalue()


def to_json(comparison: Comparison) -> str:
    """Every run with all that it gave, and the comparison as in the tables; what is not known is null."""
    data = {
        "runs": [run.to_dict() for case in comparison.cases for run in case.runs],
        "comparison": _null(_records(comparison)),
        "differences": _null(_differences(comparison)),
    }
    return json.dumps(data, ensure_ascii=False) + "\n"


def read_results(path: str | Path) -> list[RunResult]:
    """Runs of a report's JSON file, to be compared and drawn again without their trajectories.

    Raises
    ------
    RunError
        Not such a file.
    """
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8"))
        return [RunResult.from_dict(run) for run in data["runs"]]
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path}: not the JSON file of a report: {error}") from error


def _records(comparison: Comparison) -> list[dict[str, Any]]:
    records = []
    for row in comparison.rows:
        for case, e, m, z in zip(comparison.cases, row.simulated, row.measured, row.z, strict=True):
            if e is None:
                continue
            known = e.convergence()
            records.append(
                {
                    "case": case.label,
                    "quantity": e.quantity,
                    "of": e.of,
                    "value": e.value,
                    "standard_error": e.error,
                    "unit": e.unit,
                    "lower_bound": e.lower_bound,
                    "converged": e.converged,
                    "n_independent": e.n_independent,
                    "one_in_ps": e.inefficiency,
                    "drift": e.drift,
                    "relative_error": known.relative_error,
                    "target": known.target,
                    "more_ps": known.more,
                    "verdict": known.text,
                    "method": e.method,
                    "note": e.note,
                    "measured": m.value if m else math.nan,
                    "measured_uncertainty": m.uncertainty if m and m.uncertainty is not None else math.nan,
                    "measured_source": m.source if m else "",
                    "z": z,
                }
            )
    return records


def _differences(comparison: Comparison) -> list[dict[str, Any]]:
    return [
        {"first": comparison.cases[i].label, "second": comparison.cases[j].label}
        | asdict(found)
        | {"z": found.z, "verdict": found.verdict}
        for row in comparison.rows
        for (i, j), found in zip(comparison.pairs, row.differences, strict=True)
        if found is not None
    ]


def _null(data: Any) -> Any:
    if isinstance(data, dict):
        return {key: _null(value) for key, value in data.items()}
    if isinstance(data, list):
        return [_null(value) for value in data]
    return None if isinstance(data, float) and not math.isfinite(data) else data


_CSS = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 70em; margin: 2em auto; padding: 0 1em; color: #222 }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em; border-bottom: 1px solid #ccc }
table { border-collapse: collapse; font-size: 0.86em; width: 100% } .wide { overflow-x: auto }
th, td { text-align: left; padding: 0.25em 0.6em; border-bottom: 1px solid #e4e4e4; vertical-align: top }
th { background: #f5f5f5 } .warn { background: #fff3cd; border-left: 4px solid #d39e00; padding: 0.6em 1em }
figure { margin: 1.5em 0 } figcaption { font-size: 0.86em; color: #555 } svg { max-width: 100%; height: auto }
"""


def to_html(comparison: Comparison, title: str, question: str = "") -> str:
    """One page with everything in it: numbers, figures, assumptions and where it all comes from.

    Parameters
    ----------
    comparison : Comparison
    title, question : str
        Of the study.
    """
    parts = [f"<h1>{escape(title)}</h1>"]
    if question:
        parts.append(f"<p><em>{escape(question)}</em></p>")
    parts.append(_verdict(comparison))
    if len(models(comparison)) > 1:
        parts.append("<h2>Sensitivity to force field and charges</h2>" + _sensitivity(comparison))
    if measured_table(comparison)[1]:
        parts.append("<h2>Beside measured values</h2>" + _html_table(measured_table(comparison)))
    parts.append("<h2>Result</h2>" + _html_table(comparison_table(comparison)))
    parts.append(_remarks(comparison))
    if comparison.pairs:
        parts.append("<h2>What changes</h2>" + _html_table(difference_table(comparison)) + _warning(comparison))
    parts.append("<h2>Convergence</h2>" + _html_table(convergence_table(comparison)) + _FORECAST)
    parts.append("<h2>Figures</h2>")
    for function, caption in FIGURES:
        figure = draw(function, comparison)
        if figure is not None:
            parts.append(f"<figure>{to_svg(figure)}<figcaption>{escape(caption)}</figcaption></figure>")
    parts.append("<h2>Systems</h2>" + _systems(comparison))
    parts.append("<h2>All numbers</h2>" + _html_table(comparison_table(comparison, summary=False)))
    parts.append("<h2>Methods and notes</h2>" + _html_table(_methods(comparison)))
    parts.append("<h2>Measured values</h2>" + _html_table(_sources(comparison)))
    parts.append("<h2>Where it comes from</h2>" + _html_table(_provenance(comparison)))
    head = f'<meta charset="utf-8"><title>{escape(title)}</title><style>{_CSS}</style>'
    return f'<!DOCTYPE html>\n<html lang="en"><head>{head}</head><body>\n' + "\n".join(parts) + "\n</body></html>\n"


def _sensitivity(comparison: Comparison) -> str:
    """Which differences survive, and the numbers behind them."""
    tables = [conclusion_table(comparison)] if conclusions(comparison) else []
    return "".join(_html_table(table) for table in [*tables, sensitivity_table(comparison)])


_FORECAST = (
    "<p>Times are of simulation in all replicas together, by the law that errors fall as its square root; where a "
    "criterion of the method is not met they are lower bounds. Halves of a run are compared in standard errors.</p>"
)


def _warning(comparison: Comparison) -> str:
    """How many differences chance alone would show."""
    known = [d for row in comparison.rows for d in row.differences if d is not None and not math.isnan(d.low)]
    return (
        f"<p>Intervals hold the true difference {CONFIDENCE:.0%} of the time, Student's factor included; runs count as "
        f"independent of each other. Of all {len(known)} differences in the CSV about "
        f"{round((1 - CONFIDENCE) * len(known))} would leave zero out by chance alone.</p>"
    )


def _verdict(comparison: Comparison) -> str:
    all_estimates = [e for case in comparison.cases for e in case.estimates if not math.isnan(e.value)]
    open_ones = sum(not e.converged for e in all_estimates)
    notes = dict.fromkeys(run.note for case in comparison.cases for run in case.runs if run.note)
    lines = [escape(note) for note in notes]
    if open_ones:
        lines.append(
            f"{open_ones} of {len(all_estimates)} numbers are not converged. They are printed with what uncertainty is "
            "known, and are no evidence."
        )
    return "".join(f'<p class="warn">{line}</p>' for line in lines)


def _remarks(comparison: Comparison) -> str:
    lines = [
        "± is one standard error; z is simulated less measured in standard errors of both together.",
        "Conductivities use formal ionic charges (±1) unless a row says otherwise.",
    ]
    lines += [f"{row.quantity.replace('_', ' ')}: {row.remark}." for row in comparison.rows if row.remark]
    values = [v for row in comparison.rows for v in row.measured if v is not None]
    lines += [f"{v.quantity.replace('_', ' ')} of {v.system}: {v.note}." for v in values if v.note]
    if any(v.uncertainty is None for v in values):
        lines.append("† no uncertainty was given: z counts the error of the simulation alone and is too large.")
    if any(not v.read_at_source for v in values):
        lines.append("* nobody has read this value at its source.")
    return "<ul>" + "".join(f"<li>{escape(line)}</li>" for line in dict.fromkeys(lines)) + "</ul>"


def _systems(comparison: Comparison) -> str:
    labels = [label for label, _ in composition_rows(comparison.cases[0].first.composition)]
    tables = [dict(composition_rows(case.first.composition)) for case in comparison.cases]
    labels = list(dict.fromkeys(label for table in tables for label in table))
    rows = [[label, *(table.get(label, "–") for table in tables)] for label in labels]
    firsts = [case.first for case in comparison.cases]
    rows.insert(0, ["assumption", *(run.composition.assumption for run in firsts)])
    rows.append(["force field", *(f"{run.force_field}, charges of ions x {run.charge_scale:g}" for run in firsts)])
    rows.append(["temperature", *(f"{run.temperature:g} K" for run in firsts)])
    rows.append(["production", *("; ".join(run.length for run in case.runs) for case in comparison.cases)])
    return _html_table((["", *(case.label for case in comparison.cases)], rows))


def _methods(comparison: Comparison) -> Table:
    rows = [
        [case.label, e.quantity.replace("_", " "), e.of, e.method, e.note]
        for case in comparison.cases
        for e in case.estimates
    ]
    return ["case", "quantity", "of", "method", "note"], rows


def _sources(comparison: Comparison) -> Table:
    values = {id(v): v for row in comparison.rows for v in row.measured if v is not None}.values()
    rows = [
        [
            v.system,
            v.quantity.replace("_", " "),
            measured_text(v),
            v.method,
            v.source,
            "yes" if v.read_at_source else "no",
        ]
        for v in values
    ]
    return ["system", "quantity", "value", "method", "source", "read at the source"], rows


def _provenance(comparison: Comparison) -> Table:
    runs = [run for case in comparison.cases for run in case.runs]
    keys = list(dict.fromkeys(key for run in runs for key in run.provenance))
    return ["run", *keys], [[run.name, *(run.provenance.get(key, "") for key in keys)] for run in runs]


def _html_table(table: Table) -> str:
    header, rows = table
    head = "".join(f"<th>{escape(cell)}</th>" for cell in header)
    body = "".join("<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f'<div class="wide"><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>'
