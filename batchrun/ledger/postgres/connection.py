"""Connects to the database of a ledger, or raises an error that says why it cannot be one.

Belongs here: libpq's settings beside the address, and checks that the ledger is ours. Does not: the schema
(``migrate``), losing a connection (``link``).
"""

from __future__ import annotations

import os
from typing import Any, Final

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo
from psycopg.rows import namedtuple_row

from batchrun.errors import LedgerUnusableError
from batchrun.ledger.postgres.address import called, misread
from batchrun.ledger.postgres.errors import failed, unusable
from batchrun.ledger.postgres.migrate import migrate, version
from batchrun.ledger.postgres.statements import migrations, queries
from batchrun.ledger.statements import check_known
from batchrun.ledger.store import Row

#: The first version that has everything the statements use.
_OLDEST: Final = 140000
#: Settings of libpq unless address or environment say otherwise, so that a lost server is noticed.
_DEFAULTS: Final = {
    "application_name": ("batchrun", "PGAPPNAME"),
    "connect_timeout": ("10", "PGCONNECT_TIMEOUT"),
    "keepalives_idle": ("15", ""),
    "keepalives_interval": ("5", ""),
    "keepalives_count": ("3", ""),
    "tcp_user_timeout": ("30000", ""),
}


def connect(address: str) -> psycopg.Connection[Any]:
    """Connect, with autocommit: each statement is a transaction of its own until one is begun.

    Raises:
        psycopg.Error: There is no connection.
    """
    told: dict[str, Any] = {**conninfo_to_dict(address), "client_encoding": "utf8"}
    for name, (value, variable) in _DEFAULTS.items():
        if variable not in os.environ:
            told.setdefault(name, value)
    # No automatic preparing: behind a pooler the next transaction may be on another connection.
    return psycopg.connect(
        make_conninfo(**told), autocommit=True, prepare_threshold=None, row_factory=namedtuple_row
    )


def first(address: str, *, read_only: bool) -> psycopg.Connection[Any]:
    """Connect to a ledger, made or brought up to date unless it is only to be read.

    Raises:
        LedgerUnusableError: No ledger can be there, or this user may not use it.
        LedgerError: The server cannot be reached.
    """
    name = _understood(address)
    try:
        connection = connect(address)
    except psycopg.Error as error:
        raise unusable(name, error) from error
    try:
        about = _checked(name, connection)
        if read_only:
            _check_current(name, connection, about)
        else:
            _bring_up_to_date(name, connection, about)
    except psycopg.Error as error:
        connection.close()
        raise failed(name, error) from error
    except BaseException:
        connection.close()
        raise
    return connection


def is_there(address: str) -> bool:
    """Report whether there is a ledger already.

    Raises:
        LedgerUnusableError: None can be there.
        LedgerError: The server cannot be reached.
    """
    name = _understood(address)
    try:
        with connect(address) as connection:
            return bool(_checked(name, connection).has_ledger)
    except psycopg.Error as error:
        raise unusable(name, error) from error


def _understood(address: str) -> str:
    """Return what the ledger at *address* is called. Raises LedgerUnusableError where libpq misreads it."""
    name = called(address)
    if (cure := misread(address)) is not None:
        raise LedgerUnusableError(f"{name}: a part of this address would be taken for another; {cure}")
    return name


def _checked(name: str, connection: psycopg.Connection[Any]) -> Row:
    """Return facts of the database, or raise LedgerUnusableError where it cannot hold a ledger."""
    about = connection.execute(queries()["about"]).fetchone()
    assert about is not None  # noqa: S101 (one row, whatever there is)
    if about.server < _OLDEST:
        raise LedgerUnusableError(f"{name} is PostgreSQL {about.server // 10000}; a ledger needs 14 or newer")
    if about.encoding != "UTF8":
        raise LedgerUnusableError(
            f"{name} keeps texts as {about.encoding}; make a database with ENCODING 'UTF8' for the ledger"
        )
    if about.schema is None:
        raise LedgerUnusableError(
            f"{name} has no schema for user {about.role}; make one, and name it in the role's search_path"
        )
    if about.has_other and not about.has_ledger:
        raise LedgerUnusableError(
            f"{name} has another program's tables in schema {about.schema}; give the ledger a database or "
            "schema of its own"
        )
    return about


def _check_current(name: str, connection: psycopg.Connection[Any], about: Row) -> None:
    if not about.has_ledger:
        raise LedgerUnusableError(f"no ledger at {name}; give --ledger or run a batch first")
    found, newest = version(connection), migrations()[-1].number
    check_known(name, found, newest)
    if found < newest:
        raise LedgerUnusableError(
            f"{name} has schema version {found}, this batchrun reads {newest}; "
            "run its batch once more, or 'batchrun ledger init', to bring it up to date"
        )


def _bring_up_to_date(name: str, connection: psycopg.Connection[Any], about: Row) -> None:
    found, newest = version(connection) if about.has_ledger else 0, migrations()[-1].number
    check_known(name, found, newest)
    if found == newest:
        return
    if about.is_standby:
        raise LedgerUnusableError(f"{name} is a standby server, which nobody may write to; give the primary")
    try:
        migrate(connection, migrations(), name)
    except psycopg.errors.InsufficientPrivilege as error:
        what = f"has schema version {found}, and {newest} is needed" if found else "holds no ledger yet"
        raise LedgerUnusableError(
            f"{name} {what}, and user {about.role} may not make it; have the database's owner run 'batchrun "
            f"ledger init --launcher {about.role}'"
        ) from error
