"""
Whether the log that lies beside a ledger is its own.

A launcher that was killed leaves its log. SQLite lays that over whatever file has the ledger's name by then,
and a copy that was put there is spoilt, for good once the log is written into it. So each write has an id,
and keeps that of the write before: the last write that the file itself has is the one before the log's first,
or, where some of the log is in the file already, one of the log's. A copy that VACUUM made has another form,
its pages elsewhere, and no log continues that.
Belongs here: that id, and finding out before anything is written. Does not: opening (``connection``).
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path
from typing import Final, NamedTuple

import apsw

from batchrun.errors import LedgerUnusableError
from batchrun.ledger.sqlite.statements import queries
from batchrun.ledger.sqlite.transaction import reading

#: The log's form (https://www.sqlite.org/walformat.html): its header has the size of a page, and 8 bytes that
#: each frame has too, unless it is of an earlier log in the same file.
_HEADER: Final = 32
_PAGE_SIZE: Final = slice(8, 12)
_SALTS: Final = slice(16, 24)
_FRAME_HEADER: Final = 24
_FRAME_SALTS: Final = slice(8, 16)
_PAGE: Final = slice(0, 4)
#: The number of the schema, in the first page (https://www.sqlite.org/fileformat2.html#the_database_header).
_FORM: Final = slice(_FRAME_HEADER + 40, _FRAME_HEADER + 44)
#: A page of a table (the same, "b-tree pages" and "record format"): its kind, how many rows it has, and where
#: the first begins; that has its length, its key, a header (its own length, the columns' types), the values.
_LEAF: Final = 13
_ROWS: Final = slice(_FRAME_HEADER + 3, _FRAME_HEADER + 5)
_FIRST_ROW: Final = slice(_FRAME_HEADER + 8, _FRAME_HEADER + 10)
_TYPES: Final = bytes([5, 0, 44, 44])


class _LastWrite(NamedTuple):
    id: bytes
    form: int  #: of the file now


#: Of a file that has no room for one yet: the first that it gets says that it comes after this.
_NONE_YET: Final = _LastWrite(b"before the first", 0)


@contextlib.contextmanager
def marking(connection: apsw.Connection) -> Iterator[None]:
    """Give the write that the block is an id, within its transaction; none where it changes nothing."""
    before = connection.total_changes()
    yield
    if connection.total_changes() != before:
        connection.execute(queries()["mark_write"])


def check(connection: apsw.Connection, path: Path) -> None:
    """
    See that the log beside *path* continues the file, before *connection* has done anything.

    Raises:
        LedgerUnusableError: It does not, or not from the state in which the file is.
    """
    log = Path(connection.filename_wal)
    if _size(log) <= _HEADER:
        return
    is_own, begun = False, _header(log)
    # Nobody begins the log anew while it is read: it only grows, and goes into the file.
    with contextlib.suppress(apsw.CorruptError), reading(connection):  # a log that does not fit says so, too
        at_last = _last_write(connection)
        is_own = _continues(log, _last_write_in(path), at_last)
    if is_own:
        return
    if _header(log) != begun:  # but by one that lives, once all of it is in the file
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
    except FileNotFoundError:  # also from one moment to the next: the last to close the ledger takes it away
        return 0


def _header(log: Path) -> bytes:
    try:
        with log.open("rb") as file:
            return file.read(_HEADER)
    except FileNotFoundError:
        return b""


def _continues(log: Path, in_file: _LastWrite | None, at_last: _LastWrite | None) -> bool:
    """Report whether the log continues the file, by the last write of either, or nobody can tell."""
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
    if not ids:  # nobody's, or of others alone
        return at_last is not None and at_last.id == in_file.id
    return in_file.id in ids and in_file.form <= newest


def _last_write_in(path: Path) -> _LastWrite | None:
    """Return the last write that the file has by itself, without the log."""
    flags = apsw.SQLITE_OPEN_READONLY | apsw.SQLITE_OPEN_URI
    bare = apsw.Connection(f"{path.absolute().as_uri()}?immutable=1", flags=flags)
    try:
        return _last_write(bare)
    finally:
        bare.close()


def _last_write(connection: apsw.Connection) -> _LastWrite | None:
    """Return it; None where nobody can tell, as the file is damaged, or no database."""
    try:
        found = connection.execute(queries()["last_write"]).fetchone()
    except apsw.SQLError:  # an earlier batchrun's, or another's
        return _NONE_YET
    except (apsw.NotADBError, apsw.CorruptError):
        return None
    return None if found is None or not isinstance(found[0], bytes) else _LastWrite._make(found)


def _mark(frame: bytes) -> tuple[bytes, bytes, int] | None:
    """Return the ids of a write and of the one before, and its form, if a frame is of the page of these."""
    if frame[_ROWS] != b"\x00\x01" or frame[_FRAME_HEADER] != _LEAF:  # it is the only row of a leaf
        return None
    row = memoryview(frame)[_FRAME_HEADER + int.from_bytes(frame[_FIRST_ROW]) :]
    if row[2:6] != _TYPES:
        return None
    size = row[6]  # as up to four bytes have it
    return bytes(row[7:23]), bytes(row[23:39]), int.from_bytes(row[39 : 39 + size])


def _frames(log: Path) -> Iterator[bytes]:
    with contextlib.suppress(FileNotFoundError), log.open("rb") as file:
        header = file.read(_HEADER)
        size = _FRAME_HEADER + int.from_bytes(header[_PAGE_SIZE])
        while len(frame := file.read(size)) == size and frame[_FRAME_SALTS] == header[_SALTS]:
            yield frame
