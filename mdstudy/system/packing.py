"""Templates placed in a periodic box, and the files that describe it.

Packmol (Martínez et al., J. Comput. Chem. 30, 2157 (2009), doi 10.1002/jcc.21224) places rigid conformers so that no
two molecules come nearer than a tolerance, under periodic boundaries (its keyword ``pbc``). It starts from an edge
:data:`EXPANSION` times the one asked for, because liquids pack slowly at their own density; constant pressure then
compresses the box. Chains are no conformers: they are grown first, all together (:mod:`mdstudy.system.chains`), in a
box in which they are thin enough to find their way, and packmol places the others between them.
"""

from __future__ import annotations

import io
import shutil
import subprocess
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from itertools import islice
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from openmm import app, unit
from scipy.spatial import cKDTree

from mdstudy.base.errors import BuildError
from mdstudy.system.chains import inside
from mdstudy.system.chemistry import Template, extent
from mdstudy.system.macromolecules import grow

Counts = Sequence[tuple[Template, int]]

#: Edge of the first attempt over the edge asked for, and the factor from one attempt to the next.
EXPANSION = 1.06
GROWTH = 1.05
ATTEMPTS = 3
#: Atoms of chains a nm^3 at which these still grow within seconds: 0.4 times the density of PMMA.
THIN = 42.0

#: More atoms a nm^3 than any molecular liquid has (water: 100).
_DENSEST = 150.0

#: Packmol meets its tolerance to within its precision; nearer than this part of it is an overlap.
_OVERLAP = 0.9


def pack(
    counted: Counts, edge: float, seed: int, tolerance: float = 0.2, *, timeout: float = 600.0
) -> tuple[NDArray[np.float64], float]:
    """Place molecules in a cubic periodic box without overlaps.

    The atoms stand species by species, molecule by molecule; molecules are whole and may reach across a wall. The
    conformers of a template are dealt out in equal shares. Same arguments, same result.

    Parameters
    ----------
    counted : sequence of (Template, int)
        Molecules and their counts.
    edge : float
        Edge at the estimated density, nm.
    seed : int
        Seed of packmol.
    tolerance : float
        Least distance between atoms of different molecules, nm.
    timeout : float
        Seconds that one attempt may take.

    Returns
    -------
    positions : (n_atoms, 3) float array
        nm.
    edge : float
        Edge of the box made, nm: `edge` times 1.06, more for chains (:data:`THIN`), or wider by 5 % for each attempt
        that failed, of three.

    Raises
    ------
    BuildError
        Nothing to pack, an edge that cannot hold the molecules, packmol missing, or its reason for giving up.
    """
    counted = [(template, count) for template, count in counted if count > 0]
    _check_edge(counted, edge, tolerance)
    chains = [template for template, count in counted for _ in range(count) if template.hands is not None]
    first = max(edge * EXPANSION, (sum(template.n_atoms for template in chains) / THIN) ** (1 / 3))
    reason = ""
    for attempt in range(ATTEMPTS):
        wide = round(first * GROWTH**attempt, 4)
        try:
            grown = grow(chains, wide, seed) if chains else []
        except BuildError as error:
            reason = str(error)
            continue
        if all(template.hands is not None for template, _ in counted):
            return np.concatenate(grown), wide
        positions, reason = _run_packmol(counted, grown, wide, seed, tolerance, timeout)
        if positions is None:
            continue
        nearest = nearest_contact(counted, positions, wide, reach=2 * tolerance)
        if nearest >= _OVERLAP * tolerance:
            return positions, wide
        reason = f"atoms of two molecules {nearest:.3f} nm apart"
    raise BuildError(f"packing in boxes of {first:.2f} to {wide:.2f} nm failed: {reason}")


def nearest_contact(counted: Counts, positions: NDArray[np.float64], edge: float, reach: float = 0.4) -> float:
    """Least distance between atoms of different molecules, nearest images.

    Parameters
    ----------
    counted : sequence of (Template, int)
        What `positions` hold.
    positions : (n_atoms, 3) float array
        nm.
    edge : float
        Edge of the cubic box, nm.
    reach : float
        How far to look, nm.

    Returns
    -------
    float
        nm; infinity if there is none within `reach`.
    """
    sizes = [template.n_atoms for template, count in counted for _ in range(count)]
    molecule = np.repeat(np.arange(len(sizes)), sizes)
    tree = cKDTree(inside(positions, edge), boxsize=edge)
    found = tree.sparse_distance_matrix(tree, reach, output_type="ndarray")
    between = found["v"][molecule[found["i"]] != molecule[found["j"]]]
    return float(between.min()) if between.size else float("inf")


def topology(counted: Counts, edge: float) -> app.Topology:
    """Atoms, residues, bonds and box, in the order of :func:`pack`.

    Each species is one chain with the species as its id, also where its molecules differ.

    Parameters
    ----------
    counted : sequence of (Template, int)
        Molecules and their counts.
    edge : float
        Edge of the cubic box, nm.
    """
    made = app.Topology()
    chain = None
    for template, count in counted:
        if count == 0:
            continue
        if chain is None or chain.id != template.name:
            chain = made.addChain(template.name)
        for _ in range(count):
            atoms = []
            for name, members in template.residues:
                residue = made.addResidue(name, chain)
                for label, symbol in zip(template.atom_names[members], template.elements[members], strict=True):
                    atoms.append(made.addAtom(label, app.Element.getBySymbol(symbol), residue))
            for i, j in template.bonds:
                made.addBond(atoms[i], atoms[j])
    made.setPeriodicBoxVectors(np.eye(3) * edge * unit.nanometer)
    return made


def write_structure(path: Path, made: app.Topology, positions: NDArray[np.float64]) -> None:
    """Write names, bonds, box and coordinates as PDBx/mmCIF or as PDB with CONECT records.

    Equal input gives equal bytes: the date that OpenMM writes is left out.

    Parameters
    ----------
    path : Path
        Ends in ``.cif`` or ``.pdb``.
    made : openmm.app.Topology
        Of :func:`topology`.
    positions : (n_atoms, 3) float array
        nm.

    Raises
    ------
    BuildError
        Another suffix.
    """
    writers = {".cif": app.PDBxFile, ".pdb": app.PDBFile}
    if path.suffix not in writers:
        raise BuildError(f"{path}: a structure is written as .cif or .pdb")
    text = io.StringIO()
    writers[path.suffix].writeFile(made, positions * unit.nanometer, text, keepIds=True)
    dated = ("# Created with OpenMM", "REMARK   1 CREATED WITH OPENMM")
    lines = [line for line in text.getvalue().splitlines(keepends=True) if not line.startswith(dated)]
    part = path.with_name(path.name + ".part")
    part.write_text("".join(lines), encoding="utf-8")
    part.replace(path)


def _check_edge(counted: Counts, edge: float, tolerance: float) -> None:
    n_atoms = sum(template.n_atoms * count for template, count in counted)
    if n_atoms == 0:
        raise BuildError("packing: no molecules to place")
    if not (np.isfinite(edge) and edge > 0):
        raise BuildError(f"packing: edge {edge:g} nm: a positive length is needed")
    if n_atoms / edge**3 > _DENSEST:
        least = (n_atoms / _DENSEST) ** (1 / 3)
        raise BuildError(
            f"packing: edge {edge:.2f} nm is too small for {n_atoms} atoms; no liquid fits below {least:.2f} nm"
        )
    for template in (template for template, _ in counted if template.hands is None):
        longest = max(extent(conformer) for conformer in template.conformers)
        if longest + tolerance > edge:
            raise BuildError(
                f"packing: {template.name} is {longest:.2f} nm long and would meet its own image in a box of "
                f"{edge:.2f} nm; more atoms make a larger box"
            )


def _find_packmol() -> str:
    """Path of packmol: beside this interpreter, where its PyPI package puts it, or on the PATH."""
    found = shutil.which("packmol", path=sysconfig.get_path("scripts")) or shutil.which("packmol")
    if found is None:
        raise BuildError("packmol is not installed; `pip install packmol` brings it")
    return found


def _run_packmol(
    counted: Counts, grown: Sequence[NDArray[np.float64]], edge: float, seed: int, tolerance: float, timeout: float
) -> tuple[NDArray[np.float64] | None, str]:
    """Run packmol once between chains that are there: positions of all, or None and why there are none."""
    n_atoms = sum(template.n_atoms * count for template, count in counted)
    chains = [template for template, count in counted for _ in range(count) if template.hands is not None]
    others = [(template, count) for template, count in counted if template.hands is None]
    with tempfile.TemporaryDirectory(prefix="packmol-") as name:
        folder = Path(name)
        lines = [
            f"tolerance {10 * tolerance:.4f}",
            f"seed {1 + seed % (2**31 - 2)}",
            "filetype xyz",
            "output packed.xyz",
            "pbc " + " ".join([f"{10 * edge:.4f}"] * 3),
        ]
        if len(grown):
            elements = [element for template in chains for element in template.elements]
            (folder / "chains.xyz").write_text(_xyz(elements, inside(np.concatenate(grown), edge)), encoding="ascii")
            lines += ["structure chains.xyz", "  number 1", "  fixed 0. 0. 0. 0. 0. 0.", "end structure"]
        for number, (template, count) in enumerate(others):
            for index, share in enumerate(_shares(count, len(template.conformers))):
                file = f"{number}-{index}.xyz"
                (folder / file).write_text(_xyz(template.elements, template.conformers[index]), encoding="ascii")
                lines += [f"structure {file}", f"  number {share}", "end structure"]
        recipe = folder / "pack.inp"
        recipe.write_text("\n".join(lines) + "\n", encoding="ascii")
        try:
            with recipe.open(encoding="ascii") as source:  # packmol rewinds its input: a pipe will not do
                done = subprocess.run(
                    [_find_packmol()],
                    stdin=source,
                    cwd=folder,
                    capture_output=True,
                    text=True,
                    timeout=timeout,
                    check=False,
                )
        except subprocess.TimeoutExpired:
            return None, f"packmol found no packing within {timeout:.0f} s"
        packed = folder / "packed.xyz"
        if "Success!" not in done.stdout or not packed.is_file():
            return None, _reason(done.stdout)
        positions = np.loadtxt(packed, skiprows=2, usecols=(1, 2, 3), ndmin=2) / 10.0
    if positions.shape != (n_atoms, 3):
        return None, f"packmol placed {len(positions)} of {n_atoms} atoms"
    whole, placed = iter(grown), iter(positions[sum(len(chain) for chain in grown) :])
    ordered = []
    for template, count in counted:
        if template.hands is None:
            ordered.append(np.array(list(islice(placed, count * template.n_atoms))))
        else:
            ordered += islice(whole, count)
    return np.concatenate(ordered), ""


def _shares(count: int, parts: int) -> Iterable[int]:
    """Split `count` into at most `parts` shares that differ by one at most; none is zero."""
    parts = min(count, parts)
    return (count * (i + 1) // parts - count * i // parts for i in range(parts))


def _xyz(elements: Sequence[str], positions: NDArray[np.float64]) -> str:
    rows = [str(len(elements)), ""]
    for symbol, (x, y, z) in zip(elements, 10.0 * positions, strict=True):
        rows.append(f"{symbol} {x:.6f} {y:.6f} {z:.6f}")
    return "\n".join(rows) + "\n"


def _reason(output: str) -> str:
    """The line of packmol's output that says why it gave up."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if "ERROR" in line]
    if errors:
        return f"packmol: {errors[-1]}"
    distances = [line for line in lines if line.startswith("Maximum violation of target distance")]
    return f"packmol: {distances[-1]}" if distances else f"packmol: {lines[-1] if lines else 'no output'}"
