"""How far a run is, how fast it goes and how long it will take."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

Progress = Callable[[float, str], None]


def silent(*_: object) -> None:
    """Tell nobody: the default where progress or lines may be told."""


class Pace:
    """Turns steps done into a fraction of the plan, ns/day and time left.

    Parameters
    ----------
    report : callable or None
        Given the fraction and a line of text.
    total, done : int
        Steps of the plan, and those that were done before this start.
    """

    def __init__(self, report: Progress | None, total: int, done: int) -> None:
        self._report, self._total, self._done, self._here = report, max(total, 1), done, 0
        self._began = time.monotonic()

    def advance(self, steps: int, name: str, timestep: float) -> None:
        """Count steps of the stage `name`; `timestep` in ps, 0 where there is no time."""
        self._done += steps
        self._here += steps
        if self._report is None:
            return
        seconds_a_step = (time.monotonic() - self._began) / max(self._here, 1)
        left = duration(seconds_a_step * (self._total - self._done))
        speed = f"{ns_per_day(timestep, seconds_a_step):.3g} ns/day, " if timestep else ""
        self._report(self._done / self._total, f"{name}: {speed}{left} left")

    def settle(self, steps: int) -> None:
        """Count steps that need not be done after all or, negative, that are to be done again."""
        self._done += steps


def ns_per_day(timestep: float, seconds_a_step: float) -> float:
    """Nanoseconds of simulation a day at a time step in ps and a wall time a step in s."""
    return timestep * 1e-3 * 86400 / max(seconds_a_step, 1e-12)


def progress_line(fraction: float, text: str) -> str:
    """Progress as a line of text, which :func:`read_progress_line` reads."""
    return f"{fraction:6.1%}  {text}"


def read_progress_line(line: str) -> tuple[float, str] | None:
    """Fraction and text of a :func:`progress_line`, or None if it is none."""
    found = re.fullmatch(r"\s*(\d+(?:\.\d+)?)%  (.*)", line.rstrip("\n"))
    return (float(found[1]) / 100, found[2]) if found else None


def duration(seconds: float) -> str:
    """Say a time in words, ``"1 h 02 min"``."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
