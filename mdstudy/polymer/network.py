"""What a polymerisation has made, in numbers: conversion, gel, chains, crosslinks, loops, mesh, percolation.

They are counts over the bonds of one box and do not fluctuate while it is simulated. Counts of a box are exact and have
no error of their own; how boxes differ, replicas tell. Means over chains or strands carry the standard error of a
sample of independent ones.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mdstudy.base.results import Curve, Estimate, Measurement, Quantity
from mdstudy.base.statistics import jackknife
from mdstudy.base.units import AVOGADRO
from mdstudy.polymer.strands import Active, between_crosslinks, cycle_rank
from mdstudy.polymer.units import Edges, Floats, Indices, Units

QUANTITIES = (
    Quantity("conversion", "1", "Share of the methacryloyl groups whose C=C has reacted."),
    Quantity("unreacted_share", "1", "Mass of molecules with no reacted group over that of all with such groups."),
    Quantity("crosslinker_share", "1", "Share of the crosslinkers with so many reacted ends."),
    Quantity("gel_fraction", "1", "Mass share of a part of the polymer in all molecules with a reacted group."),
    Quantity("network_percolation", "1", "1 where polymer is bonded to its own image along a vector of the box, or 0."),
    Quantity("chain_length", "1", "Units of a primary chain, crosslinks cut."),
    Quantity("dispersity", "1", "Mass average over number average of the length of primary chains."),
    Quantity("chain_length_distribution", "1", "Share of the primary chains that have so many units."),
    Quantity("strand_length", "1", "Chain bonds from one crosslinked unit to the next along a chain."),
    Quantity(
        "strand_length_distribution", "1", "Share of the strands between crosslinks that have so many chain bonds."
    ),
    Quantity("crosslink_functionality", "1", "Chain strands that leave a crosslink with two reacted ends."),
    Quantity("crosslink_functionality_distribution", "1", "Share of the crosslinks with so many chain strands."),
    Quantity("cycle_rank", "1", "Independent cycles of the network: bonds less units plus parts."),
    Quantity("primary_loop_share", "1", "Share of the crosslinks with both ends in one primary chain."),
    Quantity("active_junctions", "1", "Units at which three or more strands meet that a strain of the box stretches."),
    Quantity("active_strands", "mol/L", "Strands between such junctions, in the volume of the box."),
    Quantity("mesh_size", "nm", "Root-mean-square distance between the ends of strands that a strain stretches."),
)

#: A mean over chains or strands is called converged with at least this many of them.
MIN_SAMPLE = 20
_COUNTED = "count over the bonds of the box"
_EXACT = "exact for this box and no error known from one: replicas tell how boxes differ"


@dataclass(frozen=True, eq=False)
class Network:
    """Units and what follows from how they are joined.

    Attributes
    ----------
    units : Units
    chain : (n_units,) int array
        Primary chain of each unit; -1 where it has not reacted.
    bridges : Edges
        Crosslinks whose two ends have reacted.
    active : Active
        What a strain stretches.
    """

    units: Units
    chain: Indices
    bridges: Edges
    active: Active

    @staticmethod
    def of(units: Units) -> Network:
        """Follow the bonds."""
        label = units.chain.parts(len(units)).label
        chain = np.full(len(units), -1, dtype=np.intp)
        chain[units.reacted] = np.unique(label[units.reacted], return_inverse=True)[1]
        both = units.reacted[units.crosslinks.i] & units.reacted[units.crosslinks.j]
        return Network(units, chain, units.crosslinks[both], Active.of(units))

    @property
    def lengths(self) -> Indices:
        """Units of each primary chain."""
        return np.bincount(self.chain[self.chain >= 0]).astype(np.intp)

    @property
    def crosslinked(self) -> NDArray[np.bool_]:
        """Units at the ends of crosslinks whose two ends have reacted."""
        return np.isin(np.arange(len(self.units)), np.concatenate([self.bridges.i, self.bridges.j]))

    def functionality(self, stretched: bool) -> Indices:
        """Chain strands that leave each bridge, all of them or those that a strain stretches."""
        chain = self.units.chain
        if stretched:
            chain = chain[self.active.edge[: len(chain)]]
        degree = np.bincount(np.concatenate([chain.i, chain.j]), minlength=len(self.units))
        return np.asarray(degree[self.bridges.i] + degree[self.bridges.j], dtype=np.intp)


def describe(network: Network) -> Measurement:
    """All numbers of a network, as :data:`QUANTITIES` says what they are."""
    estimates = [*_composition(network.units), *_chains(network), *_crosslinks(network), *_mesh(network)]
    strands = between_crosslinks(network.units, network.crosslinked)
    counted = (
        ("chain_length_distribution", "chains", network.lengths, "units"),
        ("strand_length_distribution", "strands", strands, "chain bonds"),
        ("crosslink_functionality_distribution", "all strands", network.functionality(False), "strands"),
        ("crosslink_functionality_distribution", "stretched strands", network.functionality(True), "strands"),
    )
    return Measurement("network", tuple(estimates), tuple(_shares(*each) for each in counted if len(each[2])))


def _composition(units: Units) -> list[Estimate]:
    """Who has reacted, and how much of it is in one piece."""
    polymer = np.zeros(len(units.mass), dtype=bool)
    polymer[units.molecule[units.reacted]] = True
    mass = units.mass[polymer]
    ends = units.reacted[units.crosslinks.i].astype(int) + units.reacted[units.crosslinks.j]
    spans = units.percolates[polymer]
    largest = mass.max(initial=0.0) / mass.sum() if len(mass) else math.nan
    spanning = mass[spans.any(axis=1)].sum() / mass.sum() if len(mass) else math.nan
    found = [
        _count("conversion", "C=C", units.reacted.mean()),
        _count("unreacted_share", "monomer", units.mass[~polymer].sum() / units.mass.sum()),
        _count("gel_fraction", "largest molecule", largest),
        _count("gel_fraction", "percolating molecules", spanning),
    ]
    words = ("neither end", "one end", "both ends")
    found += [_count("crosslinker_share", word, np.mean(ends == n)) for n, word in enumerate(words) if len(ends)]
    return found + [_count("network_percolation", name, float(spans[:, k].any())) for k, name in enumerate("abc")]


def _chains(network: Network) -> list[Estimate]:
    """Averages over primary chains (Stepto, Pure Appl. Chem. 81, 351 (2009), doi 10.1351/PAC-REC-08-05-02)."""
    lengths = [float(n) for n in network.lengths]
    if not lengths:
        return []

    def averages(some: list[float]) -> Floats:
        n = np.array(some)
        number, mass = n.mean(), (n**2).sum() / n.sum()
        return np.array([number, mass, mass / number])

    value, error = jackknife(lengths, averages)  # type: ignore[arg-type]
    names = (("chain_length", "number average"), ("chain_length", "mass average"), ("dispersity", "chains"))
    method = f"over {len(lengths)} chains, every unit of the same mass; error: jackknife over chains"
    return [
        _sample(*name, float(v), float(e), len(lengths), method) for name, v, e in zip(names, value, error, strict=True)
    ]


def _crosslinks(network: Network) -> list[Estimate]:
    """Strands between crosslinks, loops, and what a strain stretches."""
    units, bridges, active = network.units, network.bridges, network.active
    found = [_count("cycle_rank", "all", cycle_rank(units.edges, len(units)))]
    if len(bridges):
        found += [
            _mean("strand_length", "between crosslinks", between_crosslinks(units, network.crosslinked)),
            _mean("crosslink_functionality", "all strands", network.functionality(False)),
            _mean("crosslink_functionality", "stretched strands", network.functionality(True)),
            _count("primary_loop_share", "crosslinks", np.mean(network.chain[bridges.i] == network.chain[bridges.j])),
        ]
    volume = abs(np.linalg.det(units.box)) * 1e-24 * AVOGADRO  # L/mol
    return [
        *found,
        _count("cycle_rank", "stretched", active.cycle_rank),
        _count("active_junctions", "box", active.junction.sum()),
        _count("active_strands", "box", len(active.strands) / volume, "mol/L"),
    ]


def _mesh(network: Network) -> list[Estimate]:
    """End-to-end distance of stretched strands in the one configuration that was read.

    The mesh size of Canal and Peppas, J. Biomed. Mater. Res. 23, 1183 (1989), doi 10.1002/jbm.820231007, measured where
    they have a swelling and a rotational-isomeric-state model.
    """
    squares = (network.active.vectors**2).sum(axis=1)
    if not len(squares):
        return []
    size = math.sqrt(squares.mean())
    error = _standard_error(squares) / (2 * size) if size else math.nan
    method = f"root mean square over {len(squares)} strands in one configuration"
    return [_sample("mesh_size", "stretched strands", size, error, len(squares), method, "nm")]


def _count(quantity: str, of: str, value: float, unit: str = "1") -> Estimate:
    return Estimate(quantity, of, float(value), math.nan, unit, _COUNTED, converged=True, note=_EXACT)


def _mean(quantity: str, of: str, values: Indices) -> Estimate:
    value = float(values.mean()) if len(values) else math.nan
    return _sample(quantity, of, value, _standard_error(values), len(values), f"mean over {len(values)}")


def _sample(quantity: str, of: str, value: float, error: float, n: int, method: str, unit: str = "1") -> Estimate:
    note = "" if n >= MIN_SAMPLE else f"only {n} in the box, fewer than {MIN_SAMPLE}"
    return Estimate(quantity, of, value, error, unit, method, float(n), n >= MIN_SAMPLE, note)


def _standard_error(values: Floats | Indices) -> float:
    return float(np.std(values, ddof=1) / math.sqrt(len(values))) if len(values) > 1 else math.nan


def _shares(quantity: str, of: str, values: Indices, x_name: str) -> Curve:
    """Share of each number that occurs, with its binomial standard error."""
    x, counts = np.unique(values, return_counts=True)
    share = counts / len(values)
    error = np.sqrt(share * (1 - share) / len(values))
    return Curve(quantity, of, x.astype(float), share, np.where(error > 0, error, np.nan), x_name, "1", "1")
