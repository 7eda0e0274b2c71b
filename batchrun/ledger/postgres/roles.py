"""
Who may do what with a ledger: its owner makes the schema, launchers write, readers read.

Belongs here: granting, on request, and anew where the schema grows. Does not: making the schema
(``migrate``), making roles, which is for whoever runs the server, and any password.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any, Final, LiteralString

import psycopg
from psycopg.sql import SQL, Identifier

from batchrun.errors import LedgerUnusableError
from batchrun.ledger.postgres.errors import failed, in_words

#: What a launcher never takes away: the laws say that nothing accepted is forgotten.
_KEPT: Final = (
    *("attempts", "batches", "batchrun_migrations", "entries", "event_kinds", "events", "leases"),
    *("submission_rows", "submissions"),
)
#: What it does not even change.
_FIXED: Final = ("batchrun_migrations", "event_kinds")
#: What it adds to, and does not change either.
_ADDED_TO: Final = ("events", "submission_rows")


def grant(
    called: str, connection: psycopg.Connection[Any], *, launchers: Iterable[str], readers: Iterable[str]
) -> None:
    """
    Let these roles launch and read in the ledger that is *called* so, and close the connection to it.

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
    """Let who may launch or read in this ledger do so in tables that it has had since."""
    for role, may_launch in connection.execute(_HOLDERS).fetchall():
        _use(connection, role, may_launch=may_launch)


_WHERE: Final = "SELECT current_schema(), current_database()"
#: Tables and views of the ledger, and not of others who share its schema.
_TABLES: Final = """
SELECT relname, relkind = 'v' FROM pg_class
WHERE relnamespace = current_schema()::regnamespace AND relkind IN ('r', 'v')
    AND (
        relowner = current_user::regrole
        OR relowner = (SELECT relowner FROM pg_class WHERE oid = to_regclass('entries'))
    )
ORDER BY relname
"""
#: Who may read entries beside their owner, and whether they may write them.
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
