"""
CSV and TSV: a header, then one row to a record.

Belongs here: everything in which such files go wrong without the csv module saying so: ragged rows, doubled
headers, lines counted wrongly, cells without end. Does not: what a column's name means (``columns``).
"""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

from batchrun.manifest import limits
from batchrun.manifest.columns import ColumnError, column
from batchrun.manifest.problems import Place, Record, shown, unreadable
from batchrun.manifest.text_input import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from batchrun.errors import ManifestError
    from batchrun.manifest.columns import Column
    from batchrun.manifest.model_check import RequestModel
    from batchrun.manifest.problems import Problems
    from batchrun.model.spec import Json


def records(
    stream: BinaryIO, source: str, delimiter: str, model: RequestModel, problems: Problems
) -> Iterator[Record]:
    """
    Give each row; those that cannot be read become problems.

    Raises:
        ManifestError: Reading cannot go on.
    """
    rows = _rows(stream, source, delimiter)
    line, header = next(rows, (1, None))
    place = Place(source=source, line=line)
    if header is None:
        raise unreadable(place, "the file is empty", "write a header with id, and a row for each run")
    columns = _columns(header, delimiter, place, model, problems)
    for line, cells in rows:
        place = Place(source=source, line=line)
        if len(cells) != len(columns):
            _report_ragged(cells, len(columns), place, problems)
        else:
            yield Record(fields=_fields(cells, columns, place, problems), place=place, places={})


def _rows(stream: BinaryIO, source: str, delimiter: str) -> Iterator[tuple[int, list[str]]]:
    """Give each record with the line on which it starts."""
    meter = _Meter(lines(stream, source), source)
    # A process-wide setting, like it or not; raising it takes nothing from anybody.
    csv.field_size_limit(max(csv.field_size_limit(), limits.RECORD))
    reader = csv.reader(meter, delimiter=delimiter, strict=True)
    while True:
        start = meter.begin()
        try:
            cells = next(reader, None)
        except csv.Error as error:
            raise _broken(error, Place(source=source, line=start), meter.line) from error
        if cells is None:
            return
        # Spreadsheets end in rows of nothing but separators.
        if any(cells):
            yield start, cells


class _Meter:
    """Lines on their way to the csv reader, counted, and limited for each record."""

    def __init__(self, source_lines: Iterator[str], source: str) -> None:
        self._lines = source_lines
        self._source = source
        self._size = 0
        self.line = 0

    def begin(self) -> int:
        """Start a record; give its line."""
        self._size = 0
        return self.line + 1

    def __iter__(self) -> _Meter:
        return self

    def __next__(self) -> str:
        text = next(self._lines)
        self.line += 1
        self._size += len(text)
        if self._size > limits.RECORD:
            place = Place(source=self._source, line=self.line)
            raise unreadable(
                place,
                f"a row of more than {limits.RECORD} characters",
                "close the quotes that were opened before",
            )
        return text


def _broken(error: csv.Error, place: Place, last: int) -> ManifestError:
    reason = str(error)
    if "unexpected end of data" in reason:
        message = f"a quote is opened in the row that begins here, and not closed by line {last}"
        return unreadable(place, message, 'close it; a quote within a quoted cell is written ""')
    if "new-line character" in reason:
        return unreadable(
            place, "lines end in a bare carriage return", "save the file with LF or CRLF line ends"
        )
    message = "there is text after a closing quote" if "expected after" in reason else reason
    return unreadable(place, message, 'quote the whole cell; a quote within it is written ""')


def _columns(
    header: list[str], delimiter: str, place: Place, model: RequestModel, problems: Problems
) -> list[Column | None]:
    """Read the header; None stands for a column that cannot be used."""
    if len(header) > limits.COLUMNS:
        raise unreadable(place, f"there are {len(header)} columns", f"use at most {limits.COLUMNS}")
    if "id" not in header:
        raise unreadable(place, "there is no column id", _id_cure(header, delimiter), field="id")
    columns: list[Column | None] = []
    for number, name in enumerate(header, start=1):
        columns.append(None)
        try:
            columns[-1] = column(name, model)
        except ColumnError as error:
            problems.add(place, f"column {number}: {error.message}", error.cure, field=name or None)
    return _without_twins(columns, place, problems)


def _id_cure(header: list[str], delimiter: str) -> str:
    other = next((mark for mark in ",\t;|" if mark != delimiter and mark in header[0]), None)
    if len(header) == 1 and other is not None:
        return f"the header seems to be separated by {shown(other)}: this format takes {shown(delimiter)}"
    if near := next((name for name in header if name.strip().lower() == "id"), None):
        return f"did you mean {shown(near)} to be id?"
    return "add a column id with a name of its own for each run"


def _without_twins(columns: list[Column | None], place: Place, problems: Problems) -> list[Column | None]:
    seen: dict[tuple[str, str | None], int] = {}
    for index, item in enumerate(columns):
        if item is None:
            continue
        # A table as a whole, and entries of it in other columns, would overwrite each other.
        # Keys are never empty: an empty one stands for "some entry of the table".
        rivals = [(item.field, item.key), (item.field, None if item.key else "")]
        clash = next((seen[rival] for rival in rivals if rival in seen), None)
        if clash is not None:
            message = f"columns {clash + 1} and {index + 1} are the same field"
            problems.add(place, message, "keep one of the two", field=item.header)
            columns[index] = None
        seen.setdefault((item.field, item.key), index)
        seen.setdefault((item.field, ""), index)
    return columns


def _report_ragged(cells: list[str], wanted: int, place: Place, problems: Problems) -> None:
    message = f"{len(cells)} cells under a header of {wanted}"
    few = "add the missing cells, empty ones too"
    many = "quote cells that hold the separator, or remove the extra ones"
    problems.add(place, message, few if len(cells) < wanted else many)


def _fields(
    cells: list[str], columns: list[Column | None], place: Place, problems: Problems
) -> dict[str, Json]:
    fields: dict[str, Json] = {}
    for item, cell in zip(columns, cells, strict=True):
        if cell == "" or item is None:
            continue
        if item.convert is None:
            item.put(fields, cell)
        else:
            _convert(item, cell, fields, place, problems)
    return fields


def _convert(item: Column, cell: str, fields: dict[str, Json], place: Place, problems: Problems) -> None:
    try:
        item.put(fields, item.value(cell))
    except ColumnError as error:
        problems.add(place, error.message, error.cure, field=item.header)
