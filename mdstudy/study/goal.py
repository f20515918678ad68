"""What a run is continued for: a quantity, of what, and the relative error at which it is known well enough."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mdstudy.analysis.thermodynamics import QUANTITIES
from mdstudy.base.convergence import percent
from mdstudy.base.errors import RunError, SpecError, did_you_mean
from mdstudy.base.results import Estimate
from mdstudy.observables import vocabulary
from mdstudy.study.differences import pool

#: Words of the trade for quantities of longer names.
SHORT = {
    "conductivity": "ionic_conductivity",
    "diffusion": "self_diffusion",
    "coordination": "coordination_number",
    "transference_number": "transference_number_blocked",
}
_PERCENT = re.compile(r"^(?P<words>.*?)\s+(?P<percent>\d+(?:\.\d+)?)\s*%$")


@dataclass(frozen=True)
class Goal:
    """A quantity that must be converged with at most this relative standard error.

    Attributes
    ----------
    quantity : str
    of : str or None
        Of what; None: of all that there is.
    target : float
        Relative standard error.
    """

    quantity: str
    of: str | None
    target: float

    def __str__(self) -> str:
        return f"{self.quantity}{f' of {self.of}' if self.of else ''} {percent(self.target)}"

    def pooled(self, replicas: Sequence[Iterable[Estimate]]) -> list[Estimate]:
        """What the goal is about, over all replicas.

        Parameters
        ----------
        replicas : sequence of iterables of Estimate
            What each gave.

        Raises
        ------
        RunError
            None of them gave it.
        """
        mine = [e for run in replicas for e in run if e.quantity == self.quantity]
        chosen = [e for e in mine if self.of in (None, e.of)]
        if not chosen:
            hint = did_you_mean(self.of or "", {e.of for e in mine}) if mine else " These runs give no such number."
            raise RunError(f'until "{self}": nothing of that kind.{hint}')
        return [pool([e for e in chosen if e.of == of]) for of in dict.fromkeys(e.of for e in chosen)]

    def reached(self, estimates: Iterable[Estimate]) -> bool:
        """Whether all of these are known well enough."""
        return all(estimate.convergence(self.target).reached for estimate in estimates)

    def more(self, estimates: Iterable[Estimate]) -> float:
        """Longest further time that any of these needs, ps in all replicas together; NaN where none is known."""
        known = [more for e in estimates if not math.isnan(more := e.convergence(self.target).more)]
        return max(known, default=math.nan)


def parse_goal(text: str) -> Goal:
    """Read ``"conductivity 10 %"``, ``"self-diffusion of Li 5 %"`` or ``"density"``.

    The percentage is that of the quantity where it is left out.

    Raises
    ------
    SpecError
        No such quantity, or a percentage that is none.
    """
    found = _PERCENT.match(text.strip())
    if found is None and "%" in text:
        raise SpecError(f'until "{text}": the target is a percentage at the end, such as "conductivity 10 %"')
    words, _, of = (found["words"] if found else text).strip().partition(" of ")
    name = re.sub(r"[\s-]+", "_", words.strip())
    name = SHORT.get(name, name)
    targets = {q.name: q.target for q in [*vocabulary().values(), *QUANTITIES]}
    if name not in targets:
        raise SpecError(f'until "{text}": no quantity "{name}".{did_you_mean(name, targets)}')
    target = float(found["percent"]) / 100 if found else targets[name]
    if not 0 < target < 1:
        raise SpecError(f'until "{text}": the target must lie between 0 and 100 %')
    return Goal(name, of.strip() or None, target)
