"""Lengths of the chains of a polymer in a box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

#: A chain has a head and a tail.
SHORTEST = 2


def draw_lengths(units: int, chains: int, dispersity: float, seed: int) -> NDArray[np.int64]:
    """Draw lengths of chains from the distribution of Schulz and Zimm, under the condition that they add up.

    With k = 1 / (dispersity - 1) the lengths of many chains have the density n^(k-1) exp(-k n / n_n), n_n being their
    number average (Zimm, J. Chem. Phys. 16, 1099 (1948), doi 10.1063/1.1746740). A dispersity of 2 is Flory's most
    probable distribution (J. Am. Chem. Soc. 58, 1877 (1936), doi 10.1021/ja01301a016). Shares of a given sum are then
    distributed as Dirichlet's, and the dispersity of c chains is 1 + (c - 1) / (c k + 1) on average, that of the
    distribution in the limit of many. Lengths are rounded to whole units, and are :data:`SHORTEST` at least.

    Parameters
    ----------
    units : int
        In all chains together.
    chains : int
    dispersity : float
        Mass average over number average, 1 or more; 1: all equal, to within one unit.
    seed : int

    Returns
    -------
    (chains,) int array
        Units of each.

    Raises
    ------
    ValueError
        Fewer units than the shortest chains need.
    """
    if units < SHORTEST * chains:
        raise ValueError(f"{units} units are too few for {chains} chains of {SHORTEST} or more")
    random = np.random.default_rng(seed)
    weights = random.gamma(1 / (dispersity - 1), size=chains) if dispersity > 1 else np.ones(chains)
    exact = units * weights / weights.sum()
    lengths: NDArray[np.int64] = np.floor(exact).astype(np.int64)
    lengths[np.argsort(lengths - exact, kind="stable")[: units - lengths.sum()]] += 1
    while lengths.min() < SHORTEST:
        lengths[lengths.argmin()] += 1
        lengths[lengths.argmax()] -= 1
    return lengths
