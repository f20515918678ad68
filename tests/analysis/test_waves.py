from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from mdstudy.analysis.periodic import box_matrices
from mdstudy.analysis.waves import density_waves, draw, largest_indices, wave_products

CUBE = [3.0, 3.0, 3.0, 90.0, 90.0, 90.0]
OBLIQUE = [3.0, 3.2, 3.4, 80.0, 75.0, 85.0]


def drawn(matrix: NDArray[np.float64], q_max: float, n_bins: int, vectors: int, seed: int = 1):
    return draw(np.linalg.inv(matrix), largest_indices(matrix, q_max), q_max, n_bins, vectors, seed)


@pytest.mark.parametrize("box", [CUBE, OBLIQUE], ids=["rectangular", "oblique"])
def test_vectors_fit_the_box_and_are_of_the_length_of_their_bin_each_once(box: list[float]) -> None:
    matrix = box_matrices(np.array([box]))[0]
    indices, q, bins = drawn(matrix, 12.0, 12, 4)
    vectors = indices @ (2 * np.pi * np.linalg.inv(matrix).T)
    np.testing.assert_allclose(np.exp(1j * vectors @ matrix.T), 1, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), q)
    np.testing.assert_array_equal(bins, np.floor(q))
    assert np.bincount(bins).max() == 4
    assert len(np.unique(indices, axis=0)) == len(indices)


@pytest.mark.parametrize("box", [CUBE, OBLIQUE], ids=["rectangular", "oblique"])
def test_vectors_are_of_half_the_space_and_all_of_it_where_few_are_asked_for(box: list[float]) -> None:
    matrix = box_matrices(np.array([box]))[0]
    indices, *_ = drawn(matrix, 8.0, 1, 10**6)
    both = {tuple(v) for v in indices.tolist()} | {tuple(-v for v in w) for w in indices.tolist()}
    n = np.arange(-6, 7)
    grid = np.stack(np.meshgrid(n, n, n), axis=-1).reshape(-1, 3)
    length = np.linalg.norm(grid @ (2 * np.pi * np.linalg.inv(matrix).T), axis=1)
    assert both == {tuple(v) for v in grid[(length > 0) & (length < 8.0)].tolist()}
    assert len(both) == 2 * len(indices)


def test_all_vectors_of_a_bin_have_the_same_chance() -> None:
    matrix = np.diag([3.0, 3.0, 3.0])
    (everyone, *_), times = drawn(matrix, 8.0, 1, 10**6), 4000
    code = np.array([10000, 100, 1])
    counted = np.concatenate([drawn(matrix, 8.0, 1, 5, seed)[0] @ code for seed in range(times)])
    numbers = [np.sum(counted == vector) for vector in everyone @ code]
    due = 5 * times / len(everyone)
    chi_square = np.sum((np.array(numbers) - due) ** 2) / due
    degrees = len(everyone) - 1
    assert abs(chi_square - degrees) < 4 * np.sqrt(2 * degrees)


@pytest.mark.parametrize("box", [CUBE, OBLIQUE], ids=["rectangular", "oblique"])
def test_waves_are_sums_of_phases(box: list[float]) -> None:
    matrix = box_matrices(np.array([box]))[0]
    rng = np.random.default_rng(3)
    xyz = rng.uniform(-4, 8, (301, 3)).astype(np.float32)
    order, starts = rng.permutation(301), np.array([0, 7, 200, 301])
    indices, *_ = drawn(matrix, 20.0, 40, 6)
    waves = density_waves(xyz, order, starts, np.linalg.inv(matrix), indices)
    phases = np.exp(1j * xyz.astype(float) @ (2 * np.pi * np.linalg.inv(matrix)) @ indices.T)
    for kind, (start, end) in enumerate([(0, 7), (7, 200), (200, 301)]):
        due = phases[order[start:end]].sum(axis=0)
        np.testing.assert_allclose(waves[kind, 0] + 1j * waves[kind, 1], due, atol=3e-6 * (end - start))


def test_products_are_those_of_the_waves_of_each_frame_in_its_own_box() -> None:
    rng = np.random.default_rng(4)
    xyz = rng.uniform(0, 4, (5, 60, 3)).astype(np.float32)
    matrices = np.stack([np.diag([3.0, 3.2, 3.4]) * scale for scale in (1.0, 1.01, 1.02, 1.03, 1.04)])
    kind, seeds = np.arange(60) % 3, np.arange(5)
    products, lengths, numbers = wave_products(xyz, matrices, kind, seeds, 10.0, 5, 8)
    due, total, n = np.zeros((3, 3, 5)), np.zeros(5), np.zeros(5)
    for frame, matrix, seed in zip(xyz, matrices, seeds, strict=True):
        indices, q, bins = drawn(matrix, 10.0, 5, 8, seed)
        phases = np.exp(2j * np.pi * frame.astype(float) @ np.linalg.inv(matrix) @ indices.T)
        waves = np.stack([phases[kind == k].sum(axis=0) for k in range(3)])
        for v, b in enumerate(bins):
            due[:, :, b] += np.outer(waves[:, v], waves[:, v].conj()).real
        total += np.bincount(bins, weights=q, minlength=5)
        n += np.bincount(bins, minlength=5)
    np.testing.assert_allclose(products, due, rtol=1e-4, atol=1e-2)
    np.testing.assert_allclose(lengths, total)
    np.testing.assert_array_equal(numbers, n)


def test_an_fcc_crystal_has_its_bragg_peaks_and_nothing_else() -> None:
    """|rho|^2 = N^2 where h, k, m of the cubic cell are all even or all odd, 0 elsewhere."""
    cells, edge = 4, 0.5
    corner = np.stack(np.meshgrid(*[np.arange(cells)] * 3), axis=-1).reshape(-1, 1, 3)
    base = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    xyz = (edge * (corner + base).reshape(-1, 3) + 0.123).astype(np.float32)
    matrix = np.diag([cells * edge] * 3)
    indices, *_ = drawn(matrix, 50.0, 1, 10**6)
    waves = density_waves(xyz, np.arange(256), np.array([0, 256]), np.linalg.inv(matrix), indices)
    intensity = (waves[0] ** 2).sum(axis=0) / 256**2
    of_the_cell, rest = np.divmod(indices, cells)
    allowed = (rest == 0).all(axis=1) & (np.ptp(of_the_cell % 2, axis=1) == 0)
    assert allowed.sum() == (8 + 6 + 12 + 24 + 8) / 2  # {111}, {200}, {220}, {311}, {222}, half of the space
    np.testing.assert_allclose(intensity, allowed, atol=1e-5)
