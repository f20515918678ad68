"""Both force fields as they are shipped against torsion scans and conformers in quantum chemistry; in checks.json.

    python forcefields/derivation/checks.py

Each point of a scan is relaxed in each force field with the dihedral held, each conformer with all that turn. Errors
are root mean squares at the best common zero, those of scans weighted as in torsions.py, those of conformers not.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openmm
from charges import write
from mechanics import FORCE_FIELD, borrowed, charges_of, vacuum
from torsions import RANKED, Conformers, Scan

FOLDER = Path(__file__).resolve().parent
CHECKS = FOLDER / "checks.json"
FIELDS = ("clp-opls", "gaff2-resp")
CHECKED = (
    *("hc-cf-cf-os", "hc-cf-cf-ct", "cm-cx-c2-os"),
    *("hc-ct-c2-os", "ct-os-c2-ct", "ct-os-c2-cx", "ct-ct-ct-c2"),
)
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
    for field in FIELDS:
        values, error = scan.against(scan.relaxed(system(scan, field))[0])
        energies[field], errors[field] = np.round(values, 3).tolist(), round(error, 3)
    return {"angle": scan.angles.tolist(), "quantum": np.round(scan.quantum, 3).tolist(), **energies, "rms": errors}


def check_conformers(name: str) -> dict[str, Any]:
    """Energies of the conformers of a residue and their errors, kJ/mol."""
    case = Conformers(name)
    found: dict[str, Any] = {"quantum": np.round(case.quantum, 3).tolist()}
    errors = {"GFN2-xTB": round(float(np.std(case.cheap - case.quantum)), 3)}
    for field in FIELDS:
        values = case.relaxed(vacuum(name, case.made, force_field=FORCE_FIELD.with_name(f"{field}.xml")))[0]
        found[field] = np.round(values + (case.quantum - values).mean(), 3).tolist()
        errors[field] = round(float(np.std(values - case.quantum)), 3)
    return found | {"rms": errors}


def main() -> None:
    """Check all."""
    scans = {name: check_scan(name) for name in CHECKED}
    write(CHECKS, {"scans": scans, "conformers": {name: check_conformers(name) for name in RANKED}})


if __name__ == "__main__":
    main()
