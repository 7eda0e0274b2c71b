"""A CSV manifest: a table whose columns are named after fields.

Belongs here: checking a header as a whole, and making rows of cells. Does not: what one name means
(``columns``), how the file is written (``tables``).
"""

from __future__ import annotations

import functools
from collections.abc import Iterator, Sequence
from typing import Final

from batchrun.manifest.columns import Column, ColumnError, column
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.parts import Record
from batchrun.manifest.problems import Place, Problems, printable, shown, tabs_for_spaces, unreadable
from batchrun.manifest.recognised.kinds import is_foreign
from batchrun.manifest.recognised.sheet import Unasked
from batchrun.manifest.strict_json import decoded
from batchrun.manifest.table import Table
from batchrun.manifest.warned.looking import Looking
from batchrun.manifest.warned.scan import Used
from batchrun.model.spec import Json

#: Rows that are kept, so that what others with their id differ in can be told.
_KEPT: Final = 1000


def records(
    table: Table, model: RequestModel, problems: Problems, unasked: Unasked, looking: Looking
) -> Iterator[Record]:
    """Return each row; rows that cannot be read become problems.

    *unasked* makes the error for a table that should have been given as a sheet.

    Raises:
        ManifestError: There is no column id, or reading cannot go on.
    """
    if not _is_undivided(table) and is_foreign(table.header, model):
        raise unasked.foreign(table)
    columns = _columns(table, model, problems)
    look = looking.table(table, list(_used(columns)))
    at = table.header.index("id")
    if_twin: str | None = None
    known: dict[str, list[str]] = {}
    for line, cells in table.rows:
        first = known.setdefault(cells[at], cells) if len(known) < _KEPT else known.get(cells[at], cells)
        if first is not cells:
            if_twin = if_twin or unasked.cure_for_twins(table, first, cells)
        twin = _SAME_LINE if first is not cells and first == cells else if_twin
        place = table.place(line)
        fields = _fields(cells, columns, place, problems)
        look.row(line, cells, cells[at])
        yield Record(fields=fields, place=place, places={}, if_twin=twin, is_of_cells=True)


def _columns(table: Table, model: RequestModel, problems: Problems) -> list[Column | None]:
    """Read the header; None stands for a column that cannot be used."""
    place = table.place(table.line)
    near = None if "id" in table.header else _near_id(table)
    if near is None and "id" not in table.header:
        raise unreadable(place, _NO_ID, _id_cure(table), field="id")
    columns: list[Column | None] = []
    for number, name in enumerate(table.header, start=1):
        columns.append(None)
        if name == near:
            continue
        try:
            columns[-1] = column(name, model)
        except ColumnError as error:
            problems.add(place, f"column {number}: {error.message}", error.cure, field=name or None)
    if near is not None:
        raise unreadable(place, _NO_ID, f"did you mean {shown(near)} to be id?", field="id")
    return _without_twins(columns, place, problems)


def _used(columns: Sequence[Column | None]) -> Iterator[Used]:
    """Return the columns whose cells are checked for warnings."""
    for index, item in enumerate(columns):
        is_json = item is not None and item.convert is decoded
        if item is None or not (item.convert is None or is_json):
            continue
        name = item.field if item.key is None else f"{item.field}.{item.key}"
        yield Used(
            index=index,
            name=name,
            is_parameter=item.field == "parameters",
            is_id=item.field == "id",
            is_json=is_json,
            cure=None if item.is_typed else functools.partial(_type_cure, name),
        )


def _type_cure(name: str, type_: str, also: str) -> str:
    return printable(f"name the column {name}:{type_}{also}, or {name}:text where text is meant", None)


def _other_delimiter(table: Table) -> str | None:
    return next(
        (mark for mark in ",\t;|\uff0c\uff1b" if mark != table.delimiter and mark in table.header[0]), None
    )


_NO_ID: Final = "there is no column id"
_SAME_LINE: Final = "the two lines are the same: remove one of them"
#: Delimiters, as messages name them.
_SPACES: Final = "  "


def _is_undivided(table: Table) -> bool:
    """Report whether the header is one name with delimiters in it: another delimiter, or quoted ones."""
    if table.delimiter is None or len(table.header) != 1:
        return False
    name = table.header[0].strip()
    return table.delimiter in name or _SPACES in name or _other_delimiter(table) is not None


def _near_id(table: Table) -> str | None:
    """Return the name of a column that is meant as the ids."""
    # Also behind marks, blanks and characters that cannot be seen.
    return next((name for name in table.header if "".join(filter(str.isalnum, name)).lower() == "id"), None)


def _id_cure(table: Table) -> str:
    header = table.header
    if _is_undivided(table) and table.delimiter is not None:
        if table.delimiter in header[0]:
            return "each line stands in quotes, which make one cell of it: take them off"
        if (other := _other_delimiter(table)) is not None:
            taken = shown(table.delimiter)
            return f"the header seems to be separated by {shown(other)}: this format takes {taken}"
    if len(header) == 1 and len(header[0].split()) > 1:
        return tabs_for_spaces(table.source)
    return "add a column id with a name of its own for each run"


def _without_twins(columns: list[Column | None], place: Place, problems: Problems) -> list[Column | None]:
    seen: dict[tuple[str, str | None], int] = {}
    for index, item in enumerate(columns):
        if item is None:
            continue
        # A column for a whole table and columns for entries of it would overwrite each other.
        # Keys are never empty, so an empty one stands for "some entry of the table".
        rivals = [(item.field, item.key), (item.field, None if item.key else "")]
        clash = next((seen[rival] for rival in rivals if rival in seen), None)
        if clash is not None:
            message = f"columns {clash + 1} and {index + 1} are the same field"
            problems.add(place, message, "keep one of the two", field=item.header)
            columns[index] = None
        seen.setdefault((item.field, item.key), index)
        seen.setdefault((item.field, ""), index)
    return columns


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
