"""The contract of what users ask of a batch without its lease, and of what they were told.

What ``ports.ledger`` guarantees holds for each method. Does not belong here: carrying it out (``engine``), or
any storage.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.model.entries.entry import Run
    from batchrun.model.notices import Notice
    from batchrun.model.planning.cancelling import Scope


class UserRequests(ABC):
    """Requests to the holder of one batch, and the notices that were sent for it. No method needs a lease."""

    @abstractmethod
    async def retry(
        self, ids: Collection[str], *, at: datetime, why: str, duplicates: bool = False
    ) -> Sequence[str]:
        """Start a new attempt of each of *ids* that has ended without success, in one transaction.

        It has the content of the last one; with *duplicates* it is a copy of the last one's run, in the same
        lane, and entries without a run, or with one that was removed, are skipped. After a copy it has the
        manifest's content again.

        Ids that are unknown, have not ended or have succeeded are skipped.

        Returns:
            The ids that got a new attempt.
        """

    @abstractmethod
    async def give_back(self, runs: Collection[Run], *, at: datetime) -> Sequence[str]:
        """Give DELETED entries back their *runs*, just seen at the service, in one transaction.

        The holder of the batch watches those that have not ended. Runs that are not an entry's current
        attempt, or whose entry is not DELETED, are skipped.

        Returns:
            The ids of the entries that got their runs back.
        """

    @abstractmethod
    async def ask_to_cancel(self, ids: Collection[str] | None, *, scope: Scope, at: datetime) -> int:
        """Ask for entries that have not ended to be cancelled: *ids*, or all of them.

        Rows that left the manifest before they were sent are skipped: they are not sent anyway. A wider scope
        extends an earlier request, a narrower one does not reduce it; a new attempt that the user asks for
        (:meth:`retry`, RESUBMIT) withdraws it.

        Returns:
            How many entries are to be cancelled that were not before.
        """

    @abstractmethod
    async def tell(self, notice: Notice, *, at: datetime) -> bool:
        """Record that *notice* is sent for the batch; report whether it was not recorded before.

        It is one of :data:`~batchrun.model.notices.NOTED`. Of several launches that ask at once, one gets
        True.
        """

    @abstractmethod
    async def forget(self, *, but: Collection[Notice]) -> None:
        """Forget that notices, all *but* these, were sent, so that they may be sent again."""
