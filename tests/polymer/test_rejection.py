"""Bonds that must not be: made in the box by the growth itself, found there, and taken back."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from mdstudy.base.errors import BuildError
from mdstudy.base.pace import silent
from mdstudy.polymer.addition import add, chemistry
from mdstudy.polymer.assembly import Assembly, assemble, reorder
from mdstudy.polymer.growth import Reaction, polymerise
from mdstudy.polymer.ledger import Ledger, Record
from mdstudy.polymer.relaxation import Frame
from mdstudy.polymer.spearing import spearings
from mdstudy.run.platforms import choose
from mdstudy.system.chemistry import Template, molecule_template
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.gel import Network
from mdstudy.system.species import Molecule, load_species

EDGES = np.full(3, 2.6)
FIELD = load_force_field("clp-opls")
RING = ("N1", "C1", "C2", "C3", "C4")
NETWORK = Network.model_validate(
    {
        "crosslinker_units": 1,
        "crosslinker_fraction": 0.0,
        "mass_fraction": 1.0,
        "chain_length": 2,
        "conversion": 1.0,
        "racemo_fraction": 0.5,
        "capture_radius": "0.45 nm",
        "capture_limit": "0.45 nm",
        "temperature": "333.15 K",
    }
)


def template(name: str) -> Template:
    species = load_species(name)
    assert isinstance(species, Molecule)
    return molecule_template(name, species.smiles, species.residue, species.atoms, 1, n_conformers=1)


def turned(made: Template, atom: str, along: NDArray[np.float64], towards: tuple[float, float, float]) -> np.ndarray:
    """Atoms of a molecule with one of them at the origin and a direction of it turned another way."""
    xyz = made.conformers[0] - made.conformers[0][made.atom_names.index(atom)]
    turn, _ = Rotation.align_vectors([towards], [along])
    return np.asarray(turn.apply(xyz))


def place(made: Template, atom: str) -> NDArray[np.float64]:
    return np.asarray(made.conformers[0][made.atom_names.index(atom)])


def end(gap: float) -> np.ndarray:
    """The chain of one unit, its open side at the origin facing up, lowered by a gap."""
    made = template("MIB")
    return turned(made, "CA", place(made, "HA1") - place(made, "CA"), (0, 0, 1)) - np.array([0, 0, gap])


def monomer(gap: float) -> np.ndarray:
    """Monomer that turns the CH2 of its C=C down to the origin, lifted by a gap."""
    made = template("MMA")
    return turned(made, "CB", place(made, "CA") - place(made, "CB"), (0, 0, 1)) + np.array([0, 0, gap])


def ring() -> np.ndarray:
    """Pyrrolidinium whose ring lies flat around the origin."""
    made = template("Pyr13")
    atoms = np.array([place(made, name) for name in RING])
    normal = np.linalg.svd(atoms - atoms.mean(axis=0))[2][2]
    turn, _ = Rotation.align_vectors([[0, 0, 1]], [normal])
    return np.asarray(turn.apply(made.conformers[0] - atoms.mean(axis=0)))


def assembled(*placed: tuple[str, np.ndarray]) -> tuple[Assembly, Frame]:
    """Molecules as the force field has their atoms."""
    made = assemble([(template(name), 1) for name, _ in placed])
    ordered, order = reorder(made, range(len(made.residues)), FIELD.residues)
    return ordered, Frame(np.concatenate([xyz for _, xyz in placed])[order], EDGES)


def start(folder: Path, *placed: tuple[str, np.ndarray]) -> tuple[Assembly, Frame]:
    """A box of molecules, as the growth would leave it after it has settled."""
    made, frame = assembled(*placed)
    Ledger(folder).write(0, Record(), made, frame)
    return made, frame


def reaction() -> Reaction:
    return Reaction(NETWORK, chemistry([load_species("MMA")]), "clp-opls", 0.8, choose("Reference"), 1)


def threaded() -> list[np.ndarray]:
    """End, monomer and a ring between them, about the origin: as they lie when they are bonded through the ring.

    Only the hydrogen of the end is back where it was before.
    """
    middle = EDGES / 2
    names = ("MIB", "MMA", "Pyr13")
    made, frame = assembled(*zip(names, (middle + end(0.2), middle + monomer(0.2), middle + ring()), strict=True))
    bonded, placed = add(made, reaction().rules, FIELD.residues, frame.positions, EDGES, [(0, 1)], [1])
    relaxed = reaction().relaxation(bonded, Frame(placed, EDGES), "threaded", downhill=True).frame().positions
    (old,), (new,) = bonded.find("CA", [0]), bonded.find("CB", [1])
    found = []
    for residue, name in enumerate(names):
        atoms = [a for a in template(name).atom_names if (residue, a) != (0, "HA1")]
        xyz = dict(zip(atoms, relaxed[[bonded.find(a, [residue])[0] for a in atoms]], strict=True))
        xyz |= (
            {"HA1": relaxed[old] + 0.109 * (v := relaxed[new] - relaxed[old]) / np.linalg.norm(v)}
            if not residue
            else {}
        )
        found.append(np.array([xyz[a] for a in template(name).atom_names]) - middle)
    return found


@pytest.fixture
def hasty(monkeypatch: pytest.MonkeyPatch) -> None:
    """No time to move before bonds are made, and hardly any after it."""
    for name, value in (("APPROACH", 0.0004), ("LOOK", 0.0004), ("RELAX", 0.004), ("WAIT", 0.0004), ("PATIENCE", 2)):
        monkeypatch.setattr(f"mdstudy.polymer.growth.{name}", value)
    monkeypatch.setattr("mdstudy.polymer.relaxation.TIMESTEP", 0.0002)


def grow(folder: Path, made: Assembly, frame: Frame) -> str:
    """Polymerise until it gives up; what it says."""
    with pytest.raises(BuildError) as caught:
        polymerise(made, frame, reaction(), folder, silent)
    return str(caught.value)


@pytest.mark.usefixtures("hasty")
def test_a_bond_through_a_ring_is_taken_back_and_one_beside_it_is_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Residues by number: 0 and 1 face each other through the ring of 4, 2 and 3 do with nothing between them.

    A bond through so small a ring is long as well; here length is no fault.
    """
    monkeypatch.setattr("mdstudy.polymer.growth.LONGEST", 10.0)
    low, high = np.array([0.7, 0.7, 1.3]), np.array([2.0, 2.0, 1.3])
    below, above, around = threaded()
    made, frame = start(
        tmp_path,
        ("MIB", low + below),
        ("MMA", low + above),
        ("MIB", high + end(0.19)),
        ("MMA", high + monomer(0.19)),
        ("Pyr13", low + around),
        ("FSI", template("FSI").conformers[0] + [2.0, 0.7, 0.7]),
    )
    told = grow(tmp_path, made, frame)
    first, *others = Ledger(tmp_path).records()[1:]
    assert (first.added, first.rejected) == (((2, 3),), ((0, 1),))
    assert not any(record.added for record in others)
    assert "stopped at a conversion of 50% (1 of 2 C=C)" in told
    after, relaxed = Ledger(tmp_path).last()
    assert after.residues[:4] == ("MMI", "MMA", "MMH", "MMT")
    assert spearings(relaxed.positions, relaxed.edges, after.bonds, after.rings()) == []


@pytest.mark.usefixtures("hasty")
def test_a_bond_that_stays_too_long_is_taken_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is given no time to shorten."""
    monkeypatch.setattr("mdstudy.polymer.relaxation._DOWNHILL", 1)
    monkeypatch.setattr("mdstudy.polymer.growth.RELAX", 0.0002)
    at = np.array([1.3, 1.3, 1.3])
    made, frame = start(tmp_path, ("MIB", at + end(0.2)), ("MMA", at + monomer(0.2)))
    told = grow(tmp_path, made, frame)
    first, *others = Ledger(tmp_path).records()[1:]
    assert (first.added, first.rejected, first.apart) == ((), ((0, 1),), ())
    assert not any(record.rejected for record in others), "tried again"
    assert "stopped at a conversion of 0% (0 of 1 C=C)" in told
    assert Ledger(tmp_path).last()[0].residues == ("MMI", "MMA")
