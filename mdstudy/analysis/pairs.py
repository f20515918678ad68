"""Distances between two kinds of site: the tally, the distribution that it gives, and where its first shell ends."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d
from scipy.signal import find_peaks

from mdstudy.analysis.frames import Block, IndexArray, Sites, Sums, Tallied
from mdstudy.analysis.neighbours import histogram
from mdstudy.analysis.periodic import box_matrices, box_volumes
from mdstudy.base.errors import TrajectoryError

#: Width of the Gaussian that smooths g(r) before extrema are looked for, nm.
SMOOTHING = 0.006
#: A first peak rises at least this far above what surrounds it, in units of g.
PROMINENCE = 0.3
#: ... and this many standard errors of as many independent counts.
NOISE = 4.0
#: A first shell ends in a minimum below this share of the bulk, or below the other share of the peak before it.
DEPLETED, DIVIDED = 0.95, 0.25
#: The first minimum is the middle of where g is within this share of the peak from its lowest value.
FLAT = 0.01


@dataclass(frozen=True)
class PairHistogram:
    """Tally: distances from the atoms of one site to those of others, in other molecules.

    Attributes
    ----------
    reference : str
        Site at the centre.
    others : tuple of str
        Sites around it.
    r_max, width : float
        Range and bin width, nm.
    """

    reference: str
    others: tuple[str, ...]
    r_max: float = 1.2
    width: float = 0.004

    @property
    def edges(self) -> NDArray[np.float64]:
        """(n_bins + 1,) float array, nm."""
        return np.asarray(np.arange(round(self.r_max / self.width) + 1) * self.width, dtype=float)

    @property
    def middles(self) -> NDArray[np.float64]:
        """(n_bins,) float array, nm."""
        return np.asarray((self.edges[1:] + self.edges[:-1]) / 2)

    def __call__(self, block: Block, sites: Sites) -> Sums:
        """Count pairs by distance, and the pairs that an ideal gas of the same density would have a nm^3."""
        around = [sites.atoms(name) for name in self.others]
        return self.count(block.positions, block.boxes, sites.atoms(self.reference), around, sites.molecule_of)

    def count(
        self,
        positions: NDArray[np.float32],
        boxes: NDArray[np.float32],
        centre: IndexArray,
        around: Sequence[IndexArray],
        molecule_of: IndexArray,
    ) -> Sums:
        """Do as for a block, with atoms by their index.

        Parameters
        ----------
        positions : (n_frames, n_atoms, 3) float32 array, nm
        boxes : (n_frames, 6) float32 array, nm and degrees
        centre : (n,) int array
        around : sequence of int arrays
            One each of the other sites.
        molecule_of : (n_atoms,) int array

        Raises
        ------
        TrajectoryError
            No site around the reference has atoms, or a box is too small for the range.
        """
        if not around:
            raise TrajectoryError(f"{self.reference}: none of the sites that are looked for around it has atoms here")
        half = float(boxes[:, :3].min()) / 2
        if self.r_max > half:
            raise TrajectoryError(
                f"radial distribution up to {self.r_max} nm needs a box of {2 * self.r_max} nm; this has {2 * half:.2f}"
            )
        counts = histogram(
            positions,
            box_matrices(boxes).astype(np.float32),
            centre,
            np.concatenate(around),
            np.repeat(np.arange(len(around)), [len(group) for group in around]),
            molecule_of,
            self.r_max,
            (len(around), len(self.edges) - 1),
        )
        own = np.bincount(molecule_of[centre], minlength=int(molecule_of.max()) + 1)
        pairs = [len(centre) * len(group) - int(own[molecule_of[group]].sum()) for group in around]
        density = np.array(pairs, dtype=float) * float(np.sum(1 / box_volumes(boxes)))
        return Sums(len(positions), {"counts": counts.astype(float), "density": density})

    def distribution(self, total: Sums) -> NDArray[np.float64]:
        """g(r) of each site around the reference.

        Returns
        -------
        (n_others, n_bins) float array
        """
        ideal = self.ideal(total)
        return np.asarray(np.divide(total.arrays["counts"], ideal, out=np.zeros_like(ideal), where=ideal > 0))

    def ideal(self, total: Sums) -> NDArray[np.float64]:
        """Pairs that an ideal gas of the same density would have in each bin, (n_others, n_bins) float array."""
        return np.asarray(total.arrays["density"][:, None] * (4 / 3 * np.pi * np.diff(self.edges**3)))

    def coordination(self, total: Sums, n_reference: int) -> NDArray[np.float64]:
        """Running coordination number, at the outer edge of each bin.

        Returns
        -------
        (n_others, n_bins) float array
        """
        return np.asarray(np.cumsum(total.arrays["counts"], axis=1) / (total.n_frames * n_reference))


def first_shell(
    r: NDArray[np.float64], g: NDArray[np.float64], ideal: NDArray[np.float64] | None = None
) -> tuple[float, float, float]:
    """First peak and first minimum of a radial distribution function.

    g is smoothed by a Gaussian (:data:`SMOOTHING`). The first peak is the first maximum that stands out by
    :data:`PROMINENCE` and, where the number of pairs is known, by :data:`NOISE` standard errors of independent counts.
    The shell ends at the first minimum that is below the bulk (:data:`DEPLETED`) or far below the peak before it
    (:data:`DIVIDED`): a shell may have two peaks, and where g goes straight to one there is none, as nothing tells it
    from what is around it. The minimum is the middle of the flat bottom, so that it does not depend on the
    noise of empty bins.

    Parameters
    ----------
    r, g : (n,) float arrays
        Middles of bins, nm, and the distribution.
    ideal : (n,) float array, optional
        Pairs that an ideal gas would have in each bin; without them noise is not looked at.

    Returns
    -------
    peak, height, minimum : float
        nm, 1, nm; NaN where there is no such peak, and no such minimum.
    """
    width = SMOOTHING / (r[1] - r[0])
    smooth = gaussian_filter1d(g, width)
    noise = np.zeros_like(g)
    if ideal is not None:
        # The variance of a Poisson count is its mean, and smoothing weights squares by a Gaussian that is narrower.
        variance = np.divide(g, ideal, out=np.zeros_like(g), where=ideal > 0)
        noise = np.sqrt(gaussian_filter1d(variance, width / math.sqrt(2)) / (2 * math.sqrt(math.pi) * width))
    peaks, found = find_peaks(smooth, prominence=PROMINENCE)
    peaks = peaks[found["prominences"] > NOISE * noise[peaks]]
    if len(peaks) == 0:
        return math.nan, math.nan, math.nan
    first = int(peaks[0])
    for start, end in zip(peaks, [*peaks[1:], len(r)], strict=True):
        lowest = int(start + np.argmin(smooth[start:end]))
        depleted = smooth[lowest] < DEPLETED and smooth[lowest] + NOISE * noise[lowest] < 1
        if depleted or smooth[lowest] < DIVIDED * smooth[start]:
            flat = np.flatnonzero(smooth[start:end] > smooth[lowest] + FLAT * smooth[first]) + start
            left = int(flat[flat < lowest].max(initial=start - 1)) + 1
            right = int(flat[flat > lowest].min(initial=end)) - 1
            return float(r[first]), float(smooth[first]), float((r[left] + r[right]) / 2)
    return float(r[first]), float(smooth[first]), math.nan


def first_minima(tally: PairHistogram, tallied: Tallied) -> Mapping[str, float]:
    """First minimum of g(r) of each site around the reference, nm; NaN where there is no first shell."""

    def find() -> dict[str, float]:
        total = Sums.total(tallied.sums(tally))
        g, ideal = tally.distribution(total), tally.ideal(total)
        return {other: first_shell(tally.middles, g[k], ideal[k])[2] for k, other in enumerate(tally.others)}

    return tallied.once(("first minima", tally), find)
