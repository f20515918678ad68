from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import openmm
import pytest
from numpy.typing import NDArray

from mdstudy.run.diagnosis import atom_words, name_worst, nearest, require_finite


def context_of(positions: NDArray[np.float64], step: float = 0.001) -> openmm.Context:
    """Free argon atoms."""
    system, force = openmm.System(), openmm.NonbondedForce()
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * 3))
    for _ in positions:
        system.addParticle(40.0)
        force.addParticle(0.0, 0.34, 1.0)
    system.addForce(force)
    context = openmm.Context(system, openmm.VerletIntegrator(step), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    return context


GRID = np.array(list(np.ndindex(3, 3, 3))) * 1.0


@pytest.mark.parametrize("what", ["position", "velocity"])
def test_what_is_not_a_number_is_found_where_the_energy_is_finite(what: str) -> None:
    context = context_of(GRID)
    values = GRID.copy()
    values[5, 1] = np.nan
    (context.setPositions if what == "position" else context.setVelocities)(values)
    state = context.getState(getPositions=True, getVelocities=True)
    with pytest.raises(FloatingPointError, match=f"{what} of 1 of 27 atoms"):
        require_finite(state)
    require_finite(context_of(GRID).getState(getPositions=True, getVelocities=True, getEnergy=True))


def test_atoms_too_close_have_the_largest_forces_and_each_names_the_other_across_the_face() -> None:
    positions = GRID.copy()
    positions[13] = [-0.05, 0.02, 0.0]  # 0.054 nm from atom 0 at the origin, outside the box
    text = name_worst(context_of(positions), context_of(positions).getState(getPositions=True, getVelocities=True), str)
    assert text.startswith("largest forces: atom ")
    assert "0.054 nm from atom 0" in text
    assert "0.054 nm from atom 13" in text


def test_steps_are_gone_again_to_where_it_breaks() -> None:
    """Two atoms that fly at each other collide long after the last good state."""
    positions = GRID.copy()
    velocities = np.zeros_like(positions)
    velocities[0], velocities[1] = [0, 0, 40.0], [0, 0, -40.0]
    context = context_of(positions, step=0.004)
    context.setVelocities(velocities)
    good = context.getState(getPositions=True, getVelocities=True)
    named = re.findall(r"atom (\d+) \(([\d.e+]+|inf) ", name_worst(context, good, lambda i: "", replay=10))  # noqa: ARG005
    assert {atom for atom, _ in named[:2]} == {"0", "1"}
    assert float(named[0][1]) > 1e7
    quiet = re.findall(r"\(([\d.e+-]+) kJ", name_worst(context, good, lambda i: "", replay=0))  # noqa: ARG005
    assert max(map(float, quiet)) < 1e3


def test_the_nearest_atom_is_found_in_a_triclinic_box() -> None:
    vectors = np.array([[3.0, 0, 0], [1.0, 3.0, 0], [0, 0, 3.0]])
    positions = np.array([[0.1, 0.1, 0.1], [1.2, 3.0, 0.1], [1.5, 1.5, 1.5]])
    found = nearest(0, positions, np.arange(3), vectors)
    assert found is not None
    assert found[0] == 1
    assert found[1] == pytest.approx(np.hypot(0.1, 0.1))
    assert nearest(0, positions, np.zeros(3, dtype=int), vectors) is None


def test_without_a_structure_file_atoms_are_numbers(tmp_path: Path) -> None:
    assert atom_words(tmp_path / "topology.cif", tmp_path / "start.pdb")(3) == ""
