"""Time and memory of all observables of a report: python benchmarks/scaling.py [--atoms 5000 20000] [--frames 100 200].

One process for each pair of numbers measures everything that a report shows, halves of the run included, as `mdstudy
analyse` does, and tells its largest resident memory. Prints a table in Markdown. The trajectories
(benchmarks/liquid.py) are written to --folder and kept there if one is given; each takes about 4.5 bytes an atom and
frame.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
import warnings
from dataclasses import replace
from pathlib import Path

from liquid import made

from mdstudy.analysis.trajectory import from_universe
from mdstudy.study.measure import measure, standard_observables


def one(folder: Path, n_atoms: int, n_frames: int) -> None:
    """Measure everything; print the seconds it took, and MiB before and after."""
    warnings.simplefilter("ignore")
    trajectory = replace(from_universe(made(folder, n_atoms, n_frames), charge_scale=0.8), tree=None)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    start = time.perf_counter()
    measure(trajectory, standard_observables(trajectory.sites, 298.15), halves=True)
    spent = time.perf_counter() - start
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    sys.stdout.write(f"{spent} {before / 1024} {after / 1024}\n")


def main() -> None:
    """Start a process for each pair and print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition(":")[0] if __doc__ else None)
    parser.add_argument("--atoms", type=int, nargs="+", default=[5000, 20000])
    parser.add_argument("--frames", type=int, nargs="+", default=[50, 100])
    parser.add_argument("--folder", type=Path)
    parser.add_argument("--one", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.one:
        one(asked.folder, asked.atoms[0], asked.frames[0])
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = asked.folder or Path(temporary)
        sys.stdout.write(
            "| atoms | frames | s | ms a frame | MiB at the start | largest MiB |\n|---|---|---|---|---|---|\n"
        )
        for n_atoms in asked.atoms:
            for n_frames in asked.frames:
                made(folder, n_atoms, n_frames)
                words = ["--one", "--folder", str(folder), "--atoms", str(n_atoms), "--frames", str(n_frames)]
                command = [sys.executable, __file__, *words]
                done = subprocess.run(command, capture_output=True, text=True, check=True)
                spent, before, after = map(float, done.stdout.split()[-3:])
                cells = f"{spent:.1f} | {1000 * spent / n_frames:.0f} | {before:.0f} | {after:.0f} |"
                sys.stdout.write(f"| {n_atoms:,} | {n_frames:,} | {cells}\n")
                sys.stdout.flush()
    sys.stdout.write(f"\nLoad average {os.getloadavg()[1]:.1f} on {len(os.sched_getaffinity(0))} cores.\n")


if __name__ == "__main__":
    main()
