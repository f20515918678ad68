"""Facts about a number as text and as HTML."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

from mdstudy.base.drawing import Panel, picture, to_svg

if TYPE_CHECKING:
    from mdstudy.base.drawing import Figure

_WIDTH, _INDENT = 114, 27


@dataclass(frozen=True)
class Explanation:
    """Why a number is what it is: printed as text, shown by a notebook as a table with the plot behind it.

    Attributes
    ----------
    title : str
    facts : tuple of (str, str)
        What is told, and it.
    panels : tuple of Panel
        What it was read off.
    """

    title: str
    facts: tuple[tuple[str, str], ...]
    panels: tuple[Panel, ...] = ()

    def __str__(self) -> str:
        lines = [self.title]
        for name, text in self.facts:
            for k, paragraph in enumerate(text.split("\n\n")):
                head = f"  {name}" if k == 0 else ""
                wrapped = textwrap.wrap(" ".join(paragraph.split()), _WIDTH - _INDENT) or [""]
                lines += [f"{head if n == 0 else '':<{_INDENT}}{line}" for n, line in enumerate(wrapped)]
        return "\n".join(lines)

    __repr__ = __str__

    def _repr_html_(self) -> str:
        rows = [(name, "<br><br>".join(escape(p) for p in text.split("\n\n"))) for name, text in self.facts]
        return html(self.title, rows, self.panels)

    def figure(self) -> Figure | None:
        """The plot behind it, or None."""
        return picture(self.panels) if self.panels else None


def html(title: str, rows: Sequence[Sequence[str]], panels: Sequence[Panel] = ()) -> str:
    """A title, rows of cells that are HTML already, and the panels below."""
    body = "".join(
        "<tr>" + "".join(f'<td style="text-align:left;vertical-align:top">{cell}</td>' for cell in row) + "</tr>"
        for row in rows
    )
    drawn = to_svg(picture(panels)) if panels else ""
    return f"<p><b>{escape(title)}</b></p><table>{body}</table>{drawn}"
