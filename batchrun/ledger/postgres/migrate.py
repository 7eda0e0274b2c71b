"""Makes a ledger's schema or brings it up to date, and grants its use: launchers write, readers read.

Does not belong here: making roles, which is for whoever runs the server, and passwords.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Final, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier

from batchrun import points
from batchrun.errors import LedgerUnusableError
from batchrun.ledger.postgres.errors import failed, in_words
from batchrun.ledger.postgres.statements import queries
from batchrun.ledger.statements import Migration, in_use
from batchrun.points import Point

#: Tables from which a launcher never deletes: nothing accepted is forgotten.
_KEPT: Final = (
    *("attempts", "batches", "batchrun_migrations", "entries", "event_kinds", "events", "leases"),
    *("submission_rows", "submissions"),
)
#: Those that it does not even write to.
_FIXED: Final = ("batchrun_migrations", "event_kinds")
#: Those that it only adds to.
_ADDED_TO: Final = ("events", "submission_rows")


def version(connection: psycopg.Connection[Any]) -> int:
    """Return the number of the last migration applied."""
    row = connection.execute(queries()["schema_version"]).fetchone()
    return 0 if row is None else int(row[0])


def migrate(connection: psycopg.Connection[Any], migrations: Sequence[Migration], name: str) -> None:
    """Apply the migrations that the ledger lacks, each one whole or not at all; one process at a time.

    Raises:
        LeaseHeldError: A launcher of an older batchrun, which knows only the old tables, holds a batch.
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
    connection.execute(queries()["hold_leases"])  # nobody can claim a batch until the commit
    if (held := connection.execute(queries()["a_held_lease"]).fetchone()) is not None:
        raise in_use(name, held.holder, held.batch, found)


def grant(
    called: str, connection: psycopg.Connection[Any], *, launchers: Iterable[str], readers: Iterable[str]
) -> None:
    """Let these roles launch and read in the ledger that is *called* so, and close the connection to it.

    Raises:
        LedgerUnusableError: This user may not, or there is no such role.
        LedgerError: The server cannot be reached.
    """
    try:
        with connection, connection.transaction():
            for role, may_launch in (*((one, True) for one in launchers), *((one, False) for one in readers)):
                _reach(connection, role)
                _use(connection, role, may_launch=may_launch)
    except (psycopg.errors.UndefinedObject, psycopg.errors.InsufficientPrivilege) as error:
        raise LedgerUnusableError(
            f"{called}: {in_words(error)}; run this as the ledger's owner, and make the role first: "
            "CREATE ROLE name LOGIN"
        ) from error
    except psycopg.Error as error:
        raise failed(called, error) from error


def renew(connection: psycopg.Connection[Any]) -> None:
    """Extend the rights of all launchers and readers to tables that are new since they were granted."""
    for role, may_launch in connection.execute(_HOLDERS).fetchall():
        _use(connection, role, may_launch=may_launch)


_WHERE: Final = "SELECT current_schema(), current_database()"
#: Tables and views of the ledger, not of other programs in its schema.
_TABLES: Final = """
SELECT relname, relkind = 'v' FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')
    AND (
        relowner = current_user::regrole
        OR relowner = (SELECT relowner FROM pg_class WHERE oid = to_regclass('entries'))
    )
ORDER BY relname
"""
#: Roles, other than the owner, that may read entries, and whether they may write them.
_HOLDERS: Final = """
SELECT r.rolname, bool_or(a.privilege_type = 'INSERT')
FROM pg_class AS c CROSS JOIN LATERAL aclexplode(c.relacl) AS a JOIN pg_roles AS r ON r.oid = a.grantee
WHERE c.oid = to_regclass('entries') AND a.grantee <> c.relowner
GROUP BY r.rolname HAVING bool_or(a.privilege_type = 'SELECT')
"""


def _reach(connection: psycopg.Connection[Any], role: str) -> None:
    schema, database = connection.execute(_WHERE).fetchall()[0]
    who = {"role": Identifier(role), "schema": Identifier(schema), "database": Identifier(database)}
    # To compare a manifest, temporary tables are needed.
    connection.execute(SQL("GRANT CONNECT, TEMPORARY ON DATABASE {database} TO {role}").format(**who))
    connection.execute(SQL("GRANT USAGE ON SCHEMA {schema} TO {role}").format(**who))


def _use(connection: psycopg.Connection[Any], role: str, *, may_launch: bool) -> None:
    schema = connection.execute(_WHERE).fetchall()[0][0]
    for table, is_view in connection.execute(_TABLES).fetchall():
        rights = SQL(", ").join(map(SQL, _rights(table, may_write=may_launch and not is_view)))
        what = {"rights": rights, "table": Identifier(schema, table), "role": Identifier(role)}
        connection.execute(SQL("GRANT {rights} ON {table} TO {role}").format(**what))


def _rights(table: str, *, may_write: bool) -> Iterator[LiteralString]:
    yield "SELECT"
    if may_write and table not in _FIXED:
        yield "INSERT"
    if may_write and table not in (*_FIXED, *_ADDED_TO):
        yield "UPDATE"
    if may_write and table not in _KEPT:
        yield "DELETE"
