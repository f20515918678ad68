"""Interactions as AMBER reads them: ``.prmtop``, ``.rst7`` and ``.mdin``.

The file holds A and B of Lennard-Jones for each pair of types, so any mixing rule can be written exactly. Format:
https://ambermd.org/prmtop.pdf. AMBER's programs know no switch for Lennard-Jones, correct for its attraction alone
beyond the cutoff, and their Coulomb constant is smaller than CODATA's by 3.5e-5 of it.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mdstudy.base.errors import ExportError
from mdstudy.exchange.interactions import Floats, Indices, Interactions, mix, numbered

_KCAL = 4.184  # kJ
_ANGSTROM = 0.1  # nm
_CHARGE = 18.2223  # AMBER's root of the Coulomb constant, kcal^1/2 A^1/2 / (mol^1/2 e); readers divide by the same

#: Flag to format of its numbers, in the order of the file.
_NAMES, _INTEGERS, _REALS = ("20a4", 20, "{:<4.4s}"), ("10I8", 10, "{:8d}"), ("5E16.8", 5, "{:16.8E}")


def topology_text(title: str, system: Interactions, edges: Floats) -> str:
    """Parameters and topology, with the mixing rule written out for each pair of types.

    Raises
    ------
    ExportError
        A molecule may lead around the box: bonds of the format have no images.
    """
    if system.around:
        raise ExportError(
            "a molecule leads around the box, which a file for AMBER cannot say; export to gromacs or lammps"
        )
    lj_of, lj_types = numbered(zip(system.sigma, system.epsilon, strict=True))
    n_types = len(lj_types)
    first = np.array([lj_of.index(t) for t in range(1, n_types + 1)])
    low, high = np.array([(j, i) for i in range(n_types) for j in range(i + 1)]).T
    sigma, epsilon = mix(system.rule, system.sigma, system.epsilon, first[low], first[high])
    b = 4 * epsilon / _KCAL * (sigma / _ANGSTROM) ** 6
    a = b * (sigma / _ANGSTROM) ** 6
    index = np.zeros((n_types, n_types), dtype=int)
    index[low, high] = index[high, low] = np.arange(1, len(low) + 1)

    n_atoms = len(system.names)
    excluded = _excluded(system)
    starts = system.residue_starts()
    sizes = np.diff([*starts, n_atoms])
    bond_of, bond_types = numbered(map(tuple, system.bond_values.tolist()))
    angle_of, angle_types = numbered(map(tuple, system.angle_values.tolist()))
    torsion_rows, torsion_values = _torsions(system)
    torsion_of, torsion_types = numbered(torsion_values)
    hydrogen = np.array(system.elements) == 1
    bonds = _split(3 * system.bonds, bond_of, hydrogen[system.bonds].any(axis=1))
    angles = _split(3 * system.angles, angle_of, hydrogen[system.angles].any(axis=1))
    torsions = _split(torsion_rows, torsion_of, hydrogen[abs(torsion_rows) // 3].any(axis=1))
    counts = [len(rows) for pair in (bonds, angles, torsions) for rows in pair]
    flags: list[tuple[str, tuple[str, int, str], Iterable[Any]]] = [
        (
            "POINTERS",
            _INTEGERS,
            [
                *(n_atoms, n_types, *counts, 0, 0, sum(map(len, excluded)), len(starts), *counts[1::2]),
                *(len(bond_types), len(angle_types), len(torsion_types), n_types),
                *(0, 0, 0, 0, 0, 0, 0, 0, 1, int(sizes.max()), 0, 0),
            ],
        ),
        ("ATOM_NAME", _NAMES, system.names),
        ("CHARGE", _REALS, system.charges * _CHARGE),
        ("ATOMIC_NUMBER", _INTEGERS, system.elements),
        ("MASS", _REALS, system.masses),
        ("ATOM_TYPE_INDEX", _INTEGERS, lj_of),
        ("NUMBER_EXCLUDED_ATOMS", _INTEGERS, map(len, excluded)),
        ("NONBONDED_PARM_INDEX", _INTEGERS, index.ravel().tolist()),
        ("RESIDUE_LABEL", _NAMES, [system.residues[i] for i in starts]),
        ("RESIDUE_POINTER", _INTEGERS, [i + 1 for i in starts]),
        ("BOND_FORCE_CONSTANT", _REALS, [k / 2 / _KCAL * _ANGSTROM**2 for _, k in bond_types]),
        ("BOND_EQUIL_VALUE", _REALS, [r / _ANGSTROM for r, _ in bond_types]),
        ("ANGLE_FORCE_CONSTANT", _REALS, [k / 2 / _KCAL for _, k in angle_types]),
        ("ANGLE_EQUIL_VALUE", _REALS, [t for t, _ in angle_types]),
        ("DIHEDRAL_FORCE_CONSTANT", _REALS, [k / _KCAL for _, _, k in torsion_types]),
        ("DIHEDRAL_PERIODICITY", _REALS, [n for n, _, _ in torsion_types]),
        ("DIHEDRAL_PHASE", _REALS, [phase for _, phase, _ in torsion_types]),
        ("SCEE_SCALE_FACTOR", _REALS, [1 / system.coulomb14] * len(torsion_types)),
        ("SCNB_SCALE_FACTOR", _REALS, [1 / system.lj14] * len(torsion_types)),
        ("SOLTY", _REALS, [0.0] * n_types),
        ("LENNARD_JONES_ACOEF", _REALS, a),
        ("LENNARD_JONES_BCOEF", _REALS, b),
        ("BONDS_INC_HYDROGEN", _INTEGERS, bonds[0].ravel()),
        ("BONDS_WITHOUT_HYDROGEN", _INTEGERS, bonds[1].ravel()),
        ("ANGLES_INC_HYDROGEN", _INTEGERS, angles[0].ravel()),
        ("ANGLES_WITHOUT_HYDROGEN", _INTEGERS, angles[1].ravel()),
        ("DIHEDRALS_INC_HYDROGEN", _INTEGERS, torsions[0].ravel()),
        ("DIHEDRALS_WITHOUT_HYDROGEN", _INTEGERS, torsions[1].ravel()),
        ("EXCLUDED_ATOMS_LIST", _INTEGERS, [j for row in excluded for j in row]),
        ("HBOND_ACOEF", _REALS, []),
        ("HBOND_BCOEF", _REALS, []),
        ("HBCUT", _REALS, []),
        ("AMBER_ATOM_TYPE", _NAMES, [system.classes[t] for t in system.types]),
        ("TREE_CHAIN_CLASSIFICATION", _NAMES, ["BLA"] * n_atoms),
        ("JOIN_ARRAY", _INTEGERS, [0] * n_atoms),
        ("IROTAT", _INTEGERS, [0] * n_atoms),
        ("SOLVENT_POINTERS", ("3I8", 3, "{:8d}"), [len(starts), len(system.starts) - 1, 1]),
        ("ATOMS_PER_MOLECULE", _INTEGERS, np.diff(system.starts)),
        ("BOX_DIMENSIONS", _REALS, [90.0, *(edge / _ANGSTROM for edge in edges)]),
        ("RADII", _REALS, [0.0] * n_atoms),
        ("SCREEN", _REALS, [0.0] * n_atoms),
    ]
    lines = [
        "%VERSION  VERSION_STAMP = V0001.000  DATE = 01/01/00  00:00:00",
        "%FLAG TITLE",
        "%FORMAT(20a4)",
        title[:80],
    ]
    for flag, (style, width, form), values in flags:
        cells = [form.format(value) for value in values]
        rows = ["".join(cells[k : k + width]) for k in range(0, len(cells), width)]
        lines += [f"%FLAG {flag}", f"%FORMAT({style})", *(rows or [""])]
    return "\n".join(lines) + "\n"


def coordinates_text(title: str, positions: Floats, edges: Floats) -> str:
    """Coordinates (angstrom, seven decimals) and box."""
    cells = [f"{x:12.7f}" for x in np.ravel(positions) / _ANGSTROM]
    box = [f"{x:12.7f}" for x in (*(edge / _ANGSTROM for edge in edges), 90.0, 90.0, 90.0)]
    rows = ["".join(part[k : k + 6]) for part in (cells, box) for k in range(0, len(part), 6)]
    return "\n".join([title[:80], f"{len(positions):6d}", *rows]) + "\n"


def settings_text(system: Interactions, edges: Floats, timestep: float, temperature: float) -> str:
    """Settings of sander or pmemd for the energies of a structure; their mesh has no factors but 2, 3 and 5."""
    held = 2 if system.constrained.any() else 1
    mesh = [next(n for n in range(least, 2 * least + 2) if 30**n % n == 0) for least in system.mesh(edges)]
    skin = min(0.2, 0.49 * min(edges) - system.cutoff)  # what the list of neighbours may reach beyond, in half a box
    return f"""\
As it stands: energies of the structure as given. Lennard-Jones is cut off without the switch of the simulation.
To go on: imin = 0, ntc = {held}, nstlim = 1000, dt = {timestep:g}, ntt = 3, gamma_ln = 1, temp0 = {temperature:g}
 &cntrl
  imin = 1, maxcyc = 1, ntb = 1, cut = {system.cutoff / _ANGSTROM:g}, ntc = 1, ntf = {held}, ntpr = 1
 /
 &ewald
  ew_coeff = {system.alpha * _ANGSTROM:.12g}, nfft1 = {mesh[0]}, nfft2 = {mesh[1]}, nfft3 = {mesh[2]}, order = 5
  vdwmeth = {int(system.long_range)}, netfrc = 0, skinnb = {skin / _ANGSTROM:.3f}
 /
"""


def _excluded(system: Interactions) -> list[list[int]]:
    """Partners within three bonds that come later, from 1, of each atom; 0 where there are none."""
    near: list[list[int]] = [[] for _ in system.names]
    for i, j in sorted([*system.excluded.tolist(), *system.one_four.tolist()]):
        near[i].append(j + 1)
    return [partners or [0] for partners in near]


def _torsions(system: Interactions) -> tuple[Indices, list[tuple[float, float, float]]]:
    """Rows of atoms (times three, signed as AMBER has it) with periodicity, phase and k.

    AMBER finds 1-4 pairs in its list of torsions: the third atom is negative where a pair must not be counted (again),
    the fourth in a planar centre. A pair whose torsion is zero gets a row of zeros.
    """
    rows: list[tuple[int, ...]] = []
    values: list[tuple[float, float, float]] = []
    wanted = {tuple(pair) for pair in system.one_four.tolist()}
    for atoms, value, improper in zip(
        system.torsions.tolist(), system.torsion_values.tolist(), system.improper, strict=True
    ):
        pair = (min(atoms[0], atoms[3]), max(atoms[0], atoms[3]))
        counted = pair in wanted and not improper
        wanted -= {pair} if counted else set()
        a, b, c, d = atoms if atoms[2] and atoms[3] else atoms[::-1]  # zero has no minus
        rows.append((3 * a, 3 * b, 3 * c if counted else -3 * c, -3 * d if improper else 3 * d))
        values.append((value[0], value[1], value[2]))
    bound: dict[int, set[int]] = {}
    for i, j in system.bonds.tolist():
        bound.setdefault(i, set()).add(j)
        bound.setdefault(j, set()).add(i)
    for a, d in sorted(wanted):
        b, c = next((b, c) for b in sorted(bound[a]) for c in sorted(bound[d]) if c in bound[b])
        rows.append((3 * a, 3 * b, 3 * c, 3 * d) if c else (3 * d, 3 * c, 3 * b, 3 * a))
        values.append((1.0, 0.0, 0.0))
    return np.array(rows, dtype=np.int64).reshape(-1, 4), values


def _split(rows: Indices, types: list[int], hydrogen: Any) -> tuple[Indices, Indices]:
    """Rows with their type appended: those with hydrogen, those without."""
    table = np.column_stack([rows, np.array(types, dtype=np.int64)])
    return table[hydrogen], table[~hydrogen]
