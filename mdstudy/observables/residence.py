"""How long molecules stay in the first shell of an ion."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.binding import MARGIN, lifetime_estimate, pair_states
from mdstudy.analysis.displacement import DiffusionFit
from mdstudy.analysis.frames import Centres, Sites, Tallied, Tally
from mdstudy.analysis.lifetimes import (
    bound_states,
    intermittent_sums,
    losses,
    ratio_curve,
    residence,
    spaced_lags,
    starts,
    survival_sums,
)
from mdstudy.analysis.mobility import diffusion_fits, even_interval, verdict
from mdstudy.analysis.relaxation import relaxation_time
from mdstudy.analysis.shells import FirstShell, Shells, species_of
from mdstudy.analysis.sizes import GyrationRadii, Radius, gyration_radii
from mdstudy.base.results import Curve, Estimate, Measurement, Quantity


@dataclass(frozen=True)
class ResidenceTimes:
    """Residence times of the molecules of each species in the first shell of an ion.

    Three, because they answer three questions (:mod:`mdstudy.analysis.lifetimes` has the estimator). *Stable states*:
    from entering within the first minimum of g(r) until all donor atoms are :data:`MARGIN` beyond it; short excursions
    do not count. This is the time that mechanisms of transport compare with. *Continuous*: the first absence in a frame
    ends a contact; shorter, and shorter still the more often frames are stored. *Intermittent*: 1/e time of the
    correlation (<h(0)h(t)>/<h> - <h>)/(1 - <h>), h = 1 for a pair in contact, whatever happened in between (Luzar and
    Chandler, Phys. Rev. Lett. 76, 928 (1996), doi 10.1103/PhysRevLett.76.928): a molecule that comes back counts as one
    that stayed.

    The *residence length* sqrt(6 D tau), D of the ion, tells how it travels: with its shell where it is much longer
    than the molecules of the shell (vehicular), by exchange of the shell where it is not (Self, Fong and Persson, ACS
    Energy Lett. 4, 2843 (2019), doi 10.1021/acsenergylett.9b02118). The *ratio* sets it against the diameter of the
    molecule, that of a uniform sphere of the same radius of gyration, 2 sqrt(5/3) R_g. How much each way contributes is
    told by :class:`~mdstudy.observables.transport_mechanism.TransportMechanism`.

    The *ion pair lifetime* is the residence time where ion and molecule have charges of opposite sign.

    A contact that outlives the run is not an exchange: where none ended, or the correlation does not fall to 1/e, the
    value is the lower bound at 95 % confidence and the note says so.

    Attributes
    ----------
    shell : FirstShell
        The ion, its donors, and what counts as touching; contacts are shared with all observables of this shell.
    """

    shell: FirstShell

    name: ClassVar[str] = "residence"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("residence_time", "ns", "Mean time from entering a shell to leaving it for good."),
        Quantity("residence_time_continuous", "ns", "Mean time until the first absence from a shell in a frame."),
        Quantity("residence_time_intermittent", "ns", "Time in which the correlation of contacts falls to 1/e."),
        Quantity("ion_pair_lifetime", "ns", "Mean time from meeting to parting of two ions of opposite charge."),
        Quantity("residence_length", "nm", "Distance that an ion diffuses while a molecule stays in its shell."),
        Quantity("residence_length_ratio", "1", "Residence length over the diameter of the molecule that stays."),
        Quantity("contact_survival_function", "1", "Share of contacts that have not ended after a time."),
        Quantity("contact_correlation", "1", "Share of contacts that are there after a time, beyond chance."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Contacts, the histogram that gives the cutoffs, and the centres."""
        return (*self.shell.tallies(sites), GyrationRadii())

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Count contacts that end and correlate those that are there."""
        interval = even_interval(tallied.series(Centres())) / 1000  # ns
        near = self.shell.shells(tallied, sites)
        far = self.shell.pairs(tallied, sites, MARGIN)
        method = self.shell.method(tallied, sites)
        reach = self.shell.contacts(sites).reach
        left = f"left {MARGIN} nm beyond, at {reach} nm at most"
        cutoffs = self.shell.cutoffs(tallied, sites)
        sizes = gyration_radii(tallied, sites)
        diffusion = diffusion_fits(tallied, sites).get(species_of(self.shell.reference))
        estimates, curves = [], []
        for k, species in enumerate(near.species):
            of = f"{self.shell.reference}-{species}"
            sums = _gather(near, far, k)
            stable, direct = (
                residence(risk, ended) if risk else None for risk, ended in zip(sums.at_risk, sums.ended, strict=True)
            )
            stay = lifetime_estimate("residence_time", of, stable, interval, f"{method}; {left}")
            direct = direct or stable
            estimates += [
                stay,
                lifetime_estimate("residence_time_continuous", of, direct, interval, f"{method}; first absence"),
            ]
            if sites.formal_charge.get(species_of(self.shell.reference), 0) * sites.formal_charge.get(species, 0) < 0:
                estimates.append(replace(stay, quantity="ion_pair_lifetime"))
            cutoff = max(cutoff for donor, cutoff in cutoffs.items() if species_of(donor) == species)
            if species in sizes:  # a crosslinker built into a network has no size of its own
                estimates += _lengths(stay, diffusion, cutoff, sizes[species])
            if stable is None:
                estimates.append(lifetime_estimate("residence_time_intermittent", of, None, interval, method))
                continue
            lags = np.asarray(sums.lags * interval * 1000, dtype=float)
            lasting, lasting_error = ratio_curve(sums.kept, sums.started)
            again, again_error = ratio_curve(sums.again, sums.there)
            chance = sums.there[:, 0].sum() / (near.n_frames * near.n_ions * len(near.molecules[k]))
            again, again_error = (again - chance) / (1 - chance), again_error / (1 - chance)
            curves += [
                Curve("contact_survival_function", of, lags, lasting, lasting_error, "t", "ps", "1"),
                Curve("contact_correlation", of, lags, again, again_error, "t", "ps", "1"),
            ]
            estimates.append(
                relaxation_time("residence_time_intermittent", of, lags / 1000, again, again_error, method)
            )
        return Measurement(self.name, tuple(estimates), tuple(curves))


def _lengths(stay: Estimate, fit: DiffusionFit | None, cutoff: float, size: Radius) -> list[Estimate]:
    """Distance that an ion diffuses during a residence time, and that over the diameter of the molecule.

    Lower bounds where the time is one.
    """
    known, why = verdict(fit)
    method = f"sqrt(6 D tau), first shell to {cutoff:.2f} nm; tau: {stay.method}"
    notes = [f"D: {why}"] if why else []
    value = spread = math.nan
    if fit is not None and fit.slope > 0:
        value = math.sqrt(fit.slope * stay.value * 1000)  # MSD = 6 D t, nm^2/ps times ns
        spread = value / 2 * math.hypot(fit.slope_error / fit.slope, stay.error / (stay.value or math.nan))
    notes += [stay.note] if not stay.converged else []
    done, note, n = known and stay.converged, "; ".join(notes), stay.n_independent
    wide = f"; molecule {size.diameter:.3f} nm wide, the sphere of its radius of gyration"
    ratio = value / size.diameter
    ratio_error = ratio * math.hypot(spread / value, size.error / size.radius) if value else math.nan
    about = note if size.radius > 0 else "; ".join([*notes, "a single atom has no radius of gyration"])
    return [
        replace(made, lower_bound=stay.lower_bound)
        for made in (
            Estimate("residence_length", stay.of, value, spread, "nm", method, n, done, note),
            Estimate(
                "residence_length_ratio", stay.of, ratio, ratio_error, "1", method + wide, n, done and ratio > 0, about
            ),
        )
    ]


@dataclass(frozen=True, eq=False)
class _Sums:
    """Of stable states and of direct contact: frames at risk and losses; and of each ion what correlations need."""

    at_risk: tuple[int, int]
    ended: tuple[int, int]
    lags: NDArray[np.intp]
    kept: NDArray[np.float64]
    started: NDArray[np.float64]
    again: NDArray[np.float64]
    there: NDArray[np.float64]


def _gather(near: Shells, far: Shells, kind: int) -> _Sums:
    lags = spaced_lags(near.n_frames)
    arrays = np.zeros((4, near.n_ions, len(lags)))
    at_risk, ended = [0, 0], [0, 0]
    for ions, _, inner, outer in pair_states(near, far, kind):
        states = bound_states(inner, outer), inner
        for k, state in enumerate(states):
            counted = losses(state)
            at_risk[k] += counted[0]
            ended[k] += counted[1]
        lasting = survival_sums(states[0], lags)
        for k, values in enumerate((*lasting, intermittent_sums(inner, lags), starts(inner, lags))):
            np.add.at(arrays[k], ions, values)
    return _Sums((at_risk[0], at_risk[1]), (ended[0], ended[1]), lags, *arrays)
