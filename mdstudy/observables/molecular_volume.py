"""How much room a molecule of each species takes in the liquid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mdstudy.analysis.frames import Sites, Tallied, Tally
from mdstudy.analysis.verdicts import frame_average
from mdstudy.analysis.volumes import EVERY, POINTS, CellVolumes, radii_of
from mdstudy.base.results import Measurement, Quantity
from mdstudy.base.units import AVOGADRO


@dataclass(frozen=True)
class MolecularVolume:
    """Mean volume of the radical cells of the atoms of a molecule, v_i, for one mole of it.

    A point belongs to the atom with the least |r - r_i|^2 - R_i^2 (van der Waals radii of Bondi; the ionic one of Li+),
    and to the molecule of that atom. All molecules fill the box, sum_i N_i v_i = V. How V is divided depends on the
    radii: without them (Voronoi cells) an ion may differ by a tenth. They are no partial molar volumes, which are
    derivatives of V: those of single ions cannot be measured, and those of salts and solvents differ from v_i as far as
    adding a molecule changes the room of the others (Olsen et al., arXiv 2504.13602). As shares of the volume they fix
    the volume-fixed frame of reference, in which the liquid as a whole does not flow if it keeps its density (Kilchert
    et al., Phys. Chem. Chem. Phys. (2023), doi 10.1039/d2cp04423d). A polymer network is one molecule. Cells are
    measured by points drawn anywhere in the box; errors are s sqrt(g/n) of the frame averages, g the statistical
    inefficiency, and hold the noise of the draw. Cells: Brehm and Thomas, Molecules 26, 1875 (2021), doi
    10.3390/molecules26071875.

    Attributes
    ----------
    every : int
        One frame in so many is looked at.
    """

    every: int = EVERY

    name: ClassVar[str] = "molecular_volume"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("molecular_volume", "cm^3/mol", "Volume of the radical cells of one mole of a species in the liquid."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Shares of points."""
        radii_of(sites.masses)
        return (CellVolumes(self.every),)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Average over frames."""
        volume = tallied.series(CellVolumes(self.every)).arrays["volume"]
        rows = volume if len(volume) else np.full((1, len(sites.species)), np.nan)
        values = rows * 1e-21 * AVOGADRO  # nm^3 to cm^3/mol
        method = f"radical cells of all atoms, {POINTS} points in each of {len(volume)} frames, one in {self.every}"
        made = [
            frame_average(
                "molecular_volume", name, values[:, k], f"{method}, {len(molecules)} molecules", unit="cm^3/mol"
            )
            for k, (name, molecules) in enumerate(sites.species.items())
        ]
        return Measurement(self.name, tuple(made))
