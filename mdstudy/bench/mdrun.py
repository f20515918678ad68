"""Speed of GROMACS on the box, the settings and the cores of a run, where GROMACS is installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

from mdstudy.base.errors import RunError
from mdstudy.exchange.export import export
from mdstudy.run.plan import Stage
from mdstudy.run.rundir import RunDir

_PERFORMANCE = re.compile(r"^Performance:\s+([\d.]+)", re.MULTILINE)


def program() -> str | None:
    """Path of ``gmx``, or None."""
    return shutil.which("gmx")


def prepare(run_dir: RunDir, segment: Stage, steps: int, folder: Path) -> Path:
    """Write a run for ``gmx mdrun`` from the last finished state.

    Parameters
    ----------
    run_dir : RunDir
        With a finished stage.
    segment : Stage
        Of production; gives what is reported how often, and temperature and pressure.
    steps : int
        Length.
    folder : Path
        Where files are written.

    Returns
    -------
    Path
        The ``.tpr`` file.

    Raises
    ------
    RunError
        GROMACS refuses it; says why.
    ExportError
        The run cannot be written for GROMACS.
    """
    files = {path.suffix: path for path in export(run_dir.path, "gromacs", folder, state="end")}
    settings = files[".mdp"]
    settings.write_text(_changed(settings.read_text(encoding="utf-8"), segment, steps), encoding="utf-8")
    tpr = folder / "bench.tpr"
    words = ["grompp", "-f", settings, "-c", files[".gro"], "-p", files[".top"], "-o", tpr, "-maxwarn", "5"]
    _gmx(words, folder)
    return tpr


def _changed(text: str, segment: Stage, steps: int) -> str:
    """Settings of a run of so many steps that reports and couples as the segment does."""
    settings = {
        "nsteps": steps,
        "continuation": "no",
        "gen-vel": "yes",
        "gen-temp": segment.temperature[0],
        "tau-t": 1 / segment.friction,
        "nstcalcenergy": 50,
        "nstenergy": segment.report_interval,
        "nstlog": segment.report_interval,
        "nstxout-compressed": segment.frame_interval,
    }
    if segment.pressure is not None:
        settings |= {"pcoupl": "C-rescale", "tau-p": 5, "ref-p": segment.pressure[0], "compressibility": "1e-4"}
    kept = [line for line in text.splitlines() if line.partition("=")[0].strip() not in settings]
    return "\n".join([*kept, *(f"{key} = {value}" for key, value in settings.items())]) + "\n"


def speed(tpr: Path) -> float:
    """Speed of ``gmx mdrun`` on the processor, ns/day, with as many threads as OpenMM takes."""
    threads = os.environ.get("OPENMM_CPU_THREADS", str(os.cpu_count() or 1))
    words = ["mdrun", "-s", tpr, "-deffnm", "bench", "-ntmpi", "1", "-ntomp", threads, "-nb", "cpu", "-pin", "off"]
    _gmx(words, tpr.parent)
    found = _PERFORMANCE.search((tpr.parent / "bench.log").read_text(encoding="utf-8", errors="replace"))
    if found is None:
        raise RunError(f"{tpr.parent / 'bench.log'}: says no performance")
    return float(found[1])


def _gmx(words: Sequence[object], folder: Path) -> None:
    done = subprocess.run(
        ["gmx", "-quiet", "-nobackup", *map(str, words)], cwd=folder, capture_output=True, text=True, check=False
    )
    if done.returncode:
        said = [line for line in done.stderr.splitlines() if line.strip()]
        raise RunError(f"gmx {words[0]} failed: {' '.join(said[-6:])}")
