"""When a correlation has fallen to 1/e: the time, or how long it is at least."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.lifetimes import CONFIDENCE
from mdstudy.analysis.mobility import LARGEST_ERROR
from mdstudy.base.results import Estimate

LEVEL = math.exp(-1)


def relaxation_time(
    quantity: str,
    of: str,
    lags: NDArray[np.float64],
    values: NDArray[np.float64],
    errors: NDArray[np.float64],
    method: str,
    between: str = "ions",
) -> Estimate:
    """The 1/e time, or the last lag up to which the correlation is above 1/e with confidence.

    Parameters
    ----------
    quantity, of, method : str
    lags : (n,) float array, ns
        From 0 on.
    values, errors : (n,) float arrays
        Correlation, 1 at lag 0, and its standard error.
    between : str
        What the errors are between.
    """
    below = np.flatnonzero(values <= LEVEL)
    if len(below) == 0:
        sure = values - 1.645 * errors > LEVEL  # one-sided 95 %
        last = len(sure) - 1 if sure.all() else max(int(np.argmin(sure)) - 1, 0)
        note = (
            f"lower bound at {CONFIDENCE:.0%} confidence: the correlation is {values[-1]:.2f} after {lags[-1]:.3g} ns"
        )
        text, least = f"{method}; not fallen to 1/e", float(lags[last])
        return Estimate(quantity, of, least, math.nan, "ns", text, note=note, lower_bound=True)
    k = max(int(below[0]), 1)
    x, y = lags[k - 1 : k + 1], values[k - 1 : k + 1]
    time = float(x[0] + (x[1] - x[0]) * (y[0] - LEVEL) / (y[0] - y[1]))
    steepness = (y[0] - y[1]) / (x[1] - x[0])
    error = float(np.interp(time, lags, errors) / steepness) or math.nan
    notes = []
    if not error <= LARGEST_ERROR * time:
        notes.append(f"standard error above {LARGEST_ERROR:.0%}")
    if k == 1:
        notes.append("shorter than a frame: not resolved")
    text = f"{method}; 1/e time, error between {between}"
    return Estimate(quantity, of, time, error, "ns", text, converged=not notes, note="; ".join(notes))
