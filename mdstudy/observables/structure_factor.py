"""Static structure factors as X-ray and neutron diffraction see them, and their partials by element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from operator import add
from typing import ClassVar
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.frames import Block, Sites, Sums, Tallied, Tally
from mdstudy.analysis.scattering import elements_of, form_factors, scattering_lengths
from mdstudy.base.results import Curve, Measurement, Quantity
from mdstudy.base.statistics import jackknife

#: Numbers in one product of phases: bounds the memory.
_CHUNK = 500_000


@dataclass(frozen=True)
class ScatteringAmplitudes:
    """Tally: products of the density waves of all pairs of elements, by the length of the wave vector.

    Only vectors that fit the periodic box are used, so that no window is needed and the smallest is 2 pi / L. Of each
    length some are drawn in each frame, others in the next: what is drawn depends on the time of the frame alone.

    Attributes
    ----------
    q_max, width : float
        Range and bin width, 1/nm.
    vectors : int
        Wave vectors drawn for each bin and frame, at most.
    seed : int
        Of the draw.
    every : int
        One frame in so many is used, chosen by its time alone: neighbouring frames tell little that is new.
    """

    q_max: float
    width: float
    vectors: int
    seed: int
    every: int = 1

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return round(self.q_max / self.width)

    def __call__(self, block: Block, sites: Sites) -> Sums:
        """Add up Re rho_a(q) rho_b(-q) of elements a and b, the lengths and the number of vectors."""
        elements = elements_of(sites.masses)
        order = np.argsort(elements, kind="stable")
        starts = np.unique(elements[order], return_index=True)[1]
        products = np.zeros((len(starts), len(starts), self.n_bins))
        lengths, numbers = np.zeros(self.n_bins), np.zeros(self.n_bins)
        for time, xyz, matrix in zip(block.times, block.positions, block.matrices, strict=True):
            if crc32(np.float64(time).tobytes()) % self.every:
                continue
            indices, q, bins = self._draw(float(time), matrix.astype(float))
            waves = _density_waves(xyz[order], matrix.astype(float), indices, starts)
            for a in range(len(starts)):
                for b in range(len(starts)):
                    real = (waves[a] * waves[b].conj()).real
                    products[a, b] += np.bincount(bins, weights=real, minlength=self.n_bins)
            lengths += np.bincount(bins, weights=q, minlength=self.n_bins)
            numbers += np.bincount(bins, minlength=self.n_bins)
        return Sums(block.n_frames, {"products": products, "lengths": lengths, "numbers": numbers})

    def _draw(
        self, time: float, matrix: NDArray[np.float64]
    ) -> tuple[NDArray[np.intp], NDArray[np.float64], NDArray[np.intp]]:
        """Indices of wave vectors of half the space (the other half is its complex conjugate), lengths and bins."""
        most = np.floor(self.q_max * np.linalg.norm(matrix, axis=1) / (2 * np.pi)).astype(int)
        axes = [np.arange(-n, n + 1) for n in most]
        axes[0] = axes[0][axes[0] >= 0]
        grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1).reshape(-1, 3)
        h, k, m = grid.T
        grid = grid[(h > 0) | (k > 0) | ((k == 0) & (m > 0))]
        q = np.linalg.norm(grid @ (2 * np.pi * np.linalg.inv(matrix).T), axis=1)
        grid, q = grid[q < self.q_max], q[q < self.q_max]
        bins = np.minimum((q / self.width).astype(np.intp), self.n_bins - 1)
        rng = np.random.default_rng([self.seed, round(time * 1000)])
        shuffled = rng.permutation(len(q))
        shuffled = shuffled[np.argsort(bins[shuffled], kind="stable")]
        rank = np.arange(len(q)) - np.searchsorted(bins[shuffled], bins[shuffled])
        chosen = shuffled[rank < self.vectors]
        return grid[chosen], q[chosen], bins[chosen]


def _density_waves(
    xyz: NDArray[np.float32], matrix: NDArray[np.float64], indices: NDArray[np.intp], starts: NDArray[np.intp]
) -> NDArray[np.complex128]:
    """Sum of exp(i q.r) over the atoms of each element, which follow each other, (n_elements, n_vectors)."""
    once = np.exp(2j * np.pi * (xyz.astype(float) @ np.linalg.inv(matrix) % 1.0)).T
    tables = [_powers(once[axis], int(np.abs(indices[:, axis]).max(initial=0))) for axis in range(3)]
    ends = [*starts[1:], len(xyz)]
    waves = np.empty((len(starts), len(indices)), dtype=np.complex128)
    step = max(1, _CHUNK // len(xyz))
    for first in range(0, len(indices), step):
        some = slice(first, first + step)
        terms = tables[0][indices[some, 0] + len(tables[0]) // 2]
        for table, index in zip(tables[1:], indices[some].T[1:], strict=True):
            terms *= table[index + len(table) // 2]
        for element, (start, end) in enumerate(zip(starts, ends, strict=True)):
            waves[element, some] = terms[:, start:end].sum(axis=1)
    return waves


def _powers(once: NDArray[np.complex128], n: int) -> NDArray[np.complex64]:
    """Powers -n to n of phases, (2 n + 1, n_atoms)."""
    table = np.empty((2 * n + 1, len(once)), dtype=np.complex64)
    table[n] = 1.0
    power = np.ones_like(once)
    for k in range(1, n + 1):
        power *= once
        table[n + k], table[n - k] = power, power.conj()
    return table


@dataclass(frozen=True)
class StructureFactor:
    """X-ray and neutron structure factors and the partial ones of all pairs of elements.

    With rho_a(q) = sum_j exp(i q.r_j) over the atoms of element a, c_a its share of all N atoms and w_a its scattering
    length (X-rays: form factor of the neutral atom), the Faber-Ziman functions (Faber and Ziman, Philos. Mag. 11, 153
    (1965), doi 10.1080/14786436508211931) are

        S_ab(q) = 1 + (<rho_a(q) rho_b(-q)> / N - c_a delta_ab) / (c_a c_b)
        S(q) = sum_ab c_a c_b w_a w_b S_ab(q) / (sum_a c_a w_a)^2

    Directly from the positions, on wave vectors that fit the periodic box: right down to 2 pi / L and free of the
    truncation of a Fourier transform of g(r), but costly at high q, so that `q_max` ends it where molecules turn into
    their intramolecular form. Form factors are of neutral atoms: wrong for Li+ by up to one electron of three below 20
    1/nm, where Li hardly scatters. X-ray results of polar hydrogen share this approximation. Errors are those of a
    jackknife over blocks, for each bin apart; neighbouring bins are independent, blocks of the trajectory may not be.
    Where the mean scattering length nearly vanishes (protonated liquids in a neutron beam) the normalised neutron S(q)
    diverges; deuterate.

    Attributes
    ----------
    q_max, width : float
        Range and bin width, 1/nm.
    vectors : int
        Wave vectors drawn for each bin and frame, at most.
    seed : int
        Of the draw.
    every : int
        One frame in so many is used, chosen by its time alone: neighbouring frames tell little that is new.
    """

    q_max: float = 20.0
    width: float = 0.5
    vectors: int = 4
    seed: int = 1
    every: int = 1

    name: ClassVar[str] = "structure_factor"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("structure_factor_xray", "1", "Total structure factor with X-ray form factors (Faber-Ziman)."),
        Quantity("structure_factor_neutron", "1", "Total structure factor with neutron lengths (Faber-Ziman)."),
        Quantity("partial_structure_factor", "1", "Structure factor of a pair of elements (Faber-Ziman)."),
    )

    @property
    def amplitudes(self) -> ScatteringAmplitudes:
        """The tally."""
        return ScatteringAmplitudes(self.q_max, self.width, self.vectors, self.seed, self.every)

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Products of density waves."""
        elements_of(sites.masses)
        return (self.amplitudes,)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Weigh and normalise."""
        parts = [part for part in tallied.sums(self.amplitudes) if part.arrays["numbers"].any()]
        if not parts:  # a short run of which no frame was chosen
            return Measurement(self.name)
        names, numbers = np.unique(elements_of(sites.masses), return_counts=True)
        share = numbers / numbers.sum()
        total = reduce(add, parts)
        seen = np.all([part.arrays["numbers"] > 0 for part in parts], axis=0)  # by every block
        q = total.arrays["lengths"][seen] / total.arrays["numbers"][seen]

        def partials(some: Sequence[Sums]) -> NDArray[np.float64]:
            arrays = reduce(add, some).arrays
            mean = arrays["products"][..., seen] / arrays["numbers"][seen] / numbers.sum()
            own = np.diag(share)[..., None]
            return np.asarray(1 + (mean - own) / np.outer(share, share)[..., None])

        def total_with(weights: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
            scaled = share[:, None] * weights / (share @ weights)
            return jackknife(parts, lambda some: np.einsum("aq,abq,bq->q", scaled, partials(some), scaled))

        def curve(quantity: str, of: str, pair: tuple[NDArray[np.float64], NDArray[np.float64]]) -> Curve:
            return Curve(quantity, of, q, *pair, "q", "1/nm", "1")

        lengths = np.repeat(scattering_lengths(names)[:, None], len(q), axis=1)
        curves = [
            curve("structure_factor_xray", "box", total_with(form_factors(names, q))),
            curve("structure_factor_neutron", "box", total_with(lengths)),
        ]
        value, error = jackknife(parts, partials)
        for a, first in enumerate(names):
            for b, second in enumerate(names[: a + 1]):
                pair = (value[a, b], error[a, b])
                curves.append(curve("partial_structure_factor", f"{second}-{first}", pair))
        return Measurement(self.name, (), tuple(curves))
