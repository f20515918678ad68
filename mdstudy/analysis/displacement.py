"""Mean-squared displacement and the straight line through it, with an uncertainty that knows of correlated lags.

Values of the mean-squared displacement at different lags come from the same trajectory and are strongly correlated; a
least-squares line that takes them as independent has an error bar far too small. For a random walk their covariance
is known exactly, which gives the best linear estimate of the diffusion coefficient and its error (Bullerjahn, von Bülow
and Hummer, J. Chem. Phys. 153, 024116 (2020), doi 10.1063/5.0008312).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray
from scipy import fft, stats

from mdstudy.base.statistics import generalised_least_squares

#: Longest lag of a fit as a share of the trajectory, and how many lags a fit takes.
LONGEST = 0.4
LAGS = 24
#: A line is refused where the residuals would be this unlikely for a random walk.
LEAST_QUALITY = 0.05
#: Largest deviation of d ln MSD / d ln t from one that counts as diffusive, beyond its own error.
EXPONENT_TOLERANCE = 0.1
_CHUNK = 2**21  # numbers in one transform: bounds the memory


def mean_squared_displacement(paths: NDArray[np.floating]) -> NDArray[np.float64]:
    """Mean over particles and time origins of the squared displacement at every lag, by FFT.

    |r(t+k) - r(t)|^2 = |r(t+k)|^2 + |r(t)|^2 - 2 r(t+k).r(t): the first two by running sums, the last as an
    autocorrelation (Calandrini et al., Collection SFN 12, 201 (2011), doi 10.1051/sfn/201112010).

    Parameters
    ----------
    paths : (n_frames, n_particles, 3) float array, nm
        Continuous in time, evenly spaced.

    Returns
    -------
    (n_frames,) float array, nm^2
        At lags 0 to n_frames - 1.
    """
    n_frames, n_particles, _ = paths.shape
    size = fft.next_fast_len(2 * n_frames)
    total = np.zeros(n_frames)
    step = max(1, _CHUNK // (3 * size))
    for first in range(0, n_particles, step):
        # From the mean place of each particle: less is lost to rounding when squares are subtracted.
        part = np.asarray(paths[:, first : first + step], dtype=np.float64)
        part = part - part.mean(axis=0)
        spectrum = fft.rfft(part, n=size, axis=0, workers=-1)
        power = (spectrum.real**2 + spectrum.imag**2).sum(axis=(1, 2))
        products = fft.irfft(power, n=size)[:n_frames]
        squares = np.concatenate([[0.0], np.cumsum((part**2).sum(axis=(1, 2)))])
        lags = np.arange(n_frames)
        sums = squares[n_frames - lags] + (squares[-1] - squares[lags])
        total += (sums - 2 * products) / (n_frames - lags)
    total[0] = 0.0
    return np.asarray(np.maximum(total / n_particles, 0.0))


def travel(paths: NDArray[np.floating]) -> float:
    """Root-mean-squared displacement over half the trajectory, nm.

    Parameters
    ----------
    paths : (n_frames, n_particles, 3) float array, nm

    Returns
    -------
    float
        0 for a single frame.
    """
    half = len(paths) // 2
    apart = np.asarray(paths[half:], dtype=float) - paths[: len(paths) - half]
    return math.sqrt(float(np.mean(np.sum(apart**2, axis=-1)))) if half else 0.0


def random_walk_covariance(lags: NDArray[np.integer], n_frames: int) -> tuple[NDArray[np.float64], ...]:
    """Covariance of the mean-squared displacements of one random walk with noise on its positions, in one dimension.

    Cov(i, j) = s^4 A + s^2 a^2 B + a^4 C with s^2 the variance of a step and a^2 that of the noise (rattling in a cage,
    uncorrelated from frame to frame). Two windows have displacements of covariance s^2 (steps in common) + a^2 (ends in
    common, with their sign); that of their squares is twice its square (Gaussian), averaged over all pairs of windows.

    Parameters
    ----------
    lags : (n,) int array
        In frames, at least 1, below `n_frames`.
    n_frames : int

    Returns
    -------
    A, B, C : (n, n) float arrays
    """
    walk, cross, noise = (np.empty((len(lags), len(lags))) for _ in range(3))
    for row, i in enumerate(map(int, lags)):
        for column, j in enumerate(map(int, lags[: row + 1])):  # j <= i
            n_i, n_j = n_frames - i, n_frames - j
            shift = np.arange(-j, i + 1)  # start of window j less start of window i, where they touch
            common = (np.minimum(i, shift + j) - np.maximum(0, shift)).astype(float)
            ends = (shift == 0).astype(float) + (shift == i - j) - (shift == i) - (shift == -j)
            pairs = np.maximum(np.minimum(n_i, n_j - shift) - np.maximum(0, -shift), 0) * (2.0 / (n_i * n_j))
            walk[row, column] = walk[column, row] = np.sum(pairs * common**2)
            cross[row, column] = cross[column, row] = np.sum(pairs * 2 * common * ends)
            noise[row, column] = noise[column, row] = np.sum(pairs * ends**2)
    return walk, cross, noise


@lru_cache(maxsize=32)  # the species of a trajectory are fitted at the same lags
def _shapes(lags: tuple[int, ...], n_frames: int) -> NDArray[np.float64]:
    return np.stack(random_walk_covariance(np.array(lags), n_frames))


def spaced_lags(start: int, n_frames: int) -> NDArray[np.intp]:
    """Lags of a fit from `start` to :data:`LONGEST` of the trajectory, evenly spaced in their logarithm, in frames."""
    return np.unique(np.geomspace(start, int(LONGEST * n_frames), LAGS).astype(int))


@dataclass(frozen=True)
class DiffusionFit:
    """A straight line through the diffusive part of a mean-squared displacement.

    Attributes
    ----------
    slope, slope_error : float
        nm^2/ps, in all three dimensions together.
    intercept : float
        nm^2.
    start, end : float
        Lags that were fitted, ps.
    exponent, exponent_error : float
        d ln MSD / d ln t between the first and the last lag.
    quality : float
        Probability of residuals at least as large for a random walk with an offset.
    diffusive : bool
        The line describes the window and the exponent is one within its error.
    """

    slope: float
    slope_error: float
    intercept: float
    start: float
    end: float
    exponent: float
    exponent_error: float
    quality: float
    diffusive: bool


def fit_displacement(msd: NDArray[np.float64], particles: int, interval: float) -> DiffusionFit | None:
    """Fit the mean-squared displacement where it is diffusive, from the shortest lag at which that holds.

    The window starts at the first of a series of lags from which on a random walk with an offset describes the data
    (:data:`LEAST_QUALITY`) and the exponent is one within its error (:data:`EXPONENT_TOLERANCE`); if there is none, the
    latest start is taken and the fit is marked as not diffusive. Particles count as independent of each other, which is
    nearly true of single molecules and false of collective coordinates (of which there is one a path).

    Parameters
    ----------
    msd : (n_frames,) float array, nm^2
        Mean over the particles, at all lags, of :func:`mean_squared_displacement`.
    particles : int
    interval : float
        Time between frames, ps.

    Returns
    -------
    DiffusionFit or None
        None where there are too few frames (ten lags are the least).
    """
    n_frames = len(msd)
    longest = int(LONGEST * n_frames)
    if longest < 10:
        return None
    fit = None
    for start in np.unique(np.geomspace(1, max(1, longest // 4), 12).astype(int)):
        lags = spaced_lags(int(start), n_frames)
        fit = fit_window(lags, msd[lags], n_frames, particles, interval)
        if fit.diffusive:
            break
    return fit


@dataclass(frozen=True, eq=False)
class Line:
    """A straight line through mean-squared displacements at several lags, in frames.

    Attributes
    ----------
    intercept, slope : float
        nm^2, and nm^2 a frame.
    slope_error : float
    covariance : (n, n) float array, nm^4
        Of the points about the line, that of a random walk of this slope with the noise of this intercept.
    weights : (2, n) float array
        Intercept and slope are their products with the points.
    shapes : (3, n, n) float array
        The matrices A, B and C of :func:`random_walk_covariance`.
    """

    intercept: float
    slope: float
    slope_error: float
    covariance: NDArray[np.float64]
    weights: NDArray[np.float64]
    shapes: NDArray[np.float64]


def fit_line(lags: NDArray[np.integer], msd: NDArray[np.float64], n_frames: int, particles: float) -> Line:
    """Generalised least squares with the covariance of a random walk, which depends on the line and is iterated.

    Parameters
    ----------
    lags : (n,) int array
        In frames, three or more.
    msd : (n,) float array, nm^2
        Mean over `particles` of squared displacements in three dimensions.
    n_frames : int
        Of the trajectory.
    particles : float
        Independent particles.
    """
    shapes = _shapes(tuple(map(int, lags)), n_frames)
    x = lags.astype(float)
    line = np.array([0.0, msd[-1] / lags[-1]])
    for _ in range(4):
        step, rattle = max(line[1] / 3, 1e-12), max(line[0] / 6, 0.0)
        powers = np.array([step**2, step * rattle, rattle**2]) * 3 / particles
        covariance = np.tensordot(powers, shapes, axes=1)
        line, spread = generalised_least_squares(x, msd, covariance)
    weights, _ = generalised_least_squares(x, np.eye(len(x)), covariance)
    return Line(float(line[0]), float(line[1]), math.sqrt(spread[1, 1]), covariance, weights, shapes)


def fit_window(
    lags: NDArray[np.integer], msd: NDArray[np.float64], n_frames: int, particles: float, interval: float
) -> DiffusionFit:
    """Fit all the lags given and judge whether the motion is diffusive there; parameters of :func:`fit_line`.

    Parameters
    ----------
    interval : float
        Time between frames, ps.
    """
    line = fit_line(lags, msd, n_frames, particles)
    times, covariance = lags * interval, line.covariance
    residuals = msd - line.intercept - line.slope * lags
    chi2 = float(residuals @ np.linalg.solve(covariance, residuals))
    quality = float(stats.chi2.sf(chi2, len(lags) - 2))
    span = math.log(lags[-1] / lags[0])
    exponent = exponent_error = math.nan  # of what does not move
    if msd[0] > 0 and msd[-1] > 0:
        exponent = math.log(msd[-1] / msd[0]) / span
        ends = np.array([-1 / msd[0], 1 / msd[-1]])
        exponent_error = math.sqrt(ends @ covariance[np.ix_([0, -1], [0, -1])] @ ends) / span
    straight = quality >= LEAST_QUALITY and abs(exponent - 1) <= EXPONENT_TOLERANCE + 2 * exponent_error
    return DiffusionFit(
        slope=line.slope / interval,
        slope_error=line.slope_error / interval,
        intercept=line.intercept,
        start=float(times[0]),
        end=float(times[-1]),
        exponent=exponent,
        exponent_error=exponent_error,
        quality=quality,
        diffusive=bool(line.slope > 0 and straight),
    )
