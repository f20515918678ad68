"""Networks whose numbers are known: a perfect lattice, chains, trees, loops, and strands that carry nothing."""

from __future__ import annotations

import itertools
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from mdstudy.base.units import AVOGADRO
from mdstudy.cli import app
from mdstudy.polymer.network import QUANTITIES, Network, describe
from mdstudy.polymer.strands import carries_force, walks
from mdstudy.polymer.units import Edges, Units

EDGE, SIDE = 3, 0.5  # cells of the lattice along each side; distance between its nodes, nm
BOX = EDGE * SIDE * np.eye(3)


def lattice_rows() -> list[tuple[int, int, list[int]]]:
    """Bonds of a simple cubic lattice in a periodic box: i, j, shift of j."""
    rows = []
    for cell in itertools.product(range(EDGE), repeat=3):
        for axis in range(3):
            other, shift = list(cell), [0, 0, 0]
            other[axis] += 1
            if other[axis] == EDGE:
                other[axis], shift[axis] = 0, 1
            rows.append((int(np.dot(cell, [9, 3, 1])), int(np.dot(other, [9, 3, 1])), shift))
    return rows


def lattice_places() -> np.ndarray:
    return SIDE * np.array(list(itertools.product(range(EDGE), repeat=3)), dtype=float)


def units(chain: Edges, crosslinks: Edges, positions: np.ndarray, reacted: np.ndarray | None = None) -> Units:
    """Units of mass 100 whose molecules are their connected parts."""
    n = len(positions)
    parts = (chain + crosslinks).parts(n)
    around = np.zeros((parts.number, 3), dtype=bool)
    edges = chain + crosslinks
    np.logical_or.at(around, parts.label[edges.i], parts.winding != 0)
    mass = 100.0 * np.bincount(parts.label, minlength=parts.number)
    done = np.ones(n, dtype=bool) if reacted is None else reacted
    return Units(done, parts.label, mass, around, chain, crosslinks, positions, BOX)


def numbers(found: Units) -> dict[tuple[str, str], float]:
    return {(e.quantity, e.of): e.value for e in describe(Network.of(found)).estimates}


NONE = Edges.of([])


def test_a_perfect_lattice_has_the_cycles_junctions_strands_and_mesh_of_its_geometry() -> None:
    rows = lattice_rows()
    found = units(Edges.of(rows[::3] + rows[1::3]), Edges.of(rows[2::3]), lattice_places())
    got = numbers(found)
    nodes, edges = EDGE**3, 3 * EDGE**3
    litres = (EDGE * SIDE) ** 3 * 1e-24
    assert got["cycle_rank", "all"] == got["cycle_rank", "stretched"] == edges - nodes + 1
    assert got["active_junctions", "box"] == nodes
    assert got["active_strands", "box"] == pytest.approx(edges / litres / AVOGADRO)
    assert got["mesh_size", "stretched strands"] == pytest.approx(SIDE)
    assert [got["network_percolation", axis] for axis in "abc"] == [1, 1, 1]
    assert got["gel_fraction", "percolating molecules"] == got["gel_fraction", "largest molecule"] == 1
    assert got["crosslink_functionality", "all strands"] == 8  # four chain bonds at each of its two units


def test_linear_chains_have_the_averages_of_their_lengths_and_no_network() -> None:
    rows = [(0, 1, [0, 0, 0]), (1, 2, [0, 0, 0]), *((k, k + 1, [0, 0, 0]) for k in range(3, 7))]
    got = numbers(units(Edges.of(rows), NONE, np.zeros((8, 3))))
    assert got["chain_length", "number average"] == 4
    assert got["chain_length", "mass average"] == pytest.approx((9 + 25) / 8)
    assert got["dispersity", "chains"] == pytest.approx((9 + 25) / 8 / 4)
    assert got["cycle_rank", "all"] == got["active_strands", "box"] == got["network_percolation", "a"] == 0
    assert got["gel_fraction", "largest molecule"] == pytest.approx(5 / 8)


def test_units_that_have_not_reacted_are_monomer_and_no_chain() -> None:
    reacted = np.array([True, True, False, False])
    got = numbers(units(Edges.of([(0, 1, [0, 0, 0])]), Edges.of([(1, 2, [0, 0, 0])]), np.zeros((4, 3)), reacted))
    assert got["conversion", "C=C"] == 0.5
    assert got["unreacted_share", "monomer"] == 0.25  # the pendant C=C of the crosslinker hangs on the polymer
    assert got["chain_length", "number average"] == 2
    assert got["crosslinker_share", "one end"] == 1


def test_a_crosslink_within_one_chain_is_a_primary_loop_and_one_between_chains_is_not() -> None:
    chain = Edges.of([(0, 1, [0, 0, 0]), (1, 2, [0, 0, 0]), (3, 4, [0, 0, 0])])
    within = numbers(units(chain, Edges.of([(0, 2, [0, 0, 0])]), np.zeros((5, 3))))
    between = numbers(units(chain, Edges.of([(2, 3, [0, 0, 0])]), np.zeros((5, 3))))
    assert (within["primary_loop_share", "crosslinks"], within["cycle_rank", "all"]) == (1, 1)
    assert (between["primary_loop_share", "crosslinks"], between["cycle_rank", "all"]) == (0, 0)


def test_dangling_ends_and_pending_loops_carry_no_force_and_strands_around_the_box_do() -> None:
    rows, n = lattice_rows(), EDGE**3
    end = [(0, n, [0, 0, 0]), (n, n + 1, [0, 0, 0])]
    loop = [(1, n + 2, [0, 0, 0]), (n + 2, n + 3, [0, 0, 0]), (n + 3, n + 2, [0, 0, 0])]
    carries = carries_force(Edges.of([*rows, *end, *loop]), n + 4)
    assert carries[: len(rows)].all()
    assert not carries[len(rows) :].any()


def test_a_strand_of_many_units_is_one_walk_between_its_junctions() -> None:
    edges = Edges.of([(0, 2, [0, 0, 0]), (2, 3, [0, 0, 0]), (1, 3, [0, 0, 0]), (1, 4, [0, 0, 0])])
    stops = np.array([True, True, False, False, False])
    (walk,) = walks(edges, stops)
    assert (walk.first, walk.last, walk.edges, walk.signs) == (0, 1, (0, 1, 2), (1, 1, -1))


def test_every_number_of_a_network_is_in_its_vocabulary() -> None:
    rows = lattice_rows()
    found = describe(Network.of(units(Edges.of(rows[::3] + rows[1::3]), Edges.of(rows[2::3]), lattice_places())))
    known = {quantity.name for quantity in QUANTITIES}
    assert {each.quantity for each in [*found.estimates, *found.curves]} <= known


def test_the_command_says_what_a_directory_lacks(tmp_path: Path) -> None:
    result = CliRunner().invoke(app, ["network", str(tmp_path)])
    assert result.exit_code != 0
    assert "not a built run" in str(result.exception)


def test_a_polymer_without_crosslinks_and_a_box_of_monomer_can_be_described() -> None:
    monomer = units(NONE, NONE, np.zeros((2, 3)), np.zeros(2, dtype=bool))
    got = numbers(monomer)
    assert (got["conversion", "C=C"], got["unreacted_share", "monomer"]) == (0.0, 1.0)
    assert np.isnan(got["gel_fraction", "largest molecule"])
