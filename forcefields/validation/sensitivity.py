"""How the density of a finished liquid answers to its parameters: python forcefields/validation/sensitivity.py RUN_DIR.

Goes on from the end of a run of liquid.py with changed Lennard-Jones parameters and charges, lets the box settle and
averages; writes sensitivity.json beside the result. It says which parameter could explain a difference to a measured
density. Nothing is fitted to it.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

from liquid import STEP, Stage, average, barostat, gmx, settings, thermostat

from mdstudy.base.provenance import record, write_text

#: ps that the box settles after a change, and ps over which it is averaged.
SETTLE, LENGTH = 60.0, 300.0
#: Name, types that it touches (by the beginning of their names), and factors on sigma, epsilon and charge. The last
#: gives H on CF2 the Lennard-Jones parameters of type h2 of GAFF2 (../gaff2-resp.xml).
CHANGES = {
    "as it is": ((), 1.0, 1.0, 1.0),
    "sigma of F - 1 %": (("TTE_F",), 0.99, 1.0, 1.0),
    "epsilon of F + 10 %": (("TTE_F",), 1.0, 1.1, 1.0),
    "charges + 10 %": (("TTE_",), 1.0, 1.0, 1.1),
    "H on CF2 as in GAFF2": (("TTE_H1", "TTE_H5"), 0.224381751 / 0.25, 0.0870272 / 0.12552, 1.0),
}


def changed(topology: str, touched: tuple[str, ...], sigma: float, epsilon: float, charge: float) -> str:
    """A topology of GROMACS with parameters of some atom types multiplied."""
    lines, section = [], ""
    for line in topology.splitlines():
        words = line.split()
        if line.startswith("["):
            section = line.strip("[ ]")
        elif section == "atomtypes" and words and words[0].startswith(touched):
            words[5:7] = [f"{float(words[5]) * sigma:.8g}", f"{float(words[6]) * epsilon:.8g}"]
        elif section == "atoms" and len(words) == 8 and words[1].startswith(touched):
            words[6] = f"{float(words[6]) * charge:.8g}"
        lines.append(line if line.startswith("[") or not words else " ".join(words))
    return "\n".join(lines) + "\n"


def main() -> None:
    """Run directory to sensitivity.json."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("run", type=Path, help="finished run of liquid.py")
    run = ask.parse_args().run
    found = json.loads((run / "result.json").read_text(encoding="utf-8"))
    kelvin, molecules = found["run"]["temperature"], sum(found["spec"]["composition"]["molecules"].values())
    (top,), (mdp,) = ((run / "export" / "gromacs").glob(f"*.{kind}") for kind in ("top", "mdp"))
    results: dict[str, dict[str, float]] = {}
    for number, (name, change) in enumerate(CHANGES.items()):
        folder = run / "sensitivity" / f"{number}"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "box.top").write_text(changed(top.read_text(encoding="utf-8"), *change), encoding="utf-8")
        before = "7-produce"
        shutil.copy(run / f"{before}.gro", folder)
        shutil.copy(run / f"{before}.cpt", folder)
        for stage, length in (("settle", SETTLE), ("average", LENGTH)):
            if not (folder / f"{stage}.gro").exists():
                lines = thermostat(kelvin) + barostat(1.0)
                text = settings(mdp.read_text(encoding="utf-8"), Stage(stage, length, STEP, lines))
                (folder / f"{stage}.mdp").write_text(text, encoding="utf-8")
                files = ["-f", f"{stage}.mdp", "-p", "box.top", "-c", f"{before}.gro", "-t", f"{before}.cpt"]
                gmx(folder, "grompp", "-maxwarn", "3", *files, "-o", f"{stage}.tpr", "-po", f"{stage}.out.mdp")
                gmx(folder, "mdrun", "-deffnm", stage, "-cpi", f"{stage}.cpt", "-ntmpi", "1", "-ntomp", "1")
            before = stage
        mean, error, samples = average(folder, "average", "Density")
        potential, spread, _ = average(folder, "average", "Potential")
        results[name] = {
            "density_g_per_cm3": mean / 1e3,
            "density_error": error / 1e3,
            "independent_samples": samples,
            "potential_kJ_per_mol": potential / molecules,
            "potential_error": spread / molecules,
        }
        print(f"{name}: {mean / 1e3:.4f} ± {error / 1e3:.4f} g/cm^3", flush=True)  # noqa: T201
        said = {"run": found["run"], "changes": results, "length_ps": LENGTH, "provenance": record([run / "spec.json"])}
        write_text(run / "sensitivity.json", json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
