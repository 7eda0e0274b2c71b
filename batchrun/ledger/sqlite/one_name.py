"""
One name at a time for a ledger that has several: hard links to one file, or a mount of the file alone.

SQLite keeps the log of a ledger beside the name by which it was opened, and so do leases their locks. By two
names two launchers would not know of each other, and their logs would overwrite what the other wrote. So the
name in use is noted on the file itself, where all of its names find it, in whatever folder they lie.
Belongs here: that note, and who may go on. Does not: opening (``connection``), leases (``leases``).
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final, NoReturn

import apsw

from batchrun.errors import LeaseHeldError, LedgerUnusableError
from batchrun.ledger.sqlite.process_lock import is_held
from batchrun.ledger.sqlite.statements import queries
from batchrun.ledger.sqlite.transaction import alone

_NOTE: Final = "user.batchrun.name"
_HAS_NOTES: Final = hasattr(os, "setxattr")
#: What is mounted where, as this process sees it, on Linux: the fifth word of each line.
_MOUNTS: Final = Path("/proc/self/mountinfo")
#: How the system writes in it what would end a word.
_IN_WORDS: Final = {char: b"\\%03o" % char for char in b"\\ \t\n"}


def check(path: Path) -> None:
    """
    See that no other name of the ledger is in use, before it is opened by this one, to read or to write.

    Raises:
        LeaseHeldError: A launcher has it open by another name.
        LedgerUnusableError: It was not closed by that name, and only by that name it is whole; or it was
            mounted without its folder, and whoever has it open elsewhere cannot be seen from here.
    """
    if _is_mounted(path):
        raise LedgerUnusableError(
            f"{path} is mounted here without its folder, in which SQLite's log and a launcher's lock lie; "
            "mount the folder, and give the ledger in it with --ledger"
        )
    other = _other_name(path) if _has_several(path) else None
    if other is None or not other.with_name(f"{other.name}-wal").exists():
        return
    if is_held(other):
        _refuse(path, other)
    raise LedgerUnusableError(
        f"{path} is a hard link to {other}, which is open, or was not closed; give --ledger {other}"
    )


def take(connection: apsw.Connection, path: Path) -> None:
    """
    Make the name that *path* is the one in use, while the ledger is not in use by any other.

    Raises:
        LeaseHeldError: It is.
        LedgerUnusableError: It has several names, and the disk cannot note which one is in use.
    """
    if not _has_several(path):
        _note(path)
    elif _noted(path) != _name(path):
        _take_over(connection, path)


def confirm(path: Path) -> None:
    """
    See that it still is, now that the ledger is open; from here on nobody can take another.

    Raises:
        LeaseHeldError: Somebody was faster, by another name.
    """
    if _has_several(path) and _noted(path) != _name(path):
        _refuse(path, _other_name(path))


def _take_over(connection: apsw.Connection, path: Path) -> None:
    # Whoever has it open, by whichever name, holds SQLite's own lock on the file, which stands in the way.
    other, is_noted = _other_name(path), False
    connection.set_busy_timeout(0)
    try:
        connection.execute(queries()["use_journal"])
        with alone(connection):
            is_alone = connection.execute(queries()["journal_mode"]).get != "wal"
            is_noted = is_alone and _note(path)
    except (apsw.BusyError, apsw.LockedError):
        is_alone = False
    if not is_alone:
        _refuse(path, other)
    if not is_noted:
        raise LedgerUnusableError(
            f"{path} has other names (hard links), and this file system cannot record which one is in use: "
            "keep one "
            "of them, or copy it"
        )


def _refuse(path: Path, other: Path | None) -> NoReturn:
    by = "another of its names" if other is None else f"its other name {other}"
    raise LeaseHeldError(f"{path} is in use by {by} (they are hard links); give that one, or wait for it")


def _has_several(path: Path) -> bool:
    return path.stat().st_nlink > 1


def _other_name(path: Path) -> Path | None:
    """Return the name in use, if it is not this one and still is one of this file."""
    noted = _noted(path)
    if noted is None or noted == _name(path):
        return None
    other = Path(os.fsdecode(noted))
    try:
        return other if other.samefile(path) else None
    except OSError:
        return None


def _is_mounted(path: Path) -> bool:
    name = b"".join(_IN_WORDS.get(char, bytes([char])) for char in _name(path))
    try:
        mounts = _MOUNTS.read_bytes().splitlines()
    except OSError:
        return False
    return any(mount.split(b" ", 5)[4] == name for mount in mounts)


def _name(path: Path) -> bytes:
    return os.fsencode(os.path.realpath(path))


def _noted(path: Path) -> bytes | None:
    try:
        return os.getxattr(path, _NOTE) if _HAS_NOTES else None
    except OSError:
        return None


def _note(path: Path) -> bool:
    """Note this name; False where the disk has no room for it."""
    if not _HAS_NOTES or _noted(path) == _name(path):
        return _HAS_NOTES
    try:
        os.setxattr(path, _NOTE, _name(path))
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.ENOSPC, errno.E2BIG}:
            return False
        raise
    return True
