"""SQLite's statements and migrations, and transactions: all of a block is written, or none of it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from functools import cache
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from batchrun.ledger.statements import Migration, schema, statements

if TYPE_CHECKING:
    import apsw

#: What the statements for every database say, and what SQLite has for it. One machine has the file, so its
#: clock decides; only one transaction writes at a time, so no row needs a lock.
_WORDS: Final = (("clock(:at)", ":at"), ("greatest(", "max("), ("least(", "min("), (" FOR UPDATE", ""))


@cache
def queries() -> Mapping[str, str]:
    """Return every statement by name."""
    return MappingProxyType({name: _translated(sql) for name, sql in statements("sqlite").items()})


def _translated(sql: str) -> str:
    for words, own in _WORDS:
        sql = sql.replace(words, own)
    return sql


def migrations() -> tuple[Migration, ...]:
    """Return every migration, in order; each sets ``user_version`` to its number."""
    return schema("sqlite")


def writing(connection: apsw.Connection) -> AbstractContextManager[None]:
    """Write all that the block writes, or nothing; waits for other writers before the block begins."""
    return _transaction(connection, "begin_writing")


def alone(connection: apsw.Connection) -> AbstractContextManager[None]:
    """Keep every other connection out during the block."""
    return _transaction(connection, "begin_alone")


def reading(connection: apsw.Connection) -> AbstractContextManager[None]:
    """Show the block one consistent state; it may write temporary tables."""
    return _transaction(connection, "begin_reading")


@contextmanager
def _transaction(connection: apsw.Connection, begin: str) -> Iterator[None]:
    connection.execute(queries()[begin])
    try:
        yield
        connection.execute(queries()["commit"])
    finally:
        # Also after a failed commit; on some errors (disk full) SQLite has rolled back itself.
        if connection.in_transaction:
            connection.execute(queries()["rollback"])
