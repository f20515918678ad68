"""First shells: which molecules touch which ion in which frame, and how numbers read off them depend on the cutoff.

A molecule touches an ion when one of its donor atoms is within the first minimum of the radial distribution function of
that donor. All observables of first shells share this definition, one table of contacts and one pass.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.displacement import travel
from mdstudy.analysis.frames import Block, Centres, Series, Sites, Tallied, Tally
from mdstudy.analysis.neighbours import contacts
from mdstudy.analysis.pairs import PairHistogram, first_minima
from mdstudy.analysis.verdicts import frame_average, not_exchanged
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import Estimate

#: Change of the cutoff for which the change of every number is stated, nm.
SENSITIVITY = 0.02

#: What is read off the shells: quantity and of what, and its value frame by frame.
Values = Mapping[tuple[str, str], NDArray[np.float64]]


def _molecules_of(species: str, donors: Sequence[str], sites: Sites) -> NDArray[np.intp]:
    """Molecules that hold the donors of a species: its own, or those that it is built into (a crosslinker)."""
    atoms = np.concatenate([sites.atoms(donor) for donor in donors if species_of(donor) == species])
    return np.unique(sites.molecule_of[atoms])


def species_of(site: str) -> str:
    """``"FSI"`` of ``"FSI.O"``."""
    return site.partition(".")[0]


@dataclass(frozen=True)
class Contacts:
    """Tally: every donor atom within reach of a reference atom, frame by frame.

    Attributes
    ----------
    reference : str
        Site at the centre.
    donors : tuple of str
        Sites of other molecules that may be near it.
    reach : float
        nm; beyond any first shell that is asked for later.
    """

    reference: str
    donors: tuple[str, ...]
    reach: float = 0.4

    def __call__(self, block: Block, sites: Sites) -> Series:
        """List contacts: their number in each frame, then which reference, donor atom, how far and in which image."""
        centre, around = sites.atoms(self.reference), self.atoms(sites)
        found = contacts(block.positions, block.matrices, centre, around, sites.molecule_of, self.reach)
        return Series(block.times, dict(zip(("count", "reference", "donor", "distance", "image"), found, strict=True)))

    def atoms(self, sites: Sites) -> NDArray[np.intp]:
        """Atom index of each donor number."""
        return np.concatenate([sites.atoms(name) for name in self.donors])


@dataclass(frozen=True, eq=False)
class Shells:
    """First shells of all ions in all frames: a row for each ion and each molecule that touches it.

    Attributes
    ----------
    species : tuple of str
        Those that may be in a shell, also where none ever is.
    molecules : tuple of (n,) int arrays
        All molecules of each species.
    n_frames, n_ions : int
    frame, ion, molecule, kind, atoms : (n_rows,) int arrays
        Frame, number of the ion, molecule, its species (place in `species`), and how many donor atoms touch.
    image : (n_rows, 3) int array
        Box vectors to add to the molecule to have it next to the ion.
    row, donor : (n_touches,) int arrays
        For each donor atom that touches an ion, its row and its number in the table of contacts.
    start : int
        Number of the first frame in the run, where these are some of its frames.
    """

    species: tuple[str, ...]
    molecules: tuple[NDArray[np.intp], ...]
    n_frames: int
    n_ions: int
    frame: NDArray[np.int32]
    ion: NDArray[np.int32]
    molecule: NDArray[np.int32]
    kind: NDArray[np.int8]
    atoms: NDArray[np.int16]
    image: NDArray[np.int16]
    row: NDArray[np.int32]
    donor: NDArray[np.int32]
    start: int = 0

    @staticmethod
    def from_contacts(
        series: Series, listed: Contacts, cutoffs: Mapping[str, float], sites: Sites, start: int = 0
    ) -> Shells:
        """Apply cutoffs (nm, of each donor) to a table of contacts and gather atoms into molecules."""
        species = tuple(dict.fromkeys(species_of(donor) for donor in listed.donors))
        sizes = [len(sites.atoms(donor)) for donor in listed.donors]
        limit = np.repeat([cutoffs[donor] for donor in listed.donors], sizes)
        kind = np.repeat([species.index(species_of(donor)) for donor in listed.donors], sizes)
        n_frames, n_ions, n_molecules = len(series.times), len(sites.atoms(listed.reference)), sites.n_molecules
        near = series.arrays["distance"] < limit[series.arrays["donor"]]
        frame = np.repeat(np.arange(n_frames), series.arrays["count"])[near]
        ion, donor = series.arrays["reference"][near].astype(np.int64), series.arrays["donor"][near]
        molecule = sites.molecule_of[listed.atoms(sites)[donor]]
        keys = (frame * n_ions + ion) * n_molecules + molecule
        rows, one, row, atoms = np.unique(keys, return_index=True, return_inverse=True, return_counts=True)
        return Shells(
            species,
            tuple(_molecules_of(name, listed.donors, sites) for name in species),
            n_frames,
            n_ions,
            (rows // (n_molecules * n_ions)).astype(np.int32),
            (rows // n_molecules % n_ions).astype(np.int32),
            (rows % n_molecules).astype(np.int32),
            kind[donor[one]].astype(np.int8),
            atoms.astype(np.int16),
            series.arrays["image"][near][one],
            row.astype(np.int32),
            donor,
            start,
        )

    @staticmethod
    def join(parts: Sequence[Shells]) -> Shells:
        """Put consecutive parts together."""
        frames = np.cumsum([0, *(part.n_frames for part in parts)], dtype=np.int32)
        rows = np.cumsum([0, *(len(part.frame) for part in parts)], dtype=np.int32)
        return Shells(
            parts[0].species,
            parts[0].molecules,
            int(frames[-1]),
            parts[0].n_ions,
            np.concatenate([part.frame + before for part, before in zip(parts, frames, strict=False)]),
            np.concatenate([part.ion for part in parts]),
            np.concatenate([part.molecule for part in parts]),
            np.concatenate([part.kind for part in parts]),
            np.concatenate([part.atoms for part in parts]),
            np.concatenate([part.image for part in parts]),
            np.concatenate([part.row + before for part, before in zip(parts, rows, strict=False)]),
            np.concatenate([part.donor for part in parts]),
        )

    def counts(self) -> NDArray[np.intp]:
        """Molecules of each species in the shell of each ion, (n_frames, n_ions, n_species) int array."""
        shape = (self.n_frames, self.n_ions, len(self.species))
        cell = (self.frame.astype(np.intp) * self.n_ions + self.ion) * len(self.species) + self.kind
        return np.bincount(cell, minlength=math.prod(shape)).reshape(shape)

    def ions_of(self, species: str) -> NDArray[np.intp]:
        """Ions that each molecule of a species touches, (n_frames, n_molecules of the species) int array."""
        k = self.species.index(species)
        of = self.kind == k
        n = len(self.molecules[k])
        cell = self.frame[of].astype(np.intp) * n + np.searchsorted(self.molecules[k], self.molecule[of])
        return np.bincount(cell, minlength=self.n_frames * n).reshape(self.n_frames, n)

    def per_frame(self, chosen: NDArray[np.bool_]) -> NDArray[np.intp]:
        """Number of chosen rows in each frame, (n_frames,) int array."""
        return np.bincount(self.frame[chosen], minlength=self.n_frames)

    def survival(self) -> float:
        """Share of the ion-molecule pairs of the first frame that exist in the last; NaN if there were none."""
        first, last = (
            {*zip(self.ion[f], self.molecule[f], strict=True)}
            for f in (self.frame == 0, self.frame == self.n_frames - 1)
        )
        return len(first & last) / len(first) if first else math.nan


@dataclass(frozen=True)
class FirstShell:
    """What counts as the first shell of an ion, and all that must be tallied to know it.

    Attributes
    ----------
    reference : str
        The ion.
    donors : tuple of str
        Donor sites, ``SPECIES.SITE``; those with no atoms are left out.
    around : tuple of str
        Sites of the :class:`~mdstudy.observables.rdf.RadialDistribution` whose histogram is shared; holds `donors`,
        and is these alone unless it is given.
    """

    reference: str
    donors: tuple[str, ...]
    around: tuple[str, ...] = ()

    def contacts(self, sites: Sites) -> Contacts:
        """Tally of contacts with the donors that are there."""
        present = sites.present(self.donors)
        if not present:
            raise TrajectoryError(f"solvation shell of {self.reference}: none of {', '.join(self.donors)} has atoms")
        return Contacts(self.reference, present)

    def histogram(self, sites: Sites) -> PairHistogram:
        """Tally of distances, which gives the cutoffs."""
        return PairHistogram(self.reference, sites.present(self.around or self.donors))

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Contacts, the histogram that gives the cutoffs, and the centres for the verdict."""
        return (self.contacts(sites), self.histogram(sites), Centres())

    def cutoffs(self, tallied: Tallied, sites: Sites) -> Mapping[str, float]:
        """First minimum of g(r) of each donor, nm; the widest of the others where it has none within reach.

        All are NaN where no donor has a first shell.
        """
        listed, minima = self.contacts(sites), first_minima(self.histogram(sites), tallied)
        own = {donor: minima[donor] for donor in listed.donors}
        usable = [value for value in own.values() if value + SENSITIVITY <= listed.reach]
        widest = max(usable, default=math.nan)
        return {donor: value if value in usable else widest for donor, value in own.items()}

    def shells(self, tallied: Tallied, sites: Sites, wider: float = 0.0) -> Shells:
        """First shells within the cutoffs, or cutoffs that are `wider` (nm)."""
        return tallied.once((self, wider), lambda: Shells.join(list(self._pieces(tallied, sites, wider))))

    def pairs(self, tallied: Tallied, sites: Sites, wider: float) -> Shells:
        """The same of which only who is near whom is kept, not by which atoms and in which image."""

        def bare(some: Shells) -> Shells:
            none = {name: getattr(some, name)[:0].copy() for name in ("atoms", "image", "row", "donor")}
            return replace(some, **none)

        return tallied.once(
            ("pairs", self, wider), lambda: Shells.join([bare(some) for some in self._pieces(tallied, sites, wider)])
        )

    def _pieces(self, tallied: Tallied, sites: Sites, wider: float) -> Iterator[Shells]:
        """The same for some of the frames at a time, which need not be kept."""
        listed, start = self.contacts(sites), 0
        limits = {donor: cutoff + wider for donor, cutoff in self.cutoffs(tallied, sites).items()}
        for piece in tallied.pieces(listed):
            yield Shells.from_contacts(piece, listed, limits, sites, start)
            start += len(piece.times)

    def method(self, tallied: Tallied, sites: Sites) -> str:
        """Frames and cutoffs, in words."""
        shown = ", ".join(f"{donor} < {cutoff:.3f} nm" for donor, cutoff in self.cutoffs(tallied, sites).items())
        return f"{len(tallied.series(Centres()).times)} frames, {shown}"

    def faults(self, tallied: Tallied, sites: Sites) -> tuple[str, ...]:
        """Why shells may not have exchanged: the ion, or all that could replace its neighbours, hardly moved."""
        centres = tallied.series(Centres()).arrays["centres"]
        still = not_exchanged(self.reference, travel(centres[:, sites.molecules(self.reference)]))
        return (*self.unknown(tallied, sites), *still)

    def unknown(self, tallied: Tallied, sites: Sites) -> tuple[str, ...]:
        """Why it is not known who is in a shell; empty where it is."""
        if not any(math.isnan(cutoff) for cutoff in self.cutoffs(tallied, sites).values()):
            return ()
        return (f"no donor has a first shell within {self.contacts(sites).reach} nm of {self.reference}",)

    def averages(
        self, tallied: Tallied, sites: Sites, read: Callable[[Shells], Values], about: str = ""
    ) -> list[Estimate]:
        """Averages over frames of what is read off the shells, each with its value at a narrower and a wider cutoff.

        Parameters
        ----------
        tallied : Tallied
        sites : Sites
        read : callable
            Shells to values; what it leaves out at one of the cutoffs counts as nothing there.
        about : str
            Definition, for the method of each estimate.
        """
        method, faults = self.method(tallied, sites), self.faults(tallied, sites)
        method = f"{method}; {about}" if about else method
        narrow, wide = (self._means(tallied, sites, read, shift) for shift in (-SENSITIVITY, SENSITIVITY))
        made = []
        for key, values in read(self.shells(tallied, sites)).items():
            if self.unknown(tallied, sites):
                made.append(frame_average(*key, np.full(len(values), math.nan), method, faults))
                continue
            less, more = (other.get(key, 0.0) for other in (narrow, wide))
            remark = f"{less:.3g} to {more:.3g} for cutoffs -+ {SENSITIVITY} nm"
            made.append(frame_average(*key, values, method, faults, remark))
        return made

    def _means(
        self, tallied: Tallied, sites: Sites, read: Callable[[Shells], Values], wider: float
    ) -> dict[tuple[str, str], float]:
        """Means over all frames of what is read off shells within cutoffs that are wider (nm)."""
        total: dict[tuple[str, str], float] = {}
        n_frames = 0
        for some in self._pieces(tallied, sites, wider):
            n_frames += some.n_frames
            for key, values in read(some).items():
                total[key] = total.get(key, 0.0) + float(np.sum(values))
        return {key: value / n_frames for key, value in total.items()}
