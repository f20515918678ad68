"""The table in DESIGN.md is the law: who may import whom, and which packages from outside."""

from __future__ import annotations

import ast
import fnmatch
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
RUN_STEP = "run.simulate"
EVERYWHERE = {"numpy"}  # arrays are what crosses every border


@dataclass(frozen=True)
class Entry:
    """What DESIGN.md says of one module, or of all of a package (`*`) whose modules import none of each other."""

    package: str
    pattern: str
    third_party: frozenset[str]

    def covers(self, module: str) -> bool:
        return fnmatch.fnmatchcase(module, self.pattern)


def read_tables(text: str) -> list[Entry]:
    """Entries of all tables of modules in DESIGN.md, in the order in which they import."""
    entries = []
    package = ""
    for line in text.splitlines():
        if heading := re.match(r"#+ (?:`(\w+)`|)", line):
            package = heading[1] or ""
        elif row := re.match(r"\| `([\w*]+)` \|[^|]*\|([^|]*)\|$", line):
            pattern = f"{package}.{row[1]}" if package else row[1]
            entries.append(Entry(package, pattern, frozenset(re.findall(r"[A-Za-z][\w.]*", row[2]))))
    return entries


TABLES = read_tables((ROOT / "DESIGN.md").read_text(encoding="utf-8"))


def module_name(path: Path) -> str:
    """``mdstudy/observables/rdf.py`` -> ``observables.rdf``; a package by its ``__init__`` is itself."""
    parts = path.relative_to(ROOT / "mdstudy").with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def has_code(path: Path) -> bool:
    """Whether there is more in a module than its docstring."""
    return len(ast.parse(path.read_text(encoding="utf-8")).body) > 1


SOURCES = {module_name(path): path for path in sorted((ROOT / "mdstudy").rglob("*.py"))}
PACKAGES = list(dict.fromkeys(entry.package for entry in TABLES if entry.package))
ROOT_MODULE = ""  # mdstudy/__init__.py: below all packages
ENTRY = "__main__"  # python -m mdstudy: above all
FINDER = "observables"  # finds the modules of its own package by name
MODULES = [name for name in SOURCES if name not in (ROOT_MODULE, ENTRY, *PACKAGES)]


def entries_of(module: str) -> list[Entry]:
    return [entry for entry in TABLES if entry.covers(module)]


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


def breaches(module: str, imported: set[str], tables: list[Entry]) -> list[str]:
    """What `module` imports that does not stand above it in the tables."""

    def rank(name: str) -> int | None:
        return next((place for place, entry in enumerate(tables) if entry.covers(name)), None)

    own = rank(module)
    assert own is not None
    found = []
    for other in sorted(imported):
        place = rank(other)
        if place is None:
            found.append(f"{module} imports {other}, which is in no table")
        elif place >= own:
            found.append(f"{module} imports {other}, which does not stand above it")
    return found


@pytest.mark.parametrize("module", MODULES)
def test_every_module_stands_once_in_the_tables(module: str) -> None:
    assert len(entries_of(module)) == 1, f"mdstudy.{module} must stand once in the tables of DESIGN.md"


def test_every_entry_of_the_tables_is_a_module() -> None:
    absent = [entry.pattern for entry in TABLES if not any(entry.covers(module) for module in MODULES)]
    assert absent == [], "DESIGN.md names modules that do not exist"


def test_every_folder_is_a_package_of_the_tables() -> None:
    folders = {path.parent.relative_to(ROOT / "mdstudy") for path in SOURCES.values()} - {Path()}
    assert {str(folder) for folder in folders} == set(PACKAGES)
    assert [name for name in PACKAGES if has_code(SOURCES[name])] == [FINDER], (
        "code of a package has a module of its own"
    )


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_what_stands_above_it(module: str) -> None:
    assert breaches(module, internal(module) - {FINDER}, TABLES) == []


def test_only_packages_below_the_observables_look_them_up() -> None:
    below = ["", *PACKAGES[PACKAGES.index(FINDER) + 1 :]]
    users = [module for module in MODULES if FINDER in internal(module)]
    assert [module for module in users if module.rpartition(".")[0] not in below] == []


@pytest.mark.parametrize("module", MODULES)
def test_a_module_imports_only_the_packages_of_its_row(module: str) -> None:
    allowed = {package for entry in entries_of(module) for package in entry.third_party} | EVERYWHERE
    foreign = [name for name in external(module) if not any(f"{name}.".startswith(f"{a}.") for a in allowed)]
    assert foreign == [], f"mdstudy.{module} may import {sorted(allowed)}"


def test_the_root_package_imports_nothing_and_main_only_the_cli() -> None:
    assert imports_of(ROOT_MODULE) <= {"__future__.annotations"}
    assert internal(ENTRY) == {"cli"}
    assert external(ENTRY) == set()


def test_the_run_step_needs_only_openmm_numpy_base_and_run() -> None:
    reached = {RUN_STEP}
    while more := {other for module in reached for other in internal(module)} - reached:
        reached |= more
    assert {module.split(".")[0] for module in reached} == {"base", "run"}
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
### `base`: what every part stands on

| module | its one job | third party |
|---|---|---|
| `errors` | exceptions | - |
| `spec` | recipes | pydantic |

### `observables`: from tallies to estimates

| module | its one job | third party |
|---|---|---|
| `*` | one file an observable | scipy, MDAnalysis.lib |

### top level

| module | its one job | third party |
|---|---|---|
| `cli` | words typed | typer |
"""


def test_the_tables_are_read_whole() -> None:
    assert read_tables(SAMPLE) == [
        Entry("base", "base.errors", frozenset()),
        Entry("base", "base.spec", frozenset({"pydantic"})),
        Entry("observables", "observables.*", frozenset({"scipy", "MDAnalysis.lib"})),
        Entry("", "cli", frozenset({"typer"})),
    ]


def test_upward_and_sideways_imports_are_breaches() -> None:
    tables = read_tables(SAMPLE)
    assert breaches("base.spec", {"base.errors"}, tables) == []
    assert breaches("cli", {"base.spec", "observables.rdf"}, tables) == []
    assert breaches("observables.rdf", {"observables.shell", "cli"}, tables) == [
        "observables.rdf imports cli, which does not stand above it",
        "observables.rdf imports observables.shell, which does not stand above it",
    ]
    assert breaches("base.errors", {"base.spec"}, tables) == [
        "base.errors imports base.spec, which does not stand above it"
    ]
    assert breaches("base.spec", {"stranger"}, tables) == ["base.spec imports stranger, which is in no table"]


def test_imports_hidden_in_functions_and_type_checking_are_seen() -> None:
    source = (
        "from typing import TYPE_CHECKING\n"
        "from mdstudy import cli\n"
        "if TYPE_CHECKING:\n    import MDAnalysis as mda\n"
        "def draw():\n    from matplotlib import pyplot\n"
    )
    assert imports(source) == {"typing.TYPE_CHECKING", "mdstudy.cli", "MDAnalysis", "matplotlib.pyplot"}
