"""
The two mates of paired reads, by the names of their columns: ``reads_1``, ``reads_2``; ``R1.fq``, ``R2.fq``.

Belongs here: which names are mates, and what is doubtful about the two values in one row.
"""

from __future__ import annotations

import functools
import re
from typing import TYPE_CHECKING, Final, NamedTuple

from batchrun.manifest.recognised.kinds import is_file, is_reads
from batchrun.manifest.warned.kinds import Doubt, Kind

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from batchrun.manifest.warned.columns import Column
    from batchrun.model.spec import Json

#: A lone 1 or 2, or a direction.
_SIDE: Final = re.compile(r"(?<![0-9])[12](?![0-9])|forward|fwd|reverse|rev", re.IGNORECASE)
_OTHERS: Final = {"1": "2", "2": "1", "forward": "reverse", "reverse": "forward", "fwd": "rev", "rev": "fwd"}
_FIRSTS: Final = frozenset({"1", "forward", "fwd"})
#: What columns of reads have in their names.
_READS: Final = re.compile(r"read|fastq|fq|mate|(?<![a-z])r[12](?![a-z0-9])", re.IGNORECASE)
_MISSING_CURE: Final = "fill it in; if these are single-end reads, all is well"


class Sides(NamedTuple):
    """What two mates are called."""

    first: str
    second: str


@functools.lru_cache(maxsize=4096)
def sides(name: str) -> Sides | None:
    """Return what both mates are called where *name* is one of them; None where it is none."""
    marks = list(_SIDE.finditer(name))
    if not marks or not _READS.search(name):
        return None
    mark = marks[-1]
    other = _OTHERS[mark[0].lower()]
    other = other.capitalize() if mark[0][0].isupper() else other
    mate = f"{name[: mark.start()]}{other}{name[mark.end() :]}"
    return Sides(name, mate) if mark[0].lower() in _FIRSTS else Sides(mate, name)


def pairs(names: Sequence[str]) -> Iterator[tuple[int, int]]:
    """Return the positions of names that are mates, the first mate first."""
    positions = {name: index for index, name in enumerate(names)}
    for name, index in positions.items():
        found = sides(name)
        if found is not None and found.second == name and found.first in positions:
            yield positions[found.first], index


class Pair:
    """Two columns of mates."""

    def __init__(self, first: Column, second: Column) -> None:
        self._columns = (first, second)
        self._both = 0

    @property
    def is_met(self) -> bool:
        """Whether some row has both."""
        return self._both > 0

    def doubts(self, first: Json, second: Json) -> Iterator[tuple[Doubt, Column, str | None]]:
        """
        Doubt what one row has for both, a text or a list, or nothing; with the column and the value.

        What else there may be, such as tables, is passed over.
        """
        files = _files(first), _files(second)
        if files[0] is None or files[1] is None:
            return
        counts = len(files[0]), len(files[1])
        if all(counts):
            self._both += is_file(files[0][0]) and is_file(files[1][0])
            yield from self._both_given(files[0], files[1])
        elif any(counts) and is_file((files[0] or files[1])[0]):
            given = 0 if counts[0] else 1
            says = f"is empty beside {self._columns[given].name}, where other rows have both mates"
            doubt = Doubt(kind=Kind.MATE_MISSING, says=says, cure=_MISSING_CURE, holds=lambda: self.is_met)
            yield doubt, self._columns[1 - given], None

    def _both_given(
        self, first: Sequence[str], second: Sequence[str]
    ) -> Iterator[tuple[Doubt, Column, str | None]]:
        if len(first) != len(second):
            says = f"has {_counted(second)}, and {self._columns[0].name} has {_counted(first)}"
            yield Doubt(kind=Kind.MATE_MISSING, says=says, cure=_MISSING_CURE), self._columns[1], None
        # Reads are found wherever they stand twice.
        elif first[0] == second[0] and is_file(first[0]) and not is_reads(first[0]):
            yield same_file(self._columns[0].name), self._columns[1], second[0]


def _files(value: Json) -> Sequence[str] | None:
    """Return the texts of a value, leaving out blank ones; None where there is something else."""
    values = value if isinstance(value, list) else [value]
    texts = [text for text in values if isinstance(text, str)]
    if len(texts) < len(values) and value is not None:
        return None
    return [text for text in texts if text.strip()]


def _counted(files: Sequence[str]) -> str:
    return "1 file" if len(files) == 1 else f"{len(files)} files"


def same_file(other: str | None) -> Doubt:
    """Doubt a file that stands in *other*, of the same row, too; None for the same list."""
    says = "stands there twice" if other is None else f"is the file of {other} too"
    return Doubt(kind=Kind.SAME_FILE, says=says, cure="give each its own file")
