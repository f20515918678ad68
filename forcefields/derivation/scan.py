"""Relaxed scan of one dihedral of a model molecule in quantum chemistry, kept in scans/NAME.json.

    python forcefields/derivation/scan.py cf-cf-os-ct

Each point is relaxed in GFN2-xTB from its neighbour, then in Hartree-Fock/6-31G*, with the dihedral held; its energy
is that of MP2/def2-TZVP. This is the protocol of the OPLS-AA torsions, MP2 with a triple-zeta basis at Hartree-Fock
geometries (Kaminski et al., J. Phys. Chem. B 105, 6474 (2001), doi 10.1021/jp003919d); scans that only check a row do
with less (see `level`). The models have a mirror plane at 0 and 180 degrees, so that half a turn is enough.
Points that are there already are kept.
"""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from charges import write
from conformers import Structure, structure
from quantum import Floats, hartree_fock_surface, mp2_energy, tight_binding_surface
from rdkit import Chem
from rdkit.Chem import rdDistGeom, rdMolTransforms
from relax import relax

SCANS = Path(__file__).resolve().parent / "scans"


@dataclass(frozen=True)
class Model:
    """A molecule and the dihedral to turn.

    Attributes
    ----------
    smiles, heavy : str
        As in :class:`molecules.Target`.
    turned : str
        Names of four atoms.
    start : dict of str to float
        Other dihedrals of the first geometry, degrees.
    angles : tuple of int
        Values of the turned dihedral, degrees, from trans to cis.
    level : (str, str)
        Of the geometries, "HF/6-31G*" or "GFN2-xTB", and basis of the MP2 energies.
    residue : str
        Of the force fields, if it is one.
    made_like : (str, dict of str to str), optional
        A residue whose atom types and charges it has, and whose atom stands for each that is not named so.
    """

    smiles: str
    heavy: str
    turned: str
    start: dict[str, float]
    angles: tuple[int, ...] = tuple(range(180, -1, -30))
    level: tuple[str, str] = ("HF/6-31G*", "def2-TZVP")
    residue: str = ""
    made_like: tuple[str, dict[str, str]] | None = None

    @property
    def structure(self) -> Structure:
        """The molecule with its named atoms."""
        return structure(self.smiles, self.heavy.split())


#: Atoms of two units of PMMA, CA1, HM12, ..., as those of one.
_OF_A_UNIT = {f"{atom}{unit}": atom for atom in ("CA", "CM", "C", "O1", "O2", "CO") for unit in range(1, 5)}
_OF_A_UNIT |= {f"{atom}{unit}{k}": f"{atom}1" for atom in ("HM", "HO") for unit in range(1, 5) for k in range(1, 4)}

MODELS = {
    "cf-cf-os-ct": Model("C(F)(F)C(F)(F)OC", "C1 F11 F12 C2 F21 F22 O1 C3", "C1 C2 O1 C3", {"H11 C1 C2 O1": 180}),
    "cf-os-ct-cf": Model("FC(F)(F)OCC(F)(F)F", "F21 C2 F22 F23 O1 C3 C4 F41 F42 F43", "C2 O1 C3 C4", {}),
    "os-ct-cf-cf": Model(
        "COCC(F)(F)C(F)F",
        "C2 O1 C3 C4 F41 F42 C5 F51 F52",
        "O1 C3 C4 C5",
        {"C2 O1 C3 C4": 180, "C3 C4 C5 H51": 180},
    ),
    "hc-cf-cf-os": Model(
        "C(F)(F)C(F)(F)OC",
        "C1 F11 F12 C2 F21 F22 O1 C3",
        "H11 C1 C2 O1",
        {"C1 C2 O1 C3": 180},
        level=("GFN2-xTB", "def2-TZVP"),
    ),
    "cm-cx-c2-os": Model(
        "C=C(C)C(=O)OC",
        "CB CA CM C O1 O2 CO",
        "CB CA C O2",
        {"CA C O2 CO": 180},
        (180, 150, 90, 30, 0),
        ("GFN2-xTB", "def2-TZVP"),
        "MMA",
    ),
    "hc-ct-c2-os": Model(
        "CC(C)C(=O)OC",
        "CB CA CM C O1 O2 CO",
        "HA1 CA C O2",
        {"CA C O2 CO": 180},
        (180, 120, 90, 60, 0),
        ("GFN2-xTB", "def2-SVP"),
        "MMI",
    ),
    "hc-cf-cf-ct": Model(
        "COCC(F)(F)C(F)F",
        "C2 O1 C3 C4 F41 F42 C5 F51 F52",
        "H51 C5 C4 C3",
        {"C2 O1 C3 C4": 180, "O1 C3 C4 C5": 180},
        level=("GFN2-xTB", "def2-TZVP"),
    ),
    "ct-os-c2-ct": Model(
        "CC(C)C(=O)OC",
        "CB CA CM C O1 O2 CO",
        "CA C O2 CO",
        {"HA1 CA C O2": 180},
        level=("GFN2-xTB", "def2-SVP"),
        residue="MMI",
    ),
    "ct-os-c2-cx": Model(
        "C=C(C)C(=O)OC",
        "CB CA CM C O1 O2 CO",
        "CA C O2 CO",
        {"CB CA C O2": 180},
        level=("GFN2-xTB", "def2-SVP"),
        residue="MMA",
    ),
    # Two units of PMMA with methyl for what follows, both esters trans to the backbone: mirrored in its plane.
    "ct-ct-ct-c2": Model(
        "CC(C)(C(=O)OC)CC(C)(C)C(=O)OC",
        "CM1 CA1 CM2 C1 O11 O21 CO1 CB CA2 CM3 CM4 C2 O12 O22 CO2",
        "C1 CA1 CB CA2",
        {
            "CA1 CB CA2 C2": 180,
            "CB CA1 C1 O21": 180,
            "CB CA2 C2 O22": 180,
            "CA1 C1 O21 CO1": 180,
            "CA2 C2 O22 CO2": 180,
        },
        (180, 120, 60),
        ("GFN2-xTB", "def2-SVP"),
        made_like=("MMU", _OF_A_UNIT),
    ),
}


def first_geometry(model: Model) -> Floats:
    """ETKDG, with the dihedrals of the model set; nm."""
    made = model.structure
    graph = Chem.Mol(made.graph)
    rdDistGeom.EmbedMolecule(graph, randomSeed=1)
    for names, degrees in {**model.start, model.turned: model.angles[0]}.items():
        rdMolTransforms.SetDihedralDeg(graph.GetConformer(), *indices(made, names), degrees)
    return np.asarray(graph.GetConformer().GetPositions() / 10)


def indices(made: Structure, names: str) -> tuple[int, ...]:
    """Indices of atoms by name."""
    return tuple(made.names.index(name) for name in names.split())


def scan(name: str) -> None:
    """Turn the dihedral of MODELS[name] and keep each point as soon as it is there."""
    model, path = MODELS[name], SCANS / f"{name}.json"
    made = model.structure
    known = json.loads(path.read_text(encoding="utf-8"))["points"] if path.exists() else []
    done = {point["angle"]: point for point in known}
    positions = first_geometry(model)
    cheap = tight_binding_surface(made.elements, made.charge)
    geometry, basis = model.level
    for angle in model.angles:
        if angle in done:
            positions = np.array(done[angle]["positions_nm"])
            continue
        held = {indices(made, model.turned): float(np.radians(angle))}
        fine = relax(cheap, positions, made.bonds, held)
        if geometry == "HF/6-31G*":
            energy_of = hartree_fock_surface(made.elements, made.charge)
            fine = relax(energy_of, fine.positions, made.bonds, held, tolerance=40.0)
        energy = mp2_energy(made.elements, fine.positions, made.charge, basis)
        positions = fine.positions
        done[angle] = {
            "angle": angle,
            "mp2": energy,
            **({"hf": fine.energy} if geometry == "HF/6-31G*" else {}),
            "converged": fine.converged,
            "positions_nm": np.round(positions, 5).tolist(),
        }
        print(name, angle, fine.gradients, fine.converged, f"{energy - done[180]['mp2']:.2f}", flush=True)  # noqa: T201
        content = {
            "smiles": model.smiles,
            "names": made.names,
            "turned": model.turned,
            "method": f"MP2/{basis} (frozen core, density-fitted) at {geometry} geometries; kJ/mol, degrees",
            "points": sorted(done.values(), key=lambda point: point["angle"]),
        }
        write(path, content)


if __name__ == "__main__":
    SCANS.mkdir(exist_ok=True)
    for each in sys.argv[1:]:
        scan(each)
