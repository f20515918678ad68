"""A study: the runs, replicas and protocol that one report answers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, TypeVar

from pydantic import BeforeValidator, Field

from mdstudy.base.errors import SpecError, did_you_mean
from mdstudy.base.library import find, names
from mdstudy.base.spec import Spec, Temperature, Time, read_spec
from mdstudy.run.plan import seed_for
from mdstudy.study.goal import parse_goal
from mdstudy.system.composition import load_system
from mdstudy.system.protocol import load_protocol

SHIPPED = "systems/studies"

Read = TypeVar("Read")


def _several(value: object) -> object:
    return value if isinstance(value, list | tuple) else (value,)


ChargeScale = Annotated[float, Field(gt=0, le=1.5)]
#: One value or a list of them, each of which makes a run.
ChargeScales = Annotated[tuple[ChargeScale, ...], BeforeValidator(_several)]
Temperatures = Annotated[tuple[Temperature, ...], BeforeValidator(_several)]
ForceFields = Annotated[tuple[str, ...], BeforeValidator(_several)]


class StudyRun(Spec):
    """One system of a study; a list of force fields, charge scales or temperatures makes a run of each."""

    system: str = Field(description="shipped system name, or a path beside the study file")
    variant: str | None = Field(None, description="composition hypothesis; the system's default if absent")
    force_field: ForceFields = Field((), description="overrides the study's")
    charge_scale: ChargeScales = Field((), description="overrides the study's")
    temperature: Temperatures = Field((), description="overrides the study's")


class Ratio(Spec):
    """Ratio of every estimate of one system to another's."""

    of: str
    to: str


class Study(Spec):
    """What a study file says."""

    title: str
    question: str = ""
    protocol: str = "standard"
    force_field: ForceFields = Field(("clp-opls",), min_length=1, description="shipped force fields, or paths")
    charge_scale: ChargeScales = Field((), description="the force field's default if absent")
    temperature: Temperatures = Field((), description="the system's if absent")
    atoms: int = Field(5000, ge=100)
    seed: int = Field(1, ge=0)
    replicas: int = Field(1, ge=1)
    runs: tuple[StudyRun, ...] = Field(min_length=1)
    ratios: tuple[Ratio, ...] = ()
    until: str | None = Field(None, description='go on until this is known, such as "conductivity 10 %"')
    at_most: Time | None = Field(None, gt=0, description="with until: limit of production; the protocol's if absent")


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study with everything that :func:`mdstudy.system.build.build` wants."""

    name: str
    system: str | Path
    variant: str
    replica: int
    seed: int
    force_field: str
    charge_scale: float | None
    temperature: float | None


def load_study(name: str | Path) -> tuple[Study, Path]:
    """Read a study by path or shipped name and check all that it names.

    Returns
    -------
    Study, Path
        The study and the file that it was read from.

    Raises
    ------
    SpecError
        The file does not fit, or names a system, variant, protocol or force field that does not exist.
    """
    path = find(name, SHIPPED, ".toml")
    study = read_spec(path, Study)
    _named(f"{path}: protocol", load_protocol, study.protocol)
    for where, fields in _force_fields(study):
        for field in fields:
            _named(f"{path}: {where}", find, field, "forcefields", ".xml")
    if study.until is not None:
        _named(f"{path}: until", parse_goal, study.until)
    elif study.at_most is not None:
        raise SpecError(f"{path}: at_most: is the limit of until, which is not there")
    plan_runs(study, path)
    systems = {run.system for run in study.runs}
    for ratio in study.ratios:
        for system in (ratio.of, ratio.to):
            if system not in systems:
                raise SpecError(f'{path}: ratios: "{system}" is not among the runs ({", ".join(sorted(systems))})')
    return study, path


def list_studies() -> list[str]:
    """Names of the shipped studies."""
    return names(SHIPPED, ".toml")


def plan_runs(study: Study, path: Path) -> list[PlannedRun]:
    """Expand a study into its runs, a replica each, with distinct names and seeds."""
    planned: list[PlannedRun] = []
    for number, run in enumerate(study.runs):
        system = _named(f"{path}: runs.{number}.system", load_system, _locate(run.system, path))
        variant = run.variant or system.default_variant
        if variant not in system.variants:
            hint = did_you_mean(variant, system.variants)
            raise SpecError(f'{path}: runs.{number}.variant: {run.system} has no variant "{variant}".{hint}')
        fields = run.force_field or study.force_field
        scales = run.charge_scale or study.charge_scale
        temperatures = run.temperature or study.temperature
        replicas = range(1, study.replicas + 1)
        for field, scale, kelvin, replica in product(fields, scales or (None,), temperatures or (None,), replicas):
            words = [Path(run.system).stem, variant]
            words += [Path(field).stem] if run.force_field or len(fields) > 1 else []
            words += [f"q{scale:g}"] if run.charge_scale or len(scales) > 1 else []
            words += [f"{kelvin:g}K"] if run.temperature or len(temperatures) > 1 else []
            name = "-".join([*words, f"r{replica}"])
            seed = seed_for(study.seed, name, "run")
            planned.append(PlannedRun(name, _locate(run.system, path), variant, replica, seed, field, scale, kelvin))
    doubled = {run.name for run in planned if sum(other.name == run.name for other in planned) > 1}
    if doubled:
        raise SpecError(f"{path}: runs: the same run twice: {', '.join(sorted(doubled))}")
    return planned


def _force_fields(study: Study) -> list[tuple[str, tuple[str, ...]]]:
    """Places in a study file that name force fields, and what they name."""
    own = [(f"runs.{number}.force_field", run.force_field) for number, run in enumerate(study.runs)]
    return [("force_field", study.force_field), *own]


def _named(where: str, read: Callable[..., Read], *words: object) -> Read:
    """What `read` returns; an error of it names the place that asked."""
    try:
        return read(*words)
    except SpecError as error:
        raise SpecError(f"{where}: {error}") from error


def _locate(system: str, study_path: Path) -> str | Path:
    beside = study_path.parent / system
    return beside if beside.is_file() else system
