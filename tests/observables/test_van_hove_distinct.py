from __future__ import annotations

import math

import numpy as np
import pytest
from MDAnalysis.lib.mdamath import triclinic_vectors

from mdstudy.base.errors import TrajectoryError
from mdstudy.observables.rdf import RadialDistribution
from mdstudy.observables.van_hove_distinct import FRAMES, DistinctVanHove, Snapshots
from mdstudy.study.measure import measure

CONSTANT, CELLS = 0.8, 4
CUBE = [CONSTANT * CELLS] * 3 + [90.0] * 3


def lattice() -> np.ndarray:
    """Sites of a face-centred crystal, 256 in a box of 3.2 nm."""
    corner = np.stack(np.meshgrid(*[np.arange(CELLS)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    motif = np.array([[0, 0, 0], [0.5, 0.5, 0], [0.5, 0, 0.5], [0, 0.5, 0.5]])
    return (corner + motif).reshape(-1, 3) * CONSTANT


def ions(n: int) -> list[tuple[str, tuple[str, ...]]]:
    return [("Li", ("Li",))] * n


def curves(trajectory, *others: str, **settings: object) -> dict[str, object]:
    recipe = DistinctVanHove("Li", others or ("Li",), **settings)
    return {curve.of: curve for curve in measure(trajectory, [recipe])[0].curves}


@pytest.mark.parametrize("box", [[4.0, 4.0, 4.0, 90, 90, 90], [4.0, 4.2, 4.4, 70, 80, 100]], ids=["cubic", "triclinic"])
def test_at_time_zero_it_is_the_radial_distribution_to_the_last_bit(trajectory_of, box) -> None:
    """In a box that changes, with a drift, for a site about itself, another and one with several atoms a molecule."""
    rng = np.random.default_rng(1)
    boxes = np.array([box] * 20, dtype=float)
    boxes[:, :3] *= 1 + 0.02 * rng.random((20, 1))
    xyz = rng.uniform(0, 4, (20, 40 + 3 * 30, 3)) + np.arange(20)[:, None, None] * 0.3
    xyz[:, 40:] = np.repeat(xyz[:, 40::3], 3, axis=1) + rng.normal(scale=0.1, size=(20, 90, 3))
    molecules = [*ions(40), *[("FSI", ("N", "O", "O"))] * 30]
    trajectory = trajectory_of(molecules, xyz, boxes)
    others = ("FSI.N", "FSI.O", "Li")
    for reference in ("Li", "FSI.O"):
        g, (found,) = (
            measure(trajectory, [RadialDistribution(reference, others, width=0.01)])[0].curves,
            measure(trajectory, [DistinctVanHove(reference, others, times=(0.0,))]),
        )
        expected = {c.of: c for c in g if c.quantity == "radial_distribution"}
        assert [c.of for c in found.curves] == [f"{of} in 0 ps" for of in expected]
        for curve in found.curves:
            same = expected[curve.of.removesuffix(" in 0 ps")]
            np.testing.assert_array_equal(curve.y, same.y)
            assert (curve.y > 0).sum() > 80
            np.testing.assert_allclose(curve.y_error, same.y_error, rtol=1e-9)


def test_an_ideal_gas_has_one_at_all_times(trajectory_of) -> None:
    rng = np.random.default_rng(2)
    steps = rng.normal(scale=0.1, size=(200, 150, 3))
    paths = rng.uniform(0, 3, (150, 3)) + np.cumsum(steps, axis=0)
    found = curves(trajectory_of(ions(150), paths, [3.0] * 3 + [90.0] * 3), width=0.06)
    assert list(found) == ["Li-Li in 0 ps", "Li-Li in 1 ps", "Li-Li in 8 ps", "Li-Li in 80 ps"]
    for curve in found.values():
        z = (curve.y - 1)[3:] / curve.y_error[3:]
        assert np.abs(z).max() < 6, curve.of  # Student t of 9 degrees of freedom
        assert abs(z.mean()) < 4 / math.sqrt(len(z)) * 9 / 7
        assert np.abs(curve.y - 1)[8:].max() < 0.05


def test_a_crystal_at_rest_keeps_its_shells(trajectory_of) -> None:
    """Shells of 12, 6, 24, 12 and 24 at sqrt(k/2) constants; nothing at r = 0."""
    found = curves(trajectory_of(ions(256), np.repeat(lattice()[None], 20, axis=0), CUBE), r_max=1.3)
    for curve in found.values():
        shells = 4 / 3 * math.pi * np.diff(np.append(curve.x - 0.005, curve.x[-1] + 0.005) ** 3)
        running = np.cumsum(curve.y * shells) * 255 / (CONSTANT * CELLS) ** 3
        at = [running[np.searchsorted(curve.x, r * CONSTANT) - 1] for r in (0.5, 0.85, 1.1, 1.3, 1.5, 1.6)]
        assert at == pytest.approx([0, 12, 18, 42, 54, 78], rel=1e-6, abs=1e-9)


def test_of_a_crystal_that_breathes_and_drifts_with_its_box_it_is_that_of_the_later_frames(trajectory_of) -> None:
    rng = np.random.default_rng(3)
    scale = 1 + 0.02 * rng.normal(size=(40, 1, 1))
    boxes = np.array(CUBE) * np.concatenate([np.repeat(scale[:, 0], 3, axis=1), np.ones((40, 3))], axis=1)
    xyz = lattice() * scale + np.cumsum(rng.normal(scale=0.2, size=(40, 1, 3)), axis=0)
    found = curves(trajectory_of(ions(256), xyz, boxes), times=(0.0, 1.0, 15.0, 38.0))
    for lag, curve in zip((0, 1, 15, 38), found.values(), strict=True):
        later = trajectory_of(ions(256), xyz[lag:], boxes[lag:])
        (g,) = (
            c
            for c in measure(later, [RadialDistribution("Li", ("Li",), width=0.01)])[0].curves
            if "radial" in c.quantity
        )
        np.testing.assert_allclose(curve.y, g.y, atol=1e-6 * g.y.max())


def test_atoms_that_walk_off_a_lattice_have_its_shells_widened_by_a_gaussian(trajectory_of) -> None:
    """|R + x|, x of variance s a direction, has the density r/(R sqrt(2 pi s)) (e^-(r-R)^2/2s - e^-(r+R)^2/2s).

    The earlier place has walked f steps, the later one f + lag: s = (2 f + lag) step^2, averaged over origins f.
    """
    rng = np.random.default_rng(4)
    n_frames, step = 24, 0.02
    sites = lattice()
    steps = rng.normal(scale=step, size=(n_frames, 256, 3))
    steps[0] = 0
    found = curves(trajectory_of(ions(256), sites + np.cumsum(steps, axis=0), CUBE), times=(0.0, 4.0, 20.0))
    apart = sites[1:] - sites[0]
    shells = np.linalg.norm(apart - np.round(apart / CUBE[0]) * CUBE[0], axis=1)
    for lag, curve in zip((0, 4, 20), found.values(), strict=True):
        r, expected = curve.x, np.zeros(len(curve.x))
        for f in range(n_frames - lag):
            s = (2 * f + lag) * step**2
            if s == 0:
                expected += np.histogram(shells, np.append(r - 0.005, r[-1] + 0.005))[0] / 0.01
                continue
            near, far = (np.exp(-((r[:, None] + sign * shells) ** 2) / (2 * s)) for sign in (-1, 1))
            expected += (r[:, None] / shells * (near - far)).sum(axis=1) / math.sqrt(2 * math.pi * s)
        expected *= 1 / (n_frames - lag) / (4 * math.pi * r**2) * CUBE[0] ** 3 / 255
        # Counts of a shell come from 256 atoms, whatever the number of frames: steps add up.
        inside = (r > 0.3) & (r < 1.15)
        counts = expected[inside] * 4 * math.pi * r[inside] ** 2 * 0.01 * 255 / CUBE[0] ** 3 * 256
        z = (curve.y - expected)[inside] / expected[inside] * np.sqrt(counts)
        assert np.abs(z).max() < 5, curve.of
        if lag:
            far_off = found["Li-Li in 0 ps"].y[inside] - expected[inside]
            assert np.abs(far_off / expected[inside] * np.sqrt(counts)).max() > 10, "could not tell lags apart"


def test_the_place_of_one_that_left_is_taken_by_another(trajectory_of) -> None:
    """Neighbours change places: at r = 0 stands another atom than at the start as often as an odd number was done."""
    sites, frames, order = lattice(), [], np.arange(256)
    rng = np.random.default_rng(5)
    swaps = order.reshape(-1, 2)  # atoms 0 and 1 of a cell, and 2 and 3, are nearest neighbours
    for _ in range(30):
        frames.append(sites[order])
        chosen = swaps[rng.random(len(swaps)) < 0.1]
        order = order.copy()
        order[chosen] = order[chosen[:, ::-1]]
    found = curves(trajectory_of(ions(256), np.array(frames), CUBE), times=(0.0, 3.0))
    where = np.array(frames)
    elsewhere = np.mean([(where[f] != where[f + 3]).any(axis=-1).mean() for f in range(27)])
    first = [curve.y[0] * 4 / 3 * math.pi * 0.01**3 * 255 / CUBE[0] ** 3 for curve in found.values()]
    assert first == pytest.approx([0, elsewhere], rel=1e-3)
    assert elsewhere > 0.2


def test_it_is_the_plain_sum_over_all_pairs(trajectory_of) -> None:
    """Two species in an oblique box, no compiled search: every image, every pair, every origin."""
    rng = np.random.default_rng(6)
    paths = rng.uniform(0, 3, (60, 3)) + np.cumsum(rng.normal(scale=0.05, size=(12, 60, 3)), axis=0)
    box = [3.0, 3.2, 3.4, 75.0, 85.0, 95.0]
    trajectory = trajectory_of([*ions(20), *[("FSI", ("N",))] * 40], paths, box)
    found = curves(trajectory, "FSI.N", "Li", times=(5.0,))
    still = paths - np.average(paths - paths[:1], axis=1, weights=trajectory.sites.masses)[:, None]
    vectors = triclinic_vectors(box).astype(float)
    images = np.stack(np.meshgrid(*[np.arange(-3, 4)] * 3, indexing="ij"), axis=-1).reshape(-1, 3) @ vectors
    edges = np.arange(121) * 0.01
    for other, those, pairs in (("FSI.N", range(20, 60), 20 * 40), ("Li", range(20), 20 * 19)):
        apart = [still[f + 5, j] - still[f, i] for f in range(7) for i in range(20) for j in those if i != j]
        distances = np.linalg.norm(np.array(apart)[:, None] + images, axis=-1)
        expected = np.histogram(distances, edges)[0]
        shells = 4 / 3 * math.pi * np.diff(edges**3) * 7 * pairs / np.linalg.det(vectors)
        ours = found[f"Li-{other} in 5 ps"].y * shells
        assert expected.sum() > 600
        assert np.abs(ours - expected).max() < 1.5, "single precision moves a pair over the edge of a bin"
        assert np.abs(np.cumsum(ours - expected)).max() < 1.5


def test_of_a_long_run_a_bounded_number_of_frames_is_kept(trajectory_of) -> None:
    n_frames = 2 * FRAMES + 1
    paths = np.random.default_rng(7).uniform(0, 3, (n_frames, 4, 3))
    trajectory = trajectory_of(ions(4), paths, [3.0] * 3 + [90.0] * 3)
    tally = Snapshots(("Li",))
    kept = np.concatenate([tally(block, trajectory.sites).times for _, block in trajectory.blocks(7)])
    np.testing.assert_array_equal(kept, np.arange(0, n_frames, 3))
    with pytest.raises(TrajectoryError, match="in 4 ps: there are places every 3 ps for 1998 ps"):
        curves(trajectory, times=(4.0,))


def test_a_time_beyond_the_run_and_a_box_that_is_too_small_are_refused(trajectory_of) -> None:
    paths = np.random.default_rng(8).uniform(0, 3, (5, 4, 3))
    trajectory = trajectory_of(ions(4), paths, [3.0] * 3 + [90.0] * 3)
    with pytest.raises(TrajectoryError, match="in 5 ps: there are places every 1 ps for 4 ps"):
        curves(trajectory, times=(5.0,))
    with pytest.raises(TrajectoryError, match=r"needs a box of 3.2 nm; this has 3.00"):
        curves(trajectory, r_max=1.6)
