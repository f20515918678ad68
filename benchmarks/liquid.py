"""A made liquid on which analysis is timed: electrolyte-like, written as an XTC file.

1 Li : 3 FSI : 2 Pyr13 : 3 TTE at 90 atoms/nm^3. Centres walk at random by 0.05 nm a frame and direction, atoms are
about their centres at random. Three anions are bound to each Li by an oxygen at 0.2 nm and change places with others,
each about once in fifty frames. It has the numbers of molecules, pairs and contacts of a real liquid; there is nothing
to be learnt from its results.
"""

from __future__ import annotations

from pathlib import Path

import MDAnalysis
import numpy as np

from mdstudy.system.species import ATOMIC_MASS

DENSITY = 90.0  # 1/nm^3
ATOMS = {
    "LI": ["LI"],
    "FSI": ["N1", "S1", "O1", "O2", "F1", "S2", "O3", "O4", "F2"],
    "P13": ["N1"] + [f"C{k}" for k in range(1, 9)] + [f"H{k}" for k in range(1, 19)],
    "TTE": ["C1", "F11", "F12", "C2", "F21", "F22", "O1", "C3", "C4", "F41", "F42", "C5", "F51", "F52"]
    + [f"H{k}" for k in range(1, 5)],
}  # fmt: skip
RATIO = {"LI": 1, "FSI": 3, "P13": 2, "TTE": 3}
#: Directions from Li to its anions; distances of their oxygen and centre, angstrom; turns an anion and frame.
DIRECTIONS = np.array([[1, 1, 1], [1, -1, -1], [-1, 1, -1]]) / 3**0.5
OXYGEN, CENTRE, TURNS = 2.0, 4.0, 0.02


def element(name: str) -> str:
    """``"Li"`` of ``"LI"``, ``"C"`` of ``"C12"``."""
    return "Li" if name == "LI" else name[0]


def topology(n_atoms: int) -> MDAnalysis.Universe:
    """About so many atoms, without positions."""
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
    return universe


def made(folder: Path, n_atoms: int, n_frames: int) -> MDAnalysis.Universe:
    """The liquid with its trajectory, which is written unless the file is there already."""
    universe, file = topology(n_atoms), folder / f"{n_atoms}-{n_frames}.xtc"
    if not file.exists():
        write(universe, file, n_frames)
    universe.load_new(str(file))
    return universe


def write(universe: MDAnalysis.Universe, file: Path, n_frames: int) -> None:
    """Write frames 10 ps apart; molecules are whole, their centres in the box."""
    owner, names, residues = universe.atoms.resindices, universe.atoms.names, universe.residues.resnames
    lithium, anions = np.flatnonzero(residues == "LI"), np.flatnonzero(residues == "FSI")
    bound = np.flatnonzero((names == "O1") & (residues[owner] == "FSI"))
    place = np.arange(len(anions))  # three for each Li
    edge = 10 * (len(names) / DENSITY) ** (1 / 3)
    rng = np.random.default_rng(1)
    centres, shape = rng.uniform(0, edge, (len(universe.residues), 3)), rng.normal(scale=1.2, size=(len(names), 3))
    shape[names == "LI"] = 0
    with MDAnalysis.Writer(str(file), len(names)) as stream:
        for step in range(n_frames):
            universe.trajectory.ts.time = 10.0 * step
            centres += rng.normal(scale=0.5, size=centres.shape)
            turning = rng.permutation(len(anions))[: round(TURNS * len(anions)) // 2 * 2]
            place[turning] = place[turning[::-1]]
            towards = DIRECTIONS[place % 3] + rng.normal(scale=0.03, size=(len(anions), 3))
            host = centres[lithium[place // 3]] % edge
            centres[anions] = host + CENTRE * towards
            positions = (centres % edge)[owner] + shape
            positions[bound] = (centres[anions] % edge) + (OXYGEN - CENTRE) * towards
            universe.atoms.positions = positions
            universe.dimensions = [edge] * 3 + [90.0] * 3
            stream.write(universe.atoms)
