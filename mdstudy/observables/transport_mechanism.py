"""How an ion travels: with the molecules of its shell, or from shell to shell."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.displacement import fit_line, spaced_lags
from mdstudy.analysis.frames import Centres, Sites, Tallied, Tally
from mdstudy.analysis.mobility import LARGEST_ERROR, TOO_FEW, diffusion_fits, even_interval, verdict
from mdstudy.analysis.shells import FirstShell, Shells, species_of
from mdstudy.base.results import Curve, Estimate, Measurement, Quantity
from mdstudy.base.statistics import jackknife

#: Largest share of contacts that may change from one frame to the next: the ways cannot be told apart beyond it.
CHANGED = 0.1


@dataclass(frozen=True)
class TransportMechanism:
    """Vehicular share of the self-diffusion of an ion; the rest it does by exchange of its shell.

    The displacement of an ion from frame to frame is split in two, dr = dv + dx: dv is the mean displacement of the
    centres of mass of the molecules that are in its first shell in both frames, dx what is left. Added up, V = sum dv
    is the way that it was carried, X = sum dx the way that it made relative to its shells, which stays within a shell
    as long as that lasts and grows by each exchange. With the slopes of <(dR)^2> and <dV . dR> over the lags at which
    the ion is diffusive, fitted with the same weights,

        share = d<dV . dR>/dt / d<dR . dR>/dt,

    1 for an ion that never leaves its shell and 0 for one that hops between molecules at rest; vehicular and exchange
    share add up to one exactly. It may leave 0...1: above, if hops go back against the flow of the shell. Borodin and
    Smith (J. Phys. Chem. B 110, 4971 (2006), doi 10.1021/jp056249q) and Maitra and Heuer (Phys. Rev. Lett. 98, 227802
    (2007), doi 10.1103/PhysRevLett.98.227802, for polymers) ask the same of motion with and along the host; the
    splitting by frames is ours. A polymer counts as one molecule: an ion carried by a segment of it travels by exchange
    in this sense. Error: jackknife over ions. Frames must be close enough that shells rarely change between two.

    Attributes
    ----------
    shell : FirstShell
        The ion, its donors, and what counts as touching.
    """

    shell: FirstShell

    name: ClassVar[str] = "transport_mechanism"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("vehicular_share", "1", "Share of the self-diffusion of an ion that it makes with its shell."),
        Quantity("vehicular_correlation", "1", "<dV . dR> / <dR . dR> of an ion in a time, V the way of its shells."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Contacts, the histogram that gives the cutoffs, and the centres."""
        return self.shell.tallies(sites)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Split the paths and fit both parts."""
        series, shells = tallied.series(Centres()), self.shell.shells(tallied, sites)
        interval, centres = even_interval(series), series.arrays["centres"]
        ion = self.shell.reference
        paths = np.asarray(centres[:, sites.molecule_of[sites.atoms(ion)]], dtype=float)
        carried, changed = carried_paths(shells, centres)
        fit = diffusion_fits(tallied, sites)[species_of(ion)]
        method = f"slopes of <dV . dR> and <dR . dR>; {self.shell.method(tallied, sites)}"
        _, why = verdict(fit)
        notes = [*([why] if why else []), *self.shell.unknown(tallied, sites)]
        if fit is None or len(shells.frame) == 0:
            notes += [] if fit is None else ["no contact seen"]
            none = Estimate("vehicular_share", ion, np.nan, np.nan, "1", method, note="; ".join(notes) or TOO_FEW)
            nothing = np.full(1, np.nan)
            curve = Curve("vehicular_correlation", ion, np.array([interval]), nothing, nothing, "t", "ps", "1")
            return Measurement(self.name, (none,), (curve,))
        lags = spaced_lags(max(1, round(fit.start / interval)), len(paths))
        products = _products(paths, carried, lags)
        weights = fit_line(lags, products[:, 1].mean(axis=0), len(paths), paths.shape[1]).weights[1]
        value, error = (float(x[0]) for x in jackknife(list(products @ weights), _ratio))
        if changed > CHANGED:
            notes.append(f"{changed:.0%} of contacts change from frame to frame: more frames are needed")
        if not error <= LARGEST_ERROR:
            notes.append(f"standard error above {LARGEST_ERROR}")
        method += f", lags {lags[0] * interval:g} to {lags[-1] * interval:g} ps, {paths.shape[1]} ions"
        estimate = Estimate(
            "vehicular_share", ion, value, error or np.nan, "1", method, converged=not notes, note="; ".join(notes)
        )
        every = spaced_lags(1, len(paths))
        y, y_error = jackknife(list(_products(paths, carried, every)), _ratio)
        times = np.asarray(every * interval, dtype=float)
        curve = Curve("vehicular_correlation", ion, times, y, y_error, "t", "ps", "1")
        return Measurement(self.name, (estimate,), (curve,))


def carried_paths(shells: Shells, centres: NDArray[np.floating]) -> tuple[NDArray[np.float64], float]:
    """Way that each ion was carried by the molecules of its shells, and the share of contacts that change in a frame.

    Parameters
    ----------
    shells : Shells
    centres : (n_frames, n_molecules, 3) float array, nm

    Returns
    -------
    paths : (n_frames, n_ions, 3) float array, nm
        From 0; an ion without a molecule that stays is not carried.
    changed : float
    """
    n_molecules = centres.shape[1]
    cell = shells.frame.astype(np.intp) * shells.n_ions + shells.ion
    key = cell * n_molecules + shells.molecule
    stays = np.isin(key + shells.n_ions * n_molecules, key, assume_unique=True)
    before = shells.frame < shells.n_frames - 1
    frame, molecule, cell = (array[stays] for array in (shells.frame, shells.molecule, cell))
    moved = np.asarray(centres[frame + 1, molecule], dtype=float) - centres[frame, molecule]
    size = shells.n_frames * shells.n_ions
    number = np.maximum(np.bincount(cell, minlength=size), 1)
    mean = np.stack([np.bincount(cell, weights=moved[:, k], minlength=size) / number for k in range(3)], axis=-1)
    steps = mean.reshape(shells.n_frames, shells.n_ions, 3)
    paths = np.concatenate([np.zeros((1, shells.n_ions, 3)), np.cumsum(steps[:-1], axis=0)])
    return paths, 1 - float(stays.sum() / before.sum()) if before.any() else 0.0


def _products(paths: NDArray[np.float64], carried: NDArray[np.float64], lags: NDArray[np.intp]) -> NDArray[np.float64]:
    """Mean of dV . dR and dR . dR of each ion at each lag, (n_ions, 2, n_lags) float array, nm^2."""
    found = []
    for lag in lags:
        whole, part = (path[lag:] - path[:-lag] for path in (paths, carried))
        found.append([np.einsum("tik,tik->i", one, whole) / len(whole) for one in (part, whole)])
    return np.moveaxis(np.array(found), -1, 0).swapaxes(1, 2)


def _ratio(ions: Sequence[NDArray[np.float64]]) -> NDArray[np.float64]:
    part, whole = np.sum(ions, axis=0)
    return np.atleast_1d(part / whole)
