"""Angles in the first shell of an ion: between two donors, and at a donor towards the atom that carries it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.frames import Block, Sites, Sums, Tallied, Tally
from mdstudy.analysis.neighbours import contacts
from mdstudy.analysis.shells import FirstShell
from mdstudy.base.results import Curve, Measurement, Quantity
from mdstudy.base.statistics import jackknife


@dataclass(frozen=True)
class AngleHistogram:
    """Tally: angles by distance, so that the cutoff may be chosen afterwards.

    Attributes
    ----------
    reference, donor, centre : str
        The ion, its donors, and the atoms that carry them, of which the nearest in the molecule is meant.
    reach : float
        Largest distance of a donor, nm.
    n_angles, n_distances : int
        Bins over 180 degrees and over the reach.
    """

    reference: str
    donor: str
    centre: str
    reach: float = 0.4
    n_angles: int = 60
    n_distances: int = 100

    def __call__(self, block: Block, sites: Sites) -> Sums:
        """Count angles by the distance of the donor, or of the farther of the two."""
        ions, donors, carriers = (sites.atoms(name) for name in (self.reference, self.donor, self.centre))
        count, ion, donor, distance, image = contacts(
            block.positions, block.matrices, ions, donors, sites.molecule_of, self.reach
        )
        frame = np.repeat(np.arange(block.n_frames), count)
        xyz, matrices = block.positions, block.matrices.astype(float)
        to_donor = xyz[frame, donors[donor]].astype(float) - xyz[frame, ions[ion]]
        to_donor += np.einsum("ck,ckx->cx", image.astype(float), matrices[frame])
        to_donor /= np.linalg.norm(to_donor, axis=1, keepdims=True)
        shell = frame * len(ions) + ion  # contacts of one shell follow each other
        at_ion = np.zeros((self.n_angles, self.n_distances))
        for apart in range(1, int(np.bincount(shell).max(initial=1))):
            same = np.flatnonzero(shell[apart:] == shell[:-apart])
            farther = np.maximum(distance[same], distance[same + apart])
            at_ion += self._count(to_donor[same], to_donor[same + apart], farther)
        return Sums(
            block.n_frames,
            {
                "at_ion": at_ion,
                "at_donor": self._count(-to_donor, self._carrier(xyz, frame, donors[donor], carriers, sites), distance),
            },
        )

    def _carrier(
        self,
        xyz: NDArray[np.float32],
        frame: NDArray[np.intp],
        donor: NDArray[np.intp],
        carriers: NDArray[np.intp],
        sites: Sites,
    ) -> NDArray[np.float64]:
        """Direction from each donor to the nearest carrier in its molecule."""
        order = np.argsort(sites.molecule_of[carriers], kind="stable")
        owners = sites.molecule_of[carriers][order]
        per_molecule = len(owners) // len(np.unique(owners))
        first = np.searchsorted(owners, sites.molecule_of[donor])
        candidates = carriers[order][first[:, None] + np.arange(per_molecule)]
        vectors = xyz[frame[:, None], candidates].astype(float) - xyz[frame, donor][:, None]
        squares = np.einsum("cnx,cnx->cn", vectors, vectors)
        nearest = np.arange(len(squares)), np.argmin(squares, axis=1)
        return np.asarray(vectors[nearest] / np.sqrt(squares[nearest])[:, None])

    def _count(
        self, u: NDArray[np.floating], v: NDArray[np.floating], distance: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        angle = np.arccos(np.clip(np.einsum("cx,cx->c", u, v), -1, 1)) / np.pi
        row = np.minimum((angle * self.n_angles).astype(np.intp), self.n_angles - 1)
        column = np.minimum((distance / self.reach * self.n_distances).astype(np.intp), self.n_distances - 1)
        counts = np.bincount(row * self.n_distances + column, minlength=self.n_angles * self.n_distances)
        return counts.reshape(self.n_angles, self.n_distances).astype(float)


@dataclass(frozen=True)
class ShellAngles:
    """Distributions of the angles donor-ion-donor and ion-donor-carrier in the first shell.

    P(theta) / (sin(theta) / 2): the number of angles over that of directions at random, 1 where there is no preference.
    A tetrahedral shell has its maximum at 109.5 degrees, an octahedral one at 90 and 180. The ion-donor-carrier angle
    (Li-O-S) tells whether the ion sits at a lone pair of the donor (near 120 degrees) or in line with the bond. Donors
    count within the first minimum of their radial distribution function (see
    :class:`~mdstudy.analysis.shells.FirstShell`). Two donors of one chelating molecule count as any two. Conventions:
    Brehm et al., J. Chem. Phys. 152, 164105 (2020), doi 10.1063/5.0005078. Errors: jackknife over blocks.

    Attributes
    ----------
    shell : FirstShell
        The ion, its donors, and what counts as touching.
    donor, centre : str
        The donors that are looked at and the atoms that carry them.
    """

    shell: FirstShell
    donor: str = "FSI.O"
    centre: str = "FSI.S"

    name: ClassVar[str] = "shell_angles"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("donor_ion_donor_angle", "1", "Angles between two donors at the ion, over directions at random."),
        Quantity(
            "ion_donor_carrier_angle", "1", "Angles at the donor, from ion to carrier, over directions at random."
        ),
    )

    @property
    def _histogram(self) -> AngleHistogram:
        return AngleHistogram(self.shell.reference, self.donor, self.centre)

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Angles, and what gives the cutoff."""
        for name in (self.shell.reference, self.donor, self.centre):
            sites.atoms(name)
        return (self._histogram, *self.shell.tallies(sites))

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Choose the cutoff and normalise."""
        tally = self._histogram
        parts = tallied.sums(tally)
        cutoff = self.shell.cutoffs(tallied, sites)[self.donor]
        kept = 0 if np.isnan(cutoff) else round(cutoff / tally.reach * tally.n_distances)
        edges = np.radians(np.linspace(0, 180, tally.n_angles + 1))
        share = (np.cos(edges[:-1]) - np.cos(edges[1:])) / 2  # of directions at random, in each bin

        def density(some: Sequence[Sums], name: str) -> NDArray[np.float64]:
            counts = Sums.total(some).arrays[name][:, :kept].sum(axis=1)
            total = counts.sum()
            return np.asarray(counts / (total * share) if total else np.full(len(counts), np.nan))

        middles = np.degrees((edges[1:] + edges[:-1]) / 2)
        curves = []
        for quantity, name, of in (
            ("donor_ion_donor_angle", "at_ion", f"{self.donor}-{self.shell.reference}-{self.donor}"),
            ("ion_donor_carrier_angle", "at_donor", f"{self.shell.reference}-{self.donor}-{self.centre}"),
        ):
            value, error = jackknife(parts, lambda some, name=name: density(some, name))  # type: ignore[misc]
            error = np.where(error > 0, error, np.nan)
            curves.append(Curve(quantity, of, middles, value, error, "angle", "degree", "1"))
        return Measurement(self.name, (), tuple(curves))
