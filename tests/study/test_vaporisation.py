"""Molecules alone: the potential is that of the box, the sampling that of the canonical ensemble."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import openmm
import pytest

from mdstudy.base.library import names
from mdstudy.base.units import GAS_CONSTANT
from mdstudy.run.rundir import RunDir
from mdstudy.study.vaporisation import alone, enthalpy_of_vaporisation, is_molecular_liquid, sample
from mdstudy.system.build import build
from mdstudy.system.chemistry import Template, molecule_template
from mdstudy.system.composition import resolve
from mdstudy.system.packing import topology
from mdstudy.system.parameterise import parameterise
from mdstudy.system.species import load_species


def template(name: str) -> Template:
    species = load_species(name)
    return molecule_template(name, species.smiles, species.residue, species.atoms, 3)


def energy(system: openmm.System, positions: np.ndarray) -> float:
    platform = openmm.Platform.getPlatformByName("Reference")
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), platform)
    context.setPositions(positions)
    return float(context.getState(getEnergy=True).getPotentialEnergy()._value)


@pytest.mark.parametrize("force_field", names("forcefields", ".xml"))
@pytest.mark.parametrize("name", ["TTE", "MMA"])
def test_a_molecule_alone_has_the_energy_that_it_has_in_a_box_of_its_own(name: str, force_field: str) -> None:
    made = template(name)
    box = parameterise(topology([(made, 2)], 9.0), force_field, ewald_tolerance=1e-6)
    first = made.conformers[0] + 2.0
    apart = np.concatenate([first, first + 4.5])
    taken = alone(box, len(first))
    assert taken.getNumConstraints() == box.getNumConstraints() / 2
    assert energy(box, apart) == pytest.approx(2 * energy(taken, first), abs=0.02)
    assert abs(energy(taken, first)) > 1


def test_a_spring_holds_half_of_kt() -> None:
    """In one dimension of a stiff bond: the other degrees of freedom have no potential energy."""
    pair, temperature = openmm.System(), 300.0
    for _ in range(2):
        pair.addParticle(16.0)
    spring = openmm.HarmonicBondForce()
    spring.addBond(0, 1, 1.0, 1e4)
    pair.addForce(spring)
    starts = np.tile([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0]], (8, 1, 1))
    means = sample(pair, starts, temperature, 0.004, length=100.0)
    error = means.std(ddof=1) / len(means) ** 0.5
    assert error < 0.05
    assert means.mean() == pytest.approx(GAS_CONSTANT * temperature / 2, abs=4 * error)
    np.testing.assert_array_equal(means, sample(pair, starts, temperature, 0.004, length=100.0))


@pytest.mark.parametrize(("system", "fits"), [("tte", True), ("mma", True), ("pyr13fsi", False), ("lhci", False)])
def test_only_a_pure_molecular_liquid_has_an_enthalpy_of_vaporisation(system: str, fits: bool) -> None:
    assert is_molecular_liquid(resolve(system, None, 1000)) is fits


def test_the_enthalpy_is_the_energy_of_the_gas_less_that_of_the_liquid_plus_rt(tmp_path: Path) -> None:
    """A run whose liquid is said to have ten kJ/mol a molecule."""
    run = RunDir(tmp_path / "run")
    build("mma", run.path, atoms=1500, force_field="gaff2-resp", profile="density")
    spec = json.loads(run.spec.read_text(encoding="utf-8"))
    count = spec["composition"]["molecules"]["MMA"]
    segment = run.segment(1)
    segment.mkdir(parents=True)
    (segment / "end.xml").write_bytes(run.start_xml.read_bytes())
    (segment / "done.json").write_text("{}", encoding="utf-8")
    rows = [f"{0.4 * k},{10.0 * count + 0.1 * (-1) ** k}" for k in range(100)]
    (segment / "state.csv").write_text("\n".join(["time_ps,potential_kJ_per_mol", *rows]) + "\n", encoding="utf-8")
    (found,) = enthalpy_of_vaporisation(run, length=2.0)
    system = openmm.XmlSerializer.deserialize(run.system_xml.read_text(encoding="utf-8"))
    state = openmm.XmlSerializer.deserialize(run.start_xml.read_text(encoding="utf-8"))
    molecules = np.array(state.getPositions(asNumpy=True)._value).reshape(count, -1, 3)
    starts = molecules[np.linspace(0, count - 1, 16).astype(int)]
    gas = sample(alone(system, 15), starts, 298.15, 0.004, 2.0, spec["seed"])
    assert found.value == pytest.approx(gas.mean() - 10.0 + GAS_CONSTANT * 298.15, abs=0.01)
    assert (found.quantity, found.unit) == ("enthalpy_of_vaporisation", "kJ/mol")
