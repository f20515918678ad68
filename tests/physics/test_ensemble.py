"""Kinetic energy and volume of the engine's ensembles against their exact distributions.

Kinetic energy of f degrees of freedom at temperature T is gamma distributed with shape f/2 and scale kT, whatever the
interactions. Volumes at two pressures obey ln[P(V | p2) / P(V | p1)] = const - (p2 - p1) V / kT, whatever the
interactions (Shirts, J. Chem. Theory Comput. 9, 909 (2013), doi 10.1021/ct300688p), so that the slope of the log ratio
is known exactly; it is estimated by maximum likelihood, as there.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path

import numpy as np
import openmm
import pytest
from numpy.typing import NDArray
from scipy import optimize, stats

from mdstudy.analysis.thermodynamics import read_log
from mdstudy.base.stationarity import statistical_inefficiency
from mdstudy.base.units import GAS_CONSTANT
from mdstudy.run.plan import Plan, Production, Stage
from mdstudy.run.rundir import RunDir
from mdstudy.run.simulate import run

pytestmark = pytest.mark.slow

KELVIN, MOLECULES, EDGE, BOND = 150.0, 64, 1.9, 0.11
BAR_NM3 = 0.0602214076  # kJ/mol

STAGES = (
    Stage("minimise", "minimise", 100),
    Stage("heat", "nvt", 1000, temperature=(KELVIN,) * 2, friction=10, report_interval=100, draw_velocities=True),
)
PRODUCTION = Production(1, 30000, 30000, 50, temperature=KELVIN, friction=5.0)


def rigid_dimers() -> tuple[openmm.System, NDArray[np.float64]]:
    """Rigid dimers of about the size of nitrogen on a grid."""
    system, force, positions = openmm.System(), openmm.NonbondedForce(), []
    force.setNonbondedMethod(openmm.NonbondedForce.CutoffPeriodic)
    force.setCutoffDistance(0.7)
    force.setUseSwitchingFunction(True)
    force.setSwitchingDistance(0.6)
    system.setDefaultPeriodicBoxVectors(*(np.eye(3) * EDGE))
    for k, site in enumerate(np.ndindex(4, 4, 4)):
        for sign in (-1, 1):
            system.addParticle(14.0)
            force.addParticle(0.0, 0.33, 0.4)
            positions.append((np.array(site) + 0.3) * EDGE / 4 + sign * np.eye(3)[k % 3] * BOND / 2)
        system.addConstraint(2 * k, 2 * k + 1, BOND)
        force.addException(2 * k, 2 * k + 1, 0, 1, 0)
    system.addForce(force)
    return system, np.array(positions)


def logged(folder: Path, production: Production, seed: int) -> dict[str, NDArray[np.float64]]:
    run_dir = RunDir(folder)
    run_dir.box.mkdir(parents=True)
    system, positions = rigid_dimers()
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(positions)
    run_dir.system_xml.write_text(openmm.XmlSerializer.serialize(system))
    run_dir.start_xml.write_text(openmm.XmlSerializer.serialize(context.getState(getPositions=True)))
    run_dir.plan.write_text(Plan("test", seed, STAGES, production).to_json())
    run(run_dir.path, platform="CPU")
    return read_log(run_dir.state_files())


def independent(values: NDArray[np.float64], discard: float = 0.1) -> NDArray[np.float64]:
    """Every g-th sample after the first tenth, g rounded up."""
    kept = values[int(discard * len(values)) :]
    return kept[:: math.ceil(statistical_inefficiency(kept))]


def test_the_kinetic_energy_has_the_gamma_distribution_of_its_degrees_of_freedom(tmp_path: Path) -> None:
    kinetic = independent(logged(tmp_path / "run", PRODUCTION, 11)["kinetic_kJ_per_mol"])
    freedom = 3 * 2 * MOLECULES - MOLECULES - 3  # bonds, and the centre of mass
    assert len(kinetic) > 100
    exact = stats.gamma(freedom / 2, scale=GAS_CONSTANT * KELVIN)
    assert stats.kstest(kinetic, exact.cdf).pvalue > 0.001
    hotter = stats.gamma(freedom / 2, scale=GAS_CONSTANT * KELVIN * 1.03)
    assert stats.kstest(kinetic, hotter.cdf).pvalue < 0.001  # 3 % would be seen


def test_volumes_at_two_pressures_differ_by_the_boltzmann_factor_of_the_work(tmp_path: Path) -> None:
    pressures = (300.0, 500.0)  # bar
    volumes = []
    for k, pressure in enumerate(pressures):
        production = replace(PRODUCTION, ensemble="npt", pressure=pressure, barostat_interval=5)
        volumes.append(independent(logged(tmp_path / f"run-{k}", production, 21 + k)["volume_nm3"]))
    slope, error = log_ratio_slope(*volumes)
    expected = -(pressures[1] - pressures[0]) * BAR_NM3 / (GAS_CONSTANT * KELVIN)
    assert abs(slope - expected) < 3.5 * error
    assert error < 0.25 * abs(expected)


def log_ratio_slope(first: NDArray[np.float64], second: NDArray[np.float64]) -> tuple[float, float]:
    """Slope b of ln[P2/P1] = a + b V by maximum likelihood, with its error from the Fisher information."""
    values = np.concatenate([first, second])
    centre, scale = values.mean(), values.std()
    x = np.stack([np.ones_like(values), (values - centre) / scale], axis=1)
    is_second = np.repeat([0.0, 1.0], [len(first), len(second)])
    offset = math.log(len(second) / len(first))

    def minus_log_likelihood(parameters: NDArray[np.float64]) -> float:
        argument = x @ parameters + offset
        return float(np.sum(np.logaddexp(0, argument) - is_second * argument))

    best = optimize.minimize(minus_log_likelihood, np.zeros(2), method="BFGS").x
    probability = 1 / (1 + np.exp(-(x @ best + offset)))
    information = (x * (probability * (1 - probability))[:, None]).T @ x
    return float(best[1] / scale), float(np.sqrt(np.linalg.inv(information)[1, 1]) / scale)


def test_the_estimator_finds_the_slope_of_an_ideal_gas() -> None:
    """N particles at pressure p: V is gamma distributed with shape N + 1 and scale kT/p."""
    random = np.random.default_rng(1)
    slope, error = log_ratio_slope(random.gamma(51, 1 / 2.0, 2000), random.gamma(51, 1 / 2.2, 2000))
    assert abs(slope + 0.2) < 3 * error
    assert error < 0.02
