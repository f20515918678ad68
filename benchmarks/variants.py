"""What other forms of the same System cost: python benchmarks/variants.py RUN_DIR [--steps 20] [--rounds 5].

Each variant states the forces of a box with a geometric Lennard-Jones rule in another way; its forces are first set
beside those of the System as built, then all are timed in turns. Medians, with the range of the ratios to the System
as built within each turn, so that another load on the machine meets all alike. On the processor, time is processor
time: run it with OPENMM_CPU_THREADS=1.
"""

from __future__ import annotations

import argparse
import copy
import sys
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import numpy as np
import openmm

from mdstudy.run.mechanics import equip, load, place
from mdstudy.run.platforms import Choice, choose
from mdstudy.run.rundir import RunDir

COULOMB = 138.935456  # kJ mol^-1 nm e^-2, as in OpenMM
FACTORED = "A1*A2*x*x-B1*B2*x;x=1/r^6"


def parts(system: openmm.System) -> tuple[openmm.NonbondedForce, openmm.CustomNonbondedForce]:
    """Coulomb and Lennard-Jones forces of a System."""
    forces = system.getForces()
    coulomb = next(force for force in forces if isinstance(force, openmm.NonbondedForce))
    return coulomb, next(force for force in forces if isinstance(force, openmm.CustomNonbondedForce))


def remove(system: openmm.System, kind: type) -> None:
    """Remove the one force of a kind."""
    system.removeForce(next(i for i, force in enumerate(system.getForces()) if isinstance(force, kind)))


def expression(text: str) -> Callable[[openmm.System], None]:
    """Another expression of the same parameters."""
    return lambda system: parts(system)[1].setEnergyFunction(text)


def sigma_and_epsilon(system: openmm.System) -> None:
    """The textbook form with two square roots a pair."""
    custom = parts(system)[1]
    custom.setEnergyFunction("4*sqrt(A1*A2)*(x*x-x);x=(sqrt(B1*B2)/r)^6")
    custom.setPerParticleParameterName(0, "A")
    for i in range(custom.getNumParticles()):
        a, b = custom.getParticleParameters(i)  # 2 sqrt(eps) sigma^6, 2 sqrt(eps) sigma^3
        sigma, root = ((a / b) ** (1 / 3), b * b / a / 2) if b else (0.1, 0.0)
        custom.setParticleParameters(i, [root**2, sigma])


def lennard_jones_inside(system: openmm.System) -> None:
    """One NonbondedForce with Lorentz-Berthelot mixing: other forces, the least cost that there is."""
    coulomb, custom = parts(system)
    for i in range(custom.getNumParticles()):
        a, b = custom.getParticleParameters(i)
        charge = coulomb.getParticleParameters(i)[0]
        coulomb.setParticleParameters(i, charge, *(((a / b) ** (1 / 3), (b * b / a / 2) ** 2) if b else (0.1, 0.0)))
    coulomb.setUseSwitchingFunction(True)
    coulomb.setSwitchingDistance(custom.getSwitchingDistance())
    remove(system, openmm.CustomNonbondedForce)


def per_type(system: openmm.System) -> None:
    """Coefficients looked up by the types of the pair, as for pair-specific parameters."""
    old = parts(system)[1]
    pairs = [tuple(old.getParticleParameters(i)) for i in range(old.getNumParticles())]
    types = sorted(set(pairs))
    a, b = np.array(types).T
    custom = openmm.CustomNonbondedForce("a(t1,t2)*x*x-b(t1,t2)*x;x=1/r^6")
    for name, values in (("a", np.outer(a, a)), ("b", np.outer(b, b))):
        custom.addTabulatedFunction(name, openmm.Discrete2DFunction(len(types), len(types), values.ravel().tolist()))
    custom.addPerParticleParameter("t")
    for pair in pairs:
        custom.addParticle([types.index(pair)])
    _like(custom, old)
    remove(system, openmm.CustomNonbondedForce)
    system.addForce(custom)


def tabulated_switch(system: openmm.System) -> None:
    """Switched powers of the distance from splines."""
    old = parts(system)[1]
    start, end = old.getSwitchingDistance()._value, old.getCutoffDistance()._value
    r = np.linspace(0.15, end, 2000)
    t = np.clip((r - start) / (end - start), 0, 1)
    switch = 1 - 10 * t**3 + 15 * t**4 - 6 * t**5
    custom = openmm.CustomNonbondedForce("A1*A2*f(r)-B1*B2*g(r)")
    custom.addTabulatedFunction("f", openmm.Continuous1DFunction((switch * r**-12).tolist(), r[0], r[-1]))
    custom.addTabulatedFunction("g", openmm.Continuous1DFunction((switch * r**-6).tolist(), r[0], r[-1]))
    for name in ("A", "B"):
        custom.addPerParticleParameter(name)
    for i in range(old.getNumParticles()):
        custom.addParticle(old.getParticleParameters(i))
    _like(custom, old, switch=False)
    remove(system, openmm.CustomNonbondedForce)
    system.addForce(custom)


def one_pass(table: bool) -> Callable[[openmm.System], None]:
    """Reciprocal space alone in the NonbondedForce, all pairs in one custom force with erfc, exclusions as bonds."""

    def change(system: openmm.System) -> None:
        coulomb, old = parts(system)
        context = openmm.Context(
            copy.deepcopy(system), openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("CPU")
        )
        alpha, *grid = next(
            force.getPMEParametersInContext(context)
            for force in context.getSystem().getForces()
            if isinstance(force, openmm.NonbondedForce)
        )
        alpha = getattr(alpha, "_value", alpha)
        coulomb.setPMEParameters(alpha, *grid)
        start, end = old.getSwitchingDistance()._value, old.getCutoffDistance()._value
        screened = "e(r)" if table else f"{COULOMB}*erfc({alpha}*r)/r"
        custom = openmm.CustomNonbondedForce(
            f"q1*q2*{screened}+s*(A1*A2*x*x-B1*B2*x);x=1/r^6;s=1-t*t*t*(10-t*(15-6*t));"
            f"t=max(0,(r-{start})/{end - start})"
        )
        if table:
            r = np.linspace(0.1, end, 4000)
            from scipy.special import erfc

            custom.addTabulatedFunction(
                "e", openmm.Continuous1DFunction((COULOMB * erfc(alpha * r) / r).tolist(), r[0], r[-1])
            )
        bonds = openmm.CustomBondForce(f"{COULOMB}*(p-q*erf({alpha}*r))/r+4*epsilon*(x*x-x);x=(sigma/r)^6")
        for name in ("p", "q", "sigma", "epsilon"):
            bonds.addPerBondParameter(name)
        for name in ("A", "B", "q"):
            custom.addPerParticleParameter(name)
        charges = [coulomb.getParticleParameters(i)[0]._value for i in range(coulomb.getNumParticles())]
        for i, charge in enumerate(charges):
            custom.addParticle([*old.getParticleParameters(i), charge])
        for k in range(coulomb.getNumExceptions()):
            i, j, product, sigma, epsilon = coulomb.getExceptionParameters(k)
            bonds.addBond(i, j, [product._value, charges[i] * charges[j], max(sigma._value, 1e-3), epsilon._value])
        bonds.setUsesPeriodicBoundaryConditions(True)
        _like(custom, old, switch=False)
        coulomb.setIncludeDirectSpace(False)
        remove(system, openmm.CustomNonbondedForce)
        system.addForce(custom)
        system.addForce(bonds)

    return change


def _like(custom: openmm.CustomNonbondedForce, old: openmm.CustomNonbondedForce, switch: bool = True) -> None:
    custom.setNonbondedMethod(old.getNonbondedMethod())
    custom.setCutoffDistance(old.getCutoffDistance())
    custom.setUseSwitchingFunction(switch)
    custom.setSwitchingDistance(old.getSwitchingDistance())
    for k in range(old.getNumExclusions()):
        custom.addExclusion(*old.getExclusionParticles(k))


def ewald_tolerance(value: float) -> Callable[[openmm.System], None]:
    """Another error of the mesh, which also moves work between direct and reciprocal space."""
    return lambda system: parts(system)[0].setEwaldErrorTolerance(value)


def no_switch(system: openmm.System) -> None:
    """Lennard-Jones cut off: other forces beyond the switching distance."""
    parts(system)[1].setUseSwitchingFunction(False)


def coulomb_cutoff(value: float) -> Callable[[openmm.System], None]:
    """A shorter direct space of Coulomb alone, with a finer mesh for the same tolerance."""

    def change(system: openmm.System) -> None:
        parts(system)[0].setUseSwitchingFunction(False)  # of its Lennard-Jones part, which is empty
        parts(system)[0].setCutoffDistance(value)

    return change


def barostat(interval: int) -> Callable[[openmm.System], None]:
    """Volume moves."""
    return lambda system: system.addForce(openmm.MonteCarloBarostat(1.0, 298.15, interval)) and None


VARIANTS: dict[str, Callable[[openmm.System], object]] = {
    "as built": lambda system: None,  # noqa: ARG005
    "square roots": sigma_and_epsilon,
    "factored by Horner": expression("(A1*A2*x-B1*B2)*x;x=1/r^6"),
    "powers by hand": expression("(A1*A2*x-B1*B2)*x;x=y*y*y;y=1/(r*r)"),
    "one power, x = 1/r^6": expression(FACTORED),
    "negative powers": expression("A1*A2*r^(-12)-B1*B2*r^(-6)"),
    "no switch": no_switch,
    "coefficients per type": per_type,
    "splines": tabulated_switch,
    "one pass, erfc": one_pass(table=False),
    "one pass, spline": one_pass(table=True),
    "Lorentz-Berthelot inside": lennard_jones_inside,
    "Coulomb to 1.0 nm": coulomb_cutoff(1.0),
    "Coulomb to 0.8 nm": coulomb_cutoff(0.8),
    "Ewald tolerance 1e-3": ewald_tolerance(1e-3),
    "Ewald tolerance 1e-4": ewald_tolerance(1e-4),
    "barostat every 25": barostat(25),
    "barostat every 100": barostat(100),
}


def forces_of(context: openmm.Context) -> np.ndarray:
    """Force on each atom, kJ/mol/nm."""
    return np.array(context.getState(getForces=True).getForces(asNumpy=True)._value)


def main() -> int:
    """Set forces side by side, time in turns and print a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("directory", type=Path)
    parser.add_argument("--platform", default="auto")
    parser.add_argument("--steps", type=int, default=25)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", nargs="*", choices=VARIANTS)
    wanted = parser.parse_args()
    run_dir, choice = RunDir(wanted.directory), choose(wanted.platform)
    system = load(run_dir.system_xml)
    done = [f for f in [*run_dir.stages(), *run_dir.segments()] if (f / "end.xml").is_file()]
    state = load(done[-1] / "end.xml" if done else run_dir.start_xml)
    contexts = {
        name: _context(system, state, choice, change)
        for name, change in VARIANTS.items()
        if not wanted.only or name in wanted.only or name == "as built"
    }
    base = forces_of(contexts["as built"])
    scale = np.sqrt((base**2).sum(axis=1).mean())
    errors = {
        name: float(np.sqrt(((forces_of(context) - base) ** 2).sum(axis=1).mean()) / scale)
        for name, context in contexts.items()
    }
    clock = time.process_time if choice.name in ("CPU", "Reference") else time.perf_counter
    times: dict[str, list[float]] = {name: [] for name in contexts}
    for turn in range(wanted.rounds + 1):
        for name, context in contexts.items():
            began = clock()
            context.getIntegrator().step(wanted.steps)
            context.getState(getPositions=True)
            if turn:  # the first warms up
                times[name].append((clock() - began) / wanted.steps)
    say = sys.stdout.write
    say(f"{system.getNumParticles()} atoms, {choice.why}\n\n")
    say("| variant | ms/step | speed against as built | range | rms force difference |\n|---|---|---|---|---|\n")
    for name, values in times.items():
        ratios = [a / b for a, b in zip(times["as built"], values, strict=True)]
        say(
            f"| {name} | {median(values) * 1e3:.1f} | {median(ratios):.2f} | {min(ratios):.2f} to {max(ratios):.2f} "
            f"| {errors[name]:.1e} |\n"
        )
    return 0


def _context(
    system: openmm.System, state: openmm.State, choice: Choice, change: Callable[[openmm.System], object]
) -> openmm.Context:
    changed = equip(system)
    change(changed)
    integrator = openmm.LangevinMiddleIntegrator(298.15, 1.0, 0.004)
    integrator.setRandomNumberSeed(1)
    context = choice.context(changed, integrator)
    place(context, state)
    context.setVelocities(state.getVelocities())
    return context


if __name__ == "__main__":
    sys.exit(main())
