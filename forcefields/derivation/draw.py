"""Draw torsion scans: those of the fit before and after (torsions.svg), those of the checks (checks.svg)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")
matplotlib.rcParams |= {"svg.hashsalt": "torsions", "font.size": 8}
import matplotlib.pyplot as plt  # noqa: E402

FOLDER = Path(__file__).resolve().parent
#: Of each file: what is drawn over the points, and how it is called.
LINES = {
    "torsions": {"before": ("C1--", "before"), "after": ("C0-", "after")},
    "checks": {"clp-opls": ("C0-", "clp-opls"), "gaff2-resp": ("C2-.", "gaff2-resp")},
}


def title(name: str, scan: dict[str, Any]) -> str:
    """Name of a scan and its errors."""
    errors = scan.get("rms") or {key: scan[key] for key in ("rms_before", "rms_after")}
    return f"{name.upper()}\nRMS {' and '.join(f'{error:.1f}' for error in errors.values())}"


def draw(name: str) -> None:
    """Draw the scans of one file."""
    scans = json.loads((FOLDER / f"{name}.json").read_text(encoding="utf-8"))["scans"]
    rows = (len(scans) + 3) // 3  # one place is that of the legend
    figure, axes = plt.subplots(rows, 3, figsize=(7.2, 2.4 * rows), layout="constrained")
    for axis in axes.flat[len(scans) :]:
        axis.set_axis_off()
    for axis, (scan_name, scan) in zip(axes.flat, scans.items(), strict=False):
        axis.plot(scan["angle"], scan["quantum"], "ko", label="MP2")
        for key, (style, label) in LINES[name].items():
            axis.plot(scan["angle"], scan[key], style, label=label)
        axis.set(title=title(scan_name, scan), xlabel="dihedral / deg", xticks=range(0, 181, 60))
    axes.flat[-1].legend(*axes.flat[0].get_legend_handles_labels(), loc="center", frameon=False)
    figure.supylabel("energy / kJ mol$^{-1}$")
    figure.savefig(FOLDER / f"{name}.svg", metadata={"Date": None})


if __name__ == "__main__":
    for each in LINES:
        draw(each)
