"""Fit torsions of TTE and of methacrylates to quantum chemistry, with the charges and the real terms of clp-opls.xml.

    python forcefields/derivation/torsions.py

All at once to scans of small models and to the conformers of TTE itself: a model gives the whole turn, the molecule
what its other end does to it. Each point of each scan is relaxed in the force field with the dihedral held, each
conformer with all that turn; what quantum chemistry has above the force field without the fitted rows is then linear
in V1, V2, V3 and solved for by least squares. The geometries depend on the rows, so this is iterated. Every point,
scan or conformer, has the weight exp(-E / 10 kJ/mol), at least 0.05: valleys before summits. A ridge draws each V to
the analogue that it starts from, as strongly as one point that misses by 1 kJ/mol for each RIDGE kJ/mol: what the
points do not determine stays with the analogue. Charges are those of the residue where the model is one, else RESP, by
the same procedure as those of TTE, of the points of the scan below 12 kJ/mol.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path as File
from typing import Any

import numpy as np
import openmm
from charges import CHARGES, evaluate, write
from conformers import Structure
from mechanics import FORCE_FIELD, borrowed, set_dihedrals, surface, vacuum
from molecules import TARGETS
from quantum import Floats
from ranking import read
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
    ("CF", "OS", "CT", "CF"): (2.7196, -1.0460, 2.8033),
    ("OS", "CT", "CF", "CF"): (7.1588, -2.0920, 2.7740),
    ("HC", "CF", "CF", "OS"): (0.0, 0.0, 1.9581),
    ("F", "CF", "CF", "OS"): (0.0, 0.0, 7.4962),
    ("HC", "CF", "CF", "CT"): (0.0, 0.0, 1.2552),
    ("F", "CF", "CF", "CT"): (0.0, 0.0, 2.7656),
    ("CM", "CX", "C_2", "OS"): (13.3888, -12.5520, 0.0),
}
#: V that are fitted; the two fluorines of a CF2 see V1 and V2 of F-CF-OS-CT as -V1 and -V2 of CF-CF-OS-CT, and all
#: three V3 about that bond act as one: F-CF-OS-CT stays as it is. Likewise one V3 about the bond of a CHF2 group.
FREE = {
    ("CF", "CF", "OS", "CT"): (1, 2, 3),
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
#: Residues whose conformers are fitted with them, and the basis of their MP2 energies.
RANKED = {"TTE": "def2-tzvp"}
#: Atom types of clp-opls.xml whose class and Lennard-Jones parameters each class of a model takes.
TYPES = {"CF": "TTE_C2", "CT": "TTE_C3", "F": "TTE_F2", "OS": "TTE_O", "HC": "TTE_H3"}


def classes(made: Structure) -> tuple[str, ...]:
    """Class of each atom of a fluorinated ether."""
    fluorinated = {i for bond in made.bonds for i in bond if any(made.elements[j] == "F" for j in bond)}
    carbon = {i: "CF" if i in fluorinated else "CT" for i in range(len(made.elements))}
    other = {"F": "F", "O": "OS", "H": "HC"}
    return tuple(other.get(element, carbon[i]) for i, element in enumerate(made.elements))


class Points:
    """Points of the energy surface of one molecule: quantum chemistry, and what the force field makes of them.

    Attributes
    ----------
    positions : list of (n_atoms, 3) float array, nm
    held : list of dict of path to rad
        Dihedrals at which each point is held.
    quantum : (n_points,) float array, kJ/mol
        Above the lowest point.
    weights : (n_points,) float array
    """

    def __init__(
        self, made: Structure, positions: Sequence[Floats], held: Sequence[dict[Path, float]], energies: Floats
    ) -> None:
        self.made, self.positions, self.held = made, positions, held
        self.quantum = energies - energies.min()
        self.weights = np.maximum(np.exp(-self.quantum / 10), 0.05)
        self.residue, self.types, self.charges = "", list[str](), list[float]()
        self.classes = classes(made)

    def system(self, rows: Rows) -> openmm.System:
        """The molecule in vacuum with these rows."""
        system = vacuum(self.residue or "MOD", self.made, self.types, self.charges)
        set_dihedrals(system, self.classes, rows)
        return system

    def relaxed(self, system: openmm.System) -> tuple[Floats, list[Floats]]:
        """Energies (kJ/mol, absolute) and positions of the points in a force field, with their dihedrals held."""
        energy = surface(system)
        found = [
            relax(energy, start, self.made.bonds, held, tolerance=2.0, most=600)
            for start, held in zip(self.positions, self.held, strict=True)
        ]
        return np.array([each.energy for each in found]), [each.positions for each in found]

    def against(self, energies: Floats) -> tuple[Floats, float]:
        """Energies at the best common zero with quantum chemistry, and their weighted RMS error; kJ/mol."""
        share = self.weights / self.weights.sum()
        shifted = energies - share @ (energies - self.quantum)
        return shifted, float(np.sqrt(share @ (shifted - self.quantum) ** 2))

    def features(self, positions: Floats) -> Floats:
        """What one kJ/mol of each free V adds to the energy, in the order of FREE."""
        angles: dict[tuple[str, ...], list[float]] = {}
        for path in paths(self.made.bonds):
            if len(path) == 4:
                kind = tuple(self.classes[i] for i in path)
                angles.setdefault(kind if kind in FREE else kind[::-1], []).append(dihedral(positions, path))
        terms = [(n, np.array(angles.get(kind, []))) for kind, orders in FREE.items() for n in orders]
        return np.array([0.5 * (1 - (-1) ** n * np.cos(n * each)).sum() for n, each in terms])


class Scan(Points):
    """One scan of :data:`scan.MODELS`."""

    def __init__(self, name: str) -> None:
        model, found = MODELS[name], json.loads((SCANS / f"{name}.json").read_text(encoding="utf-8"))
        made, points = model.structure, found["points"]
        self.angles = np.array([point["angle"] for point in points])
        path = indices(made, model.turned)
        held = [{path: float(angle)} for angle in np.radians(self.angles)]
        positions = [np.array(point["positions_nm"]) for point in points]
        super().__init__(made, positions, held, np.array([point["mp2"] for point in points]))
        self.name, self.residue, self.made_like = name, model.residue, model.made_like
        field, like = load_force_field(FORCE_FIELD), model.made_like or (model.residue, {})
        known = borrowed(FORCE_FIELD, made, *like) if like[0] else []
        self.classes = tuple(field.classes[kind] for kind in known) or self.classes
        self.types = [] if model.residue else known or [TYPES[kind] for kind in self.classes]
        self.charges = [] if known else list(self._charges(found))

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


class Conformers(Points):
    """Conformers of a residue of ranking.json, one dihedral of each bond that turns held.

    They are held because not each conformer of one method is a minimum of another.
    """

    def __init__(self, name: str) -> None:
        made = TARGETS[name].structure
        turning = {path[1:3]: path for path in paths(made.bonds) if len(path) == 4}.values()
        energies = np.array(read()[name]["mp2"][RANKED[name]])
        rows = json.loads(CHARGES.read_text(encoding="utf-8"))[name]["conformers"][: len(energies)]
        positions = [np.array(row["positions_nm"]) for row in rows]
        held = [{path: dihedral(each, path) for path in turning} for each in positions]
        super().__init__(made, positions, held, energies)
        self.residue, self.cheap = name, np.array([row["energy_gfn2"] for row in rows])
        known = load_force_field(FORCE_FIELD).classes
        self.classes = tuple(known[kind] for kind in borrowed(FORCE_FIELD, made, name, {}))


def fit(cases: Sequence[Points], first: Rows = STARTERS, rounds: int = 12) -> Rows:
    """Rows that bring the relaxed points of the force field to those of quantum chemistry; `first` are tried first."""
    start, values = free(STARTERS), free(first)
    for _ in range(rounds):
        design, misses = [], []
        for case in cases:
            energies, positions = case.relaxed(case.system(as_rows(values)))
            features = np.array([case.features(each) for each in positions])
            wanted = case.quantum - (energies - features @ values)
            root = np.sqrt(case.weights)
            share = case.weights / case.weights.sum()  # the zero of energy of each case is free
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


def free(rows: Rows) -> Floats:
    """The free V of these rows, in the order of FREE."""
    return np.array([rows[kind][n - 1] for kind, orders in FREE.items() for n in orders])


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


def compared(case: Points, fitted: Rows) -> dict[str, Any]:
    """A case in quantum chemistry and in the force field before and after the fit, kJ/mol."""
    found: dict[str, Any] = {"quantum": np.round(case.quantum, 3).tolist()}
    for when, rows in (("before", STARTERS), ("after", fitted)):
        energies, error = case.against(case.relaxed(case.system(rows))[0])
        found |= {when: np.round(energies, 3).tolist(), f"rms_{when}": round(error, 3)}
        found[f"unweighted_rms_{when}"] = round(float(np.std(energies - case.quantum)), 3)
    return found


def main() -> None:
    """Fit, and write torsions.json with scans and conformers before and after."""
    scans, conformers = [Scan(name) for name in FITTED], {name: Conformers(name) for name in RANKED}
    fitted = fit([*scans, *conformers.values()])
    content = {
        "method": "V1-V3 fitted to MP2/def2-TZVP by relaxed scans and held conformers in the force field",
        "rows": {"-".join(kind): row for kind, row in fitted.items()},
        "starters": {"-".join(kind): row for kind, row in STARTERS.items()},
        "scans": {scan.name: {"angle": scan.angles.tolist(), **compared(scan, fitted)} for scan in scans},
        "conformers": {name: compared(case, fitted) for name, case in conformers.items()},
    }
    write(TORSIONS, content)


if __name__ == "__main__":
    main()
