"""Clusters of ions: how large they are, what charge they have, and whether one spans the periodic box."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.frames import Sites, Tallied, Tally
from mdstudy.analysis.shells import FirstShell, Shells, Values
from mdstudy.base.graphs import connect
from mdstudy.base.results import Curve, Measurement, Quantity
from mdstudy.base.statistics import mean_and_error

DIRECTIONS = ("a", "b", "c")
#: Ions whose clusters are found at once: bounds the memory.
_CHUNK = 250_000


@dataclass(frozen=True)
class IonClusters:
    """Clusters of cations and anions that touch each other, as the connected parts of the graph of their contacts.

    The weight average of the size is sum s^2 n_s / sum s n_s with n_s the number of clusters of s ions: the size of the
    cluster that an ion chosen at random is in (Stauffer and Aharony, Introduction to Percolation Theory, 2nd ed., doi
    10.1201/9781315274386). Clusters of lithium salts and their net charge: Molinari, Mailoa and Kozinsky, Chem. Mater.
    30, 6298 (2018), doi 10.1021/acs.chemmater.8b01955. A cluster percolates along a vector of the box when a walk along
    contacts leads from an ion to its own image one or more boxes away in that direction (Machta et al., Phys. Rev. E
    54, 1332 (1996), doi 10.1103/PhysRevE.54.1332); its size is then that of the box and not a property of the liquid.
    Near percolation all sizes depend on the size of the box.

    Solvent and polymer join no ions here. Contacts are within the first minimum of the radial distribution function; a
    bond graph is sensitive to it, so that each number comes with its values for a narrower and a wider cutoff.

    Attributes
    ----------
    shell : FirstShell
        The cation, the donors of all species, of which those of the anion join ions, and what counts as touching.
    anion : str
        Species that joins cations.
    """

    shell: FirstShell
    anion: str = "FSI"

    name: ClassVar[str] = "ion_clusters"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("cluster_size", "1", "Number of ions in the cluster of an ion chosen at random (weight average)."),
        Quantity("largest_cluster_share", "1", "Share of all these ions that are in the largest cluster."),
        Quantity("percolation_probability", "1", "Share of frames in which a cluster spans the box in a direction."),
        Quantity("cluster_size_distribution", "1", "Share of ions that are in clusters of a size."),
        Quantity("cluster_charge_distribution", "1", "Share of clusters, single ions among them, with a net charge."),
    )

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Contacts, the histogram that gives the cutoffs, and the centres for the verdict."""
        return self.shell.tallies(sites)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Find clusters frame by frame."""
        pair = f"{self.shell.reference}-{self.anion}"

        def read(some: Shells) -> Values:
            found = Clusters.find(some, self.anion)
            values = {
                ("cluster_size", pair): found.weight_average(),
                ("largest_cluster_share", pair): found.largest() / found.n_nodes,
            }
            spanning = found.percolates.T.astype(float)
            return values | {
                ("percolation_probability", f"{pair}, along {name}"): along
                for name, along in zip(DIRECTIONS, spanning, strict=True)
            }

        found = Clusters.find(self.shell.shells(tallied, sites), self.anion)
        curves = [_curve("cluster_size_distribution", pair, "size", "1", found.sizes())]
        charges = [sites.formal_charge.get(name) for name in (self.shell.reference, self.anion)]
        if charges[0] is not None and charges[1] is not None:
            distribution = found.charges(charges[0], charges[1])
            curves.append(_curve("cluster_charge_distribution", pair, "net charge", "1", distribution))
        return Measurement(self.name, tuple(self.shell.averages(tallied, sites, read)), tuple(curves))


def _curve(quantity: str, of: str, x_name: str, x_unit: str, shares: dict[int, NDArray[np.float64]]) -> Curve:
    """Averages over frames of shares, with their errors; not known where a share never changes."""
    mean, error = np.array([mean_and_error(share)[:2] for share in shares.values()]).reshape(-1, 2).T
    error = np.where(error > 1e-12 * mean, error, np.nan)
    return Curve(quantity, of, np.array(list(shares), dtype=float), mean, error, x_name, x_unit, "1")


@dataclass(frozen=True, eq=False)
class Clusters:
    """Clusters of all frames.

    Attributes
    ----------
    n_frames, n_nodes : int
        Frames, and ions in each.
    frame, cations, anions : (n_clusters,) int arrays
        Frame of each cluster and its ions.
    percolates : (n_frames, 3) bool array
        Whether any cluster spans the box along each of its vectors.
    """

    n_frames: int
    n_nodes: int
    frame: NDArray[np.intp]
    cations: NDArray[np.intp]
    anions: NDArray[np.intp]
    percolates: NDArray[np.bool_]

    @staticmethod
    def find(shells: Shells, anion: str) -> Clusters:
        """Connected parts of the graph of cations and molecules of the anion that touch."""
        k = shells.species.index(anion)
        n_nodes = shells.n_ions + len(shells.molecules[k])
        edges = shells.kind == k
        frame, cation, shift = (array[edges].astype(np.intp) for array in (shells.frame, shells.ion, shells.image))
        partner = shells.n_ions + np.searchsorted(shells.molecules[k], shells.molecule[edges])
        frames, cations, anions = [], [], []
        percolates = np.zeros((shells.n_frames, 3), dtype=bool)
        for first, last in _chunks(shells.n_frames, n_nodes):
            low, high = np.searchsorted(frame, [first, last])
            base = (frame[low:high] - first) * n_nodes
            i, j = base + cation[low:high], base + partner[low:high]
            parts = connect(i, j, shift[low:high], (last - first) * n_nodes)
            is_cation = np.tile(np.arange(n_nodes) < shells.n_ions, last - first)
            of = np.zeros(parts.number, dtype=np.intp)
            of[parts.label] = first + np.arange(len(parts.label)) // n_nodes
            frames.append(of)
            cations.append(np.bincount(parts.label[is_cation], minlength=parts.number))
            anions.append(np.bincount(parts.label[~is_cation], minlength=parts.number))
            for axis in range(3):
                percolates[frame[low:high][parts.winding[:, axis] != 0], axis] = True
        where, cations_in, anions_in = (np.concatenate(parts) for parts in (frames, cations, anions))
        return Clusters(shells.n_frames, n_nodes, where, cations_in, anions_in, percolates)

    def weight_average(self) -> NDArray[np.float64]:
        """Size of the cluster that an ion is in, averaged over ions, (n_frames,) float array."""
        squares = (self.cations + self.anions) ** 2
        return np.bincount(self.frame, weights=squares, minlength=self.n_frames) / self.n_nodes

    def largest(self) -> NDArray[np.intp]:
        """Ions in the largest cluster of each frame."""
        most = np.zeros(self.n_frames, dtype=np.intp)
        np.maximum.at(most, self.frame, self.cations + self.anions)
        return most

    def sizes(self) -> dict[int, NDArray[np.float64]]:
        """Share of ions in clusters of each size that occurs, frame by frame."""
        size = self.cations + self.anions
        return {
            int(s): np.bincount(self.frame[size == s], minlength=self.n_frames) * s / self.n_nodes
            for s in np.unique(size)
        }

    def charges(self, cation: int, anion: int) -> dict[int, NDArray[np.float64]]:
        """Share of clusters with each net charge (in e) that occurs, frame by frame."""
        charge = self.cations * cation + self.anions * anion
        number = np.bincount(self.frame, minlength=self.n_frames)
        return {
            int(z): np.bincount(self.frame[charge == z], minlength=self.n_frames) / number for z in np.unique(charge)
        }


def _chunks(n_frames: int, n_nodes: int) -> Iterator[tuple[int, int]]:
    step = max(1, _CHUNK // n_nodes)
    for first in range(0, n_frames, step):
        yield first, min(first + step, n_frames)
