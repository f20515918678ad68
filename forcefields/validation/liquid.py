"""Liquids of runs.toml in GROMACS, on boxes that mdstudy built and exported.

An independent program integrates the same force field (single-point energies of the two agree to 1e-6), several times
as fast as OpenMM on a CPU. A stage is skipped when its result is there, and goes on from its checkpoint after a kill:

    python forcefields/validation/liquid.py -o runs/gromacs              # all runs, in order
    python forcefields/validation/liquid.py -o runs/gromacs --only tte  # those of one system
    python forcefields/validation/table.py runs/gromacs                  # liquids.csv and liquids.md, of what is there
"""

from __future__ import annotations

import argparse
import json
import math
import re
import subprocess
from dataclasses import dataclass
from pathlib import Path

import MDAnalysis
import numpy as np
from pydantic import Field

from mdstudy.analysis.trajectory import from_universe
from mdstudy.base.provenance import record, write_text
from mdstudy.base.spec import Spec, Temperature, Time, read_spec
from mdstudy.base.statistics import mean_and_error
from mdstudy.base.units import GAS_CONSTANT
from mdstudy.exchange.export import export
from mdstudy.observables.conductivity import EinsteinHelfand
from mdstudy.observables.diffusion import SelfDiffusion
from mdstudy.observables.nernst_einstein import NernstEinstein
from mdstudy.observables.rdf import RadialDistribution
from mdstudy.run.mechanics import load
from mdstudy.study.measure import measure
from mdstudy.study.vaporisation import alone, is_molecular_liquid, sample
from mdstudy.system.build import build
from mdstudy.system.composition import Composition

#: Where the liquid is melted before it is cooled to the target, K.
HOT = 400.0
#: Species that move, and the atom that stands for each when GROMACS' own topology is read.
SPECIES = ("Li", "FSI", "Pyr13", "TTE", "MMA")
#: Residue names where they are not those of the species.
NAMES = {"Pyr13": "P13"}
#: Time step of dynamics, ps, and molecules that are taken out of a liquid to be vaporised.
STEP, VAPOUR = 0.003, 16
#: Independent samples from which a mean counts as known, if its halves do not differ.
ENOUGH = 20

#: What is kept of an estimate.
KEPT = (
    *("self_diffusion", "diffusion_exponent", "conductivity_nernst_einstein", "ionic_conductivity"),
    *("first_peak_distance", "coordination_number"),
)
ESTIMATE = ("quantity", "of", "value", "error", "unit", "method", "converged", "note")


class Liquid(Spec):
    """One run of runs.toml."""

    system: str
    atoms: int = Field(2000, gt=0)
    seed: int = 1
    force_field: str = "clp-opls"
    charge_scale: float | None = Field(None, gt=0)
    temperature: Temperature = Field("298.15 K", gt=0)  # type: ignore[assignment]
    production: Time = Field(gt=0)

    @property
    def name(self) -> str:
        """Its folder."""
        field = "" if self.force_field == "clp-opls" else f"-{self.force_field}"
        scale = "" if self.charge_scale is None else f"-q{self.charge_scale:g}"
        return f"{self.system}{field}{scale}-{self.temperature:g}K-s{self.seed}"


class Runs(Spec):
    """A list of runs."""

    run: tuple[Liquid, ...]


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
        Stage("4-anneal", 50.0, STEP, thermostat(melt) + barostat(1.0)),
        Stage("5-cool", 40.0, STEP, thermostat(melt) + barostat(1.0) + cooled),
        Stage("6-settle", 50.0, STEP, thermostat(temperature) + barostat(1.0)),
        Stage("7-produce", production, STEP, thermostat(temperature) + barostat(1.0) + "nstxout-compressed = 200\n"),
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


def series(folder: Path, name: str, term: str) -> np.ndarray:
    """An energy term over a stage."""
    gmx(folder, "energy", "-f", f"{name}.edr", "-o", f"{name}.{term}.xvg", text=f"{term}\n\n")
    lines = (folder / f"{name}.{term}.xvg").read_text().splitlines()
    return np.array([float(line.split()[1]) for line in lines if line[0] not in "#@"])


def average(folder: Path, name: str, term: str) -> tuple[float, float, float]:
    """Mean of an energy term over a stage, its standard error, and the number of independent samples."""
    return mean_and_error(series(folder, name, term))


def halves(folder: Path, name: str, term: str) -> float:
    """Second half of a stage less the first, in standard errors of the difference."""
    parts = np.array_split(series(folder, name, term), 2)
    (first, before, _), (second, after, _) = (mean_and_error(part) for part in parts)
    return (second - first) / math.hypot(before, after)


def motion_and_distances(folder: Path, name: str, temperature: float, charge_scale: float) -> list[dict[str, object]]:
    """Diffusion, conductivity and the oxygens around lithium, by mdstudy's estimators on GROMACS' frames."""
    universe = MDAnalysis.Universe(str(folder / f"{name}.tpr"), str(folder / f"{name}.xtc"))
    groups = {species: f"resname {species.upper()} {species} {NAMES.get(species, species)}" for species in SPECIES}
    oxygens = {f"{species}.O": f"({groups[species]}) and name O*" for species in ("FSI", "TTE")}
    present = {site: words for site, words in (groups | oxygens).items() if len(universe.select_atoms(words))}
    asked: list[object] = [SelfDiffusion()]
    if "Li" in present:
        asked += [RadialDistribution("Li", tuple(site for site in oxygens if site in present))]
        asked += [NernstEinstein(temperature), EinsteinHelfand(temperature)]
    measured = measure(from_universe(universe, present, charge_scale), asked)  # type: ignore[arg-type]
    return [
        {key: getattr(estimate, key) for key in ESTIMATE}
        for one in measured
        for estimate in one.estimates
        if estimate.quantity in KEPT
    ]


def vaporisation(folder: Path, name: str, liquid: Liquid, composition: Composition) -> list[dict[str, object]]:
    """Enthalpy of vaporisation, kJ/mol, of a liquid of one kind of molecule: see mdstudy.study.vaporisation."""
    if not is_molecular_liquid(composition):
        return []
    ((_, count),) = composition.molecules.items()
    potential, error, samples = average(folder, name, "Potential")
    positions = MDAnalysis.Universe(str(folder / f"{name}.gro")).atoms.positions.astype(float) / 10
    molecules = positions.reshape(count, -1, 3)
    starts = molecules[np.linspace(0, count - 1, VAPOUR).astype(int)]
    system = load(folder / "box" / "system.xml")
    gas = sample(alone(system, molecules.shape[1]), starts, liquid.temperature, STEP, seed=liquid.seed)
    value = float(gas.mean()) - potential / count + GAS_CONSTANT * liquid.temperature
    spread = math.hypot(error / count, float(gas.std(ddof=1)) / math.sqrt(len(gas)))
    method = f"potential energy of {VAPOUR} molecules alone, less that in the liquid, plus RT"
    made = ("enthalpy_of_vaporisation", "box", value, spread, "kJ/mol", method, samples >= ENOUGH, "")
    return [dict(zip(ESTIMATE, made, strict=True))]


def evaluate(folder: Path, liquid: Liquid, name: str) -> dict[str, object]:
    """What a finished run says, with what made it.

    Raises
    ------
    SystemExit
        The mean temperature is not the one asked for: the integration is at fault.
    """
    kelvin, kelvin_error, _ = average(folder, name, "Temperature")
    if abs(kelvin - liquid.temperature) > max(3 * kelvin_error, 0.01 * liquid.temperature):
        raise SystemExit(
            f"{folder}: mean temperature {kelvin:.1f} K, not {liquid.temperature:g} K: the integration is at fault"
        )
    spec = json.loads((folder / "spec.json").read_text())
    density, error, samples = average(folder, name, "Density")
    apart = halves(folder, name, "Density")
    known = samples >= ENOUGH and abs(apart) < 3
    said = (
        "density",
        "box",
        density / 1e3,
        error / 1e3,
        "g/cm^3",
        "NPT mean",
        known,
        f"halves {apart:+.1f} standard errors apart",
    )
    return {
        "run": json.loads(liquid.model_dump_json()),
        "spec": spec,
        "mean_temperature_K": kelvin,
        "estimates": [
            dict(zip(ESTIMATE, said, strict=True)),
            *vaporisation(folder, name, liquid, Composition.from_dict(spec["composition"])),
            *motion_and_distances(folder, name, liquid.temperature, spec["charge_scale"]),
        ],
        "independent_samples": samples,
        "gromacs": re.findall(r"GROMACS:.*version ([\w.-]+)", (folder / f"{name}.log").read_text())[0],
        "provenance": record([folder / "spec.json"]),
    }


def main() -> None:
    """Words typed to files."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("--runs", type=Path, default=Path(__file__).with_name("runs.toml"))
    ask.add_argument("--only", help="runs whose name begins so")
    ask.add_argument("--threads", type=int, default=1)
    ask.add_argument("-o", "--output", type=Path, default=Path("runs/gromacs"))
    asked = ask.parse_args()
    for liquid in read_spec(asked.runs, Runs).run:
        folder = asked.output / liquid.name
        if (folder / "result.json").exists() or not liquid.name.startswith(asked.only or ""):
            continue
        if not folder.exists():
            recipe = liquid.model_dump(exclude={"system", "production"})
            build(liquid.system, folder, **recipe)
        if not (folder / "export" / "gromacs").exists():
            export(folder, "gromacs")
        plan = stages(liquid.temperature, liquid.production)
        simulate(folder, plan, asked.threads)
        found = evaluate(folder, liquid, plan[-1].name)
        write_text(folder / "result.json", json.dumps(found, indent=1) + "\n")
        print(f"{liquid.name}: {found['estimates'][0]['value']:.4f} g/cm^3", flush=True)  # type: ignore[index]  # noqa: T201


if __name__ == "__main__":
    main()
