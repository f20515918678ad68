from __future__ import annotations

from operator import itemgetter

import numpy as np
import pytest

from mdstudy.analysis.collective import blocked, cross_displacements, fit_collective, frame_matrix
from mdstudy.base.errors import TrajectoryError

#: Covariance of the steps of four species, and of the noise on their positions, in each direction.
STEPS = np.array([[1.0, 0.6, 0.1, -0.3], [0.6, 2.0, 0.2, -0.8], [0.1, 0.2, 1.5, -0.5], [-0.3, -0.8, -0.5, 3.0]])
NOISE = np.array([[8.0, -4.0, 0.0, 0.0], [-4.0, 12.0, 0.0, 0.0], [0.0, 0.0, 4.0, 0.0], [0.0, 0.0, 0.0, 4.0]])
NUMBERS = (10, 20, 10, 30)
CHARGE = np.array([1.0, -1.0, 1.0, 0.0])
INTERVAL = 2.0


def correlated_walk(rng: np.random.Generator, n_frames: int, noise: np.ndarray | None) -> np.ndarray:
    path = np.cumsum(rng.multivariate_normal(np.zeros(4), STEPS, size=(n_frames, 3)), axis=0)
    if noise is not None:
        path = path + rng.multivariate_normal(np.zeros(4), noise, size=(n_frames, 3))
    return path.transpose(0, 2, 1)


FUNCTIONS = {
    "a diagonal element": itemgetter((0, 0)),
    "an element off the diagonal": itemgetter((0, 1)),
    "the conductivity": lambda slopes: CHARGE @ slopes @ CHARGE,
    "the blocked transference number": lambda slopes: blocked(slopes, NUMBERS, 0) / (CHARGE @ slopes @ CHARGE),
}


def test_cross_displacements_are_those_of_a_loop_over_origins() -> None:
    path = correlated_walk(np.random.default_rng(0), 12, None)
    lags = np.array([1, 5])
    for k, lag in enumerate(lags):
        pairs = [(path[t + lag] - path[t]) for t in range(12 - lag)]
        expected = np.mean([d @ d.T for d in pairs], axis=0)
        np.testing.assert_allclose(cross_displacements(path, lags)[k], expected, rtol=1e-12)


@pytest.mark.parametrize("noise", [None, NOISE], ids=["walk", "walk with noise"])
def test_a_known_onsager_matrix_is_found_within_its_own_error_bars(noise: np.ndarray | None) -> None:
    rng = np.random.default_rng(1)
    truth = 3 * STEPS / INTERVAL
    deviations = []
    for _ in range(100):
        fit = fit_collective(correlated_walk(rng, 400, noise), INTERVAL, 1)
        deviations.append([(f(fit.slopes) - f(truth)) / fit.error(f) for f in FUNCTIONS.values()])
    z = np.abs(deviations)
    within = dict(zip(FUNCTIONS, zip((z < 1).mean(axis=0), (z < 1.96).mean(axis=0), strict=True), strict=True))
    for what, (one, two) in within.items():
        # 100 trials: 68 and 95 % to within two and a half standard errors of a share
        assert 0.565 < one < 0.80, f"{what}: {one:.0%} within one standard error"
        assert two > 0.89, f"{what}: {two:.0%} within two"


def test_errors_that_take_frames_as_independent_would_be_far_too_small() -> None:
    """The check above can fail: with as many samples as frames and lags the error bars would not hold."""
    rng = np.random.default_rng(2)
    truth = 3 * STEPS[0, 0] / INTERVAL
    naive = []
    for _ in range(100):
        fit = fit_collective(correlated_walk(rng, 400, None), INTERVAL, 20)
        naive.append(abs(fit.slopes[0, 0] - truth) / (truth * np.sqrt(2 / 3 / 400)))
    assert np.mean(np.array(naive) < 1.96) < 0.6


def test_the_sum_rule_of_a_frame_holds_exactly() -> None:
    fit = fit_collective(correlated_walk(np.random.default_rng(3), 300, NOISE), INTERVAL, 3)
    share = np.array([1.0, 5.0, 3.0, 7.0])
    moved = fit.project(frame_matrix(NUMBERS, share)).slopes
    np.testing.assert_allclose(moved @ (share / NUMBERS), 0, atol=1e-12 * np.abs(moved).max())


def test_frames_are_convertible_by_any_way_and_back() -> None:
    fit = fit_collective(correlated_walk(np.random.default_rng(4), 300, NOISE), INTERVAL, 3)
    one, two = frame_matrix(NUMBERS, [1.0, 5.0, 3.0, 7.0]), frame_matrix(NUMBERS, [0.0, 0.0, 0.0, 1.0])
    first = fit.project(one)
    np.testing.assert_allclose(first.project(two).slopes, fit.project(two).slopes, rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(first.project(two).project(one).slopes, first.slopes, rtol=1e-9, atol=1e-12)


def test_fit_of_displacements_in_another_frame_is_the_fit_taken_there() -> None:
    path = correlated_walk(np.random.default_rng(5), 300, NOISE)
    matrix = frame_matrix(NUMBERS, [1.0, 5.0, 3.0, 7.0])
    fit = fit_collective(path, INTERVAL, 3)
    moved = np.einsum("ij,tjk->tik", matrix, path)
    lines = [fit.project(matrix).points, cross_displacements(moved, fit.lags)]
    np.testing.assert_allclose(*lines, rtol=1e-9, atol=1e-9)


def test_conductivity_is_the_same_in_every_frame_of_a_neutral_box() -> None:
    fit = fit_collective(correlated_walk(np.random.default_rng(6), 300, None), INTERVAL, 1)
    assert CHARGE @ NUMBERS == 0
    here = CHARGE @ fit.slopes @ CHARGE
    for share in ([1.0, 5.0, 3.0, 7.0], [0.0, 1.0, 0.0, 0.0]):
        moved = fit.project(frame_matrix(NUMBERS, share)).slopes
        assert CHARGE @ moved @ CHARGE == pytest.approx(here, rel=1e-12)


def test_blocked_coefficient_of_a_binary_salt_in_a_fixed_solvent() -> None:
    """L++ - L+-^2 / L--, doi 10.1149/2.0651514jes."""
    fixed = np.array([[3.0, 1.2, 0.0], [1.2, 2.0, 0.0], [0.0, 0.0, 0.0]])
    assert blocked(fixed, (5, 5, 20), 0) == pytest.approx(3.0 - 1.2**2 / 2.0, rel=1e-12)


def test_blocked_coefficient_is_that_of_the_others_at_rest_in_any_frame() -> None:
    """Forces are solved for that hold all others at one velocity, without naming a reference."""
    n = np.array(NUMBERS, dtype=float)
    mass = frame_matrix(n, [1.0, 5.0, 3.0, 7.0])
    coefficients = mass @ STEPS @ mass.T
    # Unknown: forces on the three others and their common velocity. The total force is zero (Gibbs and Duhem).
    system = np.zeros((5, 5))
    system[:4, :4], system[1:4, 4], system[4, :4] = coefficients, -n[1:], n
    # Flux of 0 relative to the others: J_0 = N_0 (v + w), J_o = N_o v; the driving force is that on 0.
    right = np.zeros(5)
    system[0, :4], right[0] = [1.0, 0.0, 0.0, 0.0], 1.0
    forces = np.linalg.solve(system, right)
    relative = coefficients[0] @ forces[:4] - n[0] * forces[4]
    assert blocked(coefficients, NUMBERS, 0) == pytest.approx(relative, rel=1e-9)
    for share in ([0.0, 0.0, 0.0, 1.0], [0.0, 1.0, 0.0, 0.0], [0.2, 0.3, 0.1, 0.4]):
        other = frame_matrix(NUMBERS, share)
        assert blocked(other @ coefficients @ other.T, NUMBERS, 0) == pytest.approx(relative, rel=1e-9)


def test_a_frame_without_weights_is_refused() -> None:
    with pytest.raises(TrajectoryError, match="positive somewhere"):
        frame_matrix([1, 2], [0.0, 0.0])
