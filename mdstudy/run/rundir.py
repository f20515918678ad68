"""Layout and status of a run on disk.

A product is a directory. It is made as ``NAME.part``, synced and renamed, so
that it either exists whole or not at all; nothing else records what is done.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from mdstudy.base.errors import RunError
from mdstudy.base.provenance import sha256
from mdstudy.base.xtc import frame_index
from mdstudy.run.lock import hold, holder
from mdstudy.run.plan import Plan

PART = ".part"
ERROR = "error.txt"
_REDO = "Restore it, or remove {} and all that comes after it: that is then made again."


@dataclass(frozen=True)
class RunDir:
    """Paths of a run directory, which need not exist, and what they say."""

    path: Path

    @property
    def spec(self) -> Path:
        """What the run is."""
        return self.path / "spec.json"

    @property
    def manifest(self) -> Path:
        """How it was made."""
        return self.path / "manifest.json"

    @property
    def plan(self) -> Path:
        """Stages and production."""
        return self.path / "plan.json"

    @property
    def log(self) -> Path:
        """How it ran, a record a start."""
        return self.path / "run.json"

    @property
    def box(self) -> Path:
        """What the builder made."""
        return self.path / "box"

    @property
    def system_xml(self) -> Path:
        """OpenMM System."""
        return self.box / "system.xml"

    @property
    def start_xml(self) -> Path:
        """OpenMM State with positions and box."""
        return self.box / "start.xml"

    @property
    def topology(self) -> Path:
        """Residues, names and bonds."""
        return self.box / "topology.cif"

    @property
    def measure(self) -> Path:
        """Results of the analysis."""
        return self.path / "measure"

    def read_spec(self) -> dict[str, Any]:
        """What ``spec.json`` says.

        Raises
        ------
        RunError
            Not a run directory.
        """
        if not self.spec.is_file():
            raise RunError(f"{self.path}: not a run directory (no {self.spec.name}); make one with `mdstudy build`")
        return dict(json.loads(self.spec.read_text(encoding="utf-8")))

    def read_plan(self) -> Plan:
        """The plan of ``plan.json``."""
        return Plan.from_json(self.plan.read_text(encoding="utf-8"))

    def stages(self) -> list[Path]:
        """Directories of the stages that the plan names, in order, done or not."""
        names = [stage["name"] for stage in self._plan().get("stages", [])]
        return [self.path / "equilibrate" / f"{k}-{name}" for k, name in enumerate(names, 1)]

    def stage(self, name: str) -> Path:
        """Directory of the stage `name`.

        Raises
        ------
        RunError
            The plan names no such stage.
        """
        for folder in self.stages():
            if folder.name.partition("-")[2] == name:
                return folder
        raise RunError(f'{self.plan}: no stage "{name}" ({", ".join(f.name for f in self.stages())})')

    def segment(self, number: int) -> Path:
        """Directory of segment `number`, counted from 1."""
        return self.path / "produce" / f"{number:04d}"

    def segments(self) -> list[Path]:
        """Finished segments in order, up to the first that is missing."""
        done: list[Path] = []
        while (folder := self.segment(len(done) + 1)).is_dir():
            done.append(folder)
        return done

    def frame_files(self) -> list[Path]:
        """Trajectory files of the finished segments in order of time."""
        return [folder / "frames.xtc" for folder in self.segments()]

    def state_files(self) -> list[Path]:
        """Thermodynamic logs of the finished segments in order of time."""
        return [folder / "state.csv" for folder in self.segments()]

    def states(self) -> list[Path]:
        """States in order: the start, then the end of each finished stage and segment."""
        finished = [folder for folder in (*self.stages(), *self.segments()) if folder.is_dir()]
        return [self.start_xml, *(folder / "end.xml" for folder in finished)]

    def parts(self) -> list[Path]:
        """Products that are being made, or that a kill or a failure left."""
        return sorted(p for kind in ("equilibrate", "produce") for p in (self.path / kind).glob(f"*{PART}"))

    def status(self) -> str:
        """Derive from the files where the run stands.

        Returns
        -------
        str
            The first that holds: ``"waiting"`` (not built), ``"done"``,
            ``"running"`` (a process holds the lock), ``"failed"`` (the last try
            left an error), ``"ready"`` (nothing was run), ``"paused"`` (to be
            continued by running again).
        """
        if not (self.plan.is_file() and self.system_xml.is_file() and self.start_xml.is_file()):
            return "waiting"
        stages = self.stages()
        planned = int(self._plan()["production"]["segments"])
        done = len(self.segments())
        if done >= planned and all(folder.is_dir() for folder in stages):
            return "done"
        if self.holder() is not None:
            return "running"
        parts = self.parts()
        if any((part / ERROR).is_file() for part in parts):
            return "failed"
        return "paused" if done or parts or any(folder.is_dir() for folder in stages) else "ready"

    def holder(self) -> str | None:
        """Who holds the lock, or None; a lock of a process that died is none."""
        return holder(self._lock_file)

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run directory; the system lets go of it if the process dies in any way.

        Raises
        ------
        LockedError
            Another process, or another thread of this one, holds it; says who.
        """
        with hold(self._lock_file, f"{self.path}: already being run by"):
            yield

    @property
    def _lock_file(self) -> Path:
        return self.path / ".lock"

    def _plan(self) -> dict[str, Any]:
        try:
            data = json.loads(self.plan.read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise RunError(f"{self.plan}: cannot be read: {error}") from error
        return dict(data)


def begin(product: Path) -> Path:
    """Make an empty ``NAME.part``; what an earlier try left there is removed."""
    part = product.with_name(product.name + PART)
    if part.exists():
        shutil.rmtree(part)
    part.mkdir(parents=True)
    return part


def commit(part: Path) -> Path:
    """Sync ``NAME.part`` with all its files to disk and rename it to ``NAME``."""
    for path in [*part.iterdir(), part]:
        _sync(path)
    product = part.with_name(part.name.removesuffix(PART))
    part.rename(product)
    _sync(product.parent)
    return product


def require_whole(part: Path, rows: int, frames: Sequence[int] | None = None) -> None:
    """Check that all that was written arrived on the disk: a library may not say that it could not write.

    Parameters
    ----------
    part : Path
        Product in the making.
    rows : int
        Rows that ``state.csv`` must have.
    frames : sequence of int, optional
        Steps of the frames that ``frames.xtc`` must have.

    Raises
    ------
    RunError
        Something is not there.
    """
    found = len((part / "state.csv").read_text(encoding="utf-8").splitlines()) - 1
    if found != rows:
        raise RunError(f"{part / 'state.csv'}: {found} of {rows} rows were written: is the disk full?")
    if frames is not None:
        steps = frame_index(part / "frames.xtc").steps
        if not np.array_equal(steps, frames):
            raise RunError(f"{part / 'frames.xtc'}: {len(steps)} frames instead of {len(frames)}: is the disk full?")


def seal(part: Path) -> dict[str, dict[str, int | str]]:
    """Size and SHA-256 of every file of a product, for its ``done.json``."""
    return {path.name: {"bytes": path.stat().st_size, "sha256": sha256(path)} for path in sorted(part.iterdir())}


def check(product: Path, deep: bool = False) -> dict[str, Any]:
    """Read the record of a finished product and compare its files with it.

    Parameters
    ----------
    product : Path
        Directory of a stage or segment.
    deep : bool
        Read every file whole. Otherwise the restart state is read, and of the others the size compared.

    Returns
    -------
    dict
        What ``done.json`` says.

    Raises
    ------
    RunError
        The record cannot be read, or a file is missing or not what it was; says what to do.
    """
    path = product / "done.json"
    try:
        record = dict(json.loads(path.read_text(encoding="utf-8")))
        made_from, files = record["made_from"], record.get("files", {})
        if not isinstance(made_from, dict):
            raise TypeError(f"made_from is {made_from!r}")
        for name, was in files.items():
            file = product / name
            size = file.stat().st_size if file.is_file() else None
            if size != was["bytes"]:
                found = "is missing" if size is None else f"has {size} bytes"
                raise RunError(f"{file}: {found}, {was['bytes']} when it was written. {_REDO.format(product)}")
            if (deep or name == "end.xml") and sha256(file) != was["sha256"]:
                raise RunError(
                    f"{file}: is damaged: its checksum is not that of when it was written. {_REDO.format(product)}"
                )
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise RunError(f"{path}: cannot be read ({error!r}). {_REDO.format(product)}") from error
    return record


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
