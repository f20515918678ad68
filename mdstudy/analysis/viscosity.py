"""Shear viscosity: from the stress of a box at equilibrium, or from the flow that a cosine drives.

*At equilibrium*, by Green and Kubo (R. Kubo, J. Phys. Soc. Jpn. 12, 570 (1957), doi 10.1143/JPSJ.12.570),

    eta = V/(kT) integral from 0 of <P_xy(0) P_xy(t)>,

which is the spectrum of the stress at zero frequency (:mod:`mdstudy.analysis.spectrum`). No time is chosen at which the
integral is cut off: the error holds how much of a slow part of the stress the run may have missed, unless it is slower
than a fifth of the run, of which the run knows nothing, and the note says so. The running integral, with the spread
between parts of the run, is shown beside it; Zhang, Otani and Maginn (J. Chem. Theory Comput. 11, 3537 (2015), doi
10.1021/acs.jctc.5b00351) fit its plateau.

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

from mdstudy.analysis.spectrum import ZeroFrequency, at_zero
from mdstudy.analysis.thermodynamics import read_log
from mdstudy.base.errors import RunError
from mdstudy.base.results import Curve, Estimate, Measurement
from mdstudy.base.stationarity import equilibration
from mdstudy.base.statistics import drift_z, mean_and_error
from mdstudy.base.units import BOLTZMANN_SI

STRESS_COLUMNS = ("xy_bar", "xz_bar", "yz_bar")
#: A viscosity is called converged when its standard error is at most this share of it.
LARGEST_ERROR = 0.2
#: Halves of a driven run may differ by this many standard errors.
HALVES = 2.5
#: Parts of a run whose running integrals are compared, and their points.
PARTS, SHOWN = 10, 120
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
    found = at_zero([one[:n] for one in stress], interval)
    method = (
        f"Green-Kubo, spectrum at zero frequency of {len(STRESS_COLUMNS)} shear stresses every {interval:g} ps for "
    )
    method += f"{n * interval:g} ps of {where}" + (f", {len(stress)} replicas" if len(stress) > 1 else "")
    whole = np.stack([one[:n] for one in stress])
    drop = np.mean(whole[:, 1:] ** 2) - np.mean(whole[:, 1:] * whole[:, :-1]) if n > 1 else 0.0
    unresolved = scale * interval * max(float(drop), 0.0) / 2
    estimate = _of_spectrum(found, scale, unresolved, method)
    return Measurement(
        "shear_viscosity", (estimate,), (running_integral(stress, interval, scale),) if n > PARTS else ()
    )


def _of_spectrum(found: ZeroFrequency | None, scale: float, unresolved: float, method: str) -> Estimate:
    """The estimate from the spectrum at zero frequency."""
    unit = ("shear_viscosity", "box")
    if found is None:
        return Estimate(*unit, math.nan, math.nan, "mPa s", method, note="too few samples for a fit")
    value, error = scale * found.value - unresolved / 2, math.hypot(scale * found.error, unresolved / 12**0.5)
    faults = []
    if not error <= LARGEST_ERROR * value:
        faults.append(f"standard error above {LARGEST_ERROR:.0%}")
    if unresolved > LARGEST_ERROR * abs(value):
        faults.append(f"{unresolved:.2g} mPa s may come from stress that decays between samples")
    note = "; ".join([f"if no stress relaxes more slowly than {found.slowest:.3g} ps, a fifth of the run", *faults])
    return Estimate(*unit, value, error, "mPa s", method, (value / error) ** 2 * 2, not faults, note)


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
