"""Brings a ledger's schema up to date, one transaction for each migration."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from batchrun import points
from batchrun.errors import LeaseHeldError
from batchrun.ledger.postgres.roles import renew
from batchrun.ledger.postgres.statements import queries
from batchrun.ledger.statements import Migration
from batchrun.points import Point

if TYPE_CHECKING:
    import psycopg


def version(connection: psycopg.Connection[Any]) -> int:
    """Return the number of the last migration applied."""
    row = connection.execute(queries()["schema_version"]).fetchone()
    return 0 if row is None else int(row[0])


def migrate(connection: psycopg.Connection[Any], migrations: Sequence[Migration], name: str) -> None:
    """
    Apply the migrations that the ledger lacks, each one whole or not at all; one launcher at a time.

    Raises:
        LeaseHeldError: An older batchrun launches from it, and knows the tables as they are.
    """
    for migration in migrations:
        with connection.transaction():
            connection.execute(queries()["take_migrations"])
            connection.execute(queries()["make_migrations"])
            if (found := version(connection)) < migration.number:
                if found:
                    _check_unused(connection, name, found)
                connection.execute(migration.sql)
                renew(connection)
                points.reached(Point.MIGRATING)
                named = {"number": migration.number, "name": migration.name}
                connection.execute(queries()["record_migration"], named)


def _check_unused(connection: psycopg.Connection[Any], name: str, found: int) -> None:
    connection.execute(queries()["hold_leases"])  # nobody claims a batch until this is committed
    if (held := connection.execute(queries()["a_held_lease"]).fetchone()) is not None:
        raise LeaseHeldError(
            f"{name} is in use by {held.holder}, a launcher of an older batchrun that holds batch "
            f"'{held.batch}' (schema version {found}, which this one would change); stop that launcher, or "
            "wait for its end"
        )
