"""Images in a rectangular periodic box."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def nearest(vectors: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Nearest images of vectors, nm, in a box of these edges (3,)."""
    return np.asarray(vectors - edges * np.round(vectors / edges))


def wrapped(points: NDArray[np.float64], edges: NDArray[np.float64]) -> NDArray[np.float64]:
    """Images of points inside the box, nm, as a periodic tree wants them."""
    inside = points % edges
    return np.where(inside < edges, inside, 0.0)  # a tiny negative number wraps to the edge itself
