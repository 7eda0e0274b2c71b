"""Rows that repeat what one before them has: its reads, its id but for capitals, all of its work.

Rows may share references, files in columns of normals, controls and the like, and files in defaults. A row
that computes the same, such as a line that was copied and given another id, is told of, unless the two name
the same reads, which is told already. Of a file 64 bits of a hash and its row are kept, some 100 bytes; of a
work 64 bits, and the id of its first row, which is kept anyway.
"""

from __future__ import annotations

import re
from array import array
from bisect import bisect_right
from collections.abc import Sequence
from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.parts import Record
from batchrun.manifest.placeholders import names_in
from batchrun.manifest.problems import printable, shown
from batchrun.manifest.recognised.kinds import is_reads
from batchrun.manifest.warned.found import Collected, Doubt, WarningKind, WatchedColumn
from batchrun.manifest.warned.texts import bare
from batchrun.model.entries.retrying import LANE
from batchrun.model.spec import Json, canonical

#: Names of columns whose files rows may share.
_SHARED: Final = re.compile(
    r"normal|control|ctrl|germline|reference|(?<![a-z])refs?(?![a-z])|index|panel|(?<![a-z])pon(?![a-z])"
    r"|background|blank|adapter|barcode|whitelist|spike|shared|common|host|contaminant|decoy|phix",
    re.IGNORECASE,
)
_SHARED_CURE: Final = (
    "give each row its own; reads that rows share on purpose are accepted under a name with normal, control "
    "or reference in it"
)
_SAME_CURE: Final = (
    "give each row its own parameters, such as a text with {id}, or remove it; runs that are repeated on "
    "purpose are accepted with a tag that tells them apart, such as tags.replicate"
)
_CASE_CURE: Final = "write both alike if they are one; ignore this if they are two"


class Files:
    """The reads that rows have named so far."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}  #: by hash, the number of the first row with the file
        self._lines = array("Q")  #: of each row, by number; 0 if it has none
        self._sources: list[str] = []
        self._starts: list[int] = []  #: of each source, the number of its first row

    def begin(self, lines: Sequence[int], source: str) -> int:
        """Begin rows on these lines (0 for none), and return the number of the first."""
        number = len(self._lines)
        if not self._sources or self._sources[-1] != source:
            self._sources.append(source)
            self._starts.append(number)
        self._lines.extend(lines)
        return number

    def take_all(self, texts: Sequence[str], number: int) -> bool:
        """Add one file for each row from *number* on, and return True, if all of the files are new.

        Otherwise, or without room, nothing is added: the caller then calls :meth:`again` for each.
        """
        keys = list(map(hash, texts))
        is_new = len(set(keys)) == len(keys) and self._rows.keys().isdisjoint(keys)
        if not is_new or len(self._rows) + len(keys) > limits.FILES:
            return False
        self._rows.update(zip(keys, range(number, number + len(keys)), strict=True))
        return True

    def again(self, text: str, column: WatchedColumn, number: int, source: str) -> Doubt | None:
        """Add a file of row *number*, in *source*, or return a doubt if a row may not share it and does."""
        if column.is_shared:
            return None
        key = hash(text)
        first = self._rows.get(key)
        if first is None:
            if len(self._rows) < limits.FILES:
                self._rows[key] = number
            return None
        if first == number:
            return same_file("another column")
        line, its_source = self._lines[first], self._sources[bisect_right(self._starts, first) - 1]
        where = f"is in line {line} too" if line else "is in an earlier row, too"
        if its_source != source:
            where = f"is in {printable(its_source, None)} too"
        return Doubt(WarningKind.SHARED_FILE, where, _SHARED_CURE, cause="shared")


def is_shared(name: str) -> bool:
    """Report whether rows may share files in a column of this name."""
    return _SHARED.search(name) is not None


def same_file(other: str | None) -> Doubt:
    """Return a doubt about a file that column *other* of the same row has too; None: the same list."""
    says = "is listed twice" if other is None else f"is the file of {other} too"
    return Doubt(WarningKind.SAME_FILE, says, "give each its own file")


class Works:
    """What the rows have asked for so far."""

    def __init__(self, found: Collected) -> None:
        self._found = found
        self._column = WatchedColumn(name="id", is_id=True)
        self._first: dict[int, str] = {}  #: the id of the first row, by a hash of its work
        self._ids: set[int] = set()  #: hashes of ids without capitals

    def look(self, work: bytes, entry_id: str, record: Record) -> None:
        """Check a row that passed all checks against those before; *work* is a digest of what it computes."""
        self._look_at_id(entry_id, record)
        key = hash((work, _apart(entry_id, record)))
        first = self._first.get(key)
        if first is None:
            if len(self._first) < limits.FILES:
                self._first[key] = entry_id
        elif not _has_reads(record.fields.get("parameters"), ""):
            says = f"asks for the very same as {shown(first)}, but for its id, name, output and tags"
            doubt = Doubt(WarningKind.SAME_WORK, says, _SAME_CURE, cause="same")
            self._found.add(doubt, self._column, record.place_of(("id",)), text=entry_id, row=entry_id)

    def _look_at_id(self, entry_id: str, record: Record) -> None:
        """Record a doubt about an id that differs from another's in capitals alone, as of a split sample."""
        key = hash(entry_id.casefold())
        if key in self._ids:
            says = "is the id of an earlier row but for its capitals, and becomes a run of its own"
            doubt = Doubt(WarningKind.LOOK_ALIKE, says, _CASE_CURE, cause="case")
            self._found.add(doubt, self._column, record.place_of(("id",)), text=entry_id, row=entry_id)
        elif len(self._ids) < limits.FILES:
            self._ids.add(key)


def _apart(entry_id: str, record: Record) -> str:
    """Return what tells rows apart on purpose, without the id: lanes, and tags of their own."""
    told: dict[str, Json] = {name: record.fields[name] for name in (LANE, "tags") if name in record.fields}
    return canonical(told).replace(canonical(entry_id)[1:-1], "") if told else ""


def _has_reads(value: Json, name: str) -> bool:
    """Report whether a value has reads that are told of as soon as another row has them."""
    if isinstance(value, dict):
        return any(_has_reads(part, f"{name}.{key}") for key, part in value.items())
    if isinstance(value, list):
        return any(_has_reads(part, name) for part in value)
    return isinstance(value, str) and is_reads(bare(value)) and not (names_in(value) or is_shared(name))
