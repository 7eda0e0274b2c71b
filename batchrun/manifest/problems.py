"""
What was read, what is wrong with it, and where: places, quoting of hostile text, the collection of problems.

Belongs here: records and pieces as every format gives them; how a problem is built, shown and counted. Does
not: what counts as a problem.
"""

from __future__ import annotations

import collections
import contextlib
import difflib
import functools
import itertools
import operator
import os
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final, TypeAlias

from batchrun.errors import ManifestError, Problem
from batchrun.manifest import limits
from batchrun.model.spec import Json
from batchrun.model.texts.foreign import unsigned
from batchrun.model.texts.words import spelt_out

#: The way to a value within a request: field names, and positions within lists.
Path: TypeAlias = "tuple[str | int, ...]"
_SHOWN = 60
#: What makes problems the same: source, message, field, cure. The last two are their kind.
_Key: TypeAlias = "tuple[str, str, str | None, str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands."""

    source: str  #: the file as given, ``<stdin>``, or the option that carried the text
    line: int | None = None
    column: int | None = None
    lines: tuple[int, ...] = ()  #: all of them, where several lines make one row


@dataclass(slots=True, kw_only=True)
class Record:
    """
    A table read from somewhere (a row, or defaults), not yet checked.

    It is not frozen, though nothing changes it: to make a frozen one takes three times as long, in every row.
    """

    fields: dict[str, Json]
    place: Place
    places: Mapping[Path, tuple[int, int]]  #: line and column by path, where the format knows them
    if_twin: str | None = None  #: the cure where another row has its id, if the source knows a better one
    is_of_cells: bool = False  #: whether it was made of a table's cells, which were looked at for warnings
    sheet: str | None = None  #: where the row's own sheet will be written: what ``{sheet}`` stands for

    def place_of(self, path: Path) -> Place:
        """Return the nearest known place of *path*."""
        for length in range(len(path), 0, -1):
            if found := self.places.get(path[:length]):
                return Place(source=self.place.source, line=found[0], column=found[1])
        return self.place


class UnfitError(ValueError):
    """A text that cannot be used: what is wrong with it, and the cure."""

    def __init__(self, message: str, cure: str) -> None:
        self.message = message
        self.cure = cure
        super().__init__(message)


@dataclass(slots=True)
class _Same:
    """What is wrong in the same words, in one row or in many."""

    told: dict[int, Problem] = field(default_factory=dict)  #: by their number in the order of all
    count: int = 0
    lines: list[int] = field(default_factory=list)  #: of those after the first, as far as they are kept


class Problems:
    """
    Problems in the order they were found: all counted, some kept.

    What is wrong in the same words in more than a few rows is one problem, with a count.
    """

    def __init__(self) -> None:
        self._same: dict[_Key, _Same] = {}
        self._kinds: collections.Counter[tuple[str | None, str]] = collections.Counter()
        self._met = 0
        self.total = 0

    def add(
        self, place: Place, message: str, cure: str, *, row: str | None = None, field: str | None = None
    ) -> None:
        """Take one problem down."""
        build = functools.partial(problem_at, place, message, cure, row=row, field=field)
        self._take((place.source, message, field, cure), place.line, build)

    def absorb(self, error: ManifestError) -> None:
        """Take over the problems of an error that ended the reading."""
        self.extend(error.problems)

    def extend(self, found: Iterable[Problem]) -> None:
        """Take over problems that a reader found."""
        for problem in found:
            key = (problem.source, problem.message, problem.field, problem.cure)
            self._take(key, problem.line, functools.partial(replace, problem))

    @property
    def may_guess(self) -> bool:
        """Whether it will be shown what was meant: to guess takes time."""
        return self.total < limits.PROBLEMS

    def raise_any(self) -> None:
        """Raise what was found, if anything. Raises ManifestError where there are problems."""
        if self.total:
            raise ManifestError(self.told(), self.total)

    def told(self) -> list[Problem]:
        """Return those that are kept, in their order."""
        found = [(number, one, same) for same in self._same.values() for number, one in same.told.items()]
        return [_counted(one, same) for _, one, same in sorted(found, key=operator.itemgetter(0))]

    def _take(self, key: _Key, line: int | None, build: Callable[[], Problem]) -> None:
        kind = key[2:]
        same = self._same.get(key)
        if same is None:
            if not self._has_room(kind):
                self.total += 1
                return
            same = self._same[key] = _Same()
        self._met += 1
        same.count += 1
        if line is not None and 1 < same.count <= limits.LINES:
            same.lines.append(line)
        if same.count <= limits.SAME:
            self.total += 1
            if self._has_room(kind):
                self._kinds[kind] += 1
                same.told[self._met] = build()
        elif same.count == limits.SAME + 1:
            self.total -= limits.SAME - 1
            self._kinds[kind] -= len(same.told) - 1
            same.told = dict(itertools.islice(same.told.items(), 1))

    def _has_room(self, kind: tuple[str | None, str]) -> bool:
        # Invariant: there are no more kinds than problems that are kept, however many the input makes.
        return self._kinds.total() < limits.PROBLEMS and self._kinds[kind] < limits.PROBLEMS_OF_A_KIND


def _counted(problem: Problem, same: _Same) -> Problem:
    is_many = same.count > limits.SAME
    return replace(problem, count=same.count, also=tuple(same.lines)) if is_many else problem


def problem_at(
    place: Place, message: str, cure: str, *, row: str | None = None, field: str | None = None
) -> Problem:
    """Build a problem whose every part is safe to print."""
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
    """Build the error for input that cannot be read any further."""
    return ManifestError([problem_at(place, message, cure, field=field)])


def printable(text: str, limit: int | None = _SHOWN) -> str:
    """Return *text* cut short, without signatures, with everything that could drive a terminal escaped."""
    text = unsigned(text)
    cut = text if limit is None or len(text) <= limit else text[:limit] + "..."
    return spelt_out(cut)


def shown(value: Json) -> str:
    """Return a value from the manifest as a message may quote it."""
    if isinstance(value, str):
        text = unsigned(value)
        return repr(str(text[:_SHOWN])) + ("..." if len(text) > _SHOWN else "")
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a table"
    words = {"None": "null", "True": "true", "False": "false"}
    return words.get(repr(value)) or printable(repr(value))


def dotted(path: Path) -> str:
    """Return a path as people write it: ``parameters.reads[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known word that *word* was most likely meant to be."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word[:_SHOWN].lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[close[0]] if close else None


def instead(word: str, known: Iterable[str], otherwise: str) -> str:
    """Return the cure for an unknown word: the nearest known one, or *otherwise*."""
    close = nearest(word, known)
    return otherwise if close is None else f"did you mean {close}?"


def not_written(error: OSError) -> ManifestError:
    """Build the error for a temporary file that could not be written."""
    reason = os.strerror(error.errno) if error.errno else "unknown error"
    return unreadable(
        Place(source="temporary file"),
        f"it cannot be written in {tempfile.gettempdir()}: {reason}",
        "make room there, or set TMPDIR to a place that has some",
    )


@contextlib.contextmanager
def written_for_a_while() -> Iterator[None]:
    """Write to a temporary file. Raises ManifestError where the disk does not take it."""
    try:
        yield
    except OSError as error:
        raise not_written(error) from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What of a document is read in pieces."""

    #: Tables that are opened, so that a list within them is read element by element: it may be long, or each
    #: element wants a place of its own.
    opened: frozenset[tuple[str, ...]]
    streamed: frozenset[tuple[str, ...]]  #: lists that are read element by element
    rows: frozenset[tuple[str, ...]] = frozenset()  #: those of them whose elements are rows


_ROWS: Final = frozenset({(), ("runs",), ("inlineSettings",), ("batchRunSettings", "inlineSettings")})
MANIFEST: Final = Layout(
    opened=frozenset({(), ("batchRunSettings",), ("retry",)}),
    streamed=_ROWS | {("retry",), ("retry", "rules")},
    rows=_ROWS,
)
#: One table: whatever its names are, each value is a whole.
TABLE: Final = Layout(opened=frozenset({()}), streamed=frozenset())
#: One list of such.
LIST: Final = Layout(opened=frozenset(), streamed=frozenset({()}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One element of a streamed list, or one whole value of an opened table."""

    key: tuple[str, ...]  #: the way to the value, or to the list that has the element; () at the top
    value: Json
    place: Place
    places: Mapping[Path, tuple[int, int]] = field(default_factory=dict)  #: of what is inside the value
    is_element: bool = False
    wrong: tuple[Problem, ...] = ()  #: what is wrong within the value, which is not to be used then

    def record(self, fields: dict[str, Json]) -> Record:
        """Return *fields*, its value, as a record."""
        return Record(fields=fields, place=self.place, places=self.places)
