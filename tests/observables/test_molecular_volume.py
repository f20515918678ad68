from __future__ import annotations

import numpy as np
import pytest

from mdstudy.base.results import find
from mdstudy.observables.molecular_volume import MolecularVolume
from mdstudy.study.measure import measure

#: 1 nm^3 a molecule in cm^3/mol.
MOLAR = 1e-21 * 6.02214076e23
#: Radii, nm.
R_LI, R_N, R_O = 0.076, 0.155, 0.152


def plane(apart: float, near: float, far: float) -> float:
    """Distance of the plane between two cells from the first of two atoms with these radii, nm."""
    return (apart + (near**2 - far**2) / apart) / 2


def test_molecules_on_a_line_have_the_slabs_of_their_atoms(trajectory_of) -> None:
    """Li at 0, nitrogen and oxygen of FSI at 1 and 1.5, oxygen of TTE at 3 of 4 nm: slabs of 1 nm^2."""
    molecules = [("Li", ("Li",)), ("FSI", ("N", "O")), ("TTE", ("O",))]
    frame = np.zeros((4, 3))
    frame[:, 0] = [0.0, 1.0, 1.5, 3.0]
    frames = np.stack([frame + np.array([0.1 * t, 0.0, 0.0]) for t in range(40)])
    (found,) = measure(trajectory_of(molecules, frames, [4.0, 1.0, 1.0, 90.0, 90.0, 90.0]), [MolecularVolume(every=1)])
    slabs = {
        "Li": plane(1, R_LI, R_N) + plane(1, R_LI, R_O),
        "FSI": plane(1, R_N, R_LI) + 0.5 + plane(1.5, R_O, R_O),
        "TTE": plane(1.5, R_O, R_O) + plane(1, R_O, R_LI),
    }
    for name, volume in slabs.items():
        estimate = find(found.estimates, "molecular_volume", name)
        assert estimate is not None
        assert abs(estimate.value - volume * MOLAR) < 3 * estimate.error
        assert 0 < estimate.error < 3e-3 * volume * MOLAR
        assert estimate.unit == "cm^3/mol"


def test_ions_of_a_rock_salt_have_cubes_and_what_is_left(trajectory_of) -> None:
    """Oxygen 0.25 nm from Li in six directions: a cube with half the edge that the plane is away, no corner cut off."""
    corners = np.stack(np.meshgrid(*[np.arange(8)] * 3, indexing="ij"), axis=-1).reshape(-1, 3)
    molecules = [("Li", ("Li",)) if corner.sum() % 2 else ("TTE", ("O",)) for corner in corners]
    frames = np.repeat(0.25 * corners[None], 40, axis=0)
    (found,) = measure(trajectory_of(molecules, frames, [2.0] * 3 + [90.0] * 3), [MolecularVolume(every=1)])
    cube = (2 * plane(0.25, R_LI, R_O)) ** 3
    for name, volume in (("Li", cube), ("TTE", 2 * 0.25**3 - cube)):
        estimate = find(found.estimates, "molecular_volume", name)
        assert estimate is not None
        assert abs(estimate.value - volume * MOLAR) < 3 * estimate.error
        assert estimate.error < 3e-3 * volume * MOLAR


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
