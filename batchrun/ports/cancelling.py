"""
What people ask of entries beside whoever holds the batch: to be cancelled, to have their runs deleted.

Belongs here: that part of the contract. Does not: carrying it out (``engine``), asking for it (``cli``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence
    from datetime import datetime

    from batchrun.model.cancelling import Cancellation, Scope


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """A run of an attempt that has ended."""

    position: int  #: of its entry
    entry_id: str
    attempt: int
    run_id: str
    run_uuid: str
    status: str  #: as it was seen last
    name: str | None = None  #: that it was started with
    creation_time: datetime | None = None


class CancellingLedger(ABC):
    """No method needs a lease. Each write is durable on return, and all of it is written or nothing."""

    @abstractmethod
    async def ask_to_cancel(
        self, batch: str, ids: Collection[str] | None, *, scope: Scope, at: datetime
    ) -> int:
        """
        Ask for entries that have not ended to be cancelled: *ids*, or all of them.

        Rows that left the manifest before they were sent are passed over: they are not sent anyway. What was
        asked for goes further with a wider scope, never back; a new attempt that people ask for
        (:meth:`retry`, RESUBMIT) takes it back.

        Returns:
            How many entries are to be cancelled that were not before.
        """

    @abstractmethod
    async def cancellations(self, batch: str, *, limit: int, after: int = -1) -> Sequence[Cancellation]:
        """
        Return up to *limit* entries for which something is left to do, by position, above *after*.

        These are PLANNED and BACKOFF entries, and with the scope RUN also SUBMITTING and ACTIVE ones.
        """

    @abstractmethod
    async def ended_runs(
        self, batch: str, *, limit: int, after: tuple[int, int] = (-1, 0)
    ) -> Sequence[EndedRun]:
        """
        Return up to *limit* runs that have ended and were not deleted on request, by (position, attempt).

        Runs of earlier attempts are among them; runs that were seen to be gone are not.
        """

    @abstractmethod
    async def keep_deleted(self, uuids: Collection[str], *, at: datetime) -> None:
        """Remember that these runs are not at the service any more because somebody asked for that."""
