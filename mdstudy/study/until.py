"""Production that goes on until a number is known well enough.

The plan of a run is made longer segment by segment; a segment is a function of the one before it and of its own seeds,
so that a longer plan begins with the same trajectory. The run is looked at after lengths that grow by a quarter, or
sooner where the forecast (:mod:`mdstudy.base.convergence`) says so: all looks together cost about five times the last.

A rule that stops when the error has become small stops a little early where the error happens to be underestimated.
Looks are few, and the number must be converged by the criterion of its method; the record of all looks stays with the
run in ``until.json``, which is also what a run goes on from after it was interrupted.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mdstudy.base.convergence import duration
from mdstudy.base.errors import RunError
from mdstudy.base.provenance import write_json, write_text
from mdstudy.base.results import Estimate
from mdstudy.run.rundir import RunDir
from mdstudy.study.analyse import measured
from mdstudy.study.goal import Goal

RECORD = "until.json"
#: Share of the limit, and least number of segments, after which the first look is taken; growth between looks.
FIRST, LEAST, GROWTH = 0.1, 4, 1.25

CarryOut = Callable[[Sequence[Path]], None]
Say = Callable[[str], None]


@dataclass(frozen=True)
class Pursuit:
    """Replicas that are continued together, and how far they may go.

    Attributes
    ----------
    runs : tuple of RunDir
    goal : Goal
    limit : int
        Segments of each, at most.
    """

    runs: tuple[RunDir, ...]
    goal: Goal
    limit: int

    @staticmethod
    def of(directories: Sequence[str | Path], goal: Goal, at_most: float | None = None) -> Pursuit:
        """Make one of replicas that are built alike.

        Parameters
        ----------
        directories : sequence of str or Path
        goal : Goal
        at_most : float, optional
            Production of each, ps; if absent the limit of an earlier start, or else what was planned.

        Raises
        ------
        RunError
            Not built, replicas with segments of different lengths, or a limit below one segment.
        """
        runs = tuple(RunDir(Path(directory)) for directory in directories)
        for run in runs:
            if not run.plan.is_file():
                raise RunError(f"{run.path}: not ready to run: no {run.plan.name}")
        plans = [run.read_plan() for run in runs]
        lengths = {plan.production.time / plan.production.segments for plan in plans}
        if len(lengths) > 1:
            raise RunError(f"replicas have segments of different lengths: {', '.join(map(duration, sorted(lengths)))}")
        (segment,) = lengths
        limit = max(_record(run).get("limit", plan.production.segments) for run, plan in zip(runs, plans, strict=True))
        if at_most is not None:
            limit = math.floor(at_most / segment + 1e-9)
        if limit < 1:
            raise RunError(f"at most {duration(at_most or 0.0)}: less than one segment of {duration(segment)}")
        return Pursuit(runs, goal, limit)

    def start(self) -> int:
        """Segments after which to look first: where an earlier start was going to, or a share of the limit."""
        done = min(len(run.segments()) for run in self.runs)
        before = _record(self.runs[0])
        going = before.get("segments", 0) if before.get("goal") == str(self.goal) else 0
        return min(max(done, going or max(LEAST, math.ceil(FIRST * self.limit))), max(self.limit, done))

    def after(self, segments: int, more: float) -> int:
        """Segments after which to look next, given how much more time the goal needs (ps, NaN: not known)."""
        grown = max(segments + 1, math.ceil(GROWTH * segments))
        if more > 0:
            own = more / len(self.runs) / self.segment
            grown = min(grown, segments + max(1, math.ceil(own)))
        return min(grown, self.limit)

    @property
    def segment(self) -> float:
        """Length of a segment, ps."""
        production = self.runs[0].read_plan().production
        return production.time / production.segments

    def look(self) -> list[Estimate]:
        """What the goal is about as the runs stand."""
        return self.goal.pooled(
            [
                [e for made in measured(run, lambda name: name == self.goal.quantity) for e in made.estimates]
                for run in self.runs
            ]
        )


def run_until(pursuit: Pursuit, carry_out: CarryOut, say: Say = lambda _: None) -> str:
    """Continue replicas until their goal is reached, or to their limit; the same call again goes on or does nothing.

    Parameters
    ----------
    pursuit : Pursuit
    carry_out : callable
        Carries out the plans of run directories, as :func:`mdstudy.run.simulate.run` does for one.
    say : callable, optional
        Called with a line after each look.

    Returns
    -------
    str
        The verdict.
    """
    segments = pursuit.start()
    while True:
        for run in pursuit.runs:
            _go_to(run, pursuit, segments)
        carry_out([run.path for run in pursuit.runs])
        found = pursuit.look()
        reached = pursuit.goal.reached(found)
        last = reached or segments >= pursuit.limit
        verdict = _verdict(pursuit, segments, found, reached, last)
        for run in pursuit.runs:
            _note(run, segments, found, reached, verdict)
        if last:
            return verdict
        say(verdict)
        segments = pursuit.after(segments, pursuit.goal.more(found))


def _verdict(pursuit: Pursuit, segments: int, found: Sequence[Estimate], reached: bool, last: bool) -> str:
    target, each = pursuit.goal.target, duration(segments * pursuit.segment)
    told = "; ".join(
        f"{e.quantity} of {e.of}: {e.value:.4g} ± {e.error:.2g} {e.unit}, {e.convergence(target).text}" for e in found
    )
    state = "reached" if reached else "NOT reached" if last else "not yet reached"
    limit = f", the limit of {duration(pursuit.limit * pursuit.segment)}" if last and not reached else ""
    replicas = f" in each of {len(pursuit.runs)} replicas" if len(pursuit.runs) > 1 else ""
    return f"{pursuit.goal}: {state} after {each}{replicas}{limit}. {told}"


def _record(run: RunDir) -> dict[str, Any]:
    file = run.path / RECORD
    return dict(json.loads(file.read_text(encoding="utf-8"))) if file.is_file() else {}


def _go_to(run: RunDir, pursuit: Pursuit, segments: int) -> None:
    """Note where the run is going, and plan it so long."""
    before = _record(run)
    looks = before.get("looks", []) if before.get("goal") == str(pursuit.goal) else []
    record = {"goal": str(pursuit.goal), "limit": pursuit.limit, "segments": segments, "looks": looks}
    if {k: v for k, v in before.items() if k != "verdict"} != record:
        write_json(run.path / RECORD, record)
    plan = run.read_plan()
    longer = replace(plan, production=replace(plan.production, segments=max(segments, len(run.segments()))))
    if longer != plan:
        with run.lock():
            write_text(run.plan, longer.to_json())


def _note(run: RunDir, segments: int, found: Sequence[Estimate], reached: bool, verdict: str) -> None:
    """Keep what a look found."""
    record = _record(run)
    numbers = [{"of": e.of, "value": _number(e.value), "error": _number(e.error), "unit": e.unit} for e in found]
    looks = [look for look in record["looks"] if look["segments"] != segments]
    looks.append({"segments": segments, "reached": reached, "found": numbers})
    made = {**record, "looks": looks, "verdict": verdict}
    if made != record:
        write_json(run.path / RECORD, made)


def _number(value: float) -> float | None:
    return None if math.isnan(value) else value
