from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import find
from mdstudy.observables.conductivity import EinsteinHelfand
from mdstudy.observables.nernst_einstein import NernstEinstein
from mdstudy.observables.transference import Transference

CHARGE = {"Li": 1, "FSI": -1}


def measured(passed, temperature=300.0):
    estimates = [
        e for o in (EinsteinHelfand(temperature), NernstEinstein(temperature)) for e in o.finish(*passed).estimates
    ]
    return {e.quantity: e for e in estimates}


def test_conductivity_of_independent_charged_walkers_is_that_of_nernst_and_einstein(pass_over, walk) -> None:
    passed = pass_over({"Li": walk(21, 4000, 20), "FSI": walk(22, 4000, 20)}, CHARGE)
    found = measured(passed)
    # e^2 / (V k T) sum N z^2 D with D = 1/2 nm^2/ps, 40 ions, 100 nm^3, 300 K; S/m to mS/cm.
    expected = (1.602176634e-19) ** 2 / (100e-27 * 1.380649e-23 * 300) * 40 * 0.5e-6 * 10
    sigma, haven = found["ionic_conductivity"], found["haven_ratio"]
    assert sigma.error < 0.04 * expected
    assert abs(sigma.value - expected) < 2.5 * sigma.error
    assert abs(haven.value - 1) < 2.5 * haven.error
    assert sigma.converged, sigma.note
    # One collective path: a variance of n Gaussian samples is known to sqrt(2/n).
    assert sigma.error / sigma.value == pytest.approx(math.sqrt(2 / sigma.n_independent))


@pytest.mark.parametrize("paired", [5, 15])
def test_haven_ratio_of_ions_of_which_some_are_paired_for_good(pass_over, walk, paired: int) -> None:
    """A pair of opposite charges carries no current but both its ions diffuse: H = 20 / (20 - paired)."""
    cations, anions = walk(3, 4000, 20), walk(4, 4000, 20)
    anions[:, :paired] = cations[:, :paired]
    haven = measured(pass_over({"Li": cations, "FSI": anions}, CHARGE))["haven_ratio"]
    assert haven.error < 0.06 * haven.value
    assert abs(haven.value - 20 / (20 - paired)) < 2.5 * haven.error


def test_haven_ratio_of_cations_that_move_two_by_two_is_a_half_of_theirs(pass_over, walk) -> None:
    cations = np.repeat(walk(5, 4000, 10), 2, axis=1)
    haven = measured(pass_over({"Li": cations, "FSI": 0 * cations + walk(6, 4000, 20, 1e-3)}, CHARGE))["haven_ratio"]
    assert abs(haven.value - 0.5) < 2.5 * haven.error


def test_ions_that_are_all_paired_carry_no_current(pass_over, walk) -> None:
    path = walk(7, 400, 20)
    found = measured(pass_over({"Li": path, "FSI": path.copy()}, CHARGE))
    assert found["ionic_conductivity"].value == pytest.approx(0, abs=1e-9 * found["conductivity_nernst_einstein"].value)
    assert not found["ionic_conductivity"].converged


def test_scaled_charges_enter_squared_beside_the_formal_ones(pass_over, walk) -> None:
    found = measured(pass_over({"Li": walk(10, 200, 5), "FSI": walk(11, 200, 5)}, CHARGE, charge_scale=0.8))
    formal, scaled = found["ionic_conductivity"], found["ionic_conductivity_scaled"]
    assert scaled.value == pytest.approx(0.64 * formal.value, rel=1e-12)
    assert scaled.error == pytest.approx(0.64 * formal.error, rel=1e-12)


def test_a_run_too_short_for_a_fit_says_so_and_gives_no_number(pass_over, walk) -> None:
    found = EinsteinHelfand(300.0).finish(*pass_over({"Li": walk(12, 12, 5), "FSI": walk(13, 12, 5)}, CHARGE))
    sigma = find(found.estimates, "ionic_conductivity", "box")
    assert sigma is not None
    assert math.isnan(sigma.value)
    assert "too few frames" in sigma.note


def test_few_independent_samples_are_called_unconverged(pass_over, walk) -> None:
    found = measured(pass_over({"Li": walk(14, 40, 20), "FSI": walk(15, 40, 20)}, CHARGE))
    assert not found["ionic_conductivity"].converged
    assert "standard error above 20%" in found["ionic_conductivity"].note


def test_ions_of_one_sign_alone_have_no_conductivity(pass_over, walk) -> None:
    """Their current depends on the frame of reference: none in that of their own centre."""
    _, sites = pass_over({"Li": walk(18, 20, 2), "TTE": walk(19, 20, 3)}, {"Li": 1, "TTE": 0})
    for recipe in (EinsteinHelfand(300.0), NernstEinstein(300.0), Transference("Li")):
        with pytest.raises(
            TrajectoryError, match=r"2 Li of charge \+1, 3 TTE of charge \+0 make \+2 e: ions are missing"
        ):
            recipe.tallies(sites)


def test_an_unknown_charge_is_refused(pass_over, walk) -> None:
    _, sites = pass_over({"Li": walk(16, 20, 2), "XYZ": walk(17, 20, 2)}, {"Li": 1})
    with pytest.raises(TrajectoryError, match="charge of XYZ is not known"):
        EinsteinHelfand(300.0).tallies(sites)
