"""Leaving in the middle of a stage, as batch systems ask for with SIGTERM, and going on there.

OpenMM's checkpoint holds positions, velocities and random numbers to the last bit, but for one version, platform and
device alone; with anything else, or other inputs, the stage begins anew. What is written by then stays where it is,
with its sizes noted, so that what a later kill leaves behind them is cut off again.

At constant volume the trajectory is that of a run that nothing happened to, to the byte on the Reference platform.
OpenMM keeps the barostat's trial size and count of moves to itself, and the CPU platform sums forces in the order of
its neighbour list, so that elsewhere it is another trajectory of the same ensemble.
"""

from __future__ import annotations

import json
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import openmm

from mdstudy.base.provenance import sha256, write_json
from mdstudy.run.platforms import Choice

#: Exit code after SIGTERM (EX_TEMPFAIL of sysexits.h): start the same command again to go on.
EXIT_TERMINATED = 75
_NOTE, _CHECKPOINT = "left.json", "left.chk"


class Interrupted(BaseException):
    """A stage is left on request.

    Attributes
    ----------
    step : int
        Steps of the stage that are done.
    checkpoint : bytes
        Of the context there.
    """

    def __init__(self, step: int, checkpoint: bytes) -> None:
        super().__init__(f"left after step {step}")
        self.step, self.checkpoint = step, checkpoint


class Halt:
    """Whether to leave: at once, or, while a stage holds it, where the stage looks.

    Attributes
    ----------
    asked : bool
        Whether someone asked to leave.
    """

    def __init__(self) -> None:
        self.asked = False
        self._held = False

    @contextmanager
    def held(self) -> Iterator[None]:
        """Leave when :attr:`asked` is looked at instead of at once."""
        self._held = True
        try:
            yield
        finally:
            self._held = False

    def ask(self) -> None:
        """Leave.

        Raises
        ------
        SystemExit
            With :data:`EXIT_TERMINATED`, if nobody holds it.
        """
        self.asked = True
        if not self._held:
            raise SystemExit(EXIT_TERMINATED)


def exit_on_sigterm() -> Halt:
    """Turn SIGTERM into a clean exit with :data:`EXIT_TERMINATED`, after which the next start goes on."""
    halt = Halt()

    def leave(number: int, frame: object) -> None:
        del number, frame
        signal.signal(signal.SIGTERM, signal.SIG_IGN)  # a second one must not disturb the leaving
        halt.ask()

    signal.signal(signal.SIGTERM, leave)
    return halt


@dataclass(frozen=True)
class Point:
    """Where a stage was left: which of its tries, after which step, and the context there."""

    number: int
    step: int
    checkpoint: bytes


def keep(part: Path, point: Point, made_from: dict[str, Any], choice: Choice) -> None:
    """Note in the directory of an unfinished product where it was left; its files must be closed."""
    sizes = {file.name: file.stat().st_size for file in part.iterdir() if file.name not in (_NOTE, _CHECKPOINT)}
    (part / _CHECKPOINT).write_bytes(point.checkpoint)
    note = {
        "number": point.number,
        "step": point.step,
        "checkpoint": sha256(part / _CHECKPOINT),
        "sizes": sizes,
        "made_from": made_from,
        "where": _where(choice),
    }
    write_json(part / _NOTE, note)


def find(part: Path, made_from: dict[str, Any], choice: Choice) -> Point | None:
    """Where an unfinished product was left, with its files cut to what they were then; None if it must begin anew."""
    try:
        note = json.loads((part / _NOTE).read_text(encoding="utf-8"))
        same = note["made_from"] == json.loads(json.dumps(made_from)) and note["where"] == _where(choice)
        if not same or sha256(part / _CHECKPOINT) != note["checkpoint"]:
            return None
        if any((part / name).stat().st_size < size for name, size in note["sizes"].items()):
            return None
        for file in part.iterdir():
            if file.name in note["sizes"]:
                with file.open("r+b") as stream:
                    stream.truncate(note["sizes"][file.name])
            elif file.name not in (_NOTE, _CHECKPOINT):
                file.unlink()
        return Point(note["number"], note["step"], (part / _CHECKPOINT).read_bytes())
    except (OSError, ValueError, KeyError, TypeError):
        return None


def forget(part: Path) -> None:
    """Remove the note: the product is finished."""
    for name in (_NOTE, _CHECKPOINT):
        (part / name).unlink(missing_ok=True)


def _where(choice: Choice) -> dict[str, str]:
    """All that a checkpoint of OpenMM depends on."""
    return {"found": choice.found, "openmm": openmm.version.full_version, **choice.properties}
