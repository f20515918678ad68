"""MP2 energies of the conformers of a molecule in charges.json, kept in ranking.json.

    python forcefields/derivation/ranking.py TTE def2-svp

Single points at the GFN2-xTB geometries from which the charges come. Energies that are there already are kept; a larger
basis may have those of the lowest conformers only. checks.py sets the force fields beside them.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
from charges import CHARGES, write
from molecules import TARGETS
from quantum import mp2_energy

RANKING = Path(__file__).resolve().parent / "ranking.json"


def read() -> dict[str, Any]:
    """What is known."""
    return json.loads(RANKING.read_text(encoding="utf-8")) if RANKING.exists() else {}


def rank(name: str, basis: str) -> None:
    """Energies (kJ/mol, absolute) of one molecule in one basis, each kept as soon as it is there."""
    made = TARGETS[name].structure
    conformers = json.loads(CHARGES.read_text(encoding="utf-8"))[name]["conformers"]
    known = read().get(name, {})
    energies = known.setdefault("mp2", {}).setdefault(basis, [])
    known["method"] = "MP2 (frozen core, density-fitted) at GFN2-xTB geometries of charges.json; kJ/mol"
    for row in conformers[len(energies) :]:
        energies.append(mp2_energy(made.elements, np.array(row["positions_nm"]), made.charge, basis))
        print(name, basis, len(energies), f"{energies[-1] - energies[0]:.2f} kJ/mol", flush=True)  # noqa: T201
        write(RANKING, read() | {name: known})


if __name__ == "__main__":
    rank(*sys.argv[1:])
