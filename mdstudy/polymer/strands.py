"""Strands of a network: walks between its junctions, and which of them a strain of the box would stretch."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array, diags_array
from scipy.sparse.linalg import spsolve

from mdstudy.polymer.units import Edges, Floats, Indices, Units

#: An edge carries a force when a strain stretches it by more than this share of the box.
_STRETCHED = 1e-8


@dataclass(frozen=True)
class Walk:
    """A walk along edges from one stop to the next.

    Attributes
    ----------
    first, last : int
        Nodes at its ends.
    edges : tuple of int
    signs : tuple of int
        1 for an edge walked from i to j, -1 for one walked from j to i.
    """

    first: int
    last: int
    edges: tuple[int, ...]
    signs: tuple[int, ...]


def walks(edges: Edges, stops: NDArray[np.bool_]) -> list[Walk]:
    """Find all walks from stop to stop through nodes of two edges; dead ends and rings without stop are none.

    Parameters
    ----------
    edges : Edges
    stops : (n_nodes,) bool array
    """
    near: dict[int, list[tuple[int, int, int]]] = {}
    for edge, (i, j) in enumerate(zip(edges.i.tolist(), edges.j.tolist(), strict=True)):
        near.setdefault(i, []).append((edge, j, 1))
        near.setdefault(j, []).append((edge, i, -1))
    found: list[Walk] = []
    used: set[int] = set()
    for first in np.flatnonzero(stops).tolist():
        for step in near.get(first, []):
            if step[0] in used:
                continue
            path = [step]
            while not stops[(node := path[-1][1])]:
                onward = [s for s in near[node] if s[0] != path[-1][0]]
                if len(onward) != 1:
                    break
                path += onward
            else:
                used.add(path[0][0])
                used.add(path[-1][0])
                found.append(Walk(first, node, tuple(s[0] for s in path), tuple(s[2] for s in path)))
    return found


def carries_force(edges: Edges, n: int) -> NDArray[np.bool_]:
    """Which edges of a phantom network are stretched by some strain of its periodic box.

    The nodes of the network are at rest under ideal springs, which fixes how each edge follows the box: by the product
    of its spring and a linear equation for the nodes (James and Guth, J. Chem. Phys. 11, 455 (1943), doi
    10.1063/1.1723785). Dangling ends, loops that hang on one node and all else that does not lead around the box come
    out unstretched (Lang, doi 10.48550/arXiv.2103.16181, on pending loops). The springs are drawn at random, so that no
    symmetry leaves an edge at rest.

    Parameters
    ----------
    edges : Edges
    n : int
        Number of nodes.

    Returns
    -------
    (n_edges,) bool array
    """
    if not len(edges):
        return np.zeros(0, dtype=bool)
    m = len(edges)
    row = np.arange(m)
    along = coo_array((np.repeat([-1.0, 1.0], m), (np.tile(row, 2), np.concatenate([edges.i, edges.j]))), shape=(m, n))
    springs = np.random.default_rng(0).uniform(1, 2, m)
    held = np.zeros(n)
    held[np.unique(edges.parts(n).label, return_index=True)[1]] = 1.0  # one node of each part
    weighted = (diags_array(springs) @ along).T.tocsc()
    matrix = (weighted @ along + diags_array(held)).tocsc()
    nodes = np.stack([spsolve(matrix, -weighted @ edges.shift[:, k].astype(float)) for k in range(3)], axis=1)
    return np.asarray(np.abs(along @ nodes + edges.shift).max(axis=1) > _STRETCHED)


@dataclass(frozen=True, eq=False)
class Active:
    """The part of a network that a strain stretches.

    Attributes
    ----------
    edge : (n_edges,) bool array
        Which of :attr:`Units.edges` it has.
    junction : (n_units,) bool array
        Units at which three edges of it or more meet.
    strands : list of Walk
        Between junctions; edges are counted among those that it has.
    vectors : (n_strands, 3) float array
        From end to end, nm.
    cycle_rank : int
        Its independent cycles.
    """

    edge: NDArray[np.bool_]
    junction: NDArray[np.bool_]
    strands: list[Walk]
    vectors: Floats
    cycle_rank: int

    @staticmethod
    def of(units: Units) -> Active:
        """Find it among all units."""
        n = len(units)
        edge = carries_force(units.edges, n)
        edges = units.edges[edge]
        degree = np.bincount(np.concatenate([edges.i, edges.j]), minlength=n)
        strands = walks(edges, degree >= 3)
        steps = edges.vectors(units.positions, units.box)
        ends = [np.array(walk.signs) @ steps[list(walk.edges)] for walk in strands]
        # Units without an edge of it are parts of one unit each, and add nothing.
        return Active(edge, degree >= 3, strands, np.array(ends).reshape(-1, 3), cycle_rank(edges, n))


def cycle_rank(edges: Edges, n: int) -> int:
    """Independent cycles of a graph: edges - nodes + parts.

    Flory, Proc. R. Soc. London A 351, 351 (1976), doi 10.1098/rspa.1976.0146.
    """
    return len(edges) - n + edges.parts(n).number


def between_crosslinks(units: Units, crosslinked: NDArray[np.bool_]) -> Indices:
    """Chain bonds from one crosslinked unit to the next along the chains, (n_strands,)."""
    return np.array([len(walk.edges) for walk in walks(units.chain, crosslinked)], dtype=np.intp)
