from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.collective import frame_matrix
from mdstudy.analysis.frames import Centres, Series, Tallied
from mdstudy.analysis.volumes import CellVolumes
from mdstudy.base.errors import TrajectoryError
from mdstudy.observables.onsager import OnsagerCoefficients

CHARGE = {"Li": 1, "FSI": -1, "TTE": 0}
MASSES = {"Li": 7.0, "FSI": 180.0, "TTE": 232.0}


@pytest.fixture
def liquid(pass_over, walk):
    """Li and FSI of which one in two are paired, in a solvent, all relative to the centre of mass."""
    cations, anions, solvent = walk(1, 3000, 10), walk(2, 3000, 10), walk(3, 3000, 8, 0.5)
    anions[:, :5] = cations[:, :5]
    paths = {"Li": cations, "FSI": anions, "TTE": solvent}
    weight = sum(MASSES[name] * path.shape[1] for name, path in paths.items())
    centre = sum(MASSES[name] * path.sum(axis=1) for name, path in paths.items()) / weight
    return pass_over({name: path - centre[:, None] for name, path in paths.items()}, CHARGE, masses=MASSES)


def with_volumes(passed, volumes: dict[str, float]):
    """The same pass, with a tessellation of its first frame that gives the molecules these volumes, nm^3."""
    tallied, sites = passed
    cells = Series(np.zeros(1), {"volume": np.array([[volumes[name] for name in sites.species]])})
    return Tallied({Centres(): [tallied.series(Centres())], CellVolumes(): [cells]}), sites


def table(measurement, frame: str) -> dict[str, float]:
    return {e.of.split(",")[0]: e.value for e in measurement.estimates if e.of.endswith(f", {frame} frame")}


def test_coefficients_of_independent_walkers_about_their_centre_in_si_units(pass_over, walk) -> None:
    found = OnsagerCoefficients(300.0).finish(*pass_over({"Li": walk(4, 4000, 20), "TTE": walk(5, 4000, 30)}, CHARGE))
    by_pair = {e.of: e for e in found.estimates}
    # N D / (V k T N_A^2) with D = 1/2 nm^2/ps
    unit = 0.5e-6 / (100e-27 * 1.380649e-23 * 300 * 6.02214076e23**2)
    # 20 and 30 particles of one mass: 0.6^2 20 + 0.4^2 30 = 12 in the frame of their centre
    for pair, number in (("Li-Li", 12), ("Li-TTE", -12), ("TTE-TTE", 12)):
        estimate = by_pair[f"{pair}, barycentric frame"]
        assert abs(estimate.value - number * unit) < 2.5 * estimate.error
        assert estimate.error < 1.0 * unit


def test_sum_over_masses_is_zero_in_the_barycentric_frame(liquid) -> None:
    found = table(OnsagerCoefficients(300.0).finish(*liquid), "barycentric")
    rows = {
        "Li": ("Li-Li", "Li-FSI", "Li-TTE"),
        "FSI": ("Li-FSI", "FSI-FSI", "FSI-TTE"),
        "TTE": ("Li-TTE", "FSI-TTE", "TTE-TTE"),
    }
    for row in rows.values():
        total = sum(mass * found[pair] for mass, pair in zip(MASSES.values(), row, strict=True))
        assert total == pytest.approx(0, abs=1e-5 * MASSES["TTE"] * max(map(abs, found.values())))


def test_conductivity_is_the_sum_over_ions_in_every_frame(liquid) -> None:
    frames = ("barycentric", "TTE-fixed", "volume-fixed")
    volumes = (("Li", 0.02), ("FSI", 0.13), ("TTE", 0.25))
    found = OnsagerCoefficients(300.0, frames, volumes).finish(*liquid)
    sums = []
    for frame in frames:
        own = table(found, frame)
        sums.append(own["Li-Li"] + own["FSI-FSI"] - 2 * own["Li-FSI"])
    assert sums[1:] == pytest.approx(sums[:1] * 2, rel=1e-6, abs=0)


def test_the_species_that_a_frame_is_fixed_on_has_no_coefficients_there(liquid) -> None:
    assert set(table(OnsagerCoefficients(300.0, ("TTE-fixed",)).finish(*liquid), "TTE-fixed")) == {
        "Li-Li",
        "Li-FSI",
        "FSI-FSI",
    }


def test_volume_fixed_frame_with_equal_volumes_a_mass_is_the_barycentric_one(liquid) -> None:
    volumes = tuple(MASSES.items())
    found = OnsagerCoefficients(300.0, ("barycentric", "volume-fixed"), volumes).finish(*liquid)
    here, there = table(found, "barycentric"), table(found, "volume-fixed")
    for pair, value in here.items():
        assert there[pair] == pytest.approx(value, rel=1e-4, abs=1e-6 * here["TTE-TTE"])


def test_coefficients_of_independent_walkers_in_the_volume_fixed_frame(pass_over, walk) -> None:
    """20 Li of one volume and 30 TTE of twice that, shares 1/4 and 3/4: dR_Li' = 3/4 (dR_Li - 2/3 dR_TTE)."""
    walkers = pass_over({"Li": walk(4, 4000, 20), "TTE": walk(5, 4000, 30)}, CHARGE)
    passed = with_volumes(walkers, {"Li": 0.1, "TTE": 0.2})
    found = OnsagerCoefficients(300.0, ("volume-fixed",)).finish(*passed)
    unit = 0.5e-6 / (100e-27 * 1.380649e-23 * 300 * 6.02214076e23**2)
    own = 0.75**2 * (20 + 30 * (2 / 3) ** 2)
    for estimate, number in zip(found.estimates, (own, -own / 2, own / 4), strict=True):
        assert abs(estimate.value - number * unit) < 2.5 * estimate.error
        assert 0 < estimate.error < 0.1 * own * unit
        assert "radical cells" in estimate.method


def test_volumes_of_the_trajectory_are_used_as_those_that_are_given(liquid) -> None:
    volumes = {"Li": 0.02, "FSI": 0.13, "TTE": 0.25}
    frames = ("volume-fixed",)
    own = OnsagerCoefficients(300.0, frames).finish(*with_volumes(liquid, volumes))
    given = OnsagerCoefficients(300.0, frames, tuple(volumes.items())).finish(*liquid)
    assert table(own, "volume-fixed") == pytest.approx(table(given, "volume-fixed"), rel=1e-12, abs=0)
    assert "volumes as given" in given.estimates[0].method


def test_frames_of_reference_convert_into_each_other_and_back(liquid) -> None:
    """Sum rules of each frame, and A L A^T from one to the other, in the numbers that are reported."""
    volumes = {"Li": 0.02, "FSI": 0.13, "TTE": 0.25}
    frames = ("barycentric", "volume-fixed")
    found = OnsagerCoefficients(300.0, frames).finish(*with_volumes(liquid, volumes))
    names = list(MASSES)

    def matrix(frame: str) -> np.ndarray:
        values = table(found, frame)
        return np.array([[values.get(f"{a}-{b}", values.get(f"{b}-{a}")) for b in names] for a in names])

    barycentric, volume_fixed = map(matrix, frames)
    numbers = [len(molecules) for molecules in liquid[1].species.values()]
    weights = [np.array(numbers) * list(share.values()) for share in (MASSES, volumes)]
    scale = np.abs(volume_fixed).max()
    np.testing.assert_allclose(volume_fixed @ list(volumes.values()), 0, atol=1e-9 * scale)
    there, back = (frame_matrix(numbers, weight) for weight in reversed(weights))
    np.testing.assert_allclose(there @ barycentric @ there.T, volume_fixed, atol=1e-9 * scale)
    np.testing.assert_allclose(back @ volume_fixed @ back.T, barycentric, atol=1e-5 * scale)


def test_a_part_of_a_run_without_a_tessellation_has_no_volume_fixed_frame(liquid) -> None:
    tallied, sites = liquid
    none = Series(np.zeros(0), {"volume": np.zeros((0, 3))})
    passed = Tallied({Centres(): [tallied.series(Centres())], CellVolumes(): [none]}), sites
    found = OnsagerCoefficients(300.0, ("barycentric", "volume-fixed")).finish(*passed)
    assert table(found, "volume-fixed") == {}
    assert len(table(found, "barycentric")) == 6


@pytest.mark.parametrize(
    ("frame", "said"),
    [("TTE-fixd", "TTE-fixed"), ("PMMA-fixed", "no such frame"), ("volume-fixed", "volume of FSI, TTE")],
)
def test_a_frame_that_cannot_be_had_is_refused(liquid, frame: str, said: str) -> None:
    with pytest.raises(TrajectoryError, match=said):
        OnsagerCoefficients(300.0, (frame,), (("Li", 1.0),)).tallies(liquid[1])


def test_a_run_too_short_gives_no_numbers_but_says_why(pass_over, walk) -> None:
    found = OnsagerCoefficients(300.0).finish(*pass_over({"Li": walk(6, 12, 5), "FSI": walk(7, 12, 5)}, CHARGE))
    assert len(found.estimates) == 3
    for estimate in found.estimates:
        assert math.isnan(estimate.value)
        assert estimate.note == "too few frames for a fit"


def test_the_error_of_a_small_coefficient_is_not_small(liquid) -> None:
    """An error in proportion to the value would make an element near zero look certain."""
    found = {e.of.split(",")[0]: e for e in OnsagerCoefficients(300.0).finish(*liquid).estimates}
    scale = np.sqrt(found["Li-Li"].error * found["FSI-FSI"].error)
    assert found["Li-FSI"].error > 0.5 * scale
