"""One molecule in vacuum with the real terms of clp-opls.xml.

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


def with_residue(name: str, made: Structure, types: Sequence[str], charges: Sequence[float], folder: Path) -> Path:
    """A copy of clp-opls.xml in `folder` with one more residue, whose types are named NAME_1, NAME_2, ..."""
    root = ElementTree.parse(FORCE_FIELD).getroot()

    def row(where: str, key: str, value: str) -> ElementTree.Element:
        return next(each for each in root.iterfind(where) if each.attrib[key] == value)

    places = {tag: root.find(tag) for tag in ("AtomTypes", "Residues", "NonbondedForce")}
    residue = ElementTree.Element("Residue", name=name)
    for i, (atom, base, charge) in enumerate(zip(made.names, types, charges, strict=True), start=1):
        mine = f"{name}_{i}"
        atom_type = copy.deepcopy(row("AtomTypes/Type", "name", base))
        atom_type.set("name", mine)
        nonbonded = copy.deepcopy(row("NonbondedForce/Atom", "type", base))
        nonbonded.attrib |= {"type": mine, "charge": f"{charge:.10f}"}
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
    path = folder / "clp-opls.xml"
    ElementTree.ElementTree(root).write(path, encoding="unicode", xml_declaration=True)
    return path


def vacuum(
    name: str,
    made: Structure,
    types: Sequence[str] = (),
    charges: Sequence[float] = (),
    *,
    charge_scale: float = 1.0,
) -> openmm.System:
    """The System of one molecule without box, cutoff or constraints; a residue of the file where no types are given.

    `charge_scale` acts on ions alone.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = with_residue(name, made, types, charges, Path(folder)) if types else FORCE_FIELD
        field = load_force_field(path)
        topology = app.Topology()
        residue = topology.addResidue(name, topology.addChain())
        atoms = [
            topology.addAtom(atom, app.Element.getBySymbol(element), residue)
            for atom, element in zip(made.names, made.elements, strict=True)
        ]
        for i, j in made.bonds:
            topology.addBond(atoms[i], atoms[j])
        topology.setPeriodicBoxVectors([Vec3(*edge) for edge in np.eye(3) * _EDGE] * unit.nanometer)
        system = parameterise(topology, path, charge_scale=charge_scale)
    forces = {force.getName(): force for force in system.getForces()}
    forces["coulomb"].setNonbondedMethod(openmm.NonbondedForce.NoCutoff)
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
