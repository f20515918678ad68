"""The first solvation shell molecule by molecule: who is in it, how many, with how many atoms."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.displacement import travel
from mdstudy.errors import TrajectoryError
from mdstudy.frames import Block, Centres, Series, Sites, Tallied, Tally
from mdstudy.neighbours import contacts
from mdstudy.observables.rdf import TRAVEL, PairHistogram, RadialDistribution, first_shell
from mdstudy.results import Estimate, Measurement, Quantity
from mdstudy.statistics import drift_z, mean_and_error

#: Shell compositions rarer than this are added up as "other".
RAREST = 0.01
#: Largest difference between the halves of a run, in standard errors, that still counts as none.
HALVES = 2.5


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
        """List contacts: their number in each frame, then which reference, which donor atom and how far."""
        count, reference, donor, distance = contacts(
            block.positions,
            block.matrices,
            sites.atoms(self.reference),
            self.atoms(sites),
            sites.molecule_of,
            self.reach,
        )
        return Series(block.times, {"count": count, "reference": reference, "donor": donor, "distance": distance})

    def atoms(self, sites: Sites) -> NDArray[np.intp]:
        """Atom index of each donor number."""
        return np.concatenate([sites.atoms(name) for name in self.donors])


@dataclass(frozen=True)
class SolvationShell:
    """Molecules in the first shell of an ion.

    A molecule is in the shell when one of its donor atoms is within the first minimum of the radial distribution
    function of that donor; a donor without a first shell of its own is counted within the widest cutoff of the others.
    Errors are s sqrt(g/n) of the frame averages, g the statistical inefficiency; a shell that does not exchange during
    the run has a small error that means nothing, and the verdict says so.

    Attributes
    ----------
    reference : str
        The ion.
    donors : tuple of str
        Donor sites, ``SPECIES.SITE``; those with no atoms are left out of the shells but their species are reported.
    around : tuple of str
        Sites of the :class:`RadialDistribution` whose histogram is shared.
    """

    reference: str
    donors: tuple[str, ...]
    around: tuple[str, ...]

    name: ClassVar[str] = "solvation_shell"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("coordinating_molecules", "1", "Mean number of molecules of a species in the first shell."),
        Quantity("shell_probability", "1", "Share of ions whose first shell has this composition."),
        Quantity("bidentate_share", "1", "Share of coordinating molecules that hold the ion by two atoms or more."),
        Quantity("coordinated_share", "1", "Share of the molecules of a species that are in a first shell."),
        Quantity("contact_survival", "1", "Share of contacts at the start of the run that are there at its end."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Contacts, the histogram that gives the cutoffs, and the centres for the verdict."""
        return (self._contacts(sites), self._histogram(sites), Centres())

    def _contacts(self, sites: Sites) -> Contacts:
        present = sites.present(self.donors)
        if not present:
            raise TrajectoryError(f"solvation shell of {self.reference}: none of {', '.join(self.donors)} has atoms")
        return Contacts(self.reference, present)

    def _histogram(self, sites: Sites) -> PairHistogram:
        return RadialDistribution(self.reference, self.around).histogram(sites)

    def cutoffs(self, tallied: Tallied, sites: Sites) -> Mapping[str, float]:
        """First minimum of g(r) of each donor that is there, nm; the widest of the others where it has none."""
        histogram = self._histogram(sites)
        g = histogram.distribution(tallied.sums(histogram))
        r = (histogram.edges[1:] + histogram.edges[:-1]) / 2
        own = {donor: first_shell(r, g[histogram.others.index(donor)])[2] for donor in self._contacts(sites).donors}
        reach = self._contacts(sites).reach
        usable = [value for value in own.values() if value <= reach]
        return {donor: value if value <= reach else max(usable, default=math.nan) for donor, value in own.items()}

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Count molecules in the shells."""
        listed = self._contacts(sites)
        cutoffs = self.cutoffs(tallied, sites)
        table = Shells.from_contacts(tallied.series(listed), listed, cutoffs, sites)
        moved = travel(tallied.series(Centres()).arrays["centres"][:, sites.molecules(self.reference)])
        shown = ", ".join(f"{donor} < {cutoff:.3f} nm" for donor, cutoff in cutoffs.items())
        method = f"{len(table.counts)} frames, {shown}"
        exchanged = (
            ""
            if moved >= TRAVEL
            else f"{self.reference} moved {moved:.2f} nm in half the run: shells have not exchanged"
        )

        def estimate(quantity: str, of: str, values: NDArray[np.float64]) -> Estimate:
            mean, error, n = mean_and_error(values)
            drift = abs(drift_z(values))
            notes = [exchanged] if exchanged else []
            if not drift < HALVES:
                notes.append(f"halves of the run differ by {drift:.1f} standard errors")
            return Estimate(quantity, of, mean, error, "1", method, n, not notes, "; ".join(notes))

        ion = self.reference
        made: list[Estimate] = []
        for k, species in enumerate(table.species):
            made.append(estimate("coordinating_molecules", f"{ion}-{species}", table.counts[:, :, k].mean(axis=1)))
            made.append(estimate("coordinated_share", species, table.coordinated[:, k]))
            held = table.counts[:, :, k].sum(axis=1)
            if held.any():
                share = np.divide(table.bidentate[:, k], held, out=np.zeros(len(held)), where=held > 0)
                made.append(estimate("bidentate_share", f"{ion}-{species}", share))
        made += [estimate("shell_probability", of, values) for of, values in table.compositions(ion).items()]
        survival = table.survival()
        text = f"{method}; molecules in the shells of the first frame still there in the last"
        made.append(Estimate("contact_survival", ion, survival, math.nan, "1", text, note=exchanged))
        return Measurement(self.name, tuple(made))


@dataclass(frozen=True, eq=False)
class Shells:
    """First shells of all ions in all frames.

    Attributes
    ----------
    species : tuple of str
    counts : (n_frames, n_ions, n_species) int array
        Molecules of each species in the shell of each ion.
    bidentate : (n_frames, n_species) int array
        Ion-molecule pairs joined by two donor atoms or more.
    coordinated : (n_frames, n_species) float array
        Share of the molecules of each species that are in at least one shell.
    first, last : set-like int arrays
        Ion-molecule pairs (as numbers) of the first and of the last frame.
    """

    species: tuple[str, ...]
    counts: NDArray[np.intp]
    bidentate: NDArray[np.intp]
    coordinated: NDArray[np.float64]
    first: NDArray[np.int64]
    last: NDArray[np.int64]

    @staticmethod
    def from_contacts(series: Series, listed: Contacts, cutoffs: Mapping[str, float], sites: Sites) -> Shells:
        """Apply cutoffs to a table of contacts and gather atoms into molecules."""
        species = tuple(dict.fromkeys(donor.partition(".")[0] for donor in listed.donors))
        sizes = [len(sites.atoms(donor)) for donor in listed.donors]
        limit = np.repeat([cutoffs[donor] for donor in listed.donors], sizes)
        kind = np.repeat([species.index(donor.partition(".")[0]) for donor in listed.donors], sizes)
        n_frames, n_ions, n_molecules = len(series.times), len(sites.atoms(listed.reference)), sites.n_molecules
        near = series.arrays["distance"] < limit[series.arrays["donor"]]
        frame = np.repeat(np.arange(n_frames), series.arrays["count"])[near]
        ion, donor = series.arrays["reference"][near].astype(np.int64), series.arrays["donor"][near]
        molecule = sites.molecule_of[listed.atoms(sites)[donor]]
        keys = (frame * n_ions + ion) * n_molecules + molecule
        pairs, one, atoms = np.unique(keys, return_index=True, return_counts=True)
        of = kind[donor[one]]
        shape = (n_frames, n_ions, len(species))
        counts = np.bincount((pairs // n_molecules) * len(species) + of, minlength=math.prod(shape)).reshape(shape)
        row = pairs // (n_molecules * n_ions) * len(species) + of
        bidentate = np.bincount(row[atoms > 1], minlength=n_frames * len(species)).reshape(n_frames, -1)
        members = np.unique(frame * n_molecules + molecule)
        belongs = np.full(n_molecules, -1)
        belongs[molecule] = kind[donor]
        held = np.bincount(
            members // n_molecules * len(species) + belongs[members % n_molecules], minlength=n_frames * len(species)
        ).reshape(n_frames, -1)
        totals = np.array([len(sites.species[name]) for name in species])
        in_frame = pairs // (n_molecules * n_ions)
        first, last = (pairs[in_frame == f] % (n_molecules * n_ions) for f in (0, n_frames - 1))
        return Shells(species, counts, bidentate, held / totals, first, last)

    def survival(self) -> float:
        """Share of the ion-molecule pairs of the first frame that exist in the last; NaN if there were none."""
        return float(np.isin(self.first, self.last).mean()) if len(self.first) else math.nan

    def compositions(self, ion: str) -> dict[str, NDArray[np.float64]]:
        """Share of ions with each composition of the shell, frame by frame; rare ones as "other".

        Returns
        -------
        dict of str to (n_frames,) float array
            ``"Li: 3 FSI"`` and so on, the most frequent first.
        """
        n_frames, n_ions, n_species = self.counts.shape
        kinds, index = np.unique(self.counts.reshape(-1, n_species), axis=0, return_inverse=True)
        shares = np.bincount(
            np.repeat(np.arange(n_frames), n_ions) * len(kinds) + index.ravel(), minlength=n_frames * len(kinds)
        )
        table = shares.reshape(n_frames, -1) / n_ions
        order = np.argsort(-table.mean(axis=0), kind="stable")
        named: dict[str, NDArray[np.float64]] = {}
        rest = np.zeros(n_frames)
        for k in order:
            words = " ".join(f"{n} {name}" for n, name in zip(kinds[k], self.species, strict=True) if n) or "none"
            if table[:, k].mean() < RAREST:
                rest += table[:, k]
            else:
                named[f"{ion}: {words}"] = table[:, k]
        return named | ({f"{ion}: other": rest} if rest.any() else {})
