"""The contract of a batch without a lease: its entries and where they stand.

What ``ports.ledger`` guarantees holds for each method. Does not belong here: any storage, its values
(``stored``), what only the holder may write (``held``), and what has a contract of its own (``submissions``,
``results``, ``user_requests``, ``story``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.model.entries.entry import Entry, Run
    from batchrun.model.entries.events import History
    from batchrun.model.entries.states import State
    from batchrun.model.planning.cancelling import Cancellation
    from batchrun.model.spec import Spec
    from batchrun.ports.results import Results
    from batchrun.ports.stored import (
        Counts,
        LanePlace,
        Latest,
        Lease,
        PastAttempt,
        Sync,
        TakenFrom,
    )
    from batchrun.ports.story import Story
    from batchrun.ports.submissions import Submissions
    from batchrun.ports.user_requests import UserRequests


_PAGE: Final = 500


class StoredBatch(ABC):
    """A stored batch. No method of it, or of its parts, needs a lease.

    Answers come at once from what is recorded, and do not block writers. A batch that the ledger does not
    have reads as empty.
    """

    name: str
    submissions: Submissions
    results: Results
    requests: UserRequests  #: to its holder
    story: Story  #: what became of its entries

    @abstractmethod
    async def holder(self, *, at: datetime) -> Lease | None:
        """Return the lease that is in force at *at*, or None."""

    @abstractmethod
    async def why_closed(self) -> str | None:
        """Return where a batch that is closed here is worked on instead; None for an open one."""

    @abstractmethod
    async def taken_from(self) -> TakenFrom | None:
        """Return the files that it was last taken in from; None unless every row is as they say."""

    @abstractmethod
    async def lanes(self) -> Sequence[LanePlace]:
        """Return the batch's lanes in the order in which they were first stored."""

    @abstractmethod
    async def compare(self, specs: Iterable[Spec], *, home: str | None = None) -> Sync:
        """Return how the manifest differs from the batch, which need not exist; nothing is written.

        *home* is as for :meth:`HeldBatch.sync`.
        """

    @abstractmethod
    async def unproven(self, *, since: datetime, at: datetime) -> int:
        """Count the entries to be sent (PLANNED, BACKOFF) without a proof from between *since* and *at*."""

    @abstractmethod
    async def counts(self) -> Counts:
        """Count the batch's entries."""

    @abstractmethod
    async def entry(self, entry_id: str) -> Entry | None:
        """Return one entry, or None."""

    @abstractmethod
    async def entries(self, ids: Collection[str]) -> Mapping[str, Entry]:
        """Return many entries by id, in order of position; unknown ids are left out."""

    @abstractmethod
    async def earlier(self, entry_id: str) -> Sequence[PastAttempt]:
        """Return the entry's attempts before its current one, oldest first."""

    @abstractmethod
    async def known_runs(self, uuids: Collection[str], *, lane: str | None = None) -> frozenset[str]:
        """Return those of *uuids* that are runs of the batch's entries, of earlier attempts too.

        Where *lane* is given, of attempts in it, and of those that have none.
        """

    async def pages_in(self, *states: State) -> AsyncIterator[Sequence[Entry]]:
        """Yield pages of the entries in *states*, state by state, each as :meth:`in_state` returns it."""
        for state in states:
            after = -1
            while page := await self.in_state(state, limit=_PAGE, after=after):
                yield page
                after = page[-1].position

    @abstractmethod
    async def in_state(self, state: State, *, limit: int, after: int = -1) -> Sequence[Entry]:
        """Return up to *limit* entries in *state* with a position above *after*, by position.

        Entries that left the manifest are included; every entry has a position of its own.
        """

    @abstractmethod
    async def history(self, entry_id: str) -> History:
        """Return the entry's events; a request stands in them as its digest, an intent with its requestId."""

    @abstractmethod
    async def latest_runs(
        self, which: Latest, *, limit: int, lane: str | None = None, is_home: bool = False
    ) -> Sequence[Run]:
        """Return up to *limit* runs, without those that were deleted on request.

        Where *lane* is given, only those of its attempts, and with *is_home* also those of attempts without
        one.

        Runs of current attempts are ordered by their acceptance, the last first, those taken for gone at the
        end. Of runs that were seen to end, COMPLETED ones come first, and of these the one sent last.
        """

    @abstractmethod
    async def cancellations(self, *, limit: int, after: int = -1) -> Sequence[Cancellation]:
        """Return up to *limit* entries that are still to be cancelled, by position, above *after*.

        These are PLANNED and BACKOFF entries, and with the scope RUN also SUBMITTING and ACTIVE ones.
        """
