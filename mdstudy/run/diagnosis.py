"""Whether a state is sound, and which atoms are at fault when a simulation blows up."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import openmm
from numpy.typing import NDArray
from openmm import app

#: Force that no liquid has, kJ/mol/nm: about a thousand times that of a bond stretched by 0.02 nm.
BROKEN = 1e7

Describe = Callable[[int], str]


def require_finite(state: openmm.State) -> None:
    """Check every number of a state.

    An energy is not enough: pairs with a distance that is no number fall outside every cutoff, so that the energy
    of positions that are all NaN can be finite and their forces zero (Reference platform).

    Parameters
    ----------
    state : openmm.State
        With positions; velocities and energies are checked if they are there.

    Raises
    ------
    FloatingPointError
        Names what is not a number.
    """
    asked = state.getDataTypes()
    arrays = {"position": state.getPositions(asNumpy=True)}
    if asked & openmm.State.Velocities:
        arrays["velocity"] = state.getVelocities(asNumpy=True)
    for what, array in arrays.items():
        bad = np.flatnonzero(~np.isfinite(array._value).all(axis=1))
        if len(bad):
            raise FloatingPointError(f"{what} of {len(bad)} of {len(array)} atoms is not a number")
    if asked & openmm.State.Energy:
        potential, kinetic = state.getPotentialEnergy()._value, state.getKineticEnergy()._value
        if not np.isfinite(potential + kinetic):
            raise FloatingPointError(f"potential energy {potential}, kinetic energy {kinetic} kJ/mol")


def name_worst(
    context: openmm.Context, good: openmm.State, describe: Describe, checkpoint: bytes = b"", replay: int = 0
) -> str:
    """Name the five atoms with the largest forces, going again from the last good state until it breaks.

    Parameters
    ----------
    context : openmm.Context
        In which the simulation failed.
    good : openmm.State
        The last state that was sound.
    describe : callable
        Index of an atom to words, for example of :func:`atom_words`.
    checkpoint : bytes
        Of the context at `good`, with its random numbers: the same steps are then gone again. Without it, other
        random numbers are drawn.
    replay : int
        Steps to go again at most; a force above :data:`BROKEN` ends it.

    Returns
    -------
    str
        With the force on each atom and its nearest atom of another molecule.
    """
    context.setState(good)
    if checkpoint:
        context.loadCheckpoint(checkpoint)
    forces, positions = _forces(context)
    for _ in range(replay):
        if not np.isfinite(forces).all() or forces.max() > BROKEN:
            break
        try:
            context.getIntegrator().step(1)
            after, places = _forces(context)
        except openmm.OpenMMException:
            break
        if not np.isfinite(places).all():  # what was there before it says where it began
            break
        forces, positions = after, places
    forces = np.where(np.isfinite(forces), forces, np.inf)
    worst = np.argsort(-forces, kind="stable")[:5]
    owner = np.empty(len(forces), dtype=np.int64)
    for number, atoms in enumerate(context.getMolecules()):
        owner[list(atoms)] = number
    edges = np.array(context.getState().getPeriodicBoxVectors(asNumpy=True)._value)
    named = []
    for i in worst:
        text = f"atom {i} ({describe(int(i))}{forces[i]:.3g} kJ/mol/nm"
        near = nearest(int(i), positions, owner, edges)
        named.append(text + (")" if near is None else f", {near[1]:.3f} nm from atom {near[0]})"))
    return "largest forces: " + ", ".join(named)


def nearest(
    atom: int, positions: NDArray[np.float64], owner: NDArray[np.int64], vectors: NDArray[np.float64]
) -> tuple[int, float] | None:
    """Nearest atom of another molecule and its distance in nm; None if there is no other molecule.

    Parameters
    ----------
    atom : int
    positions : (n, 3) float array, nm
    owner : (n,) int array
        Molecule of each atom.
    vectors : (3, 3) float array
        Box vectors as rows in OpenMM's reduced form, nm.
    """
    others = np.flatnonzero(owner != owner[atom])
    if not len(others):
        return None
    separation = positions[others] - positions[atom]
    for k in (2, 1, 0):  # minimum image in the lower triangular box, exact up to half the shortest edge
        separation -= np.round(separation[:, k : k + 1] / vectors[k, k]) * vectors[k]
    distances = np.linalg.norm(separation, axis=1)
    closest = int(np.argmin(distances))
    return int(others[closest]), float(distances[closest])


def atom_words(*structures: Path) -> Describe:
    """Describe atoms by the first structure file that is there, ``"O O1 of FSI 12, "``; by nothing if none is.

    Parameters
    ----------
    *structures : Path
        PDBx/mmCIF (``.cif``) or PDB files with the atoms of the System in order.
    """
    for file in structures:
        if file.is_file():
            reader = app.PDBxFile if file.suffix == ".cif" else app.PDBFile
            atoms = list(reader(str(file)).topology.atoms())
            words = [
                f"{'' if atom.element is None else atom.element.symbol + ' '}{atom.name} of "
                f"{atom.residue.name} {atom.residue.index + 1}, "
                for atom in atoms
            ]
            return lambda index: words[index] if index < len(words) else ""
    return lambda index: ""  # noqa: ARG005


def _forces(context: openmm.Context) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Size of the force on each atom, kJ/mol/nm, and positions, nm."""
    state = context.getState(getForces=True, getPositions=True)
    forces = np.linalg.norm(state.getForces(asNumpy=True)._value, axis=1)
    return np.asarray(forces), np.asarray(state.getPositions(asNumpy=True)._value)
