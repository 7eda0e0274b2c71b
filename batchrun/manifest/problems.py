"""
What is wrong, and where: places, quoting of hostile text, and the collection of problems.

Belongs here: how a problem is built, shown and counted. Does not: what counts as a problem.
"""

from __future__ import annotations

import collections
import difflib
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from batchrun.errors import ManifestError, Problem
from batchrun.manifest import limits

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from batchrun.model.spec import Json

#: The way to a value within a request: field names, and positions within lists.
Path: TypeAlias = "tuple[str | int, ...]"

_SHOWN = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where something stands."""

    source: str  #: the file as given, ``<stdin>``, or the option that carried the text
    line: int | None = None
    column: int | None = None
    lines: tuple[int, ...] = ()  #: all of them, where several lines make one row


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """A table read from somewhere (a row, or defaults), not yet checked."""

    fields: dict[str, Json]
    place: Place
    places: Mapping[Path, tuple[int, int]]  #: line and column by path, where the format knows them
    if_twin: str | None = None  #: the cure where another row has its id, if the source knows a better one
    sheet: str | None = None  #: where the row's own sheet will be written: what ``{sheet}`` stands for

    def place_of(self, path: Path) -> Place:
        """Give the nearest known place of *path*."""
        for length in range(len(path), 0, -1):
            if found := self.places.get(path[:length]):
                return Place(source=self.place.source, line=found[0], column=found[1])
        return self.place


class Problems:
    """Problems in the order they were found: all counted, some kept."""

    def __init__(self) -> None:
        self._kept: list[Problem] = []
        self._kinds: collections.Counter[tuple[str | None, str]] = collections.Counter()
        self.total = 0

    def add(
        self, place: Place, message: str, cure: str, *, row: str | None = None, field: str | None = None
    ) -> None:
        """Take one problem down."""
        self.total += 1
        if not self._is_full:
            self._keep(problem_at(place, message, cure, row=row, field=field))

    def absorb(self, error: ManifestError) -> None:
        """Take over the problems of an error that ended the reading."""
        self.extend(error.problems)

    def extend(self, found: Iterable[Problem]) -> None:
        """Take over problems that a reader found."""
        for problem in found:
            self.total += 1
            if not self._is_full:
                self._keep(problem)

    def raise_any(self) -> None:
        """
        Raise what was found, if anything.

        Raises:
            ManifestError: There are problems.
        """
        if self.total:
            raise ManifestError(self._kept, self.total)

    @property
    def _is_full(self) -> bool:
        return len(self._kept) >= limits.PROBLEMS

    def _keep(self, problem: Problem) -> None:
        # Invariant: there are no more kinds than problems that are kept, however many the input makes.
        kind = (problem.field, problem.cure)
        self._kinds[kind] += 1
        if self._kinds[kind] <= limits.PROBLEMS_OF_A_KIND:
            self._kept.append(problem)


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
    """Give *text* cut short, with everything that could drive a terminal escaped."""
    cut = text if limit is None or len(text) <= limit else text[:limit] + "..."
    return cut if cut.isprintable() else "".join(map(_escaped, cut))


def _escaped(character: str) -> str:
    return character if character.isprintable() else ascii(character)[1:-1]


def shown(value: Json) -> str:
    """Give a value from the manifest as a message may quote it."""
    if isinstance(value, str):
        cut = str(value[:_SHOWN])
        return repr(cut) + ("..." if len(value) > _SHOWN else "")
    if isinstance(value, list):
        return f"a list of {len(value)}"
    if isinstance(value, dict):
        return "a table"
    words = {"None": "null", "True": "true", "False": "false"}
    return words.get(repr(value)) or printable(repr(value))


def dotted(path: Path) -> str:
    """Give a path as people write it: ``parameters.reads[0]``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Give the known word that *word* was most likely meant to be."""
    by_lower = {name.lower(): name for name in known}
    close = difflib.get_close_matches(word[:_SHOWN].lower(), by_lower, n=1, cutoff=0.7)
    return by_lower[close[0]] if close else None


def instead(word: str, known: Iterable[str], otherwise: str) -> str:
    """Give the cure for an unknown word: the nearest known one, or *otherwise*."""
    close = nearest(word, known)
    return otherwise if close is None else f"did you mean {close}?"
