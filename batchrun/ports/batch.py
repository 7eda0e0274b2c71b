"""
The contracts of one batch that needs no lease: to read, and to ask things of its holder.

``ports.ledger`` says what holds for every method. Belongs here: the contracts. Does not: any storage, the
values that cross (``stored``), what its holder may write (``held``).
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.model.entries.entry import Entry, Run
    from batchrun.model.entries.states import State
    from batchrun.model.notices import Notice
    from batchrun.model.planning.cancelling import Cancellation, Scope
    from batchrun.model.spec import Spec
    from batchrun.model.submissions.submission import OpenSubmission, Submission, Waiting
    from batchrun.model.tasks import FailedTasks
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
    )


_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenResults:
    """A file of results as it was written."""

    place: str  #: its absolute path
    form: str  #: by which batchrun, and how
    digest: bytes  #: of all that is in it: 32 bytes
    event: int  #: the batch's newest that is in it


class StoredBatch(ABC):
    """
    A batch as it is stored: to read, and to ask things of its holder. No method needs a lease.

    Answers come from what is recorded, at once; writing is not held up meanwhile. Of a batch that the
    ledger does not have everything is empty.
    """

    name: str

    @abstractmethod
    async def holder(self, *, at: datetime) -> Lease | None:
        """Return the lease that holds the batch at *at*; None where it can be held."""

    @abstractmethod
    async def why_closed(self) -> str | None:
        """Say where the batch is to be worked on instead: it is closed here. None where it is not."""

    @abstractmethod
    async def lanes(self) -> Sequence[LanePlace]:
        """Return the batch's lanes in the order in which they were first kept; none where it has none."""

    @abstractmethod
    async def compare(self, specs: Iterable[Spec], *, home: str | None = None) -> Sync:
        """
        Say how the manifest differs from the batch, which need not exist. Writes nothing.

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
    async def earlier(self, entry_id: str) -> Sequence[PastAttempt]:
        """Return the entry's attempts before its current one, oldest first."""

    @abstractmethod
    async def known_runs(self, uuids: Collection[str], *, lane: str | None = None) -> frozenset[str]:
        """
        Return those of *uuids* that are runs of the batch's entries, of earlier attempts too.

        Where *lane* is given, of attempts in it, and of those that have none.
        """

    async def pages_in(self, *states: State) -> AsyncIterator[Sequence[Entry]]:
        """Go through the entries in *states*, state by state, as :meth:`in_state` has them, by pages."""
        for state in states:
            after = -1
            while page := await self.in_state(state, limit=_PAGE, after=after):
                yield page
                after = page[-1].position

    @abstractmethod
    async def in_state(self, state: State, *, limit: int, after: int = -1) -> Sequence[Entry]:
        """
        Return up to *limit* entries in *state* with a position above *after*, by position.

        Entries that left the manifest are included; every entry has a position of its own.
        """

    @abstractmethod
    def outcomes(self) -> AsyncIterator[Outcome]:
        """
        Go through the batch for its results: manifest order, then entries that left it but were sent.

        Reads one consistent state, in pages; memory does not grow with the batch.

        Raises:
            SnapshotLostError: That state cannot be read to its end; it is to be begun again, with another.
        """

    @abstractmethod
    async def changed(self, *, after: int, upto: int) -> Sequence[Outcome]:
        """
        Return the outcomes, as they are now, that events numbered above *after* and up to *upto* are of.

        The numbers are those of :meth:`Ledger.newest_event`. What a manifest changes without an event
        (rows that are new) is not among them. Takes as long as there are events between the two.
        """

    @abstractmethod
    async def history(self, entry_id: str) -> Sequence[tuple[datetime, int, str, str]]:
        """
        Return the entry's events as (at, attempt, kind, detail), oldest first.

        *attempt* is the one that the event led to. *detail* is JSON text: the event's fields, with a request
        told by its digest, and with the requestId where the attempt was intended.
        """

    @abstractmethod
    async def glance(self, *, since: datetime, at: datetime, limit: int) -> Glance:
        """Return what stands out: *limit* entries of each kind, events since then, what is due after *at*."""

    @abstractmethod
    async def latest_runs(
        self, which: Latest, *, limit: int, lane: str | None = None, is_home: bool = False
    ) -> Sequence[Run]:
        """
        Return up to *limit* runs; those that were deleted on request not at all.

        Where *lane* is given, those of its attempts alone, and with *is_home* those of attempts without one.

        Of the entries' current attempts the one accepted last comes first, and those taken for gone last. Of
        those that were seen to end those that are COMPLETED come first, and of these the one sent last.
        """

    @abstractmethod
    async def find_ids(self, text: str, by: By, *, limit: int = 20) -> Sequence[str]:
        """
        Return ids of entries.

        - RUN: those that had a run of this uuid, short id or ARN, in any attempt, in order. Of a short id
          there may be several: the service gives it again once its run was deleted.
        - BEGINNING: up to *limit* that begin with *text*, in order, by code point.
        - LIKENESS: some that *text*, which is none, may have been meant to be, in no order: a few each of its
          neighbours in the order of ids, of ids that contain it in whatever case, and of those that differ
          from it in one character.
        """

    @abstractmethod
    async def ended_runs(self, *, limit: int, after: tuple[int, int] = (-1, 0)) -> Sequence[EndedRun]:
        """
        Return up to *limit* runs that have ended by (position, attempt), above *after*.

        Those of earlier attempts and those that were removed before their end was seen are among them.
        """

    @abstractmethod
    async def failures(self, *, limit: int) -> Sequence[Failures]:
        """
        Return the entries that ended without success by state and reason, the most frequent first.

        Each group counts all of its entries, has the first *limit* of them by position, and says why tasks of
        their runs failed; of very many such reasons (50) those of most rows.
        """

    @abstractmethod
    async def failed_tasks(self, ids: Collection[str]) -> Mapping[str, Mapping[int, FailedTasks]]:
        """Return these entries' failed tasks, by id and attempt, where they were asked for."""

    @abstractmethod
    async def cancellations(self, *, limit: int, after: int = -1) -> Sequence[Cancellation]:
        """
        Return up to *limit* entries for which something is left to do, by position, above *after*.

        These are PLANNED and BACKOFF entries, and with the scope RUN also SUBMITTING and ACTIVE ones.
        """

    # -- its submissions

    @abstractmethod
    async def open_submissions(self) -> Sequence[OpenSubmission]:
        """
        Return the submissions that are not OVER, oldest first, each with the rows that wait for it.

        A row waits for the submission by which it was intended last; one that was intended by itself since
        waits for none. A submission for which no row waits is among them: it is to be closed.
        """

    @abstractmethod
    async def count_waiting(self) -> Sequence[Waiting]:
        """Count the rows of :meth:`open_submissions`, by the standing of these; without those of no rows."""

    @abstractmethod
    async def submission(self, request_id: str) -> Submission | None:
        """Return the batch's submission of that requestId, or None."""

    @abstractmethod
    async def last_submission(self, entry_id: str, attempt: int) -> Submission | None:
        """Return the submission by which the attempt went last; None where it went by itself, or not yet."""

    @abstractmethod
    async def has_wanted_runs(self, request_id: str) -> bool:
        """Report whether an attempt that went by it has a run, not ended, which is not to be cancelled."""

    @abstractmethod
    async def submission_count(self) -> int:
        """Count the batch's submissions, those that are OVER too."""

    @abstractmethod
    async def entries(self, ids: Collection[str]) -> Mapping[str, Entry]:
        """Return many entries at once, by position; ids that the batch does not have are left out."""

    # -- which results were written where

    @abstractmethod
    async def newest_told(self) -> int:
        """Return the number of the newest event of the batch's entries; 0 where there is none."""

    @abstractmethod
    async def written_results(self, place: str) -> WrittenResults | None:
        """
        Return what was written to *place* last; None where a manifest has changed it since.

        Where ``event`` is :meth:`newest_told`, the same results would be written again.
        """

    @abstractmethod
    async def keep_written(self, written: WrittenResults) -> None:
        """Remember results; ``event`` is what :meth:`newest_told` was before they were read."""

    # -- what people ask of it, beside its holder

    @abstractmethod
    async def retry(
        self, ids: Collection[str], *, at: datetime, why: str, duplicates: bool = False
    ) -> Sequence[str]:
        """
        Start a new attempt of each of *ids* that has ended without success, in one transaction.

        It asks for what the last one asked for; with *duplicates*, for a copy of the last one's run, in the
        same lane, and what has no run, or one that was removed, is skipped. After a copy it is the
        manifest's content again.

        The holder of the batch works on what has not ended. Ids that are unknown, go on or
        have succeeded are skipped.

        Returns:
            The ids that got a new attempt.
        """

    @abstractmethod
    async def give_back(self, runs: Collection[Run], *, at: datetime) -> Sequence[str]:
        """
        Return entries that are DELETED back to *runs*, just seen at the service, in one transaction.

        What has ended is left alone, and the holder of the batch watches what has not.
        Runs that are not an entry's current attempt, or whose entry is not DELETED, are skipped.

        Returns:
            The ids of the entries whose runs are there after all.
        """

    @abstractmethod
    async def ask_to_cancel(self, ids: Collection[str] | None, *, scope: Scope, at: datetime) -> int:
        """
        Ask for entries that have not ended to be cancelled: *ids*, or all of them.

        Rows that left the manifest before they were sent are skipped: they are not sent anyway. What was
        asked for goes further with a wider scope, never back; a new attempt that people ask for
        (:meth:`retry`, RESUBMIT) takes it back.

        Returns:
            How many entries are to be cancelled that were not before.
        """

    @abstractmethod
    async def tell(self, notice: Notice, *, at: datetime) -> bool:
        """
        Note that *notice* is sent for the batch, and say whether it was not noted before.

        It is one of :data:`~batchrun.model.notices.NOTED`.

        Of several launches that ask at once, one gets True.
        """

    @abstractmethod
    async def forget(self, *, but: Collection[Notice]) -> None:
        """Take the notes of all notices *but* these back, so that they may be sent again."""
