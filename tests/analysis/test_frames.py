from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from mdstudy.analysis.frames import Block, Centres, Series, Sites, Sums, Tallied
from mdstudy.analysis.periodic import Motion
from mdstudy.base.errors import TrajectoryError

#: Two molecules of two atoms, one of one.
SITES = Sites(
    groups={"FSI.O": np.array([1, 3]), "FSI": np.arange(4), "Li": np.array([4]), "PMMA.O": np.array([], dtype=np.intp)},
    molecule_of=np.array([0, 0, 1, 1, 2]),
    species={"FSI": np.array([0, 1]), "Li": np.array([2])},
    masses=np.array([1.0, 2.0, 3.0, 4.0, 7.0]),
    formal_charge={"FSI": -1, "Li": 1},
)


def block(times: list[float], boxes: list[list[float]]) -> Block:
    n = len(times)
    centres = np.arange(n * 9, dtype=float).reshape(n, 3, 3)
    motion = Motion(centres, np.zeros((n, 3)))
    return Block(np.array(times), np.zeros((n, 5, 3), np.float32), lambda: motion, np.array(boxes, np.float32))


def test_molecules_and_their_masses_follow_from_the_atoms() -> None:
    assert (SITES.n_atoms, SITES.n_molecules) == (5, 3)
    np.testing.assert_array_equal(SITES.molecule_masses, [3.0, 7.0, 7.0])
    np.testing.assert_array_equal(SITES.molecules("FSI.O"), [0, 1])
    np.testing.assert_array_equal(SITES.molecules("FSI"), [0, 1])
    assert np.isnan(SITES.charge_scale)


def test_only_sites_with_atoms_are_present_in_the_order_asked_for() -> None:
    assert SITES.present(["Li", "PMMA.O", "TTE.O", "FSI.O"]) == ("Li", "FSI.O")


@pytest.mark.parametrize("name", ["FSI.0", "TTE.o", "Fsi", "F"])
def test_a_misspelt_site_is_not_taken_for_one_that_has_no_atoms(name: str) -> None:
    with pytest.raises(TrajectoryError, match=f'"{name}": no such site'):
        SITES.present(["Li", name])


def test_a_site_that_is_unknown_or_empty_is_refused() -> None:
    with pytest.raises(TrajectoryError, match=r'"FSI.0": no such site. Did you mean "FSI.O"'):
        SITES.atoms("FSI.0")
    with pytest.raises(TrajectoryError, match=r'"PMMA.O": the trajectory has no atom of this site'):
        SITES.atoms("PMMA.O")


def test_the_volume_is_that_of_the_cell_also_where_it_is_not_rectangular() -> None:
    """V = a b c sqrt(1 - cos^2 - cos^2 - cos^2 + 2 cos cos cos)."""
    boxes = [[2.0, 3.0, 4.0, 90.0, 90.0, 90.0], [2.0, 2.0, 2.0, 60.0, 60.0, 60.0]]
    frames = block([0.0, 1.0], boxes)
    np.testing.assert_allclose(frames.volumes, [24.0, 8.0 * np.sqrt(0.5)], rtol=1e-6)
    np.testing.assert_allclose(np.linalg.det(frames.matrices.astype(float)), frames.volumes, rtol=1e-5)
    assert frames.n_frames == 2


def test_sums_add_and_leave_their_parts_as_they_are() -> None:
    parts = [Sums(n, {"counts": np.array([n, 10.0 * n])}) for n in (1, 2, 4)]
    total = Sums.total(parts)
    assert total.n_frames == (parts[0] + parts[1] + parts[2]).n_frames == 7
    np.testing.assert_array_equal(total.arrays["counts"], [7.0, 70.0])
    np.testing.assert_array_equal(parts[0].arrays["counts"], [1.0, 10.0])


def test_series_join_in_the_order_given() -> None:
    parts = [Series(np.array([t, t + 1.0]), {"x": np.array([[t], [t + 1.0]])}) for t in (0.0, 2.0)]
    joined = Series.join(parts)
    np.testing.assert_array_equal(joined.times, [0, 1, 2, 3])
    np.testing.assert_array_equal(joined.arrays["x"], [[0], [1], [2], [3]])


def test_joining_again_copies_nothing_and_changes_nothing() -> None:
    parts = [Series(np.arange(2.0) + t, {"x": np.arange(6.0).reshape(2, 3) + 10 * t}) for t in (0.0, 2.0, 4.0, 6.0)]
    whole = Series.join(parts).arrays["x"].copy()
    later = Series.join(parts[1:3])
    np.testing.assert_array_equal(later.arrays["x"], whole[2:6])
    assert np.shares_memory(later.arrays["x"], parts[1].arrays["x"])
    apart = Series.join([parts[0], parts[2]])
    np.testing.assert_array_equal(apart.arrays["x"], whole[[0, 1, 4, 5]])
    columns = Series.join([Series(np.arange(2.0), {"x": np.arange(8.0).reshape(2, 4)[:, ::2]})])
    np.testing.assert_array_equal(columns.arrays["x"], [[0, 2], [4, 6]])


def test_centres_are_kept_with_the_volume_and_equal_recipes_are_one_tally() -> None:
    frames = block([0.0, 1.0], [[2.0, 3.0, 4.0, 90.0, 90.0, 90.0]] * 2)
    series = Centres()(frames, SITES)
    assert series.arrays["centres"].dtype == np.float32
    np.testing.assert_array_equal(series.arrays["centres"], frames.centres.astype(np.float32))
    np.testing.assert_allclose(series.arrays["volume"], [24.0, 24.0], rtol=1e-6)
    assert len({Centres(), Centres()}) == 1


@dataclass(frozen=True)
class Count:
    """A tally that adds."""

    def __call__(self, block: Block, sites: Sites) -> Sums:
        del sites
        return Sums(block.n_frames, {})


def test_tallied_gives_each_tally_its_parts_and_derives_once() -> None:
    first, second = (block([t], [[2.0, 2.0, 2.0, 90.0, 90.0, 90.0]]) for t in (0.0, 5.0))
    tallied = Tallied({tally: [tally(part, SITES) for part in (first, second)] for tally in (Count(), Centres())})
    assert [part.n_frames for part in tallied.sums(Count())] == [1, 1]
    np.testing.assert_array_equal(tallied.series(Centres()).times, [0.0, 5.0])
    assert tallied.series(Centres()) is tallied.series(Centres())
    asked = []
    for _ in range(2):
        assert tallied.once("key", lambda: asked.append(1) or 7) == 7
    assert asked == [1]
