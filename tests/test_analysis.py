"""The notebooks run on the committed results, and the committed results say where they come from."""

from __future__ import annotations

import re
from pathlib import Path

import jupytext
import pytest
from nbclient import NotebookClient

from mdstudy.study.report import read_results

ANALYSIS = Path(__file__).resolve().parent.parent / "analysis"
NOTEBOOKS = sorted(ANALYSIS.glob("*/notebook.py"))
RESULTS = sorted((ANALYSIS / "results").glob("*.json"))


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # those of Jupyter are not ours
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.parent.name)
def test_a_notebook_runs_and_draws(path: Path) -> None:
    notebook = jupytext.read(path)
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(path.parent)}}).execute()
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 3
    text = "".join(output.get("text", "") for output in outputs)
    assert "±" in text
    assert "lhci" in text


def test_every_question_has_a_readme_and_a_notebook() -> None:
    folders = [path for path in ANALYSIS.iterdir() if path.is_dir() and path.name != "results"]
    assert folders
    for folder in folders:
        assert (folder / "README.md").is_file()
        assert (folder / "notebook.py").is_file()


@pytest.mark.parametrize("path", RESULTS, ids=lambda path: path.stem)
def test_committed_results_are_complete_and_name_what_made_them(path: Path) -> None:
    runs = read_results(path)
    assert runs
    for run in runs:
        assert run.estimates
        assert run.composition.charge == 0
        assert re.fullmatch(r"[0-9a-f]{16}", run.provenance["run hash"])
        for key in ("seed", "force field SHA-256", "commit", "versions", "platform", "built"):
            assert run.provenance[key]
        assert "/" not in run.provenance["commit"]
    assert path.stat().st_size < 1_000_000 * len(runs), "a megabyte a run is all that belongs into a repository"
    assert path.with_suffix(".csv").is_file()


def test_results_name_no_machine_path() -> None:
    for path in [*RESULTS, *(ANALYSIS / "results").glob("*.csv")]:
        assert re.findall(r"/(?:home|root|work|tmp|Users)/", path.read_text(encoding="utf-8")) == []
