"""The order of the steps: load, compare, report, and a whole study."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path

from mdstudy.analysis import glass
from mdstudy.analysis.thermodynamics import QUANTITIES
from mdstudy.base.errors import SpecError
from mdstudy.base.pace import Progress, silent
from mdstudy.base.provenance import write_text
from mdstudy.base.results import Quantity
from mdstudy.base.store import load
from mdstudy.base.units import parse
from mdstudy.observables import vocabulary
from mdstudy.polymer import network
from mdstudy.polymer.build import build
from mdstudy.run.replicas import run_many
from mdstudy.run.rundir import RunDir
from mdstudy.run.simulate import run as simulate
from mdstudy.study.analyse import SKETCH, analyse, require_analysed
from mdstudy.study.compare import Comparison, RunResult, compare
from mdstudy.study.goal import parse_goal
from mdstudy.study.measured import MeasuredValue, load_measured
from mdstudy.study.report import differences_to_csv, to_csv, to_html, to_json
from mdstudy.study.studyfile import PlannedRun, Study, load_study, plan_runs
from mdstudy.study.until import RECORD, Pursuit, run_until
from mdstudy.system.composition import Composition

#: Share of the work on a run that is its build, for the progress bar.
BUILD = 0.05

Say = Callable[[str], None]


def load_result(directory: str | Path) -> RunResult:
    """What an analysed run gave, with what it was.

    Raises
    ------
    RunError
        Not a run directory, or not analysed.
    """
    run = RunDir(Path(directory))
    require_analysed(run)
    spec = run.read_spec()
    plan = run.read_plan()
    manifest = json.loads(run.manifest.read_text(encoding="utf-8"))
    ran = json.loads(run.log.read_text(encoding="utf-8"))[-1]
    frames = len(run.segments()) * plan.production.steps // plan.production.frame_interval
    time = frames * plan.production.frame_time
    estimates, curves = load(run.measure)
    record, drawn = run.path / RECORD, run.measure / SKETCH
    stop = f"; stopped by {json.loads(record.read_text(encoding='utf-8'))['goal']}" if record.is_file() else ""
    return RunResult(
        name=run.path.name,
        system=spec["system"],
        composition=Composition.from_dict(spec["composition"]),
        title=spec["title"],
        note=plan.note,
        temperature=float(spec["temperature_K"]),
        force_field=spec["force_field"],
        charge_scale=float(spec["charge_scale"]),
        length=f"{time / 1e3:g} ns in {frames} frames, {plan.production.ensemble.upper()}, {plan.profile} protocol"
        f"{stop}",
        estimates=tuple(estimates),
        curves=tuple(curves),
        provenance={
            "run hash": spec["hash"],
            "seed": str(spec["seed"]),
            "force field SHA-256": spec["force_field_sha256"][:12],
            "commit": manifest["commit"],
            "versions": ", ".join(f"{k} {v}" for k, v in manifest["versions"].items()),
            "platform": ran["why"],
            "built": manifest["made"],
        },
        network=json.loads(drawn.read_text(encoding="utf-8")) if drawn.is_file() else None,
        protocol=plan.profile,
    )


def compare_runs(directories: Sequence[str | Path], ratios: Sequence[tuple[str, str]] | None = None) -> Comparison:
    """Set analysed runs beside each other and the measured values; see :func:`mdstudy.study.compare.compare`."""
    return compare([load_result(directory) for directory in directories], measured_values(), ratios)


def quantities() -> list[Quantity]:
    """All that an analysis may give, by name."""
    known = [*vocabulary().values(), *QUANTITIES, *glass.QUANTITIES, *network.QUANTITIES]
    return sorted(known, key=lambda quantity: quantity.name)


def measured_values() -> list[MeasuredValue]:
    """All shipped measured values, in the units of what is computed."""
    return load_measured(quantities())


def report_runs(
    directories: Sequence[str | Path],
    output: str | Path,
    title: str = "",
    question: str = "",
    ratios: Sequence[tuple[str, str]] | None = None,
) -> list[Path]:
    """Write a report as HTML, CSV and JSON, and the differences between its cases as CSV.

    Parameters
    ----------
    directories : sequence of str or Path
        Analysed runs.
    output : str or Path
        HTML file; the others lie beside it under the same name.
    title, question : str
    ratios : sequence of (str, str), optional
        As for :func:`mdstudy.study.compare.compare`.

    Returns
    -------
    list of Path
        What was written.
    """
    comparison = compare_runs(directories, ratios)
    page = Path(output)
    page.parent.mkdir(parents=True, exist_ok=True)
    heading = title or " against ".join(case.label for case in comparison.cases)
    texts = {
        page: to_html(comparison, heading, question),
        page.with_suffix(".csv"): to_csv(comparison),
        page.with_suffix(".json"): to_json(comparison),
    }
    if comparison.pairs:
        texts[page.with_name(f"{page.stem}-differences.csv")] = differences_to_csv(comparison)
    for path, text in texts.items():
        write_text(path, text)
    return list(texts)


def run_study(
    name: str | Path,
    output: str | Path | None = None,
    *,
    platform: str = "auto",
    device: str | int | None = None,
    workers: int = 1,
    progress: Progress = silent,
    say: Say = silent,
) -> list[Path]:
    """Do a whole study: build all runs, simulate them, analyse them, report; what is done already is not done again.

    Parameters
    ----------
    name : str or Path
        Shipped study or file.
    output : str or Path, optional
        Folder of the study; ``runs/NAME`` if absent.
    platform, device
        As for :func:`mdstudy.run.simulate.run`.
    workers : int
        Runs that are simulated at the same time, each in a process of its own; many small boxes fill a large GPU.
    progress : callable, optional
        Called with the fraction of the study done and what is going on.
    say : callable, optional
        Called with a line when a step is done.

    Returns
    -------
    list of Path
        The report as HTML, CSV and JSON, and the differences as CSV.
    """
    study, path = load_study(name)
    folder = Path("runs") / path.stem if output is None else Path(output)
    planned = plan_runs(study, path)
    directories = [folder / run.name for run in planned]

    def part(k: int, start: float, share: float) -> Progress:
        """Progress of one run within the study: its build, its simulation or its analysis."""
        name, first = planned[k].name, (k + start) / len(planned)
        return lambda fraction, text: progress(first + share * fraction / len(planned), f"{name}: {text}")

    folder.mkdir(parents=True, exist_ok=True)
    devices = [] if device is None else [device]

    def carry_out(several: Sequence[Path]) -> None:
        """Simulate runs of the study as they are planned, one after the other or side by side."""
        if workers > 1:
            lines = run_many(several, workers, platform, devices, progress=progress)
        else:
            shown = [part(directories.index(one), BUILD, 1 - BUILD) for one in several]
            lines = [simulate(one, platform, device, progress=bar) for one, bar in zip(several, shown, strict=True)]
        for one, line in zip(several, lines, strict=True):
            say(f"{one.name}: {line}")

    for k, (run, directory) in enumerate(zip(planned, directories, strict=True)):
        say(f"{run.name}: {_build(study, run, directory, platform, device, part(k, 0.0, BUILD))}")
        if study.until is None and workers == 1:
            carry_out([directory])
    if study.until is not None:
        for replicas in _replicas(planned, directories):
            say(run_until(Pursuit.of(replicas, parse_goal(study.until), study.at_most), carry_out, say))
    elif workers > 1:
        carry_out(directories)
    for run, directory in zip(planned, directories, strict=True):
        analyse(directory, lambda _, text, name=run.name: progress(1.0, f"{name}: analyse {text}"))  # type: ignore[misc]
    ratios = [(ratio.of, ratio.to) for ratio in study.ratios]
    return report_runs(directories, folder / "report.html", study.title, study.question, ratios)


def _replicas(planned: Sequence[PlannedRun], directories: Sequence[Path]) -> list[list[Path]]:
    """Directories of the runs of a study that differ in nothing but their seed."""
    groups: dict[object, list[Path]] = {}
    for run, directory in zip(planned, directories, strict=True):
        groups.setdefault((run.system, run.variant, run.force_field, run.charge_scale, run.temperature), []).append(
            directory
        )
    return list(groups.values())


def pursue(
    directory: str | Path,
    until: str,
    at_most: str | None = None,
    *,
    platform: str = "auto",
    device: str | int | None = None,
    progress: Progress = silent,
    say: Say = silent,
) -> str:
    """Continue one run until a number is known well enough.

    Parameters
    ----------
    directory : str or Path
        Built run directory.
    until : str
        As for :func:`mdstudy.study.goal.parse_goal`.
    at_most : str, optional
        Limit of production, a time with its unit; if absent that of an earlier start, or what was planned.
    platform, device
        As for :func:`mdstudy.run.simulate.run`.
    progress, say : callable, optional
        Called with the fraction of the next look and a text; with a line after each look.

    Returns
    -------
    str
        The verdict.
    """
    try:
        limit = None if at_most is None else parse(at_most, "time")
    except ValueError as error:
        raise SpecError(f"at most: {error}") from error
    pursuit = Pursuit.of([directory], parse_goal(until), limit)

    def carry_out(runs: Sequence[Path]) -> None:
        say(f"{directory}: {simulate(runs[0], platform, device, progress=progress)}")

    return run_until(pursuit, carry_out, say)


def _build(
    study: Study,
    run: PlannedRun,
    directory: Path,
    platform: str,
    device: str | int | None,
    progress: Progress,
) -> str:
    return build(
        run.system,
        directory,
        variant=run.variant,
        atoms=study.atoms,
        seed=run.seed,
        force_field=run.force_field,
        charge_scale=run.charge_scale,
        profile=study.protocol,
        temperature=run.temperature,
        platform=platform,
        device=device,
        progress=progress,
    )
