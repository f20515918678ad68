"""A built run directory that steps fast."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openmm
from openmm import app, unit

from mdstudy.run.plan import Plan, Production, Stage
from mdstudy.run.rundir import RunDir

EDGE, ATOMS = 2.4, 64


def built(folder: Path, pressure: float | None = None) -> RunDir:
    """Argon-like atoms on a grid."""
    run_dir = RunDir(folder)
    run_dir.box.mkdir(parents=True)
    system, force, topology = openmm.System(), openmm.NonbondedForce(), app.Topology()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.9)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * EDGE))
    topology.setPeriodicBoxVectors([openmm.Vec3(*row) for row in np.eye(3) * EDGE] * unit.nanometer)
    chain = topology.addChain()
    for _ in range(ATOMS):
        system.addParticle(40.0)
        force.addParticle(0.0, 0.34, 1.0)
        topology.addAtom("Ar", app.Element.getBySymbol("Ar"), topology.addResidue("AR", chain))
    system.addForce(force)
    positions = (np.array(list(np.ndindex(4, 4, 4))) + 0.5) * EDGE / 4
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    run_dir.system_xml.write_text(openmm.XmlSerializer.serialize(system))
    run_dir.start_xml.write_text(openmm.XmlSerializer.serialize(context.getState(getPositions=True)))
    with run_dir.topology.open("w") as file:
        app.PDBxFile.writeFile(topology, positions * 10, file)
    ensemble = "nvt" if pressure is None else "npt"
    production = Production(1, 240, 40, 60, ensemble=ensemble, temperature=90.0, pressure=pressure)
    run_dir.plan.write_text(Plan("test", 1, (Stage("minimise", "minimise", 10),), production).to_json())
    return run_dir
