"""Checking rows, text by text: a table's cells (CSV manifests and sheets), and a document's tables and lists.

Belongs here: which texts are checked, and how. A hundred thousand rows pass here, so most cells are passed by
a quick test. In documents the types of values are explicit, and so not doubted. Does not: what becomes of a
column (``cells``, ``sheets.uses``).
"""

from __future__ import annotations

import functools
import itertools
import operator
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from batchrun.manifest.parts import Record
from batchrun.manifest.placeholders import names_in
from batchrun.manifest.problems import Path, Place
from batchrun.manifest.recognised.kinds import is_reads
from batchrun.manifest.scalars import NULLS, Plain
from batchrun.manifest.strict_json import JsonError, decoded
from batchrun.manifest.table import Table, Value
from batchrun.manifest.warned.found import Doubt, WarningKind, WatchedColumn
from batchrun.manifest.warned.known import Known
from batchrun.manifest.warned.mates import Pair, mates_among, mates_of
from batchrun.manifest.warned.quotes import SWALLOWED, of_plain, of_table, swallowing
from batchrun.manifest.warned.repeated import is_shared, same_file
from batchrun.manifest.warned.texts import (
    ABSENT,
    MONTH,
    UNDETERMINED,
    bare,
    long_number,
    of_characters,
    of_name,
)
from batchrun.manifest.warned.untyped import FOREIGN, Cure, Types
from batchrun.model.spec import Json


@dataclass(slots=True)
class DocumentTexts:
    """Checks the values of one record, or of one cell with JSON."""

    known: Known
    record: Record
    entry_id: str | None
    number: int | None  #: the row's number; None for what all rows share
    is_parameter: bool | None = None  #: None if the names show it
    _reads: dict[str, WatchedColumn] = field(default_factory=dict)  #: reads so far

    def look(self) -> None:
        """Check all of them."""
        for name, value in self.record.fields.items():
            self.value(value, (name,), name)

    def value(self, value: Json, path: Path, name: str) -> None:
        """Check a value; *name* is its path without positions."""
        if isinstance(value, str):
            self._text(value, path, name)
        elif isinstance(value, dict):
            if (doubt := of_table(value)) and (column := self._column(name)):
                self._doubt(doubt, column, path, None)
            for key, part in value.items():
                self._name(key, path, name)
                self.value(part, (*path, key), f"{name}.{key}")
            if self.number is not None:
                self._mates(value, path, name)
        elif isinstance(value, list):
            for index, part in enumerate(value):
                self.value(part, (*path, index), f"{name}[]")

    def _text(self, text: str, path: Path, name: str) -> None:
        is_nothing = not text or (type(text) is Plain and (text in NULLS or text.isdecimal()))
        column = None if is_nothing else self._column(name)
        if column is None:
            return
        for doubt in self.known.doubts(text, column, is_cell=False):
            self._doubt(doubt, column, path, text)
        if column.is_parameter and type(text) is Plain and (loss := of_plain(text)):
            self._doubt(loss, column, path, text)
        meant = bare(text)
        # Files with placeholders are known only when these are filled in.
        are_reads = column.is_parameter and is_reads(meant) and not names_in(meant)
        if are_reads and (again := self._again(meant, column)):
            self._doubt(again, column, path, text)

    def _again(self, reads: str, column: WatchedColumn) -> Doubt | None:
        """Return a doubt about reads that were named before, in this row or another."""
        if self.number is None:
            return None
        if (other := self._reads.get(reads)) is not None:
            return same_file(None if other is column else other.name)
        self._reads[reads] = column
        return self.known.files.again(reads, column, self.number, self.record.place.source)

    def _name(self, name: str, path: Path, within: str) -> None:
        is_plain = name.isascii() and name.isprintable() and name == name.strip() and name[:1] != "#"
        if name and not is_plain and (column := self._column(within)):
            for doubt in (*of_characters(name, is_cell=True), *filter(None, [of_name(name)])):
                self._doubt(doubt, column, (*path, name), name)

    def _mates(self, table: dict[str, Json], path: Path, name: str) -> None:
        for first, second in dict.fromkeys(filter(None, map(mates_of, table))):
            its, others = self._column(f"{name}.{first}"), self._column(f"{name}.{second}")
            if its is not None and others is not None:
                found = self.known.pair(its, others).doubts(table.get(first), table.get(second))
                for doubt, column, text in found:
                    self._doubt(doubt, column, path, text)

    def _doubt(self, doubt: Doubt, column: WatchedColumn, path: Path, text: str | None) -> None:
        self.known.found.add(doubt, column, self.record.place_of(path), text=text, row=self.entry_id)

    def _column(self, name: str) -> WatchedColumn | None:
        return self.known.column(name, is_parameter=self.is_parameter)


_URI: Final = r"s3://(?!your[-_]|amzn-s3-demo-)[a-z0-9][A-Za-z0-9._-]*+(?:/[!#-&(-9;-z|~]*+)?+(?<![,;])"
_WORD: Final = r"[A-Za-z_][A-Za-z0-9_-]*+"
#: Lines of cells without anything doubtful; some may be empty.
_URIS: Final = re.compile(rf"(?:{_URI})?+(?:\n(?:{_URI})?+)*+")
_WORDS: Final = re.compile(rf"(?:{_WORD})?+(?:\n(?:{_WORD})?+)*+")
#: Words that may not be what they look like.
_NO_WORDS: Final = frozenset({*ABSENT, *FOREIGN, UNDETERMINED, "true", "false"})
_DATES: Final = re.compile(rf"^(?:{MONTH})-", re.IGNORECASE | re.MULTILINE)
#: By how much a row has beside its id: nothing, or numbers alone.
_BARE: Final = (
    "is all that this row has, and becomes a run",
    "has numbers alone beside it, where others have more, and becomes a run",
)
_BARE_CURE: Final = "fill the row in, or remove it where it is none, such as a total or a remark"
#: What numbers are written with, and where there is none.
_OF_NUMBERS: Final = "0123456789.,+-% "
#: Rows that are checked together: one may have a mebibyte.
_BATCH: Final = 32


class _Row(NamedTuple):
    """A row to be checked."""

    line: int
    cells: Sequence[str]
    id: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """The use of a table's column."""

    index: int
    name: str  #: the field that it becomes, or the column's own name
    is_parameter: bool = False
    is_id: bool = False
    is_json: bool = False  #: whether its cells are JSON
    is_typed: bool = False  #: whether a value that is not text at its source keeps its type
    cure: Cure | None = None  #: returns how to give it a type; None if it needs none


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """A column whose cells are checked."""

    index: int
    column: WatchedColumn
    types: Types | None
    is_typed: bool

    def are_sound(self, texts: Sequence[str]) -> bool:
        """Report whether all cells pass the quick test, and note their kinds."""
        joined = "\n".join(texts)
        if self.column.is_id and self.column.name.strip().lower() in map(str.lower, texts):
            return False
        if joined.count("\n") >= len(texts):
            return False
        is_uri = _URIS.fullmatch(joined) is not None
        if not is_uri and not _are_words(joined, texts):
            return False
        if count := sum(map(bool, texts)):
            self.meet(count, is_uri=is_uri)
        return True

    def meet(self, count: int, *, is_uri: bool) -> None:
        """Note cells of plain text, or URIs."""
        if is_uri:
            self.column.company.s3 = self.column.company.files = True
        self.column.company.unmarked = self.column.company.undated = True
        if self.types is not None:
            self.types.are_texts(count)


class TableTexts:
    """Checks rows as they are read, several at a time."""

    def __init__(self, known: Known, table: Table, uses: Sequence[Used]) -> None:
        self._known = known
        self._table = table
        self._batch: list[_Row] = []
        columns = {used.index: self._column(used) for used in uses}
        self._texts = [self._watched(used, columns[used.index]) for used in uses if not used.is_json]
        self._json = [used for used in uses if used.is_json]
        self._pairs = [
            (uses[first], uses[second], known.pair(columns[uses[first].index], columns[uses[second].index]))
            for first, second in mates_among([used.name for used in uses])
        ]
        ids = [used.index for used in uses if used.is_id]
        self._id = columns[ids[0]] if ids else None
        self._others = [index for index in range(len(table.header)) if index not in ids]
        self._having = [0, 0, 0]  #: rows that have nothing but an id, or numbers, or more
        self._plain: dict[int, WatchedColumn] = {}  #: columns by their own names, whatever they become
        self._may_share = any(watched.column.is_shared for watched in self._texts)
        self._header()

    def row(self, line: int, cells: Sequence[str], entry_id: str | None) -> None:
        """Add a row, to be checked soon."""
        self._batch.append(_Row(line, cells, entry_id))
        if len(self._batch) >= _BATCH:
            self.flush()

    def flush(self) -> None:
        """Check the rows that were added."""
        batch, self._batch = self._batch, []
        number = self._known.files.begin([row.line for row in batch], self._table.source)
        for watched in self._texts:
            texts = [row.cells[watched.index] for row in batch]
            is_sound = watched.are_sound(texts)
            for text, row in () if is_sound else zip(texts, batch, strict=True):
                self._look(text, watched, row)
            if watched.column.is_parameter:
                self._look_for_reads(texts, watched, batch, number, is_sound=is_sound)
        for first, second, pair in self._pairs:
            self._look_at_mates(first, second, pair, batch)
        if self._id is not None and self._others:
            self._look_for_bare(batch, self._id)
        if self._table.delimiter is not None:
            self._look_for_swallowed(batch, self._table.delimiter)
        for used in self._json:
            for at, row in enumerate(batch, start=number):
                if row.cells[used.index]:
                    self._look_into(row, used, at)

    def _look(self, text: str, watched: _Watched, row: _Row) -> None:
        """Check a cell."""
        if not text or (watched.is_typed and type(text) is Value):
            return
        if watched.types is not None and self._is_of_type(text, watched.types, row):
            return
        for doubt in self._known.doubts(text, watched.column, is_cell=True):
            self._doubt(doubt, watched.column, row, text)

    def _look_for_reads(
        self, texts: Sequence[str], watched: _Watched, batch: Sequence[_Row], number: int, *, is_sound: bool
    ) -> None:
        """Record doubts about reads that were named before; *number* is the first row's."""
        if is_sound:
            count = sum(map(is_reads, texts))
            is_whole = count == len(texts) and not self._may_share
            if not count or (is_whole and self._known.files.take_all(texts, number)):
                return
        for at, (text, row) in enumerate(zip(texts, batch, strict=True), start=number):
            reads = text if is_sound else bare(text)
            # Files with placeholders are known only when these are filled in.
            are_reads = is_reads(reads) and not names_in(reads)
            if are_reads and (again := self._again(reads, watched, row, at)):
                self._doubt(again, watched.column, row, text)

    def _again(self, reads: str, watched: _Watched, row: _Row, number: int) -> Doubt | None:
        before = itertools.takewhile(lambda other: other is not watched, self._texts)
        for other in before:
            if other.column.is_parameter and bare(row.cells[other.index]) == reads:
                return same_file(other.column.name)
        return self._known.files.again(reads, watched.column, number, self._table.source)

    def _look_at_mates(self, first: Used, second: Used, pair: Pair, batch: Sequence[_Row]) -> None:
        ones, twos = ([row.cells[used.index] for row in batch] for used in (first, second))
        are_texts = not (first.is_json or second.is_json)
        if (
            are_texts
            and pair.is_met
            and all(ones)
            and all(twos)
            and not any(map(operator.eq, ones, twos))
            and pair.are_mates(ones, twos)
        ):
            return
        for one, two, row in zip(ones, twos, batch, strict=True):
            for doubt, column, text in pair.doubts(_value(one, first), _value(two, second), row.line):
                self._doubt(doubt, column, row, text)

    def _look_for_swallowed(self, batch: Sequence[_Row], delimiter: str) -> None:
        """Record doubts about cells that hold rows, whatever becomes of their columns."""
        for row in batch:
            for index in swallowing(row.cells, delimiter) if "\n" in "".join(row.cells) else ():
                plain = WatchedColumn(name=self._table.header[index], number=index + 1)
                self._doubt(SWALLOWED, self._plain.setdefault(index, plain), row, row.cells[index])

    def _is_of_type(self, text: str, types: Types, row: _Row) -> bool:
        """Note a cell that is text by default; report whether no other rule applies to it."""
        doubt = long_number(text)
        if doubt is None and types.is_number(text, row.line, row.id):
            return True
        if doubt := doubt or types.written(text):
            self._doubt(doubt, types.column, row, text)
        return doubt is not None

    def _look_for_bare(self, batch: Sequence[_Row], own: WatchedColumn) -> None:
        """Record doubts about rows with less than most others, such as a total below the table."""
        for row in batch:
            has = self._has(row.cells)
            self._having[has] += 1
            if has < len(_BARE):
                holds = functools.partial(self._are_odd, has)
                doubt = Doubt(WarningKind.BARE_ID, _BARE[has], _BARE_CURE, holds=holds)
                self._doubt(doubt, own, row, row.id)

    def _has(self, cells: Sequence[str]) -> int:
        others = map(cells.__getitem__, self._others)
        if any(map(str.strip, others, itertools.repeat(_OF_NUMBERS))):
            return 2
        return int(any(map(cells.__getitem__, self._others)))

    def _are_odd(self, has: int) -> bool:
        return sum(self._having[: has + 1]) < sum(self._having[has + 1 :])

    def _look_into(self, row: _Row, used: Used, number: int) -> None:
        value = _decoded(row.cells[used.index])
        place = Place(source=self._table.source, line=row.line, column=used.index + 1)
        record = Record(fields={used.name: value}, place=place, places={})
        is_parameter = used.is_parameter
        DocumentTexts(self._known, record, row.id, number=number, is_parameter=is_parameter).look()

    def _header(self) -> None:
        """Check the names that become names of parameters."""
        for watched in self._texts:
            name = self._table.header[watched.index]
            for doubt in of_characters(name, is_cell=True) if watched.column.is_parameter else ():
                self._doubt(doubt, watched.column, _Row(self._table.line, (), None), name)

    def _watched(self, used: Used, column: WatchedColumn) -> _Watched:
        untyped = None if used.cure is None else self._known.types(column, self._table.source, used.cure)
        return _Watched(index=used.index, column=column, types=untyped, is_typed=used.is_typed)

    def _column(self, used: Used) -> WatchedColumn:
        return WatchedColumn(
            name=used.name,
            number=used.index + 1,
            is_parameter=used.is_parameter,
            is_id=used.is_id,
            is_shared=is_shared(used.name),
            company=self._known.company(used.name),
        )

    def _doubt(self, doubt: Doubt, column: WatchedColumn, row: _Row, text: str | None) -> None:
        place = Place(source=self._table.source, line=row.line, column=column.number)
        self._known.found.add(doubt, column, place, text=text, row=row.id)


def _are_words(joined: str, texts: Sequence[str]) -> bool:
    is_plain = _WORDS.fullmatch(joined) is not None and _NO_WORDS.isdisjoint(map(str.lower, texts))
    return is_plain and not ("-" in joined and _DATES.search(joined))


def _value(text: str, used: Used) -> Json:
    return _decoded(text) if used.is_json and text else text


def _decoded(text: str) -> Json:
    """Return a cell of JSON decoded; None if it is not JSON, which is reported as an error."""
    try:
        return decoded(text)
    except JsonError:
        return None
