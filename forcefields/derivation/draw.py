"""Draw the torsion scans, quantum chemistry beside the force field before and after the fit, into torsions.svg."""

from __future__ import annotations

import json
from pathlib import Path

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams |= {"svg.hashsalt": "torsions", "font.size": 8}
import matplotlib.pyplot as plt  # noqa: E402

FOLDER = Path(__file__).resolve().parent


def main() -> None:
    """Draw torsions.json."""
    found = json.loads((FOLDER / "torsions.json").read_text(encoding="utf-8"))
    figure, axes = plt.subplots(2, 3, figsize=(7.2, 4.8), layout="constrained")
    for axis in axes.flat[len(found["scans"]) :]:
        axis.set_axis_off()
    for axis, (name, scan) in zip(axes.flat, found["scans"].items(), strict=False):
        axis.plot(scan["angle"], scan["quantum"], "ko", label="MP2")
        axis.plot(scan["angle"], scan["before"], "C1--", label="before")
        axis.plot(scan["angle"], scan["after"], "C0-", label="after")
        errors = f"RMS {scan['rms_before']:.1f} to {scan['rms_after']:.1f}"
        axis.set(title=f"{name.upper()}, {errors}", xlabel="dihedral / deg", xticks=range(0, 181, 60))
    axes.flat[-1].legend(*axes.flat[0].get_legend_handles_labels(), loc="center", frameon=False)
    figure.supylabel("energy / kJ mol$^{-1}$")
    figure.savefig(FOLDER / "torsions.svg", metadata={"Date": None})


if __name__ == "__main__":
    main()
