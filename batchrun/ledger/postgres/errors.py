"""Maps PostgreSQL's errors to ours, with the cure for the person who must act.

Does not belong here: raising, waiting (``link``). libpq's messages never hold a password, but those about an
address that it cannot parse may quote any part of it.
"""

from __future__ import annotations

from typing import Final

import psycopg
from psycopg import errors

from batchrun.errors import BatchrunError, InvariantError, LedgerError, LedgerUnusableError, UsageError
from batchrun.ledger.store import ONE_RUN, told_twice

#: Words of libpq's messages where there is no connection, with the cure: it has no codes for these.
_REFUSED: Final = (
    ("password", "give the password in PGPASSFILE or the service file, and check the user's name"),
    ("pg_hba.conf", "have the server's owner let this user in from here, or use sslmode=require"),
    ("certificate", "check sslmode and sslrootcert"),
    ("does not exist", "check the names of database and user"),
    ("not known", "check the host's name"),
    ("permission denied", "have the database's owner grant CONNECT to this user"),
    ("SSL", "check sslmode"),
    ("too many", "wait, or use a pooler"),
    ("definition of service", "check PGSERVICEFILE and the service's name"),
    ("invalid", "correct it in the address, in the service file or in its PG... variable"),
)
#: Codes, and classes of codes, of temporary errors: the same transaction may succeed on a new connection.
_PASSING_CLASSES: Final = frozenset({"08", "53"})
_PASSING: Final = frozenset(
    {
        "57P01",  # the administrator stopped the server
        "57P02",  # a process of the server crashed
        "57P03",  # the server is starting or stopping
        "57P05",  # the session was idle for too long
        "25P03",  # its transaction was idle for too long
        "25006",  # after a failover this is the standby
        "26000",  # the session's prepared statements were dropped
    }
)
#: Conflicts with another transaction, after which this one was rolled back whole.
_CONFLICTS: Final = (errors.SerializationFailure, errors.DeadlockDetected)


def is_conflict(error: psycopg.Error) -> bool:
    """Report whether the same transaction may succeed at once."""
    return isinstance(error, _CONFLICTS)


def is_outage(error: psycopg.Error, connection: psycopg.Connection | None) -> bool:
    """Report whether the same transaction may succeed later, on a new connection."""
    code = error.sqlstate
    if code is not None:
        return code in _PASSING or code[:2] in _PASSING_CLASSES
    is_gone = connection is None or connection.closed or connection.broken
    return isinstance(error, (psycopg.OperationalError, psycopg.InterfaceError)) and is_gone


def unusable(called: str, error: psycopg.Error) -> BatchrunError:
    """Return the error to raise for *error* while a ledger is connected to."""
    if isinstance(error, psycopg.ProgrammingError) and error.sqlstate is None:
        return LedgerUnusableError(
            f"{called}: this is no address of a PostgreSQL ledger; give postgresql://HOST/DATABASE or "
            "service=NAME with --ledger"
        )
    said = in_words(error)
    cure = next((cure for word, cure in _REFUSED if word in said), None)
    if cure is not None:
        return LedgerUnusableError(f"{called} cannot be used: {said}; {cure}")
    return LedgerError(
        f"the ledger {called} cannot be reached: {said}; check that its server runs and can be reached from "
        "here, then run the same command again: nothing that was recorded is lost"
    )


def failed(called: str, error: psycopg.Error) -> BatchrunError:
    """Return the error to raise for *error* from a ledger that is connected."""
    said = in_words(error)
    match error:
        case errors.InsufficientPrivilege():
            return LedgerUnusableError(
                f"{called}: this user may not do that ({said}); have the ledger's owner run 'batchrun ledger "
                "init' with the user's role, see 'batchrun help postgres'"
            )
        case errors.ReadOnlySqlTransaction() | errors.FeatureNotSupported():  # a standby's, at BEGIN
            return LedgerUnusableError(
                f"{called} can only be read ({said}): it is a standby server, or "
                "default_transaction_read_only is on for this user or database; give the primary's address "
                "(with several hosts in it, target_session_attrs=read-write finds that), or have the "
                "server's owner switch it off"
            )
        case errors.QueryCanceled() | errors.LockNotAvailable():
            return stopped(called, said, "have its owner raise this user's statement_timeout or lock_timeout")
        case errors.CharacterNotInRepertoire() | errors.UntranslatableCharacter():
            return UsageError(f"{called}: a text cannot be kept: {said}")
        case psycopg.DataError() if "NUL" in said:
            return UsageError(f"{called}: a text holds a NUL character, which PostgreSQL keeps in no text")
        case errors.UniqueViolation() if error.diag.constraint_name == ONE_RUN:
            return told_twice(called)
        case psycopg.OperationalError() | errors.DataCorrupted() | errors.IndexCorrupted():
            return stopped(called, said)
        case _:
            pass
    return InvariantError(f"the ledger {called} refused a statement: {type(error).__name__}: {said}")


def stopped(called: str, said: str, cure: str = "see to its server") -> LedgerError:
    """Return the error that stops the work before anything is lost."""
    return LedgerError(
        f"the ledger {called} cannot be used any more: {said}; {cure}, then run the same command "
        "again: nothing that was recorded is lost"
    )


def in_words(error: psycopg.Error) -> str:
    """Return the message of *error* in one line."""
    said = error.diag.message_primary or str(error)
    return " ".join(said.split()) or type(error).__name__
