"""The shear stress of a box at equilibrium, sampled beside a run.

OpenMM has no virial. The off-diagonal elements of the pressure tensor are the derivative of the energy with respect
to a shear of the box that carries the centres of mass of the molecules along and leaves the molecules rigid, so that
constraints and bonds do no work::

    P_ab V = sum over molecules of M v_a v_b - dU/de_ab,    x_a -> x_a + e_ab x_b

This is the molecular pressure tensor. It differs from the atomic one by the time derivative of sum m (r - R)_a (v -
V)_b over the atoms about their centres, which is bounded, so that both have the same time integrals and viscosity.

The derivative is a central difference of two energies in a context of its own; the context that is integrated is not
touched, and its trajectory is the same to the bit with and without. Six energies a sample cost about seven steps on
the CPU platform (docs/performance.md).

A segment of production whose stage has a `stress_interval` holds ``stress.csv``: a row every `stress_interval` steps,
on the clock of ``state.csv`` (the first row at the first multiple), and the columns of :data:`COLUMNS`:

- ``step``, ``time_ps``: since the start of production, over all segments;
- ``volume_nm3``: of the box then;
- ``xy_bar``, ``xz_bar``, ``yz_bar``: off-diagonal elements of the pressure tensor of the whole box, bar, each about
  zero in the mean.

For Green and Kubo, the viscosity is V/(kT) times the integral of <P_xy(0) P_xy(t)>. Samples resolve what is slower
than their interval only: the trapezoid counts half of C(0) times the interval for what may have decayed long before.
"""

from __future__ import annotations

from typing import TextIO

import numpy as np
import openmm
from numpy.typing import NDArray

from mdstudy.base.errors import RunError
from mdstudy.base.units import DALTON
from mdstudy.run.mechanics import bond_pairs, masses
from mdstudy.run.outputs import Table
from mdstudy.run.platforms import Choice

#: Columns of ``stress.csv``.
COLUMNS = ("step", "time_ps", "volume_nm3", "xy_bar", "xz_bar", "yz_bar")
#: Directions a, b of the elements that are sampled.
ELEMENTS = ((0, 1), (0, 2), (1, 2))
#: Shear on either side: the cubic term is below 1e-3 of the stress, the noise of single precision below 1e-2.
SHEAR = 2e-3
BAR = DALTON * 1e28  # kJ/mol/nm^3 (Da/(nm ps^2)) in bar
_INTRAMOLECULAR = (
    openmm.HarmonicBondForce,
    openmm.HarmonicAngleForce,
    openmm.PeriodicTorsionForce,
    openmm.RBTorsionForce,
)


class ShearStress:
    """Off-diagonal elements of the molecular pressure tensor of states of a System.

    Parameters
    ----------
    system : openmm.System
        As built.
    choice : Choice
        Platform.
    owner : (n,) int array
        Molecule of each atom.
    """

    def __init__(self, system: openmm.System, choice: Choice, owner: NDArray[np.int64]) -> None:
        self._bonds = bond_pairs(system)
        pairs = openmm.XmlSerializer.clone(system)
        for k in reversed(range(pairs.getNumForces())):
            if isinstance(pairs.getForce(k), _INTRAMOLECULAR):
                pairs.removeForce(k)
        self._owner = owner
        self._context = choice.context(pairs, openmm.VerletIntegrator(0.001))
        mass = masses(system)
        self._molecular_mass = np.bincount(self._owner, weights=mass)
        self._share = mass / self._molecular_mass[self._owner]

    def _of_molecules(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Mass-weighted mean over each molecule."""
        columns = [np.bincount(self._owner, weights=self._share * values[:, k]) for k in range(3)]
        return np.stack(columns, axis=1)

    def __call__(self, state: openmm.State) -> NDArray[np.float64]:
        """Elements xy, xz and yz.

        Parameters
        ----------
        state : openmm.State
            Positions, with whole molecules, and velocities.

        Returns
        -------
        (3,) float array
            bar.

        Raises
        ------
        RunError
            A molecule is bonded to its own image, so that it cannot stay rigid while the box is sheared.
        """
        positions = np.array(state.getPositions(asNumpy=True)._value)
        vectors = np.array(state.getPeriodicBoxVectors(asNumpy=True)._value)
        longest = np.abs(positions[self._bonds[:, 0]] - positions[self._bonds[:, 1]]).max(initial=0.0)
        if longest > vectors.diagonal().min() / 2:
            raise RunError(
                f"a bond of {longest:.2f} nm leaves the box: molecules that are bonded to their own images cannot stay "
                "rigid in a box that is sheared, and the shear stress of this one is not known"
            )
        centres = self._of_molecules(positions)
        velocities = self._of_molecules(np.array(state.getVelocities(asNumpy=True)._value))
        stress = np.empty(3)
        for k, (a, b) in enumerate(ELEMENTS):
            up, down = (self._energy(positions, vectors, a, b, centres, sign * SHEAR) for sign in (1, -1))
            kinetic = float(np.sum(self._molecular_mass * velocities[:, a] * velocities[:, b]))
            stress[k] = kinetic - (up - down) / (2 * SHEAR)
        return np.asarray(stress / abs(np.linalg.det(vectors)) * BAR)

    def _energy(
        self,
        positions: NDArray[np.float64],
        vectors: NDArray[np.float64],
        a: int,
        b: int,
        centres: NDArray[np.float64],
        shear: float,
    ) -> float:
        """Energy of the box sheared by x_a -> x_a + shear x_b."""
        moved, edges = positions.copy(), vectors.copy()
        moved[:, a] += shear * centres[self._owner, b]
        edges[:, a] += shear * edges[:, b]
        self._context.setPeriodicBoxVectors(*(openmm.Vec3(*row) for row in edges))
        self._context.setPositions(moved)
        return float(self._context.getState(getEnergy=True).getPotentialEnergy()._value)


class StressLog(Table):
    """Writes rows of ``stress.csv``.

    Parameters
    ----------
    file : text file
        Open for writing, or for going on.
    stress : ShearStress
    timestep : float
        ps.
    """

    def __init__(self, file: TextIO, stress: ShearStress, timestep: float) -> None:
        super().__init__(file, COLUMNS, timestep)
        self._stress = stress

    def write(self, state: openmm.State, step: int) -> None:
        """Add a row."""
        self.add(step, state.getPeriodicBoxVolume()._value, *self._stress(state))
