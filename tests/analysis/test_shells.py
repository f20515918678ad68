from __future__ import annotations

import math

import numpy as np
import pytest

from mdstudy.analysis.frames import Centres, Series, Sites, Sums, Tallied
from mdstudy.analysis.pairs import PairHistogram
from mdstudy.analysis.shells import Contacts, FirstShell, Shells

#: Two ions (molecules 0, 1), two anions of two oxygens (2, 3), one solvent molecule (4).
SITES = Sites(
    groups={
        "Li": np.array([0, 1]),
        "FSI.O": np.array([2, 3, 4, 5]),
        "TTE.O": np.array([6]),
        "TTE": np.array([6]),
        "FSI": np.arange(2, 6),
    },
    molecule_of=np.array([0, 1, 2, 2, 3, 3, 4]),
    species={"Li": np.array([0, 1]), "FSI": np.array([2, 3]), "TTE": np.array([4])},
    masses=np.ones(7),
    formal_charge={"Li": 1, "FSI": -1, "TTE": 0},
)
LISTED = Contacts("Li", ("FSI.O", "TTE.O"))
#: Frame, ion, donor (0-3: oxygens of the anions, 4: of the solvent), distance.
ROWS = [
    (0, 0, 0, 0.20), (0, 0, 1, 0.25), (0, 0, 2, 0.21),  # ion 0: anion 2 by both oxygens, anion 3 by one
    (0, 1, 0, 0.22), (0, 1, 4, 0.33),                   # ion 1: anion 2, and the solvent beyond 0.3
    (1, 0, 0, 0.29),                                    # ion 0: anion 2, near the edge; ion 1 nothing
    (2, 0, 2, 0.20), (2, 1, 3, 0.20),                   # anion 3 bridges both
]  # fmt: skip


def shells(fsi: float = 0.3, tte: float = 0.3) -> Shells:
    frame, ion, donor, distance = (np.array(column) for column in zip(*ROWS, strict=True))
    series = Series(
        np.arange(3.0),
        {
            "count": np.bincount(frame, minlength=3),
            "reference": ion,
            "donor": donor,
            "distance": distance,
            "image": np.stack([frame, ion, donor], axis=1),
        },
    )
    return Shells.from_contacts(series, LISTED, {"FSI.O": fsi, "TTE.O": tte}, SITES)


def test_contacts_are_gathered_into_molecules_and_counted_by_ion() -> None:
    np.testing.assert_array_equal(
        shells().counts(), [[[2, 0], [1, 0]], [[1, 0], [0, 0]], [[1, 0], [1, 0]]]
    )  # frame, ion, (FSI, TTE)


def test_atoms_that_touch_are_counted_for_each_ion_and_molecule() -> None:
    found = shells()
    rows = zip(found.frame.tolist(), found.ion.tolist(), found.molecule.tolist(), found.atoms.tolist(), strict=True)
    assert sorted(rows) == [(0, 0, 2, 2), (0, 0, 3, 1), (0, 1, 2, 1), (1, 0, 2, 1), (2, 0, 3, 1), (2, 1, 3, 1)]
    np.testing.assert_array_equal(found.per_frame(found.atoms > 1), [1, 0, 0])


def test_ions_are_counted_for_each_molecule_also_for_those_that_touch_none() -> None:
    np.testing.assert_array_equal(shells().ions_of("FSI"), [[2, 1], [1, 0], [0, 2]])
    np.testing.assert_array_equal(shells().ions_of("TTE"), [[0], [0], [0]])
    assert shells().species == ("FSI", "TTE")


def test_each_donor_has_its_own_cutoff() -> None:
    np.testing.assert_array_equal(shells(tte=0.35).ions_of("TTE"), [[1], [0], [0]])
    np.testing.assert_array_equal(shells(fsi=0.28).ions_of("FSI"), [[2, 1], [0, 0], [0, 2]])
    assert len(shells(fsi=0.1, tte=0.1).frame) == 0


def test_survival_is_the_share_of_pairs_of_the_first_frame_that_are_there_in_the_last() -> None:
    assert shells().survival() == pytest.approx(1 / 3)  # of (0, 2), (0, 3), (1, 2) only (0, 3)
    assert math.isnan(shells(fsi=0.1, tte=0.1).survival())


def test_the_image_of_a_molecule_is_that_of_its_contact() -> None:
    found = shells()
    np.testing.assert_array_equal(found.image[:, 0], found.frame)
    np.testing.assert_array_equal(found.image[:, 1], found.ion)


def tallied(peak: dict[str, float]) -> Tallied:
    """Histograms with a peak of each donor, nothing for 0.08 nm beyond it, and one beyond; no contacts."""
    tally = PairHistogram("Li", ("FSI.O", "TTE.O"))
    r = tally.middles
    g = np.stack([
        10 * np.exp(-(((r - peak[name]) / 0.01) ** 2)) + (r > peak[name] + 0.1) if name in peak else np.ones_like(r)
        for name in tally.others
    ])  # fmt: skip
    pairs = np.array([8.0, 2.0])
    counts = g * pairs[:, None] * 1e4 * 4 / 3 * np.pi * np.diff(tally.edges**3)
    empty = Series(
        np.arange(3.0),
        {name: np.zeros(3 if name == "count" else 0, dtype=int) for name in ("count", "reference", "donor", "distance")}
        | {"image": np.zeros((0, 3), dtype=int)},
    )
    centres = Series(np.arange(3.0), {"centres": np.zeros((3, 5, 3)), "volume": np.ones(3)})
    parts = {tally: [Sums(3, {"counts": counts, "density": pairs * 1e4})], Contacts("Li", tally.others): [empty]}
    return Tallied({**parts, Centres(): [centres]})


SHELL = FirstShell("Li", ("FSI.O", "TTE.O", "PMMA.O_ester"), ("FSI.O", "TTE.O"))


def test_cutoffs_are_the_first_minima_and_the_widest_of_the_others_where_there_is_none() -> None:
    both = SHELL.cutoffs(tallied({"FSI.O": 0.2, "TTE.O": 0.22}), SITES)
    assert both.keys() == {"FSI.O", "TTE.O"}
    assert 0.24 < both["FSI.O"] < 0.28
    assert both["TTE.O"] == pytest.approx(both["FSI.O"] + 0.02, abs=0.0081)
    one = SHELL.cutoffs(tallied({"FSI.O": 0.2}), SITES)
    assert one["TTE.O"] == one["FSI.O"]


def test_a_minimum_beyond_the_reach_of_the_contacts_is_no_cutoff() -> None:
    far = SHELL.cutoffs(tallied({"FSI.O": 0.2, "TTE.O": 0.6}), SITES)
    assert far["TTE.O"] == far["FSI.O"] < 0.3


def test_averages_state_the_values_for_a_narrower_and_a_wider_cutoff() -> None:
    """With 0.3 +- 0.02 nm one contact of frame 1, at 0.29, comes and goes."""
    listed = tallied({"FSI.O": 0.24})
    frame, ion, donor, distance = (np.array(column) for column in zip(*ROWS, strict=True))
    series = Series(
        np.arange(3.0),
        {"count": np.bincount(frame, minlength=3), "reference": ion, "donor": donor, "distance": distance,
         "image": np.zeros((len(frame), 3), dtype=int)},
    )  # fmt: skip
    histogram = PairHistogram("Li", ("FSI.O", "TTE.O"))
    both = Tallied({histogram: listed.sums(histogram), LISTED: [series], Centres(): [listed.series(Centres())]})
    cutoff = SHELL.cutoffs(both, SITES)["FSI.O"]
    assert 0.292 < cutoff < 0.308

    def read(some: Shells) -> dict[tuple[str, str], np.ndarray]:
        return {("coordinating_molecules", "Li-FSI"): some.counts()[:, :, 0].mean(axis=1)}

    (estimate,) = SHELL.averages(both, SITES, read)
    assert estimate.value == pytest.approx((1.5 + 0.5 + 1) / 3)
    assert "0.833 to 1 for cutoffs -+ 0.02 nm" in estimate.note
    assert "FSI.O < 0.3" in estimate.method or "FSI.O < 0.29" in estimate.method


def test_without_any_first_shell_numbers_are_not_known_rather_than_nothing() -> None:
    none = tallied({})

    def read(some: Shells) -> dict[tuple[str, str], np.ndarray]:
        return {("coordinating_molecules", "Li-FSI"): some.counts()[:, :, 0].mean(axis=1)}

    (estimate,) = SHELL.averages(none, SITES, read)
    assert math.isnan(estimate.value)
    assert math.isnan(estimate.error)
    assert estimate.note.startswith("no donor has a first shell within 0.4 nm of Li")
