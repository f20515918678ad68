"""Lengths of chains against the closed forms of the distribution that they are drawn from."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from mdstudy.base.errors import SpecError
from mdstudy.study.tables import composition_rows
from mdstudy.system.composition import Composition, load_system, resolve
from mdstudy.system.filling import templates
from mdstudy.system.lengths import draw_lengths
from mdstudy.system.packing import topology

MIXED = """
title = "chains of many lengths"
default_variant = "X"
[variants.X]
assumption = "none"
[variants.X.amounts]
TTE = "1 mol"
[variants.X.polymer]
species = "PMMA"
mass_fraction = 0.4
length = 6
dispersity = 1.8
tacticity = "atactic"
"""


@pytest.fixture
def mixed(tmp_path: Path) -> Path:
    file = tmp_path / "mixed.toml"
    file.write_text(MIXED, encoding="utf-8")
    return file


@pytest.mark.parametrize("dispersity", [1.05, 1.5, 2.0, 3.0])
def test_many_chains_have_the_averages_of_schulz_and_zimm(dispersity: float) -> None:
    """n_w / n_n = (k + 1) / k and n_z / n_w = (k + 2) / (k + 1), within five standard errors by the delta method."""
    chains, mean, k = 20000, 1000, 1 / (dispersity - 1)
    lengths = draw_lengths(chains * mean, chains, dispersity, seed=3).astype(float)
    assert (len(lengths), lengths.sum()) == (chains, chains * mean)
    averages = [(lengths**p).sum() / (lengths ** (p - 1)).sum() for p in (1, 2, 3)]
    for p, expected in ((1, (k + 1) / k), (2, (k + 2) / (k + 1))):
        above, below = lengths ** (p + 1) / (lengths ** (p + 1)).mean(), lengths**p / (lengths**p).mean()
        lower = lengths ** (p - 1) / (lengths ** (p - 1)).mean()
        error = expected * np.std(above - 2 * below + lower) / np.sqrt(chains)
        assert averages[p] / averages[p - 1] == pytest.approx(expected, abs=5 * error)
    x = np.arange(10, lengths.max())  # below, chains of less than two units are made of two
    apart = np.searchsorted(np.sort(lengths), x, side="right") / chains - stats.gamma(k, scale=mean / k).cdf(x + 0.5)
    assert np.abs(apart).max() < 1.95 / np.sqrt(chains)  # Kolmogorov and Smirnov, one in a thousand


def test_the_most_probable_distribution_is_that_of_flory() -> None:
    """At a dispersity of 2 and long chains each length is a constant factor rarer than the one before."""
    lengths = draw_lengths(50 * 60000, 60000, 2.0, seed=1)
    counts = np.bincount(lengths, minlength=200)[10:150].astype(float)
    factor = np.polyfit(np.arange(len(counts)), np.log(counts), 1, w=np.sqrt(counts))[0]
    assert factor == pytest.approx(-1 / 50, rel=0.02)


@pytest.mark.parametrize(("chains", "dispersity"), [(3, 2.0), (6, 1.5)])
def test_a_few_chains_are_as_dispersed_as_shares_of_a_sum_can_be(chains: int, dispersity: float) -> None:
    """1 + (c - 1) / (c k + 1): the variance of Dirichlet's distribution."""
    k = 1 / (dispersity - 1)
    drawn = np.array([draw_lengths(1000 * chains, chains, dispersity, seed) for seed in range(4000)])
    found = (drawn**2).mean(axis=1) / 1000**2
    assert found.mean() == pytest.approx(1 + (chains - 1) / (chains * k + 1), abs=5 * found.std() / np.sqrt(4000))


def test_lengths_follow_the_seed_and_nothing_else() -> None:
    first, again, other = (draw_lengths(500, 20, 2.0, seed).tolist() for seed in (1, 1, 2))
    assert first == again != other
    assert draw_lengths(23, 5, 1.0, 7).tolist() == draw_lengths(23, 5, 1.0, 8).tolist() == [5, 5, 5, 4, 4]


def test_no_chain_is_too_short_for_a_head_and_a_tail() -> None:
    for seed in range(50):
        lengths = draw_lengths(30, 10, 3.0, seed)
        assert (lengths.sum(), lengths.min()) == (30, 2)
    with pytest.raises(ValueError, match="19 units are too few for 10 chains"):
        draw_lengths(19, 10, 2.0, 1)


def test_a_box_of_chains_of_many_lengths_keeps_the_share_of_polymer(mixed: Path) -> None:
    box = resolve(mixed, atoms=3000)
    assert box.mass_fractions["PMMA"] == pytest.approx(0.4, abs=0.01)
    assert box.molecules["PMMA"] == round(box.formula_units["PMMA"] / 6)
    assert Composition.from_dict(box.to_dict()) == box
    assert ("polymer", "atactic, 6 units a chain on average, dispersity 1.8") in composition_rows(box)


def test_the_chains_of_a_box_are_those_that_it_is_said_to_hold(mixed: Path) -> None:
    box = resolve(mixed, atoms=800)
    counted = templates(box, 1)
    assert sum(template.n_atoms * count for template, count in counted) == box.atoms
    lengths = [len(template.residues) for template, count in counted if template.name == "PMMA"]
    assert (len(lengths), sum(lengths)) == (box.molecules["PMMA"], box.formula_units["PMMA"])
    assert len(set(lengths)) > 2
    made = topology(counted, 5.0)
    assert [chain.id for chain in made.chains()] == ["TTE", "PMMA"]
    heads = Counter(residue.name for residue in made.residues())["MMH"]
    assert heads == box.molecules["PMMA"]


def test_a_dispersity_that_cannot_be_is_refused(mixed: Path) -> None:
    mixed.write_text(MIXED.replace("dispersity = 1.8", "dispersity = 0.9"), encoding="utf-8")
    with pytest.raises(
        SpecError, match=r"variants\.X\.polymer\.dispersity: Input should be greater than or equal to 1"
    ):
        load_system(mixed)
