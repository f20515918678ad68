from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.shells import FirstShell
from mdstudy.base.results import find
from mdstudy.observables.speciation import Arms, Speciation
from mdstudy.study.measure import measure

RECIPE = Speciation(FirstShell("Li", ("TTE.O", "FSI.O")))
#: An anion with two groups of two oxygens each: sulfur, then its oxygens; the groups are 0.3 nm apart.
ANION = ("S", "O", "O", "S", "O", "O")
SHAPE = np.array([[0, 0, 0], [0, 0.14, 0.12], [0, 0.14, -0.12], [0.3, 0, 0], [0.3, 0.14, 0.12], [0.3, 0.14, -0.12]])
ONE = np.array([0, 0.14 + math.sqrt(0.2**2 - 0.12**2), 0])  # 0.2 nm from both oxygens of the first group
BOTH = np.array([0.15, 0.14 + math.sqrt(0.2**2 - 0.15**2), 0.12])  # 0.2 nm from one oxygen of each group
SINGLE = np.array([0, 0.14, 0.32])  # 0.2 nm from one oxygen


@pytest.fixture
def made(trajectory_of):
    """Eight anions far apart and ten cations: what each anion holds is said by `held`."""
    held = [
        [],
        [ONE],
        [ONE],
        [BOTH],
        [SINGLE, -SINGLE * [1, -1, 1]],
        [SINGLE, -SINGLE * [1, -1, 1], SINGLE + SHAPE[3]],
        [],
        [],
    ]
    places = np.stack(np.meshgrid(*[np.arange(3) * 2.0] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    anions = np.concatenate([place + SHAPE for place in places[:8]])
    cations = [place + ion for place, ions in zip(places[:8], held, strict=True) for ion in ions]
    cations += [places[10], places[12]]  # two that touch nothing
    rng = np.random.default_rng(2)
    still = np.concatenate([anions, cations, places[20:21]])
    frames = still + rng.uniform(0, 6, (40, 1, 3)) + rng.normal(scale=0.002, size=(40, len(still), 3))
    molecules = [("FSI", ANION)] * 8 + [("Li", ("Li",))] * len(cations) + [("TTE", ("O",))]
    assert len(cations) == 10
    return trajectory_of(molecules, frames, [6.0] * 3 + [90.0] * 3)


def table(measurement) -> dict[tuple[str, str], float]:
    return {(e.quantity, e.of): e.value for e in measurement.estimates}


def test_ions_built_by_hand_are_sorted_into_their_classes_per_anion_and_per_cation(made) -> None:
    (found,) = measure(made, [RECIPE])
    assert table(found) == {
        key: pytest.approx(value)
        for key, value in {
            ("anion_speciation", "FSI: free"): 3 / 8,
            ("anion_speciation", "FSI: CIP"): 3 / 8,
            ("anion_speciation", "FSI: AGG"): 1 / 8,
            ("anion_speciation", "FSI: AGG+"): 1 / 8,
            ("cation_speciation", "Li: SSIP"): 0.2,
            ("cation_speciation", "Li: CIP"): 0.8,
            ("cation_speciation", "Li: AGG"): 0.0,
            ("denticity", "Li-FSI: monodentate"): 5 / 8,
            ("denticity", "Li-FSI: bidentate"): 3 / 8,
            ("denticity", "Li-FSI: tridentate and more"): 0.0,
            ("chelate_share", "Li-FSI"): 1 / 3,
        }.items()
    }


def test_shares_of_each_kind_of_ion_make_one(electrolyte) -> None:
    (found,) = measure(electrolyte, [Speciation(FirstShell("Li", ("FSI.O", "TTE.O")))])
    for quantity in ("anion_speciation", "cation_speciation", "denticity"):
        assert sum(e.value for e in found.estimates if e.quantity == quantity) == pytest.approx(1.0)


def test_a_class_that_never_occurs_stays_in_the_table_without_an_error(made) -> None:
    (found,) = measure(made, [RECIPE])
    never = find(found.estimates, "cation_speciation", "Li: AGG")
    assert never.value == 0.0
    assert math.isnan(never.error)
    assert not never.converged


def test_every_share_states_its_sensitivity_to_the_cutoff(made) -> None:
    (found,) = measure(made, [RECIPE])
    assert all("for cutoffs -+ 0.02 nm" in estimate.note for estimate in found.estimates)


def test_shares_change_with_the_cutoff_as_contacts_at_its_edge_do(trajectory_of) -> None:
    """A cation beyond the first minimum by 0.01 nm counts for the wider cutoff alone."""
    rng = np.random.default_rng(0)
    places = np.stack(np.meshgrid(*[np.arange(3) * 2.0] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:20]
    distance = np.where(np.arange(20) < 18, 0.2, 0.37)
    still = np.concatenate([places, places + distance[:, None] * [1, 0, 0]])
    frames = still + rng.uniform(0, 6, (40, 1, 3)) + rng.normal(scale=0.004, size=(40, 40, 3))
    molecules = [("Li", ("Li",))] * 20 + [("FSI", ("O",))] * 20
    (found,) = measure(
        trajectory_of(molecules, frames, [6.0] * 3 + [90.0] * 3), [Speciation(FirstShell("Li", ("FSI.O",)))]
    )
    (cutoff,) = {e.method.partition("< ")[2].partition(" nm")[0] for e in found.estimates}
    free = find(found.estimates, "anion_speciation", "FSI: free")
    assert 0.25 < float(cutoff) < 0.35
    assert free.value == pytest.approx(0.1)
    assert free.note.startswith("0.1 to 0.1 for")
    assert "chelate_share" not in {e.quantity for e in found.estimates}, "nothing carries the donors here"


def test_each_oxygen_is_given_to_its_nearest_sulfur_whatever_the_order_of_atoms(trajectory_of) -> None:
    shuffled = [4, 0, 2, 3, 1, 5]  # O S O S O O
    names = [ANION[k] for k in shuffled]
    trajectory = trajectory_of([("FSI", names)] * 2, np.tile(SHAPE[shuffled], (3, 2, 1)), [6.0] * 3 + [90.0] * 3)
    (_, block), *_ = trajectory.blocks(1)
    arms = Arms("FSI.O", "FSI.S")(block, trajectory.sites).arrays["arm"]
    np.testing.assert_array_equal(arms, [[1, 0, 0, 1] * 2] * 3)
