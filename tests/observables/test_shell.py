from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.shells import FirstShell
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import find
from mdstudy.observables.shell import SolvationShell
from mdstudy.study.measure import measure

ANION = ("O", "O")
SHELL = SolvationShell(FirstShell("Li", ("FSI.O", "TTE.O")))


@pytest.fixture
def made(trajectory_of):
    """Ten ions far apart: ions 0-3 held by one anion at both oxygens, 4-7 by two anions at one each, 8 and 9 by none.

    Ion 0 has a solvent molecule besides; another stands apart. Molecules jump to a new place in every frame, together.
    """
    rng = np.random.default_rng(1)
    n_frames, edge = 40, 6.0
    places = np.stack(np.meshgrid(*[np.arange(3) * 2.0] * 3, indexing="ij"), axis=-1).reshape(-1, 3)[:12] + 1.0
    ions, anions = places[:10], []
    for k in range(8):
        angles = [0.0, 0.9] if k < 4 else [0.0]
        anions += [[ions[k] + [0.2, 0, 0], ions[k] + 0.2 * np.array([math.cos(a), math.sin(a), 0])] for a in angles[1:]]
        if k >= 4:
            anions += [[ions[k] + side * np.array([0.2, 0, 0]), ions[k] + side * np.array([0.5, 0, 0])]
                       for side in (1, -1)]  # fmt: skip
    solvent = [ions[0] + [-0.2, 0, 0], places[11]]
    still = np.concatenate([ions, np.reshape(anions, (-1, 3)), solvent])
    shifts = rng.uniform(0, edge, (n_frames, 1, 3))
    trembling = rng.normal(scale=0.003, size=(n_frames, len(still), 3))
    molecules = [("Li", ("Li",))] * 10 + [("FSI", ANION)] * 12 + [("TTE", ("O",))] * 2
    return trajectory_of(molecules, still + shifts + trembling, [edge] * 3 + [90.0] * 3)


def test_a_shell_built_by_hand_is_counted_as_built(made) -> None:
    (found,) = measure(made, [SHELL])
    due = {
        ("coordinating_molecules", "Li-FSI"): (4 * 1 + 4 * 2) / 10,
        ("coordinating_molecules", "Li-TTE"): 1 / 10,
        ("bidentate_share", "Li-FSI"): 4 / 12,
        ("bidentate_share", "Li-TTE"): 0.0,
        ("coordinated_share", "FSI"): 1.0,
        ("coordinated_share", "TTE"): 0.5,
        ("shell_probability", "Li: 2 FSI"): 0.4,
        ("shell_probability", "Li: 1 FSI"): 0.3,
        ("shell_probability", "Li: 1 FSI 1 TTE"): 0.1,
        ("shell_probability", "Li: none"): 0.2,
        ("contact_survival", "Li"): 1.0,
    }
    assert {(e.quantity, e.of): pytest.approx(e.value) for e in found.estimates} == due


def test_a_species_that_never_touches_stays_in_the_table(made, trajectory_of) -> None:
    frames = np.stack([xyz for _, xyz, _ in made.read()])
    frames[:, -2] = frames[:, -1] + 0.3  # the solvent molecule of ion 0 goes to the other
    molecules = [("Li", ("Li",))] * 10 + [("FSI", ANION)] * 12 + [("TTE", ("O",))] * 2
    (found,) = measure(trajectory_of(molecules, frames, [6.0] * 3 + [90.0] * 3), [SHELL])
    for quantity, of in (("coordinating_molecules", "Li-TTE"), ("coordinated_share", "TTE")):
        estimate = find(found.estimates, quantity, of)
        assert estimate.value == 0.0
        assert math.isnan(estimate.error)
        assert "the same in all 40 frames" in estimate.note


def test_rare_compositions_are_added_up_as_other_and_all_shares_make_one(electrolyte) -> None:
    (found,) = measure(electrolyte, [SHELL])
    shares = [e.value for e in found.estimates if e.quantity == "shell_probability"]
    assert sum(shares) == pytest.approx(1.0)


def test_survival_falls_to_the_share_of_contacts_that_remain(made, trajectory_of) -> None:
    """Two of the eight ions with anions leave them in the last frame: 2 of 13 contacts are lost."""
    frames = np.stack([xyz for _, xyz, _ in made.read()])
    frames[-1, [1, 2]] += 0.7
    molecules = [("Li", ("Li",))] * 10 + [("FSI", ANION)] * 12 + [("TTE", ("O",))] * 2
    (found,) = measure(trajectory_of(molecules, frames, [6.0] * 3 + [90.0] * 3), [SHELL])
    assert find(found.estimates, "contact_survival", "Li").value == pytest.approx(11 / 13)


def test_a_box_without_any_donor_is_refused(trajectory_of) -> None:
    lone = trajectory_of([("Li", ("Li",))] * 2, np.zeros((3, 2, 3)), [4.0] * 3 + [90.0] * 3)
    with pytest.raises(TrajectoryError, match=r"solvation shell of Li: none of FSI\.O, TTE\.O has atoms"):
        measure(lone, [SHELL])
