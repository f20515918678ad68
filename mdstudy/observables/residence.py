"""How long molecules stay in the first shell of an ion."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.displacement import DiffusionFit
from mdstudy.analysis.frames import Centres, Sites, Tallied, Tally
from mdstudy.analysis.lifetimes import (
    CONFIDENCE,
    Residence,
    bound_states,
    intermittent_sums,
    losses,
    ratio_curve,
    residence,
    spaced_lags,
    starts,
    survival_sums,
)
from mdstudy.analysis.mobility import LARGEST_ERROR, diffusion_fits, even_interval, verdict
from mdstudy.analysis.shells import FirstShell, Shells, species_of
from mdstudy.base.results import Curve, Estimate, Measurement, Quantity

#: A molecule has left a shell when it is this far beyond the first minimum, nm.
MARGIN = 0.08
_CHUNK = 2**22  # pairs times frames in memory


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
    than the shell is wide (vehicular), by exchange of the shell where it is not (Self, Fong and Persson, ACS Energy
    Lett. 4, 2843 (2019), doi 10.1021/acsenergylett.9b02118).

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
        Quantity("residence_length", "nm", "Distance that an ion diffuses while a molecule stays in its shell."),
        Quantity("contact_survival_function", "1", "Share of contacts that have not ended after a time."),
        Quantity("contact_correlation", "1", "Share of contacts that are there after a time, beyond chance."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Contacts, the histogram that gives the cutoffs, and the centres."""
        return self.shell.tallies(sites)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Count contacts that end and correlate those that are there."""
        interval = even_interval(tallied.series(Centres())) / 1000  # ns
        near = self.shell.shells(tallied, sites)
        far = self.shell.shells(tallied, sites, MARGIN)
        method = self.shell.method(tallied, sites)
        reach = self.shell.contacts(sites).reach
        left = f"left {MARGIN} nm beyond, at {reach} nm at most"
        cutoffs = self.shell.cutoffs(tallied, sites)
        diffusion = diffusion_fits(tallied, sites).get(species_of(self.shell.reference))
        estimates, curves = [], []
        for k, species in enumerate(near.species):
            of = f"{self.shell.reference}-{species}"
            sums = _gather(near, far, k)
            if not sums.at_risk[0]:
                text = f"{method}; no contact in any frame"
                names = ("residence_time", "residence_time_continuous", "residence_time_intermittent")
                estimates += [Estimate(n, of, math.nan, math.nan, "ns", text, note="no contact seen") for n in names]
                estimates.append(
                    Estimate("residence_length", of, math.nan, math.nan, "nm", text, note="no contact seen")
                )
                continue
            stable = residence(sums.at_risk[0], sums.ended[0])
            direct = residence(sums.at_risk[1], sums.ended[1]) if sums.at_risk[1] else stable
            estimates += [
                _estimate("residence_time", of, stable, interval, f"{method}; {left}"),
                _estimate("residence_time_continuous", of, direct, interval, f"{method}; first absence"),
            ]
            width = 2 * max(cutoff for donor, cutoff in cutoffs.items() if species_of(donor) == species)
            estimates.append(_length(estimates[-2], diffusion, width))
            lags = np.asarray(sums.lags * interval * 1000, dtype=float)
            lasting, lasting_error = ratio_curve(sums.kept, sums.started)
            again, again_error = ratio_curve(sums.again, sums.there)
            chance = sums.there[:, 0].sum() / (near.n_frames * near.n_ions * len(near.molecules[k]))
            again, again_error = (again - chance) / (1 - chance), again_error / (1 - chance)
            curves += [
                Curve("contact_survival_function", of, lags, lasting, lasting_error, "t", "ps", "1"),
                Curve("contact_correlation", of, lags, again, again_error, "t", "ps", "1"),
            ]
            estimates.append(_intermittent(of, lags / 1000, again, again_error, method))
        return Measurement(self.name, tuple(estimates), tuple(curves))


def _estimate(quantity: str, of: str, found: Residence, interval: float, method: str) -> Estimate:
    share = f"{CONFIDENCE:.0%}"
    if found.bounded:
        note = f"lower bound at {share} confidence: no contact ended during the run"
        return Estimate(quantity, of, found.time * interval, math.nan, "ns", f"{method}; none ended", 0.0, False, note)
    notes = [f"{share} interval {found.low * interval:.3g} to {found.high * interval:.3g} ns"]
    if found.error > LARGEST_ERROR * found.time:
        notes.append(f"only {found.ended} contacts ended")
    if found.time < 2:
        notes.append("shorter than two frames: not resolved")
    return Estimate(
        quantity,
        of,
        found.time * interval,
        found.error * interval,
        "ns",
        f"{method}; contact time over contacts that ended",
        float(found.ended),
        len(notes) == 1,
        "; ".join(notes),
    )


def _length(stay: Estimate, diffusion: DiffusionFit | None, width: float) -> Estimate:
    """Distance that an ion diffuses during a residence time; a lower bound where that is one."""
    known, why = verdict(diffusion)
    method = f"sqrt(6 D tau), shell {width:.2f} nm wide; tau: {stay.method}"
    notes = [f"D: {why}"] if why else []
    if diffusion is None or diffusion.slope <= 0:
        return Estimate("residence_length", stay.of, math.nan, math.nan, "nm", method, note="; ".join(notes))
    value = math.sqrt(diffusion.slope * stay.value * 1000)  # MSD = 6 D t, nm^2/ps times ns
    spread = value / 2 * math.hypot(diffusion.slope_error / diffusion.slope, stay.error / (stay.value or math.nan))
    notes += [stay.note] if not stay.converged else []
    done = known and stay.converged
    return Estimate(
        "residence_length", stay.of, value, spread, "nm", method, stay.n_independent, done, "; ".join(notes)
    )


def _intermittent(
    of: str, lags: NDArray[np.float64], values: NDArray[np.float64], errors: NDArray[np.float64], method: str
) -> Estimate:
    """The 1/e time, or the last lag up to which the correlation is above 1/e with confidence."""
    quantity, level = "residence_time_intermittent", math.exp(-1)
    below = np.flatnonzero(values <= level)
    if len(below) == 0:
        sure = values - 1.645 * errors > level  # one-sided 95 %
        last = len(sure) - 1 if sure.all() else max(int(np.argmin(sure)) - 1, 0)
        note = f"lower bound at {CONFIDENCE:.0%} confidence: the correlation is {values[-1]:.2f} after half the run"
        return Estimate(quantity, of, float(lags[last]), math.nan, "ns", f"{method}; not fallen to 1/e", note=note)
    k = int(below[0])
    x, y = lags[k - 1 : k + 1], values[k - 1 : k + 1]
    time = float(x[0] + (x[1] - x[0]) * (y[0] - level) / (y[0] - y[1]))
    steepness = (y[0] - y[1]) / (x[1] - x[0])
    error = float(np.interp(time, lags, errors) / steepness) or math.nan
    notes = []
    if not error <= LARGEST_ERROR * time:
        notes.append(f"standard error above {LARGEST_ERROR:.0%}")
    if k == 1:
        notes.append("shorter than a frame: not resolved")
    text = f"{method}; 1/e time, error between ions"
    return Estimate(quantity, of, time, error, "ns", text, converged=not notes, note="; ".join(notes))


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
    for ions, inner, outer in _pairs(near, far, kind):
        states = bound_states(inner, outer), inner
        for k, state in enumerate(states):
            counted = losses(state)
            at_risk[k] += counted[0]
            ended[k] += counted[1]
        lasting = survival_sums(states[0], lags)
        for k, values in enumerate((*lasting, intermittent_sums(inner, lags), starts(inner, lags))):
            np.add.at(arrays[k], ions, values)
    return _Sums((at_risk[0], at_risk[1]), (ended[0], ended[1]), lags, *arrays)


def _pairs(
    near: Shells, far: Shells, kind: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Pairs of an ion and a molecule of one species that ever touch, some at a time.

    Yields
    ------
    ions : (n_pairs,) int array
    inner, outer : (n_frames, n_pairs) bool arrays
    """
    n_molecules = 1 + max(int(near.molecule.max(initial=0)), int(far.molecule.max(initial=0)))
    sorted_rows = []
    for shells in (near, far):
        rows = np.flatnonzero(shells.kind == kind)
        key = shells.ion[rows] * n_molecules + shells.molecule[rows]
        order = np.argsort(key, kind="stable")
        sorted_rows.append((key[order], shells.frame[rows[order]]))
    touching = np.unique(sorted_rows[0][0])
    step = max(1, _CHUNK // near.n_frames)
    for first in range(0, len(touching), step):
        some = touching[first : first + step]
        states = []
        for key, frame in sorted_rows:
            these = slice(*np.searchsorted(key, [some[0], some[-1] + 1]))
            place = np.searchsorted(some, key[these])
            of = some[place] == key[these]
            state = np.zeros((near.n_frames, len(some)), dtype=bool)
            state[frame[these][of], place[of]] = True
            states.append(state)
        yield some // n_molecules, states[0], states[1]
