"""Numbers and compositions as rows of text, for a terminal and for a report alike."""

from __future__ import annotations

import math
from collections.abc import Iterable

from mdstudy.base.results import Estimate
from mdstudy.study.compare import Comparison, Row
from mdstudy.study.measured import MeasuredValue
from mdstudy.system.composition import Composition

Table = tuple[list[str], list[list[str]]]

#: Quantities that open a report, in this order; the others follow in a table of their own.
SUMMARY = (
    "density",
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
)
#: Of these only what surrounds the ion.
SUMMARY_OF = {
    "first_peak_distance": ("Li-FSI.O",),
    "coordination_number": ("Li-FSI.O", "Li-PMMA.O_carbonyl"),
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
    """Value, error and unit of an estimate, and whether it is not converged."""
    if estimate is None:
        return "–"
    text = shown(estimate.value, estimate.error, estimate.unit)
    return text if estimate.converged or math.isnan(estimate.value) else f"{text} (not converged)"


def measured_text(value: MeasuredValue | None) -> str:
    """A measured value with its uncertainty; a star where nobody has read it at its source."""
    if value is None:
        return "–"
    error = math.nan if value.uncertainty is None else value.uncertainty
    return shown(value.value, error, value.unit, measured=True) + ("" if value.read_at_source else " *")


def estimate_table(estimates: Iterable[Estimate]) -> Table:
    """Header and rows of all estimates of one run."""
    rows = [[e.quantity.replace("_", " "), e.of, estimate_text(e), e.note] for e in estimates]
    return ["quantity", "of", "value ± standard error", "note"], rows


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
        rows.append(("polymer", f"{composition.tacticity}, {composition.chain_length} units a chain"))
    return rows


def _shares(fractions: dict[str, float]) -> str:
    return ", ".join(f"{name} {share:.4f}" for name, share in fractions.items())


def comparison_table(comparison: Comparison, summary: bool = True) -> Table:
    """Header and rows: simulated, measured, difference, ratios.

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
    return header, [_cells(row, comparison) for row in _rows(comparison, summary)]


def _rows(comparison: Comparison, summary: bool) -> list[Row]:
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
    z = ["–" if math.isnan(value) else f"{value:+.1f}" for value in row.z]
    cells = [row.quantity.replace("_", " "), row.of, *(estimate_text(e) for e in row.simulated)]
    cells.append("; ".join(dict.fromkeys(measured)) if len(set(measured)) == 1 else "; ".join(measured))
    cells.append("; ".join(dict.fromkeys(z)) if len(set(z)) == 1 else "; ".join(z))
    for k in range(len(comparison.pairs)):
        cells.append(estimate_text(row.ratios[k]))
        cells.append("–" if math.isnan(row.measured_ratios[k]) else f"{row.measured_ratios[k]:.2f}")
    return cells
