"""The exceptions that mdstudy raises for a person to read.

Every message says where the fault is, what was found and what would be right.
The command line prints the message alone; a traceback is a bug.
"""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches


class MdstudyError(Exception):
    """Base of every error that a caller may catch."""


class SpecError(MdstudyError):
    """A file that a person wrote cannot be used as it stands."""


class ForceFieldError(MdstudyError):
    """A force field lacks or contradicts what the topology needs."""


class BuildError(MdstudyError):
    """A box could not be built."""


class ExportError(MdstudyError):
    """A run cannot be written for another program as it stands."""


class RunError(MdstudyError):
    """A run directory cannot be started, continued or read."""


class LockedError(RunError):
    """Another process holds the run directory."""


class SimulationError(RunError):
    """The simulation itself failed (not-a-number energies, for example)."""


class TrajectoryError(MdstudyError):
    """A trajectory cannot be analysed as it stands."""


def first_line(error: Exception) -> str:
    """First line of what an error of another library says."""
    return str(error).strip().splitlines()[0]


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Return ' Did you mean "X"?' or the list of what is known.

    Parameters
    ----------
    word : str
        The word that was not recognised.
    known : iterable of str
        The words that would have been.
    """
    choices = sorted(known)
    close = get_close_matches(word, choices, n=1)
    if not close:
        folded = {choice.lower(): choice for choice in choices}
        close = [folded[m] for m in get_close_matches(word.lower(), folded, n=1)]
    if close:
        return f' Did you mean "{close[0]}"?'
    return f" Known: {', '.join(choices)}." if choices else ""
