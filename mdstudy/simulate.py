"""The run step: carry out the plan of a run directory with OpenMM.

It imports openmm, numpy and what lies below, so that a GPU node needs little:
``python -m mdstudy.simulate DIR``. Running again resumes, or does nothing.

Every stage and every segment starts from the ``end.xml`` before it in a
context of its own with seeds of its own, so that it is a function of its inputs
alone. A killed run therefore resumes onto the trajectory that it would have
made: to the byte where forces are summed in a fixed order (Reference; CPU with
one thread), as an equally valid trajectory elsewhere.

Dynamics is LangevinMiddle (Zhang et al., J. Phys. Chem. A 123, 6056 (2019), doi
10.1021/acs.jpca.9b02771); its velocities are those of the half step, whose
kinetic energy is the one to compare with the thermostat's. Volume moves are
OpenMM's MonteCarloBarostat, which scales the centres of molecules (Chow and
Ferguson, Comput. Phys. Commun. 91, 283 (1995), doi 10.1016/0010-4655(95)00059-O).

Positions are written as integrated, not wrapped. At constant volume molecules
are followed by them directly; a volume move may take whole molecules back into
the box, so that at constant pressure displacements are unwrapped frame by frame.
"""

from __future__ import annotations

import argparse
import copy
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openmm

from mdstudy.errors import MdstudyError, RunError, SimulationError
from mdstudy.mechanics import Frames, Log, mean_volume, name_worst, place
from mdstudy.pace import Pace, Progress, duration, ns_per_day
from mdstudy.plan import Plan, Stage, difference, seed_for
from mdstudy.platforms import Choice, choose
from mdstudy.provenance import sha256, versions, write_json
from mdstudy.rundir import ERROR, RunDir, begin, commit

Seed = Callable[[str], int]
Tick = Callable[[int], None]
#: Exit code after SIGTERM (EX_TEMPFAIL of sysexits.h): start the same command again to go on.
EXIT_TERMINATED = 75
CONSTRAINT_TOLERANCE = 1e-6  # relative; a tenth of OpenMM's default, at no measurable cost
DRIFT_INTERVAL = 10  # steps between removals of the motion of the centre of mass


@dataclass(frozen=True)
class Task:
    """A stage with where its product goes and what it starts from."""

    stage: Stage
    product: Path
    start: Path
    mean_log: Path | None

    def origin(self, seed: int, system_hash: str) -> dict[str, Any]:
        """All that the product is a function of."""
        return {**asdict(self.stage), "seed": seed, "system": system_hash, "start": sha256(self.start)}


def tasks(run_dir: RunDir, plan: Plan) -> list[Task]:
    """Every stage and segment of a plan in order."""
    made: list[Task] = []
    start = run_dir.start_xml
    products = [*run_dir.stages(), *(run_dir.segment(k + 1) for k in range(plan.production.segments))]
    for stage, product in zip([*plan.stages, *plan.segments()], products, strict=True):
        log = None if stage.mean_of is None else run_dir.stage(stage.mean_of) / "state.csv"
        made.append(Task(stage, product, start, log))
        start = product / "end.xml"
    return made


def run(
    directory: str | Path,
    platform: str = "auto",
    device: str | int | None = None,
    precision: str = "mixed",
    progress: Progress | None = None,
) -> str:
    """Carry out what is left of the plan of a run directory.

    Parameters
    ----------
    directory : str or Path
        With ``box/system.xml``, ``box/start.xml`` and ``plan.json``.
    platform, device, precision
        See :func:`mdstudy.platforms.choose`.
    progress : callable, optional
        Called with the fraction of the plan that is done and a line of text.

    Returns
    -------
    str
        One line that says what was done, where and how fast.

    Raises
    ------
    RunError
        Not a run directory, or plan or System differ from what the finished part was made with.
    LockedError
        Another process runs it.
    SimulationError
        The simulation blew up; names the atoms. The next start tries again from the last good state.
    """
    run_dir = RunDir(Path(directory))
    missing = [path for path in (run_dir.plan, run_dir.system_xml, run_dir.start_xml) if not path.is_file()]
    if missing:
        raise RunError(f"{run_dir.path}: not ready to run: no {missing[0].relative_to(run_dir.path)}")
    with run_dir.lock():
        plan = Plan.from_json(run_dir.plan.read_text(encoding="utf-8"))
        todo = _left(tasks(run_dir, plan), plan.seed, sha256(run_dir.system_xml))
        if not todo:
            return f"already done: {plan.production.time / 1e3:g} ns in {plan.production.frames} frames"
        choice = choose(platform, device, precision)
        if progress is not None:
            progress(0.0, choice.why)
        return _carry_out(run_dir, plan, todo, choice, progress)


def _left(planned: Sequence[Task], seed: int, system_hash: str) -> list[Task]:
    """Tasks still to do; the finished ones must be a whole beginning made from the same inputs."""
    done = [task.product.is_dir() for task in planned]
    count = done.index(False) if False in done else len(done)
    if any(done[count:]):
        later = next(t for t, d in zip(planned[count:], done[count:], strict=True) if d)
        raise RunError(f"{planned[count].product}: is missing, but {later.product.name} after it exists: remove that")
    for task in planned[:count]:
        try:
            made_from = json.loads((task.product / "done.json").read_text(encoding="utf-8"))["made_from"]
        except (OSError, ValueError, KeyError) as error:
            raise RunError(f"{task.product / 'done.json'}: cannot be read: {error}") from error
        now = json.loads(json.dumps(task.origin(seed, system_hash)))
        if changed := difference(made_from, now):
            raise RunError(f"{task.product}: was made from other inputs: {changed}. Build a new directory for that.")
    return list(planned[count:])


def _carry_out(run_dir: RunDir, plan: Plan, todo: list[Task], choice: Choice, progress: Progress | None) -> str:
    system = openmm.XmlSerializer.deserialize(run_dir.system_xml.read_text(encoding="utf-8"))
    system_hash = sha256(run_dir.system_xml)
    started = datetime.now(UTC).isoformat(timespec="seconds")
    records = json.loads(run_dir.log.read_text(encoding="utf-8")) if run_dir.log.is_file() else []
    record: dict[str, Any] = {
        "started": started,
        "host": socket.gethostname(),
        "process": os.getpid(),
        "platform": choice.name,
        "properties": choice.properties,
        "why": choice.why,
        "versions": versions(),
        "outcome": "not ended",
        "stages": {},
    }
    records.append(record)
    write_json(run_dir.log, records)
    total = sum(stage.steps for stage in [*plan.stages, *plan.segments()])
    pace = Pace(progress, total, total - sum(task.stage.steps for task in todo))
    began, speed = time.monotonic(), 0.0
    try:
        for task in todo:
            seconds = _carry_out_task(task, plan.seed, system_hash, system, choice, pace)
            speed = ns_per_day(task.stage.timestep, seconds / max(task.stage.steps, 1))
            name = f"{task.product.parent.name}/{task.product.name}"
            record["stages"][name] = {"seconds": round(seconds, 2)}
            if task.stage.kind != "minimise":
                record["stages"][name]["ns_per_day"] = round(speed, 2)
        record["outcome"] = "done"
    except BaseException as error:
        record["outcome"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        record["seconds"] = round(time.monotonic() - began, 1)
        write_json(run_dir.log, records)
    return (
        f"done: {plan.production.time / 1e3:g} ns in {plan.production.frames} frames, "
        f"{speed:.3g} ns/day, {duration(time.monotonic() - began)} on {choice.why}"
    )


def _carry_out_task(
    task: Task, seed: int, system_hash: str, system: openmm.System, choice: Choice, pace: Pace
) -> float:
    """Make one product whole; the seconds that its dynamics took."""
    origin = task.origin(seed, system_hash)
    state = openmm.XmlSerializer.deserialize(task.start.read_text(encoding="utf-8"))
    volume = None if task.mean_log is None else mean_volume(task.mean_log)
    timestep = task.stage.timestep if task.stage.kind != "minimise" else 0.0
    part = begin(task.product)
    began = time.monotonic()

    def own_seed(purpose: str) -> int:
        return seed_for(seed, task.product.name, purpose)

    def tick(steps: int) -> None:
        pace.advance(steps, task.product.name, timestep)

    try:
        end = perform(task.stage, own_seed, system, state, choice, part, volume, tick)
    except SimulationError as error:
        message = f"{task.product}: {error}"
        (part / ERROR).write_text(message + "\n", encoding="utf-8")
        raise SimulationError(message) from error
    seconds = time.monotonic() - began
    (part / "end.xml").write_text(openmm.XmlSerializer.serialize(end), encoding="utf-8")
    write_json(part / "done.json", {"made_from": origin, "seconds": round(seconds, 2), "platform": choice.name})
    commit(part)
    return seconds


def perform(
    stage: Stage,
    seed: Seed,
    system: openmm.System,
    state: openmm.State,
    choice: Choice,
    folder: Path,
    volume: float | None,
    tick: Tick,
) -> openmm.State:
    """Carry out one stage.

    Parameters
    ----------
    stage : Stage
        What to do.
    seed : callable
        Seed for a purpose.
    system : openmm.System
        Without thermostat, barostat and removal of centre-of-mass motion.
    state : openmm.State
        Positions and box, and velocities unless the stage draws them.
    choice : Choice
        Platform.
    folder : Path
        Where ``state.csv`` and, if the stage has frames, ``frames.xtc`` are written.
    volume : float or None
        Volume in nm^3 that the box is set to first.
    tick : callable
        Called with the number of steps done since it was called last.

    Returns
    -------
    openmm.State
        Positions, velocities and box at the end.

    Raises
    ------
    SimulationError
        An energy or a force is not a number; names the atoms with the largest forces.
    """
    with (folder / "state.csv").open("w", encoding="utf-8", newline="") as file:
        context = choice.context(_equip(system, stage, seed), _integrator(stage, seed))
        place(context, state, volume)
        context.setStepCount(stage.first_step)
        context.setTime(stage.first_step * stage.timestep)
        dynamics = stage.kind != "minimise"
        log = Log(file, context.getSystem(), stage.timestep if dynamics else 0.0)
        if not dynamics:
            return _minimise(context, stage, log, tick)
        if stage.draw_velocities:
            context.applyConstraints(CONSTRAINT_TOLERANCE)
            context.setVelocitiesToTemperature(stage.temperature[0], seed("velocities"))
        else:
            context.setVelocities(state.getVelocities(asNumpy=True))
        frames = None
        if stage.frame_interval:
            first = stage.first_step + stage.frame_interval
            frames = Frames(folder / "frames.xtc", system, stage.timestep, first, stage.frame_interval)
        return _integrate(context, stage, log, frames, tick)


def _equip(system: openmm.System, stage: Stage, seed: Seed) -> openmm.System:
    """Add the barostat and the removal of drift to a copy of a System."""
    ours = (openmm.MonteCarloBarostat, openmm.CMMotionRemover, openmm.AndersenThermostat)
    if found := [type(force).__name__ for force in system.getForces() if isinstance(force, ours)]:
        raise RunError(f"box/system.xml: holds a {found[0]}; thermostat, barostat and drift belong to the plan")
    equipped = copy.deepcopy(system)
    if stage.pressure is not None:
        barostat = openmm.MonteCarloBarostat(stage.pressure[0], stage.temperature[0], stage.barostat_interval)
        barostat.setRandomNumberSeed(seed("barostat"))
        equipped.addForce(barostat)
    if stage.remove_drift:
        equipped.addForce(openmm.CMMotionRemover(DRIFT_INTERVAL))
    return equipped


def _integrator(stage: Stage, seed: Seed) -> openmm.LangevinMiddleIntegrator:
    integrator = openmm.LangevinMiddleIntegrator(stage.temperature[0], stage.friction, stage.timestep)
    integrator.setRandomNumberSeed(seed("thermostat"))
    integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
    return integrator


def _minimise(context: openmm.Context, stage: Stage, log: Log, tick: Tick) -> openmm.State:
    start = context.getState(getPositions=True)
    try:
        openmm.LocalEnergyMinimizer.minimize(context, maxIterations=stage.steps)
        end = context.getState(getPositions=True, getVelocities=True, getEnergy=True)
        log.write(end, stage.steps)
    except (openmm.OpenMMException, FloatingPointError) as error:
        raise SimulationError(f"minimisation failed: {_first_line(error)}; {name_worst(context, start)}") from error
    tick(stage.steps)
    return end


def _integrate(context: openmm.Context, stage: Stage, log: Log, frames: Frames | None, tick: Tick) -> openmm.State:
    integrator = context.getIntegrator()
    good, done = context.getState(getPositions=True, getVelocities=True), 0
    for step in _events(stage):
        if done % stage.report_interval == 0:
            _ramp(context, stage, done)
        try:
            integrator.step(step - done)
            reports = step % stage.report_interval == 0
            state = context.getState(getPositions=True, getVelocities=reports, getEnergy=reports)
            if reports:
                log.write(state, stage.first_step + step)
            if frames is not None and step % stage.frame_interval == 0:
                frames.write(state)
        except (openmm.OpenMMException, FloatingPointError, ValueError) as error:
            raise SimulationError(
                f"blew up within step {step} ({_first_line(error)}); {name_worst(context, good, stage.report_interval)}"
            ) from error
        if reports:
            good = state
        tick(step - done)
        done = step
    return good


def _events(stage: Stage) -> Iterator[int]:
    """Steps at which something is written, in order."""
    reports = range(stage.report_interval, stage.steps + 1, stage.report_interval)
    frames = range(stage.frame_interval, stage.steps + 1, stage.frame_interval) if stage.frame_interval else ()
    yield from sorted({*reports, *frames})


def _ramp(context: openmm.Context, stage: Stage, done: int) -> None:
    """Set thermostat and barostat to the middle of the report interval that begins."""
    share = (done + stage.report_interval / 2) / stage.steps
    temperature = stage.temperature[0] + share * (stage.temperature[1] - stage.temperature[0])
    if stage.temperature[0] != stage.temperature[1]:
        context.getIntegrator().setTemperature(temperature)
    if stage.pressure is not None:
        pressure = stage.pressure[0] + share * (stage.pressure[1] - stage.pressure[0])
        context.setParameter(openmm.MonteCarloBarostat.Pressure(), pressure)
        context.setParameter(openmm.MonteCarloBarostat.Temperature(), temperature)


def _first_line(error: Exception) -> str:
    return str(error).strip().splitlines()[0]


def exit_on_sigterm() -> None:
    """Turn SIGTERM into a clean exit with :data:`EXIT_TERMINATED` after the current few steps.

    The unfinished product stays behind as ``NAME.part`` and is made again.
    """

    def leave(number: int, frame: object) -> None:
        del number, frame
        raise SystemExit(EXIT_TERMINATED)

    signal.signal(signal.SIGTERM, leave)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the run step.

    Returns
    -------
    int
        0 when all is done, 1 on an error, :data:`EXIT_TERMINATED` after SIGTERM (raised as SystemExit).
    """
    parser = argparse.ArgumentParser(prog="python -m mdstudy.simulate", description="Run, or resume, a built box.")
    parser.add_argument("directory", type=Path, help="run directory made by `mdstudy build`")
    parser.add_argument("--platform", default="auto", help="auto, CUDA, HIP, OpenCL, CPU or Reference")
    parser.add_argument("--device", help="GPU index, for example 0")
    parser.add_argument("--precision", default="mixed", choices=["single", "mixed", "double"], help="on GPUs")
    wanted = parser.parse_args(arguments)
    live = sys.stderr.isatty()

    def progress(fraction: float, text: str) -> None:
        line = f"{fraction:6.1%}  {text}"
        sys.stderr.write(f"\r\033[K{line}" if live and fraction else f"{line}\n")
        sys.stderr.flush()

    exit_on_sigterm()
    try:
        outcome = run(wanted.directory, wanted.platform, wanted.device, wanted.precision, progress)
    except MdstudyError as error:
        sys.stderr.write(f"{chr(10) if live else ''}{error}\n")
        return 1
    sys.stderr.write(f"{chr(10) if live else ''}{wanted.directory}: {outcome}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
