"""A sheet's rows become records: grouped by run, and filled into the template.

Belongs here: the steps from a table to records, and grouping rows. Does not: what a template is
(``template``, ``nodes``).
"""

from __future__ import annotations

import contextlib
import itertools
import json
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from operator import itemgetter

from batchrun.manifest import limits
from batchrun.manifest.columns import WITHOUT_NAMES
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.parts import Record
from batchrun.manifest.placeholders import ENV, Environment, PlaceholderError
from batchrun.manifest.problems import Place, Problems, printable, shown, unreadable
from batchrun.manifest.sheet_wishes import Wanted
from batchrun.manifest.sheets.nodes import Filling
from batchrun.manifest.sheets.own_sheets import OwnSheets, delimiter_for, wrong_sheet_place
from batchrun.manifest.sheets.template import Template, compiled, takes_all
from batchrun.manifest.sheets.text import Cell, Columns
from batchrun.manifest.sheets.uses import look_at, uses
from batchrun.manifest.spool import NamelessFile
from batchrun.manifest.table import Table, TableRow, Value
from batchrun.manifest.warned.looking import Looking
from batchrun.manifest.warned.scan import TableTexts


def grouped(table: Table, by: Sequence[int], problems: Problems) -> Iterator[Iterable[TableRow]]:
    """Return the rows of each run, to be iterated before the next run is asked for.

    *by* are the columns that tell runs apart; none if each row is a run.

    Raises:
        ManifestError: The table cannot be read further, or the temporary file cannot be written.
    """
    if not by:
        for row in table.rows:
            yield (row,)
        return
    with contextlib.closing(_Rows(table)) as rows:
        numbers = array("I", _numbered(table, by, rows, problems))
        rows.seal()
        for members in _members(numbers):
            yield rows.at(members)


def _numbered(table: Table, by: Sequence[int], rows: _Rows, problems: Problems) -> Iterator[int]:
    """Store the rows, and return the number of each row's group."""
    known: dict[str | tuple[str, ...], int] = {}
    key_of = itemgetter(*by)
    for row in table.rows:
        if (empty := next((index for index in by if not row.cells[index]), None)) is not None:
            message = f"the cell of column {shown(table.header[empty])} is empty"
            cure = "fill it in: it tells which run the row is of; or remove the line"
            problems.add(table.place(row.line), message, cure, field="group_by")
            continue
        rows.add(row)
        yield known.setdefault(key_of(row.cells), len(known))


def _members(numbers: array[int]) -> Iterator[Sequence[int]]:
    """Return the positions of each group's rows, by a counting sort, which needs less memory than lists."""
    starts = array("I", [0]) * (max(numbers, default=-1) + 2)
    for number in numbers:
        starts[number + 1] += 1
    for number in range(1, len(starts)):
        starts[number] += starts[number - 1]
    order = array("I", [0]) * len(numbers)
    ends = starts[:]
    for position, number in enumerate(numbers):
        order[ends[number]] = position
        ends[number] += 1
    for first, last in itertools.pairwise(starts):
        yield order[first:last]


def _without_nameless(table: Table, problems: Problems) -> Iterator[TableRow]:
    """Return the rows, where all columns become parameters: one with a cell and without a name cannot."""
    nameless = [index for index, name in enumerate(table.header) if not name.strip()]
    for row in table.rows:
        for index in [index for index in nameless if row.cells[index].strip()]:
            nameless.remove(index)  # once is enough
            what = f"and line {row.line} has {shown(row.cells[index])} there"
            cure = f"name it, remove it, or choose: --columns-as-parameters NAME,NAME; {WITHOUT_NAMES}"
            problems.add(table.place(table.line), f"column {index + 1} has no name, {what}", cure)
        yield row


class _Rows(NamelessFile):
    """Rows in a temporary file, by position."""

    def __init__(self, table: Table) -> None:
        super().__init__()
        self._has_values = table.has_values
        self._source = table.source
        self._offsets = array("Q", [0])

    def add(self, row: TableRow) -> None:
        """Store a row. Raises ManifestError if it cannot be written, or there are too many."""
        cells = [_written(cell) for cell in row.cells] if self._has_values else row.cells
        self._put(json.dumps((row.line, cells)).encode())
        self._offsets.append(self._size)
        if self._size > limits.DOCUMENT:
            size = limits.DOCUMENT // 1024**3
            message = f"there are more than {size} GiB of rows to be grouped"
            raise unreadable(
                Place(source=self._source, line=row.line), message, "split the sheet between runs"
            )

    def at(self, positions: Sequence[int]) -> Iterator[TableRow]:
        """Return the rows at these ascending positions."""
        for position in positions:
            line, cells = json.loads(self._between(self._offsets[position], self._offsets[position + 1]))
            yield TableRow(line, [_read(cell) for cell in cells] if self._has_values else cells)


def _written(cell: str) -> str | list[str]:
    return [cell] if type(cell) is Value else cell


def _read(cell: str | list[str]) -> str:
    return cell if isinstance(cell, str) else Value(cell[0])


@dataclass(frozen=True, kw_only=True)
class Sheets:
    """Makes records of the sheets of one manifest."""

    batch: str
    model: RequestModel
    environment: Environment
    problems: Problems
    own_sheets: OwnSheets
    looking: Looking

    def records(self, table: Table, wanted: Wanted) -> Iterator[Record]:
        """Return a record for each run; what is wrong in the sheet or the options becomes problems.

        Raises:
            ManifestError: The sheet cannot be read further.
        """
        columns, header = Columns(table.header), table.place(table.line)
        template = compiled(wanted, columns, self.model, header, self.problems)
        if template is None:
            return
        own = self._own(template, wanted)
        if own is None:
            return
        if takes_all(wanted, columns):
            table = replace(table, rows=_without_nameless(table, self.problems))
        look_at(wanted, table.header, self.looking)
        look = self.looking.table(table, uses(template, table.header))
        maker = _Maker(table, template, own, self.own_sheets, self.problems, look)
        for rows in grouped(table, template.group, self.problems):
            if record := maker.record(rows):
                yield record

    def _own(self, template: Template, wanted: Wanted) -> dict[str, str] | None:
        """Return the values of batchrun's own names in places of sheets; None if they have problems."""
        names = [] if template.sheet_out is None else template.sheet_out.names
        try:
            own = {
                name: self.environment.value(name.removeprefix(ENV)) for name in names if name.startswith(ENV)
            }
        except PlaceholderError as error:
            place = wanted.each.place if wanted.sheet_out is None else wanted.sheet_out.place
            self.problems.add(place, error.message, error.cure, field="sheet_out")
            return None
        return own | {"batch": self.batch}


@dataclass
class _Maker:
    """Makes the records of one sheet."""

    table: Table
    template: Template
    own: Mapping[str, str]
    own_sheets: OwnSheets
    problems: Problems
    look: TableTexts

    def __post_init__(self) -> None:
        self._agreed = itemgetter(*self.template.agreed) if self.template.agreed else _nothing
        out = self.template.sheet_out
        self._delimiter = "," if out is None else delimiter_for(out.parts, self.table)

    def record(self, rows: Iterable[TableRow]) -> Record | None:
        """Return the record of one run; None if it has no id, or is too large."""
        filling = Filling(self.table.source, len(self.template.lists), self.problems)
        first: Sequence[str] = ()
        for line, cells in rows:
            filling.lines.append(line)
            if not first:
                first = cells
                self._begin(first, filling)
            elif self._agreed(cells) != self._agreed(first):
                self._report_differing(first, cells, filling)
            self._add(cells, line, filling)
            self.look.row(line, cells, filling.row)
        fields = self.template.fields.filled(first, filling)
        if filling.row is None or filling.is_full:
            return None
        return Record(
            fields={"id": filling.row, **(fields if isinstance(fields, dict) else {})},
            place=filling.place,
            places={},
            is_of_cells=True,
            sheet=self._own_sheet(first, filling),
        )

    def _begin(self, first: Sequence[str], filling: Filling) -> None:
        entry_id = self.template.id
        for name in (
            part.name for part in entry_id.parts if isinstance(part, Cell) and not first[part.index]
        ):
            cure = "fill it in: it makes the id; or remove the line"
            filling.report(("id",), f"the cell of column {shown(name)} is empty", cure)
            break
        else:
            filling.row = entry_id.text(first, filling, {})
        if self.template.sheet_out is not None:
            self.own_sheets.begin()
            self.own_sheets.add(self.table.header, self._delimiter)

    def _add(self, cells: Sequence[str], line: int, filling: Filling) -> None:
        if filling.is_full:
            return
        for one in self.template.lists:
            one.add(cells, line, filling)
        if self.template.sheet_out is not None and self.own_sheets.growing <= limits.SHEET:
            self.own_sheets.add(cells, self._delimiter)

    def _report_differing(self, first: Sequence[str], cells: Sequence[str], filling: Filling) -> None:
        for index in self.template.agreed:
            if cells[index] != first[index] and index not in filling.differing:
                filling.differing.add(index)
                name = self.table.header[index]
                message = (
                    f"column {shown(name)} is {shown(first[index])} on line {filling.lines[0]}, "
                    f"but {shown(cells[index])} on line {filling.lines[-1]}"
                )
                own = f"{{{printable(name)}}}"
                cure = (
                    f"put {own} into a list, which has one of each line, such as --parameter "
                    f"'NAME:json=[\"{own}\"]', or group by it too"
                )
                filling.report_all((), message, cure)

    def _own_sheet(self, first: Sequence[str], filling: Filling) -> str | None:
        wanted = self.template.sheet_out
        if wanted is None or filling.row is None:
            return None
        if self.own_sheets.growing > limits.SHEET:
            size = limits.SHEET // 1024**2
            filling.report_all(wanted.path, f"its sheet has more than {size} MiB", "give the run fewer rows")
        uri = wanted.text(first, filling, {**self.own, "id": filling.row})
        if wrong := wrong_sheet_place(uri):
            filling.report_all(wanted.path, *wrong)
        uri = self.own_sheets.place(uri)
        self.own_sheets.finish(filling.row, uri)
        return uri


def _nothing(cells: Sequence[str]) -> None:
    """Check nothing."""
