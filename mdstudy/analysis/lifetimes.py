"""How long contacts last: states with two boundaries, residence times where contacts outlive the run, correlations.

A residence time is the time that contacts were observed over the number of them that were seen to end. That is the
maximum-likelihood estimate for first-order loss, needs no fit, and is the mean lifetime for any law of loss in a
stationary liquid; contacts that were there before the run or outlive it enter with the time for which they were seen,
so that neither biases it (Impey, Madden and McDonald, J. Phys. Chem. 87, 5071 (1983), doi 10.1021/j150643a008, for the
definition; Kalbfleisch and Prentice, The Statistical Analysis of Failure Time Data, doi 10.1002/9781118032985, section
3.3, for the likelihood). A contact ends when a molecule has got beyond an outer boundary, and begins within an inner
one: the stable-states picture, in which crossings of the top of the barrier back and forth do not count (Laage and
Hynes, J. Phys. Chem. B 112, 7697 (2008), doi 10.1021/jp802033r).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from mdstudy.base.statistics import jackknife

#: Probability with which a bound holds.
CONFIDENCE = 0.95
#: Correlation functions go up to this share of the run, at this many lags.
LONGEST = 0.5
LAGS = 60


def bound_states(inner: NDArray[np.bool_], outer: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Bound from the first frame within the inner boundary to the last within the outer one.

    Parameters
    ----------
    inner, outer : (n_frames, n_pairs) bool arrays
        Whether a pair is within the boundary; what is within the inner one is within the outer one.

    Returns
    -------
    (n_frames, n_pairs) bool array
    """
    state = np.empty_like(inner)
    now = np.zeros(inner.shape[1], dtype=bool)
    for frame in range(len(inner)):
        now = inner[frame] | (now & outer[frame])
        state[frame] = now
    return state


@dataclass(frozen=True)
class Residence:
    """A residence time in units of the time between frames, or a bound where no contact was seen to end.

    Attributes
    ----------
    time, error : float
        Frames; where no contact ended the lower bound at :data:`CONFIDENCE`, and an error that is not known.
    low, high : float
        Interval of :data:`CONFIDENCE` (Garwood, Biometrika 28, 437 (1936), doi 10.1093/biomet/28.3-4.437).
    ended : int
        Contacts that were seen to end.
    """

    time: float
    error: float
    low: float
    high: float
    ended: int

    @property
    def bounded(self) -> bool:
        """Whether the time is a lower bound only."""
        return self.ended == 0


def losses(state: NDArray[np.bool_]) -> tuple[int, int]:
    """Frames from which contacts could be followed to the next one, and how often they were gone there.

    Parameters
    ----------
    state : (n_frames, n_pairs) bool array
    """
    return int(state[:-1].sum()), int((state[:-1] & ~state[1:]).sum())


def residence(at_risk: int, ended: int) -> Residence:
    """Residence time from what :func:`losses` counts, taking losses as independent of each other.

    A share p of contacts lost from frame to frame is a time of -1/ln(1 - p) frames; if all are lost, it is 0 with an
    error that is not known.
    """

    def time(losses: float) -> float:
        share = losses / at_risk
        return math.inf if share == 0 else -1 / math.log1p(-share) if share < 1 else 0.0

    tail = (1 - CONFIDENCE) / 2
    if ended == 0:
        low = time(-math.log(1 - CONFIDENCE))
        return Residence(low, math.nan, low, math.inf, 0)
    low = time(stats.chi2.isf(tail, 2 * ended + 2) / 2)
    high = time(stats.chi2.ppf(tail, 2 * ended) / 2)
    return Residence(time(ended), time(ended) / math.sqrt(ended) or math.nan, low, high, ended)


def spaced_lags(n_frames: int) -> NDArray[np.intp]:
    """Lag 0 and lags evenly spaced in their logarithm, up to :data:`LONGEST` of the run, frames."""
    return np.unique(np.r_[0, np.geomspace(1, max(1, LONGEST * n_frames), LAGS).astype(int)])


def survival_sums(state: NDArray[np.bool_], lags: NDArray[np.intp]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Origins at which a pair is bound and stays so for each lag, and origins at which it is bound, of each pair.

    Only origins that leave time for the lag count, in both: contacts that outlive the run do not bias the ratio.

    Parameters
    ----------
    state : (n_frames, n_pairs) bool array
    lags : (n_lags,) int array
        Increasing, frames.

    Returns
    -------
    kept, started : (n_pairs, n_lags) float arrays
    """
    n_pairs = state.shape[1]
    absent = np.zeros((n_pairs, 1), dtype=bool)
    turns = np.diff(np.hstack([absent, state.T, absent]).view(np.int8), axis=1)
    (pair, begin), (_, end) = np.nonzero(turns == 1), np.nonzero(turns == -1)
    kept = np.zeros((n_pairs, len(lags)))
    np.add.at(kept, pair, np.maximum((end - begin)[:, None] - lags, 0))
    return kept, starts(state, lags)


def starts(state: NDArray[np.bool_], lags: NDArray[np.intp]) -> NDArray[np.float64]:
    """Origins that leave time for each lag at which a pair is bound, (n_pairs, n_lags) float array."""
    return np.cumsum(state, axis=0, dtype=np.int32)[len(state) - 1 - lags].T.astype(float)


def intermittent_sums(state: NDArray[np.bool_], lags: NDArray[np.intp]) -> NDArray[np.float64]:
    """Origins at which a pair is bound and is so again after each lag, (n_pairs, n_lags) float array."""
    n_frames = len(state)
    return np.stack([(state[: n_frames - lag] & state[lag:]).sum(axis=0) for lag in lags], axis=1).astype(float)


def ratio_curve(
    over: NDArray[np.float64], under: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Ratio of sums over independent ions at each lag, and its jackknife error.

    Parameters
    ----------
    over, under : (n_ions, n_lags) float arrays
    """

    def reduce(parts: object) -> NDArray[np.float64]:
        chosen = np.asarray(parts)
        total = chosen.sum(axis=0)
        return np.asarray(np.divide(total[0], total[1], out=np.full_like(total[0], np.nan), where=total[1] > 0))

    return jackknife([np.stack(pair) for pair in zip(over, under, strict=True)], reduce)
