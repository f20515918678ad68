"""The table in DESIGN.md is the law: who may import whom, and which packages from outside."""

from __future__ import annotations

import ast
import fnmatch
import itertools
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUN_STEP = "simulate"
EVERYWHERE = {"numpy"}  # arrays are what crosses every border


@dataclass(frozen=True)
class Entry:
    """What the table says of one module, or of all that match a pattern such as ``observables.*``."""

    layer: int
    pattern: str
    third_party: frozenset[str]

    def covers(self, module: str) -> bool:
        return fnmatch.fnmatchcase(module, self.pattern) or self.pattern == f"{module}.*"


def read_table(text: str) -> list[Entry]:
    """Entries of the table of DESIGN.md whose header starts with "layer".

    In the last column, "a, b" holds for every module of the row; "a; -; b" names one set a module, in order.
    """
    lines = text.splitlines()
    start = next(i for i, line in enumerate(lines) if line.startswith("| layer "))
    entries = []
    for line in itertools.takewhile(lambda line: line.startswith("|"), lines[start + 2 :]):
        layer, modules, _, packages = (cell.strip() for cell in line.strip("|").split("|"))
        patterns = re.findall(r"`([\w.*]+)`", modules)
        sets = [frozenset(re.findall(r"[A-Za-z][\w.]*", part)) for part in packages.split(";")]
        if len(sets) == 1:
            sets *= len(patterns)
        assert len(sets) == len(patterns), (
            f"DESIGN.md, layer {layer}: {len(patterns)} modules, {len(sets)} sets of packages"
        )
        entries += [Entry(int(layer), pattern, allowed) for pattern, allowed in zip(patterns, sets, strict=True)]
    return entries


TABLE = read_table((ROOT / "DESIGN.md").read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    """``mdstudy/observables/rdf.py`` -> ``observables.rdf``; a package by its ``__init__`` is itself."""
    parts = path.relative_to(ROOT / "mdstudy").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {module_name(path): path for path in sorted((ROOT / "mdstudy").rglob("*.py"))}
ROOT_MODULE = ""  # mdstudy/__init__.py: below all layers
ENTRY = "__main__"  # python -m mdstudy: above all layers
MODULES = [name for name in SOURCES if name not in (ROOT_MODULE, ENTRY)]


def entries_of(module: str) -> list[Entry]:
    return [entry for entry in TABLE if entry.covers(module)]


def imports(source: str) -> set[str]:
    """Every name that a source imports, also inside functions and under TYPE_CHECKING, with what it takes from it."""
    found = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            found |= {f"{'.' * node.level}{node.module or ''}.{alias.name}" for alias in node.names}
    return found


def imports_of(module: str) -> set[str]:
    return imports(SOURCES[module].read_text(encoding="utf-8"))


def internal(module: str) -> set[str]:
    """Modules of mdstudy that `module` imports; the root package (its version) counts as none."""
    found = set()
    for name in imports_of(module):
        parts = name.split(".")[1:] if name.split(".")[0] == "mdstudy" else []
        while parts and ".".join(parts) not in SOURCES:
            parts.pop()
        found.add(".".join(parts))
    return found - {ROOT_MODULE}


def external(module: str) -> set[str]:
    """Names of what `module` imports from outside mdstudy and the standard library."""
    return {name for name in imports_of(module) if name.split(".")[0] not in sys.stdlib_module_names | {"mdstudy"}}


def breaches(module: str, imported: set[str], layer_of: dict[str, int]) -> list[str]:
    """What `module` imports from its own layer, from one above or from outside the table."""
    allowed = {other for other, layer in layer_of.items() if layer < layer_of[module]}
    return [
        f"{module} ({layer_of[module]}) imports {other} ({layer_of.get(other, 'not in the table')})"
        for other in sorted(imported - allowed)
    ]


def layers() -> dict[str, int]:
    return {module: entry.layer for module in MODULES for entry in entries_of(module)}


@pytest.mark.parametrize("module", MODULES)
def test_every_module_stands_once_in_the_table(module: str) -> None:
    assert len(entries_of(module)) == 1, f"mdstudy.{module} must stand once in the table of DESIGN.md"


def test_every_entry_of_the_table_is_a_module() -> None:
    absent = [entry.pattern for entry in TABLE if not any(entry.covers(module) for module in MODULES)]
    assert absent == [], "DESIGN.md names modules that do not exist"


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_from_lower_layers(module: str) -> None:
    assert breaches(module, internal(module), layers()) == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_the_packages_of_its_row(module: str) -> None:
    allowed = {package for entry in entries_of(module) for package in entry.third_party} | EVERYWHERE
    foreign = [name for name in external(module) if not any(f"{name}.".startswith(f"{a}.") for a in allowed)]
    assert foreign == [], f"mdstudy.{module} may import {sorted(allowed)}"


def test_the_root_package_imports_nothing_and_main_only_the_cli() -> None:
    assert imports_of(ROOT_MODULE) <= {"__future__.annotations"}
    assert internal(ENTRY) == {"cli"}
    assert external(ENTRY) == set()


def test_the_run_step_needs_only_openmm_numpy_and_layers_0_and_1() -> None:
    layer_of = layers()
    reached = {RUN_STEP}
    while more := {other for module in reached for other in internal(module)} - reached:
        reached |= more
    assert {module: layer_of[module] for module in reached - {RUN_STEP} if layer_of[module] > 1} == {}
    assert {name.split(".")[0] for module in reached for name in external(module)} <= {"openmm", "numpy"}


def test_the_run_step_starts_with_every_other_package_blocked() -> None:
    """As on a GPU node with openmm and numpy alone."""
    blocked = ["MDAnalysis", "matplotlib", "packmol", "parmed", "pydantic", "rdkit", "rich", "scipy", "typer"]
    code = f"import sys\nfor name in {blocked!r}: sys.modules[name] = None\nimport mdstudy.{RUN_STEP}\n"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_importing_the_package_loads_nothing_heavy() -> None:
    code = "import sys, mdstudy; print(*sorted({m.split('.')[0] for m in sys.modules} - set(sys.stdlib_module_names)))"
    done = subprocess.run([sys.executable, "-S", "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) - {"__main__"} == {"mdstudy"}


# The checks themselves must be able to fail.

SAMPLE = """
| layer | module | its one job | third party |
|---|---|---|---|
| 0 | `errors` | exceptions | - |
| 2 | `spec`, `statistics` | recipes; error bars | pydantic; - |
| 3 | `observables.*`, `species` | one file an observable; molecules | scipy, MDAnalysis.lib |
"""


def test_the_table_is_read_whole() -> None:
    both = frozenset({"scipy", "MDAnalysis.lib"})
    assert read_table(SAMPLE) == [
        Entry(0, "errors", frozenset()),
        Entry(2, "spec", frozenset({"pydantic"})),
        Entry(2, "statistics", frozenset()),
        Entry(3, "observables.*", both),
        Entry(3, "species", both),
    ]


def test_upward_and_sideways_imports_are_breaches() -> None:
    layer_of = {"errors": 0, "species": 3, "protocol": 3, "cli": 8}
    assert breaches("species", {"errors"}, layer_of) == []
    assert breaches("species", {"protocol", "cli"}, layer_of) == [
        "species (3) imports cli (8)",
        "species (3) imports protocol (3)",
    ]
    assert breaches("species", {"stranger"}, layer_of) == ["species (3) imports stranger (not in the table)"]


def test_imports_hidden_in_functions_and_type_checking_are_seen() -> None:
    source = (
        "from typing import TYPE_CHECKING\n"
        "from mdstudy import cli\n"
        "if TYPE_CHECKING:\n    import MDAnalysis as mda\n"
        "def draw():\n    from matplotlib import pyplot\n"
    )
    assert imports(source) == {"typing.TYPE_CHECKING", "mdstudy.cli", "MDAnalysis", "matplotlib.pyplot"}
