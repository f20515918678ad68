from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from openmm import app, unit

from mdstudy.base.errors import BuildError
from mdstudy.system.chemistry import Template, molecule_template
from mdstudy.system.macromolecules import polymer_template
from mdstudy.system.packing import EXPANSION, THIN, nearest_contact, pack, topology, write_structure
from mdstudy.system.species import Molecule, load_species


def template_of(name: str) -> Template:
    species = load_species(name)
    assert isinstance(species, Molecule)
    return molecule_template(name, species.smiles, species.residue, species.atoms, seed=1, n_conformers=3)


COUNTED = [(template_of("Li"), 4), (template_of("FSI"), 4), (template_of("TTE"), 10)]
EDGE = 1.7


@pytest.fixture(scope="module")
def packed() -> tuple[NDArray[np.float64], float]:
    return pack(COUNTED, EDGE, seed=11)


def molecules(positions: NDArray[np.float64]) -> list[tuple[Template, NDArray[np.float64]]]:
    found, start = [], 0
    for template, count in COUNTED:
        for _ in range(count):
            found.append((template, positions[start : start + template.n_atoms]))
            start += template.n_atoms
    assert start == len(positions)
    return found


def test_no_two_molecules_overlap_across_any_face(packed: tuple[NDArray[np.float64], float]) -> None:
    """Every pair of atoms, every image, counted here without the search that the packing uses."""
    positions, edge = packed
    assert edge == pytest.approx(EDGE * EXPANSION, abs=1e-4)
    owner = np.repeat(np.arange(18), [len(p) for _, p in molecules(positions)])
    delta = positions[:, None] - positions[None]
    delta -= edge * np.round(delta / edge)
    distance = np.linalg.norm(delta, axis=-1)[owner[:, None] != owner[None]]
    assert distance.min() >= 0.9 * 0.2
    assert nearest_contact(COUNTED, positions, edge) == pytest.approx(distance.min(), rel=1e-9)


def test_molecules_are_whole_conformers_dealt_out_in_equal_shares(packed: tuple[NDArray[np.float64], float]) -> None:
    positions, _ = packed
    dealt = []
    for template, placed in molecules(positions):
        shape = np.linalg.norm(placed[:, None] - placed[None], axis=-1)
        shapes = np.linalg.norm(template.conformers[:, :, None] - template.conformers[:, None], axis=-1)
        errors = np.abs(shapes - shape).max(axis=(1, 2))
        assert errors.min() < 1e-4
        if template.name == "TTE":
            dealt.append(int(errors.argmin()))
    assert sorted(np.bincount(dealt)) == [3, 3, 4]


def test_the_same_seed_gives_the_same_box_and_another_seed_another(packed: tuple[NDArray[np.float64], float]) -> None:
    positions, edge = packed
    again, same_edge = pack(COUNTED, EDGE, seed=11)
    np.testing.assert_array_equal(again, positions)
    assert same_edge == edge
    other, _ = pack(COUNTED, EDGE, seed=12)
    assert not np.allclose(other, positions, atol=0.01)


def test_molecules_are_packed_between_chains_that_stay_as_grown() -> None:
    """A chain before, between and after the others; none is moved, turned or cut at a face."""
    short, long = (polymer_template(length, "atactic", seed=1) for length in (3, 12))
    counted = [(short, 2), (template_of("Li"), 3), (long, 1), (template_of("TTE"), 12), (short, 1)]
    positions, edge = pack(counted, 2.2, seed=5)
    assert edge == pytest.approx(2.2 * EXPANSION, abs=1e-4)
    assert nearest_contact(counted, positions, edge) >= 0.9 * 0.2
    start = 0
    for template, count in counted:
        for _ in range(count):
            placed = positions[start : start + template.n_atoms]
            lengths = np.linalg.norm(placed[template.bonds[:, 0]] - placed[template.bonds[:, 1]], axis=1)
            assert lengths.size == 0 or (lengths.min() > 0.1 and lengths.max() < 0.19)
            start += template.n_atoms
    assert start == len(positions)


def test_chains_alone_are_grown_thin_enough_and_wider_where_they_do_not_fit() -> None:
    chain = polymer_template(6, "syndiotactic", seed=1)
    positions, edge = pack([(chain, 5)], 1.7, seed=1)
    assert edge == pytest.approx((5 * chain.n_atoms / THIN) ** (1 / 3), abs=1e-4)
    assert len(positions) == 5 * chain.n_atoms
    with pytest.raises(BuildError, match=r"packing in boxes of 1\.30 to 1\.43 nm failed: PMMA: a unit would meet"):
        pack([(chain, 1)], 0.9, seed=1)


def test_a_contact_is_seen_across_the_faces_and_only_between_molecules() -> None:
    lithium = template_of("Li")
    positions = np.array([[0.05, 1.0, 1.0], [1.95, 1.0, 1.0]])
    assert nearest_contact([(lithium, 2)], positions, 2.0) == pytest.approx(0.1, rel=1e-12)
    assert nearest_contact([(lithium, 2)], np.array([[0.05, 1, 1], [-1e-17, 1.0, 1.0]]), 2.0) == pytest.approx(0.05)
    assert nearest_contact([(lithium, 2)], np.array([[0.0, 0, 0], [1.0, 1.0, 1.0]]), 2.0) == float("inf")
    fsi = template_of("FSI")
    assert nearest_contact([(fsi, 1)], fsi.conformers[0], 2.0) == float("inf")


@pytest.mark.parametrize(
    ("counted", "edge", "words"),
    [
        ([], 2.0, "no molecules to place"),
        ([("TTE", 0)], 2.0, "no molecules to place"),
        ([("TTE", 1)], 0.0, "edge 0 nm: a positive length is needed"),
        ([("TTE", 1)], float("nan"), "edge nan nm: a positive length is needed"),
        ([("TTE", 100)], 2.0, r"edge 2\.00 nm is too small for 1800 atoms; no liquid fits below 2\.29 nm"),
        ([("TTE", 1)], 0.8, r"TTE is 0\.\d\d nm long and would meet its own image in a box of 0\.80 nm; more atoms"),
    ],
)
def test_a_box_that_cannot_hold_the_molecules_is_refused(
    counted: list[tuple[str, int]], edge: float, words: str
) -> None:
    with pytest.raises(BuildError, match=words):
        pack([(template_of(name), count) for name, count in counted], edge, seed=1)


def test_a_packing_that_takes_too_long_is_given_up_with_its_reason() -> None:
    with pytest.raises(
        BuildError, match=r"packing in boxes of 2\.33 to 2\.57 nm failed: packmol found no packing within"
    ):
        pack([(template_of("TTE"), 50)], 2.2, seed=1, timeout=0.02)


def test_files_name_every_atom_residue_and_bond_and_keep_the_box(
    tmp_path: Path, packed: tuple[NDArray[np.float64], float]
) -> None:
    positions, edge = packed
    made = topology(COUNTED, edge)
    assert [chain.id for chain in made.chains()] == ["Li", "FSI", "TTE"]
    assert (made.getNumAtoms(), made.getNumResidues()) == (len(positions), 18)
    assert made.getNumBonds() == 4 * 8 + 10 * 17
    for suffix, reader in ((".cif", app.PDBxFile), (".pdb", app.PDBFile)):
        file = tmp_path / f"box{suffix}"
        write_structure(file, made, positions)
        back = reader(str(file))
        assert [(a.name, a.residue.name, a.element.symbol) for a in back.topology.atoms()] == [
            (a.name, a.residue.name, a.element.symbol) for a in made.atoms()
        ]
        bonds = {tuple(sorted((a.index, b.index))) for a, b in back.topology.bonds()}
        assert bonds == {tuple(sorted((a.index, b.index))) for a, b in made.bonds()}
        np.testing.assert_allclose(back.getPositions(asNumpy=True).value_in_unit(unit.nanometer), positions, atol=6e-5)
        sides = back.topology.getUnitCellDimensions().value_in_unit(unit.nanometer)
        np.testing.assert_allclose(list(sides), edge, atol=6e-5)
        first = file.read_bytes()
        write_structure(file, made, positions)
        assert file.read_bytes() == first
    assert sorted(p.name for p in tmp_path.iterdir()) == ["box.cif", "box.pdb"]


def test_a_structure_of_another_format_is_refused(tmp_path: Path) -> None:
    with pytest.raises(BuildError, match=r"box\.gro: a structure is written as \.cif or \.pdb"):
        write_structure(tmp_path / "box.gro", topology(COUNTED, 2.0), np.zeros((1, 3)))
