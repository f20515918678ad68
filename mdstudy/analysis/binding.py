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
_CHUNK = 2**22  # pairs times frames in memory, and ...
_ROWS = 2**20  # ... contacts that are sorted at once


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
    groups = min(near.n_ions, 1 + (len(near.ion) + len(far.ion)) // _ROWS)
    step = max(1, _CHUNK // near.n_frames)
    for ions in np.array_split(np.arange(near.n_ions), groups):  # sorting the rows of all would take much memory
        rows = [_sorted_rows(shells, kind, ions, n_molecules) for shells in (near, far)]
        touching = np.unique(rows[0][0])
        for first in range(0, len(touching), step):
            some = touching[first : first + step]
            states = []
            for key, frame in rows:
                these = slice(*np.searchsorted(key, [some[0], some[-1] + 1]))
                place = np.searchsorted(some, key[these])
                of = some[place] == key[these]
                state = np.zeros((near.n_frames, len(some)), dtype=bool)
                state[frame[these][of], place[of]] = True
                states.append(state)
            yield some // n_molecules, some % n_molecules, states[0], states[1]


def _sorted_rows(
    shells: Shells, kind: int, ions: NDArray[np.intp], n_molecules: int
) -> tuple[NDArray[np.intp], NDArray[np.int32]]:
    """Pairs of these ions and molecules of a species, each as one number, with their frames, in order of the pairs."""
    rows = np.flatnonzero((shells.kind == kind) & (shells.ion >= ions[0]) & (shells.ion <= ions[-1]))
    key = shells.ion[rows].astype(np.intp) * n_molecules + shells.molecule[rows]
    order = np.argsort(key, kind="stable")
    return key[order], shells.frame[rows[order]]


def bound_pairs(near: Shells, far: Shells, kind: int) -> tuple[NDArray[np.integer], ...]:
    """Every bound pair of every frame, in order of frames; parameters of :func:`pair_states`.

    Returns
    -------
    frame, ion, molecule : (n,) int32 arrays
    """
    n_molecules = 1 + int(near.molecule.max(initial=0))
    found = [np.empty(0, dtype=np.int64)]  # a number each, which take less memory to sort than three
    for ions, molecules, inner, outer in pair_states(near, far, kind):
        frame, pair = np.nonzero(bound_states(inner, outer))
        found.append((frame * near.n_ions + ions[pair]) * n_molecules + molecules[pair])
    keys = np.concatenate(found)
    del found
    keys.sort()
    molecule = (keys % n_molecules).astype(np.int32)
    keys //= n_molecules
    ion = (keys % near.n_ions).astype(np.int32)
    keys //= near.n_ions
    return keys.astype(np.int32), ion, molecule


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
        text, least = f"{method}; none ended", found.time * interval
        return Estimate(quantity, of, least, math.nan, "ns", text, 0.0, False, note, lower_bound=True)
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
