from __future__ import annotations

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from mdstudy.analysis.trajectory import Trajectory
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.grids import BOHR, Grid
from mdstudy.observables.spatial_density import SpatialDensity
from mdstudy.study.measure import measure

ANION = ("N", "S", "S", "O")
#: Apex at the origin, arms towards +x and to both sides along y, a donor below the plane.
BODY = np.array([[0.0, 0.0, 0.0], [0.06, 0.14, 0.0], [0.06, -0.14, 0.0], [0.2, 0.1, -0.13]])
EDGE = 5.0


@pytest.fixture
def made(trajectory_of) -> Trajectory:
    """Anions in any place and orientation, each with an ion 0.17 nm below its donor and a solvent atom beside it.

    Ten other solvent atoms are anywhere. Atoms may be in any image of the box.
    """
    rng = np.random.default_rng(1)
    n_frames, n = 200, 4
    turns = Rotation.random(n_frames * n, random_state=2).as_matrix().reshape(n_frames, n, 3, 3)
    places = rng.uniform(0, EDGE, (n_frames, n, 1, 3))
    fixed = np.concatenate([BODY, [[0.22, 0.1, -0.3], [0.1, 0.3, 0.5]]])
    xyz = np.einsum("fmij,aj->fmai", turns, fixed) + places
    anions, ions, near = xyz[:, :, :4].reshape(n_frames, -1, 3), xyz[:, :, 4], xyz[:, :, 5]
    far = rng.uniform(0, EDGE, (n_frames, 10, 3))
    molecules = [("FSI", ANION)] * n + [("Li", ("Li",))] * n + [("TTE", ("O",))] * (n + 10)
    frames = np.concatenate([anions, ions % EDGE, near % EDGE, far], axis=1)
    return trajectory_of(molecules, frames, [EDGE] * 3 + [90.0] * 3)


def grid(trajectory: Trajectory, recipe: SpatialDensity, of: str) -> Grid:
    (found,) = measure(trajectory, [recipe])
    return next(g for g in found.grids if g.of == of)


def voxel(density: Grid, place: list[float]) -> tuple[int, ...]:
    return tuple(np.floor((np.array(place) - density.corner) / density.spacing).astype(int))


def test_what_sits_at_one_place_of_a_turning_molecule_is_in_one_voxel(made) -> None:
    """One ion of four a molecule in each frame: 1 over 4/EDGE^3 times the volume of a voxel."""
    density = grid(made, SpatialDensity(("Li", "TTE.O")), "FSI-Li")
    place = voxel(density, [0.22, 0.1, -0.3])
    assert density.values[place] == pytest.approx(EDGE**3 / 4 / density.spacing**3, rel=0.02)
    solvent = grid(made, SpatialDensity(("Li", "TTE.O")), "FSI-TTE.O")
    assert np.unravel_index(np.argmax(solvent.values), solvent.values.shape) == voxel(solvent, [0.1, 0.3, 0.5])


def test_around_an_ion_x_points_to_the_apex_of_the_molecule_that_holds_it(made) -> None:
    """The solvent atom in axes from ion to apex, y in the plane of x and the line between the arms."""
    ion, apex, arm, solvent = np.array([0.22, 0.1, -0.3]), BODY[0], BODY[1] - BODY[2], np.array([0.1, 0.3, 0.5])
    x = (apex - ion) / np.linalg.norm(apex - ion)
    y = arm - (arm @ x) * x
    y /= np.linalg.norm(y)
    due = [x @ (solvent - ion), y @ (solvent - ion), np.cross(x, y) @ (solvent - ion)]
    recipe = SpatialDensity(("TTE.O",), half=0.9, spacing=0.06, ion="Li", cutoff=0.2)
    density = grid(made, recipe, "Li held by FSI-TTE.O")
    place = np.unravel_index(np.argmax(density.values), density.values.shape)
    assert np.all(np.abs(density.middle(place) - due) <= 0.031)
    assert density.values[place] == pytest.approx(EDGE**3 / 14 / density.spacing**3, rel=0.1)
    assert density.atoms[-1] == ("Li", (0.0, 0.0, 0.0))
    assert density.atoms[0][1] == pytest.approx((np.linalg.norm(apex - ion), 0, 0), abs=2e-3)


def test_an_ideal_gas_has_a_density_of_one_everywhere(trajectory_of) -> None:
    rng = np.random.default_rng(3)
    xyz = np.concatenate(
        [
            rng.uniform(0, 3, (60, 10, 1, 3)) + BODY,
        ],
        axis=2,
    ).reshape(60, 40, 3)
    gas = rng.uniform(0, 3, (60, 400, 3))
    molecules = [("FSI", ANION)] * 10 + [("TTE", ("O",))] * 400
    trajectory = trajectory_of(molecules, np.concatenate([xyz, gas], axis=1), [3.0] * 3 + [90.0] * 3)
    density = grid(trajectory, SpatialDensity(("TTE.O",), spacing=0.1), "FSI-TTE.O")
    counts = 60 * 10 * 400 / 27 * 0.1**3
    assert density.values.mean() == pytest.approx(1.0, abs=4 / np.sqrt(counts * density.values.size))
    assert density.values.std() == pytest.approx(1 / np.sqrt(counts), rel=0.1)


def test_a_molecule_without_two_arms_is_refused_and_so_is_a_small_box(made) -> None:
    with pytest.raises(TrajectoryError, match=r"one atom FSI\.S and two atoms FSI\.N a molecule"):
        measure(made, [SpatialDensity(("Li",), apex="FSI.S", arms="FSI.N")])
    with pytest.raises(TrajectoryError, match=r"needs a box of 5\.20 nm"):
        measure(made, [SpatialDensity(("Li",), half=1.5)])


def test_frames_are_thinned_by_their_time_and_not_by_their_place_in_a_block(made) -> None:
    whole = grid(made, SpatialDensity(("Li",)), "FSI-Li")
    some = grid(made, SpatialDensity(("Li",), every=5), "FSI-Li")
    assert np.nanmax(some.values) == pytest.approx(whole.values.max(), rel=0.05)
    (first_alone,) = measure(made, [SpatialDensity(("Li",), every=10**9)])
    assert "4 bodies in all frames" in first_alone.estimates[0].method


def test_a_cube_file_reads_back_as_what_was_written() -> None:
    values = np.random.default_rng(4).random((2, 3, 7))
    made = Grid("g", "FSI-Li", values, values, np.array([-0.1, 0.0, 0.2]), 0.05, "1", (("N", (0.0, 0.1, 0.0)),))
    lines = made.to_cube().splitlines()
    head = [line.split() for line in lines[2:7]]
    assert [row[0] for row in head] == ["1", "2", "3", "7", "7"]
    np.testing.assert_allclose(np.array(head[0][1:], dtype=float) * BOHR, [-0.075, 0.025, 0.225], atol=1e-6)
    assert float(head[1][1]) * BOHR == pytest.approx(0.05, abs=1e-6)
    numbers = np.array(" ".join(lines[7:]).split(), dtype=float)
    np.testing.assert_allclose(numbers.reshape(values.shape), values, rtol=1e-5)
