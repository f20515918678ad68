"""Static structure factors as X-ray and neutron diffraction see them, and their partials by element."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.frames import Block, Sites, Sums, Tallied, Tally
from mdstudy.analysis.scattering import elements_of, form_factors, scattering_lengths
from mdstudy.analysis.waves import wave_products
from mdstudy.base.results import Curve, Measurement, Quantity
from mdstudy.base.statistics import jackknife


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
    """

    q_max: float
    width: float
    vectors: int
    seed: int

    @property
    def n_bins(self) -> int:
        """Number of bins."""
        return round(self.q_max / self.width)

    def __call__(self, block: Block, sites: Sites) -> Sums:
        """Add up Re rho_a(q) rho_b(-q) of elements a and b, the lengths and the number of vectors."""
        kind = np.unique(elements_of(sites.masses), return_inverse=True)[1]
        seeds = [np.random.SeedSequence([self.seed, round(1000 * t)]).generate_state(1)[0] for t in block.times]
        products, lengths, numbers = wave_products(
            block.positions,
            block.matrices,
            kind,
            np.array(seeds, dtype=np.int64),
            self.q_max,
            self.n_bins,
            self.vectors,
        )
        return Sums(block.n_frames, {"products": products, "lengths": lengths, "numbers": numbers})


@dataclass(frozen=True)
class StructureFactor:
    """X-ray and neutron structure factors and the partial ones of all pairs of elements.

    With rho_a(q) = sum_j exp(i q.r_j) over the atoms of element a, c_a its share of all N atoms and w_a its scattering
    length (X-rays: form factor of the neutral atom), the Faber-Ziman functions (Faber and Ziman, Philos. Mag. 11, 153
    (1965), doi 10.1080/14786436508211931) are

        S_ab(q) = 1 + (<rho_a(q) rho_b(-q)> / N - c_a delta_ab) / (c_a c_b)
        S(q) = sum_ab c_a c_b w_a w_b S_ab(q) / (sum_a c_a w_a)^2

    Directly from the positions, on wave vectors that fit the periodic box: right down to 2 pi / L and free of the
    truncation of a Fourier transform of g(r); `q_max` ends it where molecules turn into their intramolecular form. Form
    factors are of neutral atoms: wrong for Li+ by up to one electron of three below 20 1/nm, where Li hardly scatters.
    X-ray results of polar hydrogen share this approximation. Errors are those of a jackknife over blocks, for each bin
    apart; neighbouring bins are independent, blocks of the trajectory may not be. Where the mean scattering length
    nearly vanishes (protonated liquids in a neutron beam) the normalised neutron S(q) diverges; deuterate.

    Attributes
    ----------
    q_max, width : float
        Range and bin width, 1/nm.
    vectors : int
        Wave vectors drawn for each bin and frame, at most.
    seed : int
        Of the draw.
    """

    q_max: float = 20.0
    width: float = 0.5
    vectors: int = 4
    seed: int = 1

    name: ClassVar[str] = "structure_factor"
    quantities: ClassVar[tuple[Quantity, ...]] = (
        Quantity("structure_factor_xray", "1", "Total structure factor with X-ray form factors (Faber-Ziman)."),
        Quantity("structure_factor_neutron", "1", "Total structure factor with neutron lengths (Faber-Ziman)."),
        Quantity("partial_structure_factor", "1", "Structure factor of a pair of elements (Faber-Ziman)."),
    )

    @property
    def amplitudes(self) -> ScatteringAmplitudes:
        """The tally."""
        return ScatteringAmplitudes(self.q_max, self.width, self.vectors, self.seed)

    def tallies(self, sites: Sites) -> tuple[Tally, ...]:
        """Products of density waves."""
        elements_of(sites.masses)
        return (self.amplitudes,)

    def finish(self, tallied: Tallied, sites: Sites) -> Measurement:
        """Weigh and normalise."""
        parts = tallied.sums(self.amplitudes)
        names, numbers = np.unique(elements_of(sites.masses), return_counts=True)
        share = numbers / numbers.sum()
        total = Sums.total(parts)
        seen = np.all([part.arrays["numbers"] > 0 for part in parts], axis=0)  # by every block
        q = total.arrays["lengths"][seen] / total.arrays["numbers"][seen]

        def partials(some: Sequence[Sums]) -> NDArray[np.float64]:
            arrays = Sums.total(some).arrays
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
