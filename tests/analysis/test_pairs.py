from __future__ import annotations

import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import stats

from mdstudy.analysis.frames import Block, Sites, Sums
from mdstudy.analysis.pairs import PairHistogram, first_shell
from mdstudy.analysis.periodic import Motion
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.statistics import jackknife


def atoms(n: int, per_molecule: int = 1) -> Sites:
    """Return n atoms of one kind, "A"."""
    owner = np.arange(n) // per_molecule
    return Sites({"A": np.arange(n)}, owner, {"A": np.unique(owner)}, np.ones(n), {"A": 0})


def block(positions: NDArray[np.float64], box: list[float]) -> Block:
    n = len(positions)
    boxes = np.repeat(np.array([box], dtype=np.float32), n, axis=0)
    motion = Motion(positions, np.zeros((n, 3)))
    return Block(np.arange(n, dtype=float), positions.astype(np.float32), lambda: motion, boxes)


def ideal_gas(seed: int, n_frames: int, n: int, edge: float) -> Block:
    return block(np.random.default_rng(seed).uniform(0, edge, (n_frames, n, 3)), [edge] * 3 + [90.0] * 3)


def face_centred(cells: int, constant: float) -> NDArray[np.float64]:
    corner = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    motif = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    return ((corner + motif).reshape(-1, 3) * constant)[None]


def test_an_ideal_gas_has_a_distribution_of_one_with_the_spread_that_its_errors_say() -> None:
    """Sum over bins of ((g - 1) / error)^2, each the square of a Student t of 9 degrees of freedom."""
    tally, sites = PairHistogram("A", ("A",), r_max=1.0, width=0.05), atoms(200)
    parts = [tally(ideal_gas(seed, 20, 200, 2.5), sites) for seed in range(10)]
    g, error = jackknife(parts, lambda some: tally.distribution(Sums.total(some)))
    z = ((g - 1) / error)[0, 2:]  # the innermost shells hold too few pairs for a normal distribution
    square = 9 / 7  # variance of Student t
    assert abs(np.mean(z**2) - square) < 4 * math.sqrt(2.0 / len(z)) * square
    assert abs(np.mean(z)) < 4 / math.sqrt(len(z))
    assert np.max(error[0, 2:]) < 0.03


def test_error_bars_cover_the_truth_as_often_as_a_student_t_says() -> None:
    tally, sites = PairHistogram("A", ("A",), r_max=0.9, width=0.15), atoms(100)
    inside = []
    for replica in range(40):
        parts = [tally(ideal_gas(1000 * replica + k, 4, 100, 2.0), sites) for k in range(10)]
        g, error = jackknife(parts, lambda some: tally.distribution(Sums.total(some)))
        inside.append(np.abs(g - 1)[0, 1:] < error[0, 1:])
    due = stats.t.cdf(1, 9) - stats.t.cdf(-1, 9)
    n = np.size(inside)
    assert abs(np.mean(inside) - due) < 4 * math.sqrt(due * (1 - due) / n)


def test_shells_of_a_face_centred_lattice_hold_12_6_24_12_24_8() -> None:
    """Neighbours at sqrt(k/2) lattice constants, exactly; the running number steps up by them."""
    constant = 0.607  # no shell on the edge of a bin
    tally = PairHistogram("A", ("A",), r_max=1.1, width=0.01)
    parts = [tally(block(face_centred(5, constant), [5 * constant] * 3 + [90.0] * 3), atoms(500))]
    counts = parts[0].arrays["counts"][0] / 500
    shells = np.sqrt(np.arange(1, 7) / 2) * constant
    np.testing.assert_array_equal(counts[counts > 0], [12, 6, 24, 12, 24, 8])
    np.testing.assert_allclose(tally.middles[counts > 0], shells, atol=0.0051)
    running = tally.coordination(Sums.total(parts), 500)[0]
    between = [running[np.searchsorted(tally.edges[1:], r + 0.02)] for r in shells]
    np.testing.assert_allclose(between, np.cumsum([12, 6, 24, 12, 24, 8]))


def test_the_first_shell_of_a_shaken_lattice_holds_12() -> None:
    rng = np.random.default_rng(5)
    frames = face_centred(4, 0.6) + rng.normal(scale=0.02, size=(20, 256, 3))
    tally = PairHistogram("A", ("A",), r_max=1.1)
    parts = [tally(block(frames, [2.4] * 3 + [90.0] * 3), atoms(256))]
    g, ideal = tally.distribution(Sums.total(parts))[0], tally.ideal(Sums.total(parts))[0]
    peak, height, minimum = first_shell(tally.middles, g, ideal)
    assert abs(peak - 0.6 / math.sqrt(2)) < 0.008
    assert height > 3
    assert 0.48 < minimum < 0.56  # between the first shell at 0.424 and the second at 0.6
    running = np.interp(minimum, tally.edges[1:], tally.coordination(Sums.total(parts), 256)[0])
    assert abs(running - 12) < 0.05


def test_pairs_within_a_molecule_do_not_count_nor_do_they_in_the_ideal_gas() -> None:
    """Dumbbells: a bond inside the range, else an ideal gas."""
    rng = np.random.default_rng(2)
    first = rng.uniform(0, 2.5, (60, 100, 1, 3))
    bonds = rng.normal(size=first.shape)
    bonds *= 0.3 / np.linalg.norm(bonds, axis=-1, keepdims=True)
    xyz = np.concatenate([first, first + bonds], axis=2).reshape(60, 200, 3)
    tally = PairHistogram("A", ("A",), r_max=1.0, width=0.1)
    g = tally.distribution(tally(block(xyz, [2.5] * 3 + [90.0] * 3), atoms(200, 2)))[0]
    np.testing.assert_allclose(g[2:], 1, atol=0.03)


def test_the_density_is_that_of_an_oblique_box_too() -> None:
    box = [2.5, 2.6, 2.7, 75.0, 80.0, 85.0]
    matrix = block(np.zeros((1, 1, 3)), box).matrices[0].astype(float)
    xyz = np.random.default_rng(3).uniform(size=(40, 200, 3)) @ matrix
    tally = PairHistogram("A", ("A",), r_max=1.0, width=0.1)
    g = tally.distribution(tally(block(xyz, box), atoms(200)))[0]
    np.testing.assert_allclose(g[2:], 1, atol=0.04)


def test_two_blocks_add_up_to_the_tally_of_both_and_volumes_are_weighed_frame_by_frame() -> None:
    tally, sites = PairHistogram("A", ("A",), r_max=0.9, width=0.1), atoms(50)
    small, large = ideal_gas(1, 3, 50, 2.0), ideal_gas(2, 5, 50, 3.0)
    total: Sums = tally(small, sites) + tally(large, sites)
    assert total.n_frames == 8
    np.testing.assert_allclose(total.arrays["density"], 50 * 49 * (3 / 2.0**3 + 5 / 3.0**3), rtol=1e-6)
    np.testing.assert_array_equal(
        total.arrays["counts"], tally(small, sites).arrays["counts"] + tally(large, sites).arrays["counts"]
    )


def test_a_range_beyond_half_the_box_is_refused() -> None:
    with pytest.raises(TrajectoryError, match=r"up to 1\.2 nm needs a box of 2\.4 nm; this has 2\.00"):
        PairHistogram("A", ("A",))(ideal_gas(1, 1, 10, 2.0), atoms(10))


R = (np.arange(300) + 0.5) * 0.004


def bell(r: float, height: float, width: float) -> NDArray[np.float64]:
    return height * np.exp(-((R - r) ** 2) / (2 * width**2))


def test_the_first_minimum_is_the_middle_of_a_flat_bottom() -> None:
    """A lithium shell: g is nothing between 0.26 and 0.40 nm."""
    g = np.where(R < 0.3, bell(0.2, 30.0, 0.012), 1 / (1 + np.exp(-(R - 0.45) / 0.006)))
    peak, height, minimum = first_shell(R, g)
    assert abs(peak - 0.2) < 0.004
    assert abs(height - 30) < 4  # the smoothing lowers a peak as sharp as this by a tenth
    assert 0.30 < minimum < 0.36


def test_a_bump_or_noise_in_the_flat_bottom_does_not_move_the_minimum() -> None:
    g = np.where(R < 0.3, bell(0.2, 30.0, 0.012), 1 / (1 + np.exp(-(R - 0.45) / 0.006)))
    _, _, clean = first_shell(R, g)
    for seed in range(10):
        noisy = g + np.random.default_rng(seed).exponential(0.02, len(R))
        assert abs(first_shell(R, noisy)[2] - clean) < 0.02
    assert abs(first_shell(R, g + bell(0.33, 0.1, 0.01))[2] - clean) < 0.02


def test_a_few_pairs_at_short_distance_are_noise_and_not_a_first_shell() -> None:
    """One pair counted at 0.05 nm is a high g, as there is hardly any space; it is no shell."""
    ideal = 2000 * R**2
    g = 1 + bell(0.5, 2.0, 0.03) - bell(0.0, 1.0, 0.15)
    g[12] = 1 / ideal[12]
    assert g[12] > 0.15
    g[12] *= 20
    assert abs(first_shell(R, g)[0] - 0.05) < 0.01, "without the number of pairs it cannot be told"
    assert abs(first_shell(R, g, ideal / 20)[0] - 0.5) < 0.01


def test_a_distribution_without_a_peak_has_no_first_shell() -> None:
    assert all(math.isnan(x) for x in first_shell(R, np.ones_like(R)))
    assert all(math.isnan(x) for x in first_shell(R, np.zeros_like(R)))


def test_where_the_distribution_goes_straight_to_one_the_peak_has_no_edge() -> None:
    g = 1 / (1 + np.exp(-(R - 0.4) / 0.01)) + bell(0.5, 0.6, 0.05)
    peak, height, minimum = first_shell(R, g)
    assert abs(peak - 0.5) < 0.01
    assert abs(height - 1.6) < 0.01
    assert math.isnan(minimum)
    edge = first_shell(R, g - bell(0.7, 0.3, 0.05))[2]
    assert abs(edge - 0.7) < 0.01


def test_a_shell_with_two_peaks_ends_behind_both_unless_it_is_depleted_between_them() -> None:
    """As around the nitrogen of a pyrrolidinium: anions at two sides of the ring."""
    step = 1 / (1 + np.exp(-(R - 0.4) / 0.01))
    two = bell(0.47, 1.0, 0.03) + bell(0.62, 1.2, 0.03) - bell(0.85, 0.5, 0.05)
    peak, _, minimum = first_shell(R, step + two)
    assert abs(peak - 0.47) < 0.01
    assert abs(minimum - 0.85) < 0.01
    peak, _, minimum = first_shell(R, step + two - bell(0.54, 0.6, 0.02))
    assert abs(minimum - 0.545) < 0.01


def test_a_minimum_within_the_noise_is_no_edge() -> None:
    g = 1 / (1 + np.exp(-(R - 0.4) / 0.01)) + bell(0.5, 2.0, 0.03) - bell(0.7, 0.1, 0.03)
    assert abs(first_shell(R, g, np.full_like(R, 1e5))[2] - 0.7) < 0.01
    assert math.isnan(first_shell(R, g, np.full_like(R, 30.0))[2])
