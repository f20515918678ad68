"""Find the data that ship with the package: force fields and systems.

In a wheel they lie inside the package, in a checkout or editable install
beside it; a path that a person gives comes first.
"""

from __future__ import annotations

from pathlib import Path

from mdstudy.base.errors import SpecError, did_you_mean

_PACKAGE = Path(__file__).resolve().parents[1]


def data_dir(name: str) -> Path:
    """Folder of shipped data: ``"forcefields"`` or ``"systems"``, or a folder below one.

    Raises
    ------
    SpecError
        The installation is incomplete.
    """
    for candidate in (_PACKAGE / name, _PACKAGE.parent / name):
        if candidate.is_dir():
            return candidate
    raise SpecError(f'shipped data "{name}" not found beside {_PACKAGE}: the installation is incomplete')


def names(folder: str, suffix: str) -> list[str]:
    """Names (without suffix) of the shipped files of one kind, sorted."""
    return sorted(p.name.removesuffix(suffix) for p in data_dir(folder).glob(f"*{suffix}"))


def find(name: str | Path, folder: str, suffix: str, beside: Path | None = None) -> Path:
    """Path of a file given by path or by shipped name.

    Parameters
    ----------
    name : str or Path
        A path (taken first, also relative to `beside`) or a shipped name such as ``"lhci"``.
    folder, suffix : str
        Where shipped files of this kind lie and how they end, ``"systems"``, ``".toml"``.
    beside : Path, optional
        Folder of the file that names this one.

    Raises
    ------
    SpecError
        Neither a path nor a shipped name.
    """
    given = Path(name)
    candidates = [given] if beside is None else [beside / given, given]
    for candidate in candidates:
        if candidate.is_file():
            return candidate
    shipped = data_dir(folder) / f"{given.name.removesuffix(suffix)}{suffix}"
    if shipped.is_file() and len(given.parts) == 1:
        return shipped
    kind = Path(folder).name
    raise SpecError(
        f'"{name}": no such file, and not one of the shipped {kind}.{did_you_mean(given.stem, names(folder, suffix))}'
    )
