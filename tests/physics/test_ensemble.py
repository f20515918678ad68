"""Kinetic energy and volume of the engine's ensembles against their exact distributions.

Kinetic energy of f degrees of freedom at temperature T is gamma distributed with shape f/2 and scale kT, whatever the
interactions. Volumes at two pressures obey ln[P(V | p2) / P(V | p1)] = const - (p2 - p1) V / kT, whatever the
interactions (Shirts, J. Chem. Theory Comput. 9, 909 (2013), doi 10.1021/ct300688p), so that the slope of the log ratio
is known exactly; it is estimated by maximum likelihood, as there. The package physical_validation (Merz and Shirts,
PLoS ONE 13, e0202764 (2018), doi 10.1371/journal.pone.0202764) judges the same logs.
"""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

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
PRESSURES = (300.0, 500.0)  # bar

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


Series = dict[str, NDArray[np.float64]]


@pytest.fixture(scope="module")
def at_constant_volume(tmp_path_factory: pytest.TempPathFactory) -> Series:
    return logged(tmp_path_factory.mktemp("nvt") / "run", PRODUCTION, 11)


@pytest.fixture(scope="module")
def at_two_pressures(tmp_path_factory: pytest.TempPathFactory) -> list[Series]:
    productions = [replace(PRODUCTION, segments=2, ensemble="npt", pressure=p, barostat_interval=5) for p in PRESSURES]
    folder = tmp_path_factory.mktemp("npt")
    return [logged(folder / f"run-{k}", production, 21 + k) for k, production in enumerate(productions)]


def test_the_kinetic_energy_has_the_gamma_distribution_of_its_degrees_of_freedom(at_constant_volume: Series) -> None:
    kinetic = independent(at_constant_volume["kinetic_kJ_per_mol"])
    freedom = 3 * 2 * MOLECULES - MOLECULES - 3  # bonds, and the centre of mass
    assert len(kinetic) > 100
    exact = stats.gamma(freedom / 2, scale=GAS_CONSTANT * KELVIN)
    assert stats.kstest(kinetic, exact.cdf).pvalue > 0.001
    hotter = stats.gamma(freedom / 2, scale=GAS_CONSTANT * KELVIN * 1.03)
    assert stats.kstest(kinetic, hotter.cdf).pvalue < 0.001  # 3 % would be seen


def test_volumes_at_two_pressures_differ_by_the_boltzmann_factor_of_the_work(at_two_pressures: list[Series]) -> None:
    volumes = [independent(series["volume_nm3"]) for series in at_two_pressures]
    slope, error = log_ratio_slope(*volumes)
    expected = -(PRESSURES[1] - PRESSURES[0]) * BAR_NM3 / (GAS_CONSTANT * KELVIN)
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


def for_physical_validation(series: Series, pressure: float | None = None, scale: float = 1.0) -> Any:
    """Our log as the package reads it, without its first tenth; volumes independent, kinetic energies times `scale`."""
    module = pytest.importorskip("physical_validation", reason="physical_validation is not installed").data
    start = len(series["volume_nm3"]) // 10
    every = 1 if pressure is None else math.ceil(statistical_inefficiency(series["volume_nm3"][start:]))
    kept = {name: values[start::every] for name, values in series.items()}
    units = module.UnitData(
        kb=GAS_CONSTANT, energy_str="kJ/mol", energy_conversion=1.0, length_str="nm", length_conversion=1.0,
        volume_str="nm^3", volume_conversion=1.0, temperature_str="K", temperature_conversion=1.0,
        pressure_str="bar", pressure_conversion=1.0, time_str="ps", time_conversion=1.0,
    )  # fmt: skip
    held = {"volume": EDGE**3} if pressure is None else {"pressure": pressure}
    return module.SimulationData(
        units=units,
        ensemble=module.EnsembleData(
            "NVT" if pressure is None else "NPT", natoms=2 * MOLECULES, temperature=KELVIN, **held
        ),
        system=module.SystemData(
            natoms=2 * MOLECULES, nconstraints=MOLECULES, ndof_reduction_tra=3, ndof_reduction_rot=0
        ),
        observables=module.ObservableData(
            kinetic_energy=scale * kept["kinetic_kJ_per_mol"],
            potential_energy=kept["potential_kJ_per_mol"],
            total_energy=kept["total_kJ_per_mol"],
            volume=kept["volume_nm3"],
        ),
    )


def test_physical_validation_finds_the_kinetic_energy_sound_and_three_per_cent_too_many(
    at_constant_volume: Series,
) -> None:
    check = pytest.importorskip("physical_validation").kinetic_energy.distribution
    assert check(for_physical_validation(at_constant_volume), strict=True, verbosity=0) > 0.001
    hotter = for_physical_validation(at_constant_volume, scale=1.03)
    assert check(hotter, strict=True, verbosity=0) < 0.001


@pytest.mark.filterwarnings("ignore:overflow")  # in its histograms of what is far from a line
def test_physical_validation_finds_the_volumes_sound_and_a_wrong_pressure_not(at_two_pressures: list[Series]) -> None:
    check = pytest.importorskip("physical_validation").ensemble.check
    low, high = at_two_pressures
    sound = [for_physical_validation(low, PRESSURES[0]), for_physical_validation(high, PRESSURES[1])]
    (deviation,) = check(*sound, bootstrap_seed=1, verbosity=0, data_is_uncorrelated=True)
    assert deviation < 3.5  # standard errors
    wrong = [for_physical_validation(low, PRESSURES[0]), for_physical_validation(high, 2 * PRESSURES[1])]
    (deviation,) = check(*wrong, bootstrap_seed=1, verbosity=0, data_is_uncorrelated=True)
    assert deviation > 3.5
