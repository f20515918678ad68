"""The run step: carry out the plan of a run directory with OpenMM.

It imports openmm, numpy and what lies below, so that a GPU node needs little:
``python -m mdstudy.run.simulate DIR``. Running again resumes, or does nothing.

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

A stage that blows up is tried again more gently (:meth:`mdstudy.run.plan.Stage.tries`)
from the same start with the same seeds, so that what comes out is still a
function of the inputs; ``done.json`` and ``run.json`` say what was tried.

Positions are written as integrated, not wrapped. At constant volume molecules
are followed by them directly; a volume move may take whole molecules back into
the box, so that at constant pressure displacements are unwrapped frame by frame.
"""

from __future__ import annotations

import argparse
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

from mdstudy.base.errors import MdstudyError, RunError, SimulationError
from mdstudy.base.pace import Pace, Progress, duration, ns_per_day, progress_line
from mdstudy.base.provenance import sha256, versions, write_json
from mdstudy.base.stationarity import judge
from mdstudy.run.diagnosis import Describe, atom_words, name_worst, require_finite
from mdstudy.run.mechanics import Frames, Log, equip, load, mean_volume, place, relax
from mdstudy.run.plan import Plan, Stage, Try, completed, difference, seed_for
from mdstudy.run.platforms import Choice, choose
from mdstudy.run.rundir import ERROR, RunDir, begin, check, commit, require_whole, seal

Seed = Callable[[str], int]
Tick = Callable[[int], None]
#: Exit code after SIGTERM (EX_TEMPFAIL of sysexits.h): start the same command again to go on.
EXIT_TERMINATED = 75
CONSTRAINT_TOLERANCE = 1e-6  # relative; a tenth of OpenMM's default, at no measurable cost
DRIFT_INTERVAL = 10  # steps between removals of the motion of the centre of mass
RELAX_ITERATIONS = 1000  # at most, where a stage that blew up is minimised again


@dataclass(frozen=True)
class Task:
    """A stage with where its product goes and what it starts from."""

    stage: Stage
    product: Path
    start: Path
    mean_log: Path | None

    @property
    def name(self) -> str:
        """Name of the product within the run directory."""
        return f"{self.product.parent.name}/{self.product.name}"

    def origin(self, seed: int, system_hash: str) -> dict[str, Any]:
        """All that the product is a function of."""
        return {**asdict(self.stage), "seed": seed, "system": system_hash, "start": sha256(self.start)}


@dataclass(frozen=True)
class Setup:
    """What all stages of a start share: System, platform, and words for an atom that is at fault."""

    system: openmm.System
    choice: Choice
    describe: Describe


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
        See :func:`mdstudy.run.platforms.choose`.
    progress : callable, optional
        Called with the fraction of the plan that is done and a line of text.

    Returns
    -------
    str
        One line that says what was done, where and how fast.

    Raises
    ------
    RunError
        Not a run directory; plan or System differ from what the finished part was made with; a
        finished file is damaged; a file cannot be written (a full disk, for example).
    LockedError
        Another process runs it.
    SimulationError
        The simulation blew up; names the atoms. The next start tries again from the last good state.
    """
    run_dir = RunDir(Path(directory))
    missing = [path for path in (run_dir.plan, run_dir.system_xml, run_dir.start_xml) if not path.is_file()]
    if missing:
        raise RunError(f"{run_dir.path}: not ready to run: no {missing[0].relative_to(run_dir.path)}")
    try:
        with run_dir.lock():
            plan = Plan.from_json(run_dir.plan.read_text(encoding="utf-8"))
            todo = _left(tasks(run_dir, plan), plan.seed, sha256(run_dir.system_xml))
            if not todo:
                return f"already done: {plan.production.time / 1e3:g} ns in {plan.production.frames} frames"
            choice = choose(platform, device, precision)
            if progress is not None:
                progress(0.0, choice.why)
            return _carry_out(run_dir, plan, todo, choice, progress)
    except OSError as error:
        raise RunError(f"{run_dir.path}: {error}. What is finished is whole; mend that and start again.") from error


def _left(planned: Sequence[Task], seed: int, system_hash: str) -> list[Task]:
    """Tasks still to do; the finished ones must be unharmed and a whole beginning made from the same inputs."""
    done = [task.product.is_dir() for task in planned]
    count = done.index(False) if False in done else len(done)
    if any(done[count:]):
        later = next(t for t, d in zip(planned[count:], done[count:], strict=True) if d)
        raise RunError(f"{planned[count].product}: is missing, but {later.product.name} after it exists: remove that")
    for task in planned[:count]:
        record = check(task.product)
        now = json.loads(json.dumps(task.origin(seed, system_hash)))
        if changed := difference(completed(record["made_from"]), now):
            raise RunError(f"{task.product}: was made from other inputs: {changed}. Build a new directory for that.")
    return list(planned[count:])


def _carry_out(run_dir: RunDir, plan: Plan, todo: list[Task], choice: Choice, progress: Progress | None) -> str:
    setup = Setup(load(run_dir.system_xml), choice, atom_words(run_dir.topology, run_dir.box / "start.pdb"))
    system_hash = sha256(run_dir.system_xml)
    records = json.loads(run_dir.log.read_text(encoding="utf-8")) if run_dir.log.is_file() else []
    record: dict[str, Any] = {
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
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
            made = _carry_out_task(task, plan.seed, system_hash, setup, pace)
            record["stages"][task.name] = made
            speed = made.get("ns_per_day", speed)
        record["outcome"] = "done"
    except BaseException as error:
        record["outcome"] = f"{type(error).__name__}: {error}"
        raise
    finally:
        record["seconds"] = round(time.monotonic() - began, 1)
        write_json(run_dir.log, records)
    return (
        f"done: {plan.production.time / 1e3:g} ns in {plan.production.frames} frames, {speed:.3g} ns/day, "
        f"{duration(time.monotonic() - began)} on {choice.why}{_unsettled(run_dir, plan)}"
    )


def _unsettled(run_dir: RunDir, plan: Plan) -> str:
    """Say which stages ended at their limit without becoming stationary."""
    names = [
        folder.name
        for stage, folder in zip(plan.stages, run_dir.stages(), strict=True)
        if stage.until is not None
        and not json.loads((folder / "done.json").read_text(encoding="utf-8"))["equilibration"]["stationary"]
    ]
    return (
        f"; NOT EQUILIBRATED: {', '.join(names)} reached the limit of time before becoming stationary" if names else ""
    )


def _carry_out_task(task: Task, seed: int, system_hash: str, setup: Setup, pace: Pace) -> dict[str, Any]:
    """Make one product whole, trying more gently if it blows up; what run.json says of it."""
    stage = task.stage
    record: dict[str, Any] = {"made_from": task.origin(seed, system_hash)}
    state = load(task.start)
    volume = None if task.mean_log is None else mean_volume(task.mean_log)
    timestep = stage.timestep if stage.kind != "minimise" else 0.0
    failed: list[dict[str, str]] = []
    counted = 0

    def own_seed(purpose: str) -> int:
        return seed_for(seed, task.product.name, purpose)

    def tick(steps: int) -> None:
        nonlocal counted
        counted += steps
        pace.advance(steps, task.product.name, timestep)

    for how in stage.tries():
        counted, began = 0, time.monotonic()
        part = begin(task.product)
        try:
            end, verdict = perform(stage, how, own_seed, setup, state, part, volume, tick)
            break
        except RunError as error:
            failed.append({"how": how.how, "fault": str(error)})
            pace.settle(-counted)
            if how == stage.tries()[-1] or not isinstance(error, SimulationError):
                message = f"{task.product}: {_in_words(failed)}"
                (part / ERROR).write_text(message + "\n", encoding="utf-8")
                raise type(error)(message) from error
    seconds = time.monotonic() - began
    pace.settle(stage.steps - counted)
    (part / "end.xml").write_text(openmm.XmlSerializer.serialize(end), encoding="utf-8")
    if stage.kind == "minimise":
        require_whole(part, rows=1)
    else:
        first, every = stage.first_step + stage.frame_interval, stage.frame_interval
        require_whole(
            part,
            counted // stage.report_interval,
            range(first, stage.first_step + counted + 1, every) if every else None,
        )
    record |= {"seconds": round(seconds, 2), "platform": setup.choice.name}
    made: dict[str, Any] = {"seconds": round(seconds, 2)}
    if stage.kind != "minimise":
        made["ns_per_day"] = round(ns_per_day(stage.timestep, seconds / counted), 2)
    if failed:
        made["tries"] = record["tries"] = [*failed, {"how": how.how, "fault": ""}]
    if verdict is not None:
        made["equilibration"] = record["equilibration"] = verdict
    write_json(part / "done.json", record | {"files": seal(part)})
    commit(part)
    return made


def _in_words(failed: Sequence[dict[str, str]]) -> str:
    first, *more = failed
    return "; ".join([first["fault"], *(f"tried again, {one['how']}: {one['fault']}" for one in more)])


def perform(
    stage: Stage,
    how: Try,
    seed: Seed,
    setup: Setup,
    state: openmm.State,
    folder: Path,
    volume: float | None,
    tick: Tick,
) -> tuple[openmm.State, dict[str, Any] | None]:
    """Carry out one stage.

    Parameters
    ----------
    stage : Stage
        What to do.
    how : Try
        As planned, or more gently.
    seed : callable
        Seed for a purpose.
    setup : Setup
        System (without thermostat, barostat and removal of centre-of-mass motion) and platform.
    state : openmm.State
        Positions and box, and velocities unless the stage draws them.
    folder : Path
        Where ``state.csv`` and, if the stage has frames, ``frames.xtc`` are written.
    volume : float or None
        Volume in nm^3 that the box is set to first.
    tick : callable
        Called with the number of steps done since it was called last.

    Returns
    -------
    end : openmm.State
        Positions, velocities and box at the end.
    verdict : dict or None
        Of a stage that ends when stationary: whether it did, after which time, and why.

    Raises
    ------
    SimulationError
        A number is none, or the temperature beyond any liquid; names the atoms with the largest forces.
    RunError
        The box has become too small for the cutoff.
    """
    with (folder / "state.csv").open("w", encoding="utf-8", newline="") as file:
        barostat = None
        if stage.pressure is not None:
            barostat = openmm.MonteCarloBarostat(stage.pressure[0], stage.temperature[0], stage.barostat_interval)
            barostat.setRandomNumberSeed(seed("barostat"))
        equipped = equip(setup.system, barostat, DRIFT_INTERVAL if stage.remove_drift else 0)
        context = setup.choice.context(equipped, _integrator(stage, seed))
        place(context, state, volume)
        context.setStepCount(stage.first_step)
        context.setTime(stage.first_step * stage.timestep)
        dynamics = stage.kind != "minimise"
        log = Log(file, equipped, stage.timestep if dynamics else 0.0)
        if not dynamics:
            return _minimise(context, stage, log, setup.describe, tick), None
        if how.minimise:
            relax(context, RELAX_ITERATIONS, setup.describe)
        if stage.draw_velocities or how.minimise:
            context.applyConstraints(CONSTRAINT_TOLERANCE)
            context.setVelocitiesToTemperature(stage.temperature[0], seed("velocities"))
        else:
            context.setVelocities(state.getVelocities(asNumpy=True))
        frames = None
        if stage.frame_interval:
            first = stage.first_step + stage.frame_interval
            frames = Frames(folder / "frames.xtc", setup.system, stage.timestep, first, stage.frame_interval)
        return _integrate(context, stage, how, log, frames, setup.describe, tick)


def _integrator(stage: Stage, seed: Seed) -> openmm.LangevinMiddleIntegrator:
    integrator = openmm.LangevinMiddleIntegrator(stage.temperature[0], stage.friction, stage.timestep)
    integrator.setRandomNumberSeed(seed("thermostat"))
    integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
    return integrator


def _minimise(context: openmm.Context, stage: Stage, log: Log, describe: Describe, tick: Tick) -> openmm.State:
    end = relax(context, stage.steps, describe)
    log.write(end, stage.steps)
    tick(stage.steps)
    return end


def _integrate(
    context: openmm.Context,
    stage: Stage,
    how: Try,
    log: Log,
    frames: Frames | None,
    describe: Describe,
    tick: Tick,
) -> tuple[openmm.State, dict[str, Any] | None]:
    integrator = context.getIntegrator()
    good, checkpoint, done = context.getState(getPositions=True, getVelocities=True), context.createCheckpoint(), 0
    verdict = None
    for step in _events(stage):
        parts = how.substeps if done < how.gentle else 1
        integrator.setStepSize(stage.timestep / parts)
        if done % stage.report_interval == 0:
            _ramp(context, stage, done)
        reports = step % stage.report_interval == 0
        try:
            integrator.step((step - done) * parts)
            state = context.getState(getPositions=True, getVelocities=reports, getEnergy=reports)
            require_finite(state)
            if reports:
                log.write(state, stage.first_step + step)
        except (openmm.OpenMMException, FloatingPointError) as error:
            if "box size has decreased" in str(error):
                raise RunError(
                    f"within step {step}: {_first_line(error)} Take more atoms, or less pressure."
                ) from error
            names = name_worst(context, good, describe, checkpoint, stage.report_interval * parts)
            raise SimulationError(f"blew up within step {step} ({_first_line(error)}); {names}") from error
        if frames is not None and step % stage.frame_interval == 0:
            frames.write(state)
        if reports:
            good, checkpoint = state, context.createCheckpoint()
        tick(step - done)
        done = step
        if stage.check_interval and step % stage.check_interval == 0:
            series = {"potential": log.potentials} | ({"density": log.densities} if stage.pressure else {})
            verdict = judge(series, stage.report_interval * stage.timestep)
            if verdict["stationary"]:
                break
    return good, verdict


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
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb the leaving
        raise SystemExit(EXIT_TERMINATED)

    signal.signal(signal.SIGTERM, leave)


def main(arguments: Sequence[str] | None = None) -> int:
    """Command line of the run step.

    Returns
    -------
    int
        0 when all is done, 1 on an error, :data:`EXIT_TERMINATED` after SIGTERM (raised as SystemExit).
    """
    parser = argparse.ArgumentParser(prog="python -m mdstudy.run.simulate", description="Run, or resume, a built box.")
    parser.add_argument("directory", type=Path, help="run directory made by `mdstudy build`")
    parser.add_argument("--platform", default="auto", help="auto, CUDA, HIP, OpenCL, CPU or Reference")
    parser.add_argument("--device", help="GPU index, for example 0")
    parser.add_argument("--precision", default="mixed", choices=["single", "mixed", "double"], help="on GPUs")
    wanted = parser.parse_args(arguments)
    live = sys.stderr.isatty()

    def progress(fraction: float, text: str) -> None:
        line = progress_line(fraction, text)
        sys.stderr.write(f"\r\033[K{line}" if live and fraction else f"{line}\n")
        sys.stderr.flush()

    exit_on_sigterm()
    try:
        outcome = run(wanted.directory, wanted.platform, wanted.device, wanted.precision, progress)
    except MdstudyError as error:
        sys.stderr.write(f"{chr(10) if live else ''}{error}\n")
        return 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the exit code is settled
    sys.stderr.write(f"{chr(10) if live else ''}{wanted.directory}: {outcome}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
