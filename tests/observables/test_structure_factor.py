from __future__ import annotations

import numpy as np
import pytest

from mdstudy.analysis.scattering import form_factors, scattering_lengths
from mdstudy.base.errors import TrajectoryError
from mdstudy.observables.structure_factor import ScatteringAmplitudes, StructureFactor
from mdstudy.study.measure import measure

CUBE = [3.0, 3.0, 3.0, 90.0, 90.0, 90.0]
OBLIQUE = [3.0, 3.2, 3.4, 80.0, 75.0, 85.0]


def curves(measurement) -> dict[tuple[str, str], object]:
    return {(curve.quantity, curve.of): curve for curve in measurement.curves}


def test_an_ideal_gas_has_structure_factors_of_one_within_their_errors(trajectory_of) -> None:
    rng = np.random.default_rng(1)
    gas = trajectory_of([("Li", ("Li",))] * 60 + [("TTE", ("O",))] * 40, rng.uniform(0, 3, (60, 100, 3)), CUBE)
    (found,) = measure(gas, [StructureFactor()])
    assert {of for _, of in curves(found)} == {"box", "Li-Li", "Li-O", "O-O"}
    for curve in found.curves:
        z = (curve.y - 1) / curve.y_error
        assert abs(np.mean(z**2) - 9 / 7) < 4 * np.sqrt(2 / len(z)) * 9 / 7, curve.of
        assert curve.x[0] == pytest.approx(2 * np.pi / 3, abs=1e-4)


def test_free_dimers_have_the_form_of_debye(trajectory_of) -> None:
    """S_ab = 1 + sin(q d) / (q d) / (2 c_a c_b N / N_pairs ...): for one oxygen to each lithium, 1 + 2 sin(qd)/(qd)."""
    rng = np.random.default_rng(2)
    ions = rng.uniform(0, 3, (200, 50, 3))
    turned = rng.normal(size=ions.shape)
    partners = ions + 0.2 * turned / np.linalg.norm(turned, axis=-1, keepdims=True)
    pairs = trajectory_of(
        [("Li", ("Li",))] * 50 + [("TTE", ("O",))] * 50, np.concatenate([ions, partners], axis=1), CUBE
    )
    (found,) = measure(pairs, [StructureFactor()])
    curve = curves(found)["partial_structure_factor", "Li-O"]
    due = 1 + 2 * np.sinc(curve.x * 0.2 / np.pi)
    z = (curve.y - due) / curve.y_error
    assert np.mean(z**2) < 2.5
    assert np.max(np.abs(curve.y - due)) < 0.25


def test_totals_are_the_partials_weighed(electrolyte) -> None:
    (found,) = measure(electrolyte, [StructureFactor(vectors=3)])
    by_name = curves(found)
    names = np.unique([of.partition("-")[0] for kind, of in by_name if kind == "partial_structure_factor"])
    masses = electrolyte.sites.masses
    from mdstudy.analysis.scattering import elements_of

    share = np.array([(elements_of(masses) == name).mean() for name in names])
    q = by_name["structure_factor_xray", "box"].x
    lengths = np.repeat(scattering_lengths(names)[:, None], len(q), axis=1)
    for quantity, weights in (("xray", form_factors(names, q)), ("neutron", lengths)):
        due = sum(
            share[a] * share[b] * weights[a] * weights[b]
            * by_name["partial_structure_factor", "-".join(sorted((names[a], names[b])))].y
            for a in range(len(names)) for b in range(len(names))
        ) / (share @ weights) ** 2  # fmt: skip
        np.testing.assert_allclose(by_name[f"structure_factor_{quantity}", "box"].y, due, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("box", [CUBE, OBLIQUE], ids=["rectangular", "oblique"])
def test_products_are_those_of_a_sum_over_pairs_on_vectors_that_fit_the_box(trajectory_of, box) -> None:
    rng = np.random.default_rng(3)
    xyz = rng.uniform(-1, 5, (1, 30, 3))
    trajectory = trajectory_of([("Li", ("Li",))] * 18 + [("TTE", ("O",))] * 12, xyz, box)
    (_, block), *_ = trajectory.blocks(1)
    tally = ScatteringAmplitudes(12.0, 1.0, 4, 1)
    sums = tally(block, trajectory.sites).arrays
    matrix = block.matrices[0].astype(float)
    indices, q, bins = tally._draw(0.0, matrix)
    vectors = indices @ (2 * np.pi * np.linalg.inv(matrix).T)
    np.testing.assert_allclose(np.exp(1j * vectors @ matrix.T), 1, atol=1e-9)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), q)
    assert np.bincount(bins).max() <= 4
    assert len(np.unique(indices, axis=0)) == len(indices)
    waves = np.exp(1j * block.positions[0].astype(float) @ vectors.T)
    lithium, oxygen = waves[:18].sum(axis=0), waves[18:].sum(axis=0)
    for (a, b), product in (((0, 0), np.abs(lithium) ** 2), ((0, 1), (lithium * oxygen.conj()).real)):
        due = np.bincount(bins, weights=product, minlength=tally.n_bins)
        np.testing.assert_allclose(sums["products"][a, b], due, rtol=1e-4, atol=1e-3)


def test_vectors_are_of_half_the_space_and_all_of_it_where_few_are_asked_for() -> None:
    tally = ScatteringAmplitudes(8.0, 8.0, 10**6, 1)
    indices, *_ = tally._draw(0.0, np.diag([3.0, 3.0, 3.0]))
    both = {tuple(v) for v in indices.tolist()} | {tuple(-v for v in w) for w in indices.tolist()}
    n = np.arange(-4, 5)
    due = {(h, k, m) for h in n for k in n for m in n if 0 < 4 * np.pi**2 / 9 * (h * h + k * k + m * m) < 64}
    assert both == due
    assert len(both) == 2 * len(indices)


def test_repartitioned_masses_are_refused(trajectory_of) -> None:
    trajectory = trajectory_of([("Li", ("Li",))], np.zeros((4, 1, 3)), CUBE)
    trajectory.sites.masses[:] = 4.5
    with pytest.raises(TrajectoryError, match="not repartitioned ones"):
        measure(trajectory, [StructureFactor()])


def test_one_frame_in_so_many_is_chosen_by_its_time_alone(trajectory_of) -> None:
    xyz = np.random.default_rng(5).uniform(0, 3, (200, 4, 3))
    trajectory = trajectory_of([("Li", ("Li",))] * 4, xyz, CUBE)
    every, some = ScatteringAmplitudes(12.0, 1.0, 4, 1), ScatteringAmplitudes(12.0, 1.0, 4, 1, 10)
    (_, whole), *_ = trajectory.blocks(1)
    pieces = [some(block, trajectory.sites).arrays["numbers"] for _, block in trajectory.blocks(7)]
    chosen = some(whole, trajectory.sites).arrays["numbers"]
    np.testing.assert_array_equal(sum(pieces), chosen)
    assert 0.05 < chosen.sum() / every(whole, trajectory.sites).arrays["numbers"].sum() < 0.2
