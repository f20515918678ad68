"""Both force fields as they are shipped against torsion scans and conformers in quantum chemistry; in checks.json.

    python forcefields/derivation/checks.py

Each point of a scan is relaxed in each force field with the dihedral held, each conformer with all that turn. Errors
are root mean squares at the best common zero, those of scans weighted as in torsions.py, those of conformers not.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from charges import CHARGES, write
from mechanics import FORCE_FIELD, borrowed, charges_of, surface, vacuum
from molecules import TARGETS
from ranking import read
from relax import dihedral, paths, relax
from torsions import Scan

FOLDER = Path(__file__).resolve().parent
CHECKS = FOLDER / "checks.json"
FIELDS = ("clp-opls", "gaff2-resp")
CHECKED = (
    *("hc-cf-cf-os", "hc-cf-cf-ct", "cm-cx-c2-os"),
    *("hc-ct-c2-os", "ct-os-c2-ct", "ct-os-c2-cx", "ct-ct-ct-c2"),
)
#: Residues whose conformers are ranked, and the basis of their MP2 energies.
RANKED = {"TTE": "def2-svp"}
#: Models that are no residue: whose atom types they borrow, and the atoms that stand for their own.
BORROWED = {
    "hc-cf-cf-os": ("TTE", {"H33": "H32"}),
    "hc-cf-cf-ct": ("TTE", {"C2": "C3", "H21": "H31", "H22": "H31", "H23": "H31"}),
}


def system(scan: Scan, field: str) -> openmm.System:
    """The molecule of a scan in vacuum.

    A model that is no residue has the RESP charges of its scan, or those of the residue that it is made like; what
    these do not add up to is spread evenly.
    """
    path = FORCE_FIELD.with_name(f"{field}.xml")
    if scan.residue:
        return vacuum(scan.residue, scan.made, force_field=path)
    if scan.made_like:
        types = borrowed(path, scan.made, *scan.made_like)
        charges = charges_of(path, types)
        return vacuum("MOD", scan.made, types, list(charges - charges.mean()), force_field=path)
    types = borrowed(path, scan.made, *BORROWED[scan.name])
    return vacuum("MOD", scan.made, types, scan.charges, force_field=path)


def check_scan(name: str) -> dict[str, Any]:
    """Energies along a scan and their weighted errors, kJ/mol."""
    scan, errors, energies = Scan(name), {}, {}
    share = scan.weights / scan.weights.sum()
    for field in FIELDS:
        energy, found = surface(system(scan, field)), []
        for angle, start in zip(scan.angles, scan.positions, strict=True):
            held = {scan.path: float(np.radians(angle))}
            found.append(relax(energy, start, scan.made.bonds, held, tolerance=2.0, most=400).energy)
        values = np.array(found) - share @ (np.array(found) - scan.quantum)
        energies[field] = np.round(values, 3).tolist()
        errors[field] = round(float(np.sqrt(share @ (values - scan.quantum) ** 2)), 3)
    return {"angle": scan.angles.tolist(), "quantum": np.round(scan.quantum, 3).tolist(), **energies, "rms": errors}


def check_conformers(name: str) -> dict[str, Any]:
    """Energies of the conformers of a residue and their errors, kJ/mol.

    One dihedral of each bond that turns is held where quantum chemistry has it: not each conformer of one method is a
    minimum of another.
    """
    target = TARGETS[name]
    made = target.structure
    turning = {path[1:3]: path for path in paths(made.bonds) if len(path) == 4}
    conformers = json.loads(CHARGES.read_text(encoding="utf-8"))[name]["conformers"]
    starts = [np.array(row["positions_nm"]) for row in conformers]
    quantum = np.array(read()[name]["mp2"][RANKED[name]])
    quantum -= quantum.min()
    found: dict[str, Any] = {"quantum": np.round(quantum, 3).tolist()}
    errors = {"GFN2-xTB": round(float(np.std([row["energy_gfn2"] for row in conformers] - quantum)), 3)}
    for field in FIELDS:
        energy, values = surface(vacuum(name, made, force_field=FORCE_FIELD.with_name(f"{field}.xml"))), []
        for start in starts:
            held = {path: dihedral(start, path) for path in turning.values()}
            values.append(relax(energy, start, made.bonds, held, tolerance=2.0, most=600).energy)
        found[field] = np.round(values + (quantum - values).mean(), 3).tolist()
        errors[field] = round(float(np.std(values - quantum)), 3)
    return found | {"rms": errors}


def main() -> None:
    """Check all."""
    scans = {name: check_scan(name) for name in CHECKED}
    write(CHECKS, {"scans": scans, "conformers": {name: check_conformers(name) for name in RANKED}})


if __name__ == "__main__":
    main()
