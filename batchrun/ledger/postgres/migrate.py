"""Brings a ledger's schema up to date, one transaction for each migration."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from batchrun import points
from batchrun.ledger.postgres.roles import renew
from batchrun.ledger.postgres.statements import queries
from batchrun.points import Point

if TYPE_CHECKING:
    from collections.abc import Sequence

    import psycopg

    from batchrun.ledger.statements import Migration


def version(connection: psycopg.Connection[Any]) -> int:
    """Return the number of the last migration applied."""
    row = connection.execute(queries()["schema_version"]).fetchone()
    return 0 if row is None else int(row[0])


def migrate(connection: psycopg.Connection[Any], migrations: Sequence[Migration]) -> None:
    """Apply the migrations that the ledger lacks, each one whole or not at all; one launcher at a time."""
    for migration in migrations:
        with connection.transaction():
            connection.execute(queries()["take_migrations"])
            connection.execute(queries()["make_migrations"])
            if version(connection) < migration.number:
                connection.execute(migration.sql)
                renew(connection)
                points.reached(Point.MIGRATING)
                named = {"number": migration.number, "name": migration.name}
                connection.execute(queries()["record_migration"], named)
