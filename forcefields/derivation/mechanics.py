"""One molecule in vacuum, alone or with Li+, with the real terms of a force field.

A model that is no residue of the file is written into a copy of it as one: each atom takes class and Lennard-Jones
parameters of a type that is there, and the charge that was fitted.
"""

from __future__ import annotations

import copy
import tempfile
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import openmm
from conformers import Structure
from openmm import Vec3, app, unit
from quantum import Floats, Surface

from mdstudy.system.forcefield import load_force_field
from mdstudy.system.parameterise import parameterise

FORCE_FIELD = Path(__file__).resolve().parent.parent / "clp-opls.xml"
#: A dihedral of models alone, CH3-O-CH2-CF2-, and that of clp-opls.xml which stands in for it.
_MODEL_ROW = ("CF", "CT", "OS", "CT"), ("CT", "CT", "OS", "CT")
#: Edge of the box that parameterise asks for, nm; it has no meaning in vacuum.
_EDGE = 3.0


def with_residue(
    force_field: Path, name: str, made: Structure, types: Sequence[str], charges: Sequence[float], folder: Path
) -> Path:
    """A copy of a force field in `folder` with one more residue, whose types are named NAME_1, NAME_2, ...

    Without `charges`, atoms keep those of their types.
    """
    root = ElementTree.parse(force_field).getroot()

    def row(where: str, key: str, value: str) -> ElementTree.Element:
        return next(each for each in root.iterfind(where) if each.attrib[key] == value)

    places = {tag: root.find(tag) for tag in ("AtomTypes", "Residues", "NonbondedForce")}
    residue = ElementTree.Element("Residue", name=name)
    for i, (atom, base) in enumerate(zip(made.names, types, strict=True)):
        mine = f"{name}_{i + 1}"
        atom_type = copy.deepcopy(row("AtomTypes/Type", "name", base))
        atom_type.set("name", mine)
        nonbonded = copy.deepcopy(row("NonbondedForce/Atom", "type", base))
        nonbonded.attrib |= {"type": mine, **({"charge": f"{charges[i]:.10f}"} if charges else {})}
        places["AtomTypes"].append(atom_type)
        places["NonbondedForce"].append(nonbonded)
        ElementTree.SubElement(residue, "Atom", name=atom, type=mine)
    for i, j in made.bonds:
        ElementTree.SubElement(residue, "Bond", atomName1=made.names[i], atomName2=made.names[j])
    places["Residues"].append(residue)
    for row_of_model in root.findall("PeriodicTorsionForce/Proper"):
        if tuple(row_of_model.attrib[f"class{k}"] for k in range(1, 5)) == _MODEL_ROW[1]:
            added = copy.deepcopy(row_of_model)
            added.attrib |= {f"class{k}": kind for k, kind in enumerate(_MODEL_ROW[0], start=1)}
            root.find("PeriodicTorsionForce").append(added)
    path = folder / force_field.name
    ElementTree.ElementTree(root).write(path, encoding="unicode", xml_declaration=True)
    return path


def borrowed(force_field: Path, made: Structure, residue: str, instead: Mapping[str, str]) -> list[str]:
    """Atom types of a model: those of the atoms of a residue of the same names, or of those that stand for them."""
    known = load_force_field(force_field).residues[residue].types
    named = zip(made.names, made.elements, strict=True)
    return [known[instead.get(name, instead.get(element, name))] for name, element in named]


def charges_of(force_field: Path, types: Sequence[str]) -> Floats:
    """Charges of atom types, e."""
    rows = ElementTree.parse(force_field).getroot().iterfind("NonbondedForce/Atom")
    charges = {row.attrib["type"]: float(row.attrib["charge"]) for row in rows}
    return np.array([charges[kind] for kind in types])


def vacuum(
    name: str,
    made: Structure,
    types: Sequence[str] = (),
    charges: Sequence[float] = (),
    *,
    charge_scale: float = 1.0,
    force_field: Path = FORCE_FIELD,
    lithium: bool = False,
) -> openmm.System:
    """The System of one molecule without box, cutoff or constraints; a residue of the file where no types are given.

    `charge_scale` acts on ions alone. With `lithium`, a Li+ comes last.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = with_residue(force_field, name, made, types, charges, Path(folder)) if types else force_field
        field = load_force_field(path)
        topology = app.Topology()
        residue = topology.addResidue(name, topology.addChain())
        atoms = [
            topology.addAtom(atom, app.Element.getBySymbol(element), residue)
            for atom, element in zip(made.names, made.elements, strict=True)
        ]
        for i, j in made.bonds:
            topology.addBond(atoms[i], atoms[j])
        if lithium:
            topology.addAtom("LI", app.Element.getBySymbol("Li"), topology.addResidue("LI", topology.addChain()))
        topology.setPeriodicBoxVectors([Vec3(*edge) for edge in np.eye(3) * _EDGE] * unit.nanometer)
        system = parameterise(topology, path, charge_scale=charge_scale)
    forces = {force.getName(): force for force in system.getForces()}
    forces["coulomb"].setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
    if "lennard_jones" in forces:  # mixed geometrically; else it is in the first
        forces["lennard_jones"].setNonbondedMethod(openmm.CustomNonbondedForce.NoCutoff)
        forces["lennard_jones"].setUseSwitchingFunction(False)
        forces["lennard_jones"].setUseLongRangeCorrection(False)
    kinds = [field.residues[name].types[atom] for atom in made.names]
    for k in reversed(range(system.getNumConstraints())):
        i, j, _ = system.getConstraintParameters(k)
        length, spring = field.bond([kinds[i], kinds[j]])
        forces["bond"].addBond(i, j, length, spring)
        system.removeConstraint(k)
    return system


def surface(system: openmm.System) -> Surface:
    """The energy surface of a System."""
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))

    def evaluate(positions: Floats) -> tuple[float, Floats]:
        context.setPositions(positions)
        state = context.getState(getEnergy=True, getForces=True)
        energy = state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole)
        forces = state.getForces(asNumpy=True).value_in_unit(unit.kilojoule_per_mole / unit.nanometer)
        return float(energy), -np.asarray(forces)

    return evaluate


def set_dihedrals(
    system: openmm.System, classes: Sequence[str], rows: Mapping[tuple[str, ...], Sequence[float]]
) -> None:
    """Replace V1, V2, V3 (kJ/mol) of the dihedrals of the given classes, in either direction."""
    force = next(each for each in system.getForces() if isinstance(each, openmm.PeriodicTorsionForce))
    seen: set[tuple[int, ...]] = set()
    for k in range(force.getNumTorsions()):
        *path, periodicity, phase, _ = force.getTorsionParameters(k)
        kind = tuple(classes[i] for i in path)
        values = rows.get(kind) or rows.get(kind[::-1])
        if values:
            force.setTorsionParameters(k, *path, periodicity, phase, 0.0)
            seen.add(tuple(path))
    for path in sorted(seen):
        kind = tuple(classes[i] for i in path)
        for n, value in enumerate(rows.get(kind) or rows[kind[::-1]], start=1):
            force.addTorsion(*path, n, np.pi * (n == 2), value / 2)
