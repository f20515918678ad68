"""Interactions as GROMACS reads them: ``.top``, ``.gro`` and ``.mdp``.

Formats: GROMACS reference manual, doi 10.5281/zenodo.7588619 (2022.5), chapters "Topologies" and "File formats".
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np

from mdstudy.base.errors import ExportError
from mdstudy.exchange.interactions import Floats, Indices, Interactions

_COMBINATION = {"lorentz-berthelot": 2, "geometric": 3}  # both take sigma and epsilon

_ABOUT = """\
; Masses are those of the simulation: hydrogens carry mass of the atom that they are bound to.
; Charges are those of the simulation, scaled where it scales them. 1-4 pairs mix by the rule, times the fudge factors.
; Bonds to hydrogen have their force constants; the settings beside this file constrain them, as the simulation does.
"""


def topology_text(title: str, system: Interactions) -> str:
    """Topology with all parameters inline; consecutive molecules that are alike share a moleculetype."""
    names: dict[str, str] = {}  # body of a moleculetype to its name
    runs: list[list[object]] = []
    for residues, body in _molecules(system):
        if body not in names:
            plain = "_".join(dict.fromkeys(residues))
            names[body] = plain if plain not in names.values() else f"{plain}_{len(names) + 1}"
        if runs and runs[-1][0] == names[body]:
            runs[-1][1] = int(str(runs[-1][1])) + 1
        else:
            runs.append([names[body], 1])
    lines = [
        f"; {title}",
        _ABOUT,
        "[ defaults ]\n; nbfunc comb-rule gen-pairs fudgeLJ fudgeQQ",
        f"1 {_COMBINATION[system.rule]} yes {_number(system.lj14)} {_number(system.coulomb14)}\n",
        "[ atomtypes ]\n; name at.num mass charge ptype sigma epsilon",
    ]
    first = {kind: i for i, kind in reversed(list(enumerate(system.types)))}
    for kind, i in sorted(first.items(), key=lambda item: item[1]):
        values = " ".join(map(_number, (system.sigma[i], system.epsilon[i])))
        lines.append(f"{kind} {system.elements[i]} {_number(system.masses[i])} 0 A {values}")
    for body, name in names.items():
        lines.append(f"\n[ moleculetype ]\n; name nrexcl\n{name} 3\n{body}")
    lines += [f"[ system ]\n{title}\n", "[ molecules ]", *(f"{name} {count}" for name, count in runs)]
    return "\n".join(lines) + "\n"


def _molecules(system: Interactions) -> Iterator[tuple[list[str], str]]:
    """Residue names and the body of a moleculetype of each molecule in order, its atoms counted from 1."""
    torsions = zip(system.torsion_values, system.improper, strict=True)
    sections: list[tuple[str, Indices, list[str]]] = [
        (
            "[ bonds ]\n; i j func length k",
            system.bonds,
            [f"1 {_number(r)} {_number(k)}" for r, k in system.bond_values],
        ),
        ("[ pairs ]\n; i j func", system.one_four, ["1"] * len(system.one_four)),
        (
            "[ angles ]\n; i j k func angle k",
            system.angles,
            [f"1 {_number(np.degrees(t))} {_number(k)}" for t, k in system.angle_values],
        ),
        (
            "[ dihedrals ]\n; i j k l func phase k n (func 4: planar centre)",
            system.torsions,
            [
                f"{4 if improper else 9} {_number(np.degrees(phase))} {_number(k)} {n:.0f}"
                for (n, phase, k), improper in torsions
            ],
        ),
    ]
    owner = np.repeat(np.arange(len(system.starts) - 1), np.diff(system.starts))
    rows_of: list[list[list[int]]] = []
    for _, atoms, _ in sections:
        rows_of.append([[] for _ in range(len(system.starts) - 1)])
        for row, molecule in enumerate(owner[atoms[:, 0]].tolist()):
            rows_of[-1][molecule].append(row)
    residue_starts = set(system.residue_starts())
    for molecule, (start, stop) in enumerate(zip(system.starts, system.starts[1:], strict=False)):
        lines, residue = ["[ atoms ]\n; nr type resnr residue atom cgnr charge mass"], 0
        for i in range(start, stop):
            residue += i in residue_starts
            identity = f"{i - start + 1} {system.types[i]} {residue} {system.residues[i]} {system.names[i]}"
            lines.append(f"{identity} {i - start + 1} {_number(system.charges[i])} {_number(system.masses[i])}")
        for (head, atoms, tails), rows in zip(sections, rows_of, strict=True):
            if rows[molecule]:
                lines.append(f"\n{head}")
                lines += [" ".join(map(str, atoms[row] - start + 1)) + f" {tails[row]}" for row in rows[molecule]]
        yield system.residues[start:stop], "\n".join(lines) + "\n"


def coordinates_text(title: str, system: Interactions, positions: Floats, edges: Floats) -> str:
    """Coordinates with nine decimals, in nm, with residue numbers as in the topology of the run.

    Raises
    ------
    ExportError
        A name is longer than the five characters of the format.
    """
    for name in (*system.residues, *system.names):
        if len(name) > 5:
            raise ExportError(f'"{name}": a .gro file has no room for names of more than five characters')
    lines = [title, str(len(positions))]
    for i, xyz in enumerate(positions):
        head = f"{system.numbers[i] % 100000:5d}{system.residues[i]:<5s}{system.names[i]:>5s}{(i + 1) % 100000:5d}"
        lines.append(head + "".join(f"{x:14.9f}" for x in xyz))
    lines.append(" ".join(f"{edge:.9f}" for edge in edges))
    return "\n".join(lines) + "\n"


def settings_text(system: Interactions, edges: Floats, timestep: float, temperature: float) -> str:
    """Settings with the cutoffs, switch, corrections and mesh of the simulation; as written, energies of the start.

    GROMACS averages C6 and C12 of its dispersion correction over pairs that are not excluded, OpenMM over all pairs:
    that term differs in the order of one over the number of molecules.

    Constraints are tighter than by default (LINCS of order 4, one iteration), with which heavy hydrogens at 4 fs gain
    5 kT a ns and degree of freedom: liquid methyl methacrylate is 15 K too hot at a friction of 0.1 1/ps.

    Raises
    ------
    ExportError
        Another choice of constraints than all bonds to hydrogen, all bonds or none.
    """
    modifier, switch = "None", ""
    if system.switch < system.cutoff:  # OpenMM and GROMACS use the same polynomial of fifth order
        modifier, switch = "Potential-switch", f"rvdw-switch         = {_number(system.switch)}\n"
    mesh = system.mesh(edges)
    around = "periodic-molecules  = yes\n" if system.around else ""
    return f"""\
; As it stands: energies of the structure as given. To go on from there: set nsteps, then
; continuation = no, gen-vel = yes, gen-temp = {temperature:g} (the structure carries no velocities).
integrator          = sd
nsteps              = 0
dt                  = {_number(timestep)}
tc-grps             = System
tau-t               = 1
ref-t               = {_number(temperature)}
nstcalcenergy       = 1
nstenergy           = 1
continuation        = yes
constraints         = {_constraints(system)}
lincs-order         = 6
lincs-iter          = 2

cutoff-scheme       = Verlet
coulombtype         = PME
coulomb-modifier    = None
rcoulomb            = {_number(system.cutoff)}
ewald-rtol          = {math.erfc(system.alpha * system.cutoff):.12g}
pme-order           = 5
fourier-nx          = {mesh[0]}
fourier-ny          = {mesh[1]}
fourier-nz          = {mesh[2]}
vdwtype             = Cut-off
vdw-modifier        = {modifier}
{switch}rvdw                = {_number(system.cutoff)}
DispCorr            = {"AllEnerPres" if system.long_range else "no"}
{around}"""


def _constraints(system: Interactions) -> str:
    hydrogen = np.array([name.startswith("H") for name in system.names])  # how GROMACS knows them
    choices = {"none": np.zeros(len(system.bonds), dtype=bool), "h-bonds": hydrogen[system.bonds].any(axis=1)}
    for name, chosen in {**choices, "all-bonds": ~choices["none"]}.items():
        if np.array_equal(chosen, system.constrained):
            return name
    raise ExportError(
        "GROMACS constrains the bonds of atoms whose names begin with H, all bonds, or none; the System others"
    )


def _number(x: float) -> str:
    return f"{x:.12g}"
