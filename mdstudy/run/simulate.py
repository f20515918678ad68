"""The run step: carry out the plan of a run directory with OpenMM.

It imports openmm, numpy and what lies below, so that a GPU node needs little:
``python -m mdstudy.run.simulate DIR``. Running again resumes, or does nothing.

Every stage and every segment starts from the ``end.xml`` before it in a
context of its own with seeds of its own, so that it is a function of its inputs
alone. A killed run therefore resumes onto the trajectory that it would have
made: to the byte where forces are summed in a fixed order (Reference; CPU with
one thread), as an equally valid trajectory elsewhere. A run that is asked to leave
goes on in the middle of its stage (:mod:`mdstudy.run.interruption`).

A stage that blows up is tried again more gently (:meth:`mdstudy.run.plan.Stage.tries`)
from the same start with the same seeds, so that what comes out is still a
function of the inputs; ``done.json`` and ``run.json`` say what was tried.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import socket
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import openmm

from mdstudy.base.errors import MdstudyError, RunError, SimulationError
from mdstudy.base.pace import Pace, Progress, duration, ns_per_day, progress_line
from mdstudy.base.provenance import sha256, versions, write_json
from mdstudy.run.diagnosis import atom_words
from mdstudy.run.interruption import EXIT_TERMINATED, Halt, Interrupted, Point, exit_on_sigterm, find, forget, keep
from mdstudy.run.mechanics import load, mean_volume
from mdstudy.run.plan import Plan, seed_for
from mdstudy.run.platforms import Choice, choose
from mdstudy.run.rundir import ERROR, PART, RunDir, begin, commit, require_whole, seal
from mdstudy.run.stage import Setup, perform
from mdstudy.run.tasks import Task, left, tasks, unsettled


def run(
    directory: str | Path,
    platform: str = "auto",
    device: str | int | None = None,
    precision: str = "mixed",
    progress: Progress | None = None,
    halt: Halt | None = None,
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
    halt : Halt, optional
        Asks to leave, see :func:`mdstudy.run.interruption.exit_on_sigterm`.

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
            plan = run_dir.read_plan()
            todo = left(tasks(run_dir, plan), plan.seed, sha256(run_dir.system_xml))
            if not todo:
                return f"already done: {plan.production.time / 1e3:g} ns in {plan.production.frames} frames"
            choice = choose(platform, device, precision)
            if progress is not None:
                progress(0.0, choice.why)
            return _carry_out(run_dir, plan, todo, choice, progress, halt or Halt())
    except OSError as error:
        raise RunError(f"{run_dir.path}: {error}. What is finished is whole; mend that and start again.") from error


def _carry_out(
    run_dir: RunDir, plan: Plan, todo: list[Task], choice: Choice, progress: Progress | None, halt: Halt
) -> str:
    setup = Setup(load(run_dir.system_xml), choice, atom_words(run_dir.topology, run_dir.box / "start.pdb"), halt)
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
            if halt.asked:
                raise SystemExit(EXIT_TERMINATED)
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
        f"{duration(time.monotonic() - began)} on {choice.why}{unsettled(run_dir, plan)}"
    )


def _carry_out_task(task: Task, seed: int, system_hash: str, setup: Setup, pace: Pace) -> dict[str, Any]:
    """Make one product whole, trying more gently if it blows up; what run.json says of it."""
    stage = task.stage
    record: dict[str, Any] = {"made_from": task.origin(seed, system_hash)}
    state = load(task.start)
    volume = None if task.mean_log is None else mean_volume(task.mean_log)
    timestep = stage.timestep if stage.kind != "minimise" else 0.0
    failed: list[dict[str, str]] = []
    part = task.product.with_name(task.product.name + PART)
    point = find(part, record["made_from"], setup.choice)
    counted = 0

    def own_seed(purpose: str) -> int:
        return seed_for(seed, task.product.name, purpose)

    def tick(steps: int) -> None:
        nonlocal counted
        counted += steps
        pace.advance(steps, task.product.name, timestep)

    for number, how in enumerate(stage.tries()):
        if point is not None and number < point.number:
            continue
        if point is None:
            begin(task.product)
        start = counted = 0 if point is None else point.step
        pace.settle(start)
        began = time.monotonic()
        try:
            end, verdict = perform(stage, how, own_seed, setup, state, part, volume, tick, point)
            break
        except Interrupted as interrupted:
            keep(part, Point(number, interrupted.step, interrupted.checkpoint), record["made_from"], setup.choice)
            raise SystemExit(EXIT_TERMINATED) from interrupted
        except RunError as error:
            failed.append({"how": how.how, "fault": str(error)})
            pace.settle(-counted)
            point = None
            if how == stage.tries()[-1] or not isinstance(error, SimulationError):
                message = f"{task.product}: {_in_words(failed)}"
                (part / ERROR).write_text(message + "\n", encoding="utf-8")
                raise type(error)(message) from error
    seconds = time.monotonic() - began
    pace.settle(stage.steps - counted)
    forget(part)
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
        made["ns_per_day"] = round(ns_per_day(stage.timestep, seconds / (counted - start)), 2)
    if start:
        made["gone_on_from_step"] = record["gone_on_from_step"] = start
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

    halt = exit_on_sigterm()
    try:
        outcome = run(wanted.directory, wanted.platform, wanted.device, wanted.precision, progress, halt)
    except MdstudyError as error:
        sys.stderr.write(f"{chr(10) if live else ''}{error}\n")
        return 1
    finally:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # the exit code is settled
    sys.stderr.write(f"{chr(10) if live else ''}{wanted.directory}: {outcome}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
