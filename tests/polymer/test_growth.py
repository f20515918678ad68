"""A small box is polymerised by the builder: what comes of it, and what stops it."""

from __future__ import annotations

import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import numpy as np
import openmm
import pytest
from numpy.typing import NDArray
from openmm import app, unit
from rdkit import Chem

from mdstudy.analysis.trajectory import find_sites, from_universe
from mdstudy.base.errors import BuildError, SpecError
from mdstudy.base.library import data_dir
from mdstudy.base.results import find
from mdstudy.base.store import load
from mdstudy.exchange.export import export
from mdstudy.polymer.build import HISTORY, build
from mdstudy.polymer.growth import LONGEST
from mdstudy.polymer.images import nearest
from mdstudy.polymer.spearing import spearings
from mdstudy.run.rundir import RunDir
from mdstudy.run.simulate import run as simulate
from mdstudy.study.analyse import SKETCH, analyse
from mdstudy.system.build import build as build_without_polymerising
from mdstudy.system.build import set_profile
from mdstudy.system.composition import resolve
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.parameterise import energy_terms

SYSTEM = """
title = "a small gel"
default_variant = "A"
[variants.A]
assumption = "for a test"
[variants.A.amounts]
LiFSI = "1 mol"
Pyr13FSI = "2 mol"
TTE = "2 mol"
[variants.A.network]
crosslinker_units = 2
crosslinker_fraction = 0.15
mass_fraction = 0.18
chain_length = 4
conversion = 0.8
racemo_fraction = 0.79
capture_radius = "0.6 nm"
capture_limit = "1.2 nm"
temperature = "333.15 K"
"""
#: Just enough atoms for g(r) as far as the observables look.
OPTIONS = {"atoms": 1450, "seed": 1, "profile": "quick", "platform": "CPU"}
SETTLE = 2.0
VALENCE = {"H": 1, "C": 4, "O": 2}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A system file, and a force field whose short cutoff fits a small box."""
    made = tmp_path_factory.mktemp("gel")
    (made / "gel.toml").write_text(SYSTEM, encoding="utf-8")
    shortened("clp-opls", made / "short.xml")
    return made


def shortened(name: str, file: Path) -> Path:
    """A force field with a short cutoff."""
    text = (data_dir("forcefields") / f"{name}.xml").read_text(encoding="utf-8")
    for key, value in (("Cutoff", "0.8"), ("SwitchDistance", "0.7")):
        text, times = re.subn(f"<{key}>[^<]*<", f"<{key}>{value}<", text)
        assert times == 1
    file.write_text(text, encoding="utf-8")
    return file


def polymerised(folder: Path, run: str, force_field: str) -> RunDir:
    """The box polymerised; it has less time to settle than usual."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("mdstudy.polymer.growth.SETTLE", SETTLE)
        build(folder / "gel.toml", folder / run, force_field=folder / force_field, **OPTIONS)
    return RunDir(folder / run)


@pytest.fixture(scope="module")
def gel(folder: Path) -> RunDir:
    return polymerised(folder, "run", "short.xml")


@pytest.fixture(scope="module")
def topology(gel: RunDir) -> app.Topology:
    return app.PDBxFile(str(gel.topology)).topology


@pytest.fixture(scope="module")
def relaxed(gel: RunDir) -> NDArray[np.float64]:
    """Positions after a minimisation with the forces of the run, nm."""
    system = openmm.XmlSerializer.deserialize(gel.system_xml.read_text(encoding="utf-8"))
    context = openmm.Context(system, openmm.VerletIntegrator(0.001), openmm.Platform.getPlatformByName("CPU"))
    context.setPositions(openmm.XmlSerializer.deserialize(gel.start_xml.read_text(encoding="utf-8")).getPositions())
    openmm.LocalEnergyMinimizer.minimize(context, maxIterations=300)
    state = context.getState(getPositions=True)
    return np.asarray(state.getPositions(asNumpy=True).value_in_unit(unit.nanometer))


def edges_of(topology: app.Topology) -> NDArray[np.float64]:
    return np.array(topology.getUnitCellDimensions().value_in_unit(unit.nanometer))


def in_network(atom: app.topology.Atom) -> bool:
    return atom.residue.chain.id in ("PMMA", "MMA", "PEGDMA", "MIB")


def order(bond: app.topology.Bond) -> int:
    """2 for C=O, and for C=C where it has not reacted."""
    inside = bond[0].residue is bond[1].residue
    names = tuple(sorted((bond[0].name, bond[1].name)))
    reacted = bond[0].residue.name not in ("MMA", "PEV")
    return 2 if inside and (names == ("C", "O1") or (names == ("CA", "CB") and not reacted)) else 1


@pytest.mark.slow
def test_the_conversion_asked_for_is_reached_and_told(gel: RunDir, topology: app.Topology) -> None:
    told = json.loads((gel.path / HISTORY).read_text(encoding="utf-8"))
    names = Counter(residue.name for residue in topology.residues())
    assert told["double_bonds"] - told["reacted"] == names["MMA"] + names["PEV"]
    assert told["reacted"] == names["MMU"] + names["PEU"] + names["MMT"] + names["PET"]
    assert told["conversion"] >= 0.8 > (told["reacted"] - 1) / told["double_bonds"]
    assert told["chains"] == names["MMH"] == names["MMT"] + names["PET"]
    assert sum(len(step["added"]) for step in told["steps"]) == told["reacted"]


@pytest.mark.slow
def test_no_atom_came_or_went_and_each_has_its_valence(topology: app.Topology, folder: Path) -> None:
    assert topology.getNumAtoms() == resolve(folder / "gel.toml", atoms=OPTIONS["atoms"]).atoms
    used = Counter[int]()
    for bond in topology.bonds():
        for atom in bond:
            used[atom.index] += order(bond)
    wrong = [a for a in topology.atoms() if in_network(a) and used[a.index] != VALENCE[a.element.symbol]]
    assert wrong == []


@pytest.mark.slow
def test_every_residue_has_a_whole_charge_and_every_term_is_there(
    gel: RunDir, topology: app.Topology, folder: Path
) -> None:
    """Terms are counted on the bonds: an angle for two bonds of an atom, a dihedral for three in a row."""
    system = openmm.XmlSerializer.deserialize(gel.system_xml.read_text(encoding="utf-8"))
    forces = {force.getName(): force for force in system.getForces()}
    charges = [forces["coulomb"].getParticleParameters(i)[0]._value for i in range(system.getNumParticles())]
    for residue in topology.residues():
        charge = sum(charges[atom.index] for atom in residue.atoms())
        assert charge == pytest.approx({"LI": 0.8, "FSI": -0.8, "P13": 0.8}.get(residue.name, 0.0), abs=1e-9)
    neighbours: dict[int, set[int]] = {atom.index: set() for atom in topology.atoms()}
    for a, b in topology.bonds():
        neighbours[a.index].add(b.index)
        neighbours[b.index].add(a.index)
    angles = {(*sorted((a, b)), c) for c, bound in neighbours.items() for a in bound for b in bound if a < b}
    found = [forces["angle"].getAngleParameters(k)[:3] for k in range(forces["angle"].getNumAngles())]
    assert {(*sorted((a, b)), c) for a, c, b in found} == angles
    # One dihedral may have several rows.
    field, atoms = load_force_field(folder / "short.xml"), list(topology.atoms())
    dihedrals = {
        min((a, b, c, d), (d, c, b, a))
        for b in neighbours
        for c in neighbours[b]
        for a in neighbours[b] - {c}
        for d in neighbours[c] - {a, b}
    }
    torsions = (forces["dihedral"].getTorsionParameters(k)[:4] for k in range(forces["dihedral"].getNumTorsions()))
    there = {min(tuple(t), tuple(t[::-1])) for t in torsions}
    types = [field.residues[a.residue.name].types[a.name] for a in atoms]
    missing = {tuple(types[i] for i in dihedral) for dihedral in dihedrals - there}
    assert all(field.has_term("dihedral", row) for row in missing)  # rows of zeros, which OpenMM leaves out
    assert system.getNumConstraints() == sum(a.element.symbol == "H" for a in atoms)


@pytest.mark.slow
def test_bonds_are_short_and_pierce_no_ring(topology: app.Topology, relaxed: NDArray[np.float64], folder: Path) -> None:
    field, edges = load_force_field(folder / "short.xml"), edges_of(topology)
    bonds = [(a, b) for a, b in topology.bonds()]
    pairs = np.array([(a.index, b.index) for a, b in bonds])
    lengths = np.linalg.norm(nearest(relaxed[pairs[:, 0]] - relaxed[pairs[:, 1]], edges), axis=1)
    for (a, b), length in zip(bonds, lengths, strict=True):
        row = field.bond([field.residues[atom.residue.name].types[atom.name] for atom in (a, b)])
        assert row is not None
        assert length < LONGEST * row[0], f"{a} {b}"
    index = {(atom.residue.index, atom.name): atom.index for atom in topology.atoms()}
    rings = [
        [index[residue.index, name] for name in ("N1", "C1", "C2", "C3", "C4")]
        for residue in topology.residues()
        if residue.name == "P13"
    ]
    assert spearings(relaxed, edges, pairs, rings) == []


@pytest.mark.slow
def test_rdkit_reads_the_hands_that_the_history_counts(gel: RunDir, topology: app.Topology, relaxed) -> None:
    """RDKit labels each carbon with its four neighbours as they lie, of four elements in one order; none is flat."""
    told = json.loads((gel.path / HISTORY).read_text(encoding="utf-8"))
    edges = edges_of(topology)
    bound: dict[int, list[app.topology.Atom]] = {atom.index: [] for atom in topology.atoms()}
    for a, b in topology.bonds():
        bound[a.index].append(b)
        bound[b.index].append(a)
    hand = {}
    for residue in topology.residues():
        if residue.name not in ("MMU", "MMT", "PEU", "PET"):
            continue
        place = {atom.name: atom.index for atom in residue.atoms()}
        arms = [place[name] for name in ("CB", "CM", "C")]
        (other,) = {atom.index for atom in bound[place["CA"]]} - set(arms)
        centre = Chem.MolFromSmiles("C(F)(Cl)(Br)I")
        conformer = Chem.Conformer(5)
        for k, i in enumerate([*arms, other], 1):
            conformer.SetAtomPosition(k, (10 * nearest(relaxed[i] - relaxed[place["CA"]], edges)).tolist())
        centre.AddConformer(conformer)
        Chem.AssignAtomChiralTagsFromStructure(centre, replaceExistingTags=True)
        hand[residue.index] = centre.GetAtomWithIdx(0).GetChiralTag()
    assert set(hand.values()) <= {Chem.ChiralType.CHI_TETRAHEDRAL_CW, Chem.ChiralType.CHI_TETRAHEDRAL_CCW}
    joined = [
        (a.residue.index, b.residue.index)
        for bond in topology.bonds()
        for a, b in (bond, bond[::-1])
        if (a.name, b.name) == ("CA", "CB") and a.residue is not b.residue and a.residue.name != "MMH"
    ]
    dyads = Counter("meso" if hand[a] == hand[b] else "racemo" for a, b in joined)
    assert dyads == {key: count for key, count in told["dyads"].items() if count}
    assert len(joined) > 0


@pytest.mark.slow
def test_sites_of_polymer_and_crosslinker_are_found_in_the_network(gel: RunDir) -> None:
    import MDAnalysis

    universe = MDAnalysis.Universe(str(gel.box / "start.pdb"))
    sites = find_sites(universe)
    ether = sites.groups["PEGDMA.O_ether"]
    assert {str(name) for name in universe.atoms[ether].names} == {"O3"}
    assert len(ether) == resolve(gel.path.parent / "gel.toml", atoms=OPTIONS["atoms"]).molecules["PEGDMA"]
    carbonyl = universe.atoms[sites.groups["PMMA.O_carbonyl"]]
    assert set(carbonyl.resnames) <= {"MMH", "MMU", "MMT"}
    assert from_universe(universe).sites.n_atoms == len(universe.atoms)


MOMENT = """
name = "moment"
title = "a few frames"
timestep = "1 fs"
report = "0.02 ps"
[[stages]]
name = "minimise"
kind = "minimise"
iterations = 50
[[stages]]
name = "warm"
kind = "nvt"
time = "0.1 ps"
[production]
kind = "nvt"
time = "0.4 ps"
segment = "0.2 ps"
frames = "0.02 ps"
"""


@pytest.mark.slow
def test_a_gel_is_run_and_analysed_like_a_liquid(gel: RunDir, folder: Path) -> None:
    """Neighbours of lithium are counted anew, frame by frame; the network against its history."""
    import MDAnalysis
    from MDAnalysis.lib.distances import distance_array

    (folder / "moment.toml").write_text(MOMENT, encoding="utf-8")
    run = RunDir(Path(shutil.copytree(gel.path, folder / "analysed")))
    set_profile(run.path, folder / "moment.toml")
    simulate(run.path, platform="CPU")
    estimates = analyse(run.path)
    _, curves = load(run.measure)
    universe = MDAnalysis.Universe(
        str(gel.box / "start.pdb"), [str(segment / "frames.xtc") for segment in run.segments()]
    )
    lithium = universe.select_atoms("resname LI")
    for pair, words in (
        ("Li-PMMA.O_carbonyl", "name O1 and resname MMH MMU MMT"),
        ("Li-PEGDMA.O_ether", "name O3 and resname PEO"),
        ("Li-PEGDMA.O_carbonyl", "name O1 and resname PEV PEU PET"),
    ):
        (curve,) = [c for c in curves if (c.quantity, c.of) == ("running_coordination_number", pair)]
        oxygen, at = universe.select_atoms(words), int(np.searchsorted(curve.x, 0.6))
        counts = [
            (distance_array(lithium.positions, oxygen.positions, box=frame.dimensions) < 10 * curve.x[at]).sum()
            for frame in universe.trajectory
        ]
        assert len(counts) == 20
        assert curve.y[at] == pytest.approx(np.mean(counts) / len(lithium), rel=1e-6)
        assert curve.y[at] > 0
    told = json.loads((gel.path / HISTORY).read_text(encoding="utf-8"))
    begun = resolve(folder / "gel.toml", atoms=OPTIONS["atoms"]).molecules["MIB"]
    conversion = find(estimates, "conversion", "C=C")
    assert conversion is not None
    assert conversion.value == pytest.approx((told["reacted"] + begun) / (told["double_bonds"] + begun))
    sketched = json.loads((run.measure / SKETCH).read_text(encoding="utf-8"))
    assert len(sketched["unreacted"]) == told["double_bonds"] - told["reacted"]


KILLED = """
import os, signal, sys
from pathlib import Path
from mdstudy.polymer import growth
from mdstudy.polymer.build import build
growth.SETTLE = float(sys.argv[5])
def progress(fraction, text):
    if text.endswith("step 3"):
        os.kill(os.getpid(), signal.SIGKILL)
build(sys.argv[1], sys.argv[2], force_field=sys.argv[3], progress=progress, **eval(sys.argv[4]))
"""


@pytest.mark.slow
def test_a_polymerisation_that_was_killed_goes_on_to_the_same_network(gel: RunDir, folder: Path) -> None:
    words = [folder / "gel.toml", folder / "again", folder / "short.xml", repr(OPTIONS), SETTLE]
    killed = subprocess.run([sys.executable, "-c", KILLED, *map(str, words)], env=os.environ, check=False)
    assert killed.returncode == -signal.SIGKILL
    assert not (folder / "again").exists()
    assert len(list((folder / "again.growing" / "steps").iterdir())) == 3
    told: list[str] = []
    build(
        folder / "gel.toml",
        folder / "again",
        force_field=folder / "short.xml",
        progress=lambda _, text: told.append(text),
        **OPTIONS,
    )
    assert [text for text in told if text.endswith(("settles", "step 2"))] == []
    for name in ("spec.json", HISTORY, "box/topology.cif", "box/start.pdb", "box/start.xml"):
        assert (folder / "again" / name).read_bytes() == (gel.path / name).read_bytes(), name
    assert not (folder / "again.growing").exists()


@pytest.mark.slow
def test_ends_that_find_nothing_stop_with_the_conversion_reached_and_leave_nothing(folder: Path, monkeypatch) -> None:
    """Time is taken away, so that it soon gives up."""
    for name, value in (("SETTLE", 0.2), ("WAIT", 0.04), ("PATIENCE", 2)):
        monkeypatch.setattr(f"mdstudy.polymer.growth.{name}", value)
    system = folder / "blind.toml"
    text = SYSTEM.replace('"0.6 nm"', '"0.1 nm"').replace('"1.2 nm"', '"0.1 nm"')
    system.write_text(text, encoding="utf-8")
    with pytest.raises(BuildError) as caught:
        build(system, folder / "blind", force_field=folder / "short.xml", **OPTIONS)
    message = str(caught.value)
    assert message.startswith("polymerisation stopped at a conversion of 0% (0 of ")
    assert "no end of a chain has a C=C within capture_limit = 0.1 nm; raise it" in message
    assert list(folder.glob("blind*")) == [system]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "conversion = 0.8",
            "conversion = 1.2",
            "variants.A.network.conversion: Input should be less than or equal to 1",
        ),
        ("conversion = 0.8", "conversion = 0.0", "variants.A.network.conversion: Input should be greater than 0"),
        ("[variants.A.network]", '[variants.A.network]\ncrosslinker = "TTE"', "TTE does not have two C=C that react"),
        ("[variants.A.network]", '[variants.A.network]\ncrosslinker = "PEGDM"', 'Did you mean "PEGDMA"'),
        ("[variants.A.network]", '[variants.A.network]\nmonomer = "TTE"', "TTE has no C=C that reacts; these do: MMA"),
        ("[variants.A.network]", '[variants.A.network]\ninitiated = "TTE"', "TTE is no chain of one unit of MMA"),
        ('TTE = "2 mol"', 'MMA = "2 mol"', "variants.A.amounts.MMA: it is in [network] already"),
        ('TTE = "2 mol"', 'PEGDMA = "2 mol"', "variants.A.amounts.PEGDMA: a crosslinker goes into [network]"),
        ('"1.2 nm"', '"0.3 nm"', "capture_limit of 0.3 nm is below capture_radius"),
        ("mass_fraction = 0.18", "mass_fraction = 0.01", "the box is too small for one chain and its crosslinker"),
    ],
)
def test_a_network_that_cannot_be_is_refused_in_one_line(old: str, new: str, message: str, tmp_path: Path) -> None:
    assert SYSTEM.count(old) == 1
    (tmp_path / "gel.toml").write_text(SYSTEM.replace(old, new), encoding="utf-8")
    with pytest.raises(SpecError) as caught:
        build(tmp_path / "gel.toml", tmp_path / "run", **OPTIONS)
    assert message in str(caught.value)
    assert "\n" not in str(caught.value)
    assert [path.name for path in tmp_path.iterdir()] == ["gel.toml"]


def test_a_box_too_small_for_the_cutoff_is_refused_before_anything_is_done(tmp_path: Path) -> None:
    (tmp_path / "gel.toml").write_text(SYSTEM, encoding="utf-8")
    with pytest.raises(BuildError, match=r"a box of 1\.\d\d nm, which shrinks .* cutoff of 1\.2 nm; take more atoms"):
        build(tmp_path / "gel.toml", tmp_path / "run", **(OPTIONS | {"atoms": 600}))
    assert [path.name for path in tmp_path.iterdir()] == ["gel.toml"]


def test_a_network_is_not_packed_as_monomers_by_mistake(tmp_path: Path) -> None:
    (tmp_path / "gel.toml").write_text(SYSTEM, encoding="utf-8")
    options = {key: value for key, value in OPTIONS.items() if key != "platform"}
    with pytest.raises(BuildError, match=r"its network is to be polymerised: build it with mdstudy\.polymer\.build"):
        build_without_polymerising(tmp_path / "gel.toml", tmp_path / "run", **options)


@pytest.mark.slow
@pytest.mark.skipif(shutil.which("gmx_d") is None, reason="gmx_d (GROMACS in double precision) is not installed")
@pytest.mark.parametrize("force_field", ["clp-opls", "gaff2-resp"])
def test_the_energies_of_the_network_are_the_same_in_gromacs(
    force_field: str, folder: Path, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    """OpenMM's correction of dispersion is averaged otherwise. What charges do is what goes with them."""
    if force_field == "clp-opls":
        gel, field = request.getfixturevalue("gel"), folder / "short.xml"
    else:
        field = shortened(force_field, folder / f"{force_field}.xml")
        gel = polymerised(folder, force_field, field.name)
    export(gel.path, "gromacs", tmp_path, force_field=field)

    def command(*words: str, text: str = "") -> str:
        done = subprocess.run(words, cwd=tmp_path, input=text, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr[-2000:]
        return done.stdout

    command("gmx_d", "grompp", "-f", "gel.mdp", "-c", "gel.gro", "-p", "gel.top", "-o", "gel.tpr", "-maxwarn", "0")
    command("gmx_d", "mdrun", "-s", "gel.tpr", "-deffnm", "gel", "-nt", "1")
    numbers = " ".join(map(str, range(1, 60)))
    command("gmx_d", "energy", "-f", "gel.edr", "-dp", "-o", "gel.xvg", text=f"{numbers} 0\n")
    written = (tmp_path / "gel.xvg").read_text(encoding="utf-8")
    names = re.findall(r'^@ s\d+ legend "(.*)"$', written, flags=re.MULTILINE)
    found = dict(zip(names, map(float, written.splitlines()[-1].split()[1:]), strict=True))
    system = openmm.XmlSerializer.deserialize(gel.system_xml.read_text(encoding="utf-8"))
    start = openmm.XmlSerializer.deserialize(gel.start_xml.read_text(encoding="utf-8"))
    positions = start.getPositions(asNumpy=True).value_in_unit(unit.nanometer)
    (charged,) = (force for force in system.getForces() if isinstance(force, openmm.NonbondedForce))
    charged.setUseDispersionCorrection(False)
    for force in system.getForces():
        if isinstance(force, openmm.CustomNonbondedForce):
            force.setUseLongRangeCorrection(False)
    expected = energy_terms(system, positions)
    for i in range(charged.getNumParticles()):
        charged.setParticleParameters(i, 0.0, *charged.getParticleParameters(i)[1:])
    for i in range(charged.getNumExceptions()):
        one, other, _, *rest = charged.getExceptionParameters(i)
        charged.setExceptionParameters(i, one, other, 0.0, *rest)
    without = energy_terms(system, positions)
    expected["lennard_jones"] = without.get("lennard_jones", 0.0) + without["coulomb"]
    expected["coulomb"] -= without["coulomb"]
    mine = {
        "bond": found["Bond"],
        "angle": found["Angle"],
        "dihedral": found["Proper Dih."] + found["Per. Imp. Dih."],
        "lennard_jones": found["LJ (SR)"] + found["LJ-14"],
        "coulomb": found["Coulomb-14"] + found["Coulomb (SR)"] + found["Coul. recip."],
    }
    # The Ewald sums of a run are not as tight as those of a comparison between programs.
    for term, value in mine.items():
        assert value == pytest.approx(expected[term], rel=1e-4 if term == "coulomb" else 1e-6), term
