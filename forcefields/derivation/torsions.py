"""Fit torsions of TTE and of methacrylates to the scans, with the fitted charges and the real terms of clp-opls.xml.

    python forcefields/derivation/torsions.py

Each point of each scan is relaxed in the force field with the dihedral held; what quantum chemistry has above the
force field without the fitted rows is then linear in V1, V2, V3 and solved for by least squares. The geometries depend
on the rows, so this is iterated. Weights: exp(-E / 10 kJ/mol), at least 0.05: valleys before summits. A ridge draws
each V to the analogue that it starts from, as strongly as one point that misses by 1 kJ/mol for each RIDGE kJ/mol:
what the scans do not determine stays with the analogue. Charges are those of the residue where the model is one, else
RESP, by the same procedure as those of TTE, of the points of the scan below 12 kJ/mol.
"""

from __future__ import annotations

import json
from pathlib import Path as File
from typing import Any

import numpy as np
import openmm
from charges import evaluate, write
from conformers import Structure
from mechanics import FORCE_FIELD, borrowed, set_dihedrals, surface, vacuum
from quantum import Floats
from relax import Path, dihedral, paths, relax
from resp import two_stages
from scan import MODELS, SCANS, indices

from mdstudy.system.forcefield import load_force_field

FOLDER = File(__file__).resolve().parent
TORSIONS = FOLDER / "torsions.json"
Rows = dict[tuple[str, ...], tuple[float, ...]]

#: Starters (V1, V2, V3, kJ/mol): the analogues that forcefields/clp-opls.xml began with, sources there.
STARTERS: Rows = {
    ("CF", "CF", "OS", "CT"): (2.7196, -1.0460, 2.8033),
    ("F", "CF", "OS", "CT"): (0.0, 0.0, 3.1798),
    ("CF", "OS", "CT", "CF"): (2.7196, -1.0460, 2.8033),
    ("OS", "CT", "CF", "CF"): (7.1588, -2.0920, 2.7740),
    ("HC", "CF", "CF", "OS"): (0.0, 0.0, 1.9581),
    ("F", "CF", "CF", "OS"): (0.0, 0.0, 7.4962),
    ("HC", "CF", "CF", "CT"): (0.0, 0.0, 1.2552),
    ("F", "CF", "CF", "CT"): (0.0, 0.0, 2.7656),
    ("CM", "CX", "C_2", "OS"): (13.3888, -12.5520, 0.0),
}
#: V that are fitted; the two fluorines of a CF2 see V1 and V2 of F-CF-OS-CT as -V1 and -V2 of CF-CF-OS-CT,
#: and likewise those of a CHF2 group.
FREE = {
    ("CF", "CF", "OS", "CT"): (1, 2, 3),
    ("F", "CF", "OS", "CT"): (3,),
    ("CF", "OS", "CT", "CF"): (1, 2, 3),
    ("OS", "CT", "CF", "CF"): (1, 2, 3),
    ("HC", "CF", "CF", "OS"): (1, 2),
    ("F", "CF", "CF", "OS"): (3,),
    ("HC", "CF", "CF", "CT"): (1, 2),
    ("F", "CF", "CF", "CT"): (3,),
    ("CM", "CX", "C_2", "OS"): (1, 2),
}
RIDGE = 10.0
#: Scans of :data:`scan.MODELS` that are fitted, all at once.
FITTED = ("cf-cf-os-ct", "cf-os-ct-cf", "os-ct-cf-cf", "hc-cf-cf-os", "hc-cf-cf-ct", "cm-cx-c2-os")
#: Atom types of clp-opls.xml whose class and Lennard-Jones parameters each class of a model takes.
TYPES = {"CF": "TTE_C2", "CT": "TTE_C3", "F": "TTE_F2", "OS": "TTE_O", "HC": "TTE_H3"}


def classes(made: Structure) -> tuple[str, ...]:
    """Class of each atom of a fluorinated ether."""
    fluorinated = {i for bond in made.bonds for i in bond if any(made.elements[j] == "F" for j in bond)}
    carbon = {i: "CF" if i in fluorinated else "CT" for i in range(len(made.elements))}
    other = {"F": "F", "O": "OS", "H": "HC"}
    return tuple(other.get(element, carbon[i]) for i, element in enumerate(made.elements))


class Scan:
    """One scan and what the force field makes of it."""

    def __init__(self, name: str) -> None:
        model, found = MODELS[name], json.loads((SCANS / f"{name}.json").read_text(encoding="utf-8"))
        self.made, self.name = model.structure, name
        self.path = indices(self.made, model.turned)
        self.residue, self.made_like = model.residue, model.made_like
        field, like = load_force_field(FORCE_FIELD), model.made_like or (model.residue, {})
        known = borrowed(FORCE_FIELD, self.made, *like) if like[0] else []
        self.classes = tuple(field.classes[kind] for kind in known) or classes(self.made)
        self.types = [] if model.residue else known or [TYPES[kind] for kind in self.classes]
        self.angles = np.array([point["angle"] for point in found["points"]])
        energies = np.array([point["mp2"] for point in found["points"]])
        self.quantum = energies - energies.min()
        self.positions = [np.array(point["positions_nm"]) for point in found["points"]]
        self.weights = np.maximum(np.exp(-self.quantum / 10), 0.05)
        self.charges = [] if known else list(self._charges(found))
        self.paths = self._free_paths()

    def _charges(self, found: dict[str, Any]) -> Floats:
        """Charges of the model; kept in the file of the scan once they are known."""
        if "charges" not in found:
            low = [p for p, energy in zip(self.positions, self.quantum, strict=True) if energy < 12]
            potentials = [evaluate(self.made, positions)[0] for positions in low]
            whole = (tuple(range(len(self.made.names))), 0.0)
            weights = [1 / len(low)] * len(low)
            fitted = two_stages(potentials, weights, self.made.elements, self.made.bonds, self.made.symmetry, [whole])
            found["charges"] = [round(float(q), 6) for q in fitted]
            write(SCANS / f"{self.name}.json", found)
        charges = np.array(found["charges"])
        return charges - charges.sum() / len(charges)

    def system(self, rows: Rows) -> openmm.System:
        """The model in vacuum with these rows."""
        system = vacuum(self.residue or "MOD", self.made, self.types, self.charges)
        set_dihedrals(system, self.classes, rows)
        return system

    def relaxed(self, rows: Rows) -> tuple[Floats, list[Floats]]:
        """Energies (kJ/mol, absolute) and positions of the scan in the force field."""
        energy = surface(self.system(rows))
        found = []
        for angle, start in zip(self.angles, self.positions, strict=True):
            held = {self.path: float(np.radians(angle))}
            found.append(relax(energy, start, self.made.bonds, held, tolerance=2.0, most=400))
        return np.array([each.energy for each in found]), [each.positions for each in found]

    def features(self, positions: Floats) -> Floats:
        """What one kJ/mol of each free V adds to the energy, in the order of FREE."""
        angles = {kind: np.array([dihedral(positions, path) for path in self.paths[kind]]) for kind in FREE}
        return np.array(
            [0.5 * (1 - (-1) ** n * np.cos(n * angles[kind])).sum() for kind, orders in FREE.items() for n in orders]
        )

    def _free_paths(self) -> dict[tuple[str, ...], list[Path]]:
        """The dihedrals of each free row."""
        every = [path for path in paths(self.made.bonds) if len(path) == 4]
        kinds = [tuple(self.classes[i] for i in path) for path in every]
        return {free: [p for p, kind in zip(every, kinds, strict=True) if free in (kind, kind[::-1])] for free in FREE}


def fit(scans: list[Scan], rounds: int = 8) -> Rows:
    """Rows that bring the relaxed scans of the force field to those of quantum chemistry."""
    start = np.array([STARTERS[kind][n - 1] for kind, orders in FREE.items() for n in orders])
    values = start.copy()
    for _ in range(rounds):
        design, misses = [], []
        for scan in scans:
            energies, positions = scan.relaxed(as_rows(values))
            features = np.array([scan.features(each) for each in positions])
            wanted = scan.quantum - (energies - features @ values)
            root = np.sqrt(scan.weights)
            share = scan.weights / scan.weights.sum()  # the zero of energy of each scan is free
            design.append(root[:, None] * (features - share @ features))
            misses.append(root * (wanted - share @ wanted))
        matrix = np.concatenate([*design, np.eye(len(start)) / RIDGE])
        right = np.concatenate([*misses, start / RIDGE])
        new = np.linalg.lstsq(matrix, right, rcond=None)[0]
        change, values = np.abs(new - values).max(), new
        print("largest change of a V:", f"{change:.3f} kJ/mol", flush=True)  # noqa: T201
        if change < 0.01:
            break
    return as_rows(values)


def as_rows(values: Floats) -> Rows:
    """V1, V2, V3 of each dihedral from the vector of free ones; the others keep their starters."""
    rows, position = {}, 0
    for kind, orders in FREE.items():
        row = list(STARTERS[kind])
        for n in orders:
            row[n - 1] = round(float(values[position]), 4)
            position += 1
        rows[kind] = tuple(row)
    return rows


def against(scan: Scan, rows: Rows) -> tuple[Floats, float]:
    """Energies of the relaxed scan in the force field, and their weighted RMS error at the best common zero; kJ/mol."""
    energies, _ = scan.relaxed(rows)
    share = scan.weights / scan.weights.sum()
    energies = energies - share @ (energies - scan.quantum)
    return energies, float(np.sqrt(share @ (energies - scan.quantum) ** 2))


def main() -> None:
    """Fit, and write torsions.json with the scans before and after."""
    scans = [Scan(name) for name in FITTED]
    fitted = fit(scans)
    content: dict[str, Any] = {
        "method": "V1-V3 fitted to MP2/def2-TZVP//HF/6-31G* scans by relaxed scans of the force field",
        "rows": {"-".join(kind): row for kind, row in fitted.items()},
        "starters": {"-".join(kind): row for kind, row in STARTERS.items()},
        "scans": {},
    }
    for scan in scans:
        before, error_before = against(scan, STARTERS)
        after, error_after = against(scan, fitted)
        content["scans"][scan.name] = {
            "angle": scan.angles.tolist(),
            "quantum": np.round(scan.quantum, 3).tolist(),
            "before": np.round(before, 3).tolist(),
            "after": np.round(after, 3).tolist(),
            "rms_before": round(error_before, 3),
            "rms_after": round(error_after, 3),
            "unweighted_rms_before": round(float(np.std(before - scan.quantum)), 3),
            "unweighted_rms_after": round(float(np.std(after - scan.quantum)), 3),
        }
    write(TORSIONS, content)


if __name__ == "__main__":
    main()
