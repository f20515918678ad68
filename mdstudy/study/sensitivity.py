"""Which conclusions outlive a change of model: of the force field, or of the scale of the ionic charges."""

from __future__ import annotations

from dataclasses import dataclass

from mdstudy.study.compare import Case, Comparison
from mdstudy.study.differences import Difference
from mdstudy.study.tables import Table, estimate_text, summary_rows

Model = tuple[str, float]
Setting = tuple[str, str, float, str, int]


@dataclass(frozen=True)
class Conclusion:
    """How a quantity of one system compares with that of another, model by model.

    Attributes
    ----------
    quantity, of : str
    pair : str
        The systems, first against second.
    higher, lower, undecided : tuple of str
        Models under which the first is higher, is lower, or under which neither can be said: the interval holds zero,
        or a number is not converged or not known.
    """

    quantity: str
    of: str
    pair: str
    higher: tuple[str, ...]
    lower: tuple[str, ...]
    undecided: tuple[str, ...]

    @property
    def verdict(self) -> str:
        """What may be said."""
        if self.higher and self.lower:
            return "does not survive: the sign depends on the model"
        decided, word = (self.higher, "higher") if self.higher else (self.lower, "lower")
        if not decided:
            return "open: no model decides"
        total = len(decided) + len(self.undecided)
        if self.undecided:
            return f"{word} where decided: {len(decided)} of {total} models"
        return f"survives: {word} under all {total} models"


def model(case: Case) -> Model:
    """Force field and charge scale of a case."""
    return case.first.force_field, case.first.charge_scale


def setting(case: Case) -> Setting:
    """System, variant, temperature, protocol and number of atoms of a case: all but its model."""
    run = case.first
    return run.system, run.composition.variant, run.temperature, run.protocol, run.composition.atoms


def models(comparison: Comparison) -> dict[Model, str]:
    """Models of the cases in order, with labels that say what varies."""
    found = list(dict.fromkeys(map(model, comparison.cases)))
    fields, scales = ({m[k] for m in found} for k in (0, 1))
    words = {m: [m[0]] if len(fields) > 1 else [] for m in found}
    return {m: " ".join([*words[m], *([f"x {m[1]:g}"] if len(scales) > 1 or not words[m] else [])]) for m in found}


def conclusions(comparison: Comparison, summary: bool = True) -> list[Conclusion]:
    """Conclusion on each quantity from each pair of systems that is compared under several models.

    Parameters
    ----------
    comparison : Comparison
    summary : bool
        Only what opens a report (:data:`mdstudy.study.tables.SUMMARY`), or everything.
    """
    labels, places = models(comparison), _labels(comparison)
    found = []
    for row in summary_rows(comparison, summary):
        groups: dict[str, dict[str, Difference | None]] = {}
        for (i, j), difference in zip(comparison.pairs, row.differences, strict=True):
            a, b = comparison.cases[i], comparison.cases[j]
            if model(a) == model(b):
                pair = f"{places[setting(a)]} against {places[setting(b)]}"
                groups.setdefault(pair, {})[labels[model(a)]] = difference
        for pair, by_model in groups.items():
            signs = {name: 0 if d is None else d.sign for name, d in by_model.items()}
            higher, lower, undecided = (tuple(n for n, s in signs.items() if s == sign) for sign in (1, -1, 0))
            if len(by_model) > 1 and any(d is not None for d in by_model.values()):
                found.append(Conclusion(row.quantity, row.of, pair, higher, lower, undecided))
    return found


def conclusion_table(comparison: Comparison, summary: bool = True) -> Table:
    """Header and rows: which differences survive; see :func:`conclusions`."""
    rows = [
        [c.quantity.replace("_", " "), c.of, c.pair, *map(_listed, (c.higher, c.lower, c.undecided)), c.verdict]
        for c in conclusions(comparison, summary)
    ]
    return ["quantity", "of", "systems", "higher under", "lower under", "undecided under", "conclusion"], rows


def sensitivity_table(comparison: Comparison, summary: bool = True) -> Table:
    """Header and rows: each quantity of each system under every model.

    Parameters
    ----------
    comparison : Comparison
    summary : bool
        As in :func:`conclusions`.
    """
    labels, places = models(comparison), _labels(comparison)
    index = {(setting(case), model(case)): k for k, case in enumerate(comparison.cases)}
    rows = []
    for row in summary_rows(comparison, summary):
        for place, name in places.items():
            cells = [row.simulated[index[place, m]] if (place, m) in index else None for m in labels]
            if any(cells):
                rows.append([row.quantity.replace("_", " "), row.of, name, *map(estimate_text, cells)])
    return ["quantity", "of", "system", *labels.values()], rows


def _labels(comparison: Comparison) -> dict[Setting, str]:
    """Settings of the cases in order, with labels that say what varies."""
    found = list(dict.fromkeys(map(setting, comparison.cases)))
    variants = {system: {other[1] for other in found if other[0] == system} for system, *_ in found}
    temperatures, protocols = ({one[k] for one in found} for k in (2, 3))
    sizes = len({one[:-1] for one in found}) < len(found)
    return {
        one: " ".join(
            [
                one[0],
                *([one[1]] if len(variants[one[0]]) > 1 else []),
                *([f"{one[2]:g} K"] if len(temperatures) > 1 else []),
                *([one[3]] if len(protocols) > 1 else []),
                *([f"{one[4]} atoms"] if sizes else []),
            ]
        )
        for one in found
    }


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(names) or "–"
