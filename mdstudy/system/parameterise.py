"""Force field and topology to an OpenMM System, with every check made first.

The combining rule is read from the force-field file. OpenMM's NonbondedForce
mixes by Lorentz-Berthelot alone; for a geometric rule the Lennard-Jones part
moves to a CustomNonbondedForce in the factored form A_i A_j r^-12 - B_i B_j r^-6
with A = 2 sqrt(epsilon) sigma^6 and B = 2 sqrt(epsilon) sigma^3, which is the
geometric mean of both parameters exactly and needs no square root a pair; of the
ways to write it this is the fastest (docs/performance.md).
"""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import openmm
from numpy.typing import ArrayLike
from openmm import app, unit

from mdstudy.base.errors import ForceFieldError, did_you_mean
from mdstudy.system.forcefield import ForceField, check_charge_scale, load_force_field

__all__ = ["GEOMETRIC", "TERMS", "energy_terms", "load_force_field", "parameterise"]

#: Force groups by term, in the order in which energies are listed.
TERMS = ("bond", "angle", "dihedral", "coulomb", "lennard_jones")

#: Lennard-Jones energy of a pair under the geometric rule; that of boxes built before it stands second.
GEOMETRIC = ("A1*A2*r^(-12)-B1*B2*r^(-6)", "A1*A2*x*x-B1*B2*x;x=1/r^6")


def parameterise(
    topology: app.Topology,
    force_field: str | Path = "clp-opls",
    *,
    charge_scale: float | None = None,
    cutoff: float | None = None,
    switch: float | None = None,
    hydrogen_mass: float = 3.0,
    ewald_tolerance: float = 5e-4,
    lorentz_berthelot: bool = False,
) -> openmm.System:
    """Make the OpenMM System of a periodic box.

    Bonds to hydrogen are constrained and hydrogens carry mass taken from the
    atom that they are bound to, so that a 4 fs step is stable (Hopkins et al.,
    J. Chem. Theory Comput. 11, 1864 (2015), doi 10.1021/ct5010406). Electrostatics
    is particle-mesh Ewald; Lennard-Jones is switched off between `switch` and
    `cutoff` and completed by the long-range correction to energy and pressure.
    Each force has a name and a group, see :data:`TERMS`. Thermostat, barostat
    and removal of centre-of-mass motion are left to the run.

    Parameters
    ----------
    topology : openmm.app.Topology
        With periodic box vectors; residue and atom names as in the force field.
    force_field : str or Path
        Shipped name or XML file.
    charge_scale : float, optional
        Factor in (0, 1.5] on all charges of residues that carry net charge;
        the file's default if absent. Products in 1-4 pairs scale by its square.
    cutoff, switch : float, optional
        nm; the file's if absent. CL&P is used with 1.2 nm; the switch over the
        last 0.1 nm keeps the force continuous and the correction accounts for it.
    hydrogen_mass : float
        Dalton. With 3 Da a methyl carbon keeps 6 Da.
    ewald_tolerance : float
        OpenMM's relative force error; 5e-4 is its default.
    lorentz_berthelot : bool
        Mix Lennard-Jones by this rule whatever the file says. That is another force field, for boxes in which nothing
        is measured: half the cost on the CPU platform (docs/performance.md).

    Raises
    ------
    SpecError, ForceFieldError
        What :func:`mdstudy.system.forcefield.load_force_field` refuses; a residue, atom or bond that the
        force field does not have; a bond, angle or dihedral without a term (the
        atoms are named); no box, or a box smaller than twice the cutoff.
    """
    field = load_force_field(force_field)
    scale = check_charge_scale(field.charge_scale if charge_scale is None else charge_scale, "charge_scale")
    cutoff = field.cutoff if cutoff is None else cutoff
    switch = min(field.switch, cutoff) if switch is None else switch
    vectors = topology.getPeriodicBoxVectors()
    if vectors is None:
        raise ForceFieldError("the topology has no periodic box: set its box vectors")
    shortest = min(vectors[k][k].value_in_unit(unit.nanometer) for k in range(3))
    if shortest < 2 * cutoff:
        raise ForceFieldError(f"box edge {shortest:.2f} nm is below twice the cutoff ({cutoff} nm): take more atoms")
    _check_residues(topology, field)
    _check_terms(topology, field)
    # OpenMM runs the file's <Script>, which refuses a geometric rule unless told that it is taken care of.
    promise = {"combiningRule": "geometric"} if field.combining_rule == "geometric" else {}
    try:
        system = app.ForceField(str(field.path)).createSystem(
            topology,
            nonbondedMethod=app.PME,
            nonbondedCutoff=cutoff,
            switchDistance=switch,
            constraints=app.HBonds,
            rigidWater=False,
            removeCMMotion=False,
            hydrogenMass=hydrogen_mass,
            ewaldErrorTolerance=ewald_tolerance,
            **promise,
        )
    except (ValueError, KeyError) as error:
        raise ForceFieldError(f"{field.path}: {error}") from error
    nonbonded = next(force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    _scale_charges(nonbonded, topology, field, scale)
    if field.combining_rule == "geometric" and not lorentz_berthelot:
        system.addForce(_mix_geometrically(nonbonded))
    _name_terms(system)
    return system


def _check_residues(topology: app.Topology, field: ForceField) -> None:
    """Every residue has the atoms and bonds of its template, by name."""
    # A residue looks through all bonds of the topology for its own.
    inner: dict[int, set[frozenset[str]]] = {}
    outer: dict[int, Counter[str]] = {}
    for a, b in topology.bonds():
        if a.residue is b.residue:
            inner.setdefault(a.residue.index, set()).add(frozenset((a.name, b.name)))
        else:
            for atom in (a, b):
                outer.setdefault(atom.residue.index, Counter())[atom.name] += 1
    for residue in topology.residues():
        where = f"{field.path}: residue {residue.name} {residue.id}"
        if residue.name not in field.residues:
            atoms = ", ".join(atom.name for atom in residue.atoms())
            hint = did_you_mean(residue.name, field.residues)
            raise ForceFieldError(f"{where} (atoms {atoms}): no such residue.{hint}")
        known, names = field.residues[residue.name].types, Counter(atom.name for atom in residue.atoms())
        for name in names.keys() - known.keys():
            raise ForceFieldError(f"{where}: no atom {name}.{did_you_mean(name, known)}")
        if names != Counter(known.keys()):
            missing = ", ".join(sorted(known.keys() - names.keys())) or "none"
            doubled = ", ".join(sorted(name for name, times in names.items() if times > 1)) or "none"
            raise ForceFieldError(f"{where}: atoms missing: {missing}; atoms present twice: {doubled}")
        inside = inner.get(residue.index, set())
        for bond in sorted(sorted(pair) for pair in inside ^ field.residues[residue.name].bonds):
            fault = "is bonded, but not" if frozenset(bond) in inside else "is not bonded, but is"
            raise ForceFieldError(f"{where}: {'-'.join(bond)} {fault} in the force field")
        outside = outer.get(residue.index, Counter())
        for name in sorted(outside.keys() | field.residues[residue.name].external.keys()):
            wanted = field.residues[residue.name].external[name]
            if outside[name] != wanted:
                found = f"{outside[name]} bonds to other residues instead of {wanted}"
                raise ForceFieldError(f"{where}: atom {name} has {found}")


def _check_terms(topology: app.Topology, field: ForceField) -> None:
    """Every bond, angle and proper dihedral has a term; OpenMM itself would leave a missing one out."""
    seen: set[tuple[str, ...]] = set()

    def need(kind: str, *atoms: app.topology.Atom) -> None:
        types = tuple(field.residues[atom.residue.name].types[atom.name] for atom in atoms)
        if types in seen:
            return
        seen.add(types)
        if not field.has_term(kind, types):
            names = "-".join(f"{a.residue.name}{a.residue.id}:{a.name}" for a in atoms)
            shown = "-".join(field.classes[t] for t in types)
            raise ForceFieldError(f"{field.path}: no {kind} term for atoms {names} (classes {shown})")

    neighbours: dict[app.topology.Atom, list[app.topology.Atom]] = {atom: [] for atom in topology.atoms()}
    for a, b in topology.bonds():
        need("bond", a, b)
        neighbours[a].append(b)
        neighbours[b].append(a)
    for centre, bound in neighbours.items():
        for i, a in enumerate(bound):
            for b in bound[i + 1 :]:
                need("angle", a, centre, b)
    for b, c in topology.bonds():
        for a in neighbours[b]:
            for d in neighbours[c]:
                if a is not c and d is not b and a is not d:
                    need("dihedral", a, b, c, d)


def _scale_charges(force: openmm.NonbondedForce, topology: app.Topology, field: ForceField, scale: float) -> None:
    factor = [scale if field.residues[atom.residue.name].charge else 1.0 for atom in topology.atoms()]
    for i, f in enumerate(factor):
        if f != 1:
            charge, sigma, epsilon = force.getParticleParameters(i)
            force.setParticleParameters(i, charge * f, sigma, epsilon)
    for k in range(force.getNumExceptions()):
        i, j, product, sigma, epsilon = force.getExceptionParameters(k)
        if factor[i] * factor[j] != 1 and product._value:
            force.setExceptionParameters(k, i, j, product * factor[i] * factor[j], sigma, epsilon)


def _mix_geometrically(nonbonded: openmm.NonbondedForce) -> openmm.CustomNonbondedForce:
    """Move Lennard-Jones out of `nonbonded`, which keeps Coulomb and 1-4 pairs (sigma = sqrt(sigma_i sigma_j))."""
    custom = openmm.CustomNonbondedForce(GEOMETRIC[0])
    custom.addPerParticleParameter("A")
    custom.addPerParticleParameter("B")
    custom.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    custom.setCutoffDistance(nonbonded.getCutoffDistance())
    custom.setUseSwitchingFunction(nonbonded.getUseSwitchingFunction())
    custom.setSwitchingDistance(nonbonded.getSwitchingDistance())
    custom.setUseLongRangeCorrection(True)
    nonbonded.setUseDispersionCorrection(False)
    sigmas = np.empty(nonbonded.getNumParticles())
    for i in range(len(sigmas)):
        charge, sigma, epsilon = nonbonded.getParticleParameters(i)
        sigmas[i] = sigma.value_in_unit(unit.nanometer)
        root = 2 * epsilon.value_in_unit(unit.kilojoule_per_mole) ** 0.5
        custom.addParticle([root * sigmas[i] ** 6, root * sigmas[i] ** 3])
        nonbonded.setParticleParameters(i, charge, sigma, 0.0)
    for k in range(nonbonded.getNumExceptions()):
        i, j, product, _, epsilon = nonbonded.getExceptionParameters(k)
        custom.addExclusion(i, j)
        nonbonded.setExceptionParameters(k, i, j, product, (sigmas[i] * sigmas[j]) ** 0.5, epsilon)
    return custom


def _name_terms(system: openmm.System) -> None:
    term_of: dict[type, str] = {
        openmm.HarmonicBondForce: "bond",
        openmm.HarmonicAngleForce: "angle",
        openmm.PeriodicTorsionForce: "dihedral",
        openmm.RBTorsionForce: "dihedral",
        openmm.NonbondedForce: "coulomb",
        openmm.CustomNonbondedForce: "lennard_jones",
    }
    for force in system.getForces():
        if type(force) not in term_of:
            raise ForceFieldError(f"{type(force).__name__}: no force of this kind is supported in a force-field file")
        force.setName(term_of[type(force)])
        force.setForceGroup(TERMS.index(term_of[type(force)]))


def energy_terms(
    system: openmm.System, positions: ArrayLike, platform: str = "Reference", properties: dict[str, str] | None = None
) -> dict[str, float]:
    """Potential energy by term.

    With a geometric rule, "coulomb" holds the 1-4 Lennard-Jones energy too
    (it lives in the exceptions of the NonbondedForce); without one it holds
    all Lennard-Jones energy.

    Parameters
    ----------
    system : openmm.System
        Made by :func:`parameterise`; its default box vectors are used.
    positions : (n_atoms, 3) float array, nm
    platform : str
        OpenMM platform.
    properties : dict of str to str, optional
        Properties of the platform, such as ``{"Precision": "mixed"}``.

    Returns
    -------
    dict of str to float
        kJ/mol by :data:`TERMS`, and "total".
    """
    context = openmm.Context(
        system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName(platform), properties or {}
    )
    context.setPositions(np.asarray(positions, dtype=float))

    def energy(**groups: Any) -> float:
        state = context.getState(getEnergy=True, **groups)
        return float(state.getPotentialEnergy().value_in_unit(unit.kilojoule_per_mole))

    present = {force.getForceGroup() for force in system.getForces()}
    terms = {term: energy(groups={k}) for k, term in enumerate(TERMS) if k in present}
    return terms | {"total": energy()}
