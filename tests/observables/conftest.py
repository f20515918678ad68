"""Trajectories without any file: passes over given paths for motion, given positions of atoms for structure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from mdstudy.analysis.frames import Centres, Series, Sites, Tallied
from mdstudy.analysis.trajectory import Trajectory
from mdstudy.system.species import ATOMIC_MASS

Pass = tuple[Tallied, Sites]


@pytest.fixture
def pass_over() -> Callable[..., Pass]:
    """Give the tallies and sites of species of one-atom molecules that follow given paths, 1 ps a frame.

    Paths are (n_frames, n_molecules, 3) arrays in nm; volume in nm^3, masses in dalton.
    """

    def make(
        paths: Mapping[str, np.ndarray],
        charge: Mapping[str, int] | None = None,
        *,
        volume: float = 100.0,
        masses: Mapping[str, float] | None = None,
        charge_scale: float = float("nan"),
    ) -> Pass:
        species, first = {}, 0
        for name, path in paths.items():
            species[name] = np.arange(first, first := first + path.shape[1])
        mass = np.concatenate([np.full(len(m), (masses or {}).get(name, 1.0)) for name, m in species.items()])
        sites = Sites(dict(species), np.arange(first), species, mass, dict(charge or {}), charge_scale)
        centres = np.concatenate(list(paths.values()), axis=1)
        series = Series(
            np.arange(len(centres), dtype=float), {"centres": centres, "volume": np.full(len(centres), volume)}
        )
        return Tallied({Centres(): [series]}), sites

    return make


@pytest.fixture
def walk() -> Callable[..., np.ndarray]:
    """Random walks, (n_frames, n, 3) in nm, with a step of unit variance in each direction unless told otherwise."""

    def make(seed: int, n_frames: int, n: int, step: float = 1.0) -> np.ndarray:
        return np.cumsum(np.random.default_rng(seed).normal(scale=step, size=(n_frames, n, 3)), axis=0)

    return make


#: Atoms of the molecules of the synthetic electrolyte, as named sites, and where they stand in the molecule, nm.
MOLECULES = {
    "Li": (("Li",), [[0.0, 0.0, 0.0]]),
    "FSI": (
        ("N", "S", "S", "O", "O", "O", "O", "F", "F"),
        [
            [0.0, 0.0, 0.0], [0.14, 0.06, 0.0], [-0.14, 0.06, 0.0],
            [0.2, 0.1, 0.13], [0.24, -0.06, 0.0], [-0.2, 0.1, 0.13], [-0.24, -0.06, 0.0],
            [0.16, 0.18, -0.1], [-0.16, 0.18, -0.1],
        ],
    ),
    "Pyr13": (("N", "C", "C"), [[0.0, 0.0, 0.0], [0.15, 0.0, 0.0], [0.0, 0.15, 0.0]]),
    "TTE": (("O", "C", "F", "F"), [[0.0, 0.0, 0.0], [0.14, 0.0, 0.0], [0.2, 0.1, 0.0], [0.2, -0.1, 0.0]]),
}  # fmt: skip
CHARGES = {"Li": 1, "FSI": -1, "Pyr13": 1, "TTE": 0, "PMMA": 0}


@pytest.fixture
def trajectory_of() -> Callable[..., Trajectory]:
    """Make a trajectory, 1 ps a frame, of the positions of all atoms, (n_frames, n_atoms, 3) in nm.

    `molecules` lists species and site names of each molecule in order: ``[("Li", ("Li",)), ("FSI", ("N", "O"))]``;
    `box` has three lengths in nm and three angles in degrees, or a row for each frame.
    """

    def make(molecules: Sequence[tuple[str, Sequence[str]]], positions: np.ndarray, box: Sequence[float]) -> Trajectory:
        names = np.array([f"{species}.{site}" for species, of in molecules for site in of])
        owner = np.repeat(np.arange(len(molecules)), [len(of) for _, of in molecules])
        kinds = np.array([species for species, _ in molecules])
        groups = {str(name): np.flatnonzero(names == name) for name in dict.fromkeys(names)}
        groups |= {str(kind): np.flatnonzero(kinds[owner] == kind) for kind in dict.fromkeys(kinds)}
        species = {str(kind): np.flatnonzero(kinds == kind) for kind in dict.fromkeys(kinds)}
        masses = np.array([ATOMIC_MASS[name.partition(".")[2]] for name in names])
        sites = Sites(groups, owner, species, masses, {k: CHARGES[k] for k in species}, 1.0)
        boxes = np.broadcast_to(np.asarray(box, dtype=np.float32), (len(positions), 6))
        frames = np.asarray(positions, dtype=np.float32)
        return Trajectory(
            sites,
            len(frames),
            lambda: ((float(t), frames[t], boxes[t]) for t in range(len(frames))),
            None,
            "made in code",
        )

    return make


@pytest.fixture
def electrolyte(trajectory_of) -> Trajectory:
    """Anions that drift, cations that sit at an oxygen of one or between two anions and change over, solvent apart.

    All coordinates are multiples of 2^-12 nm in a box of 4 nm: moving them by such a step is exact in single precision.
    """
    rng = np.random.default_rng(11)
    numbers = {"Li": 12, "FSI": 24, "Pyr13": 12, "TTE": 16}
    n_frames, edge = 48, 4.0
    molecules = [(kind, MOLECULES[kind][0]) for kind, n in numbers.items() for _ in range(n)]
    shapes = [np.array(MOLECULES[kind][1]) for kind, _ in molecules]
    turned = [shape @ np.linalg.qr(rng.normal(size=(3, 3)))[0] for shape in shapes]
    start = rng.uniform(0, edge, (len(molecules), 3))
    path = start + np.cumsum(rng.normal(scale=0.25, size=(n_frames, len(molecules), 3)), axis=0)
    bodies = [path[:, k, None, :] + body for k, body in enumerate(turned)]
    for ion in range(numbers["Li"]):
        for t in range(n_frames):
            anion = numbers["Li"] + (ion * 2 + t // (6 + ion)) % numbers["FSI"]
            oxygens = bodies[anion][t, [3, 5]] if ion % 2 else bodies[anion][t, [3, 3]]
            away = oxygens.mean(axis=0) - bodies[anion][t, 0]
            bodies[ion][t, 0] = oxygens.mean(axis=0) + away / np.linalg.norm(away) * rng.normal(0.15, 0.01)
    positions = np.round(np.concatenate(bodies, axis=1) * 4096) / 4096
    return trajectory_of(molecules, positions, [edge] * 3 + [90.0] * 3)


@pytest.fixture
def renumbered() -> Callable[[Trajectory, int], Trajectory]:
    """Give the same trajectory with its molecules in another order."""

    def shuffle(trajectory: Trajectory, seed: int) -> Trajectory:
        sites = trajectory.sites
        order = np.random.default_rng(seed).permutation(sites.n_molecules)  # old number of each new molecule
        atoms = np.concatenate([np.flatnonzero(sites.molecule_of == m) for m in order])
        new_atom, new_molecule = np.argsort(atoms), np.argsort(order)
        again = Sites(
            {name: np.sort(new_atom[of]) for name, of in sites.groups.items()},
            new_molecule[sites.molecule_of[atoms]],
            {name: np.sort(new_molecule[of]) for name, of in sites.species.items()},
            sites.masses[atoms],
            sites.formal_charge,
            sites.charge_scale,
        )
        read = trajectory.read
        return replace(trajectory, sites=again, read=lambda: ((t, xyz[atoms], box) for t, xyz, box in read()))

    return shuffle
