from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.base.results import find
from mdstudy.observables.van_hove import SelfVanHove


def curves(passed) -> dict[tuple[str, str], object]:
    return {(c.quantity, c.of): c for c in SelfVanHove().finish(*passed).curves}


def test_a_gaussian_walk_has_no_non_gaussian_parameter(pass_over, walk) -> None:
    alpha = curves(pass_over({"Li": walk(1, 800, 60)}))["non_gaussian_parameter", "Li"]
    z = alpha.y / alpha.y_error
    assert np.abs(z).max() < 4
    assert alpha.y_error[0] < 0.02


def test_two_kinds_of_walkers_have_the_parameter_of_their_mixture(pass_over, walk) -> None:
    """Half with variance 1, half with 9: <r^4>/<r^2>^2 = (1 + 81)/2 / 25 of a Gaussian one."""
    paths = np.concatenate([walk(2, 800, 60, 1.0), walk(3, 800, 60, 3.0)], axis=1)
    order = np.random.default_rng(4).permutation(120)
    alpha = curves(pass_over({"Li": paths[:, order]}))["non_gaussian_parameter", "Li"]
    assert alpha.y[0] == pytest.approx(41 / 25 - 1, abs=4 * alpha.y_error[0])
    assert alpha.y_error[0] < 0.15


def test_the_distribution_of_a_walk_is_maxwellian_and_adds_up_to_one(pass_over, walk) -> None:
    found = curves(pass_over({"Li": walk(5, 1000, 60)}))
    shown = {of: curve for (quantity, of), curve in found.items() if quantity == "van_hove_self"}
    assert list(shown) == ["Li in 4 ps", "Li in 40 ps", "Li in 400 ps"]
    curve = shown["Li in 4 ps"]
    width = curve.x[1] - curve.x[0]
    assert np.sum(curve.y) * width == pytest.approx(1, abs=1e-3)
    variance = 4.0
    expected = 4 * np.pi * curve.x**2 * (2 * np.pi * variance) ** -1.5 * np.exp(-(curve.x**2) / (2 * variance))
    often = expected * width > 0.005
    assert np.abs(curve.y - expected)[often].max() < 0.03 * expected.max()
    assert curve.y_unit == "1/nm"


def test_hops_between_the_sites_of_a_lattice_show_as_a_second_peak(pass_over) -> None:
    rng = np.random.default_rng(6)
    hops = (rng.random((1000, 60)) < 0.02) * rng.choice([-1.0, 1.0], (1000, 60))
    paths = rng.normal(scale=0.02, size=(1000, 60, 3))
    paths[..., 0] += np.cumsum(hops, axis=0)
    found = curves(pass_over({"Li": paths}))
    curve = found["van_hove_self", "Li in 4 ps"]
    between = curve.y[(curve.x > 0.3) & (curve.x < 0.7)]
    assert curve.y[np.abs(curve.x - 1.0) < 0.05].max() > 10 * between.max(initial=0.001)
    assert found["non_gaussian_parameter", "Li"].y.max() > 1


def test_what_stands_still_or_is_alone_has_no_error_and_is_not_converged(pass_over, walk) -> None:
    for paths in (np.zeros((50, 6, 3)), walk(7, 50, 1)):
        found = find(SelfVanHove().finish(*pass_over({"Li": paths})).estimates, "non_gaussian_maximum", "Li")
        assert math.isnan(found.error)
        assert not found.converged
