"""
JSON Lines as a table: each row's names are columns.

Belongs here: one header for rows that need not have the same names, and values as texts. Does not: JSON
(``strict_json``), lines that are rows of a manifest (``manifest.json_lines``).

The lines are read twice, since the last of them may have a name that no other has.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING

from batchrun.manifest import json_lines, limits
from batchrun.manifest.problems import Place, Problems, unreadable
from batchrun.manifest.strict_json import encoded
from batchrun.manifest.tables.table import Row, Table, Value, has_text
from batchrun.manifest.text_input import kept

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from batchrun.manifest.problems import Record
    from batchrun.manifest.tables.table import Asked
    from batchrun.model.spec import Json


@contextlib.contextmanager
def table(stream: BinaryIO, source: str, asked: Asked, problems: Problems) -> Iterator[Table]:
    """
    Find the names of all rows, in the order in which they come, and give the table for as long as it is read.

    Raises:
        ManifestError: There are none, or reading cannot go on.
    """
    with contextlib.closing(kept(stream, source)) as copy:
        header = _header(copy, source, asked)
        copy.seek(0)
        rows = _rows(json_lines.records(copy, source, problems), header)
        yield Table(source=source, line=1, header=header, rows=rows, has_values=True)


def _header(copy: BinaryIO, source: str, asked: Asked) -> tuple[str, ...]:
    names: dict[str, None] = dict.fromkeys(asked.header or ())
    for record in json_lines.records(copy, source, Problems()):
        names.update(dict.fromkeys(record.fields))
        if len(names) > limits.COLUMNS:
            message = f"the rows have more than {limits.COLUMNS} names"
            raise unreadable(record.place, message, f"use at most {limits.COLUMNS}")
    if not names:
        raise unreadable(Place(source=source, line=1), "there are no rows", "write a table on each line")
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
