"""Frames from files: a run directory, or any MDAnalysis Universe, as blocks of arrays.

Units are converted here (MDAnalysis has angstrom) and molecules are made whole, so that an observable sees the same
thing whichever program made the trajectory.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import MDAnalysis
import numpy as np
from MDAnalysis.coordinates.XTC import XTCReader
from MDAnalysis.exceptions import NoDataError
from MDAnalysis.lib.mdamath import triclinic_box
from numpy.typing import NDArray

from mdstudy.analysis.decoding import decoded
from mdstudy.analysis.frames import Block, IndexArray, Sites
from mdstudy.analysis.periodic import Motion, Tree, Unwrapper, box_matrices, molecule_centres
from mdstudy.base.errors import RunError, TrajectoryError
from mdstudy.base.xtc import FrameIndex, frame_index
from mdstudy.run.rundir import RunDir
from mdstudy.system.species import Salt, all_species

#: Numbers in the positions of one block (float32): bounds the memory of a pass.
BLOCK_SIZE = 1_000_000

RawFrame = tuple[float, NDArray[np.float32], NDArray[np.float32]]


@dataclass(frozen=True, eq=False)
class Trajectory:
    """Who is who, and frames in order of time.

    Attributes
    ----------
    sites : Sites
    n_frames : int
    read : callable
        Gives an iterator over frames from a start to an end: time (ps), positions (nm), box (nm and degrees).
    tree : Tree or None
        Bonds along which molecules are made whole; None where they are whole already.
    source : str
        What it was read from.
    model : str
        Force field with its hash and the scale of ionic charges; empty where not known.
    """

    sites: Sites
    n_frames: int
    read: Callable[[], Iterator[RawFrame]]
    tree: Tree | None
    source: str
    model: str = ""

    def blocks(self, n_blocks: int) -> Iterator[tuple[int, Block]]:
        """Frames in consecutive blocks, one at a time in memory.

        The trajectory is cut into `n_blocks` parts that differ by one frame at most; a part that is too large for
        memory comes in pieces.

        Parameters
        ----------
        n_blocks : int

        Yields
        ------
        part : int
            Number of the part, from 0.
        block : Block

        Raises
        ------
        TrajectoryError
            No box, positions that are not numbers, another number of atoms than the topology has, or fewer frames than
            there should be.
        """
        unwrap = Unwrapper(self.sites.molecule_masses)
        most = max(1, BLOCK_SIZE // (3 * self.sites.n_atoms))
        frames = self.read()
        done = 0
        for part in range(n_blocks):
            left = self.n_frames * (part + 1) // n_blocks - self.n_frames * part // n_blocks
            while left:
                count = min(left, most)
                left -= count
                times, positions, boxes = self._take(frames, done, count)
                yield part, self._block(times, positions, boxes, unwrap, done)
                done += count

    def _take(
        self, frames: Iterator[RawFrame], done: int, count: int
    ) -> tuple[NDArray[np.float64], NDArray[np.float32], NDArray[np.float32]]:
        """Times, positions and boxes of the next frames."""
        times, boxes = np.empty(count), np.empty((count, 6), dtype=np.float32)
        positions = np.empty((count, self.sites.n_atoms, 3), dtype=np.float32)
        taken, reason = 0, "is the file truncated?"
        try:
            for time, xyz, box in islice(frames, count):
                if len(xyz) != self.sites.n_atoms:
                    raise TrajectoryError(
                        f"{self.source}: the frame at {time:g} ps has {len(xyz)} atoms, "
                        f"the topology {self.sites.n_atoms}"
                    )
                times[taken], positions[taken], boxes[taken] = time, xyz, box
                taken += 1
        except OSError as error:  # EOFError of a reader is one of MDAnalysis's OSErrors
            reason = f"{error}; {reason}"
        if taken < count:
            raise TrajectoryError(f"{self.source}: only {done + taken} of {self.n_frames} frames can be read: {reason}")
        return times, positions, boxes

    def _block(
        self,
        times: NDArray[np.float64],
        positions: NDArray[np.float32],
        boxes: NDArray[np.float32],
        unwrap: Unwrapper,
        first: int,
    ) -> Block:
        sums = positions.sum(axis=(1, 2))  # not a number as soon as one of them is none
        for fault, what in (
            (~np.isfinite(sums), "positions that are not numbers"),
            (~np.isfinite(boxes).all(axis=1) | (boxes[:, :3] <= 0).any(axis=1), "no periodic box"),
        ):
            if fault.any():
                raise TrajectoryError(f"{self.source}: the frame at {times[int(np.argmax(fault))]:g} ps has {what}")
        matrices = box_matrices(boxes)
        if self.tree is not None:
            positions = self.tree.make_whole(positions, matrices)

        def follow() -> Motion:
            return unwrap(molecule_centres(positions, self.sites.molecule_of, self.sites.masses), matrices)

        return Block(times, positions, follow, boxes, first, self.n_frames)


def open_run(directory: str | Path) -> Trajectory:
    """Production trajectory of a run directory, as far as it is finished.

    Raises
    ------
    RunError
        Not a run directory, or no finished segment.
    TrajectoryError
        Frames are missing, repeated or not evenly spaced.
    """
    run = RunDir(Path(directory))
    spec, files = run.read_spec(), run.frame_files()
    if not files:
        raise RunError(f"{run.path}: no frames yet ({run.status()}); run it with `mdstudy run {run.path}`")
    indices = [frame_index(file) for file in files]
    steps = np.concatenate([index.steps for index in indices])
    if len(steps) == 0 or (len(steps) > 1 and np.ptp(np.diff(steps)) != 0) or steps[0] <= 0:
        raise TrajectoryError(f"{run.path}: frames are missing, repeated or not evenly spaced")
    scale = float(spec["charge_scale"])
    model = f"{spec['force_field']}, SHA-256 {spec['force_field_sha256'][:12]}, charges of ions x {scale:g}"
    sites = find_sites(_topology(run), charge_scale=scale)

    return Trajectory(sites, len(steps), lambda: _frames_of(files, indices), None, str(run.path), model)


def from_universe(
    universe: MDAnalysis.Universe,
    groups: Mapping[str, str] | None = None,
    charge_scale: float = float("nan"),
    charges: Mapping[str, int] | None = None,
) -> Trajectory:
    """Trajectory of an MDAnalysis Universe; atoms may be wrapped.

    Parameters
    ----------
    universe : MDAnalysis.Universe
        With masses (or elements to guess them from) and residue names; bonds join atoms into molecules, without them
        a residue counts as one.
    groups : mapping of str to str, optional
        Further sites, name to MDAnalysis selection, such as ``{"Li": "name LI+", "FSI.O": "resname NFS and name O*"}``.
        The part before the first dot is the species; a site without a dot stands for all atoms of its species.
    charge_scale : float
        Factor by which the model scales ionic charges, if known.
    charges : mapping of str to int, optional
        Formal charge of one molecule of species that ``systems/molecules`` does not know, such as ``{"PF6": -1}``.

    Raises
    ------
    TrajectoryError
        A selection without atoms, no masses, or no molecule that a centre can be given.
    """
    sites = find_sites(universe, groups, charge_scale, charges)
    bonds = _bonds(universe)
    tree = Tree.from_bonds(sites.n_atoms, bonds, sites.molecule_of)
    source, n_frames = str(universe.trajectory.filename or "trajectory in memory"), len(universe.trajectory)
    if (index := _plain_xtc(universe)) is not None:
        return Trajectory(sites, n_frames, lambda: _frames_of([Path(source)], [index]), tree, source)

    def read() -> Iterator[RawFrame]:
        for frame in universe.trajectory:
            box = frame.dimensions if frame.dimensions is not None else np.zeros(6)
            scaled = np.concatenate([np.asarray(box[:3]) / 10, box[3:]]).astype(np.float32)
            yield float(frame.time), frame.positions / 10, scaled

    return Trajectory(sites, n_frames, read, tree, source)


def find_sites(
    universe: MDAnalysis.Universe,
    groups: Mapping[str, str] | None = None,
    charge_scale: float = float("nan"),
    charges: Mapping[str, int] | None = None,
) -> Sites:
    """Who is who, by residue and atom names as in ``systems/molecules`` and by selections.

    Molecules of residues that no file names become a species of the residue's name, without a formal charge unless it
    is given.
    """
    atoms = universe.atoms
    molecule_of = _molecules(universe)
    first = np.unique(molecule_of, return_index=True)[1]
    names = np.asarray(atoms.names, dtype=str) if hasattr(atoms, "names") else np.full(len(atoms), "")
    residues = np.asarray(atoms.resnames, dtype=str) if hasattr(atoms, "resnames") else np.full(len(atoms), "")
    structures = {name: s for name, s in all_species().items() if not isinstance(s, Salt)}
    known = {residue: name for name, structure in structures.items() for residue in structure.residues}
    species_of = np.array([known.get(residue, residue) for residue in residues[first]], dtype=object)
    found: dict[str, IndexArray] = {
        name: np.flatnonzero((species_of == name)[molecule_of]) for name in dict.fromkeys(species_of)
    }
    # A network is one molecule with residues of several species: sites go by residues.
    for name, structure in structures.items():
        mine = np.isin(residues, structure.residues)
        if mine.any():
            for site, members in structure.sites.items():
                found[f"{name}.{site}"] = np.flatnonzero(mine & np.isin(names, members))
    for site, selection in (groups or {}).items():
        picked = universe.select_atoms(selection).indices
        if len(picked) == 0:
            raise TrajectoryError(f'"{site}": the selection "{selection}" has no atoms')
        found[site] = np.asarray(picked, dtype=np.intp)
        species_of[np.unique(molecule_of[picked])] = site.partition(".")[0]
    species = {str(name): np.flatnonzero(species_of == name) for name in dict.fromkeys(species_of)}
    charge = {name: structure.charge for name, structure in structures.items()} | dict(charges or {})
    charge = {name: z for name, z in charge.items() if name in species}
    if unknown := [name for name in charges or {} if name not in species]:
        raise TrajectoryError(f"charge of {', '.join(unknown)}: no such species; there are {', '.join(species)}")
    return Sites(found, molecule_of, species, _masses(universe), charge, charge_scale)


def _frames_of(files: Sequence[Path], indices: Sequence[FrameIndex]) -> Iterator[RawFrame]:
    """Frames of XTC files, one file after the other."""
    for file, index in zip(files, indices, strict=True):
        times = iter(index.times.tolist())
        for positions, vectors in decoded(file, index):
            for xyz, box in zip(positions, vectors, strict=True):
                yield next(times), xyz, _edges_and_angles(box)


def _edges_and_angles(vectors: NDArray[np.float32]) -> NDArray[np.float32]:
    """Lengths and angles of a box with its vectors as rows; the general way takes as long as to read 2,000 atoms."""
    a, ay, az, bx, b, bz, cx, cy, c = vectors.ravel().tolist()
    if a * b * c and not (ay or az or bx or bz or cx or cy):
        return np.array((a, b, c, 90.0, 90.0, 90.0), dtype=np.float32)
    return np.asarray(triclinic_box(*vectors), dtype=np.float32)


def _plain_xtc(universe: MDAnalysis.Universe) -> FrameIndex | None:
    """Frames of an XTC file that are just those of a Universe; None where it changes them or has them from elsewhere.

    Read at the source frames come several times as fast, and the Universe stays at the frame where it is.
    """
    reader = universe.trajectory
    if type(reader) is not XTCReader or reader.transformations:
        return None
    file, here = Path(reader.filename), reader.frame
    try:
        shown = [(frame.time, frame.positions / 10) for frame in reader[: min(2, len(reader))]]
        index = frame_index(file)
        stored = list(islice(_frames_of([file], [index]), 2))
    except (OSError, TrajectoryError):
        return None
    finally:
        reader[here]
    same = len(index.times) == len(reader) and all(
        time == other_time and xyz.shape == other.shape and np.allclose(xyz, other, atol=1e-5)
        for (time, xyz), (other_time, other, _) in zip(shown, stored, strict=True)
    )
    return index if same else None


def _topology(run: RunDir) -> MDAnalysis.Universe:
    with warnings.catch_warnings():
        # A PDB file has no charges, and Debye-Waller factors nobody needs; MDAnalysis says so each time.
        warnings.simplefilter("ignore", UserWarning)
        return MDAnalysis.Universe(str(run.box / "start.pdb"), topology_format="PDB", format="PDB")


def _bonds(universe: Any) -> NDArray[np.intp]:
    try:
        return np.asarray(universe.bonds.indices, dtype=np.intp).reshape(-1, 2)
    except (NoDataError, AttributeError):
        return np.empty((0, 2), dtype=np.intp)


def _molecules(universe: Any) -> IndexArray:
    owner = universe.atoms.fragindices if len(_bonds(universe)) else universe.atoms.resindices
    return np.unique(np.asarray(owner), return_inverse=True)[1].astype(np.intp)


def _masses(universe: Any) -> NDArray[np.float64]:
    try:
        masses = np.asarray(universe.atoms.masses, dtype=float)
    except NoDataError as error:
        raise TrajectoryError("the topology has no masses: centres of mass cannot be found") from error
    if not (masses > 0).all():
        atom = universe.atoms[int(np.argmin(masses > 0))]
        raise TrajectoryError(
            f"atom {atom.index} ({atom.name}) has no mass: centres of mass cannot be found; "
            'give masses with universe.add_TopologyAttr("masses", ...)'
        )
    return masses
