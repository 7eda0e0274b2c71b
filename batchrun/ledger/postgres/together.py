"""Sends statements in one message, many rows by one statement, and prepares those of every commit.

Round trips and planning cost more than the statements themselves. Only a connection to the server itself can
have prepared statements: behind a pooler the next transaction may be on another connection.

Does not belong here: what is put off until when (``store``).
"""

from __future__ import annotations

import hashlib
import itertools
import json
import operator
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import psycopg

from batchrun.ledger.postgres.statements import queries
from batchrun.ledger.store import Value

if TYPE_CHECKING:
    Rows = Sequence[Mapping[str, Value]]


_VALUE: Final = r"%\((\w+)\)s"
#: A statement that only inserts one row.
_INSERT: Final = re.compile(rf"INSERT INTO (\w+) \(([\w, ]+)\)\s+VALUES \(({_VALUE}(?:, {_VALUE})*)\);?")
#: One that sets columns of the row with a key.
_UPDATE: Final = re.compile(r"UPDATE (\w+) SET\s+(.*)\s+WHERE key = %\(key\)s;?", re.DOTALL)
_SET: Final = re.compile(rf"(\w+) = {_VALUE}")
#: Rows that one statement writes at most.
_AT_ONCE: Final = 1_000
#: What every commit of a launch sends. Each inserts, or finds rows by a key: its plan never has to change.
_OF_A_COMMIT: Final = (
    *("mark", "is_held", "stored_attempts_of", "update_standing", "update_with_run", "update_whole"),
    *("add_event", "learn_account", "learn_lane", "keep_proof"),
)


class Prepared(NamedTuple):
    """A statement that is prepared at the server."""

    called: str
    values: Sequence[str]  #: the names of its values, in order


class WrittenBeforeError(Exception):
    """This very transaction was committed already."""


def send(
    connection: psycopg.Connection[Any],
    asked: Iterable[tuple[str, Mapping[str, Value]]],
    prepared: Mapping[str, Prepared],
) -> psycopg.Cursor[Any]:
    """Send statements, given by name and values, and return the answer to the last; an error skips the rest.

    Raises:
        WrittenBeforeError: One of them is a mark that was set before.
    """
    cursor = psycopg.ClientCursor(connection)
    escaping = psycopg.pq.Escaping(connection.pgconn)
    groups = itertools.groupby(asked, key=operator.itemgetter(0))
    found = (
        one for name, group in groups for one in _merged(queries()[name], [values for _, values in group])
    )
    text = "\n".join(
        cursor.mogrify(sql, values or None).rstrip(";") + ";"
        if (own := prepared.get(sql)) is None
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
    """Return *value* as an SQL literal; several times as fast as psycopg does it."""
    if value is None:
        return "NULL"
    if type(value) is int:
        return str(value)
    if type(value) is str and "\0" not in value:  # libpq would end there
        return bytes(escaping.escape_literal(value.encode())).decode()
    return psycopg.sql.Literal(value).as_string()


def _merged(sql: str, rows: Rows) -> Iterator[tuple[str, Mapping[str, Value]]]:
    """Return as few statements as possible that write *rows* as *sql* would one by one, in order."""
    merged = None if len(rows) == 1 else for_many_rows(sql)
    if merged is None:
        yield from ((sql, row) for row in rows)
        return
    written, columns = merged
    for part in _parts(rows):
        # Columns that are left out become NULL; most are.
        found = ({column: row[name] for column, name in columns if row[name] is not None} for row in part)
        yield written, {"rows": json.dumps(list(found))}


@cache
def for_many_rows(sql: str) -> tuple[str, Sequence[tuple[str, str]]] | None:
    """Return the statement that does what *sql* does for many rows, each a JSON object; None if none does.

    With it come the columns of such an object, each with the name of its value.
    """
    if found := _INSERT.fullmatch(sql):
        table, listed = found[1], found[2]
        columns = tuple(zip(listed.split(", "), re.findall(_VALUE, found[3]), strict=True))
        if "work" in dict(columns):  # JSON has no bytes
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
    """Split *rows* so that no part is too long or has an entry twice: the last row of each entry must win."""
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


def prepare(connection: psycopg.Connection[Any]) -> Mapping[str, Prepared]:
    """Prepare the statements of a commit on *connection*, and return them by their text.

    None behind a pooler, which is recognised by its process id: that is not the one that answers.
    """
    row = connection.execute(queries()["process"]).fetchone()
    if row is None or row[0] != connection.info.backend_pid:
        return MappingProxyType({})
    made = [made for made, _ in _statements().values()]
    # A conflict may have ended an earlier try half-way.
    connection.execute(";\n".join(["DEALLOCATE ALL", *made]))
    return {sql: prepared for sql, (_, prepared) in _statements().items()}


@cache
def _statements() -> Mapping[str, tuple[str, Prepared]]:
    """Return by its text each statement's PREPARE, and what it is once prepared."""
    return {sql: _prepared(name, sql) for name, sql in _texts()}


def _texts() -> Iterator[tuple[str, str]]:
    for name in _OF_A_COMMIT:
        sql = queries()[name]
        yield name, sql
        if (merged := for_many_rows(sql)) is not None:
            yield f"{name}_of_many", merged[0]


def _prepared(name: str, sql: str) -> tuple[str, Prepared]:
    """Return the PREPARE of *sql*, under a name that no other statement has in any version of batchrun."""
    values = list(dict.fromkeys(re.findall(_VALUE, sql)))
    called = f"batchrun_{name}_{hashlib.sha256(sql.encode()).hexdigest()[:12]}"
    numbered = re.sub(_VALUE, lambda found: f"${values.index(found[1]) + 1}", sql).replace("%%", "%")
    return f"PREPARE {called} AS {numbered.rstrip(';')}", Prepared(called, values)
