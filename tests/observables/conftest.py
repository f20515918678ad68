"""Passes over trajectories made of given paths: what an observable of motion is handed, without any file."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
import pytest

from mdstudy.frames import Centres, Series, Sites, Tallied

Pass = tuple[Tallied, Sites]


@pytest.fixture
def pass_over() -> Callable[..., Pass]:
    """Give the tallies and sites of species of one-atom molecules that follow given paths, 1 ps a frame.

    Paths are (n_frames, n_molecules, 3) arrays in nm; volume in nm^3, masses in dalton.
    """

    def make(
        paths: Mapping[str, np.ndarray],
        charge: Mapping[str, int] | None = None,
        *,
        volume: float = 100.0,
        masses: Mapping[str, float] | None = None,
        charge_scale: float = float("nan"),
    ) -> Pass:
        species, first = {}, 0
        for name, path in paths.items():
            species[name] = np.arange(first, first := first + path.shape[1])
        mass = np.concatenate([np.full(len(m), (masses or {}).get(name, 1.0)) for name, m in species.items()])
        sites = Sites(dict(species), np.arange(first), species, mass, dict(charge or {}), charge_scale)
        centres = np.concatenate(list(paths.values()), axis=1)
        series = Series(
            np.arange(len(centres), dtype=float), {"centres": centres, "volume": np.full(len(centres), volume)}
        )
        return Tallied({Centres(): [series]}), sites

    return make


@pytest.fixture
def walk() -> Callable[..., np.ndarray]:
    """Random walks, (n_frames, n, 3) in nm, with a step of unit variance in each direction unless told otherwise."""

    def make(seed: int, n_frames: int, n: int, step: float = 1.0) -> np.ndarray:
        return np.cumsum(np.random.default_rng(seed).normal(scale=step, size=(n_frames, n, 3)), axis=0)

    return make
