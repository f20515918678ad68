from __future__ import annotations

import inspect

import pytest

from mdstudy.base import errors
from mdstudy.base.errors import MdstudyError, did_you_mean


@pytest.mark.parametrize(
    ("word", "known", "answer"),
    [
        ("Pyr31", ["Pyr13", "TTE"], ' Did you mean "Pyr13"?'),
        ("tte", ["FSI", "TTE"], ' Did you mean "TTE"?'),
        ("lihci", ["dlhci", "lhci", "tte"], ' Did you mean "lhci"?'),
        ("xyz", ["TTE", "FSI"], " Known: FSI, TTE."),
        ("xyz", [], ""),
    ],
)
def test_the_nearest_known_word_is_named_or_else_all_of_them(word: str, known: list[str], answer: str) -> None:
    assert did_you_mean(word, known) == answer
    assert did_you_mean(word, iter(known)) == answer


def test_one_base_catches_every_error_of_the_package() -> None:
    defined = [item for _, item in inspect.getmembers(errors, inspect.isclass) if item.__module__ == errors.__name__]
    assert len(defined) > 5
    assert all(issubclass(item, MdstudyError) for item in defined)
