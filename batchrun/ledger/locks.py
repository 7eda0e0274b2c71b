"""The interface to process locks, which tell a launcher that was killed from one that lives, at once.

A database that other hosts use has none: they could not see them, so that there the lease alone counts.
"""

from __future__ import annotations

from abc import ABC, abstractmethod


class Locks(ABC):
    """Locks beside one ledger, one for each lease, named by its batch's key and its fence."""

    @abstractmethod
    def take(self, batch: int, fence: int) -> None:
        """Take a lock that shows this process to be alive, until it ends or :meth:`release`."""

    @abstractmethod
    def release(self, batch: int, fence: int, *, leaves_mark: bool = False) -> None:
        """Release the lock, if this process has it; its mark stays beside the ledger if it *leaves_mark*."""

    @abstractmethod
    def is_latest(self, batch: int, fence: int) -> bool:
        """Report whether the lock of *fence* left a mark here and no later one did.

        Else the ledger may be a copy, or an older one that was put back.
        """

    @abstractmethod
    def is_abandoned(self, batch: int, fence: int) -> bool | None:
        """Report whether the process that took the lock is gone; False where that cannot be known.

        None where there is no such lock under this name of the ledger, and no other lock of the batch is
        held: the lease came with a copy, or somebody deleted the lock.
        """
