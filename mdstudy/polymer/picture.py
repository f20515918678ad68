"""A network as it is drawn: units and what joins them, seen along an axis of the box."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from mdstudy.base.drawing import COLOURS
from mdstudy.polymer.network import Network

if TYPE_CHECKING:
    from mdstudy.base.drawing import Axes, Figure

#: Kinds of edges with their colours: what a strain stretches is dark.
KINDS = (
    ("chain", "#A9C9E0", 0.8),
    ("stretched chain", COLOURS[0], 1.6),
    ("crosslinker", "#EBB891", 0.8),
    ("stretched crosslinker", COLOURS[1], 1.6),
)


def sketch(network: Network) -> dict[str, Any]:
    """What is drawn of a network, as plain data for JSON.

    Returns
    -------
    dict
        ``box`` (3, 3) and ``units`` (n_units, 3), wrapped into the box, in nm; ``edges``, rows of two units, the
        vector from the first to the second (nm) and an index of :data:`KINDS`; ``junctions`` and ``unreacted``, units.
    """
    units, active = network.units, network.active
    edges, n_chain = units.edges, len(units.chain)
    drawn = units.reacted[edges.i] & units.reacted[edges.j]
    kind = 2 * (np.arange(len(edges)) >= n_chain) + active.edge
    vectors = edges.vectors(units.positions, units.box)
    inside = (units.positions @ np.linalg.inv(units.box)) % 1.0 @ units.box
    return {
        "box": units.box.round(4).tolist(),
        "units": inside.round(3).tolist(),
        "edges": [
            [int(i), int(j), *v.round(3).tolist(), int(k)]
            for i, j, v, k in zip(edges.i[drawn], edges.j[drawn], vectors[drawn], kind[drawn], strict=True)
        ],
        "junctions": np.flatnonzero(active.junction).tolist(),
        "unreacted": np.flatnonzero(~units.reacted).tolist(),
    }


def draw(sketched: Mapping[str, Any], ax: Axes) -> None:
    """Draw a sketch on axes, projected along the third vector of its box.

    An edge across a wall is drawn from both its ends, and cut off at the walls.
    """
    box, places = np.array(sketched["box"]), np.array(sketched["units"]).reshape(-1, 3)
    for number, (label, colour, width) in enumerate(KINDS):
        rows = np.array([row for row in sketched["edges"] if row[5] == number], dtype=float).reshape(-1, 6)
        if not len(rows):
            continue
        start, end = places[rows[:, 0].astype(int)], places[rows[:, 1].astype(int)]
        segments = np.concatenate([[start, start + rows[:, 2:5]], [end - rows[:, 2:5], end]], axis=1)
        x, y = (np.insert(segments[:, :, k], 2, np.nan, axis=0).T.ravel() for k in (0, 1))
        ax.plot(x, y, color=colour, lw=width, label=label, zorder=1 + number % 2, solid_capstyle="round")
    for name, marker, colour in (("junctions", "o", COLOURS[6]), ("unreacted", "x", COLOURS[7])):
        chosen = places[sketched[name]]
        if len(chosen):
            ax.scatter(chosen[:, 0], chosen[:, 1], s=9, marker=marker, c=colour, lw=0.8, label=name, zorder=3)
    ax.set(xlim=(0, box[0, 0]), ylim=(0, box[1, 1]), xlabel="x / nm", ylabel="y / nm", aspect="equal")


def picture(sketches: Mapping[str, Mapping[str, Any]]) -> Figure:
    """Draw sketches beside each other.

    Parameters
    ----------
    sketches : mapping of str to sketch
        By their titles; at least one.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(4.2 * len(sketches), 4.4), layout="constrained")
    panels = figure.subplots(1, len(sketches), squeeze=False)[0]
    for panel, (title, sketched) in zip(panels, sketches.items(), strict=True):
        draw(sketched, panel)
        panel.set_title(title)
        for side in ("top", "right"):
            panel.spines[side].set_visible(True)
    handles = {label: h for p in panels for h, label in zip(*p.get_legend_handles_labels(), strict=True)}
    figure.legend(handles.values(), handles.keys(), loc="outside lower center", ncols=3, frameon=False, fontsize=8)
    return figure
