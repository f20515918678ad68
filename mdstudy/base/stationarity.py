"""How strongly a time series is correlated, and where it has become stationary: automated equilibration detection.

Of all origins t0 the one is taken that leaves most independent samples, N(t0) = (T - t0) / g(t0), with the statistical
inefficiency g of what is left: samples of the approach to equilibrium are correlated over its whole length and lower N
(Chodera, J. Chem. Theory Comput. 12, 1799 (2016), doi 10.1021/acs.jctc.5b00784).

The method always names an origin. Whether the series is stationary from there on is judged by two demands: at least
:data:`MIN_INDEPENDENT` independent samples, and an origin in the first half, so that the second half, over which a
volume is averaged for the stages that follow, is equilibrated. A series that still drifts fails one of them: as a
whole it is correlated over its own length, and what is not lies late. Relaxation slower than the series cannot be seen
by this or any test of the series.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

#: Independent samples after the origin that a stationary series must have.
MIN_INDEPENDENT = 20.0
#: Share of the series within which the origin must lie.
LATEST_ORIGIN = 0.5
_ORIGINS = 100  # tried, evenly spread over the series


@dataclass(frozen=True)
class Equilibration:
    """Where a series of `samples` values equilibrates.

    Attributes
    ----------
    samples : int
        Length of the series.
    origin : int
        First sample of the equilibrated part.
    inefficiency : float
        Samples of that part that are worth one independent one, at least 1.
    """

    samples: int
    origin: int
    inefficiency: float

    @property
    def independent(self) -> float:
        """Number of independent samples in the equilibrated part."""
        return (self.samples - self.origin) / self.inefficiency

    @property
    def stationary(self) -> bool:
        """Whether enough independent samples start early enough."""
        return self.independent >= MIN_INDEPENDENT and self.origin <= LATEST_ORIGIN * self.samples


def autocovariance(values: NDArray[np.float64]) -> NDArray[np.float64]:
    """Autocovariance at all lags by FFT, normalised by the number of pairs of each lag.

    Parameters
    ----------
    values : (n,) float array

    Returns
    -------
    (n,) float array
    """
    n = len(values)
    size = 1 << (2 * n - 1).bit_length()
    spectrum = np.fft.rfft(values - values.mean(), n=size)
    return np.asarray(np.fft.irfft(np.abs(spectrum) ** 2, n=size)[:n] / np.arange(n, 0, -1))


def statistical_inefficiency(values: NDArray[np.float64]) -> float:
    """Number of consecutive samples that are worth one independent sample, at least 1.

    g = 1 + 2 sum_t (1 - t/n) C(t)/C(0), summed to the first lag at which C is not positive (Chodera et al., J. Chem.
    Theory Comput. 3, 26 (2007), doi 10.1021/ct0502864). Correlations longer than the series cannot be seen: g is then
    too small.

    Parameters
    ----------
    values : (n,) float array
        A stationary series.
    """
    n = len(values)
    covariance = autocovariance(values)
    if n < 3 or covariance[0] <= 1e-24 * max(1.0, float(np.abs(values).max()) ** 2):
        return 1.0
    correlation = covariance / covariance[0]
    negative = np.flatnonzero(correlation[1:] <= 0)
    end = 1 + int(negative[0]) if len(negative) else n
    lags = np.arange(1, end)
    return max(1.0, float(1 + 2 * np.sum((1 - lags / n) * correlation[1:end])))


def equilibration(values: NDArray[np.float64]) -> Equilibration:
    """Detect where a series equilibrates.

    Parameters
    ----------
    values : (n,) float array
        Evenly spaced in time, n > 0.
    """
    n = len(values)
    origins = np.unique(np.linspace(0, n, _ORIGINS, endpoint=False, dtype=int))
    found = [Equilibration(n, int(origin), statistical_inefficiency(values[origin:])) for origin in origins]
    return max(found, key=lambda e: e.independent)


def judge(series: Mapping[str, Sequence[float]], interval: float) -> dict[str, Any]:
    """Verdict over several series of the same samples, as it is recorded.

    Parameters
    ----------
    series : mapping of str to (n,) floats
    interval : float
        Time between samples, ps.

    Returns
    -------
    dict
        ``"stationary"``: whether all are; ``"time_ps"``: after how long; and for each series why.
    """
    found = {name: equilibration(np.array(values)) for name, values in series.items()}
    return {
        "stationary": all(one.stationary for one in found.values()),
        "time_ps": round(max(one.samples for one in found.values()) * interval, 9),
        **{
            name: {
                "equilibrated_after_ps": round(one.origin * interval, 9),
                "inefficiency_ps": round(one.inefficiency * interval, 6),
                "independent_samples": round(one.independent, 1),
            }
            for name, one in found.items()
        },
    }
