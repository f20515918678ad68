"""From a finished run to its ``measure/``: all that is known of it, with what made it."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from mdstudy.analysis import glass, thermodynamics, viscosity
from mdstudy.analysis.attribution import says
from mdstudy.analysis.trajectory import open_run
from mdstudy.analysis.verdicts import if_exchanged
from mdstudy.base.errors import RunError
from mdstudy.base.pace import Progress, silent
from mdstudy.base.provenance import code_hash, record, sha256, write_json, write_text
from mdstudy.base.results import Estimate, Measurement, Origin, Quantity, attributed, find
from mdstudy.base.store import load, save
from mdstudy.observables.diffusion import SelfDiffusion
from mdstudy.polymer import network
from mdstudy.polymer.picture import sketch
from mdstudy.polymer.units import read_units
from mdstudy.run.plan import Plan
from mdstudy.run.rundir import RunDir
from mdstudy.study import vaporisation
from mdstudy.study.measure import MEMORY, code_text, measure, standard_observables

#: File that says what the results were made from; they count only with it.
STAMP = "inputs.json"
#: File with the network as it is drawn.
SKETCH = "network.json"


def analyse(directory: str | Path, progress: Progress = silent, memory: float = MEMORY) -> list[Estimate]:
    """Measure the standard observables of a run and write ``measure/``.

    Nothing is done if the results there were made from the same frames by the same code, with no less memory.

    Parameters
    ----------
    directory : str or Path
        Run directory with at least one finished segment of production.
    progress : callable, optional
        Called with the fraction done and a word.
    memory : float
        Bytes that the pass may take: see :func:`mdstudy.study.measure.measure`.

    Returns
    -------
    list of Estimate

    Raises
    ------
    RunError
        Not a run directory, or nothing to analyse yet.
    TrajectoryError
        The trajectory cannot be analysed as it stands.
    """
    run = RunDir(Path(directory))
    inputs = _segments(run) | {"code": code_hash(__name__)}
    stamp = run.measure / STAMP
    if stamp.is_file():
        old = json.loads(stamp.read_text(encoding="utf-8"))
        if old["made_from"] == inputs and old["memory"] >= memory:
            return load(run.measure)[0]
    grown = network.Network.of(read_units(run.path)) if is_polymerised(run) else None
    measurements = measured(run, progress=progress, grown=grown, memory=memory)
    estimates = [e for m in measurements for e in m.estimates]
    run.measure.mkdir(exist_ok=True)
    stamp.unlink(missing_ok=True)  # until all is written nothing counts as made
    save(run.measure, estimates, [c for m in measurements for c in m.curves])
    for grid in (g for m in measurements for g in m.grids):
        write_text(run.measure / grid.file_name, grid.to_cube())
    if grown is not None:
        write_json(run.measure / SKETCH, sketch(grown))
    write_json(stamp, {"made_from": inputs, "memory": memory, **record()})
    return estimates


def require_analysed(run: RunDir) -> None:
    """Check that there are results, of all of the run as it stands.

    Raises
    ------
    RunError
        Not a run directory, not analysed, or gone on since.
    """
    run.read_spec()
    stamp = run.measure / STAMP
    if not stamp.is_file():
        raise RunError(f"{run.path}: not analysed yet; do it with `mdstudy analyse {run.path}`")
    made_from = json.loads(stamp.read_text(encoding="utf-8"))["made_from"]
    if any(made_from.get(name) != now for name, now in _segments(run).items()):
        raise RunError(f"{run.path}: went on since it was analysed; do it again with `mdstudy analyse {run.path}`")


def _segments(run: RunDir) -> dict[str, str]:
    """Finished segments with the hash of what they say of themselves, their files included."""
    return {str(segment.relative_to(run.path)): sha256(segment / "done.json") for segment in run.segments()}


def measured(
    run: RunDir,
    wanted: Callable[[str], bool] = lambda _: True,
    progress: Progress = silent,
    grown: network.Network | None = None,
    memory: float = MEMORY,
) -> list[Measurement]:
    """Logs and one pass over the trajectory of a run, nothing written.

    Parameters
    ----------
    run : RunDir
    wanted : callable
        Whether a quantity is; recipes that give none that is are left out.
    progress : callable, optional
    grown : Network, optional
        Of a run that was polymerised; read if absent.
    memory : float
        Bytes that the pass may take.
    """
    trajectory = open_run(run.path)
    temperature = float(run.read_spec()["temperature_K"])
    plan = run.read_plan()
    logged = _logged(run, plan, temperature, trajectory.model)
    if wanted("enthalpy_of_vaporisation") and (vapour := vaporisation.enthalpy_of_vaporisation(run)):
        made = _origin(
            run.state_files(), "vaporisation", "enthalpy_of_vaporisation", says(vaporisation), trajectory.model
        )
        logged.append(attributed(Measurement("vaporisation", vapour), made))
    if is_polymerised(run) and any(wanted(quantity.name) for quantity in network.QUANTITIES):
        logged.append(described(run, grown or network.Network.of(read_units(run.path)), trajectory.model))
    if plan.production.acceleration:  # driven: nothing else is that of equilibrium
        return logged
    flows = find([e for one in logged for e in one.estimates], "shear_viscosity", "box")
    chosen = [
        observable
        for observable in standard_observables(trajectory.sites, temperature, flows)
        if any(wanted(quantity.name) for quantity in observable.quantities)
    ]
    judge = SelfDiffusion() if flows is not None and flows.converged and wanted("shear_viscosity") else None
    extra = [judge] if judge is not None and judge not in chosen else []
    found = measure(trajectory, [*chosen, *extra], progress, halves=True, memory=memory) if chosen or extra else []
    if flows is not None and judge is not None:
        moved = [c for one in found for c in one.curves if c.quantity == "mean_squared_displacement"]
        judged = if_exchanged(flows, moved)
        logged = [replace(one, estimates=tuple(judged if e is flows else e for e in one.estimates)) for one in logged]
    elif not wanted("shear_viscosity"):  # which nobody has judged
        logged = [one for one in logged if one.observable != "shear_viscosity"]
    return [*logged, *found[: len(chosen)]]


def _logged(run: RunDir, plan: Plan, temperature: float, model: str) -> list[Measurement]:
    """Temperature and viscosity of production; density of it at constant pressure, or of the last stage that was."""
    made = [_averages(run.state_files(), plan.production.ensemble, "production", model)]
    if plan.production.ensemble != "npt":
        settled = [s for s in plan.stages if s.kind == "npt" and s.temperature[0] == s.temperature[1]]
        if settled:
            name = settled[-1].name
            made.append(_averages([run.stage(name) / "state.csv"], "npt", f"stage {name}", model, ("density",)))
    files = [file for segment in run.segments() for file in segment.glob("stress.csv")]
    files = files or [file for segment in run.segments() for file in segment.glob("profile.csv")]
    if found := viscosity.logged_viscosity(files, temperature, "production"):
        made.append(attributed(found, _origin(files, "viscosity", "logged_viscosity", says(viscosity), model)))
    if cooled := glass.measured_on_cooling(run):
        about = _origin(glass.files(run), "glass", "glass_transition", says(glass), model, glass.QUANTITIES)
        made.append(attributed(cooled, about))
    return made


def is_polymerised(run: RunDir) -> bool:
    """Whether a network was made in the box of a run."""
    spec = run.read_spec()
    return bool(spec.get("composition", {}).get("network"))


def described(run: RunDir, grown: network.Network, model: str = "") -> Measurement:
    """The network of a run in numbers, where it stands last."""
    state = run.states()[-1].relative_to(run.path)
    unknown = float("nan")
    made = Origin(
        "network",
        "describe",
        says(network),
        network.QUANTITIES,
        f"bonds of {run.topology.relative_to(run.path)}, positions of {state}",
        1,
        unknown,
        unknown,
        model,
        code_text(),
    )
    return attributed(network.describe(grown), made)


def _averages(
    files: list[Path], ensemble: str, where: str, model: str, only: tuple[str, ...] = ("density", "temperature")
) -> Measurement:
    found = [e for e in thermodynamics.log_estimates(files, ensemble, where) if e.quantity in only]
    made = _origin(files, "thermodynamics", f"log_estimates of {where}", says(thermodynamics.average), model)
    return attributed(Measurement("thermodynamics", tuple(found)), made)


def _origin(
    files: list[Path],
    name: str,
    recipe: str,
    about: str,
    model: str,
    quantities: tuple[Quantity, ...] = thermodynamics.QUANTITIES,
) -> Origin:
    """Origin of what was read off logs."""
    times = thermodynamics.read_log(files)["time_ps"]
    interval = float(times[1] - times[0]) if len(times) > 1 else float("nan")
    return Origin(
        name,
        recipe,
        about,
        quantities,
        f"{files[0].name} of {files[0].parent.name} to {files[-1].parent.name}",
        len(times),
        interval,
        len(times) * interval,
        model,
        code_text(),
    )
