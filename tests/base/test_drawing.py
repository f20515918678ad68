from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from mdstudy.base.drawing import Line, Panel, picture, save
from mdstudy.base.errors import MdstudyError

FIGURE = picture([Panel("", "t / ps", "D", (Line("Li", np.arange(3.0), np.arange(3.0), np.full(3, 0.1)),))])
#: How files of each kind begin.
HEADS = {"svg": b"<svg", "pdf": b"%PDF", "png": b"\x89PNG"}


@pytest.mark.parametrize("kind", HEADS)
def test_a_picture_is_written_as_its_name_says_into_a_folder_that_need_not_be_there(kind: str, tmp_path: Path) -> None:
    file = tmp_path / "new" / f"picture.{kind}"
    save(FIGURE, file)
    assert file.read_bytes().startswith(HEADS[kind])


@pytest.mark.parametrize("name", ["picture.xyz", "picture"])
def test_a_kind_of_picture_that_is_none_is_refused(name: str, tmp_path: Path) -> None:
    with pytest.raises(MdstudyError, match=r"take \.svg, \.pdf or \.png"):
        save(FIGURE, tmp_path / "new" / name)
    assert list(tmp_path.iterdir()) == []
