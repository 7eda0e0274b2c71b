"""Transactions: all of a block is written, or none of it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import TYPE_CHECKING

from batchrun.ledger.sqlite.statements import queries

if TYPE_CHECKING:
    import apsw


@contextlib.contextmanager
def writing(connection: apsw.Connection) -> Iterator[None]:
    """Write all that the block writes, or nothing; waits its turn before the block begins, not within."""
    connection.execute(queries()["begin_writing"])
    with _to_its_end(connection):
        yield


@contextlib.contextmanager
def alone(connection: apsw.Connection) -> Iterator[None]:
    """Keep every other connection out for as long as the block lasts."""
    connection.execute(queries()["begin_alone"])
    with _to_its_end(connection):
        yield


@contextlib.contextmanager
def reading(connection: apsw.Connection) -> Iterator[None]:
    """Let the block see one consistent state; it may write temporary tables."""
    connection.execute(queries()["begin_reading"])
    with _to_its_end(connection):
        yield


@contextlib.contextmanager
def _to_its_end(connection: apsw.Connection) -> Iterator[None]:
    try:
        yield
        connection.execute(queries()["commit"])
    finally:
        # After a failed commit too; some errors (disk full) roll back by themselves.
        if connection.in_transaction:
            connection.execute(queries()["rollback"])
