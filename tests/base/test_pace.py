from __future__ import annotations

import pytest

from mdstudy.base.pace import Pace, duration, ns_per_day, progress_line, read_progress_line


def test_the_fraction_counts_what_was_done_before_and_what_need_not_be_done() -> None:
    said: list[tuple[float, str]] = []
    pace = Pace(lambda fraction, text: said.append((fraction, text)), total=1000, done=200)
    pace.advance(100, "2-heat", 0.004)
    pace.settle(-100)  # blew up: again
    pace.advance(100, "2-heat", 0.004)
    pace.settle(400)  # stationary before its limit
    pace.advance(300, "0001", 0.004)
    assert [fraction for fraction, _ in said] == pytest.approx([0.3, 0.3, 1.0])
    assert said[0][1].startswith("2-heat: ")
    assert said[-1][1].startswith("0001: ")
    assert said[-1][1].endswith(" 0 s left")


def test_a_minimisation_has_no_speed() -> None:
    said: list[str] = []
    Pace(lambda fraction, text: said.append(text), 10, 0).advance(5, "1-minimise", 0.0)  # noqa: ARG005
    assert "ns/day" not in said[0]


def test_nobody_need_listen() -> None:
    Pace(None, 0, 0).advance(0, "x", 0.004)


def test_ns_per_day_by_hand() -> None:
    assert ns_per_day(0.004, 0.004) == pytest.approx(86.4)


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59.6, "1 min 00 s"), (61, "1 min 01 s"), (3720, "1 h 02 min"), (90000, "25 h 00 min")],
)
def test_a_duration_in_words(seconds: float, words: str) -> None:
    assert duration(seconds) == words


@pytest.mark.parametrize(
    ("fraction", "text"), [(0.0, "CPU (1 threads)"), (0.123, "0001: 10.3 ns/day, 5 s left"), (1.0, "")]
)
def test_a_progress_line_is_read_back(fraction: float, text: str) -> None:
    assert read_progress_line(progress_line(fraction, text) + "\n") == (pytest.approx(fraction, abs=5e-4), text)


@pytest.mark.parametrize("line", ["", "done: 1 ns", "Traceback (most recent call last):", "100 %  x"])
def test_other_lines_are_no_progress(line: str) -> None:
    assert read_progress_line(line) is None
