"""Numbers and compositions as rows of text, for a terminal and for a report alike."""

from __future__ import annotations

import math
from collections.abc import Iterable

from mdstudy.base.convergence import duration, percent
from mdstudy.base.results import Estimate
from mdstudy.study.compare import Comparison, Row
from mdstudy.study.differences import CONFIDENCE, Difference
from mdstudy.study.measured import MeasuredValue
from mdstudy.system.composition import Composition

Table = tuple[list[str], list[list[str]]]

#: Quantities that open a report, in this order; the others follow in a table of their own.
SUMMARY = (
    "density",
    "enthalpy_of_vaporisation",
    "first_peak_distance",
    "coordination_number",
    "coordinating_molecules",
    "anion_speciation",
    "residence_time",
    "self_diffusion",
    "conductivity_nernst_einstein",
    "ionic_conductivity",
    "haven_ratio",
    "transference_number_apparent",
    "transference_number_blocked",
    "conversion",
    "gel_fraction",
    "mesh_size",
    "glass_transition_temperature",
)
#: Of these only what surrounds the ion.
SUMMARY_OF = {
    "first_peak_distance": ("Li-FSI.O",),
    "coordination_number": ("Li-FSI.O", "Li-TTE.O", "Li-PMMA.O_carbonyl", "Li-PEGDMA.O_ether"),
}


def shown(value: float, error: float, unit: str = "", measured: bool = False) -> str:
    """A number as a person reads it: digits as far as the error allows, the error, the unit.

    Parameters
    ----------
    value, error : float
        An error that is NaN is "not known" (of a measured value: "not given").
    unit : str
        Left out where it is "1".
    measured : bool
        Whether a person measured it.
    """
    suffix = "" if unit in ("", "1") else f" {unit}"
    if math.isnan(value):
        return "not found"
    if math.isnan(error):
        return f"{value:.4g} ± {'not given' if measured else 'not known'}{suffix}"
    if error == 0 or value == 0:
        return f"{value:.4g} ± {error:.2g}{suffix}"
    power = math.floor(math.log10(max(abs(value), error)))
    if -3 <= power < 5:
        digits = max(0, 1 - math.floor(math.log10(error)))
        return f"{value:.{digits}f} ± {error:.{digits}f}{suffix}"
    digits = max(0, power + 1 - math.floor(math.log10(error)))
    scale = 10.0**power
    return f"({value / scale:.{digits}f} ± {error / scale:.{digits}f})e{power:+d}{suffix}"


def estimate_text(estimate: Estimate | None) -> str:
    """Value (or bound), error and unit of an estimate, and whether it is not converged or needs a longer run."""
    if estimate is None:
        return "–"
    text, verdict = shown(estimate.value, estimate.error, estimate.unit), estimate.convergence()
    if estimate.lower_bound and not math.isnan(estimate.value):
        text = f"> {estimate.value:.3g}{'' if estimate.unit == '1' else f' {estimate.unit}'}"
    doubts = [] if estimate.converged or math.isnan(estimate.value) else ["not converged"]
    if verdict.more > 0:
        least = "" if estimate.converged else "at least "
        doubts.append(f"{least}{duration(verdict.more)} more for {percent(verdict.target)}")
    return f"{text} ({', '.join(doubts)})" if doubts else text


def measured_text(value: MeasuredValue | None) -> str:
    """A measured value with its uncertainty; a star where nobody has read it at its source."""
    if value is None:
        return "–"
    error = math.nan if value.uncertainty is None else value.uncertainty
    return shown(value.value, error, value.unit, measured=True) + ("" if value.read_at_source else " *")


def estimate_table(estimates: Iterable[Estimate]) -> Table:
    """Header and rows of all estimates of one run."""
    rows = [[e.quantity.replace("_", " "), e.of, estimate_text(e), *_evidence(e), e.note] for e in estimates]
    return ["quantity", "of", "value ± standard error", *EVIDENCE, "note"], rows


def measured_table(comparison: Comparison) -> Table:
    """Header and rows: each simulated number that has a measured one beside it, and every density."""
    rows = [
        [
            case.label,
            row.quantity.replace("_", " "),
            row.of,
            estimate_text(e),
            measured_text(m),
            "–" if m is None or not m.value else f"{100 * (e.value / m.value - 1):+.1f} %",
            _z_text(z, m),
            "–" if m is None else m.source,
        ]
        for row in comparison.rows
        for case, e, m, z in zip(comparison.cases, row.simulated, row.measured, row.z, strict=True)
        if e is not None and (m is not None or row.quantity == "density")
    ]
    return ["case", "quantity", "of", "simulated", "measured", "off by", "z", "source"], rows


def convergence_table(comparison: Comparison, summary: bool = True) -> Table:
    """Header and rows: how well each number is known, and how much longer its run must be.

    Parameters
    ----------
    comparison : Comparison
    summary : bool
        Only what opens a report (:data:`SUMMARY`), or everything.
    """
    rows = [
        [case.label, e.quantity.replace("_", " "), e.of, *_evidence(e), e.convergence().text]
        for row in summary_rows(comparison, summary)
        for case, e in zip(comparison.cases, row.simulated, strict=True)
        if e is not None
    ]
    return ["case", "quantity", "of", *EVIDENCE, "verdict"], rows


#: What :func:`_evidence` says.
EVIDENCE = ("independent samples", "one in", "halves differ by")


def _evidence(estimate: Estimate) -> tuple[str, str, str]:
    """Number of independent samples, the statistical inefficiency as a time, drift in standard errors."""
    samples, time, drift = estimate.n_independent, estimate.inefficiency, estimate.drift
    return (
        "–" if math.isnan(samples) else f"{samples:.0f}",
        "–" if math.isnan(time) else duration(time),
        "–" if math.isnan(drift) else f"{drift:+.1f}",
    )


def difference_table(comparison: Comparison, summary: bool = True) -> Table:
    """Header and rows: what changes from case to case, with intervals.

    Parameters
    ----------
    comparison : Comparison
    summary : bool
        Only what opens a report (:data:`SUMMARY`), or everything.
    """
    labels = [case.label for case in comparison.cases]
    several = len(comparison.pairs) > 1
    rows = [
        [
            *([f"{labels[i]} less {labels[j]}"] if several else []),
            row.quantity.replace("_", " "),
            row.of,
            shown(d.value, d.error, d.unit),
            _interval(d.low, d.high),
            d.student,
            "–" if math.isnan(d.z) else f"{d.z:+.1f}",
            "–" if math.isnan(d.ratio) else f"{d.ratio:.3g}",
            _interval(d.ratio_low, d.ratio_high),
            d.verdict,
        ]
        for row in summary_rows(comparison, summary)
        for (i, j), d in zip(comparison.pairs, row.differences, strict=True)
        if d is not None
    ]
    between = ["cases"] if several else []
    what = "difference" if several else " less ".join(labels[k] for pair in comparison.pairs for k in pair)
    share = f"{CONFIDENCE:.0%} interval"
    return [*between, "quantity", "of", what, share, "Student factor", "z", "ratio", share, "verdict"], rows


def _interval(low: float, high: float) -> str:
    return "–" if math.isnan(low) else f"{low:.3g} to {high:.3g}"


def composition_rows(composition: Composition) -> list[tuple[str, str]]:
    """Label and value of all that a composition says."""
    rows = [
        ("atoms", f"{composition.atoms}"),
        ("molecules", ", ".join(f"{n} {name}" for name, n in composition.molecules.items())),
        ("mole fraction", _shares(composition.mole_fractions)),
        ("mass fraction", _shares(composition.mass_fractions)),
        ("volume fraction", _shares(composition.volume_fractions)),
    ]
    for salt, value in composition.molarity.items():
        target = composition.molarity_target.get(salt)
        error = "" if target is None else f" (asked for {target:g}; rounding {100 * (value / target - 1):+.2f} %)"
        rows.append((f"molarity of {salt}", f"{value:.4f} mol/L of the {composition.molarity_basis}{error}"))
    rows += [
        ("mass", f"{composition.mass:.1f} g per mol of boxes"),
        ("estimated density", f"{composition.density:.4f} g/cm^3 (additive volumes)"),
        ("box edge", f"{composition.edge:.3f} nm"),
        ("charge", f"{composition.charge:+d} e"),
    ]
    if composition.chain_length:
        spread = "" if composition.dispersity == 1 else f" on average, dispersity {composition.dispersity:g}"
        rows.append(("polymer", f"{composition.tacticity}, {composition.chain_length} units a chain{spread}"))
    return rows


def _shares(fractions: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.4f}" for name, share in fractions.items())


def comparison_table(comparison: Comparison, summary: bool = True) -> Table:
    """Header and rows: simulated, measured, how far both are apart, ratios.

    Parameters
    ----------
    comparison : Comparison
    summary : bool
        Only what opens a report (:data:`SUMMARY`), or everything.
    """
    labels = [case.label for case in comparison.cases]
    header = ["quantity", "of", *labels, "measured", "z"]
    for i, j in comparison.pairs:
        header += [f"{labels[i]} / {labels[j]}", "measured ratio"]
    return header, [_cells(row, comparison) for row in summary_rows(comparison, summary)]


def summary_rows(comparison: Comparison, summary: bool) -> list[Row]:
    """Rows of a comparison: what opens a report, in its order, or everything."""
    if not summary:
        return list(comparison.rows)
    return [
        row
        for name in SUMMARY
        for row in comparison.rows
        if row.quantity == name and row.of in SUMMARY_OF.get(name, (row.of,))
    ]


def _cells(row: Row, comparison: Comparison) -> list[str]:
    measured = [measured_text(value) for value in row.measured]
    z = [_z_text(value, beside) for value, beside in zip(row.z, row.measured, strict=True)]
    cells = [row.quantity.replace("_", " "), row.of, *(estimate_text(e) for e in row.simulated)]
    cells.append("; ".join(dict.fromkeys(measured)) if len(set(measured)) == 1 else "; ".join(measured))
    cells.append("; ".join(dict.fromkeys(z)) if len(set(z)) == 1 else "; ".join(z))
    for k in range(len(comparison.pairs)):
        found = row.differences[k]
        cells.append("–" if found is None or math.isnan(found.ratio) else _ratio_text(found))
        cells.append("–" if math.isnan(row.measured_ratios[k]) else f"{row.measured_ratios[k]:.2f}")
    return cells


def _z_text(z: float, beside: MeasuredValue | None) -> str:
    if math.isnan(z):
        return "–"
    return f"{z:+.1f}" if beside is None or beside.uncertainty is not None else f"{z:+.1f}†"


def _ratio_text(found: Difference) -> str:
    doubt = "" if found.converged else " (not converged)"
    interval = "" if math.isnan(found.ratio_low) else f" ({_interval(found.ratio_low, found.ratio_high)})"
    return f"{found.ratio:.3g}{interval}{doubt}"
