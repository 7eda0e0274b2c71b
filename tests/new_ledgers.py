"""
New ledgers in files, quickly: the migrations, one by one, would be a good part of what the tests take.

They are carried out once; what they come to is written into each new file in one transaction after that.
``tests/ledger/test_migrations.py`` holds the one way against the other, and tests the migrations themselves.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path

import apsw

from batchrun.ledger.sqlite import connection as opening
from batchrun.ledger.sqlite.migrate import migrate, version
from batchrun.ledger.sqlite.statements import migrations, writing
from batchrun.ledger.statements import Migration


def quicken() -> None:
    """Have this process, and those that it forks, make new ledgers so."""
    opening.migrate = make  # type: ignore[attr-defined, assignment]


def make(connection: apsw.Connection, wanted: Sequence[Migration], path: Path | None = None) -> None:
    """Bring a ledger up to date as :func:`migrate` does, but an empty one in one step."""
    if wanted == migrations() and version(connection) == 0:
        with writing(connection):
            if version(connection) == 0:  # or another process was faster
                connection.execute(_whole())
    migrate(connection, wanted, path)


@functools.cache
def _whole() -> str:
    """Return the statements that make a ledger: tables with what is in them, then what watches over that."""
    made = apsw.Connection(":memory:")
    migrate(made, migrations())
    parts = made.execute(
        "SELECT name, type, sql FROM sqlite_schema WHERE sql NOTNULL ORDER BY rowid"
    ).fetchall()
    tables = {str(name): str(sql) for name, type_, sql in parts if type_ == "table"}
    rows = [
        f"INSERT INTO {name} VALUES ({', '.join(map(apsw.format_sql_value, row))})"
        for name in tables
        for row in made.execute(f"SELECT * FROM {name}")
    ]
    rest = [str(sql) for _, type_, sql in parts if type_ != "table"]
    numbers = [f"PRAGMA {name} = {made.pragma(name)}" for name in ("application_id", "user_version")]
    made.close()
    return ";\n".join([*tables.values(), *rows, *rest, *numbers])
