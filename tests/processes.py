"""Random processes with a closed form that tests of several parts of the package share."""

from __future__ import annotations

import math

import numpy as np

from mdstudy.analysis.frames import Sites
from mdstudy.analysis.trajectory import Trajectory


def exchange(seed: int, n_frames: int, n_pairs: int, lifetime: float, absence: float) -> np.ndarray:
    """Contacts that end and begin at random with these mean times in frames, from a stationary start.

    (n_frames, n_pairs) bool array.
    """
    rng = np.random.default_rng(seed)
    lose, gain = 1 - math.exp(-1 / lifetime), 1 - math.exp(-1 / absence)
    state = np.empty((n_frames, n_pairs), dtype=bool)
    state[0] = rng.random(n_pairs) < gain / (gain + lose)
    for frame in range(1, n_frames):
        draw = rng.random(n_pairs)
        state[frame] = np.where(state[frame - 1], draw >= lose, draw < gain)
    return state


def pairs_apart(distance: np.ndarray, *, bond: float = 0.0, seed: int = 0) -> Trajectory:
    """One Li and one FSI oxygen a site of a lattice, at given distances, (n_frames, n_pairs) array; 10 ps a frame.

    With a bond (nm) the FSI has a second atom of the same mass, so far away from its oxygen, across the pair.
    """
    n_frames, n = distance.shape
    places = np.stack(np.meshgrid(*[np.arange(4) * 3.0] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:n]
    away = distance + np.random.default_rng(seed).normal(scale=0.012, size=distance.shape)
    lithium = np.broadcast_to(places, (n_frames, n, 3))
    oxygen = lithium + away[..., None] * np.array([1.0, 0.0, 0.0])
    parts = [lithium, oxygen, *([oxygen + np.array([0.0, bond, 0.0])] if bond else [])]
    positions = np.concatenate(parts, axis=1).astype(np.float32)
    atoms, owner = np.arange(n * len(parts)), np.concatenate([np.arange(n), *[np.arange(n, 2 * n)] * (len(parts) - 1)])
    groups = {"Li": atoms[:n], "FSI": atoms[n:], "FSI.O": atoms[n : 2 * n]}
    species = {"Li": np.arange(n), "FSI": np.arange(n, 2 * n)}
    sites = Sites(groups, owner, species, np.ones(len(atoms)), {"Li": 1, "FSI": -1})
    box = np.array([12.0, 12.0, 12.0, 90.0, 90.0, 90.0], dtype=np.float32)
    return Trajectory(sites, n_frames, lambda: ((10.0 * t, xyz, box) for t, xyz in enumerate(positions)), None, "made")
