from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from MDAnalysis.coordinates.memory import MemoryReader
from MDAnalysis.transformations import translate

from mdstudy.analysis.frames import Centres, Tallied
from mdstudy.analysis.periodic import box_matrices, wrap
from mdstudy.analysis.trajectory import Trajectory, from_universe
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import find
from mdstudy.observables.conductivity import EinsteinHelfand
from mdstudy.observables.diffusion import SelfDiffusion
from mdstudy.study.measure import measure

CUBE = np.array([20.0, 20.0, 20.0, 90.0, 90.0, 90.0])  # angstrom
SKEW = np.array([20.0, 20.0, 20.0, 60.0, 60.0, 90.0])
N_LITHIUM, N_DIMER = 6, 5


def universe(positions: np.ndarray, boxes: np.ndarray | None = CUBE, bonds: bool = True) -> MDAnalysis.Universe:
    """Six Li+ and five molecules XYZ of two atoms; positions (n_frames, 16, 3) in angstrom, 2 ps a frame."""
    n = N_LITHIUM + 2 * N_DIMER
    residue = np.r_[np.arange(N_LITHIUM), N_LITHIUM + np.repeat(np.arange(N_DIMER), 2)]
    made = MDAnalysis.Universe.empty(n, N_LITHIUM + N_DIMER, atom_resindex=residue, trajectory=True)
    made.add_TopologyAttr("names", ["LI+"] * N_LITHIUM + ["A", "B"] * N_DIMER)
    made.add_TopologyAttr("resnames", ["ION"] * N_LITHIUM + ["XYZ"] * N_DIMER)
    made.add_TopologyAttr("masses", [6.94] * N_LITHIUM + [10.0, 30.0] * N_DIMER)
    if bonds:
        first = np.arange(N_LITHIUM, n, 2)
        made.add_TopologyAttr("bonds", np.column_stack([first, first + 1]))
    dimensions = None if boxes is None else np.broadcast_to(boxes, (len(positions), 6)).astype(np.float32)
    made.load_new(positions.astype(np.float32), format=MemoryReader, dimensions=dimensions, dt=2.0)
    return made


def paths(n_frames: int = 60, seed: int = 0) -> np.ndarray:
    """Whole molecules that wander far out of the box, angstrom."""
    rng = np.random.default_rng(seed)
    centres = rng.uniform(0, 20, (N_LITHIUM + N_DIMER, 3)) + np.cumsum(
        rng.normal(scale=1.5, size=(n_frames, N_LITHIUM + N_DIMER, 3)), axis=0
    )
    dimers = np.repeat(centres[:, N_LITHIUM:], 2, axis=1)
    dimers[:, 1::2, 0] += 1.4
    return np.concatenate([centres[:, :N_LITHIUM], dimers], axis=1)


def centres(trajectory: Trajectory, n_blocks: int = 3) -> np.ndarray:
    return np.concatenate([block.centres for _, block in trajectory.blocks(n_blocks)])


def moved(trajectory: Trajectory, n_blocks: int = 3) -> np.ndarray:
    found = centres(trajectory, n_blocks)
    return found - found[:1]


LITHIUM = {"Li": "name LI+"}


def test_one_observable_on_any_universe_in_one_line() -> None:
    (found,) = measure(from_universe(universe(paths()), {"Li": "name LI+"}), [SelfDiffusion()])
    d = find(found.estimates, "self_diffusion", "Li")
    assert d is not None
    assert d.value > 0
    assert find(found.estimates, "self_diffusion", "XYZ") is not None


@pytest.mark.parametrize("box", [CUBE, SKEW], ids=["cubic", "triclinic"])
def test_wrapped_and_partly_wrapped_trajectories_give_the_same_as_whole_ones(box: np.ndarray) -> None:
    whole = paths()
    m = box_matrices(np.broadcast_to(box, (len(whole), 6)))
    wrapped = wrap(whole, m)  # atom by atom: molecules are split
    mixed = np.where(np.arange(16)[None, :, None] % 3 == 0, whole, wrapped)
    expected = moved(from_universe(universe(whole, box), LITHIUM))
    for stored in (wrapped, mixed):
        np.testing.assert_allclose(moved(from_universe(universe(stored, box), LITHIUM)), expected, atol=2e-4)


def test_centres_are_relative_to_the_centre_of_mass_of_all_and_in_nanometres() -> None:
    whole = paths()
    whole += np.linspace(0, 300, len(whole))[:, None, None] * [1.0, 0.0, 0.0]  # the box drifts
    found = moved(from_universe(universe(whole), LITHIUM))
    masses = np.r_[np.full(N_LITHIUM, 6.94), np.tile([10.0, 30.0], N_DIMER)]
    centre = np.einsum("a,fak->fk", masses / masses.sum(), whole)
    free = (whole - centre[:, None]) / 10
    np.testing.assert_allclose(found[:, :N_LITHIUM], free[:, :N_LITHIUM] - free[:1, :N_LITHIUM], atol=2e-4)


def test_blocks_of_any_number_make_the_same_paths() -> None:
    trajectory = from_universe(universe(paths()), LITHIUM)
    np.testing.assert_allclose(centres(trajectory, 7), centres(trajectory, 1), atol=1e-12)


def test_boxes_that_change_from_frame_to_frame_are_followed() -> None:
    rng = np.random.default_rng(1)
    scale = np.exp(rng.normal(scale=0.01, size=60))
    boxes = np.tile(CUBE, (60, 1))
    boxes[:, :3] *= scale[:, None]
    at_rest = (paths(1, seed=2)[0] + 400.0)[None] * scale[:, None, None]  # twenty boxes away
    molecules = at_rest.copy()
    molecules[:, N_LITHIUM + 1 :: 2] = molecules[:, N_LITHIUM::2] + [1.4, 0.0, 0.0]
    blocks = [block for _, block in from_universe(universe(molecules, boxes), LITHIUM).blocks(4)]
    np.testing.assert_allclose(np.concatenate([b.volumes for b in blocks]), 8.0 * scale**3, rtol=1e-5)
    found = np.concatenate([b.centres for b in blocks])
    assert np.abs(found - found[:1]).max() < 0.15


def test_without_bonds_a_residue_is_one_molecule() -> None:
    whole = paths()
    expected = moved(from_universe(universe(whole), LITHIUM))
    np.testing.assert_allclose(moved(from_universe(universe(whole, bonds=False), LITHIUM)), expected, atol=2e-4)


def test_a_selection_without_atoms_is_refused_by_name() -> None:
    with pytest.raises(TrajectoryError, match=r'"Li": the selection "name LI" has no atoms'):
        from_universe(universe(paths(2)), {"Li": "name LI"})


def test_charges_known_by_name_are_used_and_others_must_be_given() -> None:
    made = universe(paths())
    with pytest.raises(TrajectoryError, match="charge of XYZ is not known"):
        measure(from_universe(made, LITHIUM), [EinsteinHelfand(300.0)])
    given = from_universe(made, LITHIUM, charges={"XYZ": -1})
    assert given.sites.formal_charge == {"Li": 1, "XYZ": -1}
    with pytest.raises(TrajectoryError, match="charge of PF6: no such species"):
        from_universe(made, LITHIUM, charges={"PF6": -1})


def test_missing_masses_are_refused() -> None:
    made = universe(paths(2))
    made.atoms[3:4].masses = 0.0
    with pytest.raises(TrajectoryError, match=r"atom 3 \(LI\+\) has no mass"):
        from_universe(made, LITHIUM)
    bare = MDAnalysis.Universe.empty(3, 3, atom_resindex=[0, 1, 2], trajectory=True)
    bare.add_TopologyAttr("names", ["A", "B", "C"])
    with pytest.raises(TrajectoryError, match="no masses"):
        from_universe(bare)


def test_a_frame_that_is_not_numbers_is_named() -> None:
    broken = paths(10)
    broken[6, 4, 1] = np.nan
    with pytest.raises(TrajectoryError, match="frame at 12 ps has positions that are not numbers"):
        centres(from_universe(universe(broken), LITHIUM))


@pytest.mark.parametrize(
    "boxes", [None, np.zeros(6), np.array([20.0, 0, 20, 90, 90, 90])], ids=["none", "zero", "flat"]
)
def test_a_trajectory_without_a_box_is_refused(boxes: np.ndarray | None) -> None:
    with pytest.raises(TrajectoryError, match="frame at 0 ps has no periodic box"):
        centres(from_universe(universe(paths(3), boxes), LITHIUM))


def test_a_file_that_was_cut_off_is_refused_and_says_how_far_it_reads(tmp_path) -> None:
    made = universe(paths(30))
    file = tmp_path / "made.xtc"
    made.atoms.write(str(file), frames="all")
    topology = universe(paths(1))
    topology.load_new(str(file))
    trajectory = from_universe(topology, LITHIUM)
    assert trajectory.n_frames == 30
    os.truncate(file, file.stat().st_size * 2 // 3)
    with pytest.raises(TrajectoryError, match=r"only (1|2)\d of 30 frames can be read"):
        centres(trajectory, 30)


@pytest.fixture
def stored(tmp_path: Path) -> Path:
    """Twenty frames of a Universe as an XTC file, 2 ps apart."""
    made = universe(paths(20))
    made.atoms.write(str(tmp_path / "made.xtc"), frames="all")
    return tmp_path / "made.xtc"


def frames_of(trajectory: Trajectory) -> tuple[np.ndarray, np.ndarray]:
    blocks = [block for _, block in replace(trajectory, tree=None).blocks(3)]
    return np.concatenate([b.times for b in blocks]), np.concatenate([b.positions for b in blocks])


def test_a_file_is_read_at_its_source_and_the_universe_stays_where_it_is(stored: Path) -> None:
    made = universe(paths(1))
    made.load_new(str(stored))
    expected = np.array([frame.positions / 10 for frame in made.trajectory])
    _ = made.trajectory[7]
    times, xyz = frames_of(from_universe(made, LITHIUM))
    np.testing.assert_allclose(times, 2.0 * np.arange(20))
    np.testing.assert_allclose(xyz, expected, atol=1e-6)
    assert made.trajectory.frame == 7


def test_what_a_universe_makes_of_the_frames_of_its_file_counts(stored: Path) -> None:
    """Transformations and another time step: not what is in the file."""
    made = universe(paths(1))
    made.load_new(str(stored))
    _, whole = frames_of(from_universe(made, LITHIUM))
    made.trajectory.add_transformations(translate([10.0, 0.0, 0.0]))
    shifted = np.broadcast_to([1.0, 0.0, 0.0], whole.shape)
    np.testing.assert_allclose(frames_of(from_universe(made, LITHIUM))[1] - whole, shifted, atol=1e-5)
    made.load_new(str(stored), dt=5.0)
    np.testing.assert_allclose(frames_of(from_universe(made, LITHIUM))[0], 5.0 * np.arange(20))


def test_fewer_frames_than_announced_or_other_atoms_than_the_topology_are_refused() -> None:
    whole = from_universe(universe(paths(5)), LITHIUM)
    short = Trajectory(whole.sites, 8, whole.read, whole.tree, "made.xtc")
    with pytest.raises(TrajectoryError, match=r"made.xtc: only 5 of 8 frames"):
        centres(short)

    def fewer():
        for time, xyz, box in whole.read():
            yield time, xyz[:-1], box

    with pytest.raises(TrajectoryError, match="frame at 0 ps has 15 atoms, the topology 16"):
        centres(Trajectory(whole.sites, 5, fewer, whole.tree, "made.xtc"))


def test_no_frames_at_all_are_refused() -> None:
    whole = from_universe(universe(paths(5)), LITHIUM)
    with pytest.raises(TrajectoryError, match="no frames"):
        measure(Trajectory(whole.sites, 0, whole.read, whole.tree, "made.xtc"), [SelfDiffusion()])


def test_uneven_times_are_refused_by_what_needs_even_ones() -> None:
    whole = from_universe(universe(paths(40)), LITHIUM)

    def uneven():
        for k, (time, xyz, box) in enumerate(whole.read()):
            yield time + 0.5 * (k == 20), xyz, box

    with pytest.raises(TrajectoryError, match=r"not evenly spaced: between 1.5 and 2.5 ps apart"):
        measure(Trajectory(whole.sites, 40, uneven, whole.tree, "made.xtc"), [SelfDiffusion()])


def test_the_pass_hands_out_what_it_read() -> None:
    trajectory = from_universe(universe(paths(12)), LITHIUM)
    parts = [Centres()(block, trajectory.sites) for _, block in trajectory.blocks(4)]
    joined = Tallied({Centres(): parts}).series(Centres())
    np.testing.assert_allclose(joined.times, 2.0 * np.arange(12))
    assert joined.arrays["centres"].shape == (12, N_LITHIUM + N_DIMER, 3)
