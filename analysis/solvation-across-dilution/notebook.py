# %% [markdown]
# # How does the solvation of Li⁺ change from 1.0 M to 0.6 M?
#
# Reads the small committed results of the quick study and draws them; nothing is simulated here. Put another report's
# JSON file in place of `quick.json` to see a longer study.

# %%
# %matplotlib inline
from pathlib import Path

from mdstudy.study.compare import compare
from mdstudy.study.figures import conductivities, displacements, distributions, draw, shells
from mdstudy.study.pipeline import measured_values
from mdstudy.study.report import read_results
from mdstudy.study.tables import comparison_table

ROOT = next(p for p in [Path.cwd(), *Path.cwd().parents] if (p / "analysis").is_dir())
runs = read_results(ROOT / "analysis" / "results" / "quick.json")
comparison = compare(runs, measured_values(), [("dlhci", "lhci")])
for run in runs:
    print(f"{run.system}, variant {run.composition.variant}: {run.length}. {run.note}")
    print(f"  {run.composition.assumption}")

# %% [markdown]
# ## The numbers
#
# ± is one standard error; a number that is not converged says so. Conductivities use formal charges.

# %%
header, rows = comparison_table(comparison)
widths = [max(len(row[k]) for row in [header, *rows]) for k in range(len(header))]
for row in [header, *rows]:
    print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())

# %% [markdown]
# ## What surrounds Li⁺

# %%
draw(distributions, comparison)

# %%
draw(shells, comparison)

# %% [markdown]
# ## How it moves

# %%
draw(displacements, comparison)

# %%
draw(conductivities, comparison)

# %% [markdown]
# ## What may be said
#
# Only what is converged. The loop counts it.

# %%
for case in comparison.cases:
    done = sum(estimate.converged for estimate in case.estimates)
    print(f"{case.label}: {done} of {len(case.estimates)} numbers are converged")
