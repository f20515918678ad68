"""Density waves on wave vectors that fit the periodic box: compiled, frames shared out over the cores.

A wave vector of integer indices h, k, m along the reciprocal vectors of the box turns exp(i q.r) into a product of
powers of three phases, one an axis, which are found once for each atom. Atoms are taken a few at a time, so that their
powers stay in the cache: the work is one product of three numbers for each atom and vector, and nothing else.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from mdstudy.analysis.cores import compiled, share_out

IndexArray = NDArray[np.intp]
Doubles = NDArray[np.float64]

#: Atoms whose powers are held at once.
_CHUNK = 64


@compiled
def draw(
    inverse: Doubles, most: IndexArray, q_max: float, n_bins: int, vectors: int, seed: int
) -> tuple[IndexArray, Doubles, IndexArray]:
    """Draw wave vectors that fit the box, so many of each length and each at most once.

    They are of half the space: the waves of the other half are the complex conjugates. All of a bin have the same
    chance (reservoir sampling: Vitter, ACM Trans. Math. Softw. 11, 37 (1985), doi 10.1145/3147.3165).

    Parameters
    ----------
    inverse : (3, 3) float array, 1/nm
        Inverse of the matrix that has the box vectors as rows.
    most : (3,) int array
        Largest index along each reciprocal vector that a vector within `q_max` may have.
    q_max : float
        1/nm.
    n_bins : int
        Bins of equal width up to `q_max`.
    vectors : int
        Drawn from each bin, at most.
    seed : int

    Returns
    -------
    indices : (n, 3) int array
    length : (n,) float array, 1/nm
    bin : (n,) int array
    """
    np.random.seed(seed)  # noqa: NPY002  (the state of this thread: what compiled code has)
    room = min(vectors, (most[0] + 1) * (2 * most[1] + 1) * (2 * most[2] + 1))
    indices, lengths = np.empty((n_bins, room, 3), dtype=np.intp), np.empty((n_bins, room))
    seen = np.zeros(n_bins, dtype=np.intp)
    for h in range(most[0] + 1):
        for k in range(-most[1] if h else 0, most[1] + 1):
            for m in range(-most[2] if h or k else 1, most[2] + 1):
                x = inverse[0, 0] * h + inverse[0, 1] * k + inverse[0, 2] * m
                y = inverse[1, 0] * h + inverse[1, 1] * k + inverse[1, 2] * m
                z = inverse[2, 0] * h + inverse[2, 1] * k + inverse[2, 2] * m
                q = 2 * np.pi * np.sqrt(x * x + y * y + z * z)
                if q >= q_max:
                    continue
                b = min(int(q / q_max * n_bins), n_bins - 1)
                slot = seen[b] if seen[b] < room else np.random.randint(seen[b] + 1)  # noqa: NPY002
                seen[b] += 1
                if slot < room:
                    indices[b, slot, 0], indices[b, slot, 1], indices[b, slot, 2] = h, k, m
                    lengths[b, slot] = q
    kept = np.minimum(seen, room)
    chosen, length = np.empty((kept.sum(), 3), dtype=np.intp), np.empty(kept.sum())
    bins = np.empty(kept.sum(), dtype=np.intp)
    n = 0
    for b in range(n_bins):
        for slot in range(kept[b]):
            chosen[n], length[n], bins[n] = indices[b, slot], lengths[b, slot], b
            n += 1
    return chosen, length, bins


@compiled
def _powers(
    xyz: NDArray[np.float32], atoms: IndexArray, inverse: Doubles, most: IndexArray, table: NDArray[np.float32]
) -> None:
    """Powers of the phases of some atoms: axis, exponent from 0, real and imaginary part, atom."""
    for j in range(len(atoms)):
        x, y, z = np.float64(xyz[atoms[j], 0]), np.float64(xyz[atoms[j], 1]), np.float64(xyz[atoms[j], 2])
        for axis in range(3):
            part = x * inverse[0, axis] + y * inverse[1, axis] + z * inverse[2, axis]
            angle = np.float32(2 * np.pi * (part - np.rint(part)))
            table[axis, 1, 0, j], table[axis, 1, 1, j] = np.cos(angle), np.sin(angle)
    for axis in range(3):
        for n in range(2, most[axis] + 1):
            for j in range(len(atoms)):
                x, y = table[axis, n - 1, 0, j], table[axis, n - 1, 1, j]
                table[axis, n, 0, j] = x * table[axis, 1, 0, j] - y * table[axis, 1, 1, j]
                table[axis, n, 1, j] = x * table[axis, 1, 1, j] + y * table[axis, 1, 0, j]


@compiled
def density_waves(
    xyz: NDArray[np.float32], order: IndexArray, starts: IndexArray, inverse: Doubles, indices: IndexArray
) -> NDArray[np.float64]:
    """Sum exp(i q.r) over the atoms of each kind.

    Parameters
    ----------
    xyz : (n_atoms, 3) float32 array, nm
    order : (n_atoms,) int array
        Atoms, kind after kind.
    starts : (n_kinds + 1,) int array
        Where each kind starts in `order`, and where the last ends.
    inverse : (3, 3) float array, 1/nm
        Inverse of the matrix that has the box vectors as rows.
    indices : (n_vectors, 3) int array
        Of :func:`draw`: the first index is not negative.

    Returns
    -------
    (n_kinds, 2, n_vectors) float array
        Real and imaginary parts.
    """
    most = np.zeros(3, dtype=np.intp)
    for v in range(len(indices)):
        for axis in range(3):
            most[axis] = max(most[axis], abs(indices[v, axis]))
    table = np.empty((3, max(most.max(), 1) + 1, 2, _CHUNK), dtype=np.float32)
    table[:, 0, 0], table[:, 0, 1] = 1.0, 0.0
    waves = np.zeros((len(starts) - 1, 2, len(indices)))
    for kind in range(len(starts) - 1):
        for first in range(starts[kind], starts[kind + 1], _CHUNK):
            atoms = order[first : min(first + _CHUNK, starts[kind + 1])]
            _powers(xyz, atoms, inverse, most, table)
            for v in range(len(indices)):
                h, k, m = indices[v, 0], abs(indices[v, 1]), abs(indices[v, 2])
                turn_k = np.float32(1 if indices[v, 1] >= 0 else -1)
                turn_m = np.float32(1 if indices[v, 2] >= 0 else -1)
                real, imaginary = np.float32(0), np.float32(0)
                for j in range(len(atoms)):
                    a, b, c = table[0, h, 0, j], table[1, k, 0, j], table[2, m, 0, j]
                    a1, b1, c1 = table[0, h, 1, j], turn_k * table[1, k, 1, j], turn_m * table[2, m, 1, j]
                    x, y = a * b - a1 * b1, a * b1 + a1 * b
                    real += x * c - y * c1
                    imaginary += x * c1 + y * c
                waves[kind, 0, v] += real
                waves[kind, 1, v] += imaginary
    return waves


@compiled
def _wave_products(
    positions: NDArray[np.float32],
    inverses: Doubles,
    most: IndexArray,
    order: IndexArray,
    starts: IndexArray,
    seeds: NDArray[np.int64],
    q_max: float,
    vectors: int,
    products: Doubles,
    lengths: Doubles,
    numbers: Doubles,
) -> None:
    for f in range(len(positions)):
        indices, q, bins = draw(inverses[f], most[f], q_max, len(numbers), vectors, seeds[f])
        waves = density_waves(positions[f], order, starts, inverses[f], indices)
        for v in range(len(q)):
            lengths[bins[v]] += q[v]
            numbers[bins[v]] += 1
            for a in range(len(waves)):
                for b in range(len(waves)):
                    products[a, b, bins[v]] += waves[a, 0, v] * waves[b, 0, v] + waves[a, 1, v] * waves[b, 1, v]


def largest_indices(matrices: NDArray[np.floating], q_max: float) -> IndexArray:
    """Largest index along each reciprocal vector of wave vectors within `q_max`, (n_frames, 3) int array."""
    return np.asarray(np.floor(q_max * np.linalg.norm(matrices, axis=-1) / (2 * np.pi)), dtype=np.intp)


def wave_products(
    positions: NDArray[np.float32],
    boxes: NDArray[np.floating],
    kind: IndexArray,
    seeds: NDArray[np.int64],
    q_max: float,
    n_bins: int,
    vectors: int,
) -> tuple[Doubles, Doubles, Doubles]:
    """Products Re rho_a(q) rho_b(-q) of the density waves of all pairs of kinds, by the length of the wave vector.

    Parameters
    ----------
    positions : (n_frames, n_atoms, 3) float32 array, nm
    boxes : (n_frames, 3, 3) float array, nm
        Box vectors as rows.
    kind : (n_atoms,) int array
        From 0.
    seeds : (n_frames,) int array
        Of the draw of wave vectors, from 0 to 2^32 - 1.
    q_max, n_bins, vectors : float, int, int
        As in :func:`draw`.

    Returns
    -------
    products : (n_kinds, n_kinds, n_bins) float array
        Sums over frames and wave vectors.
    lengths, numbers : (n_bins,) float arrays
        Sum of the lengths (1/nm) and number of the wave vectors.
    """
    matrices = np.asarray(boxes, dtype=float)
    inverses, most = np.linalg.inv(matrices), largest_indices(matrices, q_max)
    order = np.argsort(kind, kind="stable")
    starts = np.concatenate([[0], np.cumsum(np.bincount(kind))])

    def work(frames: slice) -> tuple[Doubles, Doubles, Doubles]:
        found = np.zeros((len(starts) - 1, len(starts) - 1, n_bins)), np.zeros(n_bins), np.zeros(n_bins)
        given = positions[frames], inverses[frames], most[frames], order, starts, seeds[frames]
        _wave_products(*given, q_max, vectors, *found)
        return found

    products, lengths, numbers = (sum(parts) for parts in zip(*share_out(len(positions), work), strict=True))
    return np.asarray(products), np.asarray(lengths), np.asarray(numbers)
