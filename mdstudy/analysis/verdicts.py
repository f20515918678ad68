"""When an average over a run may be believed: neighbours have exchanged, and the halves of the run agree."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.results import Curve, Estimate
from mdstudy.base.statistics import drift_z, mean_and_error

#: Neighbours count as exchanged when both species have moved this far, root mean square, in half the run, nm.
TRAVEL = 1.0
#: Largest difference between the halves of a run, in standard errors, that still counts as none.
HALVES = 2.5
NOT_EXCHANGED = "neighbours have not exchanged"


def not_exchanged(who: str, moved: float) -> tuple[str, ...]:
    """Fault of a run in which molecules have not moved far enough to meet others; empty where they have.

    Parameters
    ----------
    who : str
        The slowest of those that must move.
    moved : float
        Of :func:`mdstudy.analysis.displacement.travel`, nm.
    """
    return () if moved >= TRAVEL else (f"{who} moved {moved:.2f} nm in half the run: {NOT_EXCHANGED}",)


def halves_differ(apart: float) -> tuple[str, ...]:
    """Fault of a run whose halves do not agree; empty where they do.

    Parameters
    ----------
    apart : float
        Difference of the halves in standard errors; NaN where these are not known.
    """
    if apart < HALVES:
        return ()
    return (
        ("too short to compare its halves",)
        if np.isnan(apart)
        else (f"halves of the run differ by {apart:.1f} standard errors",)
    )


def frame_average(
    quantity: str,
    of: str,
    values: NDArray[np.float64],
    method: str,
    faults: Sequence[str] = (),
    remark: str = "",
    unit: str = "1",
) -> Estimate:
    """Mean over frames of a number, with the error s sqrt(g/n) and a verdict.

    A number that is the same in all frames has an error that is not known, and is not converged: what did not happen
    during a run need not be impossible.

    Parameters
    ----------
    quantity, of, method : str
    values : (n_frames,) float array
    faults : sequence of str
        Why it cannot be converged, if anything is known.
    remark : str
        What a reader must know besides.
    unit : str
    """
    mean, error, n = mean_and_error(values)
    drift = drift_z(values)
    if np.ptp(values) <= 1e-12 * max(1.0, float(np.abs(values).max())):
        error, drift, reasons = float("nan"), float("nan"), [*faults, f"the same in all {len(values)} frames"]
    else:
        reasons = [*faults, *halves_differ(abs(drift))]
    note = "; ".join([remark, *reasons] if remark else reasons)
    return Estimate(quantity, of, mean, error, unit, method, n, not reasons, note, drift)


def still(moved: Mapping[str, float]) -> str:
    """Fault of a log of a run in which molecules have not moved far enough to meet others; empty where they have.

    A run of the stress that is too short to show its slow part may look converged by itself.

    Parameters
    ----------
    moved : mapping of str to float
        Root-mean-squared displacement of each species at the longest lag, nm; none where there are too few frames.
    """
    who = min(moved, key=lambda name: moved[name], default="")
    if not who:
        return "too few frames to know whether neighbours have exchanged"
    return "" if moved[who] >= TRAVEL else f"{who} moved {moved[who]:.2f} nm at the longest lag: {NOT_EXCHANGED}"


def if_exchanged(estimate: Estimate, displacements: Sequence[Curve]) -> Estimate:
    """The estimate, not converged where molecules have not moved far enough to meet others: for what a log tells.

    Parameters
    ----------
    estimate : Estimate
    displacements : sequence of Curve
        Mean-squared displacement of each species, nm^2; none where there are too few frames.
    """
    fault = still({curve.of: float(np.sqrt(curve.y[-1])) for curve in displacements})
    if not fault:
        return estimate
    return replace(estimate, converged=False, note="; ".join(filter(None, (estimate.note, fault))))


def with_drift(estimate: Estimate, drift: float) -> Estimate:
    """The estimate with the difference of the halves of its run, which may take its convergence away.

    Parameters
    ----------
    estimate : Estimate
    drift : float
        Second half less the first in standard errors.
    """
    faults = halves_differ(abs(drift)) if estimate.converged and not np.isnan(drift) else ()
    note = "; ".join([estimate.note, *faults] if estimate.note else faults)
    return replace(estimate, drift=drift, converged=estimate.converged and not faults, note=note)
