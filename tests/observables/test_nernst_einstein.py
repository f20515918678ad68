from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.mobility import diffusion_fits
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import find
from mdstudy.observables.nernst_einstein import NernstEinstein

CHARGE = {"Li": 1, "Mg": 2, "FSI": -1, "TTE": 0}


@pytest.fixture
def mixture(pass_over, walk):
    paths = {
        "Li": walk(1, 1500, 10, 0.1),
        "Mg": walk(2, 1500, 5, 0.05),
        "FSI": walk(3, 1500, 20, 0.15),
        "TTE": walk(4, 1500, 12, 0.3),
    }
    return pass_over(paths, CHARGE, volume=60.0, charge_scale=0.7)


def test_conductivity_is_the_sum_worked_out_by_hand_in_millisiemens_per_centimetre(mixture) -> None:
    fits = diffusion_fits(*mixture)
    # e^2/(V k T) sum N z^2 D, all in SI; 1 S/m = 10 mS/cm; nm^2/ps = 1e-6 m^2/s, MSD = 6 D t
    e, k = 1.602176634e-19, 1.380649e-23
    weights = {"Li": 10, "Mg": 5 * 4, "FSI": 20}
    terms = {name: n * fits[name].slope / 6 * 1e-6 for name, n in weights.items()}
    expected = e**2 / (60e-27 * k * 300) * sum(terms.values()) * 10
    estimates = NernstEinstein(300.0).finish(*mixture).estimates
    assert find(estimates, "conductivity_nernst_einstein", "box").value == pytest.approx(expected, rel=1e-12)
    scaled = find(estimates, "conductivity_nernst_einstein_scaled", "box")
    assert scaled.value == pytest.approx(0.49 * expected, rel=1e-12)
    share = find(estimates, "transference_number_apparent", "Li")
    assert share.value == pytest.approx(terms["Li"] / sum(terms.values()), rel=1e-12)


def test_errors_are_those_of_drawing_the_diffusion_coefficients(mixture) -> None:
    fits = diffusion_fits(*mixture)
    rng = np.random.default_rng(5)
    draws = {
        name: n * rng.normal(fits[name].slope, fits[name].slope_error, 200_000)
        for name, n in {"Li": 10, "Mg": 20, "FSI": 20}.items()
    }
    total = sum(draws.values())
    estimates = NernstEinstein(300.0).finish(*mixture).estimates
    sigma = find(estimates, "conductivity_nernst_einstein", "box")
    assert sigma.error / sigma.value == pytest.approx(np.std(total) / np.mean(total), rel=0.02)
    share = find(estimates, "transference_number_apparent", "Li")
    assert share.error == pytest.approx(np.std(draws["Li"] / total), rel=0.05)


def test_scaled_conductivity_is_left_out_where_the_scale_is_not_known(pass_over, walk) -> None:
    passed = pass_over({"Li": walk(1, 100, 4), "FSI": walk(2, 100, 4)}, CHARGE)
    assert find(NernstEinstein(300.0).finish(*passed).estimates, "conductivity_nernst_einstein_scaled", "box") is None


def test_an_ion_that_cannot_be_fitted_makes_the_conductivity_unknown(pass_over, walk) -> None:
    passed = pass_over({"Li": walk(1, 10, 4), "FSI": walk(2, 10, 4)}, CHARGE)
    sigma = find(NernstEinstein(300.0).finish(*passed).estimates, "conductivity_nernst_einstein", "box")
    assert math.isnan(sigma.value)
    assert not sigma.converged


def test_a_species_of_unknown_charge_is_refused(pass_over, walk) -> None:
    _, sites = pass_over({"Li": walk(1, 10, 4), "XYZ": walk(2, 10, 4)}, CHARGE)
    with pytest.raises(TrajectoryError, match="the charge of XYZ is not known"):
        NernstEinstein(300.0).tallies(sites)
