from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.base.results import find
from mdstudy.base.units import GAS_CONSTANT
from mdstudy.observables.rdf import RadialDistribution
from mdstudy.study.measure import measure


def spread(rng: np.random.Generator, n_frames: int, n: int, edge: float) -> np.ndarray:
    """Independent points in every frame: an ideal gas that has exchanged fully."""
    return rng.uniform(0, edge, (n_frames, n, 3))


def around(rng: np.random.Generator, centre: np.ndarray, radius: float) -> np.ndarray:
    """One point at a distance from each centre, in any direction."""
    direction = rng.normal(size=centre.shape)
    return centre + radius * direction / np.linalg.norm(direction, axis=-1, keepdims=True)


@pytest.fixture
def pairs(trajectory_of):
    """Ions, each with one partner at 0.3 +- 0.02 nm and another species anywhere, 40 frames."""
    rng = np.random.default_rng(7)
    ions = spread(rng, 40, 30, 4.0)
    partners = around(rng, ions, 0.3) + rng.normal(scale=0.02, size=ions.shape)
    xyz = np.concatenate([ions, partners, spread(rng, 40, 60, 4.0)], axis=1)
    molecules = [("Li", ("Li",))] * 30 + [("FSI", ("O",))] * 30 + [("TTE", ("O",))] * 60
    return trajectory_of(molecules, xyz, [4.0] * 3 + [90.0] * 3)


def test_the_first_shell_of_made_pairs_is_found_with_the_number_that_was_put_there(pairs) -> None:
    (found,) = measure(pairs, [RadialDistribution("Li", ("FSI.O", "TTE.O"))])
    peak = find(found.estimates, "first_peak_distance", "Li-FSI.O")
    assert abs(peak.value - 0.3) < 3 * peak.error
    number = find(found.estimates, "coordination_number", "Li-FSI.O")
    minimum = find(found.estimates, "first_minimum_distance", "Li-FSI.O")
    by_chance = 29 / 64 * 4 / 3 * math.pi * minimum.value**3
    assert abs(number.value - 1 - by_chance) < 3 * number.error + 0.02
    assert "for a cutoff of" in number.note


def test_a_species_without_structure_has_a_row_that_says_so(pairs) -> None:
    (found,) = measure(pairs, [RadialDistribution("Li", ("FSI.O", "TTE.O"))])
    for quantity in ("first_peak_distance", "first_minimum_distance", "coordination_number"):
        estimate = find(found.estimates, quantity, "Li-TTE.O")
        assert math.isnan(estimate.value)
        assert not estimate.converged
        assert estimate.note.startswith("no first shell")


def test_errors_of_distances_hold_the_resolution_of_the_bins(pairs) -> None:
    for width in (0.004, 0.02):
        (found,) = measure(pairs, [RadialDistribution("Li", ("FSI.O",), width=width)])
        for quantity in ("first_peak_distance", "first_minimum_distance"):
            assert find(found.estimates, quantity, "Li-FSI.O").error >= width / math.sqrt(12)


def test_the_potential_of_mean_force_is_minus_kt_ln_g_and_not_known_where_no_pair_was_seen(pairs) -> None:
    (found,) = measure(pairs, [RadialDistribution("Li", ("FSI.O",), temperature=300.0)])
    curves = {curve.quantity: curve for curve in found.curves}
    g, work = curves["radial_distribution"], curves["potential_of_mean_force"]
    seen = g.y > 0
    assert not seen.all()
    np.testing.assert_allclose(work.y[seen], -GAS_CONSTANT * 300.0 * np.log(g.y[seen]), rtol=1e-12)
    np.testing.assert_allclose(work.y_error[seen], GAS_CONSTANT * 300.0 * g.y_error[seen] / g.y[seen], rtol=1e-12)
    assert np.isnan(work.y[~seen]).all()
    assert np.isnan(g.y_error[~seen]).all(), "an error of zero where nothing was counted"
    assert work.y_unit == "kJ/mol"


def test_without_a_temperature_there_is_no_potential_of_mean_force(pairs) -> None:
    (found,) = measure(pairs, [RadialDistribution("Li", ("FSI.O",))])
    assert {curve.quantity for curve in found.curves} == {"radial_distribution", "running_coordination_number"}


def test_a_stationary_run_whose_molecules_have_met_others_is_converged(pairs) -> None:
    (found,) = measure(pairs, [RadialDistribution("Li", ("FSI.O",))])
    assert find(found.estimates, "first_peak_height", "Li-FSI.O").converged


def test_a_run_whose_molecules_stay_is_not_converged_however_small_its_errors(trajectory_of) -> None:
    rng = np.random.default_rng(3)
    ions = spread(rng, 1, 30, 4.0)
    still = np.concatenate([ions, around(rng, ions, 0.3)], axis=1) + rng.normal(scale=0.01, size=(40, 60, 3))
    molecules = [("Li", ("Li",))] * 30 + [("FSI", ("O",))] * 30
    trajectory = trajectory_of(molecules, still, [4.0] * 3 + [90.0] * 3)
    (found,) = measure(trajectory, [RadialDistribution("Li", ("FSI.O",))])
    for estimate in found.estimates:
        assert not estimate.converged
        assert "neighbours have not exchanged" in estimate.note


def test_a_run_whose_halves_differ_is_not_converged(trajectory_of) -> None:
    """Partners leave half way."""
    rng = np.random.default_rng(4)
    ions = spread(rng, 60, 30, 4.0)
    partners = around(rng, ions, 0.3) + rng.normal(scale=0.02, size=ions.shape)
    partners[30:, 10:] = spread(rng, 30, 20, 4.0)
    molecules = [("Li", ("Li",))] * 30 + [("FSI", ("O",))] * 30
    trajectory = trajectory_of(molecules, np.concatenate([ions, partners], axis=1), [4.0] * 3 + [90.0] * 3)
    (found,) = measure(trajectory, [RadialDistribution("Li", ("FSI.O",))])
    number = find(found.estimates, "coordination_number", "Li-FSI.O")
    assert not number.converged
    assert "halves of the run differ" in number.note


def test_where_there_is_no_shell_the_number_is_not_known_and_the_note_tells_how_many_are_near(trajectory_of) -> None:
    """Partners anywhere: 30 in a box of 4 nm, 4/3 pi r^3 * 30/64 of them within r, 0.42 at 0.6 nm."""
    rng = np.random.default_rng(6)
    molecules = [("Li", ("Li",))] * 30 + [("FSI", ("O",))] * 30
    trajectory = trajectory_of(molecules, rng.uniform(0, 4, (100, 60, 3)), [4.0] * 3 + [90.0] * 3)
    (found,) = measure(trajectory, [RadialDistribution("Li", ("FSI.O",))])
    number = find(found.estimates, "coordination_number", "Li-FSI.O")
    assert math.isnan(number.value)
    assert not number.converged
    assert "no first shell: g(r) has no maximum that stands out" in number.note
    near = float(number.note.split(" within 0.6 nm")[0].split()[-1])
    assert near == pytest.approx(4 / 3 * math.pi * 0.6**3 * 30 / 64, rel=0.1)
