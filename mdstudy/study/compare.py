"""Simulated beside simulated, and beside measured: cases, their differences, and how far both are apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

from mdstudy.base.errors import MdstudyError
from mdstudy.base.results import Curve, Estimate, find
from mdstudy.base.store import curve_row, estimate_row, joined, origins_of
from mdstudy.study.differences import Difference, difference, pool
from mdstudy.study.measured import MeasuredValue
from mdstudy.system.composition import Composition

#: What a simulated quantity may be set beside, other than the measured one of its own name, and what differs.
BESIDE = {
    "conductivity_nernst_einstein": (
        "ionic_conductivity",
        "measured conductivity; Nernst-Einstein leaves out ion pairing",
    ),
}


@dataclass(frozen=True)
class RunResult:
    """One analysed run: what it was and what it gave.

    Attributes
    ----------
    name : str
        Name of the run directory.
    system : str
        Name of the system file.
    composition : Composition
    title, note : str
        Of the system, and of the protocol.
    temperature : float
        K.
    force_field : str
    charge_scale : float
    length : str
        Time and frames of production, in words.
    estimates : tuple of Estimate
    curves : tuple of Curve
    provenance : dict of str to str
        Hash of the build with its seed (``"run hash"``), seed, commit, versions, platform.
    network : dict of str, optional
        Its network as it is drawn (:func:`mdstudy.polymer.picture.sketch`).
    protocol : str
        That planned it; empty where that was not recorded.
    """

    name: str
    system: str
    composition: Composition
    title: str
    note: str
    temperature: float
    force_field: str
    charge_scale: float
    length: str
    estimates: tuple[Estimate, ...]
    curves: tuple[Curve, ...]
    provenance: dict[str, str]
    network: dict[str, Any] | None = None
    protocol: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Plain data for JSON; numbers that are not known become None."""
        plain = {field.name: getattr(self, field.name) for field in fields(self)}
        return plain | {
            "composition": self.composition.to_dict(),
            "estimates": [_without_nan(estimate_row(estimate)) for estimate in self.estimates],
            "curves": [curve_row(curve) for curve in self.curves],
            "origins": origins_of([*self.estimates, *self.curves]),
        }

    @staticmethod
    def from_dict(data: Mapping[str, Any]) -> RunResult:
        """Inverse of :meth:`to_dict`."""
        rows = [{k: math.nan if v is None else v for k, v in row.items()} for row in data["estimates"]]
        estimates, curves = joined(rows, data["curves"], data.get("origins", {}))
        own = {
            "composition": Composition.from_dict(data["composition"]),
            "estimates": tuple(estimates),
            "curves": tuple(curves),
        }
        return RunResult(**{**{k: v for k, v in data.items() if k != "origins"}, **own})


def _without_nan(row: dict[str, Any]) -> dict[str, Any]:
    return {k: None if isinstance(v, float) and math.isnan(v) else v for k, v in row.items()}


@dataclass(frozen=True)
class Case:
    """Replicas of one box under one hypothesis, one force field and one protocol, pooled."""

    label: str
    runs: tuple[RunResult, ...]
    estimates: tuple[Estimate, ...]

    @property
    def first(self) -> RunResult:
        """The run that stands for the others where only one can be shown."""
        return self.runs[0]


@dataclass(frozen=True)
class Row:
    """One quantity across the cases.

    Attributes
    ----------
    quantity, of, unit : str
    simulated : tuple of Estimate or None
        One a case.
    measured : tuple of MeasuredValue or None
        One a case.
    z : tuple of float
        Simulated less measured in units of their standard errors together; NaN where an error is not known.
    differences : tuple of Difference or None
        One a pair of :attr:`Comparison.pairs`, with the ratio.
    measured_ratios : tuple of float
        NaN where not measured.
    remark : str
        What differs between simulated and measured.
    """

    quantity: str
    of: str
    unit: str
    simulated: tuple[Estimate | None, ...]
    measured: tuple[MeasuredValue | None, ...]
    z: tuple[float, ...]
    differences: tuple[Difference | None, ...]
    measured_ratios: tuple[float, ...]
    remark: str = ""


@dataclass(frozen=True)
class Comparison:
    """All cases side by side.

    Attributes
    ----------
    cases : tuple of Case
    pairs : tuple of (int, int)
        Cases that are compared: the first less, or over, the second.
    rows : tuple of Row
    """

    cases: tuple[Case, ...]
    pairs: tuple[tuple[int, int], ...]
    rows: tuple[Row, ...]


def compare(
    runs: Sequence[RunResult], measured: Iterable[MeasuredValue], ratios: Sequence[tuple[str, str]] | None = None
) -> Comparison:
    """Set runs side by side.

    Parameters
    ----------
    runs : sequence of RunResult
        Those that differ in nothing but their seed are replicas. Boxes of two sizes, or runs by two protocols, are two
        cases.
    measured : iterable of MeasuredValue
    ratios : sequence of (str, str), optional
        Systems whose ratio is given, numerator first, where all else is alike and the boxes are nearest in size; with
        two cases or two systems and none given, the second over the first.

    Raises
    ------
    MdstudyError
        No runs, or one build twice.
    """
    if not runs:
        raise MdstudyError("nothing to compare: no runs")
    values = tuple(measured)
    cases = _cases(runs)
    pairs = [(1, 0)] if ratios is None and len(cases) == 2 else []
    systems = list(dict.fromkeys(case.first.system for case in cases))
    if ratios is None and not pairs and len(systems) == 2:
        ratios = [(systems[1], systems[0])]
    for of, to in ratios or ():
        pairs += _pairs(cases, of, to)
    keys = list(dict.fromkeys((e.quantity, e.of, e.unit) for case in cases for e in case.estimates))
    return Comparison(cases, tuple(pairs), tuple(_row(cases, pairs, values, *key) for key in keys))


def _cases(runs: Sequence[RunResult]) -> tuple[Case, ...]:
    groups: dict[tuple[str, str, str, float, float, str, int], list[RunResult]] = {}
    for run in runs:
        key = (run.system, run.composition.variant, run.force_field, run.charge_scale, run.temperature, run.protocol)
        groups.setdefault((*key, run.composition.atoms), []).append(run)
    varies = [len({key[k] for key in groups}) > 1 for k in range(6)]
    sizes = len({key[:-1] for key in groups}) < len(groups)
    cases = []
    for (system, variant, field, scale, temperature, protocol, atoms), members in groups.items():
        _check_seeds(members)
        words = [system]
        words += [variant] if varies[1] else []
        words += [field] if varies[2] else []
        words += [f"charges x {scale:g}"] if varies[3] else []
        words += [f"{temperature:g} K"] if varies[4] else []
        words += [protocol] if varies[5] else []
        words += [f"{atoms} atoms"] if sizes else []
        pooled = []
        for quantity, of in dict.fromkeys((e.quantity, e.of) for run in members for e in run.estimates):
            found = [e for run in members if (e := find(run.estimates, quantity, of)) is not None]
            pooled.append(pool(found))
        cases.append(Case(" ".join(words), tuple(members), tuple(pooled)))
    return tuple(cases)


def _check_seeds(replicas: Sequence[RunResult]) -> None:
    """One run counted twice, or two that begin alike, would make the error of the mean too small."""
    first: dict[str, str] = {}
    for run in replicas if len(replicas) > 1 else ():
        build = run.provenance["run hash"]
        if build in first:
            raise MdstudyError(
                f"{first[build]} and {run.name} are one build with one seed, no replicas: their mean would look better "
                "known than it is. Leave one out, or build it with another --seed."
            )
        first[build] = run.name


def _pairs(cases: Sequence[Case], of: str, to: str) -> list[tuple[int, int]]:
    """Cases of two systems that agree in everything else; in the variant only where they share the name of one.

    Boxes of two systems are never of one size: the nearest goes with each.
    """
    variants = [{case.first.composition.variant for case in cases if case.first.system == name} for name in (of, to)]
    shared = bool(variants[0] & variants[1])

    def rest(case: Case) -> tuple[object, ...]:
        run = case.first
        return shared and run.composition.variant, run.force_field, run.charge_scale, run.temperature, run.protocol

    def apart(i: int, j: int) -> float:
        return abs(math.log(cases[i].first.composition.atoms / cases[j].first.composition.atoms))

    found = [
        (i, j)
        for i, a in enumerate(cases)
        for j, b in enumerate(cases)
        if (a.first.system, b.first.system) == (of, to) and rest(a) == rest(b)
    ]
    nearest = {i: min(apart(i, j) for k, j in found if k == i) for i, _ in found}
    return [(i, j) for i, j in found if apart(i, j) == nearest[i]]


def _row(
    cases: Sequence[Case],
    pairs: Sequence[tuple[int, int]],
    values: Sequence[MeasuredValue],
    quantity: str,
    of: str,
    unit: str,
) -> Row:
    simulated = tuple(find(case.estimates, quantity, of) for case in cases)
    wanted, remark = BESIDE.get(quantity, (quantity, ""))
    measured = tuple(_measured(values, case.first, wanted, of) for case in cases)
    differences = tuple(
        difference(a, b) if (a := simulated[i]) is not None and (b := simulated[j]) is not None else None
        for i, j in pairs
    )
    measured_ratios = tuple(
        over.value / under.value if (over := measured[i]) and (under := measured[j]) else math.nan for i, j in pairs
    )
    return Row(
        quantity,
        of,
        unit,
        simulated,
        measured,
        tuple(_z(e, m) for e, m in zip(simulated, measured, strict=True)),
        differences,
        measured_ratios,
        remark if any(measured) else "",
    )


def _measured(values: Sequence[MeasuredValue], run: RunResult, quantity: str, of: str) -> MeasuredValue | None:
    """The measured value nearest in temperature (within 5 K where it is stated) for this system, best source first."""
    fitting = [
        value
        for value in values
        if value.system in (run.system, run.system.removesuffix("-pmma"), run.system.removesuffix("-gel"))
        and value.variant in (None, run.composition.variant)
        and value.quantity == quantity
        and value.of == of
        and (value.temperature is None or abs(value.temperature - run.temperature) <= 5)
    ]
    order = ("high", "medium", "low")
    fitting.sort(
        key=lambda v: (
            not v.read_at_source,
            order.index(v.confidence),
            v.uncertainty is None,
            abs((v.temperature or run.temperature) - run.temperature),
        )
    )
    return fitting[0] if fitting else None


def _z(simulated: Estimate | None, measured: MeasuredValue | None) -> float:
    if simulated is None or measured is None or math.isnan(simulated.error):
        return math.nan
    error = math.hypot(simulated.error, measured.uncertainty or 0.0)
    return (simulated.value - measured.value) / error if error else math.nan
