"""Whether a number is known well enough and, where it is not, how much longer the run must be.

The standard error of an average over a stationary run falls as the square root of its length T, so that a relative
error r becomes the target r0 after T (r/r0)^2. The law needs an error that is right: where a criterion of the method
is not met (neighbours have not exchanged, motion is not diffusive), it gives no more than a lower bound.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

#: Relative standard error that is asked for where a quantity names no other.
TARGET = 0.1


@dataclass(frozen=True)
class Convergence:
    """A verdict.

    Attributes
    ----------
    reached : bool
        Whether the criterion of the method is met and the error within the target.
    relative_error : float
        NaN where not known.
    target : float
        That is asked for.
    more : float
        Further time that the target needs, ps; at least so much where the criterion is not met; NaN where not known.
    text : str
        The verdict in words.
    """

    reached: bool
    relative_error: float
    target: float
    more: float
    text: str


def assess(value: float, error: float, met: bool, length: float, target: float = TARGET) -> Convergence:
    """Judge a number by its error.

    Parameters
    ----------
    value, error : float
    met : bool
        Whether the criterion of the method was met.
    length : float
        Of the run that it comes from, ps; NaN where not known.
    target : float
        Relative standard error that is asked for.
    """
    if math.isnan(value):
        return Convergence(False, math.nan, target, math.nan, "not found")
    relative = error / abs(value) if value else math.nan
    if math.isnan(relative):
        return Convergence(False, math.nan, target, math.nan, "not converged: relative error not known")
    within = relative <= target
    more = 0.0 if within else length * ((relative / target) ** 2 - 1)
    if met and within:
        return Convergence(True, relative, target, 0.0, f"converged: ± {percent(relative)} (target {percent(target)})")
    text = f"± {percent(relative)}" if met else f"not converged: ± {percent(relative)}, a criterion is not met"
    if not within:
        amount = "a longer run" if math.isnan(more) else f"about {duration(more)} more"
        text += f", needs {'' if met else 'at least '}{amount} for {percent(target)}"
    return Convergence(False, relative, target, more, text)


def percent(share: float) -> str:
    """``"3.4 %"``, to two digits."""
    return f"{100 * share:.2g} %" if share < 0.995 else f"{100 * share:.0f} %"


def duration(time: float) -> str:
    """A simulated time (given in ps) with a unit that suits it, to two digits: ``"0.13 ns"``, ``"47 ps"``."""
    for unit, size in (("ms", 1e9), ("µs", 1e6), ("ns", 1e3)):
        if time >= 0.0995 * size:
            shown = time / size
            return f"{shown:.2g} {unit}" if shown < 99.5 else f"{shown:.0f} {unit}"
    return f"{time:.2g} ps"
