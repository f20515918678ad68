from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.base.errors import TrajectoryError
from mdstudy.observables.transference import Transference

CHARGE = {"Li": 1, "FSI": -1, "Pyr13": 1, "TTE": 0}


def numbers(measurement) -> dict[str, object]:
    return {e.of: e for e in measurement.estimates}


def test_shares_add_up_to_one_in_every_frame(pass_over, walk) -> None:
    paths = {name: walk(k, 300, n) for k, (name, n) in enumerate([("Li", 5), ("FSI", 9), ("Pyr13", 4), ("TTE", 8)])}
    frames = ("barycentric", "TTE-fixed", "FSI-fixed")
    found = Transference("Li", frames).finish(*pass_over(paths, CHARGE)).estimates
    for frame in frames:
        shares = [e.value for e in found if e.of.endswith(f"{frame} frame")]
        assert len(shares) == 3
        assert sum(shares) == pytest.approx(1, abs=1e-9)


def test_independent_ions_in_a_solvent_at_rest_carry_their_share(pass_over, walk) -> None:
    """D of Li is four times that of FSI: 4/5 of the current, uniform or blocked."""
    paths = {"Li": walk(31, 4000, 10, 2.0), "FSI": walk(32, 4000, 10, 1.0), "TTE": walk(30, 4000, 10, 1e-2)}
    found = numbers(Transference("Li", ("TTE-fixed",)).finish(*pass_over(paths, CHARGE)))
    for of in ("Li, TTE-fixed frame", "Li"):
        assert found[of].error < 0.05
        assert abs(found[of].value - 0.8) < 2.5 * found[of].error


def test_paired_ions_have_the_blocked_transference_number_of_their_matrix(pass_over, walk) -> None:
    """Half of the pairs are permanent: L++ = L-- = 10, L+- = 5, so S = 10 - 25/10 and t = 7.5 / 10."""
    cations, anions = walk(3, 4000, 10), walk(4, 4000, 10)
    anions[:, :5] = cations[:, :5]
    found = numbers(
        Transference("Li", ("TTE-fixed",)).finish(
            *pass_over({"Li": cations, "FSI": anions, "TTE": walk(30, 4000, 10, 1e-2)}, CHARGE)
        )
    )
    assert found["Li"].error < 0.05
    assert abs(found["Li"].value - 0.75) < 2.5 * found["Li"].error
    assert abs(found["Li, TTE-fixed frame"].value - 0.5) < 2.5 * found["Li, TTE-fixed frame"].error


def test_lithium_that_moves_as_a_triple_anion_is_negative_in_a_uniform_mixture_but_not_in_a_blocked_cell(
    pass_over, walk
) -> None:
    """Ten Li, each with two FSI of its own; Pyr13 free. In units of N D: L_LiLi = 10, L_LiFSI = 20, L_FSIFSI = 40."""
    anions = walk(5, 4000, 10)
    triple = np.repeat(anions, 2, axis=1)
    lone = walk(6, 4000, 10, 0.3)
    cations = anions + lone  # a little motion of its own, or nothing would pass a blocked cell
    paths = {"Li": cations, "FSI": triple, "Pyr13": walk(7, 4000, 10), "TTE": walk(30, 4000, 10, 1e-2)}
    found = numbers(Transference("Li", ("TTE-fixed",)).finish(*pass_over(paths, CHARGE)))
    own = 10 * 0.09
    total = (10 + own) + 40 + 10 - 2 * 20
    uniform, blocked = found["Li, TTE-fixed frame"], found["Li"]
    assert abs(uniform.value - (10 + own - 20) / total) < 2.5 * uniform.error
    assert uniform.value < -0.3
    assert abs(blocked.value - own / total) < 2.5 * blocked.error
    assert blocked.value > 0


def test_what_is_no_ion_has_no_transference_number(pass_over, walk) -> None:
    _, sites = pass_over({"Li": walk(1, 20, 2), "FSI": walk(2, 20, 2), "TTE": walk(3, 20, 2)}, CHARGE)
    for name in ("TTE", "Na"):
        with pytest.raises(TrajectoryError, match=f'"{name}" is no ion'):
            Transference(name).tallies(sites)


def test_a_run_too_short_says_so(pass_over, walk) -> None:
    found = numbers(Transference("Li").finish(*pass_over({"Li": walk(1, 12, 2), "FSI": walk(2, 12, 2)}, CHARGE)))
    assert math.isnan(found["Li"].value)
    assert found["Li"].note == "too few frames for a fit"
