"""Any kind of file as a table: choosing the reader, and JSON and YAML as a table.

Belongs here: the choice, encodings, and rows that are tables of names. Does not: reading other files
(``delimited``, ``workbook``).
"""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import BinaryIO

from batchrun.manifest import limits
from batchrun.manifest.json_document import of_lines, of_list, parts_of
from batchrun.manifest.parts import LIST, Record
from batchrun.manifest.problems import Place, Problems, unreadable
from batchrun.manifest.scalars import settled
from batchrun.manifest.source import DELIMITERS, Format
from batchrun.manifest.strict_json import encoded
from batchrun.manifest.table import Table, TableOptions, TableRow, Value, has_text
from batchrun.manifest.tables import delimited, workbook
from batchrun.manifest.text_input import as_stream, kept, pieces_of, recoded
from batchrun.model.spec import Json


def _records(stream: BinaryIO, source: str, form: Format, problems: Problems) -> Iterator[Record]:
    """Return the rows of JSON Lines, or of a document that is a list."""
    if form is Format.JSONL:
        return of_lines(stream, source, problems)
    rows = of_list(parts_of(form, stream, source, layout=LIST), problems)
    if form is Format.JSON:
        return rows
    return (replace(row, fields={name: settled(cell) for name, cell in row.fields.items()}) for row in rows)


@contextlib.contextmanager
def of_records(
    stream: BinaryIO, source: str, form: Format, asked: TableOptions, problems: Problems
) -> Iterator[Table]:
    """Collect the names of all rows, in their order, and yield the table.

    Raises:
        ManifestError: There are no rows, each of them is wrong, or it cannot be read further.
    """
    wrong = Problems()
    with contextlib.closing(kept(stream, source)) as copy:
        header = _header(_records(copy, source, form, wrong), source, asked, wrong)
        copy.seek(0)
        rows = _rows(_records(copy, source, form, problems), header)
        yield Table(source=source, line=1, header=header, rows=rows, has_values=True)


def table_of(records: Sequence[Record]) -> Table:
    """Return records, at least one, as a table."""
    header = tuple(dict.fromkeys(name for record in records for name in record.fields))
    place = records[0].place
    rows = _rows(iter(records), header)
    return Table(source=place.source, line=place.line or 1, header=header, rows=rows, has_values=True)


def _header(
    records: Iterator[Record], source: str, asked: TableOptions, problems: Problems
) -> tuple[str, ...]:
    names: dict[str, None] = dict.fromkeys(asked.header or ())
    for record in records:
        names.update(dict.fromkeys(record.fields))
        if len(names) > limits.COLUMNS:
            message = f"the rows have more than {limits.COLUMNS} names"
            raise unreadable(record.place, message, f"use at most {limits.COLUMNS}")
    if not names:
        problems.raise_any()
        raise unreadable(
            Place(source=source, line=1), "there are no rows", "write a table of names for each row"
        )
    return tuple(names)


def _rows(records: Iterator[Record], header: tuple[str, ...]) -> Iterator[TableRow]:
    for record in records:
        cells = [_cell(record.fields.get(name)) for name in header]
        if has_text(cells):
            yield TableRow(record.place.line or 0, cells)


def _cell(value: Json) -> str:
    if value is None:
        return ""
    return value if type(value) is str else Value(encoded(value))


def in_utf8(stream: BinaryIO, source: str, asked: TableOptions) -> BinaryIO:
    """Return the stream in UTF-8, converted from the encoding that the user gave."""
    return stream if asked.encoding is None else recoded(stream, asked.encoding, source)


@contextlib.contextmanager
def table(
    stream: BinaryIO, source: str, form: Format, asked: TableOptions, problems: Problems
) -> Iterator[Table]:
    """Read the header of a table, and yield the table, whose rows are read within the context.

    *form* is any; a file in JSON or YAML has a list.

    Raises:
        ManifestError: There is no header, or it cannot be read further.
    """
    head = stream.read(len(workbook.MARK))
    stream = as_stream(itertools.chain((head,), pieces_of(stream)))
    if head == workbook.MARK and form in DELIMITERS:
        with workbook.table(stream, source, asked, problems) as found:
            yield found
        return
    stream = in_utf8(stream, source, asked)
    if form in DELIMITERS:
        found = delimited.table(stream, source, DELIMITERS[form], asked, problems)
        _refuse_worksheet(found, form, asked)
        yield found
        return
    with of_records(stream, source, form, asked, problems) as found:
        _refuse_worksheet(found, form, asked)
        yield found


def _refuse_worksheet(found: Table, form: Format, asked: TableOptions) -> None:
    if asked.worksheet is not None and found.section is None:
        message = f"{form.value} files have no worksheets"
        raise unreadable(Place(source=found.source), message, "leave --worksheet out", field="worksheet")
