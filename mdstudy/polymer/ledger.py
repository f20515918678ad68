"""The steps of a polymerisation on disk, each a directory that exists whole or not at all."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from mdstudy.base.provenance import write_json
from mdstudy.polymer.assembly import Assembly
from mdstudy.polymer.relaxation import Frame

_BOX, _RECORD, _PART = "box.npz", "record.json", ".part"


@dataclass(frozen=True)
class Record:
    """What happened in one step.

    Attributes
    ----------
    radius : float
        How far ends looked, nm.
    added : tuple of (int, int)
        Residue of the end and of the C=C that it added to.
    rejected : tuple of (int, int)
        Pairs whose bond pierced a ring or stayed too long; they are not tried again.
    apart : tuple of (int, int)
        Pairs that came no nearer any more; what neither is here nor met was on its way when the time was up.
    """

    radius: float = 0.0
    added: tuple[tuple[int, int], ...] = ()
    rejected: tuple[tuple[int, int], ...] = ()
    apart: tuple[tuple[int, int], ...] = ()

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON."""
        return asdict(self)

    def renumbered(self, number: Sequence[int]) -> Record:
        """The same with a new number for each residue."""

        def new(pairs: tuple[tuple[int, int], ...]) -> tuple[tuple[int, int], ...]:
            return tuple((number[a], number[b]) for a, b in pairs)

        return replace(self, added=new(self.added), rejected=new(self.rejected), apart=new(self.apart))

    @staticmethod
    def from_dict(data: dict[str, Any]) -> Record:
        """Inverse of :meth:`to_dict`."""
        pairs = {key: tuple((a, b) for a, b in data[key]) for key in ("added", "rejected", "apart")}
        return Record(radius=data["radius"], **pairs)


@dataclass(frozen=True)
class Ledger:
    """Steps in a folder, numbered from 0 (before anything reacted)."""

    folder: Path

    def records(self) -> list[Record]:
        """What happened in each finished step, in order, up to the first that is missing."""
        found: list[Record] = []
        while (file := self._step(len(found)) / _RECORD).is_file():
            found.append(Record.from_dict(json.loads(file.read_text(encoding="utf-8"))))
        return found

    def last(self) -> tuple[Assembly, Frame]:
        """The box after the last finished step."""
        with np.load(self._step(len(self.records()) - 1) / _BOX) as data:
            assembly = Assembly(
                residues=tuple(map(str, data["residues"])),
                origin=data["origin"],
                residue_of=data["residue_of"],
                names=tuple(map(str, data["names"])),
                elements=tuple(map(str, data["elements"])),
                bonds=data["bonds"],
            )
            return assembly, Frame(data["positions"], data["edges"])

    def write(self, number: int, record: Record, assembly: Assembly, frame: Frame) -> None:
        """Add a step; the boxes of steps before the last are not needed any more."""
        part = self._step(number).with_name(self._step(number).name + _PART)
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        np.savez(part / _BOX, **asdict(assembly), positions=frame.positions, edges=frame.edges)
        write_json(part / _RECORD, record.to_dict())
        part.rename(self._step(number))
        if number:
            (self._step(number - 1) / _BOX).unlink(missing_ok=True)

    def _step(self, number: int) -> Path:
        return self.folder / f"{number:04d}"
