"""The first solvation shell molecule by molecule: who is in it, how many, with how many atoms."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.frames import Sites, Tallied, Tally
from mdstudy.analysis.shells import FirstShell, Shells, Values
from mdstudy.base.results import Estimate, Measurement, Quantity

#: Shell compositions rarer than this are added up as "other".
RAREST = 0.01


@dataclass(frozen=True)
class SolvationShell:
    """Molecules in the first shell of an ion.

    A molecule is in the shell when one of its donor atoms is within the first minimum of the radial distribution
    function of that donor; a donor without a first shell of its own is counted within the widest cutoff of the others
    (Allen and Tildesley, Computer Simulation of Liquids, 2nd ed., section 2.6, doi
    10.1093/oso/9780198803195.001.0001). Errors are s sqrt(g/n) of the frame averages, g the statistical inefficiency; a
    shell that does not exchange during the run has a small error that means nothing, and the verdict says so. Each
    number comes with its values for cutoffs narrower and wider by 0.02 nm; a share that depends on the cutoff more than
    on its error is a matter of definition.

    Attributes
    ----------
    shell : FirstShell
        The ion, its donors, and what counts as touching.
    """

    shell: FirstShell

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
        return self.shell.tallies(sites)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Count molecules in the shells."""
        ion, shells = self.shell.reference, self.shell.shells(tallied, sites)
        common = [name for name, share in compositions(shells).items() if share.mean() >= RAREST]

        def read(some: Shells) -> Values:
            return _molecules(some, ion) | _probabilities(some, ion, common)

        made = self.shell.averages(tallied, sites, read)
        text = (
            f"{self.shell.method(tallied, sites)}; molecules in the shells of the first frame still there in the last"
        )
        survival = shells.survival()
        faults = ["no contact in the first frame"] if math.isnan(survival) else []
        note = "; ".join([*faults, *self.shell.faults(tallied, sites), "a single value, without an error"])
        made.append(Estimate("contact_survival", ion, survival, math.nan, "1", text, note=note))
        return Measurement(self.name, tuple(made))


def _molecules(shells: Shells, ion: str) -> dict[tuple[str, str], NDArray[np.float64]]:
    """How many molecules of each species hold an ion, how many of them by two atoms, and how many are held at all."""
    values: dict[tuple[str, str], NDArray[np.float64]] = {}
    for k, species in enumerate(shells.species):
        held = shells.per_frame(shells.kind == k)
        twice = shells.per_frame((shells.kind == k) & (shells.atoms > 1))
        values["coordinating_molecules", f"{ion}-{species}"] = held / shells.n_ions
        values["coordinated_share", species] = (shells.ions_of(species) > 0).mean(axis=1)
        if held.any():
            share = np.divide(twice, held, out=np.zeros(len(held)), where=held > 0)
            values["bidentate_share", f"{ion}-{species}"] = share
    return values


def _probabilities(shells: Shells, ion: str, common: Sequence[str]) -> dict[tuple[str, str], NDArray[np.float64]]:
    """Share of ions with each of the common compositions of the shell, and with any other."""
    shares = compositions(shells)
    values = {("shell_probability", f"{ion}: {name}"): shares.get(name, np.zeros(shells.n_frames)) for name in common}
    rest = [share for name, share in shares.items() if name not in common]
    return values | ({("shell_probability", f"{ion}: other"): np.sum(rest, axis=0)} if rest else {})


def compositions(shells: Shells) -> dict[str, NDArray[np.float64]]:
    """Share of ions with each composition of the shell, frame by frame.

    Returns
    -------
    dict of str to (n_frames,) float array
        ``"3 FSI 1 TTE"`` and so on, the most frequent first.
    """
    n_frames, n_ions, n_species = shells.n_frames, shells.n_ions, len(shells.species)
    kinds, index = np.unique(shells.counts().reshape(-1, n_species), axis=0, return_inverse=True)
    cell = np.repeat(np.arange(n_frames), n_ions) * len(kinds) + index.ravel()
    table = np.bincount(cell, minlength=n_frames * len(kinds)).reshape(n_frames, -1) / n_ions
    named = {}
    for k in np.argsort(-table.mean(axis=0), kind="stable"):
        words = [f"{n} {name}" for n, name in zip(kinds[k], shells.species, strict=True) if n]
        named[" ".join(words) or "none"] = table[:, k]
    return named
