"""One stage: dynamics or a minimisation, with what it writes, from a state to a state.

Dynamics is LangevinMiddle (Zhang et al., J. Phys. Chem. A 123, 6056 (2019), doi
10.1021/acs.jpca.9b02771); its velocities are those of the half step, whose
kinetic energy is the one to compare with the thermostat's. Volume moves are
OpenMM's MonteCarloBarostat, which scales the centres of molecules (Chow and
Ferguson, Comput. Phys. Commun. 91, 283 (1995), doi 10.1016/0010-4655(95)00059-O).

Positions are written as integrated, not wrapped. At constant volume molecules
are followed by them directly; a volume move may take whole molecules back into
the box, so that at constant pressure displacements are unwrapped frame by frame.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import openmm

from mdstudy.base.errors import RunError, SimulationError, first_line
from mdstudy.base.stationarity import judge
from mdstudy.run.cosine import Profile, driven
from mdstudy.run.diagnosis import Describe, name_worst, require_finite
from mdstudy.run.interruption import Halt, Interrupted, Point
from mdstudy.run.mechanics import (
    CONSTRAINT_TOLERANCE,
    Seed,
    coupled,
    molecule_of,
    place,
    relax,
    thermostatted,
)
from mdstudy.run.outputs import Frames, Log
from mdstudy.run.plan import Stage, Try
from mdstudy.run.platforms import Choice
from mdstudy.run.stress import ShearStress, StressLog

Tick = Callable[[int], None]
RELAX_ITERATIONS = 1000  # at most, where a stage that blew up is minimised again
PIECE = 50  # steps between looks whether to leave


@dataclass(frozen=True)
class Setup:
    """What all stages of a start share: System, platform, words for an atom that is at fault, and when to leave."""

    system: openmm.System
    choice: Choice
    describe: Describe
    halt: Halt = field(default_factory=Halt)


def perform(
    stage: Stage,
    how: Try,
    seed: Seed,
    setup: Setup,
    state: openmm.State,
    folder: Path,
    volume: float | None,
    tick: Tick,
    point: Point | None = None,
) -> tuple[openmm.State, dict[str, Any] | None]:
    """Carry out one stage.

    Parameters
    ----------
    stage : Stage
        What to do.
    how : Try
        As planned, or more gently.
    seed : callable
        Seed for a purpose.
    setup : Setup
        System (without thermostat, barostat and removal of centre-of-mass motion) and platform.
    state : openmm.State
        Positions and box, and velocities unless the stage draws them.
    folder : Path
        Where ``state.csv`` and, if the stage has them, ``frames.xtc``, ``stress.csv`` and ``profile.csv`` are written.
    volume : float or None
        Volume in nm^3 that the box is set to first.
    tick : callable
        Called with the number of steps done since it was called last.
    point : Point, optional
        Where the stage was left, with what it had written then in `folder`.

    Returns
    -------
    end : openmm.State
        Positions, velocities and box at the end.
    verdict : dict or None
        Of a stage that ends when stationary: whether it did, after which time, and why.

    Raises
    ------
    SimulationError
        A number is none, or the temperature beyond any liquid; names the atoms with the largest forces.
    RunError
        The box has become too small for the cutoff.
    Interrupted
        The stage is to be left; says where.
    """
    if point is not None:  # the barostat draws other numbers than at the start; OpenMM keeps its state to itself
        start, own = point.step, seed
        seed = lambda purpose: own(f"{purpose} from step {start}")  # noqa: E731
    integrator = driven(stage, seed) if stage.acceleration else thermostatted(stage, seed)
    context = setup.choice.context(coupled(setup.system, stage, seed), integrator)
    place(context, state, volume)
    if point is not None:
        context.loadCheckpoint(point.checkpoint)
    elif stage.kind != "minimise":
        context.setStepCount(stage.first_step)
        context.setTime(stage.first_step * stage.timestep)
        if how.minimise:
            relax(context, RELAX_ITERATIONS, setup.describe)
        if stage.draw_velocities or how.minimise:
            context.applyConstraints(CONSTRAINT_TOLERANCE)
            context.setVelocitiesToTemperature(stage.temperature[0], seed("velocities"))
        else:
            context.setVelocities(state.getVelocities(asNumpy=True))
    with ExitStack() as stack:
        if stage.kind != "minimise":
            stack.enter_context(setup.halt.held())
        outputs = Outputs(stack, folder, stage, setup, context, point is not None)
        if stage.kind == "minimise":
            end = relax(context, stage.steps, setup.describe)
            outputs.log.write(end, stage.steps)
            tick(stage.steps)
            return end, None
        return _integrate(context, stage, how, outputs, setup, tick, 0 if point is None else point.step)


class Outputs:
    """Files of a stage, and when they are written.

    Parameters
    ----------
    stack : ExitStack
        Closes them.
    folder : Path
    stage : Stage
    setup : Setup
    context : openmm.Context
        At the start.
    more : bool
        Go on behind what is in the files.
    """

    def __init__(
        self, stack: ExitStack, folder: Path, stage: Stage, setup: Setup, context: openmm.Context, more: bool
    ) -> None:
        def table(name: str) -> Any:
            return stack.enter_context((folder / name).open("a" if more else "w", encoding="utf-8", newline=""))

        self._stage, timestep = stage, stage.timestep if stage.kind != "minimise" else 0.0
        earlier = folder / "state.csv" if more else None
        self.log = Log(table("state.csv"), context.getSystem(), timestep, earlier)
        self._profile = Profile(table("profile.csv"), context, stage) if stage.acceleration else None
        self._stress = None
        if stage.stress_interval:
            stress = ShearStress(setup.system, setup.choice, molecule_of(context))
            self._stress = StressLog(table("stress.csv"), stress, timestep)
        self._frames = None
        if stage.frame_interval:
            first = stage.first_step + stage.frame_interval
            self._frames = Frames(folder / "frames.xtc", setup.system, timestep, first, stage.frame_interval)

    def steps(self) -> list[int]:
        """Steps at which something is written, in order."""
        stage = self._stage
        intervals = {stage.report_interval, stage.frame_interval, stage.stress_interval} - {0}
        return sorted({step for every in intervals for step in range(every, stage.steps + 1, every)})

    def write(self, context: openmm.Context, step: int) -> openmm.State:
        """Write what is due at a step; the state, with velocities and energies if there is a row of the log.

        Raises
        ------
        FloatingPointError
            A number is none, or the temperature beyond any liquid.
        """
        stage = self._stage
        reports, clock = step % stage.report_interval == 0, stage.first_step + step
        stresses = self._stress is not None and step % stage.stress_interval == 0
        state = context.getState(getPositions=True, getVelocities=reports or stresses, getEnergy=reports)
        require_finite(state)
        if reports:
            self.log.write(state, clock)
            if self._profile is not None:
                self._profile.write(state, clock)
        if self._stress is not None and stresses:
            self._stress.write(state, clock)
        if self._frames is not None and step % stage.frame_interval == 0:
            self._frames.write(state)
        return state


def _integrate(
    context: openmm.Context, stage: Stage, how: Try, outputs: Outputs, setup: Setup, tick: Tick, start: int
) -> tuple[openmm.State, dict[str, Any] | None]:
    integrator, every = context.getIntegrator(), stage.report_interval
    good, checkpoint = context.getState(getPositions=True, getVelocities=True), context.createCheckpoint()
    verdict, done = None, start
    for step in outputs.steps():
        if step <= start:
            continue
        parts = how.substeps if done < how.gentle else 1
        integrator.setStepSize(stage.timestep / parts)
        _ramp(context, stage, done // every * every)
        try:
            while done < step:
                piece = min(PIECE, step - done)
                integrator.step(piece * parts)
                done += piece
                tick(piece)
                if done < step and setup.halt.asked:
                    raise Interrupted(done, context.createCheckpoint())
            state = outputs.write(context, step)
        except (openmm.OpenMMException, FloatingPointError) as error:
            if "box size has decreased" in str(error):
                raise RunError(f"within step {step}: {first_line(error)} Take more atoms, or less pressure.") from error
            names = name_worst(context, good, setup.describe, checkpoint, every * parts)
            raise SimulationError(f"blew up within step {step} ({first_line(error)}); {names}") from error
        if step % every == 0:
            good, checkpoint = state, context.createCheckpoint()
        if stage.check_interval and step % stage.check_interval == 0:
            log = outputs.log
            series = {"potential": log.potentials} | ({"density": log.densities} if stage.pressure else {})
            verdict = judge(series, every * stage.timestep)
            if verdict["stationary"]:
                break
        if step < stage.steps and setup.halt.asked:
            raise Interrupted(step, context.createCheckpoint())
    return good, verdict


def _ramp(context: openmm.Context, stage: Stage, done: int) -> None:
    """Set thermostat and barostat to the middle of the report interval that begins."""
    share = (done + stage.report_interval / 2) / stage.steps
    temperature = stage.temperature[0] + share * (stage.temperature[1] - stage.temperature[0])
    if stage.temperature[0] != stage.temperature[1]:
        context.getIntegrator().setTemperature(temperature)
    if stage.pressure is not None:
        pressure = stage.pressure[0] + share * (stage.pressure[1] - stage.pressure[0])
        context.setParameter(openmm.MonteCarloBarostat.Pressure(), pressure)
        context.setParameter(openmm.MonteCarloBarostat.Temperature(), temperature)
