"""The wheel carries the shipped data, and the lock file pins all that we depend on."""

from __future__ import annotations

import itertools
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import mdstudy

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
LOCK = (ROOT / "requirements.lock").read_text(encoding="utf-8")
LOCKED_EXTRAS = ("test", "dev", "notebook", "peers")


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this checkout, built from a copy so that the checkout stays clean."""
    source = tmp_path_factory.mktemp("source")
    names = ["pyproject.toml", "README.md", "LICENSE", "mdstudy", "forcefields", "systems"]
    subprocess.run(["cp", "-r", *(str(ROOT / name) for name in names), str(source)], check=True)
    output = tmp_path_factory.mktemp("wheel")
    pip(["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(output), str(source)])
    (built,) = output.glob("*.whl")
    return built


def pip(words: list[str]) -> None:
    command = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check", "--no-cache-dir", *words]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def shipped(folder: str, suffix: str) -> set[str]:
    return {path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob(f"*{suffix}")}


def test_the_wheel_holds_every_module_and_data_file(wheel: Path) -> None:
    inside = set(zipfile.ZipFile(wheel).namelist())
    data = shipped("forcefields", ".xml") | shipped("systems", ".toml")
    assert data, "nothing to ship?"
    assert {f"mdstudy/{name}" for name in data} | shipped("mdstudy", ".py") | {"mdstudy/py.typed"} <= inside


def test_the_wheel_holds_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        foreign = [name for name in file.namelist() if not re.match(r"mdstudy/|mdstudy-[\w.]+\.dist-info/", name)]
    assert foreign == []


def test_an_installed_wheel_finds_its_data_from_anywhere(wheel: Path, tmp_path: Path) -> None:
    target = tmp_path / "installed"
    pip(["install", "--no-deps", "--no-index", "--target", str(target), str(wheel)])
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "from mdstudy.base import library\n"
        "print(library.data_dir('forcefields'))\n"
        "print(*library.names('forcefields', '.xml'))\n"
        "print(*library.names('systems', '.toml'))\n"
        "from mdstudy.system.composition import load_system\n"
        "print(load_system('lhci').title)\n"
    )
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    done = subprocess.run(
        [sys.executable, "-I", "-c", code, str(target)], cwd=elsewhere, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    folder, force_fields, systems, title = done.stdout.splitlines()
    assert Path(folder).is_relative_to(target)
    assert force_fields.split() == sorted(p.stem for p in (ROOT / "forcefields").glob("*.xml"))
    assert systems.split() == sorted(p.stem for p in (ROOT / "systems").glob("*.toml"))
    assert "LHCI" in title


def test_the_wheel_names_its_version_licence_and_command(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        info = f"mdstudy-{mdstudy.__version__}.dist-info"
        metadata = file.read(f"{info}/METADATA").decode()
        commands = file.read(f"{info}/entry_points.txt").decode()
        assert "MIT License" in file.read(f"{info}/licenses/LICENSE").decode()
    assert f"Version: {mdstudy.__version__}\n" in metadata
    assert "License-Expression: MIT\n" in metadata
    assert "mdstudy = mdstudy.cli:main" in commands


def locked() -> dict[str, list[str]]:
    """Name -> the lock's entries for it, one for each marker; continuation lines joined."""
    entries: dict[str, list[str]] = {}
    for entry in LOCK.replace("\\\n", " ").splitlines():
        if entry.strip() and not entry.startswith("#"):
            name = canonicalize_name(re.split(r"[=\s;]", entry, maxsplit=1)[0])
            entries.setdefault(name, []).append(entry)
    return entries


def test_the_lock_pins_versions_and_hashes_and_nothing_else() -> None:
    pinned = re.compile(r"[a-z0-9-]+==[\w.]+( ; [^\\]+?)?(\s+--hash=sha256:[0-9a-f]{64})+\s*")
    assert [entry for entries in locked().values() for entry in entries if not pinned.fullmatch(entry)] == []


def test_the_lock_names_no_registry_and_no_path() -> None:
    assert re.findall(r"https?:|file:|--(?:extra-)?index|--find-links|^-|\s/|@", LOCK, flags=re.MULTILINE) == []


def declared() -> list[Requirement]:
    extras = PROJECT["project"]["optional-dependencies"]
    lines = PROJECT["project"]["dependencies"] + [line for extra in LOCKED_EXTRAS for line in extras[extra]]
    return [Requirement(line) for line in lines + PROJECT["build-system"]["requires"]]


@pytest.mark.parametrize("requirement", declared(), ids=lambda r: r.name)
def test_the_lock_holds_every_dependency_within_its_bounds(requirement: Requirement) -> None:
    entries = locked().get(canonicalize_name(requirement.name), [])
    assert entries, f"{requirement.name} is not in requirements.lock: run `make lock`"
    versions = [re.split(r"==|[\s;]", entry)[1] for entry in entries]
    assert all(requirement.specifier.contains(version) for version in versions), versions


def test_every_dependency_has_a_lower_bound() -> None:
    lines = [
        *PROJECT["project"]["dependencies"],
        *itertools.chain(*PROJECT["project"]["optional-dependencies"].values()),
    ]
    assert [line for line in lines if ">=" not in line] == []


def test_every_dependency_is_imported_or_run_somewhere() -> None:
    sources = "\n".join(path.read_text(encoding="utf-8") for path in (ROOT / "mdstudy").rglob("*.py"))
    used = {name.lower() for name in re.findall(r"^\s*(?:import|from) (\w+)", sources, flags=re.MULTILINE)}
    used |= set(re.findall(r'shutil\.which\("(\w+)"', sources))
    names = {canonicalize_name(Requirement(line).name) for line in PROJECT["project"]["dependencies"]}
    assert names - used == set()
