"""How fast a run goes, against a bare OpenMM loop on the same System and against a script as users write it.

All are measured in turns, several times over, so that another load on the machine meets them alike; medians are
compared, and the spread is shown.
"""

from __future__ import annotations

import math
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from statistics import median

import openmm
from openmm import app

from mdstudy.base.errors import ExportError, RunError
from mdstudy.base.pace import Progress, ns_per_day
from mdstudy.bench import mdrun
from mdstudy.bench.stepping import equipped, production_context, start_state
from mdstudy.run.mechanics import load, place
from mdstudy.run.plan import Stage, seed_for
from mdstudy.run.platforms import Choice, choose
from mdstudy.run.rundir import RunDir
from mdstudy.run.stage import Setup, perform

ENGINE, BARE, NAIVE, GROMACS = "mdstudy", "bare OpenMM", "naive script", "GROMACS"
#: What the naive script does: 2 fs, a DCD frame and a log row every 100 steps, a PDB frame every 1000.
NAIVE_STEP, NAIVE_REPORT, NAIVE_PDB = 0.002, 100, 1000
_WARM_UP = 20  # steps before the clock starts


@dataclass(frozen=True)
class Speed:
    """Speeds of one way to run, ns/day, a number a repeat."""

    name: str
    values: tuple[float, ...]

    @property
    def median(self) -> float:
        """Median over the repeats."""
        return median(self.values)


@dataclass(frozen=True)
class Benchmark:
    """Speeds on one machine.

    Attributes
    ----------
    atoms : int
    where : str
        Platform, in words.
    speeds : tuple of Speed
        Of :data:`ENGINE`, :data:`BARE`, :data:`NAIVE` and, where it could be measured, :data:`GROMACS`.
    start : float
        Seconds that a segment takes before its first step; they are counted in the speed of the engine.
    without_gromacs : str
        Why GROMACS was not measured; empty if it was.
    """

    atoms: int
    where: str
    speeds: tuple[Speed, ...]
    start: float
    without_gromacs: str = ""

    def speed(self, name: str) -> Speed:
        """Find the speeds of one way to run."""
        return next(one for one in self.speeds if one.name == name)

    @property
    def efficiency(self) -> float:
        """Speed of the engine as a share of the bare loop, from ratios within each repeat."""
        pairs = zip(self.speed(ENGINE).values, self.speed(BARE).values, strict=True)
        return median(engine / bare for engine, bare in pairs)

    def table(self) -> tuple[list[str], list[list[str]]]:
        """Header and rows for a person."""
        bare = self.speed(BARE).median
        rows = [
            [
                one.name,
                f"{one.median:.3g}",
                f"{min(one.values):.3g} to {max(one.values):.3g}",
                f"{one.median / bare:.0%}" if one.name != ENGINE else f"{self.efficiency:.1%}",
            ]
            for one in self.speeds
        ]
        return ["way", "ns/day", "range", f"of {BARE}"], rows


def bench(
    directory: str | Path,
    platform: str = "auto",
    device: str | int | None = None,
    precision: str = "mixed",
    *,
    repeats: int = 3,
    seconds: float = 10.0,
    progress: Progress | None = None,
) -> Benchmark:
    """Measure the speed of production of a built run directory, which is left as it is.

    Parameters
    ----------
    directory : str or Path
        Run directory; its last finished state is the start, or its box after a short minimisation.
    platform, device, precision
        See :func:`mdstudy.run.platforms.choose`.
    repeats : int
        Turns.
    seconds : float
        Least time that each measurement takes.
    progress : callable, optional

    Raises
    ------
    RunError
        Not a run directory, or no such platform.
    """
    run_dir = RunDir(Path(directory))
    if not (run_dir.plan.is_file() and run_dir.system_xml.is_file() and run_dir.start_xml.is_file()):
        raise RunError(f"{run_dir.path}: not a built run directory; make one with `mdstudy build`")
    plan = run_dir.read_plan()
    choice = choose(platform, device, precision)
    system = load(run_dir.system_xml)
    topology = _topology(run_dir)
    segment = replace(plan.production.segment(1, draw_velocities=True), box=None)
    state = start_state(run_dir, system, segment, choice)

    block = math.lcm(segment.report_interval, segment.frame_interval)
    pilot = _bare(system, segment, state, choice, _WARM_UP)
    blocks = max(2, math.ceil(seconds / (pilot * block)))
    steps = block * blocks
    starts: list[float] = []

    def engine() -> float:
        per_step, start = _engine(system, segment, state, choice, steps)
        starts.append(start)
        return ns_per_day(segment.timestep, per_step + start / segment.steps)

    ways: dict[str, Callable[[], float]] = {
        ENGINE: engine,
        BARE: lambda: ns_per_day(segment.timestep, _bare(system, segment, state, choice, steps)),
        NAIVE: lambda: ns_per_day(NAIVE_STEP, _naive(system, segment, state, choice, topology, steps)),
    }
    found: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory(prefix="mdstudy-bench-") as folder:
        tpr, reason = _for_gromacs(run_dir, segment, choice, steps, Path(folder))
        if tpr is not None:
            ways[GROMACS] = lambda: mdrun.speed(tpr)
        for turn in range(repeats):
            if progress is not None:
                progress(turn / repeats, f"turn {turn + 1} of {repeats}, {steps} steps each")
            first = turn % len(ways)  # another one first in each turn, so that none has always the cooler processor
            for name in [*list(ways)[first:], *list(ways)[:first]]:
                found.setdefault(name, []).append(ways[name]())
    speeds = tuple(Speed(name, tuple(found[name])) for name in ways)
    return Benchmark(system.getNumParticles(), choice.why, speeds, median(starts), reason)


def _for_gromacs(run_dir: RunDir, segment: Stage, choice: Choice, steps: int, folder: Path) -> tuple[Path | None, str]:
    """Input of GROMACS, or why there is none."""
    if mdrun.program() is None:
        return None, "gmx is not installed"
    if choice.name != "CPU":
        return None, f"it is measured against the CPU platform, not {choice.name}"
    if not run_dir.states():
        return None, "it needs a finished stage to start from; `mdstudy run` makes one"
    try:
        return mdrun.prepare(run_dir, segment, steps, folder), ""
    except (ExportError, RunError) as error:
        return None, str(error)


def _topology(run_dir: RunDir) -> app.Topology:
    if not run_dir.topology.is_file():
        raise RunError(f"{run_dir.topology}: is missing; the naive script writes PDB frames and needs it")
    return app.PDBxFile(str(run_dir.topology)).topology


def _engine(
    system: openmm.System, segment: Stage, state: openmm.State, choice: Choice, steps: int
) -> tuple[float, float]:
    """Seconds a step of the engine with its logs and frames, and seconds before the first step."""
    stage = replace(segment, steps=steps, first_step=0)
    times: list[tuple[int, float]] = []
    began = time.perf_counter()

    def tick(done: int) -> None:
        times.append((done, time.perf_counter()))

    with tempfile.TemporaryDirectory(prefix="mdstudy-bench-") as folder:
        perform(
            stage,
            stage.tries()[0],
            lambda purpose: seed_for(1, "bench", purpose),
            Setup(system, choice, lambda index: ""),  # noqa: ARG005
            state,
            Path(folder),
            None,
            tick,
        )
    first, first_at = times[0]
    per_step = (times[-1][1] - first_at) / (steps - first)
    return per_step, max(0.0, first_at - began - first * per_step)


def _bare(system: openmm.System, segment: Stage, state: openmm.State, choice: Choice, steps: int) -> float:
    """Seconds a step of integrator.step() alone."""
    context = production_context(system, segment, state, choice)
    return _time(context, context.getIntegrator().step, steps)


def _naive(
    system: openmm.System, segment: Stage, state: openmm.State, choice: Choice, topology: app.Topology, steps: int
) -> float:
    """Seconds a step of app.Simulation with the reporters of many tutorials."""
    integrator = openmm.LangevinMiddleIntegrator(segment.temperature[0], segment.friction, NAIVE_STEP)
    simulation = app.Simulation(topology, equipped(system, segment), integrator, choice.platform, choice.properties)
    place(simulation.context, state)
    simulation.context.setVelocitiesToTemperature(segment.temperature[0], 1)
    with tempfile.TemporaryDirectory(prefix="mdstudy-bench-") as folder:
        simulation.reporters += [
            app.DCDReporter(f"{folder}/frames.dcd", NAIVE_REPORT),
            app.PDBReporter(f"{folder}/frames.pdb", NAIVE_PDB),
            app.StateDataReporter(
                f"{folder}/log.csv", NAIVE_REPORT, step=True, potentialEnergy=True, temperature=True, density=True,
                speed=True,
            ),
        ]  # fmt: skip
        seconds = _time(simulation.context, simulation.step, -(-steps // NAIVE_REPORT) * NAIVE_REPORT)
        simulation.reporters.clear()
    return seconds


def _time(context: openmm.Context, step: Callable[[int], None], steps: int) -> float:
    """Seconds a step, after a warm-up; asking for a state waits for what a GPU has still to do."""
    step(_WARM_UP)
    context.getState(getPositions=True)
    began = time.perf_counter()
    step(steps)
    context.getState(getPositions=True)
    return (time.perf_counter() - began) / steps
