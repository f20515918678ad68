"""Does OpenMM work here as mdstudy uses it, and how fast: python benchmarks/gpu_checklist.py [--platform CUDA].

It needs openmm and numpy alone, makes its own boxes and prints a table in Markdown; less than two minutes on a GPU,
about five on two cores. The boxes hold rigid polar dimers at the number density of an organic liquid (90 atoms/nm^3)
under the forces of a real run: particle-mesh Ewald, and geometric Lennard-Jones, both to 1.2 nm.

The exit code is the number of checks that failed.
"""

from __future__ import annotations

import argparse
import os
import platform as machine
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import openmm

GAS_CONSTANT = 8.31446261815324e-3  # kJ/mol/K
DENSITY, BOND, SIGMA, EPSILON, CHARGE, MASS = 90.0, 0.073, 0.218, 0.3, 0.2, 14.0  # nm, kJ/mol, e, Da
CUTOFF, TIMESTEP, KELVIN, TOLERANCE = 1.2, 0.004, 300.0, 1e-6  # nm, ps, K
ORDER = ("CUDA", "HIP", "OpenCL", "CPU", "Reference")
GPU = ("CUDA", "HIP", "OpenCL")


def box(atoms: int) -> tuple[openmm.System, np.ndarray]:
    """Rigid dimers on a lattice, about so many atoms."""
    edge_count = max(round((atoms / 2) ** (1 / 3)), 10)  # 10: an edge of twice the cutoff
    edge = edge_count * (2 / DENSITY) ** (1 / 3)
    sites = np.array(list(np.ndindex(edge_count, edge_count, edge_count)))
    axes = np.eye(3)[sites.sum(axis=1) % 3] * BOND / 2
    centres = (sites + 0.5) * edge / edge_count
    positions = np.stack([centres - axes, centres + axes], axis=1).reshape(-1, 3)
    system, coulomb = openmm.System(), openmm.NonbondedForce()
    lennard_jones = openmm.CustomNonbondedForce("A1*A2*r^(-12)-B1*B2*r^(-6)")
    for name in ("A", "B"):
        lennard_jones.addPerParticleParameter(name)
    coulomb.setNonbondedMethod(openmm.NonbondedForce.PME)
    lennard_jones.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    for force in (coulomb, lennard_jones):
        force.setCutoffDistance(CUTOFF)
    lennard_jones.setUseSwitchingFunction(True)
    lennard_jones.setSwitchingDistance(CUTOFF - 0.1)
    root = 2 * EPSILON**0.5
    for i in range(len(positions)):
        system.addParticle(MASS)
        coulomb.addParticle(CHARGE * (-1) ** i, 1.0, 0.0)
        lennard_jones.addParticle([root * SIGMA**6, root * SIGMA**3])
    for i in range(0, len(positions), 2):
        system.addConstraint(i, i + 1, BOND)
        coulomb.addException(i, i + 1, 0, 1, 0)
        lennard_jones.addExclusion(i, i + 1)
    system.addForce(coulomb)
    system.addForce(lennard_jones)
    system.addForce(openmm.CMMotionRemover(10))
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * edge))
    return system, positions


def context_of(
    system: openmm.System, name: str, properties: dict[str, str], integrator: openmm.Integrator | None = None
) -> openmm.Context:
    """Context on a platform, with the engine's integrator unless another is given."""
    if integrator is None:
        integrator = openmm.LangevinMiddleIntegrator(KELVIN, 1.0, TIMESTEP)
        integrator.setRandomNumberSeed(7)
    integrator.setConstraintTolerance(TOLERANCE)
    return openmm.Context(system, integrator, openmm.Platform.getPlatformByName(name), properties)


def settled(name: str, properties: dict[str, str], atoms: int, steps: int) -> tuple[openmm.System, openmm.State]:
    """Box after some steps of strong thermostat."""
    system, positions = box(atoms)
    integrator = openmm.LangevinMiddleIntegrator(KELVIN, 20.0, 0.002)
    integrator.setRandomNumberSeed(3)
    context = context_of(system, name, properties, integrator)
    context.setPositions(positions)
    context.setVelocitiesToTemperature(KELVIN, 5)
    integrator.step(steps)
    return system, context.getState(getPositions=True, getVelocities=True)


def placed(
    system: openmm.System, state: openmm.State, name: str, properties: dict[str, str], **more: object
) -> openmm.Context:
    """Context at a state."""
    context = context_of(system, name, properties, **more)  # type: ignore[arg-type]
    context.setPositions(state.getPositions())
    context.setVelocities(state.getVelocities())
    return context


def arrays(context: openmm.Context) -> tuple[np.ndarray, np.ndarray]:
    """Positions and forces."""
    state = context.getState(getPositions=True, getForces=True)
    return np.array(state.getPositions(asNumpy=True)._value), np.array(state.getForces(asNumpy=True)._value)


def pick(wanted: str, precision: str) -> tuple[str, dict[str, str], str]:
    """First platform that makes a context, its properties and its device."""
    system = openmm.System()
    system.addParticle(1.0)
    for name in ORDER if wanted == "auto" else (wanted,):
        properties = {"Precision": precision} if name in GPU else {}
        try:
            found = openmm.Platform.getPlatformByName(name)
            context = openmm.Context(system, openmm.VerletIntegrator(0.001), found, properties)
        except openmm.OpenMMException as error:
            if wanted != "auto":
                raise SystemExit(f"{wanted} does not work here: {error}") from error
            continue
        known = found.getPropertyNames()
        shown = [k for k in ("DeviceName", "OpenCLPlatformName", "Threads") if k in known]
        return name, properties, ", ".join(found.getPropertyValue(context, k) for k in shown)
    raise SystemExit("no platform works")


def processor() -> str:
    """Model of the processor, and how many cores this process may use."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text(encoding="utf-8").splitlines() if info.is_file() else []
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return f"{models[0] if models else machine.machine()}, {os.cpu_count()} cores"


def check_forces(name: str, properties: dict[str, str]) -> tuple[str, bool]:
    """Compare forces with those of Reference, which computes in double precision."""
    system, state = settled("CPU", {}, 2000, 200)
    _, exact = arrays(placed(system, state, "Reference", {}))
    _, found = arrays(placed(system, state, name, properties))
    error = np.sqrt(((found - exact) ** 2).mean() / (exact**2).mean())
    return f"rms difference {error:.1e} of the rms force", bool(error < 1e-4)


def check_drift(name: str, properties: dict[str, str], seconds: float) -> tuple[str, bool | None]:
    """Total energy at constant energy, 2 fs."""
    system, state = settled(name, properties, 2000, 200)
    context = placed(system, state, name, properties, integrator=openmm.VerletIntegrator(0.002))
    freedom = 3 * system.getNumParticles() - system.getNumConstraints() - 3
    began, energies = time.perf_counter(), []
    while time.perf_counter() - began < seconds or len(energies) < 24:
        context.getIntegrator().step(10)
        state = context.getState(getEnergy=True)
        energies.append((state.getPotentialEnergy() + state.getKineticEnergy())._value)
    blocks = np.array([block.mean() for block in np.array_split(energies, 12)])
    length = len(energies) * 0.02
    (slope, _), covariance = np.polyfit(np.arange(12) * length / 12, blocks, 1, cov=True)
    unit = freedom * GAS_CONSTANT * KELVIN / 1e3
    slope, error = slope / unit, covariance[0, 0] ** 0.5 / unit
    words = f"{slope:+.3f} ± {error:.3f} kT/ns per degree of freedom over {length:.1f} ps"
    if error > 0.1:
        return f"{words}: too short to judge", None
    return words, bool(abs(slope) + 2 * error < 0.5)


def check_restart(name: str, properties: dict[str, str]) -> tuple[str, bool]:
    """Two contexts from the XML of one state, with the same seeds."""
    system, state = settled(name, properties, 2000, 50)
    text = openmm.XmlSerializer.serialize(state)
    ends = []
    for _ in range(2):
        context = placed(system, openmm.XmlSerializer.deserialize(text), name, properties)
        context.getIntegrator().step(50)
        ends.append(arrays(context)[0])
    apart = float(np.abs(ends[0] - ends[1]).max())
    same = "the same to the last bit" if apart == 0 else f"at most {apart:.1e} nm apart"
    return f"{same} after 50 steps", apart < 1e-3


def speed(name: str, properties: dict[str, str], atoms: int, seconds: float, ready: bool = False) -> tuple[int, float]:
    """Atoms and ns/day at 4 fs; `ready`: say so, and wait for a line before the clock starts."""
    system, positions = box(atoms)
    context = context_of(system, name, properties)
    context.setPositions(positions)
    context.setVelocitiesToTemperature(KELVIN, 5)
    step = context.getIntegrator().step
    began = time.perf_counter()
    step(2)
    context.getState(getPositions=True)
    chunk = max(1, min(500, round(0.2 * seconds / max((time.perf_counter() - began) / 2, 1e-6))))
    if ready:
        sys.stdout.write("ready\n")
        sys.stdout.flush()
        sys.stdin.readline()
    began, steps = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        step(chunk)
        context.getState(getPositions=True)
        steps += chunk
    return len(positions), steps * TIMESTEP * 1e-3 * 86400 / (time.perf_counter() - began)


def replicas(count: int, arguments: list[str]) -> float:
    """Total ns/day of so many processes that go together."""
    command = [sys.executable, str(Path(__file__).resolve()), "--worker", *arguments]
    together = [
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) for _ in range(count)
    ]
    for process in together:
        assert process.stdout is not None
        if "ready\n" not in iter(process.stdout.readline, ""):  # a platform may say things first
            raise SystemExit("a replica could not start")
    return sum(float(process.communicate("go\n")[0].split()[-1]) for process in together)


def rows(wanted: argparse.Namespace) -> Iterator[tuple[str, str, bool | None]]:
    """Checks and measurements: name, finding, whether it passed."""
    name, properties, device = pick(wanted.platform, wanted.precision)
    yield "hardware", f"{device if name in GPU else processor()}; {machine.system()}", None
    yield "OpenMM", f"{openmm.__version__}, {name}{f', {wanted.precision} precision' if properties else ''}", None
    yield "forces against Reference", *check_forces(name, properties)
    yield "energy drift", *check_drift(name, properties, wanted.seconds)
    yield "restart", *check_restart(name, properties)
    for atoms in wanted.atoms:
        exact, found = speed(name, properties, atoms, wanted.seconds)
        yield f"{exact} atoms", f"{found:.3g} ns/day", None
    alone = None
    for count in wanted.replicas:
        arguments = ["--platform", name, "--precision", wanted.precision, "--seconds", str(wanted.seconds)]
        total = replicas(count, arguments)
        alone = alone or total / count
        yield f"{count} replicas of 4k atoms", f"{total:.3g} ns/day together, {total / alone:.2f} times one", None


def main() -> int:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--platform", default="auto", choices=["auto", *ORDER])
    parser.add_argument("--precision", default="mixed", choices=["single", "mixed", "double"])
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement, about")
    parser.add_argument("--atoms", type=int, nargs="*", default=[4000, 20000, 100000])
    parser.add_argument("--replicas", type=int, nargs="*", default=[1, 2, 4, 8, 16])
    parser.add_argument("--worker", action="store_true", help=argparse.SUPPRESS)
    wanted = parser.parse_args()
    if wanted.worker:
        name, properties, _ = pick(wanted.platform, wanted.precision)
        atoms, found = speed(name, properties, 4000, wanted.seconds, ready=True)
        sys.stdout.write(f"{atoms} {found}\n")
        return 0
    began, failures = time.perf_counter(), 0
    sys.stdout.write("| check | found | |\n|---|---|---|\n")
    for what, found, passed in rows(wanted):
        failures += passed is False
        mark = "" if passed is None else "passed" if passed else "FAILED"
        sys.stdout.write(f"| {what} | {found} | {mark} |\n")
        sys.stdout.flush()
    sys.stdout.write(f"\n{time.perf_counter() - began:.0f} s, {failures} failed\n")
    return failures


if __name__ == "__main__":
    sys.exit(main())
