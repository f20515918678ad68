from __future__ import annotations

import math

import numpy as np

from mdstudy.analysis.frames import Block, Sites, Tallied
from mdstudy.analysis.periodic import Motion
from mdstudy.analysis.sizes import GyrationRadii, gyration_radii


def test_a_ball_has_the_diameter_that_it_was_made_with_and_a_dumbbell_half_its_length_for_radius() -> None:
    rng = np.random.default_rng(1)
    direction = rng.normal(size=(20_000, 3))
    ball = direction / np.linalg.norm(direction, axis=1, keepdims=True) * 0.4 * rng.random((20_000, 1)) ** (1 / 3)
    dumbbell = np.array([[5.0, 5.0, 5.3], [5.0, 5.0, 5.0]])
    owner = np.repeat([0, 1, 2], [20_000, 2, 1])
    xyz = np.concatenate([ball, dumbbell, [[7.0, 7.0, 7.0]]])[None].astype(np.float32)
    species = {"ball": np.array([0]), "dumbbell": np.array([1]), "atom": np.array([2])}
    sites = Sites({}, owner, species, np.ones(len(owner)), {})
    motion = Motion(np.zeros((1, 3, 3)), np.zeros((1, 3)))
    block = Block(np.zeros(1), xyz, lambda: motion, np.array([[9, 9, 9, 90, 90, 90]], dtype=np.float32))
    tally = GyrationRadii()
    found = gyration_radii(Tallied({tally: [tally(block, sites)]}), sites)
    assert abs(found["ball"].diameter - 0.8) < 0.005
    assert abs(found["dumbbell"].radius - 0.15) < 1e-6
    assert math.isnan(found["atom"].radius)
