"""Torsions in both force fields as they are shipped against scans in quantum chemistry; kept in checks.json.

    python forcefields/derivation/checks.py

Each point of a scan is relaxed in each force field with the dihedral held. Errors are root mean squares at the best
common zero, weighted as in torsions.py.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import openmm
from charges import write
from mechanics import FORCE_FIELD, borrowed, surface, vacuum
from relax import relax
from torsions import Scan

FOLDER = Path(__file__).resolve().parent
CHECKS = FOLDER / "checks.json"
FIELDS = ("clp-opls", "gaff2-resp")
CHECKED = ("hc-cf-cf-os", "cm-cx-c2-os", "hc-ct-c2-os")
#: Models that are no residue: whose atom types they borrow, and the atoms that stand for their own.
BORROWED = {"hc-cf-cf-os": ("TTE", {"H33": "H32"})}


def system(scan: Scan, field: str) -> openmm.System:
    """The molecule of a scan in vacuum; a model that is no residue has the RESP charges of its scan."""
    path = FORCE_FIELD.with_name(f"{field}.xml")
    if scan.residue:
        return vacuum(scan.residue, scan.made, force_field=path)
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


def main() -> None:
    """Check all."""
    write(CHECKS, {"scans": {name: check_scan(name) for name in CHECKED}})


if __name__ == "__main__":
    main()
