"""
Statements that go to the server in one message, and many rows written by one of them.

An answer that is waited for, and a plan, cost more than what they are for. Belongs here: which statements can
be joined, the one that they become, sending. Does not: what is put off until when (``store``), what is kept
planned (``prepared``).
"""

from __future__ import annotations

import itertools
import json
import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

from batchrun.ledger.postgres.statements import queries

if TYPE_CHECKING:
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


class Kept(NamedTuple):
    """How a statement that the server keeps is asked for."""

    called: str
    values: Sequence[str]  #: their names, in the order in which it takes them


class WrittenBeforeError(Exception):
    """This very transaction was committed before."""


def at_once(
    connection: psycopg.Connection[Any],
    asked: Iterable[tuple[str, Mapping[str, Value]]],
    kept: Mapping[str, Kept],
) -> psycopg.Cursor[Any]:
    """
    Send these statements, by name and with their values, and return the answer to the last.

    Where one fails, none after it is run. Those that the server has *kept* are asked for by their name there.

    Raises:
        WrittenBeforeError: One of them is a mark that was set before.
    """
    cursor = psycopg.ClientCursor(connection)
    escaping = psycopg.pq.Escaping(connection.pgconn)
    groups = itertools.groupby(asked, key=operator.itemgetter(0))
    found = (
        one for name, group in groups for one in together(queries()[name], [values for _, values in group])
    )
    text = "\n".join(
        cursor.mogrify(sql, values or None).rstrip(";") + ";"
        if (own := kept.get(sql)) is None
        else f"EXECUTE {own.called} ({', '.join(_literal(values[name], escaping) for name in own.values)});"
        for sql, values in found
    )
    try:
        cursor.execute(text)
    except psycopg.errors.NotNullViolation as error:
        if error.diag.table_name == "writers":
            raise WrittenBeforeError from error
        raise
    return cursor.set_result(-1)


def _literal(value: Value, escaping: psycopg.pq.abc.Escaping) -> str:
    """Return *value* as it stands in a statement; psycopg's own words for it take several times as long."""
    if value is None:
        return "NULL"
    if type(value) is int:
        return str(value)
    if type(value) is str and "\0" not in value:  # where libpq would stop
        return bytes(escaping.escape_literal(value.encode())).decode()
    return psycopg.sql.Literal(value).as_string()


def together(sql: str, rows: Rows) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Return statements that write *rows* as *sql* does one by one: as few as can be, in their order."""
    of_many = None if len(rows) == 1 else joined(sql)
    if of_many is None:
        yield from ((sql, row) for row in rows)
        return
    written, columns = of_many
    for part in _parts(rows):
        # What is left out is NULL: most is.
        found = ({column: row[name] for column, name in columns if row[name] is not None} for row in part)
        yield written, {"rows": json.dumps(list(found))}


@cache
def joined(sql: str) -> tuple[str, Sequence[tuple[str, str]]] | None:
    """
    Return the statement that writes many rows at once, each a JSON object; None where there is none.

    Beside it: the columns that such an object has, each with the name of its value.
    """
    if found := _INSERT.fullmatch(sql):
        table, listed = found[1], found[2]
        columns = tuple(zip(listed.split(", "), re.findall(_VALUE, found[3]), strict=True))
        if "work" in dict(columns):  # bytes are no JSON
            return None
        typed = ", ".join(f"r.{column}" for column, _ in columns)
        written = f"INSERT INTO {table} ({listed}) SELECT {typed} FROM {_rows_of(table)}"  # noqa: S608 (our own)
        return written, columns
    if found := _UPDATE.fullmatch(sql):
        table, columns = found[1], tuple(_SET.findall(found[2]))
        settings = ", ".join(f"{column} = r.{column}" for column, _ in columns)
        written = f"UPDATE {table} SET {settings} FROM {_rows_of(table)} WHERE {table}.key = r.key"  # noqa: S608
        return written, (("key", "key"), *columns)
    return None


def _rows_of(table: str) -> str:
    return f"json_populate_recordset(NULL::{table}, %(rows)s::json) AS r"


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
