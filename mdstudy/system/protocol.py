"""Protocols: the stages of a run as a person declares them, turned into a plan."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BeforeValidator, Field, model_validator

from mdstudy.base.errors import RunError
from mdstudy.base.library import find, names
from mdstudy.base.spec import Acceleration, Pressure, Rate, Spec, Time, read_spec
from mdstudy.base.units import parse
from mdstudy.run.plan import Plan, Production, Stage

SHIPPED = "systems/protocols"
#: Word for the temperature of the system, which a protocol leaves open.
TARGET = "target"


def _point(value: object) -> float | None:
    return None if value == TARGET else parse(value, "temperature")


#: A temperature, or None for that of the system.
TemperaturePoint = Annotated[Annotated[float, Field(ge=0)] | None, BeforeValidator(_point)]


def whole(time: float, interval: float, what: str, of: str) -> int:
    """How many intervals a time is.

    Parameters
    ----------
    time, interval : float
        ps.
    what, of : str
        Their names, for the message.

    Raises
    ------
    ValueError
        Not a whole number, or none; names both.
    """
    count = round(time / interval)
    if count < 1 or abs(count * interval - time) > 1e-6 * interval:
        raise ValueError(f"{what} of {time:g} ps is no whole number of {of} of {interval * 1e3:g} fs")
    return count


def _pair(value: object) -> object:
    return value if isinstance(value, list | tuple) or value is None else (value, value)


TemperatureRamp = Annotated[tuple[TemperaturePoint, TemperaturePoint], BeforeValidator(_pair)]
PressureRamp = Annotated[tuple[Pressure, Pressure] | None, BeforeValidator(_pair)]


class StageSpec(Spec):
    """One stage before production; what it leaves out is the protocol's."""

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    kind: Literal["minimise", "nvt", "npt"]
    iterations: int = Field(0, ge=0, description="of a minimisation, at most; 0: until it converges")
    time: Time | None = Field(None, description="of a stage that ends when stationary: between looks whether it is")
    until: Literal["stationary"] | None = Field(None, description="end when density and energy are stationary")
    at_most: Time | None = Field(None, description="of a stage that ends when stationary")
    timestep: Time | None = Field(None, gt=0)
    temperature: TemperatureRamp = Field((TARGET, TARGET), description="one, or from and to")  # type: ignore[assignment]
    pressure: PressureRamp = Field(None, description="one, or from and to; 1 bar if absent")
    friction: Rate | None = Field(None, gt=0)
    report: Time | None = Field(None, gt=0)
    box: str | None = Field(None, pattern="^mean:", description='"mean:NAME": the mean volume of an earlier stage')

    @model_validator(mode="after")
    def _fits_its_kind(self) -> StageSpec:
        if self.kind == "minimise" and self.time is not None:
            raise ValueError(f"{self.name}: a minimisation takes iterations, not a time")
        if self.kind != "minimise" and self.time is None:
            raise ValueError(f'{self.name}: needs a time, for example "100 ps"')
        if self.kind != "minimise" and self.iterations:
            raise ValueError(f"{self.name}: iterations belong to a minimisation")
        if (self.until is None) != (self.at_most is None):
            raise ValueError(f'{self.name}: until = "stationary" and at_most, its limit of time, belong together')
        if self.until is not None and self.kind == "minimise":
            raise ValueError(f"{self.name}: a minimisation cannot end when stationary")
        if self.kind != "npt" and self.pressure is not None:
            raise ValueError(f"{self.name}: a pressure belongs to kind npt, not {self.kind}")
        return self


class ProductionSpec(Spec):
    """The part that is analysed."""

    kind: Literal["nvt", "npt"]
    time: Time = Field(gt=0)
    segment: Time = Field(gt=0, description="length of the pieces that are each done as a whole")
    frames: Time = Field(gt=0, description="between frames")
    report: Time | None = Field(None, gt=0)
    timestep: Time | None = Field(None, gt=0)
    friction: Rate | None = Field(None, gt=0)
    pressure: Pressure | None = None
    box: str | None = Field(None, pattern="^mean:")
    stress: Time | None = Field(None, gt=0, description="between samples of the shear stress; none if absent")
    acceleration: Acceleration | None = Field(None, gt=0, description="of the cosine that drives a flow, if any")
    waves: int = Field(1, ge=1, description="wavelengths of that cosine in the box")


class Protocol(Spec):
    """What a protocol file says.

    Times become whole numbers of steps when the file is read, so that a time
    which is none is found there.
    """

    name: str = Field(pattern=r"^[a-z][a-z0-9-]*$")
    title: str
    note: str = Field("", description="what a reader of results made by it must know")
    timestep: Time = Field("4 fs", gt=0)  # type: ignore[assignment]  # validated as if written
    friction: Rate = Field("1 1/ps", gt=0)  # type: ignore[assignment]
    report: Time = Field("1 ps", gt=0)  # type: ignore[assignment]
    barostat_interval: int = Field(25, ge=1)
    stages: tuple[StageSpec, ...]
    production: ProductionSpec

    @model_validator(mode="after")
    def _makes_a_plan(self) -> Protocol:
        try:
            self.plan(1, 300.0)
        except RunError as error:
            raise ValueError(str(error)) from error
        return self

    def plan(self, seed: int, temperature: float) -> Plan:
        """Plan of a run.

        Parameters
        ----------
        seed : int
            Every random number of the run derives from it.
        temperature : float
            Of the system, K.
        """
        first = next((stage.name for stage in self.stages if stage.kind != "minimise"), None)
        stages = tuple(self._stage(spec, temperature, spec.name == first) for spec in self.stages)
        return Plan(self.name, seed, stages, self._production(temperature), self.note)

    def _stage(self, spec: StageSpec, target: float, draw_velocities: bool) -> Stage:
        if spec.time is None:
            return Stage(spec.name, "minimise", spec.iterations)
        timestep = spec.timestep or self.timestep
        whole(spec.time, timestep, f"{spec.name}: time", "timesteps")
        report = whole(spec.report or self.report, timestep, f"{spec.name}: report", "timesteps")
        start, end = (target if point is None else point for point in spec.temperature)
        steps = report * whole(spec.time, report * timestep, f"{spec.name}: time", "report intervals")
        looks = 1 if spec.at_most is None else whole(spec.at_most, spec.time, f"{spec.name}: at_most", "times")
        return Stage(
            name=spec.name,
            kind=spec.kind,
            steps=steps * looks,
            timestep=timestep,
            temperature=(start, end),
            pressure=(spec.pressure or (1.0, 1.0)) if spec.kind == "npt" else None,
            friction=spec.friction or self.friction,
            barostat_interval=self.barostat_interval,
            report_interval=report,
            draw_velocities=draw_velocities,
            box=spec.box,
            until=spec.until,
            check_interval=steps if spec.until else 0,
        )

    def _production(self, target: float) -> Production:
        spec = self.production
        timestep = spec.timestep or self.timestep
        whole(spec.time, timestep, "production: time", "timesteps")
        frame = whole(spec.frames, timestep, "production: frames", "timesteps")
        report = whole(spec.report or self.report, timestep, "production: report", "timesteps")
        whole(spec.segment, report * timestep, "production: segment", "report intervals")
        stress = whole(spec.stress, timestep, "production: stress", "timesteps") if spec.stress else 0
        return Production(
            segments=whole(spec.time, spec.segment, "production: time", "segments"),
            steps=frame * whole(spec.segment, frame * timestep, "production: segment", "frame intervals"),
            frame_interval=frame,
            report_interval=report,
            ensemble=spec.kind,
            timestep=timestep,
            temperature=target,
            pressure=(spec.pressure or 1.0) if spec.kind == "npt" else None,
            friction=spec.friction or self.friction,
            barostat_interval=self.barostat_interval,
            box=spec.box,
            stress_interval=stress,
            acceleration=spec.acceleration or 0.0,
            waves=spec.waves,
        )


def load_protocol(name: str | Path) -> Protocol:
    """Read a protocol by path or shipped name.

    Raises
    ------
    SpecError
        No such file, or it does not fit; names file and field.
    """
    return read_spec(find(name, SHIPPED, ".toml"), Protocol)


def list_protocols() -> list[str]:
    """Names of the shipped protocols."""
    return names(SHIPPED, ".toml")
