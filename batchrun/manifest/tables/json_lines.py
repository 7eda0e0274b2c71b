"""
JSON Lines, and lists of JSON, as a table: each row's names are columns.

Belongs here: one header for rows that need not have the same names, and values as texts. Does not: JSON
(``strict_json``), lines that are rows of a manifest (``manifest.json_lines``).

They are read twice, since the last of them may have a name that no other has.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Final

from batchrun.manifest import json_lines, json_list, limits
from batchrun.manifest.problems import Place, Problems, unreadable
from batchrun.manifest.source import Format
from batchrun.manifest.strict_json import encoded
from batchrun.manifest.tables.table import Row, Table, Value, has_text
from batchrun.manifest.text_input import kept

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from typing import BinaryIO

    from batchrun.manifest.problems import Record
    from batchrun.manifest.tables.table import Asked
    from batchrun.model.spec import Json


_READERS: Final = {Format.JSONL: json_lines.records, Format.JSON: json_list.records}


@contextlib.contextmanager
def table(stream: BinaryIO, source: str, form: Format, asked: Asked, problems: Problems) -> Iterator[Table]:
    """
    Find the names of all rows, in the order in which they come, and return the table while it is read.

    Raises:
        ManifestError: There are none, or reading cannot go on.
    """
    records = _READERS[form]
    with contextlib.closing(kept(stream, source)) as copy:
        header = _header(records(copy, source, Problems()), source, asked)
        copy.seek(0)
        rows = _rows(records(copy, source, problems), header)
        yield Table(source=source, line=1, header=header, rows=rows, has_values=True)


def table_of(records: Sequence[Record]) -> Table:
    """Return some records, of which there are any, as a table."""
    header = tuple(dict.fromkeys(name for record in records for name in record.fields))
    place = records[0].place
    rows = _rows(iter(records), header)
    return Table(source=place.source, line=place.line or 1, header=header, rows=rows, has_values=True)


def _header(records: Iterator[Record], source: str, asked: Asked) -> tuple[str, ...]:
    names: dict[str, None] = dict.fromkeys(asked.header or ())
    for record in records:
        names.update(dict.fromkeys(record.fields))
        if len(names) > limits.COLUMNS:
            message = f"the rows have more than {limits.COLUMNS} names"
            raise unreadable(record.place, message, f"use at most {limits.COLUMNS}")
    if not names:
        raise unreadable(
            Place(source=source, line=1), "there are no rows", "write a table of names for each row"
        )
    return tuple(names)


def _rows(records: Iterator[Record], header: tuple[str, ...]) -> Iterator[Row]:
    for record in records:
        cells = [_cell(record.fields.get(name)) for name in header]
        if has_text(cells):
            yield Row(record.place.line or 0, cells)


def _cell(value: Json) -> str:
    if value is None:
        return ""
    return value if type(value) is str else Value(encoded(value))
