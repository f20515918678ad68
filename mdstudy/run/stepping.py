"""Production without its reports: what speed is measured against, from the state that a run directory has reached."""

from __future__ import annotations

import openmm

from mdstudy.run.diagnosis import atom_words
from mdstudy.run.mechanics import equip, load, place, relax
from mdstudy.run.plan import Stage
from mdstudy.run.platforms import Choice
from mdstudy.run.rundir import RunDir
from mdstudy.run.simulate import CONSTRAINT_TOLERANCE, DRIFT_INTERVAL


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
    done = [folder for folder in [*run_dir.stages(), *run_dir.segments()] if (folder / "end.xml").is_file()]
    if done:
        return load(done[-1] / "end.xml")
    context = choice.context(equip(system), openmm.VerletIntegrator(segment.timestep))
    place(context, load(run_dir.start_xml))
    return relax(context, 200, atom_words(run_dir.topology))


def equipped(system: openmm.System, segment: Stage) -> openmm.System:
    """Copy of a System with what the engine adds to it for a segment of production."""
    barostat = None
    if segment.pressure is not None:
        barostat = openmm.MonteCarloBarostat(segment.pressure[0], segment.temperature[0], segment.barostat_interval)
    return equip(system, barostat, DRIFT_INTERVAL)


def production_context(system: openmm.System, segment: Stage, state: openmm.State, choice: Choice) -> openmm.Context:
    """Context ready to step as the engine does in a segment of production, with velocities drawn."""
    integrator = openmm.LangevinMiddleIntegrator(segment.temperature[0], segment.friction, segment.timestep)
    integrator.setConstraintTolerance(CONSTRAINT_TOLERANCE)
    context = choice.context(equipped(system, segment), integrator)
    place(context, state)
    context.setVelocitiesToTemperature(segment.temperature[0], 1)
    return context
