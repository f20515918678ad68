"""Ion association: free, paired and aggregated ions, and how anions hold a cation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.frames import Block, Series, Sites, Tallied, Tally
from mdstudy.analysis.shells import FirstShell, Shells, Values, species_of
from mdstudy.base.results import Measurement, Quantity

#: Names by the number of cations that an anion touches; the last holds more, too.
ANIONS = ("free", "CIP", "AGG", "AGG+")
#: Names by the number of anions that a cation touches; the last holds more, too.
CATIONS = ("SSIP", "CIP", "AGG")
DENTICITY = ("monodentate", "bidentate", "tridentate and more")


@dataclass(frozen=True)
class Arms:
    """Tally: which of the central atoms of its molecule each donor atom is bound to, the nearest one.

    Attributes
    ----------
    donor, centre : str
        Sites of one species: ``"FSI.O"`` and ``"FSI.S"``.
    """

    donor: str
    centre: str

    def __call__(self, block: Block, sites: Sites) -> Series:
        """Number, within the molecule, of the central atom that is nearest to each donor."""
        donors, centres = (self._by_molecule(name, sites) for name in (self.donor, self.centre))
        xyz = block.positions
        apart = np.linalg.norm(xyz[:, donors, None] - xyz[:, centres][:, :, None], axis=-1)
        nearest = apart.argmin(axis=-1).astype(np.int8).reshape(block.n_frames, -1)
        return Series(block.times, {"arm": nearest[:, np.argsort(np.argsort(donors.ravel()))]})

    @staticmethod
    def _by_molecule(site: str, sites: Sites) -> NDArray[np.intp]:
        """Atoms of a site, (n_molecules, n) int array."""
        atoms = sites.atoms(site)
        order = np.argsort(sites.molecule_of[atoms], kind="stable")
        return atoms[order].reshape(len(sites.molecules(site)), -1)


@dataclass(frozen=True)
class Speciation:
    """Shares of ions by how many ions of opposite charge they touch.

    Per anion, as vibrational spectra of the anion tell them apart: free (touches no cation), contact ion pair CIP
    (one), aggregate AGG (two), AGG+ (three or more) (Seo, Borodin, Han, Boyle and Henderson, J. Electrochem. Soc. 159,
    A553 (2012), doi 10.1149/2.jes112264, who call the last two AGG-I and AGG-II). Per cation: SSIP (no anion in the
    first shell), CIP (one), AGG (two or more) (Cohen et al., J. Open Source Softw. 8, 5183 (2023), doi
    10.21105/joss.05183). The two differ: where each cation is held by three anions, each of which touches one cation,
    all anions are CIP and all cations AGG. Estimates say which is meant by what they are of.

    Touching means a donor atom within the first minimum of its radial distribution function, whatever the time that the
    contact lasts; spectra may see contacts that are shorter than a vibration differently, and bands overlap.

    Attributes
    ----------
    shell : FirstShell
        The cation, the donors of all species, of which those of the anion count, and what counts as touching.
    anion_donor, anion_centre : str
        Donor site of the anion and the atoms that carry it: two oxygens of one SO2 group share a sulfur.
    """

    shell: FirstShell
    anion_donor: str = "FSI.O"
    anion_centre: str = "FSI.S"

    name: ClassVar[str] = "speciation"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("anion_speciation", "1", "Share of anions that touch no, one, two, three or more cations."),
        Quantity("cation_speciation", "1", "Share of cations that touch no, one, two or more anions."),
        Quantity("denticity", "1", "Share of cation-anion contacts that are made by one, two or more donor atoms."),
        Quantity("chelate_share", "1", "Share of bidentate contacts whose two donors are on different groups."),
    )

    @property
    def anion(self) -> str:
        """Species of the anion."""
        return species_of(self.anion_donor)

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Contacts, the histogram that gives the cutoffs, centres for the verdict, and the arms of the anion."""
        sites.atoms(self.anion_donor)
        return (*self.shell.tallies(sites), *self._arms(sites))

    def _arms(self, sites: Sites) -> tuple[Arms, ...]:
        """One tally; none where the atoms that carry the donors are not known."""
        return (Arms(self.anion_donor, self.anion_centre),) if sites.present([self.anion_centre]) else ()

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Sort ions into classes, frame by frame."""
        listed = self.shell.contacts(sites)
        first = sum(len(sites.atoms(site)) for site in listed.donors[: listed.donors.index(self.anion_donor)])
        arms = [tallied.series(tally).arrays["arm"] for tally in self._arms(sites)]

        def read(some: Shells) -> Values:
            values = self._classes(some) | self._denticity(some)
            for arm in arms:
                values |= self._chelates(some, arm, first)
            return values

        return Measurement(self.name, tuple(self.shell.averages(tallied, sites, read, "SSIP: no anion in the shell")))

    def _classes(self, shells: Shells) -> dict[tuple[str, str], NDArray[np.float64]]:
        touched = shells.ions_of(self.anion)
        held = shells.counts()[:, :, shells.species.index(self.anion)]
        return {
            (quantity, f"{of}: {name}"): shares
            for quantity, of, names, numbers in (
                ("anion_speciation", self.anion, ANIONS, touched),
                ("cation_speciation", self.shell.reference, CATIONS, held),
            )
            for name, shares in zip(names, _shares(numbers, len(names)), strict=True)
        }

    def _denticity(self, shells: Shells) -> dict[tuple[str, str], NDArray[np.float64]]:
        of = shells.kind == shells.species.index(self.anion)
        contacts = shells.per_frame(of)
        if not contacts.any():
            return {}
        atoms = np.minimum(shells.atoms, len(DENTICITY))
        return {
            ("denticity", f"{self.shell.reference}-{self.anion}: {name}"): _ratio(
                shells.per_frame(of & (atoms == k)), contacts
            )
            for k, name in enumerate(DENTICITY, start=1)
        }

    def _chelates(
        self, shells: Shells, arms: NDArray[np.int8], first: int
    ) -> dict[tuple[str, str], NDArray[np.float64]]:
        """Bidentate contacts by donors on different arms; `first` is the number of the first donor of the anion."""
        two = (shells.kind == shells.species.index(self.anion)) & (shells.atoms == 2)
        if not two.any():
            return {}
        chosen = two[shells.row]
        order = np.argsort(shells.row[chosen], kind="stable")  # the two of each contact follow each other
        frame, donor = shells.frame[shells.row[chosen]][order], shells.donor[chosen][order] - first
        arm = arms[shells.start + frame, donor].reshape(-1, 2)
        chelates = np.zeros(len(two), dtype=bool)
        chelates[two] = arm[:, 0] != arm[:, 1]
        return {
            ("chelate_share", f"{self.shell.reference}-{self.anion}"): _ratio(
                shells.per_frame(chelates), shells.per_frame(two)
            )
        }


def _shares(numbers: NDArray[np.intp], classes: int) -> list[NDArray[np.float64]]:
    """Share of a row with each of 0, 1, ... and, in the last class, of all from there on."""
    capped = np.minimum(numbers, classes - 1)
    return [(capped == k).mean(axis=1) for k in range(classes)]


def _ratio(part: NDArray[np.intp], whole: NDArray[np.intp]) -> NDArray[np.float64]:
    """Part of the whole, frame by frame; nothing where there is nothing."""
    return np.divide(part, whole, out=np.zeros(len(whole)), where=whole > 0)
