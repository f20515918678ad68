"""Fault injection: ``python -m tests.faults [--harm 100] [--only NAME ...]``, from the root of the checkout."""

from __future__ import annotations

import argparse
import random
import sys
import tempfile
import time
from pathlib import Path

from tests.faults.injections import FAULTS
from tests.faults.world import World


def main() -> int:
    """Inject the faults asked for, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--harm", type=int, default=5, help="how often random faults strike (100: the long form)")
    parser.add_argument("--only", nargs="*", choices=[fault.__name__ for fault in FAULTS], help="these faults")
    parser.add_argument("--seed", type=int, default=20240913)
    parser.add_argument("--other-python", help="interpreter with another version of OpenMM, and numpy")
    wanted = parser.parse_args()
    failures = 0
    with tempfile.TemporaryDirectory(prefix="mdstudy-faults-") as folder:
        world = World(Path(folder), wanted.harm, random.Random(wanted.seed), wanted.other_python)
        sys.stdout.write("| fault | what was done | starts | result |\n|---|---|---|---|\n")
        for fault in FAULTS:
            if wanted.only and fault.__name__ not in wanted.only:
                continue
            world.starts, began = 0, time.monotonic()
            try:
                done, result = fault(world), "nothing lost"
                if done.startswith("not done"):
                    result = "-"
            except AssertionError as error:
                done, result = f"{error}".replace("\n", " ")[:2000], "FAILED"
                failures += 1
            name = fault.__name__.replace("_", " ")
            sys.stdout.write(f"| {name} | {done} | {world.starts} | {result} |\n")
            sys.stdout.flush()
            sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")
    return min(failures, 1)


if __name__ == "__main__":
    sys.exit(main())
