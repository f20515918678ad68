"""What a measurement gives: estimates and curves, each complete when made, which draw and explain themselves.

An unknown error is NaN and is shown as "not known", never as zero.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.convergence import TARGET, Convergence, assess, duration
from mdstudy.base.drawing import Line, Panel, axis_label, show
from mdstudy.base.errors import MdstudyError
from mdstudy.base.explanation import Explanation, html
from mdstudy.base.grids import Grid
from mdstudy.base.units import RESULT_UNITS

if TYPE_CHECKING:
    from mdstudy.base.drawing import Axes


@dataclass(frozen=True)
class Quantity:
    """One entry of the vocabulary shared by results and measured values.

    Attributes
    ----------
    name : str
        Machine name, for example ``"self_diffusion"``.
    unit : str
        Unit in which it is stored, a key of :data:`mdstudy.base.units.RESULT_UNITS`.
    text : str
        One sentence that says what it is.
    target : float
        Relative standard error at which it is known well enough.
    """

    name: str
    unit: str
    text: str
    target: float = TARGET


@dataclass(frozen=True)
class Origin:
    """What made a number; the same for all that one recipe gave in one pass.

    Attributes
    ----------
    observable : str
        Name of the recipe.
    recipe : str
        The recipe with its settings, as Python writes it.
    says : str
        Estimator, formula, assumptions and references, from the recipe.
    quantities : tuple of Quantity
        What the recipe computes.
    source : str
        What the frames were read from.
    frames : int
    interval, length : float
        Time between frames and of all of them, ps; NaN where not known.
    model : str
        Force field with its hash, and the scale of ionic charges.
    code : str
        Version and hash of the code.
    reads : str
        Curves of another observable that this one is read off, by their quantity.
    stride : int
        What is followed in time (motion, neighbours) is kept of every so many frames: see
        :func:`mdstudy.study.measure.measure`.
    """

    observable: str
    recipe: str
    says: str
    quantities: tuple[Quantity, ...]
    source: str
    frames: int
    interval: float
    length: float
    model: str = ""
    code: str = ""
    reads: str = ""
    stride: int = 1

    def quantity(self, name: str) -> Quantity | None:
        """The quantity of this name, if the recipe computes it."""
        return next((quantity for quantity in self.quantities if quantity.name == name), None)

    def facts(self) -> tuple[tuple[str, str], ...]:
        """What there is to tell, by name."""
        kept = f"; motion and neighbours of each {self.stride}th" if self.stride > 1 else ""
        frames = f"{self.frames} frames, {self.interval:g} ps apart, {self.length:g} ps"
        return (
            ("trajectory", f"{self.source}: {frames}{kept}"),
            ("model", self.model or "not known: frames of another program"),
            ("code", self.code),
            ("recipe", self.recipe),
            ("estimator, assumptions", self.says),
        )


@dataclass(frozen=True)
class Curve:
    """A function of one variable with its pointwise standard error.

    Attributes
    ----------
    quantity, of : str
        As in :class:`Estimate`.
    x, y, y_error : (n,) float arrays
        Abscissa, ordinate and standard error of the ordinate (NaN: not known).
    x_name, x_unit, y_unit : str
        Label of the abscissa and the units.
    origin : Origin, optional
        What made it.
    """

    quantity: str
    of: str
    x: NDArray[np.float64]
    y: NDArray[np.float64]
    y_error: NDArray[np.float64]
    x_name: str
    x_unit: str
    y_unit: str
    origin: Origin | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        if not (len(self.x) == len(self.y) == len(self.y_error)):
            raise MdstudyError(f"{self.quantity} of {self.of}: x, y and y_error differ in length")

    def __str__(self) -> str:
        return f"{self.quantity} of {self.of}: {len(self.x)} points, {self.x_name} / {self.x_unit}, in {self.y_unit}"

    def why(self) -> Explanation:
        """All that is known of how it was made."""
        what = _meaning(self.quantity, self.origin)
        known = f"{np.isfinite(self.y_error).sum()} of {len(self.x)} points have an error"
        facts = [("what it is", what), ("points", known), *_told(self.origin)]
        return Explanation(str(self), tuple(facts), panels([self]))

    def plot(self, ax: Axes | None = None) -> Any:
        """Draw it with a band of one standard error, on `ax` or in a new figure.

        Returns
        -------
        matplotlib Axes
        """
        return show(panels([self]), ax)

    def _repr_html_(self) -> str:
        return html(str(self), [], panels([self]))


@dataclass(frozen=True)
class Estimate:
    """A number with its unit, standard error and origin.

    Attributes
    ----------
    quantity : str
        What it is, for example ``"coordination_number"``.
    of : str
        Of what, for example ``"Li-FSI.O"``.
    value, error : float
        Value and one standard error in `unit`; NaN where not known.
    unit : str
        A key of :data:`mdstudy.base.units.RESULT_UNITS`.
    method : str
        How it was estimated, with cutoff, window or frame of reference.
    n_independent : float
        Number of independent samples behind the error; NaN where not known.
    converged : bool
        Whether the stated criterion of the method was met.
    note : str
        Why not, or anything else that a reader must know.
    drift : float
        Second half of the run less the first in units of the standard error of that; NaN where not known.
    lower_bound : bool
        Whether the value is no estimate but a bound that the true one exceeds.
    origin : Origin, optional
        What made it.
    behind : tuple of Curve
        What it was read off.
    """

    quantity: str
    of: str
    value: float
    error: float
    unit: str
    method: str
    n_independent: float = math.nan
    converged: bool = False
    note: str = ""
    drift: float = math.nan
    lower_bound: bool = False
    origin: Origin | None = field(default=None, compare=False, repr=False)
    behind: tuple[Curve, ...] = field(default=(), compare=False, repr=False)

    def __post_init__(self) -> None:
        if self.unit not in RESULT_UNITS:
            raise MdstudyError(f"{self.quantity} of {self.of}: unknown unit {self.unit!r}")
        if self.error < 0:
            raise MdstudyError(f"{self.quantity} of {self.of}: negative standard error {self.error}")

    def __str__(self) -> str:
        verdict = "" if self.converged else " (not converged)"
        if self.lower_bound and not math.isnan(self.value):
            return f"{self.quantity} of {self.of}: more than {self.value:.4g} {self.unit}{verdict}"
        error = "not known" if math.isnan(self.error) else f"{self.error:.2g}"
        return f"{self.quantity} of {self.of}: {self.value:.4g} ± {error} {self.unit}{verdict}"

    @property
    def length(self) -> float:
        """Time that it is averaged over, ps; NaN where not known."""
        return math.nan if self.origin is None else self.origin.length

    @property
    def inefficiency(self) -> float:
        """Time that is worth one independent sample, ps; NaN where not known."""
        return self.length / self.n_independent if self.n_independent > 0 else math.nan

    def convergence(self, target: float | None = None) -> Convergence:
        """Verdict by a relative standard error that is asked for; that of the quantity if none is given."""
        if target is None:
            known = self.origin.quantity(self.quantity) if self.origin else None
            target = known.target if known else TARGET
        return assess(self.value, self.error, self.converged, self.length, target)

    def why(self) -> Explanation:
        """All that is known of how it was made: frames, cutoff or window, estimator, assumptions, model, code, plot."""
        samples = "number not known"
        if not math.isnan(self.n_independent):
            samples = f"{self.n_independent:.3g}"
            samples += "" if math.isnan(self.inefficiency) else f", one in {duration(self.inefficiency)}"
        drift = "not known" if math.isnan(self.drift) else f"{self.drift:+.1f} standard errors from first to second"
        facts = [
            ("what it is", _meaning(self.quantity, self.origin)),
            ("how", self.method),
            ("verdict", self.convergence().text),
            ("note", self.note or "none"),
            ("independent samples", samples),
            ("halves of the run", drift),
            *_told(self.origin),
        ]
        return Explanation(str(self), tuple(facts), panels(self.behind))

    def plot(self, ax: Axes | None = None) -> Any:
        """Draw what it was read off, on `ax` (the first of the curves) or in a new figure.

        Raises
        ------
        MdstudyError
            It was read off no curve.
        """
        if not self.behind:
            raise MdstudyError(f"{self.quantity} of {self.of}: there is no curve behind it")
        return show(panels(self.behind), ax)

    def _repr_html_(self) -> str:
        return self.why()._repr_html_()


@dataclass(frozen=True)
class Measurement:
    """All that one observable gave on one trajectory."""

    observable: str
    estimates: tuple[Estimate, ...] = ()
    curves: tuple[Curve, ...] = ()
    grids: tuple[Grid, ...] = ()

    def __str__(self) -> str:
        return "\n".join(map(str, [*self.estimates, *self.curves]))

    def plot(self, ax: Axes | None = None) -> Any:
        """Draw all curves, a panel a quantity; the estimates as bars where there is no curve."""
        return show(self._panels(), ax)

    def why(self) -> Explanation:
        """How all of it was made."""
        items: list[Estimate | Curve] = [*self.estimates, *self.curves]
        made = next((item.origin for item in items), None)
        return Explanation(self.observable, _told(made), self._panels())

    def _panels(self) -> tuple[Panel, ...]:
        if self.curves:
            return panels(self.curves)
        made = []
        for quantity, unit in dict.fromkeys((e.quantity, e.unit) for e in self.estimates):
            bars = tuple((e.of, e.value, e.error) for e in self.estimates if e.quantity == quantity)
            made.append(Panel("", axis_label(quantity, unit), "", bars=bars))
        return tuple(made)

    def _repr_html_(self) -> str:
        rows = [(escape(str(e)), escape(e.convergence().text)) for e in self.estimates]
        return html(self.observable, rows, self._panels())


def attributed(measurement: Measurement, origin: Origin, others: Iterable[Curve] = ()) -> Measurement:
    """The measurement with the origin of all that it holds, and behind each estimate the curves it was read off.

    Parameters
    ----------
    measurement : Measurement
    origin : Origin
    others : iterable of Curve
        Of other observables of the same pass.
    """
    curves = tuple(replace(curve, origin=origin) for curve in measurement.curves)
    pool = curves or tuple(curve for curve in others if curve.quantity == origin.reads)
    estimates = (replace(estimate, origin=origin) for estimate in measurement.estimates)
    estimates = (replace(estimate, behind=curves_behind(estimate, pool)) for estimate in estimates)
    return replace(measurement, estimates=tuple(estimates), curves=curves)


def curves_behind(estimate: Estimate, curves: Iterable[Curve]) -> tuple[Curve, ...]:
    """Curves that an estimate was read off: those of its own recipe, or those that the recipe reads, of the same name.

    Where none has the same name (``"Li-FSI"``), those of its parts (``"Li-FSI.O"``), and all where it has no parts.
    """
    made = estimate.origin
    if made is None:
        return ()
    everything = list(curves)
    own = [c for c in everything if c.origin == made] or [c for c in everything if c.quantity == made.reads]
    for fits in (lambda c: c.of == estimate.of, lambda c: c.of.startswith(f"{estimate.of}."), lambda _: True):
        if chosen := tuple(curve for curve in own if fits(curve)):
            return chosen
    return ()


def find(estimates: Iterable[Estimate], quantity: str, of: str) -> Estimate | None:
    """The one estimate of `quantity` of `of`, or None."""
    for estimate in estimates:
        if estimate.quantity == quantity and estimate.of == of:
            return estimate
    return None


def _meaning(name: str, origin: Origin | None) -> str:
    known = origin.quantity(name) if origin else None
    return known.text if known else name.replace("_", " ")


def _told(origin: Origin | None) -> tuple[tuple[str, str], ...]:
    return origin.facts() if origin else (("origin", "not recorded"),)


def panels(curves: Sequence[Curve]) -> tuple[Panel, ...]:
    """Curves as they are drawn, one panel a quantity."""
    made = []
    for quantity in dict.fromkeys(curve.quantity for curve in curves):
        these = [curve for curve in curves if curve.quantity == quantity]
        lines = tuple(Line(c.of, c.x, c.y, c.y_error) for c in these)
        first, title = these[0], these[0].of if len(these) == 1 else ""
        made.append(Panel(title, axis_label(first.x_name, first.x_unit), axis_label(quantity, first.y_unit), lines))
    return tuple(made)
