"""How much room a molecule of each species takes in the liquid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from mdstudy.analysis.frames import Sites, Tallied, Tally
from mdstudy.analysis.verdicts import frame_average
from mdstudy.analysis.volumes import EVERY, POINTS, NearestShares
from mdstudy.base.results import Measurement, Quantity
from mdstudy.base.units import AVOGADRO


@dataclass(frozen=True)
class MolecularVolume:
    """Mean volume of the Voronoi cells of the atoms of a molecule, v_i, for one mole of it.

    A point belongs to the molecule whose atom is nearest, whatever the size of the atom: planes between neighbours are
    half way, so that small atoms (Li+, H) get more and large ones less than radii would give them. Volumes of all
    molecules fill the box, sum_i N_i v_i = V, and no parameter enters. They are no partial molar volumes, which are
    derivatives of V: those of single ions cannot be measured, and those of salts and solvents differ from v_i as far as
    adding a molecule changes the room of the others (Olsen et al., arXiv 2504.13602). As shares of the volume they fix
    the volume-fixed frame of reference, in which the liquid as a whole does not flow if it keeps its density (Kilchert
    et al., Phys. Chem. Chem. Phys. (2023), doi 10.1039/d2cp04423d). A polymer network is one molecule. Cells are
    measured by points drawn anywhere in the box, of which each belongs to a molecule; errors are s sqrt(g/n) of the
    frame averages, g the statistical inefficiency, and hold the noise of the draw.

    Attributes
    ----------
    every : int
        One frame in so many is looked at.
    """

    every: int = EVERY

    name: ClassVar[str] = "molecular_volume"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("voronoi_volume", "cm^3/mol", "Volume of the Voronoi cells of one mole of a species in the liquid."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Shares of points."""
        del sites
        return (NearestShares(self.every),)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Average over frames."""
        volume = tallied.series(NearestShares(self.every)).arrays["volume"]
        rows = volume if len(volume) else np.full((1, len(sites.species)), np.nan)
        values = rows * 1e-21 * AVOGADRO  # nm^3 to cm^3/mol
        method = f"Voronoi cells of all atoms, {POINTS} points in each of {len(volume)} frames, one in {self.every}"
        made = [
            frame_average(
                "voronoi_volume", name, values[:, k], f"{method}, {len(molecules)} molecules", unit="cm^3/mol"
            )
            for k, (name, molecules) in enumerate(sites.species.items())
        ]
        return Measurement(self.name, tuple(made))
