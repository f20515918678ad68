from __future__ import annotations

import math

import pytest

from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import find
from mdstudy.observables.diffusion import SelfDiffusion
from mdstudy.observables.finite_size import InfiniteDiffusion, finite_size_shift


def test_shift_worked_out_by_hand() -> None:
    """15 mPa s, 3.95 nm, 298.15 K: 2.837297 k T / (6 pi eta L)."""
    assert finite_size_shift(298.15, 15.0, 3.95) == pytest.approx(1.04576e-11, rel=1e-5, abs=0)


def test_every_species_is_shifted_by_the_same_amount_and_errors_add_in_squares(pass_over, walk) -> None:
    passed = pass_over({"Li": walk(1, 400, 10), "TTE": walk(2, 400, 10)}, volume=8.0)
    box = SelfDiffusion().finish(*passed).estimates
    free = InfiniteDiffusion(300.0, 1e-3, 1e-4).finish(*passed).estimates
    shift = finite_size_shift(300.0, 1e-3, 2.0)
    for species in ("Li", "TTE"):
        slow, fast = find(box, "self_diffusion", species), find(free, "self_diffusion_infinite", species)
        assert fast.value - slow.value == pytest.approx(shift, rel=1e-9, abs=0)
        assert fast.error == pytest.approx(math.hypot(slow.error, 0.1 * shift), rel=1e-9, abs=0)


def test_an_unknown_error_of_the_viscosity_makes_that_of_the_result_unknown(pass_over, walk) -> None:
    found = InfiniteDiffusion(300.0, 20.0).finish(*pass_over({"Li": walk(1, 400, 10)})).estimates
    assert math.isnan(found[0].error)
    assert not found[0].converged


def test_a_viscosity_of_the_same_run_is_doubted_before_its_slowest_species_has_met_others(pass_over, walk) -> None:
    """Steps of 0.02 nm in each direction: 0.02 sqrt(3 160) = 0.44 nm at 160 of 400 frames."""
    given = InfiniteDiffusion(300.0, 20.0, 2.0)
    logged = InfiniteDiffusion(300.0, 20.0, 2.0, same_run=True)
    fast = pass_over({"Li": walk(1, 400, 20), "TTE": walk(2, 400, 20)})
    assert logged.finish(*fast).estimates == given.finish(*fast).estimates
    slow = pass_over({"Li": walk(1, 400, 20), "TTE": walk(2, 400, 20, 0.02)})
    assert find(given.finish(*slow).estimates, "self_diffusion_infinite", "Li").converged
    for species in ("Li", "TTE"):
        found = find(logged.finish(*slow).estimates, "self_diffusion_infinite", species)
        assert math.isnan(found.error)
        assert not found.converged
        assert "TTE moved 0.4" in found.note
        assert "neighbours have not exchanged" in found.note


def test_a_viscosity_of_zero_is_refused(pass_over, walk) -> None:
    _, sites = pass_over({"Li": walk(1, 20, 2)})
    with pytest.raises(TrajectoryError, match="is no liquid"):
        InfiniteDiffusion(300.0, 0.0).tallies(sites)
