from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np
import pytest

from mdstudy.analysis.frames import Block, Series, Sites, Sums, Tallied
from mdstudy.analysis.trajectory import RawFrame, Trajectory
from mdstudy.base.errors import SpecError, TrajectoryError
from mdstudy.base.results import Estimate, Measurement
from mdstudy.observables.finite_size import InfiniteDiffusion
from mdstudy.observables.nernst_einstein import NernstEinstein
from mdstudy.observables.rdf import RadialDistribution
from mdstudy.observables.structure_factor import StructureFactor
from mdstudy.study.measure import BLOCKS, KEPT, measure, standard_observables

BOX = np.array([3, 3, 3, 90, 90, 90], dtype=np.float32)


def make_sites(n: int, species: str = "Li") -> Sites:
    atoms = np.arange(n)
    return Sites({species: atoms}, atoms, {species: atoms}, np.ones(n), {species: 1})


def walk(n_frames: int, n: int, sites: Sites | None = None, spoil: int | None = None) -> Trajectory:
    """Every atom moves by 0.1 nm a frame along x, wrapped into the box."""

    def read() -> Iterator[RawFrame]:
        for k in range(n_frames):
            xyz = np.zeros((n, 3), dtype=np.float32)
            xyz[:, 0] = np.mod(0.1 * k * (np.arange(n) % 2 * 2 - 1), 3.0)
            if k == spoil:
                xyz[0, 0] = np.nan
            yield float(k), xyz, BOX

    return Trajectory(sites or make_sites(n), n_frames, read, None, "test")


@dataclass(frozen=True)
class Count:
    """Tally: frames, and a log of when it was called."""

    calls: list[int]

    def __call__(self, block: Block, sites: Sites) -> Sums:
        del sites
        self.calls.append(block.n_frames)
        return Sums(block.n_frames, {"x": np.array([block.positions[..., 0].sum()], dtype=float)})

    def __hash__(self) -> int:
        return hash(id(self.calls))


@dataclass(frozen=True)
class Path:
    """Tally: centres as they are given."""

    def __call__(self, block: Block, sites: Sites) -> Series:
        del sites
        return Series(block.times, {"centres": block.centres})


@dataclass(frozen=True)
class Probe:
    """Observable of one tally, which hands on what it got."""

    tally: object
    name = "probe"
    quantities = ()

    def tallies(self, sites: Sites) -> tuple[object, ...]:
        del sites
        return (self.tally,)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        del sites
        parts = tallied.sums(self.tally)
        return Measurement(self.name, (Estimate("n", "x", float(len(parts)), 0.0, "1", "m"),))


@dataclass(frozen=True)
class Keep(Probe):
    """Observable of one tally that joins in time, which keeps what it got."""

    kept: list[Series] = field(default_factory=list, compare=False)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        del sites
        self.kept.append(tallied.series(self.tally))
        return Measurement(self.name, (Estimate("n", "x", 1.0, 0.0, "1", "m"),))


def test_one_pass_serves_all_and_a_shared_tally_is_made_once() -> None:
    calls: list[int] = []
    one, two = Probe(Count(calls)), Probe(Count(calls))
    found = measure(walk(57, 4), [one, two])
    assert sum(calls) == 57
    assert [m.estimates[0].value for m in found] == [BLOCKS, BLOCKS]
    assert {5, 6} == set(calls), "parts differ by one frame at most"


def test_a_part_too_large_for_memory_comes_in_pieces_that_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("mdstudy.analysis.trajectory.BLOCK_SIZE", 3 * 4 * 2)  # two frames of four atoms
    calls: list[int] = []
    assert measure(walk(30, 4), [Probe(Count(calls))])[0].estimates[0].value == BLOCKS
    assert calls == [2, 1] * BLOCKS


def test_centres_are_continuous_over_blocks_and_the_box_does_not_drift() -> None:
    probe = Keep(Path())
    masses = np.array([1.0, 3.0])
    measure(walk(100, 2, replace(make_sites(2), masses=masses)), [probe])
    centres = probe.kept[0].arrays["centres"]
    # Without drift removal atom 0 would be at -0.1 k and atom 1 at +0.1 k; the centre of mass moves by +0.05 k.
    k = np.arange(100)
    np.testing.assert_allclose(centres[:, 0, 0] - centres[0, 0, 0], -0.15 * k, atol=1e-4)
    np.testing.assert_allclose(centres[:, 1, 0] - centres[0, 1, 0], +0.05 * k, atol=1e-4)


@pytest.mark.parametrize("block", [1, 3, 1000], ids=["blocks shorter than the stride", "not a multiple", "large"])
def test_what_is_followed_is_thinned_to_fit_the_memory_and_what_adds_up_is_not(
    monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("mdstudy.analysis.trajectory.BLOCK_SIZE", 3 * 4 * block)
    whole, thin, calls = Keep(Path()), Keep(Path()), []
    measure(walk(200, 4), [whole])
    bytes_a_frame = 4 * 3 * 8
    made, counted = measure(walk(200, 4), [thin, Probe(Count(calls))], memory=60 * bytes_a_frame / KEPT)
    (every,), (fourth,) = whole.kept, thin.kept  # 200 frames in the room of 60: each fourth
    np.testing.assert_array_equal(fourth.times, every.times[::4])
    np.testing.assert_allclose(fourth.arrays["centres"], every.arrays["centres"][::4], atol=1e-12)
    assert np.ptp(fourth.arrays["centres"]) > 3, "followed beyond the box"
    assert made.estimates[0].origin.stride == counted.estimates[0].origin.stride == 4
    assert "of each 4th" in str(made.estimates[0].why())
    assert sum(calls) == 200


def test_progress_ends_at_one() -> None:
    seen: list[float] = []
    measure(walk(25, 2), [Probe(Count([]))], lambda fraction, _: seen.append(fraction))
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_positions_that_are_not_numbers_are_named_by_their_time() -> None:
    with pytest.raises(TrajectoryError, match="test: the frame at 7 ps has positions that are not numbers"):
        measure(walk(20, 2, spoil=7), [Probe(Count([]))])


def test_no_frames_are_an_error() -> None:
    with pytest.raises(TrajectoryError, match="no frames"):
        measure(walk(0, 2), [Probe(Count([]))])


@pytest.mark.parametrize(
    ("recipe", "fault"),
    [
        (NernstEinstein(-298.15), r"NernstEinstein: temperature = -298.15 is"),
        (RadialDistribution("Li", ("Li",), r_max=-1.0), r"RadialDistribution: r_max = -1 is"),
        (StructureFactor(vectors=0), r"StructureFactor: vectors = 0 is"),
        (StructureFactor(q_max=math.inf), r"StructureFactor: q_max = inf is"),
        (StructureFactor(width=math.nan), r"StructureFactor: width = nan is"),
    ],
)
def test_numbers_of_a_recipe_are_positive(recipe, fault: str) -> None:
    with pytest.raises(SpecError, match=fault + " not positive and finite"):
        measure(walk(20, 2), [recipe])


def test_a_seed_and_an_error_may_be_zero() -> None:
    assert measure(walk(20, 2), [InfiniteDiffusion(300.0, 1.0, viscosity_error=0.0)])


def test_the_standard_set_fits_what_is_there() -> None:
    neutral = Sites({"TTE": np.arange(3)}, np.arange(3), {"TTE": np.arange(3)}, np.ones(3), {"TTE": 0})
    assert "solvation_shell" not in {o.name for o in standard_observables(neutral, 300.0)}
    assert "nernst_einstein" not in {o.name for o in standard_observables(neutral, 300.0)}
    assert "self_diffusion" in {o.name for o in standard_observables(neutral, 300.0)}
    assert "nernst_einstein" in {o.name for o in standard_observables(make_sites(3), 300.0)}
