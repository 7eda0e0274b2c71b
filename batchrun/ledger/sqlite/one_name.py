"""Lets a ledger with several names (hard links, or a mount of the file alone) be used by one name at a time.

SQLite keeps the log beside the name by which the file was opened, and leases keep their locks there. Under
two names two launchers would not see each other, and their logs would overwrite each other's writes. So the
name in use is recorded in an extended attribute of the file, which all its names share.
"""

from __future__ import annotations

import errno
import os
from pathlib import Path
from typing import Final, NoReturn

import apsw

from batchrun.errors import LeaseHeldError, LedgerUnusableError
from batchrun.ledger.sqlite.process_lock import is_held
from batchrun.ledger.sqlite.statements import alone, queries

_NOTE: Final = "user.batchrun.name"
_HAS_NOTES: Final = hasattr(os, "setxattr")
#: Linux: the mounts that this process sees; the mount point is the fifth word of each line.
_MOUNTS: Final = Path("/proc/self/mountinfo")
#: How white space and backslashes are escaped in it.
_IN_WORDS: Final = {char: b"\\%03o" % char for char in b"\\ \t\n"}


def check(path: Path) -> None:
    """Check that no other name of the ledger is in use, before it is opened by this one, to read or to write.

    Raises:
        LeaseHeldError: A launcher has it open by another name.
        LedgerUnusableError: It was not closed under another name, and is complete only under that; or it is
            mounted without its folder, so that its users elsewhere cannot be seen.
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
    """Record *path* as the name in use.

    Raises:
        LeaseHeldError: The ledger is in use by another name.
        LedgerUnusableError: It has several names, and the disk cannot record which one is in use.
    """
    if not _has_several(path):
        _note(path)
    elif _noted(path) != _name(path):
        _take_over(connection, path)


def confirm(path: Path) -> None:
    """Check that *path* is still the name in use, now that it is open and nobody can take another any more.

    Raises:
        LeaseHeldError: Another process was faster, by another name.
    """
    if _has_several(path) and _noted(path) != _name(path):
        _refuse(path, _other_name(path))


def _take_over(connection: apsw.Connection, path: Path) -> None:
    # Whoever has the file open, by any name, holds SQLite's own lock on it, so that this fails.
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
            "keep one of them, or copy it"
        )


def _refuse(path: Path, other: Path | None) -> NoReturn:
    by = "another of its names" if other is None else f"its other name {other}"
    raise LeaseHeldError(f"{path} is in use by {by} (they are hard links); give that one, or wait for it")


def _has_several(path: Path) -> bool:
    return path.stat().st_nlink > 1


def _other_name(path: Path) -> Path | None:
    """Return the name in use, if it is not *path* and still is a name of this file."""
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
    """Record this name; False where the disk cannot."""
    if not _HAS_NOTES or _noted(path) == _name(path):
        return _HAS_NOTES
    try:
        os.setxattr(path, _NOTE, _name(path))
    except OSError as error:
        if error.errno in {errno.ENOTSUP, errno.EPERM, errno.EACCES, errno.ENOSPC, errno.E2BIG}:
            return False
        raise
    return True
