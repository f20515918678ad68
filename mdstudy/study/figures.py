"""Drawings of a comparison: one function a figure, matplotlib Figures that a notebook shows and a report embeds."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import matplotlib
import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from numpy.typing import NDArray

from mdstudy.base.drawing import COLOURS, STYLE, Line, Panel, axis_label
from mdstudy.base.results import Curve, Estimate, find
from mdstudy.polymer.picture import picture
from mdstudy.study.compare import Comparison

#: Pairs shown around the ion; the rest is in the tables.
SHOWN = ("Li-FSI.O", "Li-TTE.O", "Li-PMMA.O_carbonyl", "Li-PEGDMA.O_ether", "Li-FSI.F", "Li-TTE.F", "Li-FSI.N")
#: Curves that share a figure, and of what they are shown.
FURTHER = (
    ("potential_of_mean_force", "Li-FSI.O"),
    ("donor_ion_donor_angle", "FSI.O-Li-FSI.O"),
    ("ion_donor_carrier_angle", "Li-FSI.O-FSI.S"),
    ("cluster_size_distribution", "Li-FSI"),
    ("cluster_charge_distribution", "Li-FSI"),
    ("structure_factor_xray", "box"),
    ("structure_factor_neutron", "box"),
    ("contact_survival_function", "Li-FSI"),
    ("contact_correlation", "Li-FSI"),
    ("non_gaussian_parameter", "Li"),
    ("vehicular_correlation", "Li"),
    ("charge_displacement", "box"),
    ("segmental_displacement", "PMMA.O_carbonyl in the box"),
    ("segmental_orientation", "PMMA.O_carbonyl-PMMA.O_ester"),
    ("viscosity_running_integral", "box"),
)


def _curve(curves: Sequence[Curve], quantity: str, of: str) -> Curve | None:
    return next((c for c in curves if c.quantity == quantity and c.of == of), None)


def _grid(n: int, width: float) -> tuple[Figure, NDArray[Any]]:
    """A figure with n panels of this width (inches), three in a row, and its axes."""
    columns = min(3, n)
    rows = math.ceil(n / columns)
    figure = Figure(figsize=(width * columns, 2.4 * rows), layout="constrained")
    axes = figure.subplots(rows, columns, squeeze=False).ravel()
    for ax in axes[n:]:
        ax.set_axis_off()
    return figure, axes[:n]


def distributions(comparison: Comparison) -> Figure | None:
    """g(r) around the ion (lines) and running coordination number (dashed), a panel a pair; None without any."""
    pairs = [
        pair
        for pair in SHOWN
        if any(_curve(case.first.curves, "radial_distribution", pair) is not None for case in comparison.cases)
    ]
    if not pairs:
        return None
    figure, panels = _grid(len(pairs), 3.1)
    for panel, pair in zip(panels, pairs, strict=True):
        twin = panel.twinx()
        twin.spines["right"].set_visible(True)
        for case, colour in zip(comparison.cases, COLOURS, strict=False):
            g = _curve(case.first.curves, "radial_distribution", pair)
            n = _curve(case.first.curves, "running_coordination_number", pair)
            if g is not None and n is not None:
                panel.plot(g.x, g.y, color=colour, lw=1, label=case.label)
                panel.fill_between(g.x, g.y - g.y_error, g.y + g.y_error, color=colour, alpha=0.25, lw=0)
                twin.plot(n.x, n.y, color=colour, lw=0.9, ls="--")
        panel.set(title=pair.replace("-", "–"), xlabel="r / nm", ylabel="g(r)", xlim=(0.1, 0.8), ylim=(0, None))
        twin.set(ylabel="coordination number", ylim=(0, 8))
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def shells(comparison: Comparison) -> Figure | None:
    """Shares of the compositions of the first shell, bars beside each other; None without any."""
    found: dict[str, float] = {}
    for case in comparison.cases:
        for estimate in case.estimates:
            if estimate.quantity == "shell_probability":
                found[estimate.of] = max(found.get(estimate.of, 0.0), estimate.value)
    if not found:
        return None
    names = sorted(found, key=lambda of: -found[of])[:8]
    figure = Figure(figsize=(6.4, 2.8), layout="constrained")
    panel = figure.subplots()
    _bars(panel, comparison, names, lambda estimates, name: find(estimates, "shell_probability", name))
    panel.set_xticks(range(len(names)), [name.partition(": ")[2] for name in names], rotation=20, ha="right")
    panel.set(ylabel="share of Li⁺", title="First solvation shell of Li⁺", ylim=(0, None))
    panel.legend(frameon=False, fontsize=8)
    return figure


def displacements(comparison: Comparison) -> Figure | None:
    """Mean-squared displacement on logarithmic axes, a panel a case, with a line of slope one; None without any."""
    cases = [c for c in comparison.cases if any(v.quantity == "mean_squared_displacement" for v in c.first.curves)]
    if not cases:
        return None
    figure = Figure(figsize=(3.3 * len(cases), 2.8), layout="constrained")
    panels = figure.subplots(1, len(cases), squeeze=False, sharey=True)[0]
    for panel, case in zip(panels, cases, strict=True):
        drawn = [c for c in case.first.curves if c.quantity == "mean_squared_displacement"]
        for curve, colour in zip(drawn, COLOURS, strict=False):
            panel.loglog(curve.x, curve.y, color=colour, lw=1.2, label=curve.of)
            low = np.maximum(curve.y - curve.y_error, curve.y * 1e-3)
            panel.fill_between(curve.x, low, curve.y + curve.y_error, color=colour, alpha=0.25, lw=0)
        x = drawn[0].x
        panel.loglog(x, drawn[0].y[-1] * x / x[-1] * 0.5, color="0.6", lw=0.8, ls=":", label="slope 1")
        panel.set(title=case.label, xlabel="t / ps")
        panel.xaxis.set_minor_formatter(NullFormatter())
    panels[0].set_ylabel("MSD / nm²")
    panels[0].legend(frameon=False, fontsize=8)
    return figure


def surroundings(comparison: Comparison) -> Figure | None:
    """Distinct part of the van Hove function at all times, a row a pair, a column a case; None without any."""
    found = [[c for c in case.first.curves if c.quantity == "van_hove_distinct"] for case in comparison.cases]
    pairs = list(dict.fromkeys(curve.of.partition(" in ")[0] for curves in found for curve in curves))
    if not pairs:
        return None
    shape = len(pairs), len(found)
    figure = Figure(figsize=(3.3 * shape[1], 2.4 * shape[0]), layout="constrained")
    panels = figure.subplots(*shape, squeeze=False, sharex=True, sharey="row")
    for row, pair in zip(panels, pairs, strict=True):
        for panel, case, curves in zip(row, comparison.cases, found, strict=True):
            mine = [curve for curve in curves if curve.of.startswith(f"{pair} in ")]
            for curve, colour in zip(mine, COLOURS, strict=False):
                r, g, error = curve.x, curve.y, curve.y_error
                panel.plot(r, g, color=colour, lw=1, label=curve.of.partition(" in ")[2])
                panel.fill_between(r, g - error, g + error, color=colour, alpha=0.25, lw=0)
            panel.axhline(1, color="0.6", lw=0.6, ls=":")
            panel.set(title=f"{case.label}: {pair.replace('-', '–')}", xlim=(0, None))
            if mine:
                panel.legend(frameon=False, fontsize=7)
        row[0].set(ylabel="$G_d(r, t)/\\rho$", ylim=(0, None))  # of all: the row shares its axis
    for panel in panels[-1]:
        panel.set_xlabel("r / nm")
    return figure


def conductivities(comparison: Comparison) -> Figure | None:
    """Simulated conductivities beside the measured one, with error bars; None without any."""
    rows = [
        (row, label, colour)
        for name, label, colour in (
            ("conductivity_nernst_einstein", "Nernst–Einstein", COLOURS[0]),
            ("ionic_conductivity", "Einstein–Helfand", COLOURS[2]),
        )
        for row in comparison.rows
        if row.quantity == name
    ]
    if not rows:
        return None
    figure = Figure(figsize=(4.6, 2.8), layout="constrained")
    panel = figure.subplots()
    width = 0.8 / (len(rows) + 1)
    for n, (row, label, colour) in enumerate(rows):
        for k, estimate in enumerate(row.simulated):
            if estimate is not None and not math.isnan(estimate.value):
                error = None if math.isnan(estimate.error) else estimate.error
                face = colour if estimate.converged else "none"
                panel.bar(k + (n - 1) * width, estimate.value, width * 0.9, yerr=error, fc=face, ec=colour, capsize=3)
        panel.bar(0, 0, fc=colour, ec=colour, label=label)
    for k, value in enumerate(rows[0][0].measured):
        if value is not None:
            place = k + (len(rows) - 1) * width
            panel.bar(place, value.value, width * 0.9, yerr=value.uncertainty, fc=COLOURS[1], capsize=3)
    panel.bar(0, 0, fc=COLOURS[1], label="measured")
    panel.bar(0, 0, fc="none", ec="0.5", label="not converged")
    panel.set_xticks(range(len(comparison.cases)), [case.label for case in comparison.cases])
    panel.set(ylabel="conductivity / mS cm⁻¹", ylim=(0, None))
    panel.legend(frameon=False, fontsize=8)
    return figure


def further(comparison: Comparison) -> Figure | None:
    """Curves of :data:`FURTHER`, a panel each, a line a case; None without any."""
    panels = []
    for quantity, of in FURTHER:
        found = {case.label: _curve(case.first.curves, quantity, of) for case in comparison.cases}
        lines = tuple(Line(label, c.x, c.y, c.y_error) for label, c in found.items() if c is not None)
        first = next((curve for curve in found.values() if curve is not None), None)
        if first is not None:
            labels = axis_label(first.x_name, first.x_unit), axis_label(quantity, first.y_unit)
            panels.append(Panel(of.replace("-", "–"), *labels, lines))
    if not panels:
        return None
    figure, axes = _grid(len(panels), 3.3)
    for panel, ax in zip(panels, axes, strict=True):
        panel.draw(ax)
    return figure


def networks(comparison: Comparison) -> Figure | None:
    """Networks of the first run of each case, a panel a case; None without any."""
    sketches = {case.label: case.first.network for case in comparison.cases if case.first.network}
    return picture(sketches) if sketches else None


#: Every figure of a report with its caption.
FIGURES: tuple[tuple[Callable[[Comparison], Figure | None], str], ...] = (
    (
        distributions,
        "Radial distribution functions around Li⁺ (solid; band: one standard error), running coordination (dashed).",
    ),
    (shells, "Composition of the first solvation shell of Li⁺; bars: one standard error."),
    (
        displacements,
        "Mean-squared displacement of the centres of mass; bands: one standard error for independent molecules.",
    ),
    (
        surroundings,
        "Density at a later time around where Li⁺ was at time 0, over its mean (distinct part of the van Hove "
        "function); bands: one standard error.",
    ),
    (
        further,
        "Further curves of the first run of each case; bands: one standard error. Those of other pairs and species are "
        "in the JSON file.",
    ),
    (conductivities, "Conductivity with formal charges, and measured. Open bars are not converged."),
    (
        networks,
        "Networks, seen along the third vector of the box: chains and crosslinkers, dark where a strain of the box "
        "stretches them; junctions of stretched strands (dots) and groups that have not reacted (crosses).",
    ),
)


def draw(function: Callable[[Comparison], Figure | None], comparison: Comparison) -> Figure | None:
    """Call a function of :data:`FIGURES` in our style."""
    with matplotlib.rc_context(STYLE):
        return function(comparison)


def _bars(
    panel: object,
    comparison: Comparison,
    names: Sequence[str],
    pick: Callable[[Sequence[Estimate], str], Estimate | None],
) -> None:
    width = 0.8 / len(comparison.cases)
    for k, (case, colour) in enumerate(zip(comparison.cases, COLOURS, strict=False)):
        picked = [pick(case.estimates, name) for name in names]
        values = [e.value if e else 0.0 for e in picked]
        errors = [0.0 if e is None or math.isnan(e.error) else e.error for e in picked]
        places = np.arange(len(names)) + (k - (len(comparison.cases) - 1) / 2) * width
        panel.bar(places, values, width, yerr=errors, color=colour, label=case.label, capsize=2, error_kw={"lw": 0.8})  # type: ignore[attr-defined]
