"""Collective displacements of species, the Onsager coefficients that they give, and frames of reference.

The collective displacement dR_i of species i is the sum of the displacements of its molecules. The correlations grow as
<dR_i(t) . dR_j(t)> = 6 V kT L_ij t (Fong et al., AIChE J. 66, e17091 (2020), doi 10.1002/aic.17091). There is one path
a species, not one a molecule, so that a trajectory holds few independent samples: their number, and with it the error
of whatever is computed from the coefficients, follows from the covariance of a random walk of several correlated
components, exactly as for one (:mod:`mdstudy.analysis.displacement`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.displacement import DiffusionFit, fit_line, fit_window, spaced_lags
from mdstudy.base.errors import TrajectoryError

#: Step of a numerical derivative as a share of the standard deviations of the components.
_STEP = 1e-4


def cross_displacements(paths: NDArray[np.floating], lags: NDArray[np.integer]) -> NDArray[np.float64]:
    """Mean over time origins of dR_i . dR_j at each lag.

    Parameters
    ----------
    paths : (n_frames, n, 3) float array, nm
    lags : (n_lags,) int array
        In frames.

    Returns
    -------
    (n_lags, n, n) float array, nm^2
    """
    moved = [paths[lag:] - paths[: len(paths) - lag] for lag in lags]
    return np.stack([np.einsum("tik,tjk->ij", d, d) / len(d) for d in moved])


@dataclass(frozen=True, eq=False)
class CollectiveFit:
    """Straight lines through the correlations of collective displacements, all with the same weights of the lags.

    Common weights keep what is linear exact: sum rules, changes of the frame of reference and the conductivity as the
    sum of its parts hold to rounding, whatever the noise.

    Attributes
    ----------
    slopes : (n, n) float array, nm^2/ps
        Of <dR_i . dR_j>.
    intercepts : (n, n) float array, nm^2
    points : (n_lags, n, n) float array, nm^2
        What was fitted.
    lags : (n_lags,) int array
        In frames.
    n_frames : int
    interval : float
        Time between frames, ps.
    spread : (3,) float array
        Variance of a slope for a random walk with noise, w.A w, w.B w and w.C w with the weights w (per frame) and the
        matrices of :func:`mdstudy.analysis.displacement.random_walk_covariance`.
    """

    slopes: NDArray[np.float64]
    intercepts: NDArray[np.float64]
    points: NDArray[np.float64]
    lags: NDArray[np.intp]
    n_frames: int
    interval: float
    spread: NDArray[np.float64]

    @property
    def window(self) -> tuple[float, float]:
        """First and last lag, ps."""
        return float(self.lags[0] * self.interval), float(self.lags[-1] * self.interval)

    @property
    def window_text(self) -> str:
        """The window in words."""
        first, last = self.window
        return f"lags {first:g} to {last:g} ps of {(self.n_frames - 1) * self.interval:g} ps, one collective path"

    def project(self, matrix: NDArray[np.floating]) -> CollectiveFit:
        """The fit of linear combinations of the displacements: another frame of reference, the charge.

        Parameters
        ----------
        matrix : (m, n) float array
            Rows are the combinations.
        """
        slopes, intercepts, points = (matrix @ x @ matrix.T for x in (self.slopes, self.intercepts, self.points))
        return CollectiveFit(slopes, intercepts, points, self.lags, self.n_frames, self.interval, self.spread)

    def line(self, combination: NDArray[np.floating]) -> DiffusionFit:
        """The best line of one combination by itself, which judges whether it is diffusive in the window.

        Parameters
        ----------
        combination : (n,) float array
        """
        msd = np.asarray(combination @ self.points @ combination)
        return fit_window(self.lags, msd, self.n_frames, 1, self.interval)

    def error(self, function: Callable[[NDArray[np.float64]], float]) -> float:
        """Standard error of a smooth function of the slopes, to first order.

        Displacements are a Gaussian random walk with covariance S of the steps plus noise of covariance N on the
        positions. Isserlis' theorem gives the covariance of any two slopes; a function with symmetric gradient g has

            Var f = 3 [w.A w tr(gSgS) + w.B w tr(gSgN) + w.C w tr(gNgN)],

        which for one component is the variance of a diffusion coefficient. Holds where the error is small against the
        value.

        Parameters
        ----------
        function : callable
            (n, n) slopes, nm^2/ps, to a number.
        """
        size = np.sqrt(np.maximum(np.diagonal(self.slopes), 1e-300))
        n = len(size)
        gradient = np.zeros((n, n))
        for a in range(n):
            for b in range(a + 1):
                step = np.zeros((n, n))
                step[a, b] = step[b, a] = _STEP * size[a] * size[b]
                change = function(self.slopes + step) - function(self.slopes - step)
                gradient[a, b] = gradient[b, a] = change / (2 * step[a, b]) / (1 if a == b else 2)
        steps = _positive(self.slopes * self.interval / 3)
        noise = _positive(self.intercepts / 6)
        gs, gn = gradient @ steps / self.interval, gradient @ noise / self.interval
        parts = np.array([np.trace(gs @ gs), np.trace(gs @ gn), np.trace(gn @ gn)])
        return float(np.sqrt(max(3 * self.spread @ parts, 0.0)))


def _positive(matrix: NDArray[np.float64]) -> NDArray[np.float64]:
    """The nearest matrix without negative eigenvalues: an estimated covariance may have some."""
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * np.maximum(values, 0.0)) @ vectors.T)


def fit_collective(paths: NDArray[np.floating], interval: float, start: int) -> CollectiveFit:
    """Fit all correlations of collective displacements from one lag on.

    The weights of the lags are the best for the mean of the components, each in units of its own mobility.

    Parameters
    ----------
    paths : (n_frames, n, 3) float array, nm
        Sum over the molecules of each species; continuous, evenly spaced.
    interval : float
        Time between frames, ps.
    start : int
        Shortest lag, frames; from where on all motion is diffusive.
    """
    paths = np.asarray(paths, dtype=float)
    lags = spaced_lags(start, len(paths))
    points = cross_displacements(paths, lags)
    own = np.diagonal(points, axis1=1, axis2=2)
    moving = own[-1] > 0
    line = fit_line(lags, np.mean(own[:, moving] / own[-1, moving], axis=1), len(paths), 1)
    intercepts, slopes = np.tensordot(line.weights, points, axes=1)
    spread = np.einsum("i,kij,j->k", line.weights[1], line.shapes, line.weights[1])
    return CollectiveFit(slopes / interval, intercepts, points, lags, len(paths), interval, spread)


def frame_matrix(numbers: Sequence[float], share: Sequence[float]) -> NDArray[np.float64]:
    """Matrix that takes collective displacements in any frame of reference to the one with the given weights.

    dR_i' = dR_i - N_i sum_k w_k dR_k / N_k: the mean velocity of the species, weighted by w, is zero in the new frame.
    The coefficients become A L A^T (Kirkwood et al., J. Chem. Phys. 33, 1505 (1960), doi 10.1063/1.1731433). Going to
    a frame by way of another is the same as going there directly.

    Parameters
    ----------
    numbers : (n,) sequence of float
        Molecules of each species.
    share : (n,) sequence of float
        Weights w: shares of the mass (barycentric frame), of the volume (volume-fixed), or all on one species (fixed on
        that species). Need not be normalised.

    Returns
    -------
    (n, n) float array
    """
    n, w = np.asarray(numbers, dtype=float), np.asarray(share, dtype=float)
    if not (w >= 0).all() or w.sum() == 0:
        raise TrajectoryError(f"weights of a frame of reference must be positive somewhere and negative nowhere: {w}")
    return np.asarray(np.eye(len(n)) - np.outer(n, w / w.sum() / n))


def blocked(coefficients: NDArray[np.float64], numbers: Sequence[float], moving: int) -> float:
    """Coefficient of one species when all others are held at rest relative to each other.

    S = L_mm - L_mo (L_oo)^-1 L_om in the frame of one of the others, o being the rest of them. Which one serves as
    reference makes no difference.

    Parameters
    ----------
    coefficients : (n, n) float array
        Onsager coefficients of all species in any one frame.
    numbers : (n,) sequence of float
        Molecules of each species.
    moving : int
        The species that is not blocked.
    """
    n = len(coefficients)
    reference = int(np.argmax([-1.0 if k == moving else numbers[k] for k in range(n)]))
    to_frame = frame_matrix(numbers, [float(k == reference) for k in range(n)])
    fixed = to_frame @ coefficients @ to_frame.T
    others = [k for k in range(n) if k not in (moving, reference)]
    own, cross, rest = fixed[moving, moving], fixed[moving, others], fixed[np.ix_(others, others)]
    return float(own - cross @ np.linalg.solve(rest, cross)) if others else float(own)
