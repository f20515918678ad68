from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.frames import Centres, Series, Tallied
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import find
from mdstudy.observables.diffusion import SelfDiffusion


def test_diffusion_coefficient_of_a_random_walk_in_square_metres_a_second(pass_over, walk) -> None:
    """D = step^2 / 2 dt: 0.02 nm^2/ps = 2e-8 m^2/s."""
    found = SelfDiffusion().finish(*pass_over({"Li": walk(1, 2000, 40, 0.2)}))
    d = find(found.estimates, "self_diffusion", "Li")
    assert d is not None
    assert d.unit == "m^2/s"
    assert d.error < 0.03 * 2e-8
    assert abs(d.value - 2e-8) < 2.5 * d.error
    assert d.converged, d.note
    exponent = find(found.estimates, "diffusion_exponent", "Li")
    assert exponent is not None
    assert abs(exponent.value - 1) < 2.5 * exponent.error


def test_each_species_has_its_own_coefficient(pass_over, walk) -> None:
    found = SelfDiffusion().finish(*pass_over({"Li": walk(2, 2000, 30, 0.2), "TTE": walk(3, 2000, 30, 0.4)}))
    ratio = find(found.estimates, "self_diffusion", "TTE").value / find(found.estimates, "self_diffusion", "Li").value
    assert ratio == pytest.approx(4, rel=0.12)


def test_some_species_alone_have_the_coefficients_that_they_have_among_all(pass_over, walk) -> None:
    made = pass_over({"Li": walk(2, 500, 30, 0.2), "TTE": walk(3, 500, 30, 0.4)})
    among, (alone, _) = SelfDiffusion().finish(*made).estimates, SelfDiffusion(("TTE",)).finish(*made).estimates
    assert alone == find(among, "self_diffusion", "TTE")
    with pytest.raises(TrajectoryError, match=r'"TEE": no such species. Did you mean "TTE"'):
        SelfDiffusion(("TEE",)).tallies(made[1])


def test_curve_of_the_displacement_agrees_with_the_walk_within_its_errors(pass_over, walk) -> None:
    (curve,) = SelfDiffusion().finish(*pass_over({"Li": walk(4, 1000, 40)})).curves
    assert curve.y_unit == "nm^2"
    z = (curve.y - 3 * curve.x) / curve.y_error
    assert np.abs(z).max() < 4


def test_a_rattling_solid_is_not_converged(pass_over) -> None:
    rattle = np.random.default_rng(5).normal(scale=0.02, size=(500, 30, 3))
    d = find(SelfDiffusion().finish(*pass_over({"Li": rattle})).estimates, "self_diffusion", "Li")
    assert not d.converged
    assert "not diffusive" in d.note
    assert "less than the size of a molecule" in d.note


def test_diffusive_motion_over_less_than_a_molecule_is_not_converged(pass_over, walk) -> None:
    d = find(SelfDiffusion().finish(*pass_over({"Li": walk(6, 1000, 40, 0.005)})).estimates, "self_diffusion", "Li")
    assert not d.converged
    assert "less than the size of a molecule" in d.note


def test_too_few_frames_give_no_number_but_a_reason(pass_over, walk) -> None:
    d = find(SelfDiffusion().finish(*pass_over({"Li": walk(7, 10, 4)})).estimates, "self_diffusion", "Li")
    assert math.isnan(d.value)
    assert d.note == "too few frames for a fit"


@pytest.mark.parametrize(
    ("times", "said"), [([0.0, 1.0, 3.0], "not evenly spaced"), ([0.0, 1.0, 1.0], "not evenly"), ([0.0], "one frame")]
)
def test_frames_at_uneven_times_are_refused(pass_over, walk, times: list[float], said: str) -> None:
    tallied, sites = pass_over({"Li": walk(8, len(times), 4)})
    arrays = tallied.series(Centres()).arrays
    uneven = Tallied({Centres(): [Series(np.array(times), arrays)]})
    with pytest.raises(TrajectoryError, match=said):
        SelfDiffusion().finish(uneven, sites)
