"""Opens the SQLite file of a ledger, or raises an error that says why it cannot be one.

Belongs here: paths, file modes, settings of a connection, and whether the file is still the one that was
opened. Does not: the schema (``migrate``).
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import apsw

from batchrun.errors import LedgerUnusableError
from batchrun.ledger.sqlite import one_name, own_log
from batchrun.ledger.sqlite.errors import NO_ROOM, full, stopped, told, unusable
from batchrun.ledger.sqlite.migrate import check_ours, migrate, version
from batchrun.ledger.sqlite.statements import migrations, queries
from batchrun.model.texts.foreign import masked

#: How long a statement waits for another process's transaction; the longest of ours, a sync of 100,000 new
#: rows, takes about two seconds.
BUSY_TIMEOUT_MS: Final = 5_000
#: Seconds between two tries where SQLite itself does not wait.
_PAUSE: Final = 0.02

_SAFETY: Final = (
    (apsw.SQLITE_DBCONFIG_ENABLE_FKEY, 1),
    (apsw.SQLITE_DBCONFIG_DEFENSIVE, 1),
    (apsw.SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0),
    (apsw.SQLITE_DBCONFIG_DQS_DDL, 0),
    (apsw.SQLITE_DBCONFIG_DQS_DML, 0),
    # Until the file is known to be a ledger, and the log to be its own.
    (apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1),
)

#: How an address begins of which the scheme was mistyped: what follows may hold a password.
_SLIP: Final = re.compile(r"postgres\w*(?::(?!//)|//)", re.IGNORECASE)


def local_path(place: str | Path) -> Path:
    """Return the path that *place* names.

    Raises:
        LedgerUnusableError: No ledger can be there, or the path cannot be read.
    """
    slip = _SLIP.match(str(place))
    if "://" in str(place) or slip:
        shown = f"{slip[0]}..." if slip else masked(str(place))
        raise LedgerUnusableError(
            f"{shown}: this batchrun keeps ledgers in SQLite files and in PostgreSQL only; give "
            "a path, or postgresql://HOST/DATABASE, with --ledger"
        )
    path = Path(place)
    try:
        str(path).encode()  # as SQLite needs it
        mode = path.stat().st_mode
    except (FileNotFoundError, NotADirectoryError):
        if path.is_symlink():
            raise LedgerUnusableError(
                f"{path} is a link to {path.readlink()}, which is not there; mount or fetch that (git-annex: "
                "git annex get), or give another path with --ledger"
            ) from None
        return path
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else None
        raise LedgerUnusableError(
            f"{path} cannot be a ledger: {reason or 'it is not a valid path'}; "
            "give another path with --ledger"
        ) from error
    if stat.S_ISDIR(mode):
        raise LedgerUnusableError(
            f"{path} is a folder; give a file with --ledger, such as {path}/batchrun.db"
        )
    if not stat.S_ISREG(mode):
        raise LedgerUnusableError(f"{path} is not a file; give another path with --ledger")
    if not os.access(path, os.R_OK):
        raise LedgerUnusableError(
            f"{path} is not readable; change its permissions, or give another path with --ledger"
        )
    return path


def open_to_write(path: Path) -> apsw.Connection:
    """Open the ledger at *path*, made or migrated as needed."""
    _create(path)
    one_name.check(path)
    try:
        connection = _connect(path, str(path), apsw.SQLITE_OPEN_READWRITE)
        with _closing_on_error(connection):
            check_ours(connection, path, newest=migrations()[-1].number)
            _check_writable(connection, path)
            one_name.take(connection, path)
            connection.set_busy_timeout(BUSY_TIMEOUT_MS)
            _use_wal(connection, path)
            one_name.confirm(path)
            connection.config(apsw.SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0)
            migrate(connection, migrations(), path)
    except apsw.Error as error:
        raise unusable(path, error) from error
    return connection


def open_to_read(path: Path, *, for_once: bool = False) -> apsw.Connection:
    """Open the ledger at *path* read-only.

    One that an earlier batchrun wrote stays as it is, since a launcher of then may need it so. *for_once*,
    which does not follow later writes, it is read all the same: from a private copy that is migrated.
    """
    if not path.exists():
        raise LedgerUnusableError(f"no ledger at {path}; give --ledger or run a batch first")
    one_name.check(path)
    try:
        connection = _connect_to_read(path)
        with _closing_on_error(connection):
            newest = migrations()[-1].number
            check_ours(connection, path, newest=newest)
            if for_once and 0 < version(connection) < newest:
                # Without room, or a folder, for temporary files it is told below what else helps.
                with contextlib.suppress(apsw.FullError, apsw.CantOpenError):
                    copy = _migrated_copy(connection)
                    connection.close()
                    return copy
            _check_current(connection, path, newest)
    except apsw.Error as error:
        raise unusable(path, error) from error
    return connection


def _migrated_copy(of: apsw.Connection) -> apsw.Connection:
    """Return a copy with the tables of now, on the disk for temporary files as far as it is large."""
    copy = apsw.Connection("", statementcachesize=len(queries()))
    with _closing_on_error(copy):
        _make_safe(copy)
        with copy.backup("main", of, "main") as backup:
            backup.step()
        migrate(copy, migrations())
    return copy


def identity(path: Path) -> tuple[int, int]:
    """Return what tells the file at *path* from another that replaces it."""
    found = path.stat()
    return found.st_dev, found.st_ino


def check_in_place(path: Path, opened: tuple[int, int]) -> None:
    """Raise LedgerError where the file that was *opened* is no longer at *path*."""
    # SQLite would go on writing to the deleted file, which is lost on closing.
    try:
        is_in_place = identity(path) == opened
    except FileNotFoundError:
        is_in_place = False
    except OSError as error:
        raise stopped(path, f"it cannot be found ({error})", "check the disk") from error
    if not is_in_place:
        raise stopped(path, "the file was deleted or replaced", "put it back")


def _create(path: Path) -> None:
    """Make an empty file that only its owner may read; SQLite uses the same mode for the files beside it."""
    # Invariant: an existing file is not opened here. Closing it would drop the locks that SQLite holds on it
    # for another ledger of this process.
    try:
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR | os.O_CLOEXEC, 0o600))
    except FileExistsError:
        return
    except FileNotFoundError as error:
        raise LedgerUnusableError(
            f"{path} cannot be created: there is no folder {path.parent}; create it, or give another --ledger"
        ) from error
    except OSError as error:
        if error.errno in NO_ROOM:
            raise unusable(path, full(error.errno)) from error
        raise LedgerUnusableError(
            f"{path} cannot be created: {error.strerror}; give a writable path with --ledger"
        ) from error


def _connect_to_read(path: Path) -> apsw.Connection:
    """Open the file read-only, also in a folder that is not writable.

    To read a write-ahead log SQLite makes an index beside it. Where it may not, and there is no log, nobody
    has the file open, so it is complete and is read as it is.
    """
    try:
        connection = _connect(path, str(path), apsw.SQLITE_OPEN_READONLY)
        with _closing_on_error(connection):
            version(connection)
    except (apsw.ReadOnlyError, apsw.CantOpenError):
        if path.with_name(f"{path.name}-wal").exists():
            raise
        uri = f"{path.absolute().as_uri()}?immutable=1"
        return _connect(path, uri, apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI)
    return connection


def _connect(path: Path, place: str, flags: int) -> apsw.Connection:
    # Room for every statement to stay prepared.
    connection = apsw.Connection(place, flags=flags, statementcachesize=len(queries()))
    with _closing_on_error(connection):
        connection.set_busy_timeout(BUSY_TIMEOUT_MS)
        _make_safe(connection)
        own_log.check(connection, path)
        connection.execute(queries()["settings"])
    return connection


def _make_safe(connection: apsw.Connection) -> None:
    for setting, value in _SAFETY:
        connection.config(setting, value)


def _use_wal(connection: apsw.Connection, path: Path) -> None:
    if connection.execute(queries()["journal_mode"]).get == "wal":
        return
    mode = _wal(connection)
    if mode != "wal":
        raise LedgerUnusableError(
            f"{path} is on a disk that several processes cannot share safely (no write-ahead log, only "
            f"'{mode}'); give a path on a local disk with --ledger"
        )


def _wal(connection: apsw.Connection) -> object:
    """Ask for a write-ahead log, and return the resulting mode; waits for others as statements do."""
    # SQLite itself does not wait here, and another process may be opening the new ledger at the same moment.
    until = time.monotonic() + BUSY_TIMEOUT_MS / 1000
    while True:
        try:
            return connection.execute(queries()["use_wal"]).get
        except apsw.BusyError:
            if time.monotonic() >= until:
                raise
            time.sleep(_PAUSE)


def _check_writable(connection: apsw.Connection, path: Path) -> None:
    if connection.readonly("main") or not os.access(path.parent, os.W_OK):
        raise LedgerUnusableError(
            f"{path} or its folder is not writable; change that, or give another path with --ledger"
        )
    for ending in ("-wal", "-shm"):  # whoever read it while it was not writable made them like it
        beside = path.resolve().with_name(f"{path.resolve().name}{ending}")
        if beside.exists() and not os.access(beside, os.W_OK):
            raise LedgerUnusableError(
                f"{beside}, which belongs to the ledger {path}, is not writable; change that, or give "
                "another path with --ledger"
            )


def _check_current(connection: apsw.Connection, path: Path, newest: int) -> None:
    found = version(connection)
    if found == 0:
        raise LedgerUnusableError(
            f"{path} holds no ledger yet; give --ledger or run a batch first (a copy of a ledger in use "
            "lacks all that is in the file beside it that ends with -wal: copy both)"
        )
    if found < newest:
        raise LedgerUnusableError(
            f"{path} has schema version {found}, this batchrun reads {newest}; "
            "run its batch once more, or 'batchrun ledger init', to bring it up to date"
        )


@contextlib.contextmanager
def _closing_on_error(connection: apsw.Connection) -> Iterator[None]:
    try:
        yield
    except apsw.Error as error:
        found = told(error, connection.system_errno)
        connection.close()
        if found is error:
            raise
        raise found from error
    except BaseException:
        connection.close()
        raise
