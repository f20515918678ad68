"""The spectrum of a fluctuating quantity at zero frequency, which is the time integral of its correlation function.

Of a stationary series x of zero mean, n samples h apart, the power

    P_k = h/(2n) |sum_j x_j exp(-2 pi i jk/n)|^2,    w_k = 2 pi k/(nh),

is, where the series is long against its correlations, the spectrum S(w_k) = integral from 0 of C(t) cos(w_k t) times
a random number of mean one that is exponentially distributed (chi-square of one degree of freedom at k = 0) and
independent from frequency to frequency. So the likelihood of any model of S is known, and with it the error bar
(Ercole, Marcolongo and Baroni, Sci. Rep. 7, 15835 (2017), doi 10.1038/s41598-017-15843-2).

The model is a sum of relaxations, S(w) = c + sum of a/(1 + (w t)^2), none, one or two of them, sampled like the data,
up to a largest frequency (as Toraman, Fauconnier and Verstraelen do with one, J. Chem. Inf. Model. 65, 10445 (2025),
doi 10.1021/acs.jcim.5c01475); c stands for all that is faster, amplitudes may be negative. Neither times nor largest
frequency are chosen: all are averaged over with the weight that they have by the data (Jay and Neil, Phys. Rev. D 103,
114502 (2021), doi 10.1103/PhysRevD.103.114502), which is their probability over all amplitudes, so that the error holds
what is not known of them, first of all whether there is a slow relaxation that the few lowest frequencies neither
show nor exclude. What relaxes more slowly than a share :data:`SLOWEST` of the series is left out: the series does not
tell of it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray
from scipy import fft, special

#: Slowest relaxation that is thought of, as a share of the series, and the ratio of a time to the next.
SLOWEST, RATIO = 1 / 5, 1.3
#: Bands of frequency in a factor of e (the first are single frequencies), the fewest in a fit, and how many largest
#: frequencies are tried.
BANDS, LEAST, CUTS = 8, 8, 8
#: Prior weights. The further down a spectrum is flat, the less likely is a relaxation that is slower still: a largest
#: frequency counts as this power of it, and a model (1 + t/(APART t'))^-2, with t its slowest time and t' the fastest
#: that is tried. An amplitude is normal about zero, WIDTH times as wide as the power at the lowest frequencies. Chosen,
#: with :data:`SLOWEST`, by trials with known integrals (docs/dynamics.md).
POWER, APART, WIDTH = 3.0, 300.0, 2.0
_STEPS = 6  # of scoring
_FLOOR = 0.3  # share to which a modelled spectrum may fall in a step


@dataclass(frozen=True)
class ZeroFrequency:
    """Spectrum at zero frequency.

    Attributes
    ----------
    value : float
        Square of the unit of the series times its time.
    error : float
        Standard error, with what is not known of the model.
    slowest : float
        Longest relaxation time that was thought of, in the unit of time.
    """

    value: float
    error: float
    slowest: float


@dataclass(frozen=True, eq=False)
class Bands:
    """Power in bands of frequency.

    Attributes
    ----------
    frequency : (n,) float array
        Angular, root mean square over the band.
    power : (n,) float array
        Mean over the band.
    shape : (n,) float array
        Of its gamma distribution: half its number of degrees of freedom.
    """

    frequency: NDArray[np.float64]
    power: NDArray[np.float64]
    shape: NDArray[np.float64]


def bands(series: Sequence[NDArray[np.float64]], interval: float) -> Bands:
    """Power spectrum up to half the largest frequency that the sampling allows.

    Parameters
    ----------
    series : sequence of (n, m) float arrays
        Columns are independent series of zero mean; all arrays of equal length.
    interval : float
        Between samples.
    """
    n, columns = len(series[0]), sum(one.shape[1] for one in series)
    squares = np.sum([(np.abs(fft.rfft(one, axis=0)) ** 2).sum(axis=1) for one in series], axis=0)
    power = squares[: max(1, n // 4)] * (interval / (2 * n * columns))
    k = np.arange(len(power))
    edges = [0, 1]
    while edges[-1] < len(power):
        edges.append(max(edges[-1] + 1, int(edges[-1] * (1 + 1 / BANDS))))
    degrees = np.where(k == 0, 0.5, 1.0)
    total, of_power, of_squares = (
        np.add.reduceat(values, edges[:-1]) for values in (degrees, degrees * power, degrees * k**2)
    )
    return Bands(2 * np.pi / (n * interval) * np.sqrt(of_squares / total), of_power / total, columns * total)


def at_zero(series: Sequence[NDArray[np.float64]], interval: float) -> ZeroFrequency | None:
    """Spectrum at zero frequency, averaged over models; parameters of :func:`bands`.

    Returns
    -------
    ZeroFrequency or None
        None where there are too few samples, or no power at some frequency.
    """
    found = bands(series, interval)
    length = len(series[0]) * interval
    if len(found.power) < LEAST or not (found.power > 0).all():
        return None
    cuts = np.unique(np.linspace(LEAST, len(found.power), CUTS).astype(int))
    fits = [_fits(found, cut, SLOWEST * length, interval) for cut in cuts]
    values, variances, weights = np.concatenate(fits, axis=1)
    weights = np.exp(weights - weights.max())
    value, variance = (np.average(what, weights=weights) for what in (values, variances))
    spread = np.average((values - value) ** 2, weights=weights)
    return ZeroFrequency(float(value), math.sqrt(variance + spread), SLOWEST * length)


def _fits(data: Bands, cut: int, slowest: float, interval: float) -> NDArray[np.float64]:
    """Value at zero, its variance and the logarithm of its weight of each model up to a band, (3, n) float array."""
    w, power, shape = data.frequency[:cut], data.power[:cut], data.shape[:cut]
    fastest = min(0.5 / w[-1], slowest)
    times = np.geomspace(fastest, slowest, 1 + int(math.log(slowest / fastest) / math.log(RATIO)))
    kept = np.exp(-interval / times)
    of_one = 1 / (1 + np.outer(2 * kept / (1 - kept) ** 2, 1 - np.cos(w * interval)))
    pairs = np.array(list(combinations(range(len(times)), 2)), dtype=int).reshape(-1, 2)
    flat = np.ones_like(w)
    families = [
        flat[None, None],
        np.stack([np.broadcast_to(flat, of_one.shape), of_one], axis=1),
        np.stack([np.broadcast_to(flat, (len(pairs), len(w))), of_one[pairs[:, 0]], of_one[pairs[:, 1]]], axis=1),
    ]
    last = [np.array([fastest]), times, times[pairs[:, 1]]]
    width = WIDTH * float(np.average(power[:LEAST], weights=shape[:LEAST]))
    expected = float(np.sum(2 * shape * (np.log(shape) - special.digamma(shape))))
    made = []
    for family, time in zip(families, last, strict=True):
        if not len(family):
            continue
        value, variance, chance = _scored(family, power, shape, width)
        prior = POWER * math.log(w[-1]) - 2 * np.log1p(time / (APART * fastest)) - math.log(len(family))
        made.append(np.stack([value, variance, np.where(value > 0, prior + chance + expected / 2, -np.inf)]))
    return np.concatenate(made, axis=1)


def _scored(
    models: NDArray[np.float64], power: NDArray[np.float64], shape: NDArray[np.float64], width: float
) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
    """Most likely spectra that are linear in their amplitudes, by Fisher scoring, and how likely all are together.

    Parameters
    ----------
    models : (m, p, n) float array
        Spectrum of unit amplitude of each of p terms, one at zero frequency.
    power, shape : (n,) float arrays
    width : float
        Prior standard deviation of all amplitudes but the first.

    Returns
    -------
    value, variance, chance : (m,) float arrays
        Sum of the amplitudes, its variance, and the logarithm of the probability of the data (Laplace's approximation,
        less that of the data by themselves); minus infinity where the spectrum is not positive.
    """
    spectrum = np.broadcast_to(np.maximum(power, _FLOOR * np.median(power)), (len(models), len(power)))
    prior = np.diag([0.0, 1.0, 1.0][: models.shape[1]]) / width**2
    for _ in range(_STEPS):
        weighted = models * (shape / spectrum**2)[:, None]
        information = weighted @ models.swapaxes(1, 2) + prior
        amplitudes = np.linalg.solve(information, (weighted @ power)[..., None])[..., 0]
        made = np.einsum("mp,mpn->mn", amplitudes, models)
        spectrum = np.maximum(made, _FLOOR * spectrum)
    ones = np.ones((len(models), models.shape[1], 1))
    variance = np.linalg.solve(information, ones).sum(axis=(1, 2))
    ratio = power / spectrum
    deviance = 2 * np.sum(shape * (ratio - 1 - np.log(ratio)), axis=1)
    deviance += np.sum((amplitudes[:, 1:] / width) ** 2, axis=1) + np.linalg.slogdet(information * width**2)[1]
    return amplitudes.sum(axis=1), variance, np.where((made > 0).all(axis=1), -deviance / 2, -np.inf)
