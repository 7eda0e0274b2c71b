"""
Which columns of a table hold ids, by its first rows.

An id column has a cell on each line, which is no file. Its cells are unique, or they repeat: then the rows
that have the same are told apart by their files, or they are not, and it is no id. A table without files may
have it repeat too.

Belongs here: that. Does not: what is said of it (``sheet``), what to type (``command``).
"""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.recognised.kinds import is_file

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchrun.manifest.tables.table import Row

_PERSON: Final = "subject|patient|individual|participant|donor"
#: What columns of ids are called, the likeliest first.
_NAMES: Final = tuple(
    re.compile(pattern, re.IGNORECASE)
    for pattern in (
        "id",
        r"(?:.*[^a-z])?(?:sample|rgsm|specimen)(?:[ _-]?(?:id|name))?",
        rf"(?:.*[^a-z])?(?:sample[ _-]accession|(?:{_PERSON})(?:[ _-]?(?:id|name))?)",
        r".*[^a-z](?:id|name|accession)|name",
    )
)
_OTHER: Final = len(_NAMES)


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """A column that may make the id."""

    index: int
    differing: tuple[
        int, ...
    ] = ()  #: columns that differ among rows that have the same; none if it is unique
    gaps: bool = False  #: one of these is empty on some lines of an id, and not on others

    @property
    def is_unique(self) -> bool:
        """Whether no two rows have the same."""
        return not self.differing


def identities(header: Sequence[str], rows: Sequence[Row]) -> list[Identity]:
    """Find the columns that may make the id, the likeliest first; where none is called like one, any."""
    files = files_of(header, rows)
    found = (_identity(index, rows, files) for index in _candidates(header, rows, files))
    ranked = sorted(((_rank(header, one), one) for one in found if one is not None), key=lambda pair: pair[0])
    if not files:
        # What repeats without files to tell it apart makes one run only where nothing else is an id.
        ranked.sort(key=lambda pair: not pair[1].is_unique)
    named = [one for (rank, *_), one in ranked if rank < _OTHER]
    others = (one for _, one in ranked if one.is_unique or one.index == 0)
    return named or list(itertools.islice(others, 1))


def files_of(header: Sequence[str], rows: Sequence[Row]) -> frozenset[int]:
    """Find the columns that name files."""
    return frozenset(index for index in range(len(header)) if any(is_file(row.cells[index]) for row in rows))


def _candidates(header: Sequence[str], rows: Sequence[Row], files: frozenset[int]) -> Iterator[int]:
    for index, name in enumerate(header):
        is_usable = name.strip() and header.count(name) == 1 and index not in files
        # What else is wrong with an id is told of its line, once the column is chosen.
        if is_usable and all(0 < len(row.cells[index].strip()) <= limits.NAME for row in rows):
            yield index


def _rank(header: Sequence[str], one: Identity) -> tuple[int, bool, int]:
    name = header[one.index]
    rank = next((rank for rank, pattern in enumerate(_NAMES) if pattern.fullmatch(name)), _OTHER)
    return rank, rank > 1 and not one.is_unique, one.index


def _identity(index: int, rows: Sequence[Row], files: frozenset[int]) -> Identity | None:
    """Tell what a column is as an id; None where rows that have the same do not differ in files."""
    first: dict[str, list[str]] = {}
    differing: set[int] = set()
    gaps = False
    repeats = False
    for row in rows:
        known = first.setdefault(row.cells[index], row.cells)
        if known is row.cells:
            continue
        repeats = True
        other = {at for at, cell in enumerate(row.cells) if cell != known[at]}
        gaps |= any(not (row.cells[at] and known[at]) for at in other)
        differing |= other
    # Where no column names files, rows of one sample are told apart by what else differs, such as lanes.
    if repeats and differing.isdisjoint(files or differing):
        return None
    return Identity(index=index, differing=tuple(sorted(differing)), gaps=gaps)
