"""Where the others are a time later: how long the surroundings of a molecule last, and who takes its place."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.displacement import LONGEST
from mdstudy.analysis.frames import Block, Series, Sites, Sums, Tallied, Tally
from mdstudy.analysis.mobility import even_interval
from mdstudy.analysis.pairs import PairHistogram
from mdstudy.analysis.periodic import box_matrices
from mdstudy.base.errors import TrajectoryError
from mdstudy.base.results import Curve, Measurement, Quantity
from mdstudy.base.statistics import jackknife

#: Frames that are kept, evenly spread over the run, at most: bounds the memory.
FRAMES = 1000
#: Time origins of a lag, at most, and groups of them for the jackknife.
ORIGINS, GROUPS = 100, 10
#: Lags where none are asked for, beside 0, as shares of the longest: those of the self part.
SHOWN = (0.01, 0.1, 1.0)


@dataclass(frozen=True)
class Snapshots:
    """Tally: places of atoms as stored, with the box and its drift, in :data:`FRAMES` frames at most.

    Attributes
    ----------
    names : tuple of str
        Sites.
    """

    names: tuple[str, ...]

    def atoms(self, sites: Sites) -> NDArray[np.intp]:
        """Atoms that are followed, those of each site after each other."""
        return np.concatenate([sites.atoms(name) for name in self.names])

    def __call__(self, block: Block, sites: Sites) -> Series:
        """Keep the places in every so many frames of the trajectory."""
        every = -(-block.total // FRAMES)
        kept = np.flatnonzero((block.first + np.arange(block.n_frames)) % every == 0)
        places = block.positions[np.ix_(kept, self.atoms(sites))]
        return Series(block.times[kept], {"places": places, "boxes": block.boxes[kept], "drift": block.drift[kept]})


@dataclass(frozen=True)
class DistinctVanHove:
    """Distinct part of the van Hove function of a site and those around it, over the mean density.

    G_d(r, t) = <sum over i, j in different molecules of delta(r - r_j(t) + r_i(0))> / N (van Hove, Phys. Rev. 95, 249
    (1954), doi 10.1103/PhysRev.95.249; Hansen and McDonald, Theory of Simple Liquids, 4th ed., chapter 7, doi
    10.1016/C2010-0-66723-X): the density of the others at time t around where a molecule was at time 0. What is given
    is G_d/rho, at t = 0 the radial distribution g(r), one where nothing is left of it. How the first peak falls says
    how long the surroundings of a place last, and for a site about itself the rise at r = 0 says that another has taken
    the place of one that left: a hop into a site that was occupied, not a drift of all.

    The box is that of the later frame, as is the density; the earlier place is carried along with the scaling of the
    box and with the drift of its centre of mass. Of a long run :data:`FRAMES` frames are looked at and of each lag
    :data:`ORIGINS` time origins, evenly spread. Errors are those of a jackknife over ten groups of consecutive origins,
    too small where neighbours have not exchanged within a tenth of the run.

    Attributes
    ----------
    reference : str
        Site whose place at time 0 is the centre.
    others : tuple of str
        Sites around it at time t; those with no atoms are left out. May hold the reference.
    r_max, width : float
        nm.
    times : tuple of float
        Times t, ps; without any 0 and three that the self part is shown for.
    """

    reference: str
    others: tuple[str, ...]
    r_max: float = 1.2
    width: float = 0.01
    times: tuple[float, ...] = ()

    name: ClassVar[str] = "van_hove_distinct"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("van_hove_distinct", "1", "Density of a site at a time around where another was, over its mean."),
    )

    def snapshots(self, sites: Sites) -> Snapshots:
        """The tally, with the sites that are there."""
        return Snapshots(tuple(dict.fromkeys((self.reference, *sites.present(self.others)))))

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Places of both kinds of atoms."""
        return (self.snapshots(sites),)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Count pairs of an earlier and a later place for each lag."""
        tally = self.snapshots(sites)
        series = tallied.series(tally)
        interval = even_interval(series)
        atoms = tally.atoms(sites)
        pairs = PairHistogram(self.reference, sites.present(self.others), self.r_max, self.width)
        curves = []
        for lag in self._lags(len(series.times), interval):
            origins = _spread(len(series.times) - lag)
            parts = [
                self._count(pairs, series, atoms, sites, some, lag)
                for some in np.array_split(origins, min(GROUPS, len(origins)))
            ]
            value, error = jackknife(parts, lambda some: pairs.distribution(Sums.total(some)))
            for k, other in enumerate(pairs.others):
                of = f"{self.reference}-{other} in {lag * interval:g} ps"
                known = np.where(error[k] > 0, error[k], math.nan)
                curves.append(Curve(self.quantities[0].name, of, pairs.middles, value[k], known, "r", "nm", "1"))
        return Measurement(self.name, (), tuple(curves))

    def _lags(self, n_frames: int, interval: float) -> list[int]:
        """Lags in frames that were kept."""
        if not self.times:
            longest = max(1, int(LONGEST * n_frames))
            return sorted({0, *(max(1, int(share * longest)) for share in SHOWN)})
        lags = [round(time / interval) for time in self.times]
        for time, lag in zip(self.times, lags, strict=True):
            if not (0 <= lag < n_frames and math.isclose(lag * interval, time, rel_tol=1e-3, abs_tol=1e-3 * interval)):
                raise TrajectoryError(
                    f"van Hove function in {time:g} ps: there are places every {interval:g} ps for "
                    f"{(n_frames - 1) * interval:g} ps; ask for multiples of the first up to the second"
                )
        return lags

    def _count(
        self,
        pairs: PairHistogram,
        series: Series,
        atoms: NDArray[np.intp],
        sites: Sites,
        origins: NDArray[np.intp],
        lag: int,
    ) -> Sums:
        """Pairs of places at some origins and a lag later, as of one frame that holds both."""
        places, boxes, drift = (series.arrays[name] for name in ("places", "boxes", "drift"))
        later = origins + lag
        n = len(sites.atoms(self.reference))
        before, after = box_matrices(boxes[origins]), box_matrices(boxes[later])
        inside = np.einsum("fni,fij->fnj", places[origins, :n].astype(float), np.linalg.inv(before))
        carried = np.einsum("fni,fij->fnj", inside + (drift[later] - drift[origins])[:, None], after)
        groups = [n + np.flatnonzero(np.isin(atoms, sites.atoms(name))) for name in pairs.others]
        return pairs.count(
            np.concatenate([carried.astype(np.float32), places[later]], axis=1),
            boxes[later],
            np.arange(n),
            groups,
            sites.molecule_of[np.concatenate([atoms[:n], atoms])],
        )


def _spread(n: int) -> NDArray[np.intp]:
    """Some of the numbers below n, all of them where they are few."""
    return np.unique(np.linspace(0, n - 1, min(n, ORIGINS)).round().astype(np.intp))
