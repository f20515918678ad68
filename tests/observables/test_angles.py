from __future__ import annotations

import numpy as np
import pytest

from mdstudy.analysis.shells import FirstShell
from mdstudy.observables.angles import ShellAngles
from mdstudy.study.measure import measure

RECIPE = ShellAngles(FirstShell("Li", ("FSI.O",)))
TETRAHEDRON = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1], [-1, -1, 1]]) / np.sqrt(3)
OUTER = np.concatenate([np.eye(3), -np.eye(3)])
EDGE = 5.0


@pytest.fixture
def tetrahedra(trajectory_of):
    """Ions with four donors each at 0.2 nm; the carrier of each is 0.15 nm from it, at 120 degrees to the ion."""
    rng = np.random.default_rng(4)
    places = np.stack(np.meshgrid(*[np.arange(2) * 2.5] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    frames = []
    for _ in range(30):
        atoms = []
        for place in places:
            turn = np.linalg.qr(rng.normal(size=(3, 3)))[0]
            for corner in TETRAHEDRON:
                outward = corner @ turn
                aside = np.cross(outward, rng.normal(size=3))
                aside /= np.linalg.norm(aside)
                donor = place + 0.2 * outward
                atoms += [donor, donor + 0.15 * (0.5 * outward + np.sqrt(0.75) * aside)]
            for outward in OUTER:  # a second shell, so that the first has an end
                atoms += [place + 0.42 * outward, place + 0.57 * outward]
        still = np.concatenate([places, atoms]) + rng.uniform(0, EDGE, 3)
        frames.append(still + rng.normal(scale=0.001, size=still.shape))
    wrapped = np.array(frames)
    wrapped[:, :8] %= EDGE  # ions in the box, molecules whole and across its boundary
    molecules = [("Li", ("Li",))] * 8 + [("FSI", ("O", "S"))] * 80
    return trajectory_of(molecules, wrapped, [EDGE] * 3 + [90.0] * 3)


def test_a_tetrahedral_shell_has_all_its_angles_at_the_tetrahedral_one(tetrahedra) -> None:
    (found,) = measure(tetrahedra, [RECIPE])
    curve = next(c for c in found.curves if c.quantity == "donor_ion_donor_angle")
    near = np.abs(curve.x - np.degrees(np.arccos(-1 / 3))) < 4.5
    share = curve.y * (np.cos(np.radians(curve.x - 1.5)) - np.cos(np.radians(curve.x + 1.5))) / 2
    assert share.sum() == pytest.approx(1.0)
    assert share[near].sum() == pytest.approx(1.0)


def test_the_carrier_is_seen_at_the_angle_that_was_built(tetrahedra) -> None:
    (found,) = measure(tetrahedra, [RECIPE])
    curve = next(c for c in found.curves if c.quantity == "ion_donor_carrier_angle")
    assert curve.of == "Li-FSI.O-FSI.S"
    assert (curve.y[np.abs(curve.x - 120) > 4.5] == 0).all()


def test_donors_in_any_direction_have_a_distribution_of_one(trajectory_of) -> None:
    rng = np.random.default_rng(6)
    ions = np.tile([[0, 0, 0], [2.5, 0, 0], [0, 2.5, 0], [0, 0, 2.5]], (60, 1, 1))
    directions = rng.normal(size=(60, 4, 12, 3))
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    donors = ions[:, :, None] + directions * np.where(np.arange(12) < 6, 0.2, 0.42)[:, None]
    carriers = donors + 0.15 * np.array([0, 0, 1.0])
    pairs = np.stack([donors, carriers], axis=3).reshape(60, -1, 3)
    molecules = [("Li", ("Li",))] * 4 + [("FSI", ("O", "S"))] * 48
    trajectory = trajectory_of(molecules, np.concatenate([ions, pairs], axis=1), [EDGE] * 3 + [90.0] * 3)
    (found,) = measure(trajectory, [RECIPE])
    for curve in found.curves:
        middle = (curve.x > 20) & (curve.x < 160)
        z = (curve.y[middle] - 1) / curve.y_error[middle]
        assert abs(np.mean(z**2) - 9 / 7) < 1.0, curve.quantity
