from __future__ import annotations

import numpy as np
import pytest

from mdstudy.analysis.scattering import elements_of, form_factors, scattering_lengths
from mdstudy.base.errors import TrajectoryError
from mdstudy.observables.structure_factor import ScatteringAmplitudes, StructureFactor
from mdstudy.study.measure import measure

CUBE = [3.0, 3.0, 3.0, 90.0, 90.0, 90.0]


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


def test_the_form_of_a_molecule_is_seen_wherever_the_box_cuts_it(trajectory_of) -> None:
    """One molecule alone: S_ab = 1 + <cos q.(r_i - r_j)> / (N c_a c_b), over all vectors of a bin."""
    shape = np.array([[0.0, 0.0, 0.0], [0.16, 0.02, 0.0], [-0.05, 0.11, 0.2]])
    somewhere = [[1.0, 1.0, 1.0], [2.95, 0.02, 2.9], [-7.0, 31.0, 0.5]]
    curve = []
    for place in somewhere:
        alone = trajectory_of([("TTE", ("O", "C", "F"))], np.tile(shape + place, (10, 1, 1)), CUBE)
        (found,) = measure(alone, [StructureFactor(q_max=12.0, vectors=10**6)])
        curve.append(curves(found)["partial_structure_factor", "C-O"])
    n = np.arange(-6, 7)
    q = 2 * np.pi / 3 * np.stack(np.meshgrid(n, n, n), axis=-1).reshape(-1, 3)
    length, cosine = np.linalg.norm(q, axis=1), np.cos(q @ (shape[0] - shape[1]))
    bins = np.minimum((length / 0.5).astype(int), 23)
    inside = (length > 0) & (length < 12)
    filled = np.unique(bins[inside])
    due = [1 + cosine[inside & (bins == b)].mean() / (3 / 3 / 3) for b in filled]
    for found in curve:
        np.testing.assert_allclose(found.y, due, atol=2e-5)


def test_repartitioned_masses_are_refused(trajectory_of) -> None:
    trajectory = trajectory_of([("Li", ("Li",))], np.zeros((4, 1, 3)), CUBE)
    trajectory.sites.masses[:] = 4.5
    with pytest.raises(TrajectoryError, match="not repartitioned ones"):
        measure(trajectory, [StructureFactor()])


def test_what_is_drawn_hangs_on_the_time_of_the_frame_and_not_on_the_blocks(trajectory_of) -> None:
    xyz = np.random.default_rng(5).uniform(0, 3, (20, 4, 3))
    trajectory = trajectory_of([("Li", ("Li",))] * 4, xyz, CUBE)
    tally = ScatteringAmplitudes(12.0, 1.0, 4, 1)
    (_, whole), *_ = trajectory.blocks(1)
    together = tally(whole, trajectory.sites).arrays
    pieces = [tally(block, trajectory.sites).arrays for _, block in trajectory.blocks(7)]
    for name, sums in together.items():
        np.testing.assert_allclose(sum(piece[name] for piece in pieces), sums, rtol=1e-12)
    drawn = {float(tally(block, trajectory.sites).arrays["lengths"].sum()) for _, block in trajectory.blocks(20)}
    assert len(drawn) == 20
