"""Problems and their places: how they are built, quoted, counted and chosen for being shown.

Does not belong here: what counts as a problem.
"""

from __future__ import annotations

import collections
import contextlib
import difflib
import functools
import itertools
import operator
import os
import shlex
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Final, Generic, TypeAlias, TypeVar

from batchrun.errors import ManifestError, Problem
from batchrun.manifest import limits
from batchrun.model.spec import Json
from batchrun.model.texts.foreign import unsigned
from batchrun.model.texts.words import spelt_out

#: The path to a value in a request: field names, and positions in lists.
Path: TypeAlias = "tuple[str | int, ...]"
P = TypeVar("P", bound=Problem)
_SHOWN = 60
#: What messages call standard input.
STANDARD_INPUT: Final = "<stdin>"
#: Problems with these alike are the same: source, message, field, cure. The last two are their kind.
_Key: TypeAlias = "tuple[str, str, str | None, str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """A place in a file or option."""

    source: str  #: the file as given, ``<stdin>``, or the option that carried the text
    line: int | None = None
    column: int | None = None
    lines: tuple[int, ...] = ()  #: all of them, if several lines make one row


class UnfitError(ValueError):
    """A text that cannot be used, with message and cure."""

    def __init__(self, message: str, cure: str) -> None:
        self.message = message
        self.cure = cure
        super().__init__(message)


@dataclass(slots=True)
class Alike(Generic[P]):
    """Findings with the same words: a few are told each, of more the first with a count."""

    told: dict[int, P] = field(default_factory=dict)  #: by number in the order of all findings
    count: int = 0
    lines: list[int] = field(default_factory=list)  #: of those after the first, up to a limit

    def meet(self, line: int | None, count: int = 1, also: Sequence[int] = ()) -> None:
        """Count *count* more, the first of them on *line*, the others on the lines *also*."""
        if (room := limits.LINES - 1 - len(self.lines)) > 0:
            self.lines += (also if line is None or not self.count else (line, *also))[:room]
        self.count += count

    def shown(self) -> Iterable[tuple[int, P]]:
        """Return what is shown, with its number: each if all are told, else the first with the count."""
        if self.count == len(self.told):
            return self.told.items()
        number, first = next(iter(self.told.items()))
        return [(number, replace(first, count=self.count, also=tuple(sorted(self.lines))))]


class Problems:
    """Problems in the order they were found: all counted, some kept.

    Problems with the same words in more than a few rows become one with a count.
    """

    def __init__(self) -> None:
        self._alike: dict[_Key, Alike[Problem]] = {}
        self._kinds: collections.Counter[tuple[str | None, str]] = collections.Counter()
        self._met = 0
        self.total = 0

    def add(
        self, place: Place, message: str, cure: str, *, row: str | None = None, field: str | None = None
    ) -> None:
        """Record a problem."""
        build = functools.partial(problem_at, place, message, cure, row=row, field=field)
        self._take((place.source, message, field, cure), place.line, build)

    def extend(self, found: Iterable[Problem]) -> None:
        """Add problems that a reader found, or that an error which ended reading has."""
        for problem in found:
            key = (problem.source, problem.message, problem.field, problem.cure)
            self._take(key, problem.line, functools.partial(replace, problem))

    @property
    def may_guess(self) -> bool:
        """Whether a guess at what was meant would still be shown; guessing takes time."""
        return self.total < limits.PROBLEMS

    def raise_any(self) -> None:
        """Raise ManifestError if there are problems."""
        if self.total:
            raise ManifestError(self.told(), self.total)

    def told(self) -> list[Problem]:
        """Return the problems to show, in their order."""
        found = [one for alike in self._alike.values() for one in alike.shown()]
        return [problem for _, problem in sorted(found, key=operator.itemgetter(0))]

    def _take(self, key: _Key, line: int | None, build: Callable[[], Problem]) -> None:
        kind = key[2:]
        alike = self._alike.get(key)
        if alike is None:
            if not self._has_room(kind):
                self.total += 1
                return
            alike = self._alike[key] = Alike()
        self._met += 1
        alike.meet(line)
        if len(alike.told) + 1 == alike.count <= limits.SAME and self._has_room(kind):
            self._count(kind, 1)
            alike.told[self._met] = build()
        elif len(alike.told) > 1:
            self._count(kind, 1 - len(alike.told))
            alike.told = dict(itertools.islice(alike.told.items(), 1))

    def _count(self, kind: tuple[str | None, str], more: int) -> None:
        self.total += more
        self._kinds[kind] += more

    def _has_room(self, kind: tuple[str | None, str]) -> bool:
        # Invariant: there are no more kinds than kept problems, whatever the input.
        return self._kinds.total() < limits.PROBLEMS and self._kinds[kind] < limits.PROBLEMS_OF_A_KIND


def problem_at(
    place: Place, message: str, cure: str, *, row: str | None = None, field: str | None = None
) -> Problem:
    """Return a problem whose every part is safe to print."""
    return Problem(
        source=printable(place.source, limit=None),
        message=message,
        cure=cure,
        line=place.line,
        column=place.column,
        row=None if row is None else printable(row),
        field=None if field is None else printable(field, limit=2 * _SHOWN),
        lines=place.lines[: limits.LINES],
    )


def unreadable(place: Place, message: str, cure: str, *, field: str | None = None) -> ManifestError:
    """Return the error for input that cannot be read further."""
    return ManifestError([problem_at(place, message, cure, field=field)])


def printable(text: str, limit: int | None = _SHOWN) -> str:
    """Return *text* shortened, without signatures, and with control characters escaped."""
    text = unsigned(text)
    cut = text if limit is None or len(text) <= limit else text[:limit] + "..."
    return spelt_out(cut)


def redirected(source: str) -> str:
    """Return what makes a command for the shell read a source; standard input is read by itself."""
    return "" if source == STANDARD_INPUT else f" < {shlex.quote(source)}"


def tabs_for_spaces(source: str) -> str:
    """Return the cure for a table whose cells are separated by spaces."""
    return (
        "the header seems to be separated by spaces, which cells may hold too; put a tab between cells: "
        f"tr -s ' ' '\\t'{redirected(source)} > FILE.tsv"
    )


def shown(value: Json) -> str:
    """Return a value from the manifest as messages quote it."""
    if isinstance(value, str):
        text = unsigned(value)
        return repr(str(text[:_SHOWN])) + ("..." if len(text) > _SHOWN else "")
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a table"
    words = {"None": "null", "True": "true", "False": "false"}
    return words.get(repr(value)) or printable(repr(value))


def shown_instead(value: Json) -> str:
    """Return what stands where a text is wanted, as the beginning of a message; empty text is nothing."""
    return "there is no value" if value is None or isinstance(value, str) else shown(value)


def dotted(path: Path) -> str:
    """Return a path as users write it: ``parameters.reads[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that is most like *word*, or None."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word[:_SHOWN].lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[close[0]] if close else None


def instead(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return the cure for an unknown word: the most similar known one, or *otherwise*."""
    close = nearest(word, known)
    return otherwise if close is None else f"did you mean {close}?"


def not_written(error: OSError) -> ManifestError:
    """Return the error for a temporary file that cannot be written."""
    reason = os.strerror(error.errno) if error.errno else "unknown error"
    return unreadable(
        Place(source="temporary file"),
        f"it cannot be written in {tempfile.gettempdir()}: {reason}",
        "make room there, or set TMPDIR to a place that has some",
    )


@contextlib.contextmanager
def written_for_a_while() -> Iterator[None]:
    """Wrap writes to a temporary file. Raises ManifestError if it cannot be written."""
    try:
        yield
    except OSError as error:
        raise not_written(error) from error
