"""
Many rows written by one statement, where each alone has one that says the same.

To plan a statement costs the server more than to run it, and what is prepared does not outlast a transaction
behind a pooler. Belongs here: which statements can be joined, and the one that they become. Does not: running
it (``store``).
"""

from __future__ import annotations

import json
import re
from functools import cache
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from batchrun.ledger.store import Value

    Rows = Sequence[Mapping[str, Value]]

_VALUE: Final = r"%\((\w+)\)s"
#: A statement that inserts one row, and nothing else.
_INSERT: Final = re.compile(rf"INSERT INTO (\w+) \(([\w, ]+)\)\s+VALUES \(({_VALUE}(?:, {_VALUE})*)\);?")
#: One that sets columns of the row with a key, each to the value of its name.
_UPDATE: Final = re.compile(r"UPDATE (\w+) SET\s+(.*)\s+WHERE key = %\(key\)s;?", re.DOTALL)
_SET: Final = re.compile(rf"(\w+) = {_VALUE}")
#: Rows that one statement writes.
_AT_ONCE: Final = 1_000


def together(sql: str, rows: Rows) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Return statements that write *rows* as *sql* does one by one: as few as can be, in their order."""
    joined = None if len(rows) == 1 else _joined(sql)
    if joined is None:
        yield from ((sql, row) for row in rows)
        return
    for part in _parts(rows):
        yield joined, {"rows": json.dumps(part)}


@cache
def _joined(sql: str) -> str | None:
    """Return the statement that writes many rows at once, each a JSON object; None where there is none."""
    if found := _INSERT.fullmatch(sql):
        table, columns, values = found[1], found[2], re.findall(_VALUE, found[3])
        names = columns.split(", ")
        if "work" in names:  # bytes are no JSON
            return None
        # A value may have another name than its column.
        typed = ", ".join(f"r.{name}" for name in names)
        renamed = ", ".join(f"'{name}', v -> '{value}'" for name, value in zip(names, values, strict=True))
        return (  # all of it is from our own files
            f"INSERT INTO {table} ({columns}) SELECT {typed} "  # noqa: S608
            "FROM json_array_elements(%(rows)s::json) WITH ORDINALITY AS o (v, place), "
            f"json_populate_record(NULL::{table}, json_build_object({renamed})) AS r ORDER BY o.place"
        )
    if found := _UPDATE.fullmatch(sql):
        table, settings = found[1], _SET.findall(found[2])
        if any(name != value for name, value in settings):
            return None
        columns = ", ".join(f"{name} = r.{name}" for name, _ in settings)
        return (
            f"UPDATE {table} SET {columns} FROM json_populate_recordset(NULL::{table}, %(rows)s::json) AS r "  # noqa: S608
            f"WHERE {table}.key = r.key"
        )
    return None


def _parts(rows: Rows) -> Iterator[list[Mapping[str, Value]]]:
    """Cut *rows* so that no part is too long, or has one entry twice: the last word on each is to stay."""
    part: list[Mapping[str, Value]] = []
    keys: set[Value] = set()
    for row in rows:
        if len(part) == _AT_ONCE or row.get("key") in keys:
            yield part
            part, keys = [], set()
        part.append(row)
        keys.add(row.get("key", len(part)))
    if part:
        yield part
