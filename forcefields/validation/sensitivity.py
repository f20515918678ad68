"""How a finished liquid answers to its parameters: python forcefields/validation/sensitivity.py RUN_DIR.

Goes on from the end of a run of liquid.py under a copy of its force field with other charges and Lennard-Jones
parameters (CHANGES), lets the box settle and averages; writes sensitivity.json beside the result. It says which
parameter could explain a difference to a measured density or enthalpy of vaporisation. Nothing is fitted to it.
"""

from __future__ import annotations

import argparse
import json
import shutil
import xml.etree.ElementTree as ElementTree
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import openmm
from liquid import STEP, Liquid, Stage, average, barostat, gmx, settings, thermostat, vaporisation
from openmm import app

from mdstudy.base.provenance import record, write_json, write_text
from mdstudy.base.units import GAS_CONSTANT
from mdstudy.exchange.export import export
from mdstudy.system.composition import Composition
from mdstudy.system.forcefield import load_force_field
from mdstudy.system.parameterise import parameterise

#: Sigma (nm), epsilon (kJ/mol) and charge (e) of an atom type, or factors on them.
Values = tuple[float, float, float]
#: By system: ps that the box settles after a change, and ps over which it is averaged.
LENGTHS = {"tte": (60.0, 300.0), "mma": (40.0, 160.0)}


@dataclass(frozen=True)
class Change:
    """What differs, by the beginning of the names of types: factors, sigma and epsilon; by type: whole rows."""

    factors: Mapping[str, Values] = field(default_factory=dict)
    wells: Mapping[str, tuple[float, float]] = field(default_factory=dict)
    rows: Mapping[str, Values] = field(default_factory=dict)


#: Esters of OPLS-AA as published in 2001 (O1 of clp-opls.xml, 465 to 469), which it had before those of 2023 (J1).
ESTER_2001 = {
    "PMMA_C": (0.375, 0.43932, 0.51),
    "PMMA_O1": (0.296, 0.87864, -0.43),
    "PMMA_O2": (0.3, 0.71128, -0.33),
    "PMMA_HO": (0.242, 0.06276, 0.03),
}
#: Sigma (nm) and epsilon (kJ/mol) of c3, os, f, h1, h2 of GAFF2 (../gaff2-resp.xml); they are made to be mixed
#: arithmetically, here all are mixed geometrically.
GAFF2 = {
    "TTE_C": (0.339770953, 0.4510352),
    "TTE_O": (0.31560978, 0.3037584),
    "TTE_F": (0.303422285, 0.3481088),
    "TTE_H": (0.224381751, 0.0870272),
    "TTE_H3": (0.242199726, 0.0870272),
}
#: Those of C, F and H of fluoroethanes with RESP charges, fitted to vapours and liquids: Carlozo et al., Digital
#: Discovery (2026), doi 10.1039/D5DD00537J, scheme AT-4 (AT-1 of example_mcf_files in github MaginnGroup/genFF_public,
#: commit df6e3dd; angstrom, K). Made to be mixed arithmetically too; O has none there and stays.
REFRIGERANTS = {
    kind: (sigma / 10, kelvin * GAS_CONSTANT)
    for kind, sigma, kelvin in (
        ("TTE_C", 3.56915, 41.75207),
        ("TTE_F", 2.93815, 26.23910),
        ("TTE_H", 2.28406, 11.50814),
    )
}
#: By system.
CHANGES: dict[str, dict[str, Change]] = {
    "tte": {
        "as it is": Change(),
        "sigma of F - 1 %": Change({"TTE_F": (0.99, 1.0, 1.0)}),
        "epsilon of F + 10 %": Change({"TTE_F": (1.0, 1.1, 1.0)}),
        "charges + 10 %": Change({"TTE_": (1.0, 1.0, 1.1)}),
        "H on CF2 as in GAFF2": Change(wells=dict.fromkeys(("TTE_H1", "TTE_H5"), GAFF2["TTE_H"])),
        "Lennard-Jones of GAFF2": Change(wells=GAFF2),
        "Lennard-Jones of refrigerants": Change(wells=REFRIGERANTS),
    },
    "mma": {
        "as it is": Change(),
        "esters of OPLS-AA 2001": Change(rows=ESTER_2001),
        "charges - 10 %": Change(dict.fromkeys(("MMA_", "PMMA_", "PEG_"), (1.0, 1.0, 0.9))),
    },
}


def changed(source: Path, change: Change, target: Path) -> None:
    """Write a force field whose atom types differ by a change.

    Raises
    ------
    ValueError
        The change names a type, or a beginning of types, that is not there.
    """
    tree = ElementTree.parse(source)
    rows = {row.attrib["type"]: row.attrib for row in tree.getroot().iterfind("NonbondedForce/Atom")}
    keys = ("sigma", "epsilon", "charge")

    def beginning(start: str) -> list[dict[str, str]]:
        found = [row for kind, row in rows.items() if kind.startswith(start)]
        if not found:
            raise ValueError(f"{source}: no atom type begins with {start}")
        return found

    for start, by in change.factors.items():
        for row in beginning(start):
            row |= {key: f"{float(row[key]) * factor:.8g}" for key, factor in zip(keys, by, strict=True)}
    for start, well in change.wells.items():
        for row in beginning(start):
            row |= {key: f"{value:.8g}" for key, value in zip(keys[:2], well, strict=True)}
    for kind, values in change.rows.items():
        if kind not in rows:
            raise ValueError(f"{source}: no atom type {kind}")
        rows[kind] |= {key: f"{value:.8g}" for key, value in zip(keys, values, strict=True)}
    tree.write(target, encoding="unicode", xml_declaration=True)


def rebuilt(run: Path, change: Change, folder: Path) -> None:
    """A run directory of the same box under the changed force field, written for GROMACS."""
    spec = json.loads((run / "spec.json").read_text(encoding="utf-8"))
    path = folder / "changed.xml"
    shutil.copytree(run / "box", folder / "box", dirs_exist_ok=True)
    shutil.copy(run / "plan.json", folder)
    changed(load_force_field(spec["force_field"]).path, change, path)
    topology = app.PDBxFile(str(run / "box" / "topology.cif")).topology
    system = parameterise(topology, path, charge_scale=spec["charge_scale"])
    write_text(folder / "box" / "system.xml", openmm.XmlSerializer.serialize(system))
    write_json(folder / "spec.json", spec | {"force_field_sha256": load_force_field(path).sha256})
    export(folder, "gromacs", force_field=path)


def main() -> None:
    """Run directory to sensitivity.json."""
    ask = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ask.add_argument("run", type=Path, help="finished run of liquid.py")
    ask.add_argument("--change", action="append", help="a change of CHANGES by name; may be repeated (default: all)")
    args = ask.parse_args()
    run = args.run
    found = json.loads((run / "result.json").read_text(encoding="utf-8"))
    words = {"temperature": f"{found['run']['temperature']} K", "production": f"{found['run']['production']} ps"}
    liquid = Liquid.model_validate(found["run"] | words)
    composition = Composition.from_dict(found["spec"]["composition"])
    molecules, (settle, length) = sum(composition.molecules.values()), LENGTHS[liquid.system]
    results: dict[str, dict[str, float]] = {}
    for number, (name, change) in enumerate(CHANGES[liquid.system].items()):
        if args.change and name not in args.change:
            continue
        folder = run / "sensitivity" / f"{number}"
        folder.mkdir(parents=True, exist_ok=True)
        rebuilt(run, change, folder)
        (top,), (mdp,) = ((folder / "export" / "gromacs").glob(f"*.{kind}") for kind in ("top", "mdp"))
        before = "7-produce"
        shutil.copy(run / f"{before}.gro", folder)
        shutil.copy(run / f"{before}.cpt", folder)
        for stage, time in (("settle", settle), ("average", length)):
            if not (folder / f"{stage}.gro").exists():
                lines = thermostat(liquid.temperature) + barostat(1.0)
                text = settings(mdp.read_text(encoding="utf-8"), Stage(stage, time, STEP, lines))
                (folder / f"{stage}.mdp").write_text(text, encoding="utf-8")
                files = ["-p", str(top.relative_to(folder)), "-c", f"{before}.gro", "-t", f"{before}.cpt"]
                files += ["-f", f"{stage}.mdp", "-o", f"{stage}.tpr", "-po", f"{stage}.out.mdp"]
                gmx(folder, "grompp", "-maxwarn", "3", *files)
                gmx(folder, "mdrun", "-deffnm", stage, "-cpi", f"{stage}.cpt", "-ntmpi", "1", "-ntomp", "1")
            before = stage
        mean, error, samples = average(folder, "average", "Density")
        potential, spread, _ = average(folder, "average", "Potential")
        (heat,) = vaporisation(folder, "average", liquid, composition)
        results[name] = {
            "density_g_per_cm3": mean / 1e3,
            "density_error": error / 1e3,
            "independent_samples": samples,
            "potential_kJ_per_mol": potential / molecules,
            "potential_error": spread / molecules,
            "enthalpy_of_vaporisation_kJ_per_mol": heat["value"],
            "enthalpy_error": heat["error"],
        }
        print(name, {key: round(value, 4) for key, value in results[name].items()}, flush=True)  # noqa: T201
        said = {"run": found["run"], "changes": results, "length_ps": length, "provenance": record([run / "spec.json"])}
        write_text(run / "sensitivity.json", json.dumps(said, indent=1) + "\n")


if __name__ == "__main__":
    main()
