"""Graphs in a periodic box: connected parts, and walks that lead around the box."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import breadth_first_order, connected_components


@dataclass(frozen=True, eq=False)
class Parts:
    """Connected parts of a periodic graph.

    Attributes
    ----------
    number : int
        How many there are.
    label : (n_nodes,) int array
        Part of each node.
    image : (n_nodes, 3) int array
        Box vectors to add to each node to have its part in one piece, with the first node of the part where it is.
    winding : (n_edges, 3) int array
        Box vectors between the image of its end that an edge leads to and the one that a walk along a spanning tree
        leads to. A part percolates along the vectors for which an edge of it has one or more (Machta et al., Phys. Rev.
        E 54, 1332 (1996), doi 10.1103/PhysRevE.54.1332).
    """

    number: int
    label: NDArray[np.intp]
    image: NDArray[np.intp]
    winding: NDArray[np.intp]


def connect(i: NDArray[np.integer], j: NDArray[np.integer], shift: NDArray[np.integer], n: int) -> Parts:
    """Find the connected parts of a periodic graph.

    Parameters
    ----------
    i, j : (n_edges,) int arrays
        Nodes that are joined; an edge may come more than once, and join a node to an image of itself.
    shift : (n_edges, 3) int array
        Box vectors to add to node j to have it next to node i.
    n : int
        Number of nodes.
    """
    number, label = connected_components(coo_array((np.ones(len(i)), (i, j)), shape=(n, n)), directed=False)
    # One node more, joined to the first of each part, makes one tree of all.
    first = np.unique(label, return_index=True)[1]
    ends = np.concatenate([i, np.full(number, n)]), np.concatenate([j, first])
    tree = coo_array((np.ones(len(ends[0])), ends), shape=(n + 1, n + 1)).tocsr()
    _, parent = breadth_first_order(tree, n, directed=False)
    parent[n] = n
    image = np.zeros((n + 1, 3), dtype=np.intp)  # from the parent, then from ever older forebears
    for a, b, sign in ((i, j, 1), (j, i, -1)):
        below = parent[b] == a
        image[b[below]] = sign * shift[below]
    forebear = parent.astype(np.intp)
    while (forebear != n).any():
        image += image[forebear]
        forebear = forebear[forebear]
    return Parts(number, label.astype(np.intp), image[:n], shift - (image[j] - image[i]))
