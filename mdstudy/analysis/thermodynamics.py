"""Averages over the thermodynamic log of a run: density, temperature, volume; all quantities that logs give."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.errors import RunError
from mdstudy.base.results import Estimate, Quantity
from mdstudy.base.statistics import drift_z, mean_and_error

QUANTITIES = (
    Quantity("density", "g/cm^3", "Mass density of the box at constant pressure.", target=0.005),
    Quantity("temperature", "K", "Kinetic temperature from the constrained degrees of freedom.", target=0.005),
    Quantity("enthalpy_of_vaporisation", "kJ/mol", "Enthalpy of the ideal gas less that of the liquid.", target=0.02),
    Quantity("shear_viscosity", "mPa s", "Shear viscosity at zero frequency.", target=0.2),
    Quantity("viscosity_running_integral", "mPa s", "Integral of the correlation of the shear stress up to a time."),
)

#: Share of a log that is left out as approach to equilibrium.
DISCARD = 0.5
#: An average is called converged with at least this many independent samples and no drift.
MIN_INDEPENDENT = 20
MAX_DRIFT_Z = 2.0


def read_log(files: Sequence[Path]) -> dict[str, NDArray[np.float64]]:
    """Join thermodynamic logs in order of time.

    Parameters
    ----------
    files : sequence of Path
        ``state.csv`` files with equal columns.

    Returns
    -------
    dict of str to (n,) float array
        Column name to values.
    """
    tables = []
    header: list[str] = []
    for file in files:
        lines = file.read_text(encoding="utf-8").splitlines()
        if len(lines) < 2:
            raise RunError(f"{file}: the log has no rows")
        header = lines[0].split(",")
        tables.append(np.loadtxt(lines[1:], delimiter=",", ndmin=2))
    table = np.concatenate(tables)
    return {name: table[:, k] for k, name in enumerate(header)}


def average(values: NDArray[np.float64], quantity: str, of: str, unit: str, method: str) -> Estimate:
    """Mean of the last part of a stationary series with its standard error.

    The error is s sqrt(g/n) with the statistical inefficiency g (:mod:`mdstudy.base.statistics`).

    Parameters
    ----------
    values : (n,) float array
    quantity, of, unit, method : str
        For the estimate.
    """
    kept = values[int(len(values) * DISCARD) :]
    mean, error, independent = mean_and_error(kept)
    if math.isnan(error):
        return Estimate(quantity, of, mean, error, unit, method, note="too few samples")
    drift = drift_z(kept)
    converged = independent >= MIN_INDEPENDENT and abs(drift) < MAX_DRIFT_Z
    apart = "cannot be compared" if math.isnan(drift) else f"differ by {abs(drift):.1f} standard errors"
    note = "" if converged else f"{independent:.0f} independent samples, halves {apart}"
    return Estimate(quantity, of, mean, error, unit, method, independent, converged, note, drift)


def log_estimates(files: Sequence[Path], ensemble: str, where: str) -> list[Estimate]:
    """Density (constant pressure only) and temperature from logs.

    Parameters
    ----------
    files : sequence of Path
        Logs in order of time.
    ensemble : {"npt", "nvt"}
        Ensemble of the logs.
    where : str
        Name of the stage, for the method text.
    """
    log = read_log(files)
    length = log["time_ps"][-1] - log["time_ps"][0]
    method = f"mean over the last {1 - DISCARD:.0%} of {length:.0f} ps of {where}, {ensemble.upper()}"
    found = [average(log["temperature_K"], "temperature", "box", "K", method)]
    if ensemble == "npt":
        found.append(average(log["density_g_per_cm3"], "density", "box", "g/cm^3", method))
    return found
