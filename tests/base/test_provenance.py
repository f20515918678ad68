from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import mdstudy
from mdstudy.base.provenance import (
    code_hash,
    commit,
    content_hash,
    record,
    sha256,
    sources,
    versions,
    write_json,
    write_text,
)


def test_the_hash_of_a_file_is_that_of_its_bytes_also_beyond_one_chunk(tmp_path: Path) -> None:
    file = tmp_path / "data"
    for content in (b"", b"abc", bytes(range(256)) * 5000):
        file.write_bytes(content)
        assert sha256(file) == hashlib.sha256(content).hexdigest()


def test_the_hash_of_data_depends_on_content_and_not_on_the_order_of_keys() -> None:
    assert content_hash({"a": 1, "b": [1.5, "x"]}) == content_hash({"b": [1.5, "x"], "a": 1})
    assert content_hash({"a": 1}) != content_hash({"a": 2})
    assert content_hash([1, 2]) != content_hash([2, 1])
    assert content_hash({"a": 1}) == hashlib.sha256(b'{"a": 1}').hexdigest()


def test_the_hash_of_the_code_is_the_same_in_another_process() -> None:
    code = "from mdstudy.base.provenance import code_hash; print(code_hash('mdstudy.study.analyse'))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == code_hash("mdstudy.study.analyse")


def test_code_is_what_a_module_imports_directly_or_not_and_nothing_else(tmp_path: Path) -> None:
    package = tmp_path / "mdstudy"
    (package / "part").mkdir(parents=True)
    for name, text in {
        "__init__": "",
        "top": "import numpy\nfrom mdstudy.part import low\n",
        "other": "import mdstudy.top\n",
        "part/__init__": "",
        "part/low": "def f():\n    from mdstudy.part.lower import g\n",
        "part/lower": "import mdstudy.top\n",
        "part/unused": "",
    }.items():
        (package / f"{name}.py").write_text(text)
    found = [str(path.relative_to(package)) for path in sources("mdstudy.top", package)]
    assert found == ["part/__init__.py", "part/low.py", "part/lower.py", "top.py"]


def test_results_depend_on_every_observable_and_on_no_other_step() -> None:
    package = Path(mdstudy.__file__).parent
    behind = {str(path.relative_to(package)) for path in sources("mdstudy.study.analyse", package)}
    assert {f"observables/{p.name}" for p in (package / "observables").glob("*.py")} - behind <= {
        "observables/__init__.py",  # finds the others by name, makes no number
        "observables/finite_size.py",  # in no report
    }
    assert {"analysis/shells.py", "base/statistics.py", "study/measure.py"} <= behind
    assert {name for name in behind if name.split("/")[0] in ("bench", "exchange", "cli.py")} == set()
    assert not {"study/report.py", "study/figures.py", "run/simulate.py", "system/packing.py"} & behind


def test_a_record_says_when_by_what_and_of_what(tmp_path: Path) -> None:
    file = tmp_path / "input.toml"
    file.write_text("x = 1\n")
    made = record([file])
    assert json.loads(json.dumps(made)) == made
    assert abs((datetime.now(UTC) - datetime.fromisoformat(made["made"])).total_seconds()) < 60
    assert made["inputs"] == {"input.toml": sha256(file)}
    assert made["versions"] == versions()
    assert made["versions"]["mdstudy"] == mdstudy.__version__
    assert made["versions"]["openmm"][0].isdigit()
    assert made["commit"] == commit()


def test_text_replaces_a_file_as_a_whole_and_leaves_nothing_beside_it(tmp_path: Path) -> None:
    file = tmp_path / "out.json"
    write_text(file, "old")
    write_json(file, {"σ": [1, None]})
    assert json.loads(file.read_text(encoding="utf-8")) == {"σ": [1, None]}
    assert "σ" in file.read_text(encoding="utf-8")
    assert [p.name for p in tmp_path.iterdir()] == ["out.json"]
