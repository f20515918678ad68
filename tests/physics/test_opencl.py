"""The OpenCL path, here usually PoCL on the processor, gives the energies and forces of the reference.

Minimisation stays out: with OpenMM 8.6.1 and PoCL 3.1 ``LocalEnergyMinimizer`` ends the process with a segmentation
fault from a few hundred particles on, in every precision, even for non-interacting particles in a harmonic well.
Constraints, Langevin dynamics and the barostat run. All this has a process of its own: a crash fails one test.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import openmm
import pytest

import mdstudy
from mdstudy.system.parameterise import TERMS, energy_terms, parameterise

pytestmark = [pytest.mark.opencl, pytest.mark.slow]

ON_OPENCL = """
import json, os
import numpy as np, openmm
from mdstudy.system.parameterise import energy_terms
system = openmm.XmlSerializer.deserialize(open("system.xml").read())
positions = np.load("positions.npy")
precision = {"Precision": "mixed"}
terms = energy_terms(system, positions, "OpenCL", precision)
platform = openmm.Platform.getPlatformByName("OpenCL")
integrator = openmm.LangevinMiddleIntegrator(300, 1, 0.002)
integrator.setRandomNumberSeed(1)
context = openmm.Context(system, integrator, platform, precision)
context.setPositions(positions)
np.save("forces.npy", context.getState(getForces=True).getForces(asNumpy=True)._value)
context.applyConstraints(1e-6)
integrator.step(50)
terms["after 50 steps"] = context.getState(getEnergy=True).getPotentialEnergy()._value
print(json.dumps(terms), flush=True)
os._exit(0)  # PoCL 3.1 sometimes crashes when its threads are taken down
"""


def test_energies_and_forces_agree_with_the_reference(make_box, tmp_path: Path) -> None:
    box = make_box(["LI", "FSI", "P13", "TTE", "FSI", "TTE", "TTE", "MMH MMU MMT"] * 3, edge=3.0)
    system = parameterise(box.topology)
    cpu = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("CPU"))
    cpu.setPositions(box.positions)
    openmm.LocalEnergyMinimizer.minimize(cpu, 10, 200)
    relaxed = np.array(cpu.getState(getPositions=True).getPositions(asNumpy=True)._value)
    cpu.setPositions(relaxed)
    forces = cpu.getState(getForces=True).getForces(asNumpy=True)._value
    expected = energy_terms(system, relaxed, "CPU")

    (tmp_path / "system.xml").write_text(openmm.XmlSerializer.serialize(system), encoding="utf-8")
    np.save(tmp_path / "positions.npy", relaxed)
    command = [sys.executable, "-X", "faulthandler", "-c", ON_OPENCL]
    environment = os.environ | {"PYTHONPATH": str(Path(mdstudy.__file__).resolve().parent.parent)}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, timeout=300, check=False
    )
    assert done.returncode == 0, done.stderr[-2000:]

    found = json.loads(done.stdout.splitlines()[-1])
    for term in (*TERMS, "total"):
        assert found[term] == pytest.approx(expected[term], rel=1e-4), term
    on_opencl = np.load(tmp_path / "forces.npy")
    assert np.abs(on_opencl - forces).max() < 1e-3 * np.abs(forces).max()
    assert np.isfinite(found["after 50 steps"])
    assert (
        abs(found["after 50 steps"] - expected["total"]) < 5 * box.topology.getNumAtoms()
    )  # 3 N kT / 2 at 300 K: 3.7 N
