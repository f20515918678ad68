"""The command line: words typed, one call each."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn
from rich.table import Column, Table

import mdstudy
from mdstudy.base.errors import MdstudyError, SpecError, did_you_mean

app = typer.Typer(
    name="mdstudy",
    help="Molecular-dynamics studies of solvation structure in electrolytes.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
#: Where nobody watches, lines are as long as tables want; where someone does, as the terminal or COLUMNS says.
console = Console(width=None if sys.stdout.isatty() or "COLUMNS" in os.environ else 220)
messages = Console(stderr=True)

Directory = Annotated[Path, typer.Argument(help="run directory made by `mdstudy build`")]
Directories = Annotated[list[Path], typer.Argument(help="run directories")]
Variant = Annotated[str | None, typer.Option(help="composition hypothesis; the system's default if absent")]
Atoms = Annotated[int, typer.Option(help="target number of atoms")]
PlatformName = Annotated[str, typer.Option(help="auto, CUDA, HIP, OpenCL, CPU or Reference")]
Device = Annotated[str | None, typer.Option(help="GPU index, for example 0")]


@contextmanager
def _bar(text: str) -> Iterator[Callable[[float, str], None]]:
    """A progress bar as a callable ``progress(fraction, text)``, with time left."""
    columns = (TextColumn("{task.description}"), BarColumn(), TextColumn("{task.percentage:>3.0f} %"))
    with Progress(*columns, TimeElapsedColumn(), TimeRemainingColumn(), console=messages) as bar:
        task = bar.add_task(text, total=1.0)

        def progress(fraction: float, detail: str = "") -> None:
            bar.update(task, completed=fraction, description=f"{text} {detail}".strip())

        yield progress


def _say(text: str) -> None:
    messages.print(text, highlight=False)


def _version(wanted: bool) -> None:
    if wanted:
        console.print(mdstudy.__version__)
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="show the version")
    ] = False,
) -> None:
    del version


@app.command()
def systems() -> None:
    """List the systems, studies and protocols that ship with mdstudy."""
    from mdstudy.study.studyfile import list_studies, load_study
    from mdstudy.system.composition import list_systems, load_system
    from mdstudy.system.protocol import list_protocols

    rows = []
    for name in list_systems():
        spec = load_system(name)
        others = [v for v in spec.variants if v != spec.default_variant]
        rows.append([name, " ".join([spec.default_variant, *others]), spec.title])
    _print_table(["system", "variants (default first)", "what it is"], rows, "Systems")
    studies = [(name, load_study(name)[0]) for name in list_studies()]
    _print_table(["study", "protocol", "what it is"], [[n, s.protocol, s.title] for n, s in studies], "Studies")
    console.print("Protocols (--profile): " + ", ".join(list_protocols()))


@app.command()
def show(
    system: Annotated[str, typer.Argument(help="system name or file")],
    variant: Variant = None,
    atoms: Atoms = 5000,
) -> None:
    """Show the composition of a system: molecules, fractions, molarity, mass, density, charge."""
    from mdstudy.study.tables import composition_rows
    from mdstudy.system.composition import load_system, resolve

    spec = load_system(system)
    composition = resolve(spec, variant, atoms)
    console.print(f"{spec.title}: variant {composition.variant} of {', '.join(spec.variants)}", highlight=False)
    console.print(f"Assumption: {composition.assumption}", highlight=False)
    _print_table(["property", "value"], composition_rows(composition))


@app.command()
def build(
    system: Annotated[str, typer.Argument(help="system name or file")],
    output: Annotated[Path, typer.Option("--output", "-o", help="run directory to make")],
    variant: Variant = None,
    atoms: Atoms = 5000,
    seed: Annotated[int, typer.Option(help="seed of every random choice")] = 1,
    force_field: Annotated[str, typer.Option(help="shipped force field or XML file")] = "clp-opls",
    charge_scale: Annotated[
        float | None, typer.Option(help="factor on ionic charges; the force field's if absent")
    ] = None,
    profile: Annotated[str, typer.Option(help="shipped protocol (see `mdstudy systems`) or a file")] = "standard",
    temperature: Annotated[float | None, typer.Option(help="kelvin; the system's if absent")] = None,
    platform: PlatformName = "auto",
    device: Device = None,
) -> None:
    """Build a box and its OpenMM System, ready to run; a network is polymerised on the platform."""
    from mdstudy.polymer.build import build as build_box

    with _bar(f"build {output}") as progress:
        made = build_box(
            system, output, variant=variant, atoms=atoms, seed=seed, force_field=force_field,
            charge_scale=charge_scale, profile=profile, temperature=temperature, platform=platform, device=device,
            progress=progress,
        )  # fmt: skip
    console.print(f"{output}: {made}", highlight=False)


@app.command()
def run(
    directory: Directory,
    platform: PlatformName = "auto",
    device: Device = None,
    profile: Annotated[str | None, typer.Option(help="change the protocol (only before anything was run)")] = None,
    until: Annotated[
        str | None, typer.Option(help='go on until a number is known, for example "conductivity 10 %"')
    ] = None,
    at_most: Annotated[
        str | None, typer.Option(help='with --until: limit of production, "50 ns"; the protocol\'s if absent')
    ] = None,
) -> None:
    """Simulate a built box; the same command again resumes or does nothing."""
    from mdstudy.run.interruption import exit_on_sigterm
    from mdstudy.run.simulate import run as simulate
    from mdstudy.system.build import set_profile

    if profile is not None:
        set_profile(directory, profile)
    if until is not None:
        from mdstudy.study.pipeline import pursue

        with _bar(f"run {directory}") as progress:
            verdict = pursue(directory, until, at_most, platform=platform, device=device, progress=progress, say=_say)
        console.print(f"{directory}: {verdict}", highlight=False)
        return
    if at_most is not None:
        raise SpecError("--at-most is the limit of --until, which is not there")
    with _bar(f"run {directory}") as progress:
        outcome = simulate(directory, platform=platform, device=device, progress=progress, halt=exit_on_sigterm())
    console.print(f"{directory}: {outcome}", highlight=False)


@app.command()
def analyse(
    directories: Directories,
    memory: Annotated[float, typer.Option(help="GiB that a pass may take; frames are thinned to fit", min=0.01)] = 1.0,
) -> None:
    """Measure all observables of finished runs in one pass each."""
    from mdstudy.study.analyse import analyse as analyse_run
    from mdstudy.study.tables import estimate_table

    for directory in directories:
        with _bar(f"analyse {directory}") as progress:
            estimates = analyse_run(directory, progress=progress, memory=memory * 2**30)
        strides = {estimate.origin.stride for estimate in estimates if estimate.origin is not None}
        if (stride := max(strides, default=1)) > 1:
            _say(f"{directory}: motion and neighbours of each {stride}th frame, to stay within {memory:g} GiB")
        _print_table(*estimate_table(estimates), str(directory))


@app.command()
def why(
    directory: Directory,
    quantity: Annotated[str, typer.Argument(help="for example self_diffusion")],
    of: Annotated[str | None, typer.Argument(help="of what, for example Li; all if absent")] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="file for the plot behind it: .svg, .pdf or .png")
    ] = None,
) -> None:
    """Tell how a number was made: frames, cutoff or window, estimator, assumptions, force field, code; and plot it."""
    from mdstudy.study.explain import explain

    for explanation in explain(directory, quantity, of, output):
        console.print(str(explanation), highlight=False, markup=False, soft_wrap=True)
    if output is not None:
        console.print(f"wrote {output}", highlight=False)


@app.command()
def quantities(
    word: Annotated[str | None, typer.Argument(help="only those with this word in name or meaning")] = None,
) -> None:
    """List all numbers and curves that an analysis gives: their names, as for `why` and --until, and what they are."""
    from mdstudy.study.pipeline import quantities as known

    def plain(text: str) -> str:
        return text.lower().replace("_", " ").replace("-", " ")

    rows = [[q.name, q.unit, q.text] for q in known() if plain(word or "") in plain(f"{q.name}: {q.text}")]
    if not rows:
        raise MdstudyError(
            f'no quantity has "{word}" in its name or meaning.{did_you_mean(str(word), (q.name for q in known()))}'
        )
    _print_table(["quantity", "unit", "what it is"], rows, whole=2)


@app.command()
def network(
    directory: Directory,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="file for a picture of the network: .svg, .pdf or .png")
    ] = None,
) -> None:
    """Describe the polymer of a box: conversion, gel, chains, crosslinks, loops, mesh, percolation; and draw it."""
    from mdstudy.base.drawing import save
    from mdstudy.polymer.network import Network, describe
    from mdstudy.polymer.picture import picture, sketch
    from mdstudy.polymer.units import read_units
    from mdstudy.study.tables import estimate_table

    found = Network.of(read_units(directory))
    _print_table(*estimate_table(describe(found).estimates), str(directory))
    if output is not None:
        save(picture({str(directory): sketch(found)}), output)
        console.print(f"wrote {output}", highlight=False)


@app.command()
def compare(directories: Directories) -> None:
    """Set analysed runs side by side with each other and with the measured values."""
    from mdstudy.study.pipeline import compare_runs
    from mdstudy.study.sensitivity import conclusion_table, models, sensitivity_table
    from mdstudy.study.tables import comparison_table, difference_table, measured_table

    found = compare_runs(directories)
    if len(models(found)) == 1:
        _print_table(*comparison_table(found))
    else:
        _print_table(*sensitivity_table(found), "By force field and scale of the ionic charges")
        _print_table(*conclusion_table(found), "What survives a change of them")
    _print_table(*measured_table(found), "Beside measured values")
    if found.pairs:
        _print_table(*difference_table(found), "What changes")


@app.command()
def report(
    directories: Directories,
    output: Annotated[Path, typer.Option("--output", "-o", help="HTML file to write")] = Path("report.html"),
) -> None:
    """Write one self-contained HTML report, with the same numbers as CSV and JSON beside it."""
    from mdstudy.study.pipeline import report_runs

    for path in report_runs(directories, output):
        console.print(f"wrote {path}", highlight=False)


@app.command()
def export(
    directory: Directory,
    to: Annotated[str, typer.Option(help="gromacs, lammps or amber")] = "gromacs",
    output: Annotated[Path | None, typer.Option("--output", "-o", help="folder; DIR/export/TARGET if absent")] = None,
    state: Annotated[str, typer.Option(help="start: the box as built; end: where the run stands")] = "start",
    force_field: Annotated[str | None, typer.Option(help="force-field file of the run, if it is not shipped")] = None,
) -> None:
    """Write a run for another program: topology, coordinates and settings with the same potential."""
    from mdstudy.exchange.export import export as export_run

    for path in export_run(directory, to, output, state, force_field):
        console.print(f"wrote {path}", highlight=False)


@app.command()
def bench(
    directory: Directory,
    platform: PlatformName = "auto",
    device: Device = None,
    repeats: Annotated[int, typer.Option(min=1, help="turns; medians are compared")] = 3,
    replicas: Annotated[
        int | None, typer.Option(min=2, help="measure 1, 2, 4 ... up to so many copies at once instead")
    ] = None,
) -> None:
    """Compare the speed of a run with a bare OpenMM loop, a script as users write it, and GROMACS where installed."""
    from mdstudy.bench.speed import bench as bench_run
    from mdstudy.bench.together import doubling, table, throughput

    if replicas is not None:
        with _bar(f"bench {directory}") as progress:
            together = throughput(directory, doubling(replicas), platform, device, progress=progress)
        _print_table(*table(together), f"copies of {directory} at once")
        return
    with _bar(f"bench {directory}") as progress:
        found = bench_run(directory, platform, device, repeats=repeats, progress=progress)
    _print_table(*found.table(), f"{found.atoms} atoms, {found.where}")
    console.print(f"engine: {found.efficiency:.1%} of bare OpenMM; a segment starts in {found.start:.1f} s")
    if found.without_gromacs:
        console.print(f"GROMACS: {found.without_gromacs}")


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="study name or file")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="folder of the study; runs/NAME if absent")
    ] = None,
    platform: PlatformName = "auto",
    device: Device = None,
    workers: Annotated[int, typer.Option(min=1, help="runs simulated at the same time, to fill a large GPU")] = 1,
) -> None:
    """Do a whole study: build, run, analyse, compare and report; again resumes."""
    from mdstudy.study.pipeline import run_study

    with _bar("study") as progress:
        written = run_study(
            name,
            output,
            platform=platform,
            device=device,
            workers=workers,
            progress=progress,
            say=_say,
        )
    for path in written:
        console.print(f"wrote {path}", highlight=False)


def _print_table(
    header: Iterable[str], rows: Iterable[Iterable[str]], title: str | None = None, whole: int = 0
) -> None:
    """Print a table; so many of its first columns are never broken into lines."""
    columns = (Column(label, overflow="fold", no_wrap=k < whole) for k, label in enumerate(header))
    table = Table(*columns, title=title, title_justify="left")
    for row in rows:
        table.add_row(*row)
    console.print(table)


def main() -> None:
    """Entry point: a fault that a person can mend is one message, not a traceback."""
    try:
        app()
    except MdstudyError as error:
        fault = str(error)
    except OSError as error:  # a folder that is not there or may not be written, a full disk
        fault = f"{error.filename}: {error.strerror}" if error.filename else str(error)
    else:
        return
    messages.print(f"mdstudy: {fault}", style="red", highlight=False, markup=False, soft_wrap=True)
    sys.exit(1)
