"""What a run will do, as plain numbers: stages, production and their seeds.

A plan is all that the run step reads about the protocol. It is written as
``plan.json`` and read back to an equal object. One segment of production is a
stage like any other, with frames.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import MISSING, asdict, dataclass, fields
from typing import Any

from mdstudy.base.errors import RunError

KINDS = ("minimise", "nvt", "npt")
#: ``Stage.until`` of a stage that ends when density and potential energy are stationary.
STATIONARY = "stationary"
#: How ``Stage.box`` starts when the box is set to the mean volume of an earlier stage.
MEAN = "mean:"


def seed_for(seed: int, name: str, purpose: str) -> int:
    """Derive an independent 31-bit seed.

    Parameters
    ----------
    seed : int
        Seed of the run.
    name : str
        Stage or segment.
    purpose : str
        What the numbers are for, for example ``"velocities"``.

    Returns
    -------
    int
        In [1, 2^31 - 1]; never 0, which OpenMM takes as "choose one at random".
    """
    digest = hashlib.sha256(f"{seed}/{name}/{purpose}".encode()).digest()
    return 1 + int.from_bytes(digest[:8], "big") % (2**31 - 1)


@dataclass(frozen=True)
class Stage:
    """A part of a run that is done as a whole or not at all.

    Attributes
    ----------
    name : str
        Name of its directory.
    kind : {"minimise", "nvt", "npt"}
        Minimisation, or dynamics at constant volume or pressure.
    steps : int
        Time steps; at most this many iterations of a minimisation (0: until it converges).
    timestep : float
        ps.
    temperature : (float, float)
        Thermostat at the start and the end, K; linear between.
    pressure : (float, float) or None
        Barostat at the start and the end, bar; linear between. Constant pressure only.
    friction : float
        Coupling of the Langevin thermostat, 1/ps.
    barostat_interval : int
        Steps between attempts to change the volume.
    report_interval : int
        Steps between rows of the log; ramps advance at the same steps.
    frame_interval : int
        Steps between frames of the trajectory; 0: no trajectory.
    first_step : int
        Steps done before this stage on the clock of the trajectory.
    draw_velocities : bool
        Draw velocities at the start; else go on with those of the stage before.
    remove_drift : bool
        Whether the motion of the centre of mass is removed.
    box : str or None
        ``"mean:NAME"``: before the start, set the volume to the mean over the
        second half of stage NAME.
    until : str or None
        ``"stationary"``: end as soon as density (constant pressure) and potential
        energy are stationary (:mod:`mdstudy.base.stationarity`); `steps` is then the most.
    check_interval : int
        Steps between looks whether they are.
    stress_interval : int
        Steps between rows of ``stress.csv`` (:mod:`mdstudy.run.stress`); 0: none.
    acceleration : float
        Amplitude of the cosine that drives a flow, nm/ps^2 (:mod:`mdstudy.run.cosine`); 0: equilibrium.
    waves : int
        Wavelengths of that cosine in the box.
    """

    name: str
    kind: str
    steps: int
    timestep: float = 0.004
    temperature: tuple[float, float] = (298.15, 298.15)
    pressure: tuple[float, float] | None = None
    friction: float = 1.0
    barostat_interval: int = 25
    report_interval: int = 250
    frame_interval: int = 0
    first_step: int = 0
    draw_velocities: bool = False
    remove_drift: bool = False
    box: str | None = None
    until: str | None = None
    check_interval: int = 0
    stress_interval: int = 0
    acceleration: float = 0.0
    waves: int = 1

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise RunError(f'stage {self.name}: kind "{self.kind}" is none of {", ".join(KINDS)}')
        if (self.kind == "npt") != (self.pressure is not None):
            raise RunError(f"stage {self.name}: a pressure belongs to kind npt, and only there (kind {self.kind})")
        if self.until not in (None, STATIONARY) or (self.until is None) != (self.check_interval == 0):
            raise RunError(
                f'stage {self.name}: until "{self.until}" with a check interval of {self.check_interval} steps; '
                f'"{STATIONARY}" needs one, and nothing else does'
            )
        if self.kind == "minimise":
            return
        ramps = self.temperature[0] != self.temperature[1] or len(set(self.pressure or ())) > 1
        if self.until is not None and (ramps or self.frame_interval):
            raise RunError(f"stage {self.name}: cannot end when stationary: it has a ramp or a trajectory")
        if self.steps <= 0 or self.timestep <= 0:
            raise RunError(f"stage {self.name}: {self.steps} steps of {self.timestep} ps; both must be positive")
        if self.acceleration < 0 or self.waves < 1 or (self.acceleration and self.kind != "nvt"):
            raise RunError(
                f"stage {self.name}: an acceleration of {self.acceleration} nm/ps^2 with {self.waves} waves, kind "
                f"{self.kind}; a flow is driven at constant volume, with at least one wave"
            )
        for what, interval in (
            ("report", self.report_interval),
            ("frame", self.frame_interval),
            ("check", self.check_interval),
            ("stress", self.stress_interval),
        ):
            if interval < 0 or (interval == 0 and what == "report") or (interval and self.steps % interval):
                raise RunError(
                    f"stage {self.name}: {self.steps} steps are no whole number of {what} intervals of {interval}"
                )
        if self.check_interval % self.report_interval:
            raise RunError(
                f"stage {self.name}: a check interval of {self.check_interval} steps is no whole number of "
                f"report intervals of {self.report_interval}"
            )

    @property
    def mean_of(self) -> str | None:
        """Stage whose mean volume the box takes."""
        return self.box.removeprefix(MEAN) if self.box is not None else None

    def tries(self) -> tuple[Try, ...]:
        """How the stage is tried, in order, until it does not blow up.

        First as planned; then with the first tenth of its report intervals in
        quarter steps; then with that after minimising again and drawing
        velocities. A segment of the trajectory is never minimised, which would
        tear it, and a minimisation is tried once.
        """
        planned = Try("as planned")
        if self.kind == "minimise":
            return (planned,)
        gentle = -(-self.steps // self.report_interval // 10) * self.report_interval
        shorter = Try(f"first {gentle} steps in quarters", 4, gentle)
        if self.frame_interval:
            return planned, shorter
        return planned, shorter, Try(f"minimised again, then {shorter.how}", 4, gentle, minimise=True)


@dataclass(frozen=True)
class Try:
    """One way to carry out a stage.

    Attributes
    ----------
    how : str
        In words, for the record.
    substeps : int
        Parts into which each of the first steps is divided.
    gentle : int
        How many steps those are.
    minimise : bool
        Minimise and draw velocities first.
    """

    how: str
    substeps: int = 1
    gentle: int = 0
    minimise: bool = False


@dataclass(frozen=True)
class Production:
    """The part of a run that is analysed: equal segments of one trajectory.

    Frame k (from 1) of the trajectory is at step k times `frame_interval`.
    Attributes are those of :class:`Stage`, `steps` those of one segment.
    """

    segments: int
    steps: int
    frame_interval: int
    report_interval: int
    ensemble: str = "nvt"
    timestep: float = 0.004
    temperature: float = 298.15
    pressure: float | None = None
    friction: float = 0.1
    barostat_interval: int = 25
    box: str | None = None
    stress_interval: int = 0
    acceleration: float = 0.0
    waves: int = 1

    def __post_init__(self) -> None:
        if self.segments < 0 or self.frame_interval <= 0:
            raise RunError(f"production: {self.segments} segments with frames every {self.frame_interval} steps")
        self.segment(1)

    @property
    def frames(self) -> int:
        """Number of frames of the whole trajectory."""
        return self.segments * self.steps // self.frame_interval

    @property
    def frame_time(self) -> float:
        """Time between frames, ps."""
        return self.frame_interval * self.timestep

    @property
    def time(self) -> float:
        """Length of the whole trajectory, ps."""
        return self.segments * self.steps * self.timestep

    def segment(self, number: int, draw_velocities: bool = False) -> Stage:
        """Segment `number`, counted from 1, as a stage."""
        return Stage(
            name=f"{number:04d}",
            kind=self.ensemble,
            steps=self.steps,
            timestep=self.timestep,
            temperature=(self.temperature, self.temperature),
            pressure=None if self.pressure is None else (self.pressure, self.pressure),
            friction=self.friction,
            barostat_interval=self.barostat_interval,
            report_interval=self.report_interval,
            frame_interval=self.frame_interval,
            first_step=(number - 1) * self.steps,
            draw_velocities=draw_velocities and number == 1,
            remove_drift=True,
            box=self.box if number == 1 else None,
            stress_interval=self.stress_interval,
            acceleration=self.acceleration,
            waves=self.waves,
        )


@dataclass(frozen=True)
class Plan:
    """Stages in order, then production.

    Attributes
    ----------
    profile : str
        Protocol that the plan was made of.
    seed : int
        Seed of the run; every other one is derived from it (:func:`seed_for`).
    stages : tuple of Stage
    production : Production
    note : str
        What a reader of the results must know about the protocol.
    """

    profile: str
    seed: int
    stages: tuple[Stage, ...]
    production: Production
    note: str = ""

    def __post_init__(self) -> None:
        names = [stage.name for stage in self.stages]
        if len(set(names)) < len(names):
            raise RunError(f"plan: two stages have the same name ({', '.join(names)})")
        for k, stage in enumerate([*self.stages, self.production.segment(1)]):
            npt_before = [before.name for before in self.stages[:k] if before.kind == "npt"]
            if stage.mean_of is not None and stage.mean_of not in npt_before:
                raise RunError(
                    f'plan: stage {stage.name}: box "{stage.box}" names no constant-pressure stage before it'
                )

    def segments(self) -> tuple[Stage, ...]:
        """Segments of production; velocities are drawn if no stage before had any."""
        cold = all(stage.kind == "minimise" for stage in self.stages)
        return tuple(self.production.segment(k + 1, draw_velocities=cold) for k in range(self.production.segments))

    def to_json(self) -> str:
        """Text of ``plan.json``."""
        return json.dumps(asdict(self), indent=2) + "\n"

    @classmethod
    def from_json(cls, text: str) -> Plan:
        """Inverse of :meth:`to_json`.

        Raises
        ------
        RunError
            Not JSON, or not the fields of a plan.
        """
        try:
            data = json.loads(text)
            stages = tuple(_stage(row) for row in data.pop("stages"))
            return cls(stages=stages, production=Production(**data.pop("production")), **data)
        except (ValueError, TypeError, KeyError, AttributeError) as error:
            raise RunError(f"plan.json: not a plan: {error}") from error


def _stage(row: dict[str, Any]) -> Stage:
    pairs = {key: tuple(row[key]) for key in ("temperature", "pressure") if row.get(key) is not None}
    return Stage(**{**row, **pairs})


def completed(record: dict[str, Any]) -> dict[str, Any]:
    """Give a record of a stage the defaults of the fields that were added after it was written."""
    return {f.name: f.default for f in fields(Stage) if f.default is not MISSING} | record


def difference(old: dict[str, Any], new: dict[str, Any]) -> str:
    """Name the fields in which two records differ, ``"steps: 100 then, 200 now"``; empty if none."""
    return "; ".join(
        f"{key}: {old.get(key)} then, {new.get(key)} now"
        for key in dict.fromkeys([*old, *new])
        if old.get(key) != new.get(key)
    )
