"""A lock that the operating system releases when its process dies.

It tells a killed launcher from a live one at once, without guessing. Each lease has a file of its own, named
by its fence, so that an old launcher's lock says nothing about its successor.
"""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Final, Self

try:
    import fcntl
except ImportError:  # no such locks on this system: a dead launcher's lease must expire
    fcntl = None  # type: ignore[assignment]


#: Tries to take a lock, and the seconds in between.
_TRIES: Final = 20
_PAUSE: Final = 0.001


def kernel() -> str:
    """Return an id of the running kernel, within which process locks and WAL mode work.

    Not the host's name, since containers on one kernel have names of their own.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return platform.node()


class ProcessLock:
    """A lock held until :meth:`drop`, or until its process ends.

    ``flock``, not ``lockf``: it belongs to the open file, so that two ledgers in one process exclude each
    other, and is the same on Linux and macOS.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path, mark: bytes) -> Self | None:
        """Take the lock, and write *mark* into its file.

        None where that fails, which is allowed: it only saves waiting for leases.
        """
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
            with contextlib.suppress(OSError):  # on a full disk it is a lock all the same
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, mark, 0)
            for _ in range(_TRIES):
                if _lock(descriptor):
                    return cls(path, descriptor)
                time.sleep(_PAUSE)  # another process is testing it, for a moment
            os.close(descriptor)
        return None

    def drop(self) -> None:
        """Release the lock and delete its file."""
        remove(self._path)
        os.close(self._descriptor)

    def let_go(self) -> None:
        """Release the lock as a dying process does: the file stays, unlocked."""
        os.close(self._descriptor)


def is_abandoned(path: Path) -> bool | None:
    """Report whether the process that locked *path* is gone; False if unknown, None without a lock."""
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        return None
    except OSError:
        return False
    try:
        return _lock(descriptor)
    finally:
        os.close(descriptor)


def is_taken(path: Path) -> bool:
    """Report whether a live process has the lock at *path*; False if unknown."""
    return fcntl is not None and os.access(path, os.R_OK | os.W_OK) and is_abandoned(path) is False


def lock_path(ledger: Path, batch: int, fence: int) -> Path:
    """Return the path of a lease's lock."""
    real = ledger.resolve()  # a symbolic link is the same ledger, and SQLite follows it too
    return real.with_name(f"{real.name}-lease-{batch}-{fence}")


def lock_paths(ledger: Path, batch: int) -> Mapping[int, Path]:
    """Return the paths of the locks of a batch, by the lease's fence; held ones and what others left."""
    start = lock_path(ledger, batch, 0).name.removesuffix("0")
    found = ledger.resolve().parent.glob(f"{glob.escape(start)}*")
    return {int(end): path for path in found if (end := path.name.removeprefix(start)).isdecimal()}


def is_held(ledger: Path) -> bool:
    """Report whether a process has, or may have, a lock for a batch of *ledger*."""
    locks = ledger.parent.glob(f"{glob.escape(ledger.name)}-lease-*")
    return any(is_abandoned(lock) is False for lock in locks)


def remove(path: Path) -> None:
    """Delete the lock's file, if there is one."""
    with contextlib.suppress(OSError):
        path.unlink()


def _lock(descriptor: int) -> bool:
    if fcntl is None:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True
