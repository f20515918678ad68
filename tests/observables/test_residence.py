from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from mdstudy.analysis.frames import Sites
from mdstudy.analysis.shells import FirstShell
from mdstudy.analysis.trajectory import Trajectory
from mdstudy.base.results import find
from mdstudy.observables.residence import ResidenceTimes
from mdstudy.study.measure import measure
from tests.processes import exchange, pairs_apart

#: Distances in nm: in contact, outside the first minimum but not gone, and gone.
CONTACT, BETWEEN, GONE = 0.20, 0.31, 0.48


def times(distance: np.ndarray) -> dict[str, object]:
    recipe = ResidenceTimes(FirstShell("Li", ("FSI.O", "TTE.O")))
    (found,) = measure(pairs_apart(distance), [recipe])
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


def test_ion_pair_lifetime_is_that_of_the_exchange_and_given_for_opposite_charges_only() -> None:
    trajectory = pairs_apart(np.where(exchange(1, 1500, 60, 50.0, 450.0), CONTACT, GONE))
    recipe = ResidenceTimes(FirstShell("Li", ("FSI.O",)))
    (found,) = measure(trajectory, [recipe])
    pair = find(found.estimates, "ion_pair_lifetime", "Li-FSI")
    assert pair is not None
    assert abs(pair.value - 0.5) < 2.5 * pair.error
    assert pair.error < 0.07
    neutral = replace(trajectory.sites, formal_charge={"Li": 1, "FSI": 0})
    (found,) = measure(replace(trajectory, sites=neutral), [recipe])
    assert find(found.estimates, "ion_pair_lifetime", "Li-FSI") is None
    assert find(found.estimates, "residence_time", "Li-FSI") is not None


def test_contacts_that_outlive_the_run_are_given_as_more_than_a_time_and_never_as_a_number_or_nan() -> None:
    state = np.ones((300, 40), dtype=bool)
    distance = np.where(state, CONTACT, GONE)
    distance[:, 0] = GONE  # or there would be no second shell to find the minimum by
    for estimate in times(distance).values():
        assert "lower bound at 95% confidence" in estimate.note
        assert estimate.lower_bound
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
    trajectory = pairs_apart(np.full((50, 10), GONE))
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
    made = pairs_apart(np.where(exchange(1, 1500, 60, 50.0, 450.0), CONTACT, GONE))
    steps = np.random.default_rng(8).normal(scale=0.012, size=(1500, 1, 60, 3)).cumsum(axis=0)

    def read():
        for (time, xyz, box), step in zip(made.read(), steps, strict=True):
            yield time, (xyz.reshape(2, 60, 3) + step).reshape(120, 3).astype(np.float32), box

    (found,) = measure(Trajectory(made.sites, 1500, read, None, "made"), [ResidenceTimes(FirstShell("Li", ("FSI.O",)))])
    length = find(found.estimates, "residence_length", "Li-FSI")
    assert length is not None
    assert length.error < 0.01
    assert abs(length.value - math.sqrt(3 * 0.012**2 * 50)) < 2.5 * length.error


def walking(lifetime: float, bond: float) -> Trajectory:
    """Pairs that walk together, 0.012 nm a frame in each direction; FSI has two atoms, so far from each other."""
    made = pairs_apart(np.where(exchange(1, 1500, 60, lifetime, 9 * lifetime), CONTACT, GONE), bond=bond)
    steps = np.random.default_rng(8).normal(scale=0.012, size=(1500, 60, 3)).cumsum(axis=0)
    order = np.r_[np.arange(60), np.arange(60), np.arange(60)]

    def read():
        for (time, xyz, box), step in zip(made.read(), steps, strict=True):
            yield time, (xyz + step[order]).astype(np.float32), box

    return replace(made, read=read)


@pytest.mark.parametrize(("lifetime", "bond"), [(50.0, 0.05), (10.0, 0.3)], ids=["vehicular", "exchange"])
def test_residence_length_ratio_tells_ions_that_travel_with_their_shell_from_those_that_change_it(
    lifetime: float, bond: float
) -> None:
    """Two equal masses a bond apart have half of it as radius of gyration: a sphere of the diameter sqrt(5/3) bond."""
    (found,) = measure(walking(lifetime, bond), [ResidenceTimes(FirstShell("Li", ("FSI.O",)))])
    ratio = find(found.estimates, "residence_length_ratio", "Li-FSI")
    assert ratio is not None
    expected = math.sqrt(3 * 0.012**2 * lifetime) / (math.sqrt(5 / 3) * bond)
    assert abs(ratio.value - expected) < 3 * ratio.error
    assert ratio.error < 0.08 * expected
    assert (ratio.value > 1.5) == (lifetime == 50.0)
    assert (ratio.value < 0.5) == (lifetime == 10.0)


def test_residence_length_is_a_bound_where_no_contact_ends() -> None:
    distance = np.full((300, 40), CONTACT)
    distance[:, 0] = GONE
    (found,) = measure(pairs_apart(distance), [ResidenceTimes(FirstShell("Li", ("FSI.O",)))])
    length = find(found.estimates, "residence_length", "Li-FSI")
    assert length is not None
    assert not length.converged


def test_contacts_that_are_sorted_a_few_ions_at_a_time_give_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    distance = np.where(exchange(1, 200, 30, 50.0, 150.0), CONTACT, GONE)
    recipe = ResidenceTimes(FirstShell("Li", ("FSI.O",)))
    (together,) = measure(pairs_apart(distance), [recipe])
    monkeypatch.setattr("mdstudy.analysis.binding._ROWS", 100)
    (apart,) = measure(pairs_apart(distance), [recipe])
    assert str(apart.estimates) == str(together.estimates)
    for ours, theirs in zip(apart.curves, together.curves, strict=True):
        np.testing.assert_allclose(ours.y, theirs.y, rtol=1e-12)
