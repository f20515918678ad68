"""Energies, gradients, dipoles and electrostatic potentials of one molecule, by pyscf and tblite.

Geometries come from Hartree-Fock/6-31G*, as the charges of AMBER and the torsions of OPLS-AA did, after GFN2-xTB
(Bannwarth et al., J. Chem. Theory Comput. 15, 1652 (2019), doi 10.1021/acs.jctc.8b01176). Relative energies come from
MP2/def2-TZVP at these geometries. Both use density fitting (Weigend, Phys. Chem. Chem. Phys. 8, 1057 (2006),
doi 10.1039/b515623h). Positions are nm, energies kJ/mol; bohr and hartree stay inside.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray
from pyscf import gto, mp, scf

#: nm a bohr, kJ/mol a hartree, debye an e nm: CODATA 2018.
BOHR = 0.0529177210903
HARTREE = 2625.4996394799
DEBYE = 48.0320471

Floats = NDArray[np.float64]
#: Positions (n_atoms, 3), nm, to energy (kJ/mol) and gradient (n_atoms, 3), kJ/mol/nm.
Surface = Callable[[Floats], tuple[float, Floats]]


def molecule(elements: Sequence[str], positions: Floats, charge: int, basis: str | dict[str, str]) -> gto.Mole:
    """The molecule as pyscf knows it; positions in nm."""
    atoms = list(zip(elements, np.asarray(positions) / BOHR, strict=True))
    return gto.M(atom=atoms, unit="bohr", charge=charge, basis=basis, verbose=0)


def hartree_fock(
    elements: Sequence[str],
    positions: Floats,
    charge: int,
    basis: str | dict[str, str] = "6-31g*",
    guess: Floats | None = None,
) -> scf.hf.RHF:
    """A converged restricted Hartree-Fock calculation, density-fitted.

    Raises
    ------
    RuntimeError
        The iterations did not converge.
    """
    field = scf.RHF(molecule(elements, positions, charge, basis)).density_fit()
    field.conv_tol = 1e-8
    field.kernel(dm0=guess)
    if not field.converged:
        raise RuntimeError("Hartree-Fock did not converge")
    return field


def hartree_fock_surface(elements: Sequence[str], charge: int, basis: str = "6-31g*") -> Surface:
    """The Hartree-Fock energy surface; each call starts from the density of the one before."""
    guess: list[Floats] = []

    def surface(positions: Floats) -> tuple[float, Floats]:
        field = hartree_fock(elements, positions, charge, basis, guess[-1] if guess else None)
        guess[:] = [field.make_rdm1()]
        return float(field.e_tot) * HARTREE, field.nuc_grad_method().kernel() * HARTREE / BOHR

    return surface


def tight_binding_surface(elements: Sequence[str], charge: int) -> Surface:
    """The GFN2-xTB energy surface."""
    from tblite.interface import Calculator

    numbers = np.array([gto.charge(element) for element in elements])
    made: list[Calculator] = []

    def surface(positions: Floats) -> tuple[float, Floats]:
        if made:
            made[0].update(np.asarray(positions) / BOHR)
        else:
            made.append(Calculator("GFN2-xTB", numbers, np.asarray(positions) / BOHR, charge=charge))
            made[0].set("verbosity", 0)
        found = made[0].singlepoint()
        return float(found["energy"]) * HARTREE, np.asarray(found["gradient"]) * HARTREE / BOHR

    return surface


def mp2_energy(
    elements: Sequence[str], positions: Floats, charge: int, basis: str | dict[str, str] = "def2-tzvp"
) -> float:
    """Second-order Moller-Plesset energy, frozen core, density-fitted; kJ/mol."""
    correlation = mp.dfmp2.DFMP2(hartree_fock(elements, positions, charge, basis))
    correlation.set_frozen()
    correlation.kernel()
    return float(correlation.e_tot) * HARTREE


def interaction(elements: Sequence[str], positions: Floats, charge: int, basis: str = "def2-tzvp") -> dict[str, float]:
    """Energies of a complex of a ligand and Li+ (last atom), MP2, kJ/mol.

    "interaction" is that of both as they are in the complex, in the basis of the complex (counterpoise: Boys and
    Bernardi, Mol. Phys. 19, 553 (1970), doi 10.1080/00268977000101561); "superposition" is what the counterpoise takes
    away; "ligand" is the energy of the ligand there, alone. `charge` is that of the ligand. The 1s electrons of Li+ are
    correlated.
    """
    ghosts = [f"ghost-{element}" for element in elements]
    whole = mp2_energy(elements, positions, charge + 1, basis)
    ligand_there = mp2_energy([*elements[:-1], ghosts[-1]], positions, charge, basis)
    ion_there = mp2_energy([*ghosts[:-1], elements[-1]], positions, 1, basis)
    ligand = mp2_energy(elements[:-1], positions[:-1], charge, basis)
    ion = mp2_energy(elements[-1:], positions[-1:], 1, basis)
    return {
        "interaction": whole - ligand_there - ion_there,
        "superposition": ligand - ligand_there + ion - ion_there,
        "ligand": ligand,
    }


def dipole(field: scf.hf.RHF) -> float:
    """Size of the dipole moment about the centre of nuclear charge, debye."""
    mol = field.mol
    centre = np.average(mol.atom_coords(), axis=0, weights=mol.atom_charges())
    return float(np.linalg.norm(field.dip_moment(unit="Debye", origin=centre, verbose=0)))


def potential(field: scf.hf.RHF, points: Floats) -> Floats:
    """Electrostatic potential of nuclei and electrons at points (n, 3) in bohr; hartree/e."""
    mol, density = field.mol, field.make_rdm1()
    distances = np.linalg.norm(points[:, None] - mol.atom_coords()[None], axis=2)
    nuclear = (mol.atom_charges() / distances).sum(axis=1)
    blocks = np.array_split(points, max(1, len(points) * mol.nao**2 // 20_000_000))  # 160 MB a block
    electronic = [np.einsum("gij,ij->g", mol.intor("int1e_grids", grids=block), density) for block in blocks]
    return nuclear - np.concatenate(electronic)
