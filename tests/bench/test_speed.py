from __future__ import annotations

import hashlib
from pathlib import Path

import numpy as np
import openmm
import pytest
from openmm import app, unit

from mdstudy.base.errors import RunError
from mdstudy.bench.speed import BARE, ENGINE, NAIVE, Benchmark, Speed, bench
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


def contents(folder: Path) -> dict[str, str]:
    return {str(f): hashlib.sha256(f.read_bytes()).hexdigest() for f in sorted(folder.rglob("*")) if f.is_file()}


@pytest.mark.parametrize("pressure", [None, 1.0])
def test_all_ways_are_measured_as_often_and_the_run_is_left_as_it_was(tmp_path: Path, pressure: float | None) -> None:
    run_dir = built(tmp_path / "run", pressure)
    before = contents(run_dir.path)
    said: list[float] = []
    found = bench(run_dir.path, "CPU", repeats=2, seconds=0.05, progress=lambda f, text: said.append(f))  # noqa: ARG005
    assert contents(run_dir.path) == before
    assert run_dir.status() == "ready"
    assert found.atoms == ATOMS
    assert [(one.name, len(one.values)) for one in found.speeds] == [(ENGINE, 2), (BARE, 2), (NAIVE, 2)]
    assert all(value > 0 for one in found.speeds for value in one.values)
    assert found.start >= 0
    assert found.without_gromacs  # no gmx, or no box of a shipped system
    assert said == [0.0, 0.5]
    header, rows = found.table()
    assert len(header) == len(rows[0]) == 4
    assert [row[0] for row in rows] == [ENGINE, BARE, NAIVE]


def test_the_efficiency_is_the_median_of_the_ratios_within_turns() -> None:
    speeds = (Speed(ENGINE, (90.0, 49.0, 9.8)), Speed(BARE, (100.0, 50.0, 10.0)), Speed(NAIVE, (1.0, 1.0, 1.0)))
    assert Benchmark(1, "", speeds, 0.0).efficiency == pytest.approx(0.98)


def test_what_is_not_built_is_refused(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="not a built run directory"):
        bench(tmp_path)
