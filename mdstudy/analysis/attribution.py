"""Who made a number: the origin of all that a recipe gives in one pass, in the words of the recipe itself."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from mdstudy.analysis.frames import Observable
from mdstudy.analysis.verdicts import with_drift
from mdstudy.base.results import Curve, Estimate, Measurement, Origin, attributed, find

#: Curves behind the numbers of recipes that have none of their own.
READS = {
    "solvation_shell": "radial_distribution",
    "speciation": "radial_distribution",
    "nernst_einstein": "mean_squared_displacement",
    "onsager": "charge_displacement",
    "transference": "charge_displacement",
}
#: A section of a docstring in numpydoc form, and a reference to Python code in it.
_SECTION = re.compile(r"\n\n(\w+)\n-{3,}\n")
_ROLE = re.compile(r":\w+:`~?(?:mdstudy\.)?([^`]+)`")


def says(recipe: object) -> str:
    """Estimator, formula, assumptions and references of a recipe: its docstring, less the list of its settings."""
    text = inspect.cleandoc(recipe.__doc__ or "")
    return _ROLE.sub(r"\1", _SECTION.split(f"\n{text}")[0].strip())


def origin(
    observable: Observable, source: str, times: tuple[float, float], frames: int, stride: int, model: str, code: str
) -> Origin:
    """Origin of all that an observable gives in a pass.

    Parameters
    ----------
    observable : Observable
    source : str
        What the frames were read from.
    times : (float, float)
        Of the first and the last frame, ps.
    frames, stride : int
    model, code : str
        As for :class:`mdstudy.base.results.Origin`.
    """
    interval = (times[1] - times[0]) / (frames - 1) if frames > 1 else math.nan
    return Origin(
        observable.name,
        repr(observable),
        says(type(observable)),
        observable.quantities,
        source,
        frames,
        interval,
        frames * interval,
        model,
        code,
        READS.get(observable.name, ""),
        stride,
    )


def attribute(measurements: Sequence[Measurement], origins: Sequence[Origin]) -> list[Measurement]:
    """Measurements of one pass with their origins, and what each estimate was read off."""
    curves: list[Curve] = [curve for measurement in measurements for curve in measurement.curves]
    return [attributed(made, by, curves) for made, by in zip(measurements, origins, strict=True)]


def compare_halves(whole: Measurement, first: Measurement, second: Measurement) -> Measurement:
    """The measurement of a run with the drift between the measurements of its halves where it states none itself."""

    def judged(estimate: Estimate) -> Estimate:
        a, b = (find(half.estimates, estimate.quantity, estimate.of) for half in (first, second))
        if not math.isnan(estimate.drift) or a is None or b is None:
            return estimate
        error = math.hypot(a.error, b.error)
        return with_drift(estimate, (b.value - a.value) / error) if error > 0 else estimate

    return replace(whole, estimates=tuple(map(judged, whole.estimates)))


def lacks_drift(measurement: Measurement) -> bool:
    """Whether there is an estimate with an error but without the drift between halves."""
    return any(np.isfinite(e.error) and np.isnan(e.drift) for e in measurement.estimates)
