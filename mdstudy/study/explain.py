"""Why a number of an analysed run is what it is, and the plot behind it."""

from __future__ import annotations

from pathlib import Path

from mdstudy.base.drawing import picture, save
from mdstudy.base.errors import MdstudyError, did_you_mean
from mdstudy.base.explanation import Explanation
from mdstudy.base.results import Curve, Estimate, panels
from mdstudy.base.store import load
from mdstudy.run.rundir import RunDir
from mdstudy.study.analyse import require_analysed


def explain(
    directory: str | Path, quantity: str, of: str | None = None, plot: str | Path | None = None
) -> list[Explanation]:
    """Explain estimates, or curves where no estimate has the name, of an analysed run.

    Parameters
    ----------
    directory : str or Path
    quantity : str
        With underscores or spaces.
    of : str, optional
        Of what; all if absent.
    plot : str or Path, optional
        File to draw what is behind them to: .svg, .pdf or .png.

    Raises
    ------
    MdstudyError
        Not analysed, no such quantity, nothing to draw, or no such kind of picture.
    """
    run = RunDir(Path(directory))
    require_analysed(run)
    estimates, curves = load(run.measure)
    name = quantity.strip().replace(" ", "_")
    items: list[Estimate | Curve] = [e for e in estimates if e.quantity == name]
    items = items or [c for c in curves if c.quantity == name]
    if not items:
        known = {e.quantity for e in estimates} | {c.quantity for c in curves}
        raise MdstudyError(f'{directory}: no "{quantity}" among its results.{did_you_mean(name, known)}')
    chosen = [item for item in items if of in (None, item.of)]
    if not chosen:
        raise MdstudyError(f'{directory}: no {name} of "{of}".{did_you_mean(str(of), (i.of for i in items))}')
    found = [item.why() for item in chosen]
    if plot is not None:
        behind = [c for item in chosen for c in ([item] if isinstance(item, Curve) else item.behind)]
        if not behind:
            raise MdstudyError(f"{name}: there is no curve behind it to draw")
        save(picture(panels(list({id(curve): curve for curve in behind}.values()))), Path(plot))
    return found
