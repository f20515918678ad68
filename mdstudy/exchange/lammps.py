"""Interactions as LAMMPS reads them: a data file and an input script, in its units "real" (kcal/mol, angstrom).

Formats: LAMMPS documentation of read_data and of the styles used; Thompson et al., Comput. Phys. Commun. 271, 108171
(2022), doi 10.1016/j.cpc.2021.108171. It needs the packages KSPACE, MOLECULE and RIGID, and EXTRA-PAIR for a switched
potential.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from mdstudy.base.errors import ExportError
from mdstudy.exchange.interactions import Floats, Interactions, mix, numbered

_KCAL = 4.184  # kJ
_ANGSTROM = 0.1  # nm


def data_text(title: str, system: Interactions, positions: Floats, edges: Floats) -> str:
    """Data file (atom style full); atoms, types and molecules are counted from 1.

    Raises
    ------
    ExportError
        The phase of a torsion is no whole number of degrees, which is all that dihedral style charmm takes.
    """
    atom_of, atom_types = _atom_types(system)
    bond_of, bond_types = _bond_types(system)
    angle_of, angle_types = numbered(map(tuple, system.angle_values.tolist()))
    torsion_of, torsion_types = numbered(map(tuple, system.torsion_values.tolist()))
    kinds = (("atom", atom_types), ("bond", bond_types), ("angle", angle_types), ("dihedral", torsion_types))
    tables = (
        ("Bonds", bond_of, system.bonds),
        ("Angles", angle_of, system.angles),
        ("Dihedrals", torsion_of, system.torsions),
    )
    lines = [title, "", f"{len(positions)} atoms"]
    lines += [f"{len(atoms)} {head.lower()}" for head, _, atoms in tables]
    lines += ["", *(f"{len(types)} {kind} types" for kind, types in kinds), ""]
    lines += [f"0 {_number(edge / _ANGSTROM)} {axis}lo {axis}hi" for axis, edge in zip("xyz", edges, strict=True)]
    lines += _section("Masses", (f"{_number(mass)} # {name}" for name, mass in atom_types))
    lines += _section("Bond Coeffs", (_spring(k * _ANGSTROM**2, r / _ANGSTROM) for r, k, _ in bond_types))
    lines += _section("Angle Coeffs", (_spring(k, np.degrees(t)) for t, k in angle_types))
    lines += _section("Dihedral Coeffs", (_torsion(*values) for values in torsion_types))
    molecule = np.repeat(np.arange(1, len(system.starts)), np.diff(system.starts))
    rows = zip(molecule, atom_of, system.charges, positions / _ANGSTROM, strict=True)
    lines += _section(
        "Atoms # full", (f"{m} {t} {_number(q)} " + " ".join(f"{x:.9f}" for x in xyz) for m, t, q, xyz in rows)
    )
    for head, type_of, atoms in tables:
        lines += _section(head, (f"{t} " + " ".join(map(str, row)) for t, row in zip(type_of, atoms + 1, strict=True)))
    return "\n".join(lines) + "\n"


def settings_text(data: str, system: Interactions, timestep: float, temperature: float) -> str:
    """Input script for the energies of a data file, with what goes on from there as comments.

    Pair style lj/mdf has the switch of OpenMM: (1-x)^3 (1+3x+6x^2) is 1-10x^3+15x^4-6x^5. It knows no correction
    beyond the cutoff. Without a switch, lj/cut with that correction is used.
    """
    of_atom, atom_types = _atom_types(system)
    _, bond_types = _bond_types(system)
    cutoff, switch = (_number(x / _ANGSTROM) for x in (system.cutoff, system.switch))
    switched = system.switch < system.cutoff
    first = [of_atom.index(t) for t in range(1, len(atom_types) + 1)]
    pair_lines = ["pair_coeff * * coul/long"] if switched else []
    for i, a in enumerate(first):
        for j, b in enumerate(first[i:], i):
            sigma, epsilon = mix(system.rule, system.sigma, system.epsilon, a, b)
            style = "lj/mdf " if switched else ""
            values = f"{_number(float(epsilon) / _KCAL)} {_number(float(sigma) / _ANGSTROM)}"
            pair_lines.append(f"pair_coeff {i + 1} {j + 1} {style}{values}")
    style = f"hybrid/overlay coul/long {cutoff} lj/mdf {switch} {cutoff}" if switched else f"lj/cut/coul/long {cutoff}"
    tail = f"pair_modify tail {'yes' if system.long_range else 'no'}"
    if switched:
        tail = (
            "# no correction beyond the cutoff with this pair style: at constant pressure the liquid comes out too thin"
        )
    held = " ".join(str(t) for t, (*_, constrained) in enumerate(bond_types, 1) if constrained)
    return (
        "\n".join(
            [
                "# As it stands: energies of the structure as given.",
                "units real",
                "atom_style full",
                "boundary p p p",
                f"special_bonds lj 0 0 {_number(system.lj14)} coul 0 0 {_number(system.coulomb14)}",
                f"pair_style {style}",
                tail,
                "bond_style harmonic",
                "angle_style harmonic",
                "dihedral_style charmm",
                f"read_data {data}",
                *pair_lines,
                f"kspace_style pppm {_number(min(1e-5, system.tolerance))}",
                *([f"fix hydrogens all shake 1e-6 100 0 b {held}"] if held else []),
                f"timestep {_number(1e3 * timestep)}",
                "thermo_style custom step ebond eangle edihed evdwl etail ecoul elong pe",
                "thermo_modify format float %.12g",
                "run 0",
                f"# velocity all create {temperature:g} 1",
                f"# fix thermostat all langevin {temperature:g} {temperature:g} 1000 1",
                "# fix integrator all nve",
                "# run 1000",
            ]
        )
        + "\n"
    )


def _atom_types(system: Interactions) -> tuple[list[int], list[Any]]:
    """A mass belongs to a type in LAMMPS: atoms of one force-field type that differ in mass are two."""
    return numbered(zip(system.types, system.masses.tolist(), strict=True))


def _bond_types(system: Interactions) -> tuple[list[int], list[Any]]:
    return numbered(
        (*values, held) for values, held in zip(system.bond_values.tolist(), system.constrained.tolist(), strict=True)
    )


def _section(head: str, rows: Iterable[str]) -> list[str]:
    numbered = [f"{i} {row}" for i, row in enumerate(rows, 1)]
    return ["", head, "", *numbered] if numbered else []


def _spring(k: float, rest: float) -> str:
    """LAMMPS writes a spring without the half."""
    return f"{_number(k / 2 / _KCAL)} {_number(rest)}"


def _torsion(periodicity: float, phase: float, k: float) -> str:
    degrees = np.degrees(phase)
    if abs(degrees - round(degrees)) > 1e-6:
        raise ExportError(f"LAMMPS: a torsion has the phase {degrees:g} degrees; it takes whole degrees alone")
    return f"{_number(k / _KCAL)} {periodicity:.0f} {round(degrees)} 0.0"  # 1-4 pairs are the pair style's


def _number(x: float) -> str:
    return f"{x:.12g}"
