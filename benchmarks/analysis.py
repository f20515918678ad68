"""How fast structure is analysed, beside independent programs: python benchmarks/analysis.py [--atoms 20000 50000].

Everything reads the same XTC file of an electrolyte-like liquid made here (1 Li : 3 FSI : 2 Pyr13 : 3 TTE, molecules at
random, 90 atoms/nm^3) and is timed whole, reading included, in turns so that all suffer alike from other work on the
machine. Prints a table in Markdown with the median of the turns and their range, in seconds. Needs the extra `peers`.
"""

from __future__ import annotations

import argparse
import statistics
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import freud
import MDAnalysis
import numpy as np
from MDAnalysis.analysis.rdf import InterRDF
from MDAnalysis.lib.distances import capped_distance
from solvation_analysis.solute import Solute

from mdstudy.analysis.shells import FirstShell
from mdstudy.analysis.trajectory import Trajectory, from_universe
from mdstudy.observables.clusters import IonClusters
from mdstudy.observables.rdf import RadialDistribution
from mdstudy.observables.shell import SolvationShell
from mdstudy.observables.speciation import Speciation
from mdstudy.observables.structure_factor import StructureFactor
from mdstudy.study.measure import measure, standard_observables
from mdstudy.system.species import ATOMIC_MASS

DENSITY, R_MAX, CUTOFF = 90.0, 1.2, 0.31  # 1/nm^3, nm, nm
ATOMS = {
    "LI": ["LI"],
    "FSI": ["N1", "S1", "O1", "O2", "F1", "S2", "O3", "O4", "F2"],
    "P13": ["N1"] + [f"C{k}" for k in range(1, 9)] + [f"H{k}" for k in range(1, 19)],
    "TTE": ["C1", "F11", "F12", "C2", "F21", "F22", "O1", "C3", "C4", "F41", "F42", "C5", "F51", "F52"]
    + [f"H{k}" for k in range(1, 5)],
}  # fmt: skip
RATIO = {"LI": 1, "FSI": 3, "P13": 2, "TTE": 3}
DONORS, SETS = ("FSI.O", "TTE.O"), {"FSI.O": "resname FSI and name O*", "TTE.O": "resname TTE and name O1"}


def element(name: str) -> str:
    """``"Li"`` of ``"LI"``, ``"C"`` of ``"C12"``."""
    return "Li" if name == "LI" else name[0]


def make(folder: Path, n_atoms: int, n_frames: int) -> MDAnalysis.Universe:
    """Write frames of about so many atoms; molecules walk at random, atoms about their centres."""
    unit = sum(RATIO[name] * len(atoms) for name, atoms in ATOMS.items())
    molecules = [name for name, share in RATIO.items() for _ in range(share * max(1, round(n_atoms / unit)))]
    names = [atom for molecule in molecules for atom in ATOMS[molecule]]
    owner = np.repeat(np.arange(len(molecules)), [len(ATOMS[molecule]) for molecule in molecules])
    universe = MDAnalysis.Universe.empty(len(names), len(molecules), atom_resindex=owner, trajectory=True)
    universe.add_TopologyAttr("names", names)
    universe.add_TopologyAttr("types", [element(name) for name in names])
    universe.add_TopologyAttr("resnames", molecules)
    universe.add_TopologyAttr("masses", [ATOMIC_MASS[element(name)] for name in names])
    follow = np.flatnonzero(owner[1:] == owner[:-1])
    universe.add_TopologyAttr("bonds", np.stack([follow, follow + 1], axis=1))
    edge = 10 * (len(names) / DENSITY) ** (1 / 3)
    rng = np.random.default_rng(1)
    centres, shape = rng.uniform(0, edge, (len(molecules), 3)), rng.normal(scale=1.2, size=(len(names), 3))
    shape[np.isin(names, "LI")] = 0
    file = folder / f"{n_atoms}.xtc"
    with MDAnalysis.Writer(str(file), len(names)) as stream:
        for step in range(n_frames):
            universe.trajectory.ts.time = 10.0 * step
            centres += rng.normal(scale=0.5, size=centres.shape)
            universe.atoms.positions = (centres % edge)[owner] + shape
            universe.dimensions = [edge] * 3 + [90.0] * 3
            stream.write(universe.atoms)
    universe.load_new(str(file))
    return universe


def tasks(universe: MDAnalysis.Universe) -> dict[tuple[str, str], Callable[[], object]]:
    """What is timed, by what is computed and by which program."""
    lithium = universe.select_atoms("resname LI")
    around = {name: universe.select_atoms(words) for name, words in SETS.items()}
    cation, anion = (universe.select_atoms(f"resname {name} and name N1") for name in ("P13", "FSI"))

    torn = from_universe(universe, charge_scale=0.8)
    whole = replace(torn, tree=None)  # as in our own runs: nothing to join

    def ours(*observables: object, trajectory: Trajectory = whole) -> Callable[[], object]:
        return lambda: measure(trajectory, observables)  # type: ignore[arg-type]

    def reading() -> None:
        for _ in universe.trajectory:
            pass

    def rdf_freud(first: object, others: list[object]) -> None:
        for other in others:
            histogram = freud.density.RDF(bins=300, r_max=10 * R_MAX)
            for frame in universe.trajectory:
                box = freud.box.Box.from_box(frame.dimensions[:3])
                histogram.compute((box, other.positions), query_points=first.positions, reset=False)  # type: ignore[attr-defined]

    def rdf_mdanalysis(first: object, others: list[object]) -> None:
        for other in others:
            InterRDF(first, other, nbins=300, range=(0.0, 10 * R_MAX)).run()

    def bare() -> None:
        for frame in universe.trajectory:
            for other in around.values():
                capped_distance(lithium.positions, other.positions, 10 * CUTOFF, box=frame.dimensions)

    def solute() -> None:
        sets = {name.partition(".")[0]: atoms for name, atoms in around.items()}
        radii = {name: 10 * CUTOFF for name in sets}
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            Solute.from_atoms(lithium, sets, radii=radii).run()

    each, pairs = list(around.values()), "g(r) Li-O of FSI and TTE"
    liquid = "g(r) N-N of Pyr13 and FSI"
    return {
        ("reading", "MDAnalysis"): reading,
        ("reading, centres of mass", "mdstudy"): ours(),
        ("reading, molecules made whole, centres of mass", "mdstudy"): ours(trajectory=torn),
        (pairs, "mdstudy"): ours(RadialDistribution("Li", DONORS)),
        (pairs, "freud"): lambda: rdf_freud(lithium, each),
        (pairs, "MDAnalysis"): lambda: rdf_mdanalysis(lithium, each),
        (liquid, "mdstudy"): ours(RadialDistribution("Pyr13.N", ("Pyr13.N", "FSI.N"))),
        (liquid, "freud"): lambda: rdf_freud(cation, [cation, anion]),
        (liquid, "MDAnalysis"): lambda: rdf_mdanalysis(cation, [cation, anion]),
        ("first shells", "mdstudy, g(r) for the cutoffs included"): ours(SolvationShell(FirstShell("Li", DONORS))),
        ("first shells", "capped_distance alone"): bare,
        ("first shells", "solvation-analysis"): solute,
        ("shells, speciation, clusters", "mdstudy"): ours(
            *(kind(FirstShell("Li", DONORS)) for kind in (SolvationShell, Speciation, IonClusters))
        ),
        ("structure factors, 28 partials", "mdstudy"): ours(StructureFactor()),
        ("all of a report", "mdstudy"): ours(*standard_observables(whole.sites, 298.15)),
    }  # fmt: skip


def main() -> None:
    """Time everything and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0] if __doc__ else None)
    parser.add_argument("--atoms", type=int, nargs="+", default=[5000, 20000])
    parser.add_argument("--frames", type=int, default=60)
    parser.add_argument("--turns", type=int, default=3)
    asked = parser.parse_args()
    warnings.simplefilter("ignore")
    spent: dict[tuple[str, str], dict[int, list[float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for n_atoms in asked.atoms:
            timed = tasks(make(Path(folder), n_atoms, asked.frames))
            for turn in range(asked.turns + 1):  # the first turn compiles and is not counted
                for key, work in timed.items():
                    start = time.perf_counter()
                    work()
                    if turn:
                        spent.setdefault(key, {}).setdefault(n_atoms, []).append(time.perf_counter() - start)
    lines = [f"| {asked.frames} frames | program |" + "".join(f" {n:,} atoms, s |" for n in asked.atoms)]
    lines.append("|---|---|" + "---|" * len(asked.atoms))
    for (what, who), by_size in spent.items():
        cells = [f" {statistics.median(t):.2f} ({min(t):.2f} to {max(t):.2f}) |" for t in by_size.values()]
        lines.append(f"| {what} | {who} |" + "".join(cells))
    sys.stdout.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
