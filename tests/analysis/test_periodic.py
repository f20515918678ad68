from __future__ import annotations

import numpy as np
import pytest

from mdstudy.analysis.displacement import mean_squared_displacement
from mdstudy.analysis.periodic import Tree, Unwrapper, box_matrices, molecule_centres, wrap
from mdstudy.base.errors import TrajectoryError

CUBE = np.array([3.0, 3.0, 3.0, 90.0, 90.0, 90.0])
BRICK = np.array([3.0, 4.0, 5.0, 90.0, 90.0, 90.0])
#: Rhombic dodecahedron, as of OpenMM and GROMACS.
SKEW = np.array([3.0, 3.0, 3.0, 60.0, 60.0, 90.0])
BOXES = [CUBE, BRICK, SKEW]
IDS = ["cubic", "orthorhombic", "triclinic"]


def matrices(box: np.ndarray, n_frames: int) -> np.ndarray:
    return box_matrices(np.broadcast_to(box, (n_frames, 6)))


def still_centre(paths: np.ndarray) -> np.ndarray:
    """Paths with the drift of the mean taken out, as the unwrapper leaves them."""
    mean = paths.mean(axis=1, keepdims=True)
    return paths - mean + mean[:1]


def walk(seed: int, n_frames: int, n: int, step: float = 0.2) -> np.ndarray:
    return still_centre(np.cumsum(np.random.default_rng(seed).normal(scale=step, size=(n_frames, n, 3)), axis=0))


@pytest.mark.parametrize("box", BOXES, ids=IDS)
def test_box_vectors_have_the_lengths_and_angles_given(box: np.ndarray) -> None:
    rows = matrices(box, 1)[0]
    np.testing.assert_allclose(np.linalg.norm(rows, axis=1), box[:3], rtol=1e-6)
    for angle, (i, j) in zip(box[3:], ((1, 2), (0, 2), (0, 1)), strict=True):
        cosine = rows[i] @ rows[j] / np.linalg.norm(rows[i]) / np.linalg.norm(rows[j])
        assert np.degrees(np.arccos(cosine)) == pytest.approx(angle)


@pytest.mark.parametrize("box", BOXES, ids=IDS)
def test_an_atom_is_put_into_the_nearest_of_all_images_within_half_a_height(box: np.ndarray) -> None:
    rows = matrices(box, 1)[0]
    rng = np.random.default_rng(0)
    vectors = rng.normal(scale=6, size=(200, 3))
    turns = np.stack(np.meshgrid(*[np.arange(-9, 10)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    shortest = np.array([np.linalg.norm(v + turns @ rows, axis=1).min() for v in vectors])
    pairs = np.stack([np.zeros_like(vectors), vectors], axis=1).reshape(1, -1, 3)
    bonds = np.arange(2 * len(vectors)).reshape(-1, 2)
    whole = Tree.from_bonds(2 * len(vectors), bonds, bonds.ravel() // 2).make_whole(pairs, rows[None])[0]
    found = np.linalg.norm(whole[1::2] - whole[::2], axis=1)
    near = shortest < np.diagonal(rows).min() / 2
    assert near.sum() > 20
    np.testing.assert_allclose(found[near], shortest[near], atol=1e-5)


@pytest.mark.parametrize("box", BOXES, ids=IDS)
def test_wrapping_moves_by_whole_box_vectors_into_one_cell(box: np.ndarray) -> None:
    m = matrices(box, 5)
    positions = np.random.default_rng(1).normal(scale=9, size=(5, 20, 3))
    inside = wrap(positions, m)
    assert inside.min() >= 0
    assert np.all(inside <= np.diagonal(m[0]))
    turns = np.einsum("fni,fij->fnj", inside - positions, np.linalg.inv(m))
    np.testing.assert_allclose(turns, np.round(turns), atol=1e-9)


@pytest.mark.parametrize("box", BOXES, ids=IDS)
def test_wrapped_paths_are_made_continuous_through_all_faces(box: np.ndarray) -> None:
    paths = walk(2, 400, 12)
    m = matrices(box, 400)
    assert np.abs(paths).max() > 5, "no path leaves the box"
    found = Unwrapper(np.ones(12))(wrap(paths, m), m).centres
    moved = found - found[:1]
    np.testing.assert_allclose(moved, paths - paths[:1], atol=1e-9)


def test_paths_stored_in_any_image_and_in_pieces_give_the_same() -> None:
    paths, m = walk(3, 300, 12), matrices(SKEW, 300)
    jumps = np.random.default_rng(4).integers(-2, 3, size=(300, 12, 3))
    stored = paths + np.einsum("fni,fij->fnj", jumps, m)
    whole = Unwrapper(np.ones(12))(wrap(paths, m), m).centres
    unwrap = Unwrapper(np.ones(12))
    pieces = np.concatenate([unwrap(stored[a:b], m[a:b]).centres for a, b in ((0, 1), (1, 120), (120, 300))])
    np.testing.assert_allclose(pieces - pieces[:1], whole - whole[:1], atol=1e-9)


def test_scaling_of_the_box_moves_no_far_image() -> None:
    """At constant pressure a molecule that has gone ten boxes far does not jump by ten times the change of one box."""
    rng = np.random.default_rng(5)
    lengths = 3.0 * np.exp(rng.normal(scale=0.01, size=500))
    boxes = np.column_stack([lengths, lengths, lengths, *[np.full(500, 90.0)] * 3])
    fractions = rng.random((12, 3)) + 10 * rng.integers(-1, 2, size=(12, 3))  # at rest in the scaled box
    stored = fractions[None] * lengths[:, None, None]
    found = Unwrapper(np.ones(12))(stored, box_matrices(boxes)).centres
    assert mean_squared_displacement(stored)[1:].mean() > 0.1, "naive unwrapping would show it"
    assert mean_squared_displacement(found)[1:].max() < 0.02


def test_diffusion_in_a_box_of_changing_size_is_that_of_the_walk() -> None:
    """Steps are added to wrapped positions that scale with the box, as a barostat does."""
    rng = np.random.default_rng(6)
    n_frames, n, step = 3000, 40, 0.1
    lengths = 3.0 * np.exp(rng.normal(scale=0.005, size=n_frames))
    position = rng.random((n, 3)) * lengths[0]
    stored = np.empty((n_frames, n, 3))
    stored[0] = position
    for t in range(1, n_frames):
        position = np.mod(position + rng.normal(scale=step, size=(n, 3)), lengths[t - 1]) * (
            lengths[t] / lengths[t - 1]
        )
        stored[t] = position
    boxes = np.column_stack([lengths, lengths, lengths, *[np.full(n_frames, 90.0)] * 3])
    found = Unwrapper(np.ones(n))(stored, box_matrices(boxes)).centres
    lag = 300
    expected = 3 * step**2 * lag * (1 - 1 / n)  # relative to the centre of all
    assert mean_squared_displacement(found)[lag] == pytest.approx(expected, rel=0.1)


def test_drift_of_the_box_is_removed_by_mass() -> None:
    masses = np.array([1.0, 3.0, 10.0])
    paths = np.cumsum(np.random.default_rng(7).normal(scale=0.1, size=(100, 3, 3)), axis=0)
    found = Unwrapper(masses)(paths, matrices(CUBE, 100)).centres
    centre = np.einsum("m,fmk->fk", masses / masses.sum(), found)
    np.testing.assert_allclose(centre - centre[:1], 0, atol=1e-12)


@pytest.mark.parametrize("box", BOXES, ids=IDS)
def test_drift_is_that_of_the_centre_of_mass_beside_the_scaling_of_the_box(box: np.ndarray) -> None:
    """A crystal that is scaled with its box and moved by a tenth of each of its vectors, in pieces, in any image."""
    rng = np.random.default_rng(12)
    boxes = np.repeat(box[None], 30, axis=0)
    boxes[:, :3] *= np.exp(rng.normal(scale=0.02, size=(30, 1)))
    m, fractions = box_matrices(boxes), rng.random((50, 3))
    gone = 0.1 * np.arange(30)[:, None] * [1.0, -1.0, 2.0]
    images = rng.integers(-2, 3, size=(30, 50, 3))
    stored = np.einsum("fni,fij->fnj", fractions + gone[:, None] + images, m)
    unwrap = Unwrapper(rng.uniform(1, 9, 50))
    drift = np.concatenate([unwrap(stored[a:b], m[a:b]).drift for a, b in ((0, 1), (1, 11), (11, 30))])
    np.testing.assert_allclose(drift, gone, atol=1e-12)


def test_drift_is_removed_once_for_the_box_and_not_for_each_species() -> None:
    """Of a species of ten, its own centre takes a tenth of the motion away: D would be low by 10 %."""
    paths = np.cumsum(np.random.default_rng(8).normal(scale=0.1, size=(2000, 400, 3)), axis=0)
    found = Unwrapper(np.ones(400))(paths, matrices(CUBE, 2000)).centres[:, :10]
    lags = slice(20, 60)
    expected = 3 * 0.01 * np.arange(2000)[lags]
    ratio = np.mean(mean_squared_displacement(found)[lags] / expected)
    per_species = found - found.mean(axis=1, keepdims=True)
    wrong = np.mean(mean_squared_displacement(per_species)[lags] / expected)
    assert ratio == pytest.approx(1, abs=0.04)
    assert wrong == pytest.approx(ratio - 0.1, abs=0.02)


def test_molecules_split_over_faces_are_made_whole() -> None:
    rng = np.random.default_rng(9)
    # A chain of six bonds of which the last atom joins the third: out of order, branched.
    bonds = np.array([[0, 1], [1, 2], [3, 2], [3, 4], [5, 2], [6, 7]])
    molecule_of = np.array([0, 0, 0, 0, 0, 0, 1, 1])
    for box in BOXES:
        m = matrices(box, 30)
        whole = np.zeros((30, 8, 3))
        whole[:, 6] = rng.normal(scale=4, size=(30, 3))
        whole[:, 0] = rng.normal(scale=4, size=(30, 3))
        for parent, child in ((0, 1), (1, 2), (2, 3), (3, 4), (2, 5), (6, 7)):
            whole[:, child] = whole[:, parent] + rng.normal(scale=0.15, size=(30, 3))
        found = Tree.from_bonds(8, bonds, molecule_of).make_whole(wrap(whole, m), m)
        for first, members in ((0, range(6)), (6, (6, 7))):
            for atom in members:
                np.testing.assert_allclose(
                    found[:, atom] - found[:, first], whole[:, atom] - whole[:, first], atol=2e-5
                )


def test_a_polymer_longer_than_the_box_is_made_whole_along_its_bonds() -> None:
    n = 60
    whole = np.zeros((1, n, 3))
    whole[0, :, 0] = 0.15 * np.arange(n)  # 9 nm in a box of 3 nm
    bonds = np.column_stack([np.arange(n - 1), np.arange(1, n)])
    m = matrices(CUBE, 1)
    found = Tree.from_bonds(n, bonds, np.zeros(n, dtype=np.intp)).make_whole(wrap(whole, m), m)
    np.testing.assert_allclose(found - found[:, :1], whole, atol=1e-5)


def test_atoms_of_a_molecule_without_bonds_hang_on_each_other_in_order() -> None:
    whole = np.array([[[0.1, 0.1, 0.1], [-0.1, 0.1, 0.1], [-0.3, 0.1, 0.1]]])
    m = matrices(CUBE, 1)
    found = Tree.from_bonds(3, np.empty((0, 2), dtype=int), np.zeros(3, dtype=np.intp)).make_whole(wrap(whole, m), m)
    np.testing.assert_allclose(found - found[:, :1], whole - whole[:, :1], atol=1e-6)


def test_scattered_atoms_without_bonds_are_refused() -> None:
    with pytest.raises(TrajectoryError, match="do not follow each other"):
        Tree.from_bonds(3, np.empty((0, 2), dtype=int), np.array([0, 1, 0]))


def test_centres_are_weighted_by_mass_also_for_molecules_whose_atoms_are_not_together() -> None:
    positions = np.array([[[0.0, 0, 0], [10.0, 0, 0], [3.0, 0, 0]]])
    centres = molecule_centres(positions, np.array([0, 1, 0]), np.array([1.0, 5.0, 2.0]))
    np.testing.assert_allclose(centres, [[[2.0, 0, 0], [10.0, 0, 0]]])
