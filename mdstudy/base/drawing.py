"""Curves and numbers on axes, in the style of all our figures; matplotlib is loaded when something is drawn."""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.errors import MdstudyError
from mdstudy.base.provenance import write_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes as Axes
    from matplotlib.figure import Figure as Figure

#: Colours that differ also in grey and for the colour-blind (Okabe and Ito, https://jfly.uni-koeln.de/color/).
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000", "#999999")
STYLE: dict[Any, object] = {
    "font.size": 9,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "svg.fonttype": "none",
    "svg.hashsalt": "mdstudy",
}
#: A curve is drawn on logarithmic axes where it spans this factor.
_DECADES = 50.0


@dataclass(frozen=True)
class Line:
    """A function with a band of one standard error (none where it is NaN)."""

    label: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    error: NDArray[np.float64]

    @property
    def logarithmic(self) -> tuple[bool, bool]:
        """Whether abscissa and ordinate want logarithmic axes: a spacing that grows, values over decades."""
        if len(self.x) < 3 or not (self.x > 0).all():
            return False, False
        grows = self.x[-1] - self.x[-2] > 3 * (self.x[1] - self.x[0]) and self.x[-1] > _DECADES * self.x[0]
        known = self.y[np.isfinite(self.y)]
        spans = len(known) > 0 and known.min() > 0 and known.max() > _DECADES * known.min()
        return bool(grows), bool(grows and spans)


@dataclass(frozen=True)
class Panel:
    """Lines, or bars where `bars` is set, that share their axes."""

    title: str
    xlabel: str
    ylabel: str
    lines: tuple[Line, ...] = ()
    bars: tuple[tuple[str, float, float], ...] = ()

    def draw(self, ax: Axes) -> Axes:
        """Draw on axes."""
        for line, colour in zip(self.lines, COLOURS * (1 + len(self.lines) // len(COLOURS)), strict=False):
            ax.plot(line.x, line.y, color=colour, lw=1.2, label=line.label)
            if np.isfinite(line.error).any():
                low, high = line.y - line.error, line.y + line.error
                floor = np.where(line.y > 0, line.y * 1e-3, low) if line.logarithmic[1] else low
                ax.fill_between(line.x, np.maximum(low, floor), high, color=colour, alpha=0.25, lw=0)
        if self.lines:
            across, up = (any(line.logarithmic[k] for line in self.lines) for k in (0, 1))
            ax.set(xscale="log" if across else "linear", yscale="log" if up else "linear")
        if len(self.lines) > 1:
            ax.legend(frameon=False, fontsize=8)
        if self.bars:
            names, values, errors = zip(*self.bars, strict=True)
            spread = [0.0 if math.isnan(error) else error for error in errors]
            ax.barh(range(len(names)), values, xerr=spread, color=COLOURS[0], capsize=2, error_kw={"lw": 0.8})
            ax.set_yticks(range(len(names)), list(names))
            ax.invert_yaxis()
        ax.set(title=self.title, xlabel=self.xlabel, ylabel=self.ylabel)
        return ax


def axis_label(name: str, unit: str) -> str:
    """``"mean squared displacement / nm²"``; without the unit where it is 1."""
    words = name.replace("_", " ")
    return words if unit == "1" else f"{words} / {unit.replace('^2', '²').replace('^3', '³')}"


def show(panels: Sequence[Panel], ax: Axes | None = None) -> Any:
    """Draw panels: on `ax` the first of them, or all in a new figure, which a notebook shows.

    Returns
    -------
    matplotlib Axes, or an array of them
        As of ``pyplot.subplots``: one, or a row.
    """
    if ax is not None:
        return panels[0].draw(ax)
    from matplotlib import pyplot, rc_context

    with rc_context(STYLE):
        _, axes = pyplot.subplots(1, len(panels), figsize=_size(panels), layout="constrained", squeeze=False)
        drawn = [panel.draw(one) for panel, one in zip(panels, axes[0], strict=True)]
    return drawn[0] if len(drawn) == 1 else axes[0]


def picture(panels: Sequence[Panel]) -> Figure:
    """All panels in a figure of their own, apart from those of pyplot."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(STYLE):
        figure = Figure(figsize=_size(panels), layout="constrained")
        for panel, ax in zip(panels, figure.subplots(1, len(panels), squeeze=False)[0], strict=True):
            panel.draw(ax)
    return figure


def to_svg(figure: Figure) -> str:
    """The figure as an SVG element, the same bytes for the same figure."""
    from matplotlib import rc_context

    out = io.StringIO()
    with rc_context(STYLE):
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def save(figure: Figure, file: Path) -> None:
    """Write a figure to a file of the kind that its name ends with, SVG the same bytes for the same figure.

    Raises
    ------
    MdstudyError
        matplotlib writes no such file.
    """
    kinds = figure.canvas.get_supported_filetypes()
    kind = file.suffix.removeprefix(".").lower()
    if kind not in kinds:
        raise MdstudyError(f'{file}: no kind of picture ends in "{file.suffix}"; take .svg, .pdf or .png')
    file.parent.mkdir(parents=True, exist_ok=True)
    if kind == "svg":
        write_text(file, to_svg(figure))
    else:
        figure.savefig(file)


def _size(panels: Sequence[Panel]) -> tuple[float, float]:
    bars = max(len(panel.bars) for panel in panels)
    return 4.2 * len(panels), max(2.8, 0.25 * bars)
