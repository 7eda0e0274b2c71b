"""
The rows of a table, cell by cell: CSV manifests and sheets, in CSV, TSV, XLSX and JSON Lines.

Belongs here: which cells are looked at, and how. A hundred thousand rows pass here: what is said of most
cells is that they are sound, quickly. Does not: what becomes of a column (``cells``, ``sheet_columns``).
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from batchrun.manifest.placeholders import names_in
from batchrun.manifest.problems import Place, Record
from batchrun.manifest.recognised.kinds import is_reads
from batchrun.manifest.strict_json import JsonError, decoded
from batchrun.manifest.tables.table import Value
from batchrun.manifest.warned import characters, mates, spreadsheets
from batchrun.manifest.warned.columns import Column
from batchrun.manifest.warned.files import is_shared
from batchrun.manifest.warned.values import Values

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.manifest.tables.table import Table
    from batchrun.manifest.warned.kinds import Doubt
    from batchrun.manifest.warned.looking import Looking
    from batchrun.manifest.warned.untyped import Cure, Types
    from batchrun.model.spec import Json

#: A URI in S3 with nothing to doubt in it.
_SOUND: Final = re.compile(r"s3://[a-z0-9][!#-&(-9;-z|~]*")
_S3: Final = "s3://"
#: What looks like a name, and is none that a spreadsheet makes of another.
_WORD: Final = re.compile(rf"(?!(?:{spreadsheets.MONTH})-)[A-Za-z_][A-Za-z0-9_-]*", re.IGNORECASE)
_NO_WORDS: Final = frozenset({*spreadsheets.ABSENT, "true", "false"})
#: Words that are kept, of each column.
_KEPT: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What becomes of a table's column."""

    index: int
    name: str  #: the field that it becomes, or the column's own name
    is_parameter: bool = False
    is_id: bool = False
    is_json: bool = False  #: whether its cells are JSON, in which texts stand
    is_typed: bool = False  #: whether what is no text at its source stays what it is
    cure: Cure | None = None  #: says how to give it a type; None where it needs none


@dataclass(frozen=True, slots=True, kw_only=True)
class _Watched:
    """A column of which the cells are looked at."""

    index: int
    column: Column
    types: Types | None
    is_typed: bool
    sound: set[str] = field(default_factory=set)  #: words that were found to be, as far as they are kept

    def meet(self, *, is_uri: bool) -> None:
        """Take down that there is text that is sound, or even a URI."""
        if is_uri and not self.column.company.s3:
            self.column.company.s3 = self.column.company.files = True
        if self.types is not None:
            self.types.is_text = True


class Rows:
    """Looks at one row after the other."""

    def __init__(self, looking: Looking, table: Table, uses: Sequence[Used]) -> None:
        self._looking = looking
        self._table = table
        columns = {used.index: self._column(used) for used in uses}
        self._texts = [self._watched(used, columns[used.index]) for used in uses if not used.is_json]
        self._json = [used for used in uses if used.is_json]
        self._pairs = [
            (uses[first], uses[second], looking.pair(columns[uses[first].index], columns[uses[second].index]))
            for first, second in mates.pairs([used.name for used in uses])
        ]
        self._header()

    def row(self, line: int, cells: Sequence[str], entry_id: str | None) -> None:
        """Look at a row."""
        files = self._looking.files
        files.begin(line)
        for watched in self._texts:
            text = cells[watched.index]
            if not text or text in watched.sound:
                continue
            if not (text.startswith(_S3) and _SOUND.fullmatch(text)):
                self._look(text, watched, line, entry_id)
                continue
            column = watched.column
            watched.meet(is_uri=True)
            if column.is_parameter and is_reads(text) and (again := files.doubt(text, column)):
                self._doubt(again, column, line, text, entry_id)
        self._look_across(line, cells, entry_id)

    def _look_across(self, line: int, cells: Sequence[str], entry_id: str | None) -> None:
        for first, second, pair in self._pairs:
            one, two = cells[first.index], cells[second.index]
            if not (pair.is_met and one and two and one != two) or first.is_json:
                for doubt, column, value in pair.doubts(_value(one, first), _value(two, second)):
                    self._doubt(doubt, column, line, value, entry_id)
        for used in self._json:
            if cells[used.index]:
                self._look_into(cells[used.index], used, line, entry_id)

    def _look(self, text: str, watched: _Watched, line: int, entry_id: str | None) -> None:
        """Look at a cell that is no plain URI."""
        if watched.is_typed and type(text) is Value:
            return
        if _WORD.fullmatch(text) and text.lower() not in _NO_WORDS:
            watched.meet(is_uri=False)
            if len(watched.sound) < _KEPT:
                watched.sound.add(text)
            return
        column = watched.column
        if watched.types is not None and self._is_of_type(text, watched.types, line, entry_id):
            return
        for doubt in self._looking.doubts(text, column, is_cell=True):
            self._doubt(doubt, column, line, text, entry_id)
        bare = characters.bare(text)
        # Which reads placeholders make is known when they are filled in.
        are_reads = column.is_parameter and is_reads(bare) and not names_in(bare)
        if are_reads and (again := self._looking.files.doubt(bare, column)):
            self._doubt(again, column, line, text, entry_id)

    def _is_of_type(self, text: str, types: Types, line: int, entry_id: str | None) -> bool:
        """Doubt a cell that is text since nothing says otherwise; tell whether that is all about it."""
        column = types.column
        doubt = spreadsheets.long_number(text)
        if doubt is None and types.is_number(text, line, entry_id):
            return True
        if doubt := doubt or types.written(text):
            self._doubt(doubt, column, line, text, entry_id)
        return doubt is not None

    def _look_into(self, text: str, used: Used, line: int, entry_id: str | None) -> None:
        value = _decoded(text)
        place = Place(source=self._table.source, line=line, column=used.index + 1)
        record = Record(fields={used.name: value}, place=place, places={})
        Values(self._looking, record, entry_id, is_row=True, is_parameter=used.is_parameter).look()

    def _header(self) -> None:
        """Look at the names that become names of parameters."""
        for watched in self._texts:
            name = self._table.header[watched.index]
            for doubt in characters.doubts(name, is_cell=True) if watched.column.is_parameter else ():
                self._doubt(doubt, watched.column, self._table.line, name, None)

    def _watched(self, used: Used, column: Column) -> _Watched:
        untyped = None if used.cure is None else self._looking.types(column, self._table.source, used.cure)
        return _Watched(index=used.index, column=column, types=untyped, is_typed=used.is_typed)

    def _column(self, used: Used) -> Column:
        return Column(
            name=used.name,
            number=used.index + 1,
            is_parameter=used.is_parameter,
            is_id=used.is_id,
            is_shared=is_shared(used.name),
            company=self._looking.company(used.name),
        )

    def _doubt(self, doubt: Doubt, column: Column, line: int, text: str | None, entry_id: str | None) -> None:
        self._looking.found.add(doubt, column, self._place(column, line), text=text, row=entry_id)

    def _place(self, column: Column, line: int) -> Place:
        return Place(source=self._table.source, line=line, column=column.number)


def _value(text: str, used: Used) -> Json:
    return _decoded(text) if used.is_json and text else text


def _decoded(text: str) -> Json:
    """Return what a cell of JSON holds; None where it is none, which is an error of its own."""
    try:
        return decoded(text)
    except JsonError:
        return None
