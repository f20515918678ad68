"""Production without its reports: what speed is measured against, from the state that a run directory has reached."""

from __future__ import annotations

import openmm

from mdstudy.run.diagnosis import atom_words
from mdstudy.run.mechanics import coupled, equip, load, place, relax, thermostatted
from mdstudy.run.plan import Stage, seed_for
from mdstudy.run.platforms import Choice
from mdstudy.run.rundir import RunDir


def _seed(purpose: str) -> int:
    return seed_for(1, "speed", purpose)


def start_state(run_dir: RunDir, system: openmm.System, segment: Stage, choice: Choice) -> openmm.State:
    """Last finished state of a run, or its box as built after some steps downhill, with velocities.

    Parameters
    ----------
    run_dir : RunDir
    system : openmm.System
        As built.
    segment : Stage
        Of production; gives temperature and time step.
    choice : Choice
        Platform.
    """
    last = run_dir.states()[-1]
    if last != run_dir.start_xml:
        return load(last)
    context = choice.context(equip(system), openmm.VerletIntegrator(segment.timestep))
    place(context, load(run_dir.start_xml))
    return relax(context, 200, atom_words(run_dir.topology))


def equipped(system: openmm.System, segment: Stage) -> openmm.System:
    """Copy of a System with what the engine adds to it for a segment of production."""
    return coupled(system, segment, _seed)


def production_context(system: openmm.System, segment: Stage, state: openmm.State, choice: Choice) -> openmm.Context:
    """Context ready to step as the engine does in a segment of production, with velocities drawn."""
    context = choice.context(equipped(system, segment), thermostatted(segment, _seed))
    place(context, state)
    context.setVelocitiesToTemperature(segment.temperature[0], 1)
    return context
