"""One process at a time: a lock that dies with its process, and says who holds it."""

from __future__ import annotations

import fcntl
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from time import sleep

from mdstudy.base.errors import LockedError, RunError


def holder(file: Path) -> str | None:
    """Who holds the lock, or None; a lock of a process that died is none."""
    try:
        with file.open(encoding="utf-8") as stream:
            try:
                fcntl.flock(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return stream.read().strip() or "another process"
    except FileNotFoundError:
        pass
    return None


@contextmanager
def hold(file: Path, refusal: str, temporary: bool = False) -> Iterator[None]:
    """Hold a lock; the system lets go of it if the process dies in any way.

    Parameters
    ----------
    file : Path
        Lock file; its folder must exist.
    refusal : str
        What one is told who comes second, before the words on who holds it.
    temporary : bool
        Remove the file at the end.

    Raises
    ------
    LockedError
        Another process, or another thread of this one, holds it; says who.
    RunError
        The file system gives no lock.
    """
    tries_left = 3  # someone may just be looking (see holder), or removing the file
    while True:
        with file.open("a+", encoding="utf-8") as stream:
            tries_left -= 1
            try:
                fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if not tries_left:
                    stream.seek(0)
                    raise LockedError(f"{refusal} {stream.read().strip()}") from None
                sleep(0.05)
                continue
            except OSError as error:
                raise RunError(f"{file.parent}: the file system gives no lock ({error.strerror})") from error
            if not file.exists() or os.fstat(stream.fileno()).st_ino != file.stat().st_ino:
                continue  # removed between opening and locking
            stream.truncate(0)
            since = datetime.now(UTC).isoformat(timespec="seconds")
            stream.write(f"process {os.getpid()} on {socket.gethostname()} since {since}\n")
            stream.flush()
            try:
                yield
            finally:
                if temporary:
                    file.unlink(missing_ok=True)
            return
