"""Where an output comes from: versions, commit, inputs and their hashes."""

from __future__ import annotations

import ast
import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterable
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import mdstudy

_PACKAGES = ("openmm", "mdanalysis", "numpy", "scipy", "rdkit", "packmol")


def sha256(path: Path) -> str:
    """Hex digest of a file's bytes."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def content_hash(data: Any) -> str:
    """Hex digest of plain data, independent of key order."""
    return hashlib.sha256(json.dumps(data, sort_keys=True).encode()).hexdigest()


def code_hash(module: str) -> str:
    """Hex digest of a module of the package and all of the package that it imports, directly or not.

    A result can so tell that other code made it, and is not disturbed by code that it does not depend on.

    Parameters
    ----------
    module : str
        For example ``"mdstudy.study.measure"``.
    """
    folder = Path(mdstudy.__file__).resolve().parent
    return content_hash({str(p.relative_to(folder)): sha256(p) for p in sources(module, folder)})


def sources(module: str, folder: Path) -> list[Path]:
    """Files of a module and of all modules of the package in `folder` that it imports, directly or not, sorted."""

    def file(name: str) -> Path | None:
        base = folder.joinpath(*name.split(".")[1:])
        return next((p for p in (base / "__init__.py", base.with_suffix(".py")) if p.is_file()), None)

    found: dict[str, Path] = {}
    waiting = [module]
    while waiting:
        name = waiting.pop()
        path = file(name) if name.split(".")[0] == folder.name else None
        if path is None or name in found:
            continue
        found[name] = path
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                waiting += [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and node.module:
                waiting += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return sorted(found.values())


def versions() -> dict[str, str]:
    """Versions of mdstudy, Python and the packages that numbers depend on."""
    found = {"mdstudy": mdstudy.__version__, "python": platform.python_version()}
    for package in _PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            found[package] = "not installed"
    return found


def commit() -> str:
    """Commit of the checkout that the package runs from, "+changes" if it is dirty."""
    folder = Path(mdstudy.__file__).resolve().parent.parent
    if not (folder / ".git").exists():
        return "not a checkout"

    def git(*words: str) -> str:
        done = subprocess.run(["git", "-C", str(folder), *words], capture_output=True, text=True, check=False)
        return done.stdout.strip()

    head = git("rev-parse", "--short=12", "HEAD") or "no commit"
    return head + ("+changes" if git("status", "--porcelain", "--untracked-files=no") else "")


def record(inputs: Iterable[Path] = ()) -> dict[str, Any]:
    """What made an output: time, command, versions, commit, input files with SHA-256."""
    return {
        "made": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "versions": versions(),
        "commit": commit(),
        "inputs": {path.name: sha256(path) for path in inputs},
    }


def write_text(path: Path, text: str) -> None:
    """Write under a temporary name, sync, rename: a kill leaves the old file or the new one."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("w", encoding="utf-8") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


def write_json(path: Path, data: Any) -> None:
    """:func:`write_text` of indented JSON."""
    write_text(path, json.dumps(data, indent=2, ensure_ascii=False) + "\n")
