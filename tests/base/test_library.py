from __future__ import annotations

from pathlib import Path

import pytest

from mdstudy.base.errors import SpecError
from mdstudy.base.library import data_dir, find, names


def test_shipped_files_are_listed_by_name_without_those_of_other_folders() -> None:
    assert {"lhci", "dlhci", "tte"} <= set(names("systems", ".toml"))
    assert "quick" not in names("systems", ".toml")
    assert names("systems", ".toml") == sorted(names("systems", ".toml"))
    assert "clp-opls" in names("forcefields", ".xml")


def test_a_shipped_name_is_found_with_and_without_its_suffix() -> None:
    assert find("lhci", "systems", ".toml") == data_dir("systems") / "lhci.toml"
    assert find("lhci.toml", "systems", ".toml") == data_dir("systems") / "lhci.toml"


def test_a_path_comes_before_a_shipped_name_and_beside_the_file_that_names_it_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    for folder in (here, there):
        folder.mkdir()
        (folder / "lhci.toml").write_text("")
    monkeypatch.chdir(here)
    assert find("lhci.toml", "systems", ".toml").resolve() == here / "lhci.toml"
    assert find("lhci.toml", "systems", ".toml", beside=there) == there / "lhci.toml"
    assert find(there / "lhci.toml", "systems", ".toml") == there / "lhci.toml"


def test_a_missing_file_is_refused_with_the_nearest_shipped_name() -> None:
    with pytest.raises(SpecError) as caught:
        find("lchi", "systems", ".toml")
    assert str(caught.value) == '"lchi": no such file, and not one of the shipped systems. Did you mean "lhci"?'
    with pytest.raises(SpecError, match="no such file"):
        find("elsewhere/lhci", "systems", ".toml")


def test_an_incomplete_installation_says_so() -> None:
    with pytest.raises(SpecError, match="installation is incomplete"):
        data_dir("no-such-folder")
