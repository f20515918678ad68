"""Shear viscosity: from the stress of a box at equilibrium, or from the flow that a cosine drives.

*At equilibrium* the time integral of a shear stress, the Helfand moment G, performs a random walk whose diffusion
coefficient is the viscosity (Helfand, Phys. Rev. 119, 1 (1960), doi 10.1103/PhysRev.119.1),

    eta = V/(kT) lim d/dt <(G(t) - G(0))^2> / 2 = V/(kT) integral of <P_xy(0) P_xy(t)>,

the latter by Green and Kubo. There is one moment a box and direction, not one a particle. Its line is fitted as that
of any random walk, by generalised least squares that knows how lags are correlated
(:mod:`mdstudy.analysis.displacement`), from the shortest time at which the running integral has reached its plateau:
a later start would add noise and nothing else. That is what the decomposition in time of Zhang, Otani and Maginn
(J. Chem. Theory Comput. 11, 3537 (2015), doi 10.1021/acs.jctc.5b00351) reads off a fit to the spread of many running
integrals; here spread and start follow from the random walk, and the running integral, with the spread between parts of
the run, is shown beside it.

*Driven*, the liquid flows with the mean profile V cos(kz) under the acceleration a cos(kz), and with the friction g of
a thermostat and the density d, eta = (a/V - g) d / k^2 (Hess, J. Chem. Phys. 116, 209 (2002), doi 10.1063/1.1421362).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import fft
from scipy.integrate import cumulative_trapezoid

from mdstudy.analysis.displacement import (
    LONGEST,
    DiffusionFit,
    fit_window,
    mean_squared_displacement,
    spaced_lags,
)
from mdstudy.analysis.thermodynamics import read_log
from mdstudy.base.errors import RunError
from mdstudy.base.results import Curve, Estimate, Measurement
from mdstudy.base.stationarity import equilibration
from mdstudy.base.statistics import drift_z, mean_and_error
from mdstudy.base.units import BOLTZMANN_SI

STRESS_COLUMNS = ("xy_bar", "xz_bar", "yz_bar")
#: A viscosity is called converged when its standard error is at most this share of it.
LARGEST_ERROR = 0.2
#: The plateau of the running integral begins at this many mean times of the correlation, and where residuals are not
#: less likely than this for a random walk.
PLATEAU, LEAST_QUALITY = 6.0, 0.01
#: Halves of a driven run may differ by this many standard errors.
HALVES = 2.5
#: Points of a Helfand moment that are fitted; parts of a run whose running integrals are compared, and their points.
POINTS, PARTS, SHOWN = 20_000, 10, 120
#: bar^2 nm^3 ps/J -> mPa s
_TO_MPA_S = 1e5**2 * 1e-27 * 1e-12 * 1e3


def stress_viscosity(
    stress: Sequence[NDArray[np.float64]], interval: float, volume: float, temperature: float, where: str
) -> Measurement:
    """Viscosity from shear stresses at equilibrium, of one run or of replicas together.

    Parameters
    ----------
    stress : sequence of (n, 3) float arrays, bar
        Off-diagonal elements of the pressure tensor, zero in the mean, one array a replica of the same box; the longer
        ones are cut to the shortest.
    interval : float
        Time between samples, ps. What decays faster than that is not resolved: the trapezoid then counts between
        nothing and half the interval times the drop of the correlation to the first sample too much. Half of that is
        taken off, and its square over three joins that of the standard error.
    volume : float
        nm^3.
    temperature : float
        K.
    where : str
        Name of the run, for the method.

    Returns
    -------
    Measurement
        ``shear_viscosity`` and ``viscosity_running_integral`` of the box.
    """
    n = min(len(one) for one in stress)
    scale = _TO_MPA_S * volume / (BOLTZMANN_SI * temperature)
    step = max(1, n // POINTS)
    moments = [cumulative_trapezoid(one[:n], dx=interval, axis=0, initial=0)[::step, None, :] for one in stress]
    fit, plateau = fit_moments(moments, interval * step)
    method = f"Einstein-Helfand, {len(STRESS_COLUMNS)} shear stresses every {interval:g} ps for {n * interval:g} ps"
    method += f" of {where}" + (f", {len(stress)} replicas" if len(stress) > 1 else "")
    whole = np.stack([one[:n] for one in stress])
    drop = np.mean(whole[:, 1:] ** 2) - np.mean(whole[:, 1:] * whole[:, :-1]) if n > 1 else 0.0
    unresolved = scale * interval * max(float(drop), 0.0) / 2
    estimate = _of_walk(fit, plateau, scale, unresolved, method)
    return Measurement(
        "shear_viscosity", (estimate,), (running_integral(stress, interval, scale),) if n > PARTS else ()
    )


def fit_moments(moments: Sequence[NDArray[np.float64]], interval: float) -> tuple[DiffusionFit | None, bool]:
    """Line through the mean-squared change of Helfand moments, from where the running integral is at its plateau.

    With the line <(dG)^2> = 6 D (t - t0), t0 is the mean time of the correlation, integral of t C over that of C. The
    line begins at the first of a series of times that is :data:`PLATEAU` times t0 or later and from which on a random
    walk describes the data (:data:`LEAST_QUALITY`).

    Parameters
    ----------
    moments : sequence of (n, 1, 3) float arrays
        One a replica.
    interval : float
        Between their values, ps.

    Returns
    -------
    fit : DiffusionFit or None
        That from the latest start where there is no plateau; None for too few values.
    plateau : bool
        Whether there is one.
    """
    n = len(moments[0])
    longest = int(LONGEST * n)
    if longest < 10:
        return None, False
    msd = np.mean([mean_squared_displacement(one) for one in moments], axis=0)
    windows = [spaced_lags(int(start), n) for start in np.unique(np.geomspace(1, max(1, longest // 4), 16).astype(int))]
    fits = (fit_window(lags, msd[lags], n, len(moments), interval) for lags in windows)
    for fit in fits:
        late = fit.slope > 0 and fit.start >= -PLATEAU * fit.intercept / fit.slope
        if late and fit.quality >= LEAST_QUALITY:
            return fit, True
    return fit, False


def _of_walk(fit: DiffusionFit | None, plateau: bool, scale: float, unresolved: float, method: str) -> Estimate:
    """The estimate from the fit to the Helfand moments, whose three components are those of one walker."""
    unit = ("shear_viscosity", "box")
    if fit is None:
        return Estimate(*unit, math.nan, math.nan, "mPa s", method, note="too few samples for a fit")
    value, error = scale * fit.slope / 6 - unresolved / 2, math.hypot(scale * fit.slope_error / 6, unresolved / 12**0.5)
    notes = []
    if not plateau:
        notes.append("the running integral reaches no plateau")
    if not error <= LARGEST_ERROR * value:
        notes.append(f"standard error above {LARGEST_ERROR:.0%}")
    if unresolved > LARGEST_ERROR * abs(value):
        notes.append(f"{unresolved:.2g} mPa s may come from stress that decays between samples")
    text = f"{method}, fitted from {fit.start:g} to {fit.end:g} ps"
    samples = (value / error) ** 2 * 2 if error else math.nan
    return Estimate(*unit, value, error, "mPa s", text, samples, not notes, "; ".join(notes))


def running_integral(stress: Sequence[NDArray[np.float64]], interval: float, scale: float) -> Curve:
    """Green-Kubo integral up to half a part of the run, mean and standard error over parts and components.

    Parameters
    ----------
    stress : sequence of (n, 3) float arrays, bar
    interval : float
        ps.
    scale : float
        V/kT in mPa s/(bar^2 ps).
    """
    length = min(len(one) for one in stress) // PARTS
    parts = np.concatenate([one[: PARTS * length].reshape(PARTS, length, -1) for one in stress])
    series = np.moveaxis(parts, 1, -1).reshape(-1, length)
    size = fft.next_fast_len(2 * length)
    spectrum = np.abs(fft.rfft(series, n=size, axis=-1)) ** 2
    lags = length // 2 + 1
    correlation = fft.irfft(spectrum, n=size, axis=-1)[:, :lags] / np.arange(length, length - lags, -1)
    integrals = scale * cumulative_trapezoid(correlation, dx=interval, axis=-1, initial=0)
    shown = np.unique(np.geomspace(1, lags - 1, SHOWN).astype(int)) if lags > 1 else np.array([0])
    y, spread = integrals[:, shown].mean(axis=0), integrals[:, shown].std(axis=0, ddof=1)
    times = np.asarray(shown * interval, dtype=float)
    error = spread / math.sqrt(len(series))
    return Curve("viscosity_running_integral", "box", times, y, error, "t", "ps", "mPa s")


def driven_viscosity(
    velocity: NDArray[np.float64],
    acceleration: float,
    wavenumber: float,
    friction: float,
    density: float,
    where: str,
) -> Measurement:
    """Viscosity from the amplitude of the flow that a cosine drives.

    Parameters
    ----------
    velocity : (n,) float array, nm/ps
        Amplitude V of the profile, in order of time; the approach to the steady state is found and left out.
    acceleration, wavenumber, friction : float
        a in nm/ps^2, k in 1/nm, g in 1/ps.
    density : float
        g/cm^3.
    where : str
        Name of the run, for the method.
    """
    steady = equilibration(velocity)
    kept = velocity[steady.origin :]
    mean, error, samples = mean_and_error(kept)
    method = f"flow under {acceleration:g} nm/ps^2 cos(kz), k = {wavenumber:.3f}/nm, of {where}, without the first "
    method += f"{steady.origin} of {steady.samples} rows; at this k and this rate of shear only"
    # g/cm^3 nm^2/ps is mPa s
    value = (acceleration / mean - friction) * density / wavenumber**2 if mean else math.nan
    spread = acceleration / mean**2 * error * density / wavenumber**2 if mean else math.nan
    apart = abs(drift_z(kept))
    notes = [] if steady.stationary else ["the flow is not steady"]
    if not apart < HALVES:
        notes.append(f"halves of the run differ by {apart:.1f} standard errors")
    if not (value > 0 and spread <= LARGEST_ERROR * value):
        notes.append(f"standard error above {LARGEST_ERROR:.0%}")
    made = Estimate("shear_viscosity", "box", value, spread, "mPa s", method, samples, not notes, "; ".join(notes))
    return Measurement("shear_viscosity", (made,))


def logged_viscosity(files: Sequence[Path], temperature: float, where: str) -> Measurement | None:
    """Viscosity from what a run stores for it (:mod:`mdstudy.run.stress`, :mod:`mdstudy.run.cosine`).

    Parameters
    ----------
    files : sequence of Path
        ``stress.csv`` or ``profile.csv`` of all segments in order of time; none where the run stores neither.
    temperature : float
        K.
    where : str
        Name of the run, for the method.

    Returns
    -------
    Measurement or None
        None without files.

    Raises
    ------
    RunError
        The rows are not evenly spaced, or the file has neither columns.
    """
    if not files:
        return None
    log = read_log(files)
    steps = np.diff(log["step"])
    if len(steps) == 0 or np.ptp(steps) != 0:
        raise RunError(f"{files[0].parent}: rows of {files[0].name} are missing, repeated or not evenly spaced")
    if "velocity_nm_per_ps" in log:
        fixed = ("acceleration_nm_per_ps2", "wavenumber_per_nm", "friction_per_ps", "density_g_per_cm3")
        acceleration, wavenumber, friction, density = (float(log[name][0]) for name in fixed)
        return driven_viscosity(log["velocity_nm_per_ps"], acceleration, wavenumber, friction, density, where)
    if not set(STRESS_COLUMNS) <= set(log):
        raise RunError(f"{files[0]}: neither shear stress ({', '.join(STRESS_COLUMNS)}) nor a profile of velocity")
    interval = float(np.mean(np.diff(log["time_ps"])))
    stress = np.stack([log[name] for name in STRESS_COLUMNS], axis=1)
    return stress_viscosity([stress], interval, float(np.mean(log["volume_nm3"])), temperature, where)
