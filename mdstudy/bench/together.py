"""Copies of a run at the same time: what a box that is too small for a device gains by company."""

from __future__ import annotations

import multiprocessing
import queue
import time
from collections.abc import Sequence
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

from mdstudy.base.errors import RunError
from mdstudy.base.pace import Progress, ns_per_day
from mdstudy.bench.stepping import production_context, start_state
from mdstudy.run.mechanics import load
from mdstudy.run.platforms import choose
from mdstudy.run.rundir import RunDir

_CHUNK = 50  # steps between looks at the clock


def throughput(
    directory: str | Path,
    counts: Sequence[int] = (1, 2, 4),
    platform: str = "auto",
    device: str | int | None = None,
    precision: str = "mixed",
    seconds: float = 10.0,
    progress: Progress | None = None,
) -> dict[int, list[float]]:
    """Speed of each of several copies of a run that go at the same time, ns/day, by their number.

    Parameters
    ----------
    directory : str or Path
        Built run directory; it is left as it is.
    counts : sequence of int
        Numbers of copies.
    platform, device, precision
        See :func:`mdstudy.run.platforms.choose`.
    seconds : float
        Time that all go together.
    progress : callable, optional

    Raises
    ------
    RunError
        A copy could not run; says why.
    """
    context = multiprocessing.get_context("spawn")
    found: dict[int, list[float]] = {}
    for done, count in enumerate(counts):
        if progress is not None:
            progress(done / len(counts), f"{count} at once")
        barrier, results = context.Barrier(count), context.Queue()
        arguments = (str(directory), platform, device, precision, seconds, barrier, results)
        together = [context.Process(target=_measure, args=arguments, daemon=True) for _ in range(count)]
        for process in together:
            process.start()
        speeds: list[Any] = []
        while len(speeds) < count:
            try:
                speeds.append(results.get(timeout=1.0))
            except queue.Empty:
                if any(process.exitcode not in (None, 0) for process in together):
                    speeds.append("a process died")
            if speeds and isinstance(speeds[-1], str):
                for process in together:
                    process.terminate()
                raise RunError(f"{directory}: {count} at once: {speeds[-1]}")
        for process in together:
            process.join()
        found[count] = speeds
    return found


def doubling(most: int) -> list[int]:
    """1, 2, 4 and so on up to a number, and that number."""
    return sorted({most, *(2**k for k in range(most.bit_length()) if 2**k <= most)})


def table(speeds: dict[int, list[float]]) -> tuple[list[str], list[list[str]]]:
    """Header and rows for a person: what the copies do together, and against one alone."""
    alone = sum(speeds[1])
    rows = [
        [f"{count}", f"{sum(each):.3g}", f"{min(each):.3g} to {max(each):.3g}", f"{sum(each) / alone:.2f}"]
        for count, each in speeds.items()
    ]
    return ["copies", "ns/day together", "each", "times one"], rows


def _measure(
    directory: str,
    platform: str,
    device: str | int | None,
    precision: str,
    seconds: float,
    barrier: Barrier,
    results: Any,
) -> None:
    """Step a copy for some seconds together with the others; put its ns/day, or what went wrong."""
    try:
        run_dir = RunDir(Path(directory))
        choice = choose(platform, device, precision)
        plan = run_dir.read_plan()
        system = load(run_dir.system_xml)
        segment = plan.production.segment(1)
        context = production_context(system, segment, start_state(run_dir, system, segment, choice), choice)
        step = context.getIntegrator().step
        step(_CHUNK)
        context.getState(getPositions=True)
        barrier.wait(timeout=600)
        began, steps = time.perf_counter(), 0
        while time.perf_counter() - began < seconds:
            step(_CHUNK)
            context.getState(getPositions=True)
            steps += _CHUNK
        results.put(ns_per_day(segment.timestep, (time.perf_counter() - began) / max(steps, 1)))
    except Exception as error:  # whatever it is, the parent must hear of it
        barrier.abort()
        results.put(f"{type(error).__name__}: {error}")
