"""
A lock that the operating system takes back when its process dies.

It tells a launcher that was killed from one that lives, at once and without a guess. One file for each lease,
named by its fence, so that an old launcher's lock says nothing about its successor.
"""

from __future__ import annotations

import contextlib
import glob
import os
import platform
import time
from pathlib import Path
from typing import Final, Self

try:
    import fcntl
except ImportError:  # no such locks here: a dead launcher's lease must run out
    fcntl = None  # type: ignore[assignment]


#: How often a lock of one's own is tried, and the seconds in between.
_TRIES: Final = 20
_PAUSE: Final = 0.001


def kernel() -> str:
    """
    Name the running kernel: within one, process locks can be relied on.

    A ledger in WAL mode can only ever be shared within one kernel; containers on it have names of their own.
    """
    try:
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    except OSError:
        return platform.node()


class ProcessLock:
    """
    A lock held until :meth:`drop`, or until its process is gone.

    ``flock`` and not ``lockf``: it belongs to the open file, so that two ledgers in one process exclude each
    other, and it works the same on Linux and macOS.
    """

    def __init__(self, path: Path, descriptor: int) -> None:
        self._path = path
        self._descriptor = descriptor

    @classmethod
    def take(cls, path: Path) -> Self | None:
        """Take the lock; None where that does not work, as it is a help and no more."""
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
            for _ in range(_TRIES):
                if _lock(descriptor):
                    return cls(path, descriptor)
                time.sleep(_PAUSE)  # somebody looks whether it is held, for a moment
            os.close(descriptor)
        return None

    def drop(self) -> None:
        """Release the lock and take its file away."""
        remove(self._path)
        os.close(self._descriptor)

    def let_go(self) -> None:
        """Release the lock as a dying process does: the file stays and says that nobody holds it."""
        os.close(self._descriptor)


def is_abandoned(path: Path) -> bool | None:
    """
    Report whether the lock at *path* was taken by a process that is gone; False where nobody can know.

    None where there is no such lock.
    """
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
    """Report whether a process that lives has the lock at *path*; False where nobody can know."""
    return fcntl is not None and os.access(path, os.R_OK | os.W_OK) and is_abandoned(path) is False


def lock_path(ledger: Path, batch: int, fence: int) -> Path:
    """Return where the lock for a lease lies."""
    real = ledger.resolve()  # a link to the file is the same ledger, and its log lies there too
    return real.with_name(f"{real.name}-lease-{batch}-{fence}")


def is_held(ledger: Path) -> bool:
    """Report whether a process has a lock for a batch of *ledger*, or may have."""
    locks = ledger.parent.glob(f"{glob.escape(ledger.name)}-lease-*")
    return any(is_abandoned(lock) is False for lock in locks)


def remove(path: Path) -> None:
    """Take the lock's file away, where there is one."""
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
