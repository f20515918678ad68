from __future__ import annotations

import numpy as np
import pytest

from mdstudy.base.results import find
from mdstudy.observables.molecular_volume import MolecularVolume
from mdstudy.study.measure import measure

#: 1 nm^3 a molecule in cm^3/mol.
MOLAR = 1e-21 * 6.02214076e23


def test_molecules_on_a_line_have_the_slabs_of_their_atoms(trajectory_of) -> None:
    """Li at 0, two atoms of FSI at 1 and 1.5, TTE at 3 of 4 nm: slabs of 1 nm^2 that end half way."""
    molecules = [("Li", ("Li",)), ("FSI", ("N", "O")), ("TTE", ("O",))]
    frame = np.zeros((4, 3))
    frame[:, 0] = [0.0, 1.0, 1.5, 3.0]
    frames = np.stack([frame + np.array([0.1 * t, 0.0, 0.0]) for t in range(40)])
    (found,) = measure(trajectory_of(molecules, frames, [4.0, 1.0, 1.0, 90.0, 90.0, 90.0]), [MolecularVolume(every=1)])
    for name, volume in (("Li", (1 + 1) / 2), ("FSI", (1 + 0.5) / 2 + (0.5 + 1.5) / 2), ("TTE", (1.5 + 1) / 2)):
        estimate = find(found.estimates, "voronoi_volume", name)
        assert estimate is not None
        assert abs(estimate.value - volume * MOLAR) < 3 * estimate.error
        assert 0 < estimate.error < 3e-3 * volume * MOLAR
        assert estimate.unit == "cm^3/mol"


@pytest.mark.parametrize("basis", [[[0, 0, 0]], [[0, 0, 0], [0.5, 0.5, 0.5]]], ids=["simple", "body-centred"])
def test_atoms_of_a_lattice_share_the_box_equally(trajectory_of, basis: list[list[float]]) -> None:
    """Every other atom is Li: the same volume as that of the rest, a^3 over the number of atoms of the cell."""
    corners = np.stack(np.meshgrid(*[np.arange(4)] * 3, indexing="ij"), axis=-1).reshape(-1, 1, 3)
    places = 0.5 * (corners + np.array(basis)).reshape(-1, 3)
    molecules = [("Li", ("Li",)), ("TTE", ("O",))] * (len(places) // 2)
    frames = np.repeat(places[None], 40, axis=0)
    (found,) = measure(trajectory_of(molecules, frames, [2.0] * 3 + [90.0] * 3), [MolecularVolume(every=1)])
    for estimate in found.estimates:
        assert abs(estimate.value - 0.5**3 / len(basis) * MOLAR) < 3 * estimate.error


def test_volumes_of_all_molecules_add_up_to_the_box_exactly(electrolyte) -> None:
    (found,) = measure(electrolyte, [MolecularVolume(every=10)])
    numbers = {name: len(molecules) for name, molecules in electrolyte.sites.species.items()}
    assert sum(numbers[e.of] * e.value for e in found.estimates) == pytest.approx(4.0**3 * MOLAR, rel=1e-9)
    assert all("5 frames" in e.method for e in found.estimates)


def test_a_box_that_has_swollen_is_noticed_by_its_halves(trajectory_of) -> None:
    rng = np.random.default_rng(1)
    edges = np.repeat([2.0, 2.1], 20) + rng.normal(scale=0.01, size=40)
    frames = rng.uniform(0, 1, (60, 3)) * edges[:, None, None]
    boxes = np.stack([[edge] * 3 + [90.0] * 3 for edge in edges])
    molecules = [("Li", ("Li",))] * 30 + [("TTE", ("O",))] * 30
    (found,) = measure(trajectory_of(molecules, frames, boxes), [MolecularVolume(every=1)])
    for estimate in found.estimates:
        assert not estimate.converged
        assert "halves of the run differ" in estimate.note
