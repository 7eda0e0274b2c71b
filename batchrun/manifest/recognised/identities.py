"""The columns of a table that may have the ids, the likeliest first.

Belongs here: their usual names, and what rows with the same id differ in. Does not: what is said of it
(``sheet``).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.recognised.kinds import is_file
from batchrun.manifest.table import TableRow

_PERSON: Final = "subject|patient|individual|participant|donor"
#: Names of columns with ids, the likeliest first.
_NAMES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        r"id|(?:entity|update):.+_id",  # the latter are Terra's
        r"(?:.*[^a-z])?(?:sample|rgsm|specimen)(?:[ _-]?(?:id|name))?",
        rf"(?:.*[^a-z])?(?:sample[ _-]accession|(?:{_PERSON})(?:[ _-]?(?:id|name))?)",
        r"run|.*[^a-z](?:id|name|accession)|name",
    )
)
_OTHER: Final = len(_NAMES)
#: Terra's table of what is in which set: a set is what is run.
_OF_SETS: Final = "membership:"
#: For each line with an id that is there already, how many lines there are where it may be a slip.
_TO_ONE: Final = 100
_PERSONS: Final = re.compile(rf"(?:{_PERSON})(?:[ _-]?(?:id|name))?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A column that may be the id."""

    index: int
    #: Columns that differ among rows with the same id; empty if ids are unique.
    differing: tuple[int, ...] = ()
    gaps: bool = False  #: one of these is empty on some lines of an id only
    blank: int | None = None  #: the first line without an id, such as one with units or a comment
    #: The lines whose id is on an earlier one too, if they are so few that they may be slips.
    few: tuple[int, ...] = ()

    @property
    def is_unique(self) -> bool:
        """Whether no two rows have the same id, but those that are the same in all."""
        return not self.differing


def identities(header: Sequence[str], rows: Sequence[TableRow]) -> list[Identity]:
    """Return the columns that may be the id, the likeliest first; any column if no name is usual.

    Rows that are the same in all their cells are one row here.
    """
    files = files_of(header, rows)
    candidates = _candidates(header, rows, files)
    found = (
        _identity(index, rows, files, may_repeat=index == 0 or is_usual(header[index]))
        for index in candidates
    )
    persons = {index for index, name in enumerate(header) if _PERSONS.fullmatch(name)}
    # Tumor and normal of one patient are not those of another.
    apart = (one for one in found if one is not None and persons.isdisjoint(one.differing))
    ranked = sorted(apart, key=lambda one: _rank(header, one))
    if not files:
        # Ids that repeat without differing files group rows only if no other column is an id.
        ranked.sort(key=lambda one: not one.is_unique)
    named = [one for one in ranked if is_usual(header[one.index])]
    others = (one for one in ranked if one.blank is None and (one.is_unique or one.index == 0))
    named.sort(key=lambda one: (not header[one.index].startswith(_OF_SETS), one.blank is not None))
    return named or list(itertools.islice(others, 1))


def files_of(header: Sequence[str], rows: Sequence[TableRow]) -> frozenset[int]:
    """Return the columns with names of files."""
    return frozenset(index for index in range(len(header)) if any(is_file(row.cells[index]) for row in rows))


def _candidates(header: Sequence[str], rows: Sequence[TableRow], files: frozenset[int]) -> Iterator[int]:
    for index, name in enumerate(header):
        is_named = name.strip() and len(name) <= limits.NAME
        is_usable = is_named and header.count(name) == 1 and index not in files
        if not is_usable or any(len(row.cells[index].strip()) > limits.NAME for row in rows):
            continue
        # Other problems of an id are reported with their lines, once the column is chosen.
        filled = sum(bool(row.cells[index].strip()) for row in rows)
        if filled and 2 * filled >= len(rows):
            yield index


def _rank(header: Sequence[str], one: Identity) -> tuple[int, bool, int]:
    rank = _rank_of(header[one.index])
    return rank, rank > 1 and not one.is_unique, one.index


def _rank_of(name: str) -> int:
    return next((rank for rank, pattern in enumerate(_NAMES) if pattern.fullmatch(name)), _OTHER)


def _identity(
    index: int, rows: Sequence[TableRow], files: frozenset[int], *, may_repeat: bool
) -> Identity | None:
    """Return a column as an id; None if it repeats and may not, or such rows do not differ in files."""
    first: dict[str, list[str]] = {}
    differing: set[int] = set()
    gaps = False
    again: list[int] = []
    blank: int | None = None
    for row in rows:
        if not row.cells[index].strip():
            blank = blank or row.line
            continue
        known = first.setdefault(row.cells[index], row.cells)
        if known is row.cells:
            continue
        other = {at for at, cell in enumerate(row.cells) if cell != known[at]}
        if not other:  # A line that is there twice says nothing of any column.
            continue
        if not may_repeat:
            return None
        again.append(row.line)
        gaps |= any(not (row.cells[at] and known[at]) for at in other)
        differing |= other
    # If no column has files, rows of one sample differ in other columns, such as lanes.
    if again and differing.isdisjoint(files or differing):
        return None
    few = tuple(again) if len(again) * _TO_ONE <= len(rows) else ()
    return Identity(index=index, differing=tuple(sorted(differing)), gaps=gaps, blank=blank, few=few)


def is_usual(name: str) -> bool:
    """Report whether a column of this name usually has ids."""
    return _rank_of(name) < _OTHER
