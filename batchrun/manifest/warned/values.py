"""
The texts of a document's tables and lists: rows in YAML, JSON and JSON Lines, and defaults.

Belongs here: going through them. Numbers and the like are what they look like there, and so is text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.manifest.placeholders import names_in
from batchrun.manifest.recognised.kinds import is_reads
from batchrun.manifest.scalars import NULLS, Plain
from batchrun.manifest.warned import characters, mates
from batchrun.manifest.warned.mates import same_file

if TYPE_CHECKING:
    from batchrun.manifest.problems import Path, Record
    from batchrun.manifest.warned.columns import Column
    from batchrun.manifest.warned.kinds import Doubt
    from batchrun.manifest.warned.known import Known
    from batchrun.model.spec import Json


class Values:
    """The values of one record, or of one cell that holds JSON."""

    def __init__(
        self,
        known: Known,
        record: Record,
        entry_id: str | None,
        *,
        number: int | None,
        is_parameter: bool | None = None,
    ) -> None:
        self._known = known
        self._record = record
        self._id = entry_id
        self._number = number  #: the row's; None for what all rows share
        self._reads: dict[str, Column] = {}  #: what was named so far
        self._is_parameter = is_parameter  #: None where names tell it

    def look(self) -> None:
        """Look at all of them."""
        for name, value in self._record.fields.items():
            self.value(value, (name,), name)

    def value(self, value: Json, path: Path, name: str) -> None:
        """Look at a value; *name* is its path without positions."""
        if isinstance(value, str):
            self._text(value, path, name)
        elif isinstance(value, dict):
            for key, part in value.items():
                self._name(key, path, name)
                self.value(part, (*path, key), f"{name}.{key}")
            if self._number is not None:
                self._mates(value, path, name)
        elif isinstance(value, list):
            for index, part in enumerate(value):
                self.value(part, (*path, index), f"{name}[]")

    def _text(self, text: str, path: Path, name: str) -> None:
        is_nothing = not text or (type(text) is Plain and (text in NULLS or text.isdecimal()))
        column = None if is_nothing else self._column(name)
        if column is None:
            return
        for doubt in self._known.doubts(text, column, is_cell=False):
            self._doubt(doubt, column, path, text)
        bare = characters.bare(text)
        # Which reads placeholders make is known when they are filled in.
        are_reads = column.is_parameter and is_reads(bare) and not names_in(bare)
        if are_reads and (again := self._again(bare, column)):
            self._doubt(again, column, path, text)

    def _again(self, reads: str, column: Column) -> Doubt | None:
        """Doubt reads that were named before, in the row or in another."""
        if self._number is None:
            return None
        if (other := self._reads.get(reads)) is not None:
            return same_file(None if other is column else other.name)
        self._reads[reads] = column
        files = self._known.files
        first = None if column.is_shared else files.first(reads, self._number)
        if first is None:
            return None
        return same_file("another column") if first == self._number else files.shared_with(first)

    def _name(self, name: str, path: Path, within: str) -> None:
        is_plain = name.isascii() and name.isprintable() and name == name.strip()
        if name and not is_plain and (column := self._column(within)):
            for doubt in characters.doubts(name, is_cell=True):
                self._doubt(doubt, column, (*path, name), name)

    def _mates(self, table: dict[str, Json], path: Path, name: str) -> None:
        for first, second in dict.fromkeys(filter(None, map(mates.sides, table))):
            its, others = self._column(f"{name}.{first}"), self._column(f"{name}.{second}")
            if its is not None and others is not None:
                found = self._known.pair(its, others).doubts(table.get(first), table.get(second))
                for doubt, column, text in found:
                    self._doubt(doubt, column, path, text)

    def _doubt(self, doubt: Doubt, column: Column, path: Path, text: str | None) -> None:
        self._known.found.add(doubt, column, self._record.place_of(path), text=text, row=self._id)

    def _column(self, name: str) -> Column | None:
        return self._known.column(name, is_parameter=self._is_parameter)
