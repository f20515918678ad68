"""How long clusters of ions stay what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.binding import MARGIN, bound_pairs, lifetime_estimate
from mdstudy.analysis.frames import Centres, Sites, Tallied, Tally
from mdstudy.analysis.lifetimes import residence
from mdstudy.analysis.mobility import even_interval
from mdstudy.analysis.shells import FirstShell
from mdstudy.base.graphs import connect
from mdstudy.base.results import Estimate, Measurement, Quantity

#: Classes of clusters by their number of ions: name, least and most.
SIZES = (("2 ions", 2, 2), ("3 to 10 ions", 3, 10), ("more than 10 ions", 11, 2**31))
_CHUNK = 250_000  # ions of all frames whose clusters are found at once
_STRIDE = np.array([0x9E3779B97F4A7C15], dtype=np.uint64)  # between the same cluster in successive frames


@dataclass(frozen=True)
class ClusterLifetime:
    """Mean lifetime of the clusters of cations and anions, by their size.

    A cluster is a connected part, of two ions or more, of the graph of bound cations and anions. It lives as long as
    the set of its ions stays the same, whatever bonds open and close within it; an ion that joins or leaves ends it,
    and so does a merger. Pairs are bound in the stable-states picture (:mod:`mdstudy.analysis.binding`), so that a
    crossing of the first minimum back and forth ends nothing. The lifetime is the time for which clusters were followed
    over the number that were seen to end, which no cluster that outlives the run biases (Impey, Madden and McDonald, J.
    Phys. Chem. 87, 5071 (1983), doi 10.1021/j150643a008, for single contacts); where none ended, it is the lower bound
    at 95 % confidence.

    A cluster of many ions has many ways to change: the lifetime falls as one over the size, and that of a cluster which
    percolates is a property of the box. Compare classes of one size.

    Attributes
    ----------
    shell : FirstShell
        The cation, the donors of all species, of which those of the anion join ions, and what counts as touching.
    anion : str
        Species that joins cations.
    """

    shell: FirstShell
    anion: str = "FSI"

    name: ClassVar[str] = "cluster_lifetime"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("cluster_lifetime", "ns", "Mean time for which a cluster consists of the same ions."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Contacts, the histogram that gives the cutoffs, and the centres."""
        return self.shell.tallies(sites)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Follow clusters from frame to frame."""
        interval = even_interval(tallied.series(Centres())) / 1000  # ns
        near, far = self.shell.shells(tallied, sites), self.shell.pairs(tallied, sites, MARGIN)
        kind = near.species.index(self.anion)
        frame, cation, molecule = bound_pairs(near, far, kind)
        anion = np.searchsorted(near.molecules[kind], molecule)
        at_risk, ended = cluster_losses(frame, cation, anion, near.n_frames, (near.n_ions, len(near.molecules[kind])))
        method = f"{self.shell.method(tallied, sites)}; left {MARGIN} nm beyond; the set of ions stays the same"
        unknown = self.shell.unknown(tallied, sites)
        made = []
        for (name, _, _), risk, end in zip(SIZES, at_risk, ended, strict=True):
            of = f"{self.shell.reference}-{self.anion}, {name}"
            if unknown:
                made.append(Estimate("cluster_lifetime", of, np.nan, np.nan, "ns", method, note="; ".join(unknown)))
            else:
                found = residence(risk, end) if risk else None
                made.append(lifetime_estimate("cluster_lifetime", of, found, interval, method, "cluster"))
        return Measurement(self.name, tuple(made))


def cluster_losses(
    frame: NDArray[np.integer],
    cation: NDArray[np.integer],
    anion: NDArray[np.integer],
    n_frames: int,
    numbers: Sequence[int],
) -> tuple[list[int], list[int]]:
    """Clusters of each class that could be followed to the next frame, and those of them that were not there again.

    Parameters
    ----------
    frame, cation, anion : (n,) int arrays
        Bound pairs, in order of frames.
    n_frames : int
    numbers : (int, int)
        Cations and anions.

    Returns
    -------
    at_risk, ended : list of int
        One of :data:`SIZES` each.
    """
    n_nodes = sum(numbers)
    # A set of ions is known by the sum of 64-bit random numbers: two different ones agree once in 2^64.
    mark = np.random.default_rng(0).integers(0, 2**64, n_nodes, dtype=np.uint64)
    at_risk, ended = [0] * len(SIZES), [0] * len(SIZES)
    step = max(2, _CHUNK // n_nodes)
    for first in range(0, n_frames - 1, step - 1):  # the last frame of a chunk is the first of the next
        last = min(first + step, n_frames)
        low, high = np.searchsorted(frame, [first, last])
        base = (frame[low:high].astype(np.intp) - first) * n_nodes
        edges = base + cation[low:high], base + numbers[0] + anion[low:high]
        parts = connect(*edges, np.zeros((high - low, 3), dtype=np.intp), (last - first) * n_nodes)
        size = np.bincount(parts.label, minlength=parts.number)
        where = np.zeros(parts.number, dtype=np.intp)
        where[parts.label] = np.arange(len(parts.label)) // n_nodes
        name = np.zeros(parts.number, dtype=np.uint64)
        np.add.at(name, parts.label, np.tile(mark, last - first))
        key = name + where.astype(np.uint64) * _STRIDE
        again = np.isin(key + _STRIDE, key[size > 1])
        for k, (_, least, most) in enumerate(SIZES):
            chosen = (size >= least) & (size <= most) & (where < last - first - 1)
            at_risk[k] += int(chosen.sum())
            ended[k] += int((chosen & ~again).sum())
    return at_risk, ended
