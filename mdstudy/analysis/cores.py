"""Compiled functions, and frames shared out over the cores that run them."""

from __future__ import annotations

import os
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from itertools import pairwise
from typing import Any, TypeVar, cast

import numba

Result = TypeVar("Result")
Function = TypeVar("Function", bound=Callable[..., Any])

#: What the compiler may do with sums and products; NaN and infinity stay what they are.
_FASTMATH = {"contract", "arcp", "nsz", "reassoc"}


def compiled(function: Function) -> Function:
    """Compile at first use, for this processor; what is compiled is kept on disk. Threads run it side by side.

    A change of a function that is compiled into another of the same file is noticed, of another file it is not: what
    calls each other stays in one file.
    """
    return cast(Function, numba.njit(cache=True, nogil=True, fastmath=_FASTMATH)(function))


def inlined(function: Function) -> Function:
    """Compile into each compiled function that calls it: for what takes no longer than the call."""
    return cast(Function, numba.njit(nogil=True, fastmath=_FASTMATH, forceinline=True)(function))


@cache
def _pool() -> ThreadPoolExecutor:
    """Threads that are started once: to start them for every tally of every block takes longer than some tallies."""
    return ThreadPoolExecutor(len(os.sched_getaffinity(0)))


os.register_at_fork(after_in_child=_pool.cache_clear)  # a child has none of the threads


def share_out(n_frames: int, work: Callable[[slice], Result]) -> list[Result]:
    """Run `work` on consecutive shares of the frames, one a core, and give the results in order.

    `work` must not share out itself.
    """
    cores = min(len(os.sched_getaffinity(0)), n_frames)
    if cores < 2:
        return [work(slice(0, n_frames))]
    cuts = [n_frames * k // cores for k in range(cores + 1)]
    return list(_pool().map(work, [slice(a, b) for a, b in pairwise(cuts)]))
