"""Checks that the write-ahead log beside a ledger is its own.

A launcher that was killed leaves its log. SQLite applies that to whatever file has the ledger's name, so a
copy that was put there would be damaged for good. So each write stores an id, and that of the write before.
The log belongs to the file if the file's last write is the one before the log's first, or one of the log's
(where part of it was applied already). A copy made by VACUUM has its pages in other places, so no log belongs
to it; its *form*, SQLite's schema version, tells.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from batchrun.errors import LedgerUnusableError
from batchrun.ledger.sqlite.statements import queries, reading

#: The log's format (https://www.sqlite.org/walformat.html): its header has the page size and 8 bytes of salt,
#: which each frame repeats, unless it is left from an earlier log in the same file.
_HEADER: Final = 32
_PAGE_SIZE: Final = slice(8, 12)
_SALTS: Final = slice(16, 24)
_FRAME_HEADER: Final = 24
_FRAME_SALTS: Final = slice(8, 16)
_PAGE: Final = slice(0, 4)
#: The schema version, in the first page (https://www.sqlite.org/fileformat2.html#the_database_header).
_FORM: Final = slice(_FRAME_HEADER + 40, _FRAME_HEADER + 44)
#: A page of a table (ibidem, "b-tree pages" and "record format"): its kind, its number of rows, and the
#: offset of the first row; a row has its length, key, a header (its length, the columns' types), and the
#: values.
_LEAF: Final = 13
_ROWS: Final = slice(_FRAME_HEADER + 3, _FRAME_HEADER + 5)
_FIRST_ROW: Final = slice(_FRAME_HEADER + 8, _FRAME_HEADER + 10)
_TYPES: Final = bytes([5, 0, 44, 44])
_ZERO: Final = 8
_NO_BYTES: Final = frozenset({_ZERO, 9})


class _LastWrite(NamedTuple):
    id: bytes
    form: int  #: the file's schema version


#: That of a file of an older batchrun, without the table: its first write names this as the one before.
_NONE_YET: Final = _LastWrite(b"before the first", 0)


@contextlib.contextmanager
def marking(connection: apsw.Connection) -> Iterator[None]:
    """Store a new id for the write in the block, within its transaction, unless nothing was changed."""
    before = connection.total_changes()
    yield
    if connection.total_changes() != before:
        connection.execute(queries()["mark_write"])


def check(connection: apsw.Connection, path: Path) -> None:
    """Check that the log beside *path* continues the file, before *connection* has done anything.

    Raises:
        LedgerUnusableError: It does not, or not from the file's present state.
    """
    log = Path(connection.filename_wal)
    if _size(log) <= _HEADER:
        return
    is_own, begun = False, _header(log)
    # While it is read nobody restarts the log: it only grows, and is applied to the file.
    with contextlib.suppress(apsw.CorruptError), reading(connection):  # also raised by a log of another file
        at_last = _last_write(connection)
        is_own = _continues(log, _last_write_in(path), at_last)
    if is_own:
        return
    if _header(log) != begun:  # a live process has restarted it, once it was applied
        check(connection, path)
        return
    index = f"{log.name.removesuffix('wal')}shm"
    raise LedgerUnusableError(
        f"{path} and {log} do not belong together: that is the log of another ledger, or of another state of "
        "this one, as when a copy was put in its place, and would damage it; nothing was changed. See that "
        f"no launcher works on it, move {log.name} and {index} away, then run the same command again"
    )


def _size(log: Path) -> int:
    try:
        return log.stat().st_size
    except FileNotFoundError:  # the last process to close the ledger deletes it, at any moment
        return 0


def _header(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(_HEADER)
    except FileNotFoundError:
        return b""


def _continues(log: Path, in_file: _LastWrite | None, at_last: _LastWrite | None) -> bool:
    """Report whether the log continues the file, by the last writes of both; True if that cannot be told."""
    if in_file is None:
        return True
    ids, newest = set[bytes](), 0
    for frame in _frames(log):
        if int.from_bytes(frame[_PAGE]) == 1:
            newest = max(newest, int.from_bytes(frame[_FORM]))
        elif (mark := _mark(frame)) is not None:
            *both, form = mark
            ids.update(both)
            newest = max(newest, form)
    if not ids:  # the log has no write of ours
        return at_last is not None and at_last.id == in_file.id
    return in_file.id in ids and in_file.form <= newest


def _last_write_in(path: Path) -> _LastWrite | None:
    """Return the last write in the file alone, without the log."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    bare = apsw.Connection(f"{path.absolute().as_uri()}?immutable=1", flags=flags)
    try:
        return _last_write(bare)
    finally:
        bare.close()


def _last_write(connection: apsw.Connection) -> _LastWrite | None:
    """Return the last write; None where the file is damaged or no database."""
    try:
        found = connection.execute(queries()["last_write"]).fetchone()
    except apsw.SchemaChangeError:  # another process makes the tables at this moment
        return _last_write(connection)
    except apsw.SQLError:  # of an older batchrun, or of another program
        return _NONE_YET
    except (apsw.NotADBError, apsw.CorruptError):
        return None
    return None if found is None or not isinstance(found[0], bytes) else _LastWrite._make(found)


def _mark(frame: bytes) -> tuple[bytes, bytes, int] | None:
    """Return the last write's id, the id before it, and its form, if *frame* is the page of that table."""
    if frame[_ROWS] != b"\x00\x01" or frame[_FRAME_HEADER] != _LEAF:  # that row is alone on a leaf
        return None
    row = memoryview(frame)[_FRAME_HEADER + int.from_bytes(frame[_FIRST_ROW]) :]
    if row[2:6] != _TYPES:
        return None
    size = row[6]  # of the form, an integer of up to four bytes, or the type of a 0 or 1, which has none
    form = size - _ZERO if size in _NO_BYTES else int.from_bytes(row[39 : 39 + size])
    return bytes(row[7:23]), bytes(row[23:39]), form


def _frames(log: Path) -> Iterator[bytes]:
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        header = file.read(_HEADER)
        size = _FRAME_HEADER + int.from_bytes(header[_PAGE_SIZE])
        while len(frame := file.read(size)) == size and frame[_FRAME_SALTS] == header[_SALTS]:
            yield frame
