"""Density and self-diffusion of a liquid from GROMACS, on a box that mdstudy built and exported.

An independent program integrates the same force field (single-point energies of the two agree to 1e-6), several times
as fast as OpenMM on a CPU. A stage is skipped when its result is there, and goes on from its checkpoint after a kill:

    python forcefields/validation/liquid.py tte --atoms 2000 --seed 1 --production 400 -o runs/gromacs
    python forcefields/validation/liquid.py --table runs/gromacs  # all results so far as CSV
"""

from __future__ import annotations

import argparse
import json
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import MDAnalysis
import numpy as np

from mdstudy.analysis.trajectory import from_universe
from mdstudy.base.provenance import record, write_text
from mdstudy.base.statistics import mean_and_error
from mdstudy.exchange.export import export
from mdstudy.observables.diffusion import SelfDiffusion
from mdstudy.study.measure import measure
from mdstudy.system.build import build

#: Where the liquid is melted before it is cooled to the target, K.
HOT = 400.0
#: Species that move, and the atom that stands for each when GROMACS' own topology is read.
SPECIES = ("Li", "FSI", "Pyr13", "TTE", "MMA")
#: Residue names where they are not those of the species.
NAMES = {"Pyr13": "P13"}
#: Independent samples from which a mean density counts as known: many, for no drift between halves is tested here.
ENOUGH = 50

#: What is kept of an estimate.
ESTIMATE = ("quantity", "of", "value", "error", "unit", "method", "converged", "note")


@dataclass(frozen=True)
class Stage:
    """One call of mdrun: name, steps of `dt` ps, and the lines that it adds to the exported settings."""

    name: str
    time: float
    dt: float
    lines: str


def thermostat(temperature: float) -> str:
    """Velocity rescaling (Bussi et al. 2007, doi 10.1063/1.2408420), which leaves diffusion unharmed."""
    return f"integrator = md\ntcoupl = v-rescale\ntc-grps = System\ntau-t = 0.5\nref-t = {temperature}\n"


def barostat(pressure: float) -> str:
    """Stochastic cell rescaling (Bernetti and Bussi 2020, doi 10.1063/5.0020514).

    Its noise stretches bonds too: in boxes of a few nm a coupling time of 1 ps heated liquids to 460 K, 4 ps does not.
    """
    coupling = "pcoupl = C-rescale\ntau-p = 4.0\ncompressibility = 5e-5\nnstpcouple = 10\nnsttcouple = 10\n"
    return coupling + f"ref-p = {pressure}\n"


def stages(temperature: float, production: float) -> list[Stage]:
    """From the packed box to production: melt, compress, cool, settle, average (times in ps)."""
    melt = max(HOT, temperature)
    ramp = "annealing = single\nannealing-npoints = 2\nannealing-time = 0 40\n"
    cooled = ramp + f"annealing-temp = {melt} {temperature}\n"
    new = f"gen-vel = yes\ngen-temp = {melt}\ncontinuation = no\n"
    return [
        Stage("1-minimise", 1.0, 0.002, "integrator = steep\nemtol = 100\n"),
        Stage("2-heat", 10.0, 0.001, thermostat(melt) + new),
        Stage("3-compress", 20.0, 0.002, thermostat(melt) + barostat(1000.0)),
        Stage("4-anneal", 50.0, 0.003, thermostat(melt) + barostat(1.0)),
        Stage("5-cool", 40.0, 0.003, thermostat(melt) + barostat(1.0) + cooled),
        Stage("6-settle", 50.0, 0.003, thermostat(temperature) + barostat(1.0)),
        Stage("7-produce", production, 0.003, thermostat(temperature) + barostat(1.0) + "nstxout-compressed = 200\n"),
    ]


def settings(exported: str, stage: Stage) -> str:
    """The exported settings with those of a stage in their place."""
    lines = (
        f"nsteps = {round(stage.time / stage.dt)}\ndt = {stage.dt}\nnstenergy = 50\nnstcalcenergy = 10\nnstlog = 0\n"
    )
    lines += "comm-mode = Linear\nnstcomm = 10\n" + stage.lines
    keys = {line.split("=")[0].strip() for line in lines.splitlines()}
    kept = [line for line in exported.splitlines() if line.split("=")[0].strip() not in keys | {"tau-t", "ref-t"}]
    if not any(line.startswith("tcoupl") for line in lines.splitlines()):
        kept = [line for line in kept if not line.startswith("tc-grps")]
    return "\n".join(kept) + "\n" + lines


def gmx(folder: Path, *words: str, text: str = "") -> str:
    """Run GROMACS in a folder; what it says on failure is the error."""
    command = ["gmx", "-nobackup", "-quiet", *words]
    done = subprocess.run(command, cwd=folder, input=text, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"gmx {' '.join(words)}: {done.stderr[-1500:]}")
    return done.stdout


def simulate(folder: Path, plan: list[Stage], threads: int) -> None:
    """Run what is not finished yet."""
    exported = folder / "export" / "gromacs"
    (top,), (mdp,) = exported.glob("*.top"), exported.glob("*.mdp")
    before = next(exported.glob("*.gro"))
    for stage in plan:
        name = stage.name
        after = folder / f"{name}.gro"
        if not after.exists():
            (folder / f"{name}.mdp").write_text(settings(mdp.read_text(), stage))
            state = before.with_suffix(".cpt")
            goes_on = state.exists() and before.parent == folder and "gen-vel" not in stage.lines
            if not (folder / f"{name}.tpr").exists():
                files = ["-f", f"{name}.mdp", "-p", str(top.relative_to(folder)), "-c", str(before.relative_to(folder))]
                files += ["-o", f"{name}.tpr", "-po", f"{name}.out.mdp", *(["-t", state.name] if goes_on else [])]
                gmx(folder, "grompp", "-maxwarn", "2", *files)
            resumed = ["-cpi", f"{name}.cpt", "-cpt", "2"]
            gmx(folder, "mdrun", "-deffnm", name, *resumed, "-ntmpi", "1", "-ntomp", str(threads))
        before = after


def average(folder: Path, name: str, term: str) -> tuple[float, float, float]:
    """Mean of an energy term over a stage, its standard error, and the number of independent samples."""
    gmx(folder, "energy", "-f", f"{name}.edr", "-o", f"{name}.{term}.xvg", text=f"{term}\n\n")
    lines = (folder / f"{name}.{term}.xvg").read_text().splitlines()
    return mean_and_error(np.array([float(line.split()[1]) for line in lines if line[0] not in "#@"]))


def diffusion(folder: Path, name: str) -> list[dict[str, object]]:
    """Self-diffusion of every species, by mdstudy's estimator on GROMACS' trajectory."""
    universe = MDAnalysis.Universe(str(folder / f"{name}.tpr"), str(folder / f"{name}.xtc"))
    groups = {species: f"resname {species.upper()} {species} {NAMES.get(species, species)}" for species in SPECIES}
    present = {species: words for species, words in groups.items() if len(universe.select_atoms(words))}
    measured = measure(from_universe(universe, present), [SelfDiffusion()])[0]
    return [{key: getattr(estimate, key) for key in ESTIMATE} for estimate in measured.estimates]


def evaluate(folder: Path, temperature: float, production: float, name: str) -> dict[str, object]:
    """What a finished run says, with what made it.

    Raises
    ------
    SystemExit
        The mean temperature is not the one asked for: the integration is at fault.
    """
    kelvin, kelvin_error, _ = average(folder, name, "Temperature")
    if abs(kelvin - temperature) > max(3 * kelvin_error, 0.01 * temperature):
        raise SystemExit(
            f"{folder}: mean temperature {kelvin:.1f} K, not {temperature:g} K: the integration is at fault"
        )
    density, error, samples = average(folder, name, "Density")
    return {
        "spec": json.loads((folder / "spec.json").read_text()),
        "temperature_K": temperature,
        "production_ps": production,
        "mean_temperature_K": kelvin,
        "density_kg_m3": density,
        "density_error": error,
        "independent_samples": samples,
        "self_diffusion": diffusion(folder, name),
        "gromacs": re.findall(r"GROMACS:.*version ([\w.-]+)", (folder / f"{name}.log").read_text())[:1],
        "provenance": record([folder / "spec.json"]),
    }


def table(folder: Path) -> str:
    """All results below a folder, a line each, as CSV."""
    lines = [
        "run,system,charge_scale,temperature_K,force_field_sha256,commit,gromacs,production_ps,quantity,of,value,error,unit,converged"
    ]
    for path in sorted(folder.rglob("result.json")):
        found = json.loads(path.read_text())
        spec, made = found["spec"], found["provenance"]
        what = [path.parent.name, spec["system"], spec["charge_scale"], spec["temperature_K"]]
        how = [spec["force_field_sha256"][:12], made["commit"], *found["gromacs"], found["production_ps"]]
        head = ",".join(str(word) for word in [*what, *how])
        known = found["independent_samples"] >= ENOUGH
        lines.append(f"{head},density,box,{found['density_kg_m3']:.1f},{found['density_error']:.1f},kg/m^3,{known}")
        for row in found["self_diffusion"]:
            value, error = f"{row['value']:.3g}", f"{row['error']:.2g}"
            lines.append(f"{head},{row['quantity']},{row['of']},{value},{error},{row['unit']},{row['converged']}")
    return "\n".join(lines) + "\n"


def main() -> None:
    """Words typed to files."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("system", nargs="?", help="system to simulate; none with --table")
    ask.add_argument("--atoms", type=int, default=2000)
    ask.add_argument("--seed", type=int, default=1)
    ask.add_argument("--charge-scale", type=float)
    ask.add_argument("--temperature", type=float, default=298.15, help="K")
    ask.add_argument("--production", type=float, default=200.0, help="ps")
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("--table", type=Path, help="print the results below a folder")
    ask.add_argument("-o", "--output", type=Path, default=Path("runs/gromacs"))
    asked = ask.parse_args()
    if asked.table:
        print(table(asked.table), end="")  # noqa: T201
        return
    if not asked.system:
        ask.error("say which system")
    kelvin = asked.temperature
    scale = "" if asked.charge_scale is None else f"-q{asked.charge_scale:g}"
    folder = asked.output / f"{asked.system}{scale}-{kelvin:g}K-s{asked.seed}"
    recipe = {"atoms": asked.atoms, "seed": asked.seed, "charge_scale": asked.charge_scale, "temperature": kelvin}
    if not folder.exists():
        build(asked.system, folder, **recipe)
    if not (folder / "export" / "gromacs").exists():
        export(folder, "gromacs")
    plan = stages(kelvin, asked.production)
    simulate(folder, plan, asked.threads)
    found = evaluate(folder, kelvin, asked.production, plan[-1].name)
    write_text(folder / "result.json", json.dumps(found, indent=1) + "\n")
    print(f"{folder.name}: {found['density_kg_m3']:.1f} ± {found['density_error']:.1f} kg/m^3")  # noqa: T201


if __name__ == "__main__":
    main()
