"""Migrates a ledger's schema, one transaction for each migration."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

import apsw

from batchrun import points
from batchrun.errors import InvariantError, LedgerUnusableError
from batchrun.ledger.rows import span_micros
from batchrun.ledger.sqlite.process_lock import is_abandoned, is_taken, kernel, lock_path
from batchrun.ledger.sqlite.statements import queries, reading, writing
from batchrun.ledger.statements import Migration, check_known, in_use
from batchrun.points import Point
from batchrun.ports.stored import LONGEST_LEASE

#: "brun": tells our files from other programs' databases.
APPLICATION_ID = 0x6272756E


def version(connection: apsw.Connection) -> int:
    """Return the number of the last migration applied; 0 for an empty database."""
    return int(connection.execute(queries()["schema_version"]).get)


def check_ours(connection: apsw.Connection, path: Path, *, newest: int) -> None:
    """Raise LedgerUnusableError where the database is not a ledger, or newer than this batchrun."""
    with reading(connection):  # one state: another process may be making the ledger
        application_id = connection.execute(queries()["application_id"]).get
        is_ours = application_id == APPLICATION_ID or _is_empty(connection)
        found = version(connection)
        restored = 0 if is_ours or application_id or found else _migrations_dumped(connection)
    if restored:
        marks = f"PRAGMA application_id={APPLICATION_ID}; PRAGMA user_version={restored}"
        raise LedgerUnusableError(
            f"{path} looks like a ledger restored from a dump, which leaves out what marks it as one: run "
            f"sqlite3 {shlex.quote(str(path))} '{marks}', then batchrun ledger verify"
        )
    if not is_ours:
        raise LedgerUnusableError(
            f"{path} is another program's SQLite database; give another path with --ledger"
        )
    check_known(path, found, newest)


def migrate(connection: apsw.Connection, migrations: Sequence[Migration], path: Path | None = None) -> None:
    """Apply the migrations that the ledger lacks, each one whole or not at all.

    Raises:
        LeaseHeldError: A launcher of an older batchrun, which knows only the old tables, holds a batch.
    """
    old = version(connection)
    lacking = [migration for migration in migrations if old < migration.number]
    if not lacking:
        return
    # A table that others refer to can only be recreated with foreign keys off; they are checked before the
    # commit.
    enforced = connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, -1)
    connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 0)
    try:
        for migration in lacking:
            _apply(connection, migration, path)
            if old:  # so that the log is never applied to a copy of the file from before, nor grows with each
                connection.execute(queries()["empty_log"])
    finally:
        connection.config(apsw.SQLITE_DBCONFIG_ENABLE_FKEY, enforced)


def _is_empty(connection: apsw.Connection) -> bool:
    return bool(connection.execute(queries()["is_empty"]).get)


def _migrations_dumped(connection: apsw.Connection) -> int:
    """Count the migrations that a database says it has had; 0 where it has no such table as ours."""
    try:
        return int(connection.execute(queries()["count_migrations"]).get)
    except apsw.SQLError:
        return 0


def _apply(connection: apsw.Connection, migration: Migration, path: Path | None) -> None:
    with writing(connection):
        if (found := version(connection)) >= migration.number:
            return  # another process was faster
        if path is not None and found:
            _check_unused(connection, path, found)  # nobody can claim a batch until the commit
        connection.execute(migration.sql)
        points.reached(Point.MIGRATING)
        if connection.execute(queries()["broken_references"]).fetchone() is not None:
            raise InvariantError(f"migration {migration.name} leaves references to what is not there")
        connection.execute(queries()["record_migration"], (migration.name,))
        if version(connection) != migration.number:
            raise InvariantError(f"migration {migration.name} does not set its user_version")


def _check_unused(connection: apsw.Connection, path: Path, found: int) -> None:
    leases = connection.execute(queries()["held_leases"], {"longest": span_micros(LONGEST_LEASE)})
    for key, fence, batch, holder, where, is_ahead in leases:
        lock = lock_path(path, key, fence) if where == kernel() else None
        is_gone = lock is not None and is_abandoned(lock)
        if (is_ahead and not is_gone) or (lock is not None and is_taken(lock)):
            raise in_use(path, holder, batch, found)
