"""Fit the charges of one molecule: conformers, potentials, RESP, and a row in charges.json.

    python forcefields/derivation/charges.py TTE

Conformers are those of GFN2-xTB within the window of the target, each with the same weight: gas-phase Boltzmann weights
would lean on energies that the liquid changes by as much as they differ. The spread of a charge is the standard
deviation of fits to one conformer each. Dipoles of the common charges beside those of Hartree-Fock show what a fixed
charge cannot do.
"""

from __future__ import annotations

import json
import re
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from conformers import Structure, search
from molecules import TARGETS, Target
from quantum import BOHR, DEBYE, Floats, dipole, hartree_fock, potential
from resp import Potential, relative_error, surface_points, two_stages

FOLDER = Path(__file__).resolve().parent
CHARGES = FOLDER / "charges.json"
METHOD = "two-stage RESP (a 0.0005, 0.001 e^-2; b 0.1 e), HF/6-31G* density-fitted potential at GFN2-xTB geometries"
SEED = 1


def write(path: Path, content: dict[str, Any]) -> None:
    """Write JSON, a row of numbers on one line, under a temporary name and rename it."""
    text = json.dumps(content, indent=1, ensure_ascii=False)
    text = re.sub(r"\[\s+([-\d.e,\s]+?)\s+\]", lambda row: f"[{' '.join(row[1].split())}]", text)
    part = path.with_suffix(".part")
    part.write_text(text + "\n", encoding="utf-8")
    part.replace(path)


def evaluate(made: Structure, positions: Floats) -> tuple[Potential, float]:
    """Potential on the shells of one conformer, and its dipole in debye."""
    field = hartree_fock(made.elements, positions, made.charge)
    points = surface_points(made.elements, positions)
    return Potential(positions / BOHR, points, potential(field, points)), dipole(field)


def charge_dipole(made: Structure, positions: Floats, charges: Floats) -> float:
    """Dipole of point charges about the centre of nuclear charge, debye."""
    from pyscf.gto import charge as nuclear

    centre = np.average(positions, axis=0, weights=[nuclear(element) for element in made.elements])
    return float(np.linalg.norm(charges @ (positions - centre))) * DEBYE


def rounded(charges: Floats, target: Target) -> Floats:
    """Charges to four digits that sum exactly: what rounding leaves goes to the largest that fewest atoms share."""
    made, result = target.structure, np.round(charges, 4)
    for atoms, total in reversed(target.groups):  # a unit first, then the whole by its caps
        inside = set(target.groups[-1][0]) if len(target.groups) > 1 and len(atoms) == len(made.names) else set()
        free = [i for i in atoms if i not in inside]
        first = min(free, key=lambda i: (made.symmetry.count(made.symmetry[i]), -abs(result[i])))
        alike = [i for i in free if made.symmetry[i] == made.symmetry[first]]
        result[alike] += (total - result[list(atoms)].sum()) / len(alike)
    return np.round(result, 4)


def derive(target: Target) -> dict[str, Any]:
    """Everything that charges.json says of one molecule."""
    made = target.structure
    conformers = search(made, trials=target.trials, window=target.window, seed=SEED)[: target.most]
    potentials, dipoles = [], []
    for energy, positions in conformers:
        print(f"conformer at {energy:.2f} kJ/mol", flush=True)  # noqa: T201
        found, moment = evaluate(made, positions)
        potentials.append(found)
        dipoles.append(moment)

    def charges_of(some: list[Potential]) -> Floats:
        weights = [1 / len(some)] * len(some)
        return two_stages(some, weights, made.elements, made.bonds, made.symmetry, target.groups)

    charges = charges_of(potentials)
    single = np.array([charges_of([one]) for one in potentials])
    return {
        "smiles": target.smiles,
        "method": METHOD,
        "versions": {name: version(name) for name in ("pyscf", "tblite", "rdkit", "numpy")},
        "atoms": {
            name: {"charge": float(q), "spread": round(float(s), 4)}
            for name, q, s in zip(made.names, rounded(charges, target), single.std(axis=0), strict=True)
        },
        "conformers": [
            {
                "energy_gfn2": round(energy, 3),
                "dipole_hf": round(moment, 3),
                "dipole_charges": round(charge_dipole(made, positions, charges), 3),
                "rrms": round(relative_error(one, charges), 4),
                "rrms_own_fit": round(relative_error(one, own), 4),
                "positions_nm": np.round(positions, 5).tolist(),
            }
            for (energy, positions), moment, one, own in zip(conformers, dipoles, potentials, single, strict=True)
        ],
    }


def main(names: list[str]) -> None:
    """Fit the named targets and put them into charges.json."""
    for name in names:
        found = derive(TARGETS[name])
        known = json.loads(CHARGES.read_text(encoding="utf-8")) if CHARGES.exists() else {}
        write(CHARGES, known | {name: found})


if __name__ == "__main__":
    main(sys.argv[1:])
