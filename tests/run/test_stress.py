"""The shear stress against sums over pairs in closed form.

With particle-mesh Ewald it is held against GROMACS in tests/physics/test_independent_programs.py.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import openmm
import pytest
from numpy.typing import NDArray

from mdstudy.base.errors import RunError
from mdstudy.run.plan import Plan, Production
from mdstudy.run.platforms import choose
from mdstudy.run.rundir import RunDir
from mdstudy.run.simulate import run
from mdstudy.run.stress import BAR, COLUMNS, ELEMENTS, ShearStress
from tests.run.test_simulate import PLAN, make_run, read_log

EDGES = np.diag([2.0, 2.2, 2.5])
RANGE, STIFFNESS, BOND, MASSES = 0.8, 400.0, 0.15, (12.0, 3.0)
OWNER = np.repeat(np.arange(60), 2)


def soft_dimers() -> tuple[openmm.System, NDArray[np.float64], NDArray[np.float64]]:
    """Rigid dimers of two masses that repel each other softly, some across the faces of the box, and velocities."""
    random = np.random.default_rng(3)
    system = openmm.System()
    force = openmm.CustomNonbondedForce(f"{STIFFNESS}*({RANGE}-r)^3")
    force.setNonbondedMethod(openmm.CustomNonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(RANGE)
    centres = random.uniform(0, 1, (60, 3)) @ EDGES + random.integers(-1, 2, (60, 3)) @ EDGES
    axes = random.normal(size=(60, 3))
    axes *= BOND / np.linalg.norm(axes, axis=1, keepdims=True)
    positions = np.stack([centres, centres + axes], axis=1).reshape(-1, 3)
    for i in range(120):
        system.addParticle(MASSES[i % 2])
        force.addParticle()
    for i in range(0, 120, 2):
        system.addConstraint(i, i + 1, BOND)
        force.addExclusion(i, i + 1)
    system.addForce(force)
    system.setDefaultPeriodicBoxVectors(*EDGES)
    return system, positions, random.normal(scale=0.5, size=(120, 3))


def state_of(
    system: openmm.System, positions: NDArray[np.float64], velocities: NDArray[np.float64] | None = None
) -> openmm.State:
    context = choose("Reference").context(system, openmm.VerletIntegrator(0.001))
    context.setPositions(positions)
    if velocities is not None:
        context.setVelocities(velocities)
    return context.getState(getPositions=True, getVelocities=True)


def by_hand(positions: NDArray[np.float64], velocities: NDArray[np.float64]) -> NDArray[np.float64]:
    """Molecular pressure tensor from the forces of all pairs and the distances of their centres of mass, bar."""
    mass = np.tile(MASSES, 60)

    def centre(x: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.stack([np.bincount(OWNER, mass * x[:, k]) for k in range(3)], axis=1) / sum(MASSES)

    where, flow = centre(positions), centre(velocities)
    tensor = sum(MASSES) * np.einsum("ia,ib->ab", flow, flow)
    for i in range(120):
        for j in range(i):
            if OWNER[i] == OWNER[j]:
                continue
            between = positions[i] - positions[j]
            shift = np.round(between / EDGES.diagonal()) @ EDGES
            between -= shift
            r = np.linalg.norm(between)
            if r < RANGE:
                force = 3 * STIFFNESS * (RANGE - r) ** 2 * between / r
                tensor += np.outer(force, where[OWNER[i]] - where[OWNER[j]] - shift)
    return np.array([tensor[a, b] for a, b in ELEMENTS]) / np.linalg.det(EDGES) * BAR


@pytest.mark.parametrize("platform", ["Reference", "CPU"])
def test_the_stress_of_rigid_molecules_is_the_sum_over_pairs_and_centres(platform: str) -> None:
    system, positions, velocities = soft_dimers()
    found = ShearStress(system, choose(platform), OWNER)(state_of(system, positions, velocities))
    exact = by_hand(positions, velocities)
    assert np.abs(exact).min() > 10  # there is something to find
    np.testing.assert_allclose(found, exact, atol=1e-3 * np.abs(exact).max())


def test_bonds_within_molecules_add_nothing() -> None:
    system, positions, velocities = soft_dimers()
    stress = ShearStress(system, choose("Reference"), OWNER)(state_of(system, positions, velocities))
    bonds = openmm.HarmonicBondForce()
    for i in range(0, 120, 2):
        bonds.addBond(i, i + 1, 2 * BOND, 1e5)
    system.addForce(bonds)
    np.testing.assert_array_equal(
        ShearStress(system, choose("Reference"), OWNER)(state_of(system, positions, velocities)), stress
    )


def test_a_molecule_that_is_bonded_to_its_own_image_is_refused() -> None:
    system, positions, velocities = soft_dimers()
    positions[1] += EDGES[0]
    with pytest.raises(RunError, match="bonded to their own images"):
        ShearStress(system, choose("Reference"), OWNER)(state_of(system, positions, velocities))


def test_a_bar_is_a_bar() -> None:
    """1 bar in 1 nm^3 is 0.0602214076 kJ/mol."""
    assert pytest.approx(1 / 0.0602214076, rel=1e-8) == BAR


def test_sampling_leaves_the_trajectory_alone_and_is_on_its_clock(tmp_path: Path) -> None:
    production = Production(2, 120, 40, 60, temperature=150.0)
    runs: list[RunDir] = []
    for name, every in (("with", 30), ("without", 0)):
        plan = Plan("test", 7, PLAN.stages[:2], Production(**{**vars(production), "stress_interval": every}))
        runs.append(make_run(tmp_path / name, plan))
        run(runs[-1].path, platform="Reference")
    sampled, bare = runs
    for name in ("frames.xtc", "state.csv", "end.xml"):
        for number in (1, 2):
            assert (sampled.segment(number) / name).read_bytes() == (bare.segment(number) / name).read_bytes()
    assert not (bare.segment(1) / "stress.csv").exists()
    table = read_log([folder / "stress.csv" for folder in sampled.segments()])
    assert tuple(table) == COLUMNS
    np.testing.assert_array_equal(table["step"], np.arange(1, 9) * 30)
    np.testing.assert_allclose(table["time_ps"], table["step"] * production.timestep, rtol=1e-12)
    np.testing.assert_allclose(table["volume_nm3"], read_log(sampled.state_files())["volume_nm3"][0], rtol=1e-8)
    assert np.ptp(table["xy_bar"]) > 0
