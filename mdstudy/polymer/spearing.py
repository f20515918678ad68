"""Bonds that pierce rings: a fault that no minimisation mends.

A ring is the fan of triangles between its centre and its bonds, a bond the segment between its atoms. A bond pierces a
ring when its crossings of the fan, counted with the side from which they come, do not cancel: one that dips into the
hollow of a puckered ring and leaves it on the same side does not. Segment and triangle meet as in Möller and Trumbore,
J. Graph. Tools 2, 21 (1997), doi 10.1080/10867651.1997.10487468.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.spatial import cKDTree

from mdstudy.base.errors import BuildError
from mdstudy.polymer.images import nearest, wrapped

#: What counts as on the edge of a triangle, as a share of it; a hit of an edge is one of both its triangles.
_EDGE = 1e-9


def spearings(
    positions: ArrayLike, box: ArrayLike, bonds: ArrayLike, rings: Sequence[Sequence[int]]
) -> list[tuple[int, int]]:
    """Find the bonds that pierce rings in a periodic box; the cost is linear in the number of bonds.

    A bond that shares an atom with a ring cannot pierce it.

    Parameters
    ----------
    positions : (n_atoms, 3) float array
        nm, in any images.
    box : (3,) float array
        Edges of the rectangular box, nm.
    bonds : (n_bonds, 2) int array
        Pairs of atoms.
    rings : sequence of sequences of int
        Atoms of each ring in order around it.

    Returns
    -------
    list of (int, int)
        Index of the bond and of the ring that it pierces, sorted.

    Raises
    ------
    BuildError
        A ring leads around the box, or is too large for it to have a nearest image.
    """
    xyz, edges = np.asarray(positions, dtype=float), np.asarray(box, dtype=float)
    pairs = np.asarray(bonds, dtype=np.intp).reshape(-1, 2)
    if len(pairs) == 0 or len(rings) == 0:
        return []
    start = xyz[pairs[:, 0]]
    vector = nearest(xyz[pairs[:, 1]] - start, edges)
    fans = [_fan(xyz, edges, ring, number) for number, ring in enumerate(rings)]
    triangles = np.concatenate(fans)
    ring_of = np.repeat(np.arange(len(rings)), [len(fan) for fan in fans])
    bond, triangle = _candidates(start + vector / 2, vector, triangles, edges)
    strange = ~_in_ring(pairs, rings, bond, ring_of[triangle])
    bond, triangle = bond[strange], triangle[strange]
    corners = triangles[triangle]
    middle = start[bond] + vector[bond] / 2
    shift = nearest(middle - corners.mean(axis=1), edges) - (middle - corners.mean(axis=1))
    side = _crossing(start[bond] + shift, vector[bond], corners)
    found, where = np.unique(np.stack([bond, ring_of[triangle]], axis=1), axis=0, return_inverse=True)
    net = np.bincount(where.ravel(), weights=side, minlength=len(found))
    return [(int(b), int(r)) for b, r in found[net != 0]]


def _fan(xyz: NDArray[np.float64], edges: NDArray[np.float64], ring: Sequence[int], number: int) -> NDArray[np.float64]:
    """Triangles between the centre of a ring and its bonds, (n, 3, 3), in one image."""
    atoms = xyz[np.asarray(ring, dtype=np.intp)]
    steps = nearest(np.roll(atoms, -1, axis=0) - atoms, edges)
    if np.abs(steps.sum(axis=0)).max() > edges.min() / 2:
        raise BuildError(f"ring {number} of {len(ring)} atoms leads around the box: nothing can be said to pierce it")
    corners = atoms[0] + np.cumsum(steps, axis=0) - steps
    centre = np.broadcast_to(corners.mean(axis=0), corners.shape)
    return np.stack([centre, corners, corners + steps], axis=1)


def _candidates(
    middle: NDArray[np.float64],
    vector: NDArray[np.float64],
    triangles: NDArray[np.float64],
    edges: NDArray[np.float64],
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Bonds and triangles near enough to meet: all that do are among them."""
    centre = triangles.mean(axis=1)
    reach = np.linalg.norm(triangles - centre[:, None], axis=2).max(axis=1) + np.linalg.norm(vector, axis=1).max() / 2
    if reach.max() >= edges.min() / 2:
        raise BuildError(
            f"a ring or a bond reaches {reach.max():.3f} nm, half the shortest edge of the box or more "
            f"({edges.min() / 2:.3f} nm): take a larger box"
        )
    near = cKDTree(wrapped(middle, edges), boxsize=edges).query_ball_point(wrapped(centre, edges), reach)
    counts = [len(found) for found in near]
    return np.concatenate([*near, []]).astype(np.intp), np.repeat(np.arange(len(triangles)), counts)


def _in_ring(
    pairs: NDArray[np.intp], rings: Sequence[Sequence[int]], bond: NDArray[np.intp], ring: NDArray[np.intp]
) -> NDArray[np.bool_]:
    """Whether an atom of each bond is in the ring beside it."""
    size = max(max(members) for members in rings) + 1
    size = max(size, int(pairs.max()) + 1)
    members = np.concatenate([number * size + np.asarray(atoms, dtype=np.intp) for number, atoms in enumerate(rings)])
    return np.asarray(np.isin(ring[:, None] * size + pairs[bond], members).any(axis=1))


def _crossing(
    start: NDArray[np.float64], vector: NDArray[np.float64], corners: NDArray[np.float64]
) -> NDArray[np.float64]:
    """1 or -1, by the side from which it comes, where a segment meets its triangle; 0 where it does not."""
    origin, u, v = corners[:, 0], corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    across = np.cross(vector, v)
    volume = np.einsum("ij,ij->i", u, across)
    flat = np.abs(volume) < 1e-12 * np.linalg.norm(vector, axis=1) * np.linalg.norm(u, axis=1) * np.linalg.norm(
        v, axis=1
    )
    scale = 1 / np.where(flat, 1.0, volume)
    off = start - origin
    along_u = np.einsum("ij,ij->i", off, across) * scale
    turned = np.cross(off, u)
    along_v = np.einsum("ij,ij->i", vector, turned) * scale
    share = np.einsum("ij,ij->i", v, turned) * scale
    inside = (along_u >= -_EDGE) & (along_v >= -_EDGE) & (along_u + along_v <= 1 + _EDGE)
    return np.where(~flat & inside & (share >= 0) & (share <= 1), np.sign(volume), 0.0)
