"""One observable alone on trajectories of other programs: the same walk, written as each of them writes it."""

from __future__ import annotations

import json
import warnings

import MDAnalysis
import numpy as np
import openmm
import pytest
from matplotlib import pyplot

from mdstudy.base.results import Measurement, find
from mdstudy.exchange.export import export
from mdstudy.observables.diffusion import SelfDiffusion
from mdstudy.observables.rdf import RadialDistribution
from mdstudy.run.rundir import RunDir
from mdstudy.study.measure import observe
from mdstudy.system.chemistry import molecule_template
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.packing import topology, write_structure
from mdstudy.system.parameterise import parameterise
from mdstudy.system.protocol import load_protocol
from mdstudy.system.species import load_species

EDGE, FRAMES, STEP = 4.0, 80, 0.2
Made = tuple[RunDir, np.ndarray, np.ndarray]  # the run, its walk, masses of the molecules
COUNTS = {"Li": 8, "FSI": 6, "Pyr13": 4}
#: A trajectory of each program: topology and how MDAnalysis reads it, coordinates, and who lithium is there.
PROGRAMS = {
    "gromacs": ("top", "ITP", "xtc", None),
    "lammps": ("data", "DATA", "dcd", {"Li": "prop mass > 6.9 and prop mass < 7.0"}),
    "amber": ("prmtop", "PRMTOP", "nc", None),
}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A run directory as `build` leaves it, and molecules that walk at random, every atom put back into the box."""
    run, field = RunDir(tmp_path_factory.mktemp("observe") / "run"), load_force_field("clp-opls")
    species = {name: load_species(name) for name in COUNTS}
    templates = {n: molecule_template(n, s.smiles, s.residue, s.atoms, 1) for n, s in species.items()}
    counted = [(templates[name], n) for name, n in COUNTS.items()]
    top = topology(counted, EDGE)
    rng = np.random.default_rng(4)
    path = rng.uniform(0, EDGE, (sum(COUNTS.values()), 3)) + np.cumsum(
        rng.normal(scale=STEP, size=(FRAMES, sum(COUNTS.values()), 3)), axis=0
    )
    bodies = [template.conformers[0] for template, n in counted for _ in range(n)]
    walk = np.concatenate([path[:, k, None] + body for k, body in enumerate(bodies)], axis=1)
    system = parameterise(top)
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("Reference"))
    context.setPositions(walk[0])
    run.box.mkdir(parents=True)
    write_structure(run.topology, top, walk[0])
    run.system_xml.write_text(openmm.XmlSerializer.serialize(system), encoding="utf-8")
    run.start_xml.write_text(openmm.XmlSerializer.serialize(context.getState(getPositions=True)), encoding="utf-8")
    spec = {"system": "box", "title": "A box", "seed": 1, "force_field": "clp-opls", "force_field_sha256": field.sha256}
    run.spec.write_text(json.dumps(spec), encoding="utf-8")
    run.plan.write_text(load_protocol("quick").plan(1, 310.0).to_json(), encoding="utf-8")
    atoms = [system.getParticleMass(k)._value for k in range(walk.shape[1])]
    ends = np.cumsum([0, *(len(body) for body in bodies)])
    return run, np.mod(walk, EDGE).astype(np.float32), np.add.reduceat(atoms, ends[:-1])


def universe(made: Made, program: str) -> MDAnalysis.Universe:
    run, walk, _ = made
    suffix, kind, frames, _ = PROGRAMS[program]
    (file,) = [path for path in export(run.path, program) if path.suffix == f".{suffix}"]
    moving = file.with_suffix(f".{frames}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # MDAnalysis, of what the formats do not hold
        blank = MDAnalysis.Universe.empty(walk.shape[1], trajectory=True)
        blank.dimensions = [EDGE * 10] * 3 + [90] * 3
        with MDAnalysis.Writer(str(moving), walk.shape[1], dt=1.0) as writer:
            for k, xyz in enumerate(walk):
                blank.atoms.positions = xyz * 10
                blank.trajectory.ts.time, blank.trajectory.ts.frame = float(k), k
                writer.write(blank)
        return MDAnalysis.Universe(str(file), str(moving), topology_format=kind, dt=1.0)


@pytest.fixture(scope="module", params=PROGRAMS)
def measured(request: pytest.FixtureRequest, made: Made) -> Measurement:
    return observe(universe(made, request.param), SelfDiffusion(), PROGRAMS[request.param][3])


def test_one_line_measures_what_another_program_moved(measured: Measurement, made: Made) -> None:
    found = find(measured.estimates, "self_diffusion", "Li")
    assert found is not None
    _, _, mass = made
    share = mass / mass.sum()
    # Variance of a step less that of the centre of mass of the box, of steps of unit variance.
    exact = STEP**2 / 2 * (1 - 2 * share[0] + np.sum(share**2)) * 1e-6
    assert abs(found.value - exact) < 3.5 * found.error
    assert found.error < 0.15 * exact
    assert found.convergence().relative_error < 0.15


def test_the_result_draws_and_explains_itself(measured: Measurement) -> None:
    ax = measured.plot()
    assert "Li" in [line.get_label() for line in ax.get_lines()]
    pyplot.close(ax.figure)
    told = " ".join(str(measured.estimates[0].why()).split())
    for fact in (f"{FRAMES} frames, 1 ps apart", "not known: frames of another program", "barycentric frame", "code "):
        assert fact in told, fact


@pytest.mark.parametrize("word", ["group", "charge", "chargescale"])
def test_a_misspelt_keyword_of_the_one_line_is_refused(made: Made, word: str) -> None:
    with pytest.raises(TypeError, match=f"unexpected keyword argument '{word}'"):
        observe(universe(made, "amber"), SelfDiffusion(), **{word: {"Li": 1}})


def test_all_programs_give_the_same_numbers(made: Made) -> None:
    found = {}
    for program, (_, _, _, groups) in PROGRAMS.items():
        names = {"FSI.O": "prop mass > 15.9 and prop mass < 16.1"} | (groups or {"Li": "name Li* or resname LI"})
        result = observe(universe(made, program), RadialDistribution("Li", ("FSI.O",)), names)
        found[program] = result.curves[1].y
    np.testing.assert_allclose(found["lammps"], found["amber"], atol=0.05)
    np.testing.assert_allclose(found["gromacs"], found["amber"], atol=0.05)  # frames to 0.001 nm
