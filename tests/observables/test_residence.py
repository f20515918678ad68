from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.frames import Sites
from mdstudy.analysis.shells import FirstShell
from mdstudy.analysis.trajectory import Trajectory
from mdstudy.base.results import find
from mdstudy.observables.residence import ResidenceTimes
from mdstudy.study.measure import measure

#: Distances in nm: in contact, outside the first minimum but not gone, and gone.
CONTACT, BETWEEN, GONE = 0.20, 0.31, 0.48
BOX = np.array([12.0, 12.0, 12.0, 90.0, 90.0, 90.0], dtype=np.float32)


def pairs(distance: np.ndarray, seed: int = 0) -> Trajectory:
    """One Li and one FSI oxygen a site of a lattice, at given distances, (n_frames, n_pairs) array; 10 ps a frame."""
    n_frames, n = distance.shape
    places = np.stack(np.meshgrid(*[np.arange(4) * 3.0] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:n]
    away = distance + np.random.default_rng(seed).normal(scale=0.012, size=distance.shape)
    lithium = np.broadcast_to(places, (n_frames, n, 3))
    oxygen = lithium + away[..., None] * np.array([1.0, 0.0, 0.0])
    positions = np.concatenate([lithium, oxygen], axis=1).astype(np.float32)
    atoms = {"Li": np.arange(n), "FSI": np.arange(n, 2 * n)}
    groups = {**atoms, "FSI.O": atoms["FSI"]}
    sites = Sites(groups, np.arange(2 * n), atoms, np.ones(2 * n), {"Li": 1, "FSI": -1})
    return Trajectory(sites, n_frames, lambda: ((10.0 * t, xyz, BOX) for t, xyz in enumerate(positions)), None, "made")


def exchange(seed: int, n_frames: int, n: int, lifetime: float, absence: float) -> np.ndarray:
    rng = np.random.default_rng(seed)
    lose, gain = 1 - math.exp(-1 / lifetime), 1 - math.exp(-1 / absence)
    state = np.empty((n_frames, n), dtype=bool)
    state[0] = rng.random(n) < gain / (gain + lose)
    for frame in range(1, n_frames):
        draw = rng.random(n)
        state[frame] = np.where(state[frame - 1], draw >= lose, draw < gain)
    return state


def times(distance: np.ndarray) -> dict[str, object]:
    recipe = ResidenceTimes(FirstShell("Li", ("FSI.O", "TTE.O")))
    (found,) = measure(pairs(distance), [recipe])
    return {
        name: find(found.estimates, f"residence_time{name}", "Li-FSI") for name in ("", "_continuous", "_intermittent")
    }


def test_residence_times_of_exchange_with_known_rates() -> None:
    """50 frames of 10 ps in contact, 450 out of it."""
    found = times(np.where(exchange(1, 1500, 60, 50.0, 450.0), CONTACT, GONE))
    for name in ("", "_continuous"):
        assert abs(found[name].value - 0.5) < 2.5 * found[name].error
        assert found[name].error < 0.07
        assert found[name].converged, found[name].note
        assert found[name].unit == "ns"
    # Of 60 molecules each ion meets one only: the correlation falls to 0.1 with both rates, chance is 0.1/60.
    chance = 0.1 / 60
    level = chance + (1 - chance) / math.e
    expected = -math.log((level - 0.1) / 0.9) / (1 / 0.5 + 1 / 4.5)
    assert abs(found["_intermittent"].value - expected) < 3 * found["_intermittent"].error
    assert found["_intermittent"].error < 0.15


def test_contacts_that_outlive_the_run_are_given_as_more_than_a_time_and_never_as_a_number_or_nan() -> None:
    state = np.ones((300, 40), dtype=bool)
    distance = np.where(state, CONTACT, GONE)
    distance[:, 0] = GONE  # or there would be no second shell to find the minimum by
    for estimate in times(distance).values():
        assert "lower bound at 95% confidence" in estimate.note
        assert not estimate.converged
        assert math.isnan(estimate.error)
    # 39 pairs for 299 frames of 10 ps without a loss
    assert times(distance)[""].value == pytest.approx(39 * 2.99 / math.log(20), rel=1e-2)


def test_crossing_the_first_minimum_and_back_ends_only_the_continuous_contact() -> None:
    rng = np.random.default_rng(2)
    state = exchange(3, 1500, 60, 60.0, 60.0)
    # One frame in ten a contact is just outside the minimum.
    distance = np.where(state, np.where(rng.random(state.shape) < 0.1, BETWEEN, CONTACT), GONE)
    found = times(distance)
    assert abs(found[""].value - 0.6) < 3 * found[""].error + 0.02  # a contact is seen when it is first within
    assert found["_continuous"].value < 0.15


def test_a_species_that_is_never_in_contact_says_so() -> None:
    trajectory = pairs(np.full((50, 10), GONE))
    n = trajectory.sites.n_atoms
    sites = trajectory.sites
    more = Sites(
        {**sites.groups, "TTE": np.array([n]), "TTE.O": np.array([n])},
        np.arange(n + 1),
        {**sites.species, "TTE": np.array([n])},
        np.ones(n + 1),
        {"Li": 1, "FSI": -1, "TTE": 0},
    )

    def read():
        rng = np.random.default_rng(5)
        for time, xyz, box in trajectory.read():
            near = xyz.copy()
            near[n // 2 :] -= np.float32(0.28) * (rng.random((n // 2, 1)) < 0.5).astype(np.float32) * [1, 0, 0]
            yield time, np.concatenate([near, [[7.0, 7.0, 1.5]]]).astype(np.float32), box

    recipe = ResidenceTimes(FirstShell("Li", ("FSI.O", "TTE.O")))
    (found,) = measure(Trajectory(more, 50, read, None, "made"), [recipe])
    never = find(found.estimates, "residence_time", "Li-TTE")
    assert never is not None
    assert math.isnan(never.value)
    assert never.note == "no contact seen"


def test_residence_length_is_the_way_an_ion_diffuses_while_a_molecule_stays() -> None:
    """Ions walk with their partners, 0.012 nm a frame in each direction for 50 frames: sqrt(3 step^2 tau / dt).

    Not so far in the run that they meet others.
    """
    made = pairs(np.where(exchange(1, 1500, 60, 50.0, 450.0), CONTACT, GONE))
    steps = np.random.default_rng(8).normal(scale=0.012, size=(1500, 1, 60, 3)).cumsum(axis=0)

    def read():
        for (time, xyz, box), step in zip(made.read(), steps, strict=True):
            yield time, (xyz.reshape(2, 60, 3) + step).reshape(120, 3).astype(np.float32), box

    (found,) = measure(Trajectory(made.sites, 1500, read, None, "made"), [ResidenceTimes(FirstShell("Li", ("FSI.O",)))])
    length = find(found.estimates, "residence_length", "Li-FSI")
    assert length is not None
    assert length.error < 0.01
    assert abs(length.value - math.sqrt(3 * 0.012**2 * 50)) < 2.5 * length.error


def test_residence_length_is_a_bound_where_no_contact_ends() -> None:
    distance = np.full((300, 40), CONTACT)
    distance[:, 0] = GONE
    (found,) = measure(pairs(distance), [ResidenceTimes(FirstShell("Li", ("FSI.O",)))])
    length = find(found.estimates, "residence_length", "Li-FSI")
    assert length is not None
    assert not length.converged
