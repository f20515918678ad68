"""Several run directories at once: each in a process of its own, so that one that dies takes no other with it.

A box of a few thousand atoms leaves most of a large GPU idle; replicas side by side fill it. Where the CUDA
Multi-Process Service runs (``nvidia-cuda-mps-control -d``) their kernels overlap; without it the GPU takes them in
turns, which gains less. On processors each process gets its share of the threads.
"""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mdstudy.base.errors import RunError
from mdstudy.base.pace import Progress, read_progress_line

THREADS = "OPENMM_CPU_THREADS"


def run_many(
    directories: Sequence[str | Path],
    workers: int,
    platform: str = "auto",
    devices: Sequence[str | int] = (),
    precision: str = "mixed",
    progress: Progress | None = None,
) -> list[str]:
    """Carry out the plans of several run directories, some at a time.

    Parameters
    ----------
    directories : sequence of str or Path
        Built run directories.
    workers : int
        Processes at a time. The threads of the processor are shared out between
        them, unless OPENMM_CPU_THREADS is set.
    platform, precision
        See :func:`mdstudy.run.platforms.choose`.
    devices : sequence of str or int
        GPU indices, dealt out in turn.
    progress : callable, optional
        Called with the mean fraction done and a line on who is where.

    Returns
    -------
    list of str
        What each run said at its end, in the order of `directories`.

    Raises
    ------
    RunError
        Some failed, after the others ended; says which and why.
    """
    if workers < 1:
        raise RunError(f"{workers} workers: at least one is needed")
    runs = [_Run(Path(directory)) for directory in directories]
    waiting, going, changed = list(runs), list[_Run](), threading.Event()
    threads = os.environ.get(THREADS, str(max(1, (os.cpu_count() or 1) // min(workers, max(len(runs), 1)))))
    options = ["--platform", platform, "--precision", precision]
    started = 0
    try:
        while waiting or going:
            while waiting and len(going) < workers:
                device = ["--device", str(devices[started % len(devices)])] if devices else []
                going.append(waiting.pop(0).start([*options, *device], threads, changed))
                started += 1
            changed.wait(1.0)
            changed.clear()
            going = [run for run in going if not run.ended()]
            if progress is not None:
                progress(sum(run.fraction for run in runs) / len(runs), "; ".join(run.line for run in going))
    finally:
        for run in going:
            run.stop()
    if failed := [run.last for run in runs if run.code != 0]:
        raise RunError(f"{len(failed)} of {len(runs)} runs failed: " + "; ".join(failed))
    return [run.last for run in runs]


@dataclass
class _Run:
    """A run directory and the process that runs it."""

    path: Path
    fraction: float = 0.0
    line: str = ""
    last: str = ""
    code: int | None = None
    _process: subprocess.Popen[str] | None = field(default=None, repr=False)
    _reader: threading.Thread | None = field(default=None, repr=False)

    def start(self, options: Sequence[str], threads: str, changed: threading.Event) -> _Run:
        """Start the run step, and a thread that reads what it says."""
        command = [sys.executable, "-m", "mdstudy.run.simulate", str(self.path), *options]
        environment = os.environ | {THREADS: threads}
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env=environment,
        )
        self._reader = threading.Thread(target=self._read, args=(self._process, changed), daemon=True)
        self._reader.start()
        return self

    def _read(self, process: subprocess.Popen[str], changed: threading.Event) -> None:
        assert process.stderr is not None
        for text in process.stderr:
            if (found := read_progress_line(text)) is not None:
                self.fraction, self.line = found[0], f"{self.path.name} {found[1]}"
            elif text.strip():
                self.last = text.strip()
            changed.set()
        process.wait()
        changed.set()

    def ended(self) -> bool:
        """Whether the process is gone; then its exit code is known."""
        assert self._process is not None
        assert self._reader is not None
        if self._process.poll() is None:
            return False
        self._reader.join()
        assert self._process.stderr is not None
        self._process.stderr.close()
        self.code = self._process.returncode
        if self.code == 0:
            self.fraction = 1.0
        elif self.code < 0:
            self.last = f"{self.path}: the process was ended by signal {-self.code}"
        return True

    def stop(self) -> None:
        """Ask the process to leave, which loses no more than its unfinished segment."""
        assert self._process is not None
        self._process.terminate()
        self._process.wait()
        self.ended()
