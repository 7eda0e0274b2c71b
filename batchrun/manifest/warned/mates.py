"""Mates of paired reads: columns by their names (``reads_1``, ``reads_2``), and files (``R1.fq``, ``R2.fq``).

Does not belong here: reads that another row has too (``repeated``).
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator, Sequence
from typing import Final, NamedTuple

from batchrun.manifest.recognised.kinds import is_file, is_reads
from batchrun.manifest.warned.found import Doubt, WarningKind, WatchedColumn
from batchrun.manifest.warned.repeated import same_file
from batchrun.model.spec import Json
from batchrun.model.texts.words import counted

#: A lone 1 or 2, or a direction.
_SIDE: Final = re.compile(r"(?<![0-9])[12](?![0-9])|forward|fwd|reverse|rev", re.IGNORECASE)
_OTHERS: Final = {"1": "2", "2": "1", "forward": "reverse", "reverse": "forward", "fwd": "rev", "rev": "fwd"}
_FIRSTS: Final = frozenset({"1", "forward", "fwd"})
#: Parts of the names of columns with reads.
_READS: Final = re.compile(r"read|fastq|fq|mate|(?<![a-z])r[12](?![a-z0-9])", re.IGNORECASE)
#: Parts of the names of columns with reads that a run makes.
_MADE: Final = re.compile(r"out|name|prefix|trimmed|filtered|clean", re.IGNORECASE)
_MISSING_CURE: Final = "fill it in; ignore this for single-end reads"
#: The mark of a first mate in a file's name, of several the last.
_FIRST: Final = re.compile(r"(?<=[._-])(?:r|read|mate)?1(?=[._-])", re.IGNORECASE)
#: Most rows of a pair whose files are not named as mates that are remembered.
_STRAYS: Final = 10_000


class Sides(NamedTuple):
    """The names of two mates."""

    first: str
    second: str


@functools.lru_cache(maxsize=4096)
def mates_of(name: str) -> Sides | None:
    """Return the names of both mates if *name* is one of them, else None."""
    marks = list(_SIDE.finditer(name))
    if not marks or not _READS.search(name):
        return None
    mark = marks[-1]
    other = _OTHERS[mark[0].lower()]
    other = other.capitalize() if mark[0][0].isupper() else other
    mate = f"{name[: mark.start()]}{other}{name[mark.end() :]}"
    return Sides(name, mate) if mark[0].lower() in _FIRSTS else Sides(mate, name)


def are_made(name: str) -> bool:
    """Report whether reads in a column of this name are those that a run makes."""
    return _MADE.search(name) is not None


def mates_among(names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Return the positions of each two names that are mates, the first mate first."""
    positions = {name: index for index, name in enumerate(names)}
    for name, index in positions.items():
        found = mates_of(name)
        if found is not None and found.second == name and found.first in positions:
            yield positions[found.first], index


def _mate_of(first: str) -> tuple[str, str, str] | None:
    """Return a first mate's second one, and the texts by which their names differ; None if it shows none."""
    marks = list(_FIRST.finditer(first, first.rfind("/") + 1))
    if not marks:
        return None
    start, end = marks[-1].start(), marks[-1].end()
    second = f"{first[: end - 1]}2{first[end:]}"
    return second, first[start - 1 : end + 1], second[start - 1 : end + 1]


class Pair:
    """Two columns of mates."""

    def __init__(self, first: WatchedColumn, second: WatchedColumn) -> None:
        self._columns = (first, second)
        self._both = 0
        self._marks = ("", "")  #: by which the names of the last two mates differed
        self._matched = 0  #: files that are mates by their names
        self._turned = 0  #: such as have the second mate in the first's place
        #: The lines of such as are not, by the second's file (True), and by the one to be expected (False).
        self._strays: dict[tuple[bool, str], int | None] = {}

    @property
    def is_met(self) -> bool:
        """Whether some row has both mates."""
        return self._both > 0

    def are_mates(self, firsts: list[str], seconds: list[str]) -> bool:
        """Report whether files of several rows are surely each other's mates, or more of no use."""
        fit = [first.replace(*self._marks) for first in firsts] == seconds
        self._matched += len(firsts) if fit else 0
        return fit or len(self._strays) >= _STRAYS

    def doubts(
        self, first: Json, second: Json, line: int | None = None
    ) -> Iterator[tuple[Doubt, WatchedColumn, str | None]]:
        """Return doubts about one row's values for both, texts, lists or None, with the column and the value.

        Other values, such as tables, are skipped; *line* is the row's in a table.
        """
        files = _files(first), _files(second)
        if files[0] is None or files[1] is None:
            return
        counts = len(files[0]), len(files[1])
        if all(counts):
            self._both += is_file(files[0][0]) and is_file(files[1][0])
            yield from self._both_given(files[0], files[1])
            for one, two in zip(files[0], files[1], strict=False):
                if (mixed := self._mixed(one, two, line)) is not None:
                    yield mixed, self._columns[1], two
        elif any(counts) and is_file((files[0] or files[1])[0]):
            given = 0 if counts[0] else 1
            says = f"is empty beside {self._columns[given].name}, where other rows have both mates"
            doubt = Doubt(WarningKind.MATE_MISSING, says, _MISSING_CURE, holds=lambda: self.is_met)
            yield doubt, self._columns[1 - given], None

    def _both_given(
        self, first: Sequence[str], second: Sequence[str]
    ) -> Iterator[tuple[Doubt, WatchedColumn, str | None]]:
        if len(first) != len(second):
            has, other = counted(len(second), "file"), counted(len(first), "file")
            says = f"has {has}, and {self._columns[0].name} has {other}"
            yield Doubt(WarningKind.MATE_MISSING, says, _MISSING_CURE), self._columns[1], None
        # Reads are compared over all columns elsewhere.
        elif first[0] == second[0] and is_file(first[0]) and not is_reads(first[0]):
            yield same_file(self._columns[0].name), self._columns[1], second[0]

    def _mixed(self, one: str, two: str, line: int | None) -> Doubt | None:
        """Return a doubt about two files that are not mates by their names, where mates have such names."""
        found = _mate_of(one)
        if found is not None and found[0] == two:
            self._marks, self._matched = found[1:], self._matched + 1
            return None
        first, kind = self._columns[0].name, WarningKind.MATES_MIXED
        if (back := _mate_of(two)) is not None and back[0] == one:
            self._turned += 1
            says = f"is the first mate, and {first} has the second, where other rows have them the other way"
            return Doubt(kind, says, "swap the two", holds=lambda: self._turned < self._matched)
        if found is None or one == two or len(self._strays) >= _STRAYS:
            return None
        other = next((key for key in ((True, found[0]), (False, two)) if key in self._strays), None)
        at = None if other is None else self._strays[other]
        self._strays.update(dict.fromkeys(((True, two), (False, found[0])), line))
        where = "another row's" if at is None else f"those of line {at}"
        says = f"is not the mate of {first}: the mates are mixed up with {where}"
        return None if other is None else Doubt(kind, says, "pair them as their names say", cause="mixed")


def _files(value: Json) -> Sequence[str] | None:
    """Return the texts of a value, without blank ones; None if there is anything else."""
    values = value if isinstance(value, list) else [value]
    texts = [text for text in values if isinstance(text, str)]
    if len(texts) < len(values) and value is not None:
        return None
    return [text for text in texts if text.strip()]
