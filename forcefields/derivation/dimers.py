"""Complexes of Li+ with one ligand, quantum chemistry beside the force fields, kept in dimers.json.

    python forcefields/derivation/dimers.py "TTE chelate"    # quantum chemistry of one
    python forcefields/derivation/dimers.py                  # all in the force fields

Geometry: Li+ is put on a donor, and between it and each other, of each conformer in charges.json, and relaxed in
clp-opls; of what ends with the donors of a dimer, all O, N and F within 0.25 nm, the lowest is relaxed in GFN2-xTB.
With dimethyl ether this has Li+ nearer by 0.008 nm than Hartree-Fock/6-31G* has, which is taken there; Li+ is moved out
by 0.01 nm in the others. To FSI- it adds a fluorine at 0.18 nm and fails: the minimum of gaff2-resp is taken.
Energies are interactions between ligand and ion as they are in the complex, without the deformation of the ligand (in
GFN2-xTB, above its lowest conformer, where the geometry is GFN2-xTB's):
MP2/def2-SVPD with counterpoise correction; of the force fields at the same geometry, and relaxed from there.

Scaled charges stand for the screening by a polarisable liquid, which a dimer in vacuum has not: the column at 0.8 shows
what the simulations contain and is not meant to agree.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from charges import CHARGES, write
from conformers import Structure
from mechanics import FORCE_FIELD, borrowed, surface, vacuum
from molecules import TARGETS
from quantum import Floats, Surface, hartree_fock_surface, interaction, tight_binding_surface
from relax import relax
from resp import sphere

FOLDER = Path(__file__).resolve().parent
DIMERS = FOLDER / "dimers.json"
#: Distance at which Li+ starts from a donor and within which it has one, nm.
START, BOUND = 0.19, 0.25
#: By how much GFN2-xTB has Li+ too near, nm.
TOO_NEAR = 0.01
BASIS = "def2-svpd"
#: Force fields and the factor on the charges of the ions.
FIELDS = {f"{name} x {scale:g}": (name, scale) for name in ("clp-opls", "gaff2-resp") for scale in (1.0, 0.8)}
#: Ligands that are no residue: the residue whose atom types they borrow, and which atom stands for each.
BORROWED = {"MEE": ("TTE", {"C": "C3", "H": "H31"})}
#: Charges of OPLS-AA for those (181, 185, 180); gaff2-resp takes those of charges.json.
OPLS = {"MEE": {"C": 0.11, "H": 0.03, "O": -0.40}}


@dataclass(frozen=True)
class Dimer:
    """A ligand of :data:`molecules.TARGETS`, the atoms where Li+ starts, and the elements that it shall end on.

    Where that is no minimum, Li+ is `held` at the start, on one atom of the lowest conformer; else it is `relaxed` in
    "GFN2-xTB", "HF/6-31G*" or "gaff2-resp".
    """

    ligand: str
    about: str
    donors: str
    held: bool = False
    relaxed: str = "GFN2-xTB"

    @property
    def structure(self) -> Structure:
        """The ligand."""
        return TARGETS[self.ligand].structure


DIMERS_OF = {
    "FSI bidentate": Dimer("FSI", "O1", "O O", relaxed="gaff2-resp"),
    "FSI monodentate": Dimer("FSI", "O1", "O", held=True),
    "MMI carbonyl": Dimer("MMI", "O1", "O"),
    "dimethyl ether": Dimer("MEE", "O1", "O", relaxed="HF/6-31G*"),
    "TTE ether": Dimer("TTE", "O1", "O", held=True),
    "TTE chelate": Dimer("TTE", "O1", "O F F"),
}


def starts(made: Structure, positions: Floats, about: tuple[int, ...]) -> list[Floats]:
    """Places for Li+: on each of the atoms `about`, and between each of them and another donor; nm."""
    donors = [i for i, element in enumerate(made.elements) if element in "ONF"]
    found = []
    for first in about:
        around = positions[first] + START * sphere(400)
        for others in [(), *((j,) for j in donors if j != first)]:
            ring = around
            for other in others:
                ring = around[np.abs(np.linalg.norm(around - positions[other], axis=1) - START) < 0.015]
            rest = [k for k in range(len(positions)) if k != first and k not in others]
            if len(ring):
                room = np.linalg.norm(ring[:, None] - positions[rest][None], axis=2).min(axis=1)
                found.append(ring[room.argmax()])
    return found


def donors_of(made: Structure, positions: Floats) -> dict[str, float]:
    """Donors that Li+ (last) is bound to and their distances, nm, nearest first."""
    distances = np.linalg.norm(positions[:-1] - positions[-1], axis=1)
    near = [i for i in np.argsort(distances) if distances[i] < BOUND and made.elements[i] in "ONF"]
    return {made.names[i]: round(float(distances[i]), 4) for i in near}


def springs(made: Structure, positions: Floats) -> list[tuple[int, int]]:
    """Bonds of the ligand and of Li+, for the first Hessian of a minimisation."""
    return [*made.bonds, *((made.names.index(name), len(made.names)) for name in donors_of(made, positions))]


def search(dimer: Dimer) -> Floats:
    """Where a dimer starts from, nm."""
    made = dimer.structure
    about = tuple(made.names.index(name) for name in dimer.about.split())
    if dimer.held:
        ligand = conformers(dimer.ligand)[0]
        return np.vstack([ligand, starts(made, ligand, about)[0]])
    cheap, _ = surfaces(dimer.ligand, "clp-opls", 1.0)
    found = []
    for ligand in conformers(dimer.ligand):
        for place in starts(made, ligand, about):
            start = np.vstack([ligand, place])
            relaxed = relax(cheap, start, springs(made, start), tolerance=20.0, most=200)
            kinds = Counter(made.elements[made.names.index(n)] for n in donors_of(made, relaxed.positions))
            if relaxed.converged and kinds == Counter(dimer.donors.split()):
                found.append((relaxed.energy, relaxed.positions))
    start = min(found, key=lambda each: each[0])[1]
    elements, net, bonds = [*made.elements, "Li"], made.charge + 1, springs(made, start)
    surface_of = {
        "GFN2-xTB": lambda: tight_binding_surface(elements, net),
        "HF/6-31G*": lambda: hartree_fock_surface(elements, net),
        "gaff2-resp": lambda: surfaces(dimer.ligand, "gaff2-resp", 1.0)[0],
    }[dimer.relaxed]
    near = relax(surface_of(), start, bonds).positions
    if dimer.relaxed != "GFN2-xTB":
        return near
    outward = near[-1] - near[[made.names.index(name) for name in donors_of(made, near)]].mean(axis=0)
    near[-1] += TOO_NEAR * outward / np.linalg.norm(outward)
    return near


def geometry(dimer: Dimer) -> dict[str, Any]:
    """The complex, and what the ligand pays to be as it is there."""
    made, positions = dimer.structure, search(dimer)
    row = {"ligand": dimer.ligand, "donors_nm": donors_of(made, positions)}
    if dimer.relaxed == "GFN2-xTB" and not dimer.held:
        energy = tight_binding_surface(made.elements, made.charge)
        row["deformation_gfn2"] = round(energy(positions[:-1])[0] - energy(conformers(dimer.ligand)[0])[0], 2)
    return row | {"positions_nm": np.round(positions, 5).tolist()}


def quantum(row: dict[str, Any]) -> dict[str, float]:
    """Energies of a dimer, kJ/mol."""
    made = TARGETS[row["ligand"]].structure
    found = interaction([*made.elements, "Li"], np.array(row["positions_nm"]), made.charge, BASIS)
    return {key: round(found[key], 2) for key in ("interaction", "superposition")}


def surfaces(ligand: str, field: str, scale: float) -> tuple[Surface, Surface]:
    """Energy surfaces of a force field: of the complex with Li+ last, of the ligand alone."""
    made, path = TARGETS[ligand].structure, FORCE_FIELD.with_name(f"{field}.xml")
    types, charges = [], []
    if ligand in BORROWED:
        types = borrowed(path, made, *BORROWED[ligand])
        fitted = json.loads(CHARGES.read_text(encoding="utf-8"))[ligand]["atoms"]
        named = zip(made.names, made.elements, strict=True)
        charges = [OPLS[ligand][e] if field == "clp-opls" else fitted[name]["charge"] for name, e in named]
    both, alone = (
        surface(vacuum(ligand, made, types, charges, charge_scale=scale, force_field=path, lithium=with_ion))
        for with_ion in (True, False)
    )
    return both, alone


def mechanics(dimer: Dimer, positions: Floats) -> dict[str, dict[str, Any]]:
    """Interaction in each force field, kJ/mol, there and relaxed, and what Li+ is bound to then."""
    made, found = dimer.structure, {}
    for label, field in FIELDS.items():
        both, alone = surfaces(dimer.ligand, *field)
        found[label] = {"interaction": round(both(positions)[0] - alone(positions[:-1])[0], 3)}
        if not dimer.held:
            own = relax(both, positions, springs(made, positions), tolerance=2.0, most=600)
            found[label]["relaxed"] = round(own.energy - alone(own.positions[:-1])[0], 3)
            found[label]["donors_nm"] = donors_of(made, own.positions)
    return found


def conformers(ligand: str) -> list[Floats]:
    """Positions of the conformers of a ligand in charges.json, lowest first, nm."""
    rows = json.loads(CHARGES.read_text(encoding="utf-8"))[ligand]["conformers"]
    return [np.array(row["positions_nm"]) for row in rows]


def read() -> dict[str, Any]:
    """What is known."""
    return json.loads(DIMERS.read_text(encoding="utf-8")) if DIMERS.exists() else {"dimers": {}}


def keep(name: str, change: dict[str, Any]) -> None:
    """Put what is new of a dimer into dimers.json."""
    known = read()
    known["dimers"][name] = known["dimers"].get(name, {}) | change
    write(DIMERS, known)
    print(name, {key: value for key, value in change.items() if key != "positions_nm"}, flush=True)  # noqa: T201


def main(names: list[str]) -> None:
    """Do the quantum chemistry of the named dimers that lack it, or else the mechanics of all."""
    for name in names:
        if name not in read()["dimers"]:
            keep(name, geometry(DIMERS_OF[name]))
        if "quantum" not in read()["dimers"][name]:
            keep(name, {"quantum": quantum(read()["dimers"][name])})
    for name in () if names else read()["dimers"]:
        positions = np.array(read()["dimers"][name]["positions_nm"])
        keep(name, {"mechanics": mechanics(DIMERS_OF[name], positions)})


if __name__ == "__main__":
    main(sys.argv[1:])
