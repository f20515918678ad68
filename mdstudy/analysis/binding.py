"""Which ion is bound to which molecule when, in the stable-states picture, and how a lifetime is told.

A pair becomes bound when it comes within the first minimum of g(r), and is free when all donor atoms of the molecule
are :data:`MARGIN` beyond it: crossings of the minimum back and forth do not count (Laage and Hynes, J. Phys. Chem. B
112, 7697 (2008), doi 10.1021/jp802033r).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.lifetimes import CONFIDENCE, Residence, bound_states
from mdstudy.analysis.mobility import LARGEST_ERROR
from mdstudy.analysis.shells import Shells
from mdstudy.base.results import Estimate

#: A molecule has left a shell when it is this far beyond the first minimum, nm.
MARGIN = 0.08
_CHUNK = 2**22  # pairs times frames in memory


def pair_states(
    near: Shells, far: Shells, kind: int
) -> Iterator[tuple[NDArray[np.intp], NDArray[np.intp], NDArray[np.bool_], NDArray[np.bool_]]]:
    """Pairs of an ion and a molecule of one species that ever touch, some at a time.

    Parameters
    ----------
    near, far : Shells
        Within the first minimum, and within :data:`MARGIN` beyond it.
    kind : int
        Place of the species in those of the shells.

    Yields
    ------
    ions, molecules : (n_pairs,) int arrays
        Number of the ion, index of the molecule.
    inner, outer : (n_frames, n_pairs) bool arrays
        Whether the pair is within the first minimum, and within the margin.
    """
    n_molecules = 1 + max(int(near.molecule.max(initial=0)), int(far.molecule.max(initial=0)))
    narrow = np.int32 if near.n_ions * n_molecules < 2**31 else np.int64
    sorted_rows = []
    for shells in (near, far):
        rows = shells.kind == kind
        key = shells.ion[rows].astype(narrow) * narrow(n_molecules) + shells.molecule[rows]
        order = np.argsort(key, kind="stable")
        sorted_rows.append((key[order], shells.frame[rows][order]))
    touching = np.unique(sorted_rows[0][0])
    step = max(1, _CHUNK // near.n_frames)
    for first in range(0, len(touching), step):
        some = touching[first : first + step]
        states = []
        for key, frame in sorted_rows:
            these = slice(*np.searchsorted(key, np.array([some[0], some[-1] + 1], dtype=key.dtype)))
            place = np.searchsorted(some, key[these])
            of = some[place] == key[these]
            state = np.zeros((near.n_frames, len(some)), dtype=bool)
            state[frame[these][of], place[of]] = True
            states.append(state)
        yield some // n_molecules, some % n_molecules, states[0], states[1]


def bound_pairs(near: Shells, far: Shells, kind: int) -> tuple[NDArray[np.integer], ...]:
    """Every bound pair of every frame, in order of frames; parameters of :func:`pair_states`.

    Returns
    -------
    frame, ion, molecule : (n,) int32 arrays
    """
    found: list[tuple[NDArray[np.int32], ...]] = [(np.empty(0, dtype=np.int32),) * 3]
    for ions, molecules, inner, outer in pair_states(near, far, kind):
        frame, pair = np.nonzero(bound_states(inner, outer))
        found.append(tuple(one.astype(np.int32) for one in (frame, ions[pair], molecules[pair])))
    frame, ion, molecule = (np.concatenate(parts) for parts in zip(*found, strict=True))
    order = np.argsort(frame, kind="stable")
    return frame[order], ion[order], molecule[order]


def lifetime_estimate(
    quantity: str, of: str, found: Residence | None, interval: float, method: str, what: str = "contact"
) -> Estimate:
    """A lifetime with its interval, a lower bound where none was seen to end, not a number where there was none.

    Parameters
    ----------
    quantity, of, method : str
    found : Residence or None
        None where there was nothing to follow.
    interval : float
        Time between frames, ns.
    what : str
        What lives and ends.
    """
    if found is None:
        text = f"{method}; no {what} in any frame"
        return Estimate(quantity, of, math.nan, math.nan, "ns", text, note=f"no {what} seen")
    share = f"{CONFIDENCE:.0%}"
    if found.bounded:
        note = f"lower bound at {share} confidence: no {what} ended during the run"
        return Estimate(quantity, of, found.time * interval, math.nan, "ns", f"{method}; none ended", 0.0, False, note)
    notes = [f"{share} interval {found.low * interval:.3g} to {found.high * interval:.3g} ns"]
    if found.error > LARGEST_ERROR * found.time:
        notes.append(f"only {found.ended} {what}s ended")
    if found.time < 2:
        notes.append("shorter than two frames: not resolved")
    return Estimate(
        quantity,
        of,
        found.time * interval,
        found.error * interval,
        "ns",
        f"{method}; {what} time over {what}s that ended",
        float(found.ended),
        len(notes) == 1,
        "; ".join(notes),
    )
