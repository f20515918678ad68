"""Enthalpy of vaporisation of a pure liquid: its molecules alone under the same potential, beside the liquid.

    dH = <U_gas> - <U_liquid> / N + R T

with potential energies U and N molecules in the box. Kinetic energies cancel, the gas is ideal, the volume of the
liquid and quantum corrections are left out: Wang and Hou, J. Chem. Theory Comput. 7, 2151 (2011), doi
10.1021/ct200142z. The gas is sampled with the thermostat and the time step of production, so that errors of the step
cancel too, from molecules as they stand in the liquid: their conformers may exchange on the way.
"""

from __future__ import annotations

import math

import numpy as np
import openmm
from numpy.typing import NDArray

from mdstudy.analysis.thermodynamics import average, read_log
from mdstudy.base.results import Estimate
from mdstudy.base.units import GAS_CONSTANT
from mdstudy.run.mechanics import load
from mdstudy.run.plan import seed_for
from mdstudy.run.rundir import RunDir
from mdstudy.system.composition import Composition
from mdstudy.system.species import Molecule, load_species

#: Molecules that are taken out of the liquid, and ps for which each is sampled after it has had time to settle.
MOLECULES, LENGTH, SETTLING = 16, 100.0, 20.0
#: ps between samples, and the friction of the gas, 1/ps: nothing else takes energy to and from a molecule alone.
INTERVAL, FRICTION = 0.2, 5.0

_BONDED = {"HarmonicBondForce": ("Bond", 2), "HarmonicAngleForce": ("Angle", 3), "PeriodicTorsionForce": ("Torsion", 4)}


def enthalpy_of_vaporisation(run: RunDir, length: float = LENGTH) -> tuple[Estimate, ...]:
    """Enthalpy of vaporisation of a run at constant pressure; nothing where the box is no pure molecular liquid.

    Parameters
    ----------
    run : RunDir
        With a finished segment of production.
    length : float
        Sampling of each molecule, ps.
    """
    spec = run.read_spec()
    plan, composition = run.read_plan(), Composition.from_dict(spec["composition"])
    if plan.production.ensemble != "npt" or not is_molecular_liquid(composition):
        return ()
    ((_, count),) = composition.molecules.items()
    temperature = float(spec["temperature_K"])
    system = load(run.system_xml)
    end = load(run.segments()[-1] / "end.xml")
    molecules = np.array(end.getPositions(asNumpy=True)._value).reshape(count, -1, 3)
    starts = molecules[np.linspace(0, count - 1, min(MOLECULES, count)).astype(int)]
    gas = sample(
        alone(system, molecules.shape[1]), starts, temperature, plan.production.timestep, length, int(spec["seed"])
    )
    logged = read_log(run.state_files())["potential_kJ_per_mol"] / count
    liquid = average(logged, "enthalpy_of_vaporisation", "box", "kJ/mol", "")
    error = math.hypot(liquid.error, float(gas.std(ddof=1)) / math.sqrt(len(gas)))
    value = float(gas.mean()) - liquid.value + GAS_CONSTANT * temperature
    method = (
        f"mean potential energy of {len(gas)} molecules alone ({length:g} ps each, no cutoff) less that of a molecule "
        "in the liquid, plus RT; ideal gas, no quantum corrections"
    )
    return (
        Estimate(
            *("enthalpy_of_vaporisation", "box", value, error, "kJ/mol", method),
            n_independent=min(liquid.n_independent, float(len(gas))),
            converged=liquid.converged,
            note=liquid.note,
        ),
    )


def is_molecular_liquid(composition: Composition) -> bool:
    """Whether a box holds one kind of neutral molecules, and no polymer."""
    names = list(composition.molecules)
    species = load_species(names[0])
    return len(names) == 1 and isinstance(species, Molecule) and species.charge == 0


def alone(system: openmm.System, atoms: int) -> openmm.System:
    """The first `atoms` atoms of a System by themselves in a vacuum: the same potential, all pairs, no images."""
    molecule = openmm.System()
    for i in range(atoms):
        molecule.addParticle(system.getParticleMass(i))
    for k in range(system.getNumConstraints()):
        i, j, distance = system.getConstraintParameters(k)
        if max(i, j) < atoms:
            molecule.addConstraint(i, j, distance)
    for force in system.getForces():
        part = type(force)(force.getEnergyFunction()) if hasattr(force, "getEnergyFunction") else type(force)()
        if type(force).__name__ in _BONDED:
            _copy(force, part, *_BONDED[type(force).__name__], atoms)
        else:
            part.setNonbondedMethod(part.NoCutoff)
            if isinstance(force, openmm.CustomNonbondedForce):
                for k in range(force.getNumPerParticleParameters()):
                    part.addPerParticleParameter(force.getPerParticleParameterName(k))
                _copy(force, part, "Exclusion", 2, atoms)
            else:
                _copy(force, part, "Exception", 2, atoms)
            for i in range(atoms):
                values = force.getParticleParameters(i)
                part.addParticle(*values) if isinstance(force, openmm.NonbondedForce) else part.addParticle(values)
        molecule.addForce(part)
    return molecule


def _copy(force: openmm.Force, part: openmm.Force, kind: str, length: int, atoms: int) -> None:
    """Copy the rows of a force whose atoms are all among the first."""
    read = getattr(force, f"get{kind}Particles" if kind == "Exclusion" else f"get{kind}Parameters")
    for k in range(getattr(force, f"getNum{kind}s")()):
        row = read(k)
        if max(row[:length]) < atoms:
            getattr(part, f"add{kind}")(*row)


def sample(
    molecule: openmm.System,
    starts: NDArray[np.float64],
    temperature: float,
    timestep: float,
    length: float = LENGTH,
    seed: int = 1,
) -> NDArray[np.float64]:
    """Mean potential energy of a molecule from each of several starts, by Langevin dynamics.

    The integrator is the middle scheme of Zhang et al., J. Phys. Chem. A 123, 6056 (2019), doi
    10.1021/acs.jpca.9b02771, on the Reference platform: the same seed gives the same numbers.

    Parameters
    ----------
    molecule : openmm.System
    starts : (n, n_atoms, 3) float array, nm
    temperature : float
        K.
    timestep, length : float
        ps.
    seed : int

    Returns
    -------
    (n,) float array, kJ/mol
    """
    integrator = openmm.LangevinMiddleIntegrator(temperature, FRICTION, timestep)
    integrator.setRandomNumberSeed(seed_for(seed, "gas", "thermostat"))
    context = openmm.Context(molecule, integrator, openmm.Platform.getPlatformByName("Reference"))
    every = max(1, round(INTERVAL / timestep))
    means = []
    for number, positions in enumerate(starts):
        context.setPositions(positions)
        context.applyConstraints(1e-6)
        context.setVelocitiesToTemperature(temperature, seed_for(seed, f"gas {number}", "velocities"))
        integrator.step(round(SETTLING / timestep))
        energies = []
        for _ in range(max(1, round(length / timestep / every))):
            integrator.step(every)
            energies.append(context.getState(getEnergy=True).getPotentialEnergy()._value)
        means.append(float(np.mean(energies)))
    return np.array(means)
