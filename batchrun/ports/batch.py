"""The contract of a batch without a lease: reading it, and leaving requests for its holder.

What ``ports.ledger`` guarantees holds for each method. Does not belong here: any storage, its values
(``stored``), what only the holder may write (``held``).
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
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.requests import Requests
    from batchrun.ports.results import Results
    from batchrun.ports.stored import (
        By,
        Counts,
        EndedRun,
        Failures,
        Glance,
        LanePlace,
        Latest,
        Lease,
        Outcome,
        PastAttempt,
        Sync,
        TakenFrom,
    )
    from batchrun.ports.submissions import Submissions


_PAGE: Final = 500


class StoredBatch(ABC):
    """A stored batch: reading it, and leaving requests for its holder. No method needs a lease.

    Answers come at once from what is recorded, and do not block writers. A batch that the ledger does not
    have reads as empty.
    """

    name: str
    submissions: Submissions
    results: Results
    requests: Requests

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
    def outcomes(self) -> AsyncIterator[Outcome]:
        """Yield the batch's outcomes: in manifest order, then entries that left the manifest but were sent.

        Reads one consistent snapshot, in pages; memory does not grow with the batch.

        Raises:
            SnapshotLostError: The snapshot cannot be read to its end; begin again with a new one.
        """

    @abstractmethod
    async def changed(self, *, after: int, upto: int) -> Sequence[Outcome]:
        """Return the current outcomes of entries with events numbered above *after* and up to *upto*.

        The numbers are those of :meth:`Ledger.newest_event`. Changes without an event (new rows of a
        manifest) are not among them. Takes time in proportion to the events between the two.
        """

    @abstractmethod
    async def history(self, entry_id: str) -> History:
        """Return the entry's events; a request stands in them as its digest, an intent with its requestId."""

    @abstractmethod
    async def glance(self, *, since: datetime, at: datetime, limit: int) -> Glance:
        """Return *limit* notable entries of each kind, events *since* then, and what is due after *at*."""

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
    async def find_ids(self, text: str, by: By, *, limit: int = 20) -> Sequence[str]:
        """Return ids of entries.

        - RUN: those that had a run of this uuid, short id or ARN, in any attempt, in order. A short id may
          have several: the service reuses it once its run was deleted.
        - BEGINNING: up to *limit* that begin with *text*, in order, by code point.
        - LIKENESS: some that *text*, which is no id, may be a misspelling of, in no order: a few each of its
          neighbours in the order of ids, of ids that contain it in either case, and of those that differ from
          it in one character, or in the zeros before a number.
        """

    @abstractmethod
    async def ended_runs(self, *, limit: int, after: tuple[int, int] = (-1, 0)) -> Sequence[EndedRun]:
        """Return up to *limit* runs that have ended, by (position, attempt), above *after*.

        Runs of earlier attempts, and runs that were removed before their end was seen, are included.
        """

    @abstractmethod
    async def failures(self, *, limit: int) -> Sequence[Failures]:
        """Return the entries that ended without success by state and reason, the most frequent first.

        Each group counts all of its entries, and has the first *limit* of them by position and the reasons
        why tasks of their runs failed, at most 50, those with most rows.
        """

    @abstractmethod
    async def failed_tasks(self, ids: Collection[str]) -> Mapping[str, Mapping[int, FailedTasks]]:
        """Return these entries' failed tasks, by id and attempt, where they were asked for."""

    @abstractmethod
    async def cancellations(self, *, limit: int, after: int = -1) -> Sequence[Cancellation]:
        """Return up to *limit* entries that are still to be cancelled, by position, above *after*.

        These are PLANNED and BACKOFF entries, and with the scope RUN also SUBMITTING and ACTIVE ones.
        """
