"""
What people ask of a ledger: how a batch stands, and what became of an entry.

Belongs here: the reading half of the contract that no launch needs, and its values. Does not: what a launch
reads and writes (``ledger``), showing it (``cli``, ``report``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from batchrun.model.entry import Entry, Run
    from batchrun.model.pace import Learned
    from batchrun.model.states import State


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Entries that ended without success in the same way."""

    state: State
    reason: str | None  #: the run's ``failureReason``; where there is no run, the code of the last answer
    count: int
    entries: tuple[Entry, ...]  #: the first of them


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPace:
    """What was learned of one account's limit for one operation, and when."""

    account: str
    operation: str
    learned: Learned
    at: datetime


class Standing(ABC):
    """Answers from what is recorded, at once; whoever writes meanwhile is not held up. Times are in UTC."""

    @abstractmethod
    async def history(self, batch: str, entry_id: str) -> Sequence[tuple[datetime, int, str, str]]:
        """
        Return the entry's events as (at, attempt, kind, detail), oldest first.

        *attempt* is the one that the event led to. *detail* is JSON text: the event's fields, with a request
        told by its digest, and with the requestId where the attempt was intended.
        """

    @abstractmethod
    async def oldest_active(self, batch: str, *, limit: int) -> Sequence[Entry]:
        """
        Return up to *limit* ACTIVE entries, the longest known run first.

        Of very many (5,000) those that stand first in the manifest are looked at.
        """

    @abstractmethod
    async def latest_runs(self, batch: str, *, is_active: bool, limit: int) -> Sequence[Run]:
        """
        Return up to *limit* runs of the entries' current attempts, the one accepted last first.

        Of ACTIVE entries alone, or of all. Those taken for gone come last, and those that were deleted on
        request not at all.
        """

    @abstractmethod
    async def latest_ends(self, batch: str, *, limit: int) -> Sequence[Run]:
        """
        Return up to *limit* runs that were seen to end, of earlier attempts too.

        Those that are COMPLETED come first, and of these the one sent last; those that were deleted on
        request not at all.
        """

    @abstractmethod
    async def latest_failures(self, batch: str, *, limit: int) -> Sequence[Entry]:
        """
        Return up to *limit* entries that ended without success, the one that ended last first.

        Of very many (5,000) those that stand last in the manifest are looked at.
        """

    @abstractmethod
    async def failures(self, batch: str, *, limit: int) -> Sequence[Failures]:
        """
        Return the entries that ended without success by state and reason, the most frequent first.

        Each group counts all of its entries and has the first *limit* of them by position.
        """

    @abstractmethod
    async def recent(self, batch: str, *, since: datetime) -> Sequence[tuple[datetime, str]]:
        """
        Return the batch's events at *since* or later as (at, kind), in the order in which they were recorded.

        Only the ledger's newest events (5,000) are looked at, so that the answer comes at once.
        """

    @abstractmethod
    async def ids_of_run(self, batch: str, text: str) -> Sequence[str]:
        """
        Return the ids of the entries that had a run of this uuid, short id or ARN, in any attempt, in order.

        Of a short id there may be several: the service gives it again once its run was deleted.
        """

    @abstractmethod
    async def ids_beginning(self, batch: str, text: str, *, limit: int) -> Sequence[str]:
        """Return up to *limit* ids that begin with *text*, in order, by code point."""

    @abstractmethod
    async def near_ids(self, batch: str, text: str) -> Sequence[str]:
        """
        Return some ids that *text*, which is none, may have been meant to be, in no order.

        Among them are, a few of each: the neighbours of *text* in the order of ids, ids that contain it in
        whatever case, and ids that differ from it in one character.
        """

    @abstractmethod
    async def all_paces(self) -> Sequence[KeptPace]:
        """Return all that was learned of any account's paces, by account and operation."""
