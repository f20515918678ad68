"""Our structure against independent programs on the same trajectory, within stated tolerance.

The trajectory ships with solvation-analysis: LiPF6 in butyronitrile and fluoroethylene carbonate, 7,118 atoms.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import MDAnalysis
import numpy as np
import pytest
from MDAnalysis.analysis.rdf import InterRDF
from numpy.typing import NDArray

from mdstudy.analysis.frames import Block, Series, Sites, Sums
from mdstudy.analysis.pairs import PairHistogram
from mdstudy.analysis.shells import Contacts, Shells
from mdstudy.analysis.trajectory import from_universe
from mdstudy.analysis.volumes import owners
from mdstudy.observables.clusters import Clusters
from mdstudy.observables.shell import compositions

pytestmark = pytest.mark.filterwarnings("ignore")  # those of other programs are not ours

#: Cutoffs of the example of solvation-analysis, angstrom.
RADII = {"PF6": 2.8, "BN": 2.61468, "FEC": 2.43158}
TALLY = PairHistogram("Li", ("BN.N", "FEC.O"))


@pytest.fixture(scope="module")
def universe() -> MDAnalysis.Universe:
    package = pytest.importorskip("solvation_analysis", reason="solvation-analysis, which ships the trajectory")
    folder = Path(package.__file__).parent / "tests" / "data" / "bn_fec_data"
    found = MDAnalysis.Universe(str(folder / "bn_fec.data"), str(folder / "bn_fec_short_wrap.dcd"))
    found.add_TopologyAttr("resnames", ["BN"] * 363 + ["FEC"] * 237 + ["PF6"] * 49 + ["Li"] * 49)
    return found


@pytest.fixture(scope="module")
def frames(universe: MDAnalysis.Universe) -> tuple[Block, Sites]:
    trajectory = from_universe(universe, {"BN.N": "type 5", "FEC.O": "type 19"})
    (_, block), *_ = trajectory.blocks(1)
    return block, trajectory.sites


@pytest.fixture(scope="module")
def distributions(frames: tuple[Block, Sites]) -> NDArray[np.float64]:
    """g(r) of Li with nitrogen of BN and with carbonyl oxygen of FEC."""
    sums = TALLY(*frames)
    assert isinstance(sums, Sums)
    return TALLY.distribution(sums)


def same_counts(ours: NDArray[np.float64], theirs: NDArray[np.float64], ideal: NDArray[np.float64]) -> None:
    """A pair on the edge of a bin may fall to either side in single precision: three pairs a bin, none in the sum."""
    apart = (ours - theirs) * ideal
    assert np.abs(apart).max() < 3.5
    assert np.abs(np.cumsum(apart)).max() < 3.5


@pytest.mark.parametrize(("k", "selection"), [(0, "type 5"), (1, "type 19")], ids=["BN.N", "FEC.O"])
def test_distributions_are_those_of_mdanalysis(
    universe: MDAnalysis.Universe,
    distributions: NDArray[np.float64],
    frames: tuple[Block, Sites],
    k: int,
    selection: str,
) -> None:
    lithium, others = universe.select_atoms("type 22"), universe.select_atoms(selection)
    theirs = InterRDF(lithium, others, nbins=300, range=(0.0, 12.0)).run().results.rdf
    same_counts(distributions[k], theirs, TALLY.ideal(TALLY(*frames))[k])


@pytest.mark.parametrize(("k", "selection"), [(0, "type 5"), (1, "type 19")], ids=["BN.N", "FEC.O"])
def test_distributions_are_those_of_freud(
    universe: MDAnalysis.Universe,
    distributions: NDArray[np.float64],
    frames: tuple[Block, Sites],
    k: int,
    selection: str,
) -> None:
    freud = pytest.importorskip("freud", reason="freud-analysis")
    lithium, others = universe.select_atoms("type 22"), universe.select_atoms(selection)
    theirs = freud.density.RDF(bins=300, r_max=1.2)
    for step in universe.trajectory:
        box = freud.box.Box.from_box(step.dimensions[:3] / 10)
        theirs.compute((box, others.positions / 10), query_points=lithium.positions / 10, reset=False)
    same_counts(distributions[k], theirs.rdf, TALLY.ideal(TALLY(*frames))[k])


def test_distributions_are_those_of_gromacs(
    universe: MDAnalysis.Universe, distributions: NDArray[np.float64], tmp_path: Path
) -> None:
    """Bins of gmx rdf are centred on multiples of the width: ours, half as wide, are added up in pairs about them."""
    gmx = shutil.which("gmx")
    if gmx is None:
        pytest.skip("gmx: not on PATH")
    atoms = universe.atoms
    universe.trajectory[0]
    named = MDAnalysis.Merge(atoms)
    named.add_TopologyAttr("names", [f"T{kind}" for kind in atoms.types])
    named.dimensions = universe.dimensions
    named.atoms.write(str(tmp_path / "box.gro"))
    with MDAnalysis.Writer(str(tmp_path / "frames.xtc"), len(atoms)) as stream:
        for _ in universe.trajectory:
            stream.write(atoms)
    command = [gmx, "-quiet", "rdf", "-f", "frames.xtc", "-s", "box.gro", "-o", "rdf.xvg", "-xvg", "none"]
    command += ["-bin", "0.008", "-rmax", "1.2", "-ref", "name T22", "-sel", "name T5"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    r, theirs = np.loadtxt(tmp_path / "rdf.xvg").T
    shells = np.diff(TALLY.edges**3)
    ours = distributions[0] * shells
    paired = (ours[1:-1:2] + ours[2::2]) / (shells[1:-1:2] + shells[2::2])
    middles = TALLY.edges[2:-1:2]
    shared = np.isin(np.round(r, 6), np.round(middles, 6))
    assert shared.sum() > 140
    np.testing.assert_allclose(r[shared], middles[: shared.sum()], atol=1e-6)
    # The XTC file rounds positions to 0.001 nm, which moves pairs to the next bin, so that running sums are compared.
    volume = np.cumsum((shells[1:-1:2] + shells[2::2])[: shared.sum()] * theirs[shared])
    own = np.cumsum((shells[1:-1:2] + shells[2::2])[: shared.sum()] * paired[: shared.sum()])
    np.testing.assert_allclose(own[30:], volume[30:], rtol=0.01)


def test_cells_of_atoms_of_one_size_are_the_voronoi_cells_of_freud(frames: tuple[Block, Sites]) -> None:
    freud = pytest.importorskip("freud", reason="freud-analysis")
    block, sites = frames
    box = freud.box.Box.from_box(block.boxes[0, :3])
    cells = freud.locality.Voronoi().compute((box, box.wrap(block.positions[0]))).volumes
    points = np.random.default_rng(1).random((200_000, 3)) * block.boxes[0, :3]
    found = owners(block.positions[0], np.zeros(sites.n_atoms), np.diag(block.boxes[0, :3].astype(float)), points)
    for molecules in sites.species.values():
        atoms = np.isin(sites.molecule_of, molecules)
        share = cells[atoms].sum() / cells.sum()
        spread = np.sqrt(share * (1 - share) / len(points))  # of a binomial draw
        assert abs(atoms[found].mean() - share) < 3.5 * spread


@pytest.fixture(scope="module")
def shells(frames: tuple[Block, Sites]) -> Shells:
    """First shells by all atoms of each molecule, at the cutoffs of solvation-analysis."""
    block, sites = frames
    listed = Contacts("Li", ("BN", "FEC", "PF6"))
    series = listed(block, sites)
    assert isinstance(series, Series)
    return Shells.from_contacts(series, listed, {name: radius / 10 for name, radius in RADII.items()}, sites)


@pytest.fixture(scope="module")
def solute(universe: MDAnalysis.Universe):
    module = pytest.importorskip("solvation_analysis.solute", reason="solvation-analysis")
    around = {name: universe.select_atoms(f"resname {name}") for name in RADII}
    found = module.Solute.from_atoms(universe.select_atoms("type 22"), around, radii=RADII)
    found.run()
    return found


def test_coordination_numbers_are_those_of_solvation_analysis(shells: Shells, solute) -> None:
    numbers = shells.counts().mean(axis=(0, 1))
    theirs = [solute.coordination.coordination_numbers[name] for name in shells.species]
    np.testing.assert_allclose(numbers, theirs, rtol=1e-12)


def test_pairing_and_free_molecules_are_those_of_solvation_analysis(shells: Shells, solute) -> None:
    paired = (shells.counts() > 0).mean(axis=(0, 1))
    free = [(shells.ions_of(name) == 0).mean() for name in shells.species]
    np.testing.assert_allclose(paired, [solute.pairing.solvent_pairing[name] for name in shells.species], rtol=1e-12)
    np.testing.assert_allclose(
        free, [solute.pairing.fraction_free_solvents[name] for name in shells.species], rtol=1e-12
    )


def test_shell_compositions_are_those_of_solvation_analysis(shells: Shells, solute) -> None:
    ours = {name: share.mean() for name, share in compositions(shells).items()}
    table = solute.speciation.speciation_fraction
    assert len(table) == len(ours)
    for _, row in table.iterrows():
        words = " ".join(f"{int(row[name])} {name}" for name in shells.species if row[name])
        assert ours[words or "none"] == pytest.approx(row["fraction"], rel=1e-9), words


def test_clusters_are_the_networks_of_solvation_analysis(shells: Shells, solute) -> None:
    """Their table lists networks of two and more; ours counts lone ions too."""
    networking = pytest.importorskip("solvation_analysis.networking", reason="solvation-analysis")
    theirs = networking.Networking.from_solute(solute, ["PF6"]).network_sizes.sum()
    found = Clusters.find(shells, "PF6")
    ours = {size: round(float(share.sum()) * found.n_nodes / size) for size, share in found.sizes().items() if size > 1}
    assert ours == {int(size): int(number) for size, number in theirs.items() if number}
