"""The same trajectory in independent programs: displacement and diffusion."""

from __future__ import annotations

import shutil
import subprocess
import warnings
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from MDAnalysis.analysis.msd import EinsteinMSD
from MDAnalysis.coordinates.memory import MemoryReader
from scipy import stats

from mdstudy.analysis.displacement import fit_window, mean_squared_displacement
from mdstudy.analysis.trajectory import from_universe
from mdstudy.base.results import find
from mdstudy.observables.diffusion import SelfDiffusion
from mdstudy.study.measure import observe

WALK = Path(__file__).parent / "random_walk"
N, N_FRAMES, EDGE = 30, 200, 30.0  # angstrom, 1 ps a frame
BOX = np.array([EDGE, EDGE, EDGE, 90.0, 90.0, 90.0], dtype=np.float32)


def paths() -> np.ndarray:
    """Random walks of unit variance, angstrom, of which the mean stands still."""
    rng = np.random.default_rng(0)
    steps = np.cumsum(rng.normal(size=(N_FRAMES, N, 3)), axis=0)
    return rng.uniform(0, EDGE, (N, 3)) + steps - steps.mean(axis=1, keepdims=True)


def universe(positions: np.ndarray) -> MDAnalysis.Universe:
    made = MDAnalysis.Universe.empty(N, N, atom_resindex=np.arange(N), trajectory=True)
    made.add_TopologyAttr("names", ["LI"] * N)
    made.add_TopologyAttr("types", ["LI"] * N)
    made.add_TopologyAttr("resnames", ["LI"] * N)
    made.add_TopologyAttr("resids", np.arange(1, N + 1))
    made.add_TopologyAttr("masses", [6.94] * N)
    boxes = np.tile(BOX, (len(positions), 1))
    made.load_new(positions.astype(np.float32), format=MemoryReader, dimensions=boxes, dt=1.0)
    return made


def ours() -> np.ndarray:
    """Mean-squared displacement, nm^2, of the trajectory wrapped into the box."""
    trajectory = from_universe(universe(paths() % EDGE), {"Li": "name LI"})
    return mean_squared_displacement(np.concatenate([block.centres for _, block in trajectory.blocks(5)]))


def test_displacement_is_that_of_mdanalysis_for_unwrapped_coordinates() -> None:
    peer = EinsteinMSD(universe(paths()), select="all", msd_type="xyz", fft=False).run()
    np.testing.assert_allclose(ours(), peer.results.timeseries / 100, rtol=1e-4, atol=1e-7)


@pytest.fixture(scope="module")
def random_walk() -> MDAnalysis.Universe:
    """The trajectory of MDAnalysis's own tests, as it is."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its topology has no elements, and so no masses
        return MDAnalysis.Universe(str(WALK / "RANDOM_WALK_TOPO.pdb"), str(WALK / "xyz_random_walk.xtc"))


def test_displacement_is_that_of_mdanalysis_for_its_own_random_walk(random_walk: MDAnalysis.Universe) -> None:
    """MDAnalysis holds itself to the norm of this curve (MDAnalysisTests/analysis/test_msd.py), and so do we."""
    peer = EinsteinMSD(random_walk, select="all", msd_type="xyz", fft=False).run().results.timeseries
    walkers = np.array([random_walk.atoms.positions.astype(float) for _ in random_walk.trajectory])
    mine = mean_squared_displacement(walkers)
    np.testing.assert_allclose(mine, peer, rtol=1e-6, atol=1e-6)
    assert np.linalg.norm(mine) == pytest.approx(3932.39927487146, abs=1e-5)


def test_diffusion_of_that_walk_is_one_and_better_known_than_by_a_line_through_the_curve(
    random_walk: MDAnalysis.Universe,
) -> None:
    """D = 1 A^2/ps = 1e-8 m^2/s, less 1/100 for the drift that is removed; with a box that nothing can leave."""
    walkers = np.array([random_walk.atoms.positions for _ in random_walk.trajectory])
    single = MDAnalysis.Universe.empty(100, 100, atom_resindex=np.arange(100), trajectory=True)
    for name, values in (("resnames", ["Li"] * 100), ("masses", [6.94] * 100)):
        single.add_TopologyAttr(name, values)
    single.load_new(walkers, format=MemoryReader, dimensions=[200.0] * 3 + [90.0] * 3, dt=random_walk.trajectory.dt)
    found = find(observe(single, SelfDiffusion(), {"Li": "all"}).estimates, "self_diffusion", "Li")
    assert found is not None
    assert found.converged
    assert found.error < 0.03e-8
    assert abs(found.value - 0.99e-8) < 2 * found.error
    # The line that the documentation of EinsteinMSD draws, from lag 20 to 60.
    peer = EinsteinMSD(random_walk, select="all", msd_type="xyz", fft=False).run().results.timeseries
    theirs = stats.linregress(np.arange(20, 60), peer[20:60]).slope / 6 * 1e-8
    assert abs(theirs - 0.99e-8) > abs(found.value - 0.99e-8)


@pytest.mark.skipif(shutil.which("gmx") is None, reason="GROMACS is not installed")
def test_displacement_is_that_of_gromacs(tmp_path: Path) -> None:
    made = universe(paths() % EDGE)
    for name in ("made.xtc", "made.gro"):
        made.atoms.write(str(tmp_path / name), frames="all" if name.endswith("xtc") else made.trajectory[:1])
    command = ["gmx", "-nobackup", "msd", "-f", "made.xtc", "-s", "made.gro", "-o", "msd.xvg", "-trestart", "1"]
    subprocess.run(command, cwd=tmp_path, input="0\n", text=True, capture_output=True, check=True)
    lines = (tmp_path / "msd.xvg").read_text().splitlines()
    time, peer = np.array([line.split()[:2] for line in lines if line[0] not in "#@"], dtype=float).T
    assert len(time) > N_FRAMES // 2
    np.testing.assert_allclose(ours()[time.astype(int)], peer, rtol=2e-3, atol=1e-5)  # XTC keeps 0.001 nm


def test_diffusion_and_its_error_are_those_of_kinisi() -> None:
    """Its sampled posterior and our generalised least squares rest on the same idea with different covariances."""
    analyze = pytest.importorskip("kinisi.analyze", reason="kinisi is not installed")
    sc = pytest.importorskip("scipp")
    peer = analyze.DiffusionAnalyzer.from_universe(
        universe(paths()),
        specie="LI",
        time_step=sc.scalar(1.0, unit="ps"),
        step_skip=sc.scalar(1),
        progress=False,
    )
    peer.diffusion(sc.scalar(1.0, unit="ps"), progress=False)
    samples = np.asarray(peer.D.values) * 1e-4  # cm^2/s to m^2/s
    lags = np.arange(1, N_FRAMES)
    fit = fit_window(lags, mean_squared_displacement(paths() / 10)[lags], N_FRAMES, N, 1.0)
    value, error = fit.slope / 6 * 1e-6, fit.slope_error / 6 * 1e-6
    assert abs(value - samples.mean()) < 2 * np.hypot(error, samples.std())
    assert 0.5 < error / samples.std() < 2
