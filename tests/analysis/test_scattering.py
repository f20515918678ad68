from __future__ import annotations

import numpy as np
import pytest

from mdstudy.analysis.scattering import ELEMENTS, elements_of, form_factors, scattering_lengths
from mdstudy.base.errors import TrajectoryError

NUMBERS = {"H": 1, "D": 1, "Li": 3, "C": 6, "N": 7, "O": 8, "F": 9, "S": 16}


@pytest.mark.parametrize("name", ELEMENTS)
def test_a_neutral_atom_scatters_forward_with_all_its_electrons(name: str) -> None:
    """The published fits meet the atomic number to 0.004 electrons, nitrogen the worst."""
    assert abs(form_factors(np.array([name]), np.zeros(1))[0, 0] - NUMBERS[name]) < 0.004


@pytest.mark.parametrize("name", ELEMENTS)
def test_form_factors_fall_with_the_scattering_vector(name: str) -> None:
    f = form_factors(np.array([name]), np.linspace(0, 250, 200))[0]
    assert (np.diff(f) < 0).all()


def test_form_factors_are_in_reciprocal_nanometres() -> None:
    """Carbon at s = 0.5 1/angstrom, q = 4 pi 5 1/nm: 1.69 electrons (International Tables C, table 6.1.1.1)."""
    assert abs(form_factors(np.array(["C"]), np.array([4 * np.pi * 5]))[0, 0] - 1.69) < 0.02


def test_elements_are_known_by_their_masses_and_lengths_follow() -> None:
    names = elements_of(np.array([6.94, 1.0079, 15.9994, 18.998, 32.06, 14.007, 12.011, 2.014]))
    assert names.tolist() == ["Li", "H", "O", "F", "S", "N", "C", "D"]
    np.testing.assert_array_equal(scattering_lengths(names), [-1.90, -3.7390, 5.803, 5.654, 2.847, 9.36, 6.6460, 6.671])


def test_a_mass_of_no_element_is_refused_with_the_reason() -> None:
    with pytest.raises(TrajectoryError, match=r"atom 1 has a mass of 3\.024 Da.* not repartitioned ones"):
        elements_of(np.array([12.011, 3.024]))
