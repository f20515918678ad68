from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest

from mdstudy.base.errors import BuildError
from mdstudy.system.chemistry import Template
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.macromolecules import grow, polymer_template

LENGTH = 5


def dyads(template: Template) -> list[str]:
    """Tacticity of a chain from head to tail, measured on its coordinates: m where neighbours have equal hands.

    The hand of a unit is the sign of (CB - CA) . [(CM - CA) x (C - CA)]; the head, no stereocentre, is left out.
    """
    hands = []
    for _, atoms in template.residues[1:]:
        place = dict(zip(template.atom_names[atoms], template.conformers[0, atoms], strict=True))
        arms = np.array([place[name] - place["CA"] for name in ("CB", "CM", "C")])
        hands.append(np.linalg.det(arms) > 0)
    return ["m" if a == b else "r" for a, b in pairwise(hands)]


@pytest.fixture(scope="module")
def chains() -> dict[str, Template]:
    """A chain of each tacticity."""
    kinds = ("isotactic", "syndiotactic", "atactic")
    templates = [polymer_template(LENGTH, kind, seed=7) for kind in kinds]
    grown = grow(templates, edge=4.0, seed=1)
    return {
        kind: replace(template, conformers=xyz[None])
        for kind, template, xyz in zip(kinds, templates, grown, strict=True)
    }


def test_tacticity_is_measured_on_the_coordinates(chains: dict[str, Template]) -> None:
    assert dyads(chains["isotactic"]) == ["m"] * (LENGTH - 2)
    assert dyads(chains["syndiotactic"]) == ["r"] * (LENGTH - 2)
    racemo = np.random.default_rng(7).random(LENGTH - 2) < 0.5
    assert dyads(chains["atactic"]) == ["r" if r else "m" for r in racemo]


def test_a_mirror_image_keeps_its_dyads_and_an_inverted_centre_does_not(chains: dict[str, Template]) -> None:
    """The measure sees relative hands: reflection leaves it, exchange of two arms of one unit changes its two dyads."""
    chain = chains["isotactic"]
    assert dyads(replace(chain, conformers=-chain.conformers)) == ["m"] * (LENGTH - 2)
    swapped = chain.conformers.copy()
    start = chain.residues[2][1].start
    a, b = (start + chain.atom_names[chain.residues[2][1]].index(name) for name in ("CM", "C"))
    swapped[:, [a, b]] = swapped[:, [b, a]]
    assert dyads(replace(chain, conformers=swapped)) == ["r", "r", "m"]


def test_a_chain_is_head_units_and_tail_with_the_atoms_of_the_force_field(chains: dict[str, Template]) -> None:
    chain, field = chains["syndiotactic"], load_force_field("clp-opls")
    assert [name for name, _ in chain.residues] == ["MMH", "MMU", "MMU", "MMU", "MMT"]
    assert chain.n_atoms == 15 * LENGTH + 2
    assert chain.elements.count("O") == 2 * LENGTH
    between = 0
    owner = np.repeat(np.arange(LENGTH), [atoms.stop - atoms.start for _, atoms in chain.residues])
    for k, (name, atoms) in enumerate(chain.residues):
        labels = chain.atom_names[atoms]
        assert len(set(labels)) == len(labels)
        assert set(labels) == field.residues[name].types.keys()
        inside = {
            frozenset((chain.atom_names[i], chain.atom_names[j])) for i, j in chain.bonds if owner[i] == owner[j] == k
        }
        assert inside == field.residues[name].bonds
    between = [(chain.atom_names[i], chain.atom_names[j]) for i, j in chain.bonds if owner[i] != owner[j]]
    assert between == [("CA", "CB")] * (LENGTH - 1)


def test_a_chain_takes_the_residue_names_given_and_has_no_coordinates_before_it_is_grown() -> None:
    made = polymer_template(3, "syndiotactic", 5, residues=("A", "B", "C"))
    assert [name for name, _ in made.residues] == ["A", "B", "C"]
    assert made.conformers.shape == (0, made.n_atoms, 3)


def test_a_long_atactic_chain_has_the_racemo_dyads_asked_for() -> None:
    """600 draws at 0.79: four standard deviations are 0.066."""
    hands = polymer_template(602, "atactic", seed=4, racemo_fraction=0.79).hands
    assert hands is not None
    assert np.mean(hands[2:] != hands[1:-1]) == pytest.approx(0.79, abs=0.066)


@pytest.mark.parametrize(
    ("length", "tacticity", "words"),
    [
        (1, "isotactic", "2 units are the least"),
        (5, "syndio", 'unknown tacticity "syndio". Did you mean "syndiotactic"'),
    ],
)
def test_a_chain_that_cannot_be_is_refused(length: int, tacticity: str, words: str) -> None:
    with pytest.raises(BuildError, match=words):
        polymer_template(length, tacticity, seed=1)
