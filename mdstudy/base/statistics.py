"""Error bars of correlated data: means, drift, block jackknife, regression on correlated lags."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from scipy import linalg

from mdstudy.base.stationarity import statistical_inefficiency

Part = TypeVar("Part")


def mean_and_error(values: NDArray[np.float64]) -> tuple[float, float, float]:
    """Mean of a stationary series, its standard error s sqrt(g/n), and the number n/g of independent samples.

    Parameters
    ----------
    values : (n,) float array

    Returns
    -------
    mean, error, n_independent : float
        The error is NaN for fewer than four samples.
    """
    n = len(values)
    if n < 4:
        return float(np.mean(values)) if n else math.nan, math.nan, math.nan
    independent = n / statistical_inefficiency(values)
    # With few independent samples the variance about their own mean is too small by (1 - 1/n_independent).
    spread = float(np.std(values, ddof=0)) / math.sqrt(max(1 - 1 / independent, 1 / n))
    return float(values.mean()), spread / math.sqrt(independent), independent


def drift_z(values: NDArray[np.float64]) -> float:
    """Difference between the means of the two halves of a series in units of its standard error.

    Parameters
    ----------
    values : (n,) float array

    Returns
    -------
    float
        About standard normal for a stationary series; NaN where the error is not known.
    """
    first, second = np.array_split(values, 2)
    (a, error_a, _), (b, error_b, _) = mean_and_error(first), mean_and_error(second)
    error = math.hypot(error_a, error_b)
    if math.isnan(error):
        return math.nan
    if error == 0:
        return 0.0 if a == b else math.inf
    return (b - a) / error


def jackknife(
    parts: Sequence[Part], reduce: Callable[[Sequence[Part]], NDArray[np.float64]]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Value over all blocks and its delete-one standard error, for any smooth function of the blocks.

    error^2 = (n-1)/n sum_k (f_k - mean f)^2 with f_k the function without block k (Efron and Stein, Ann. Stat. 9, 586
    (1981), doi 10.1214/aos/1176345462). Blocks must be longer than the correlation time of what is averaged.

    Parameters
    ----------
    parts : sequence
        Blocks of equal length.
    reduce : callable
        Blocks to an array of numbers.

    Returns
    -------
    value, error : float arrays
        The error is NaN for fewer than three blocks, and where a delete-one value is not a number.
    """
    value = np.asarray(reduce(parts), dtype=float)
    n = len(parts)
    if n < 3:
        return value, np.full_like(value, math.nan)
    without = np.array([reduce([*parts[:k], *parts[k + 1 :]]) for k in range(n)])
    return value, np.sqrt((n - 1) / n * np.sum((without - without.mean(axis=0)) ** 2, axis=0))


def halves_apart(parts: Sequence[Part], reduce: Callable[[Sequence[Part]], NDArray[np.float64]]) -> NDArray[np.float64]:
    """Difference between the two halves of a run in units of its standard error, by a jackknife over each.

    Parameters
    ----------
    parts : sequence
        Blocks of equal length; six are the least.
    reduce : callable
        Blocks to an array of numbers.

    Returns
    -------
    float array
        About standard normal where the run is stationary; NaN where the errors are not known.
    """
    middle = len(parts) // 2
    (a, error_a), (b, error_b) = jackknife(parts[:middle], reduce), jackknife(parts[middle:], reduce)
    error = np.hypot(error_a, error_b)
    return np.asarray(np.divide(np.abs(b - a), error, out=np.where(a == b, 0.0, np.inf), where=error != 0))


def generalised_least_squares(
    x: NDArray[np.float64], y: NDArray[np.float64], covariance: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Straight line through correlated points (Aitken's estimator).

    Parameters
    ----------
    x, y : (n,) float arrays
    covariance : (n, n) float array
        Of `y`, positive definite.

    Returns
    -------
    coefficients : (2,) float array
        Intercept and slope.
    covariance : (2, 2) float array
        Of the coefficients.
    """
    design = np.stack([np.ones_like(x), x], axis=1)
    factor = linalg.cho_factor(covariance, lower=True)
    normal = design.T @ linalg.cho_solve(factor, design)
    spread = np.asarray(np.linalg.inv(normal))
    return np.asarray(spread @ design.T @ linalg.cho_solve(factor, y)), spread
