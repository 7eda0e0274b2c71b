"""Maps SQLite's errors to ours, with the cure for the person who must act."""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final

import apsw

from batchrun.errors import BatchrunError, InvariantError, LedgerError, LedgerUnusableError
from batchrun.ledger.store import ONE_RUN, told_twice
from batchrun.model.texts.stand_ins import stand_in

#: Why a file cannot grow; SQLite has an error of its own only for the first.
NO_ROOM: Final = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
#: The old log must go too: SQLite would apply it to the copy, and damage it.
_RESTORE: Final = (
    "move it away, with what lies beside it and ends with -wal and -shm, and put a copy in its place"
)
#: What happened, and what to do, when opening.
_UNUSABLE: Final[tuple[tuple[type[apsw.Error], str, str], ...]] = (
    (apsw.NotADBError, "is not a batchrun ledger", "give another path with --ledger"),
    (apsw.CorruptError, "is damaged", f"{_RESTORE}, or give another path with --ledger"),
    (apsw.BusyError, "is in use by another program", "wait until that has ended, then try again"),
    (apsw.ReadOnlyError, "may not be written", "make it writable, or give another path with --ledger"),
    (apsw.PermissionsError, "may not be used", "change its permissions, or give another path with --ledger"),
    (apsw.AuthError, "may not be used", "change its permissions, or give another path with --ledger"),
    (
        apsw.CantOpenError,
        "cannot be opened",
        "check that its folder exists and may be written, or give another path with --ledger",
    ),
    (
        apsw.IOError,
        "cannot be read or written",
        "check the disk, or give a path on a local disk with --ledger",
    ),
)

#: The same for a ledger that is open.
_FAILED: Final[tuple[tuple[type[apsw.Error], str, str], ...]] = (
    (
        apsw.FullError,
        "the disk is full, or a limit of it is reached",
        "free some space, or raise the limit",
    ),
    (apsw.BusyError, "another program keeps it locked", "stop that program"),
    (apsw.LockedError, "another program keeps it locked", "stop that program"),
    (apsw.ReadOnlyError, "it has become read-only", "make the file, its folder and its disk writable"),
    (apsw.CorruptError, "it is damaged", _RESTORE),
    (apsw.NotADBError, "it is damaged", _RESTORE),
    (apsw.CantOpenError, "its files cannot be opened", "check its folder"),
    (apsw.IOError, "the disk does not respond properly", "check the disk"),
    (apsw.PermissionsError, "its files may not be used", "restore their permissions"),
    (apsw.NoMemError, "memory ran out", "free some memory"),
)


def told(error: apsw.Error, cause: int) -> apsw.Error:
    """Return *error*, or what SQLite did not tell from a failing disk.

    That is a FullError where its *cause*, an errno, is a lack of room, and a CantOpenError where no folder is
    for temporary files.
    """
    if not isinstance(error, apsw.IOError):
        return error
    if getattr(error, "extendedresult", None) == apsw.SQLITE_IOERR_GETTEMPPATH:  # not in its stubs
        return apsw.CantOpenError("no folder for temporary files may be written; set TMPDIR to one")
    return full(cause) if cause in NO_ROOM else error


def full(cause: int) -> apsw.FullError:
    """Return the error for a lack of room of the errno *cause*."""
    return apsw.FullError(os.strerror(cause))


def unusable(path: Path, error: apsw.Error) -> BatchrunError:
    """Return the error to raise for *error* while a ledger is opened."""
    if isinstance(error, apsw.FullError | apsw.NoMemError):  # not the user's mistake
        return failed(path, error)
    if isinstance(error, apsw.NotADBError) and (found := stand_in(_head(path))):
        return LedgerUnusableError(f"{path} is not a batchrun ledger but {found[0]}; {found[1]}")
    for kind, what, cure in _UNUSABLE:
        if isinstance(error, kind):
            return LedgerUnusableError(f"{path} {what} ({error}); {cure}")
    return InvariantError(f"opening the ledger {path}: {type(error).__name__}: {error}")


def _head(path: Path) -> bytes:
    """Return the first bytes of a file that is no database: no lock of ours is lost by closing it."""
    try:
        with path.open("rb") as file:
            return file.read(64)
    except OSError:
        return b""


def failed(path: Path, error: apsw.Error) -> BatchrunError:
    """Return the error to raise for *error* from a ledger that is open."""
    for kind, what, cure in _FAILED:
        if isinstance(error, kind):
            return stopped(path, f"{what} ({error})", cure)
    if isinstance(error, apsw.ConstraintError) and ONE_RUN in str(error):
        return told_twice(str(path))
    return InvariantError(f"the ledger {path} refused a statement: {type(error).__name__}: {error}")


def stopped(path: Path, what: str, cure: str) -> LedgerError:
    """Return the error that stops the launch before anything is lost."""
    return LedgerError(
        f"the ledger {path} cannot be used any more: {what}; {cure}, then run the same command again: "
        "nothing that was recorded is lost"
    )
