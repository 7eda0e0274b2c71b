# ruff: noqa: D102 - what each method promises stands in the contract, locks
"""The locks of leases, in files beside a ledger in one SQLite file."""

from __future__ import annotations

from pathlib import Path

from batchrun.ledger.locks import Locks
from batchrun.ledger.sqlite import process_lock


class LeaseLocks(Locks):
    """The locks beside the ledger at *path*, whose file has this *identity*: that of a copy differs."""

    def __init__(self, path: Path, identity: tuple[int, int]) -> None:
        self._path = path
        self._mark = "{}:{}\n".format(*identity).encode()
        self._taken: dict[tuple[int, int], process_lock.ProcessLock] = {}

    def take(self, batch: int, fence: int) -> None:
        # Here nobody else takes one. That of the lease before stays: if the claim is not committed, it must
        # still show that nobody has it. Later ones are of a ledger that was here before.
        for other, path in process_lock.lock_paths(self._path, batch).items():
            if other < fence - 1 or (other > fence and process_lock.is_abandoned(path)):
                process_lock.remove(path)
        if lock := process_lock.ProcessLock.take(self._lock_path(batch, fence), self._mark):
            self._taken[batch, fence] = lock

    def release(self, batch: int, fence: int, *, leaves_mark: bool = False) -> None:
        lock = self._taken.pop((batch, fence), None)
        if lock is None:
            return
        if leaves_mark:
            lock.let_go()
        else:
            lock.drop()
        process_lock.remove(self._lock_path(batch, fence - 1))

    def is_latest(self, batch: int, fence: int) -> bool:
        marks = process_lock.lock_paths(self._path, batch)
        if max(marks, default=0) != fence:
            return False
        try:
            return marks[fence].read_bytes() == self._mark
        except OSError:
            return False

    def is_abandoned(self, batch: int, fence: int) -> bool | None:
        found = process_lock.is_abandoned(self._lock_path(batch, fence))
        if found is not None:
            return found
        others = process_lock.lock_paths(self._path, batch).values()
        return False if any(process_lock.is_abandoned(one) is False for one in others) else None

    def let_go(self) -> None:
        """Release all as a dying process does: their files stay."""
        for lock in self._taken.values():
            lock.let_go()
        self._taken.clear()

    def _lock_path(self, batch: int, fence: int) -> Path:
        return process_lock.lock_path(self._path, batch, fence)
