"""
Who may do what with a ledger: its owner makes the schema, launchers write, readers read.

Belongs here: making the schema on request, and granting. Does not: making roles, which is for whoever runs
the server, and any password.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import psycopg
from psycopg.sql import SQL, Identifier

from batchrun.errors import LedgerUnusableError
from batchrun.ledger.postgres.address import called
from batchrun.ledger.postgres.connection import first
from batchrun.ledger.postgres.errors import failed, in_words
from batchrun.ledger.postgres.migrate import version

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from psycopg.sql import Composed

#: What a launcher never takes away: the laws say that nothing accepted is forgotten.
_KEPT: Final = (
    *("attempts", "batches", "batchrun_migrations", "entries", "event_kinds", "events", "leases"),
    *("submission_rows", "submissions"),
)
#: What it does not even change.
_FIXED: Final = ("batchrun_migrations", "event_kinds")
#: What it adds to, and does not change either.
_ADDED_TO: Final = ("events", "submission_rows")


def init(address: str, *, launchers: Iterable[str], readers: Iterable[str]) -> int:
    """
    Make the ledger, or bring it up to date, grant these roles what they need; return its version.

    Raises:
        LedgerUnusableError: This user may not, or there is no such role.
        LedgerError: The server cannot be reached.
    """
    connection = first(address, read_only=False)
    try:
        with connection, connection.transaction():
            schema, database = connection.execute(_WHERE).fetchall()[0]
            tables = [row[0] for row in connection.execute(_TABLES)]
            for role in launchers:
                for grant in _launcher(role, schema, database, tables):
                    connection.execute(grant)
            for role in readers:
                for grant in _reader(role, schema, database):
                    connection.execute(grant)
            return version(connection)
    except (psycopg.errors.UndefinedObject, psycopg.errors.InsufficientPrivilege) as error:
        raise LedgerUnusableError(
            f"{called(address)}: {in_words(error)}; run this as the ledger's owner, and make the role first: "
            "CREATE ROLE name LOGIN"
        ) from error
    except psycopg.Error as error:
        raise failed(called(address), error) from error


_WHERE: Final = "SELECT current_schema(), current_database()"
_TABLES: Final = "SELECT tablename FROM pg_tables WHERE schemaname = current_schema() ORDER BY tablename"


def _reader(role: str, schema: str, database: str) -> Iterator[Composed]:
    who = {"role": Identifier(role), "schema": Identifier(schema), "database": Identifier(database)}
    # To compare a manifest, temporary tables are needed.
    yield SQL("GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}").format(**who)
    yield SQL("GRANT USAGE ON SCHEMA {schema} TO {role}").format(**who)
    yield SQL("GRANT SELECT ON ALL TABLES IN SCHEMA {schema} TO {role}").format(**who)


def _launcher(role: str, schema: str, database: str, tables: Iterable[str]) -> Iterator[Composed]:
    yield from _reader(role, schema, database)
    for table in tables:
        rights = ["INSERT"] if table in _ADDED_TO else [] if table in _FIXED else ["INSERT", "UPDATE"]
        rights += [] if table in _KEPT else ["DELETE"]
        if rights:
            what = SQL(", ").join(map(SQL, rights))
            yield SQL("GRANT {what} ON {table} TO {role}").format(
                what=what, table=Identifier(schema, table), role=Identifier(role)
            )
