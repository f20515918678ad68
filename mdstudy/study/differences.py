"""Replicas as one number, and the difference of two numbers with an interval that knows how few samples there are.

Runs are independent of each other, so that errors add in squares; how many samples stand behind them decides how wide
an interval must be. It is Student's, with the degrees of freedom of Welch and Satterthwaite (Welch, Biometrika 34, 28
(1947), doi 10.1093/biomet/34.1-2.28); that of a ratio is Fieller's (J. R. Stat. Soc. B 16, 175 (1954), doi
10.1111/j.2517-6161.1954.tb00159.x).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

from mdstudy.base.results import Estimate, Origin

#: Share of intervals that hold the true difference.
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Difference:
    """How a quantity differs between two cases, first less second.

    Attributes
    ----------
    quantity, of, unit : str
    value, error : float
        NaN where not known.
    low, high : float
        Interval at :data:`CONFIDENCE`.
    freedom : float
        Degrees of freedom; infinite where the number of samples is not known.
    factor : float
        Student's: half the width of the interval in standard errors.
    ratio, ratio_low, ratio_high : float
        First over second with its interval; NaN where the second may be zero.
    converged : bool
        Whether both are.
    """

    quantity: str
    of: str
    unit: str
    value: float
    error: float
    low: float
    high: float
    freedom: float
    factor: float
    ratio: float
    ratio_low: float
    ratio_high: float
    converged: bool

    @property
    def z(self) -> float:
        """The difference in standard errors."""
        return self.value / self.error if self.error > 0 else math.nan

    @property
    def verdict(self) -> str:
        """What may be said."""
        if math.isnan(self.low):
            return "not known"
        if not self.converged:
            return "no evidence: not converged"
        return "differs" if self.sign else "no difference seen"

    @property
    def sign(self) -> int:
        """1 or -1 where the interval leaves zero out and both numbers are converged, else 0."""
        return (self.low > 0) - (self.high < 0) if self.converged else 0

    def __str__(self) -> str:
        unit = "" if self.unit == "1" else f" {self.unit}"
        return (
            f"{self.quantity} of {self.of}: {self.value:+.3g} ± {self.error:.2g}{unit} ({CONFIDENCE:.0%} interval "
            f"{self.low:+.3g} to {self.high:+.3g}, Student factor {self.student}), z = {self.z:+.1f}; {self.verdict}"
        )

    @property
    def student(self) -> str:
        """Student's factor and the degrees of freedom in words."""
        if math.isnan(self.factor):
            return "–"
        if math.isinf(self.freedom):
            return f"{self.factor:.2f} (number of samples not known)"
        return f"{self.factor:.2f} ({self.freedom:.1f} degrees of freedom)"


def pool(replicas: Sequence[Estimate]) -> Estimate:
    """Mean over replicas of one quantity.

    With three replicas or more the error is that of their spread, s/sqrt(n), which knows of all that a single run
    cannot see; with two it is the larger of that and of the errors of the runs together. Replicas that all have the
    same number (a share that is zero in each) have no spread to learn from and keep the errors of the runs. Where one
    of them is a lower bound, so is the mean, and its error is not known.
    """
    known = [e for e in replicas if not math.isnan(e.value)]
    if len(known) < 2:
        return known[0] if known else replicas[0]
    n = len(known)
    spread = float(np.std([e.value for e in known], ddof=1)) / math.sqrt(n)
    within = math.hypot(*(e.error for e in known)) / n
    between = spread > 0 and (n > 2 or math.isnan(within) or spread >= within)
    samples = float(n) if between else sum(e.n_independent for e in known)
    drifts, bound = [e.drift for e in known], any(e.lower_bound for e in known)
    return replace(
        known[0],
        value=float(np.mean([e.value for e in known])),
        error=math.nan if bound else spread if between else within,
        method=f"mean of {n} replicas, error {'between' if between else 'within'} them; each: {known[0].method}",
        n_independent=samples,
        converged=all(e.converged for e in known),
        note="; ".join(dict.fromkeys(e.note for e in known if e.note)),
        drift=sum(drifts) / math.sqrt(n),
        lower_bound=bound,
        origin=_together([e.origin for e in known if e.origin]),
        behind=tuple(curve for e in known for curve in e.behind),
    )


def _together(origins: Sequence[Origin]) -> Origin | None:
    """Origin of what several runs gave: their frames and times added up."""
    if not origins:
        return None
    return replace(
        origins[0],
        source=", ".join(dict.fromkeys(made.source for made in origins)),
        frames=sum(made.frames for made in origins),
        length=sum(made.length for made in origins),
    )


def difference(first: Estimate, second: Estimate) -> Difference:
    """Difference and ratio of two independent estimates; of a lower bound neither is known."""
    bound = first.lower_bound or second.lower_bound
    error = math.hypot(first.error, second.error)
    freedom = _freedom([(first.error, first.n_independent), (second.error, second.n_independent)])
    factor = math.nan
    if error > 0 and freedom > 0:
        factor = float(stats.norm.ppf(0.5 + CONFIDENCE / 2))
        factor = factor if math.isinf(freedom) else float(stats.t.ppf(0.5 + CONFIDENCE / 2, freedom))
    value = math.nan if bound else first.value - second.value
    ratio = first.value / second.value if second.value and not bound else math.nan
    return Difference(
        first.quantity,
        first.of,
        first.unit,
        value,
        error,
        value - factor * error,
        value + factor * error,
        freedom,
        factor,
        ratio,
        *_fieller(first, second, factor),
        converged=first.converged and second.converged,
    )


def _freedom(terms: Sequence[tuple[float, float]]) -> float:
    """Degrees of freedom of a sum of independent terms, each with its error and its number of samples.

    Infinite where no number of samples is known; zero where one of them is no more than one.
    """
    known = [(error, n) for error, n in terms if not math.isnan(n) and error > 0]
    if any(n <= 1 for _, n in known):
        return 0.0
    total = sum(error**2 for error, _ in terms) ** 2
    return total / sum(error**4 / (n - 1) for error, n in known) if known else math.inf


def _fieller(first: Estimate, second: Estimate, factor: float) -> tuple[float, float]:
    """Interval of a ratio; NaN where the denominator does not differ from zero."""
    a, b = first.value, second.value
    reach = factor * second.error
    if math.isnan(factor) or math.isnan(a) or not abs(b) > reach:
        return math.nan, math.nan
    scale = b**2 - reach**2
    middle = a * b / scale
    half = factor * math.sqrt(max(a**2 * second.error**2 + first.error**2 * scale, 0.0)) / scale
    return middle - half, middle + half
