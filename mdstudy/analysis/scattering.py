"""How strongly elements scatter X-rays and neutrons."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.errors import TrajectoryError

#: Largest difference between the mass of an atom and that of its element, dalton.
MASS_TOLERANCE = 0.3


@dataclass(frozen=True)
class Element:
    """One element as a scatterer.

    Attributes
    ----------
    mass : float
        Standard atomic mass, dalton, by which atoms of a trajectory are recognised.
    length : float
        Bound coherent neutron scattering length, fm, of the natural mixture of isotopes (of deuterium for D).
    a, b : tuple of five floats
        Amplitudes, and decays in square angstrom, of the Gaussians of the X-ray form factor of the neutral atom.
    c : float
        Its constant.
    """

    mass: float
    length: float
    a: tuple[float, ...]
    b: tuple[float, ...]
    c: float


_HYDROGEN = (
    (0.413048, 0.294953, 0.187491, 0.080701, 0.023736),
    (15.569946, 32.398468, 5.711404, 61.889874, 1.334118),
    0.000049,
)

#: X-rays: Waasmaier and Kirfel, Acta Cryst. A51, 416 (1995), doi 10.1107/S0108767394013292. Neutrons: Sears, Neutron
#: News 3(3), 26 (1992), doi 10.1080/10448639208218770.
ELEMENTS = {
    "H": Element(1.008, -3.7390, *_HYDROGEN),
    "D": Element(2.014, 6.671, *_HYDROGEN),
    "Li": Element(
        6.94,
        -1.90,
        (0.974637, 0.158472, 0.811855, 0.262416, 0.790108),
        (4.334946, 0.342451, 97.102966, 201.363831, 1.409234),
        0.002542,
    ),
    "C": Element(
        12.011,
        6.6460,
        (2.657506, 1.078079, 1.490909, -4.241070, 0.713791),
        (14.780758, 0.776775, 42.086842, -0.000294, 0.239535),
        4.297983,
    ),
    "N": Element(
        14.007,
        9.36,
        (11.893780, 3.277479, 1.858092, 0.858927, 0.912985),
        (0.000158, 10.232723, 30.344690, 0.656065, 0.217287),
        -11.804902,
    ),
    "O": Element(
        15.999,
        5.803,
        (2.960427, 2.508818, 0.637853, 0.722838, 1.142756),
        (14.182259, 5.936858, 0.112726, 34.958481, 0.390240),
        0.027014,
    ),
    "F": Element(
        18.998,
        5.654,
        (3.511943, 2.772244, 0.678385, 0.915159, 1.089261),
        (10.687859, 4.380466, 0.093982, 27.255203, 0.313066),
        0.032557,
    ),
    "S": Element(
        32.06,
        2.847,
        (6.372157, 5.154568, 1.473732, 1.635073, 1.209372),
        (1.514347, 22.092527, 0.061373, 55.445175, 0.646925),
        0.154722,
    ),
}


def elements_of(masses: NDArray[np.float64]) -> NDArray[np.str_]:
    """Element of each atom, by its mass.

    Parameters
    ----------
    masses : (n_atoms,) float array, Da

    Raises
    ------
    TrajectoryError
        A mass that no element here has: masses that were repartitioned, united atoms, or an element without data.
    """
    names = np.array(list(ELEMENTS))
    kinds, first, kind = np.unique(masses, return_index=True, return_inverse=True)
    apart = np.abs(kinds[:, None] - np.array([element.mass for element in ELEMENTS.values()]))
    worst = int(np.argmax(apart.min(axis=1)))
    if apart[worst].min() > MASS_TOLERANCE:
        raise TrajectoryError(
            f"atom {first[worst]} has a mass of {kinds[worst]:g} Da, which is that of no element known here "
            f"({', '.join(ELEMENTS)}): scattering needs the masses of the elements, not repartitioned ones"
        )
    return np.asarray(names[apart.argmin(axis=1)][kind])


def form_factors(elements: NDArray[np.str_], q: NDArray[np.float64]) -> NDArray[np.float64]:
    """X-ray form factors of neutral atoms, without dispersion.

    f(q) = c + sum_i a_i exp(-b_i s^2) with s = q / (4 pi).

    Parameters
    ----------
    elements : (n,) array of str
    q : (m,) float array, 1/nm

    Returns
    -------
    (n, m) float array, electrons
    """
    square = (np.asarray(q) / (40 * np.pi)) ** 2  # 1/angstrom^2
    rows = [ELEMENTS[str(name)] for name in elements]
    return np.array([e.c + np.exp(-np.outer(square, e.b)) @ np.array(e.a) for e in rows])


def scattering_lengths(elements: NDArray[np.str_]) -> NDArray[np.float64]:
    """Bound coherent neutron scattering lengths, (n,) float array, fm."""
    return np.array([ELEMENTS[str(name)].length for name in elements])
