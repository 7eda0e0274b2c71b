"""
The ledger's contract: what is durable when, what is atomic, what happens on cancellation.

Belongs here: the contract and the values that cross it. Does not: any storage. Every implementation is
held to what the docstrings say by ``tests/ledger/conformance.py``.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Self

from batchrun.model.states import HOLDS_SLOT, OPEN, State
from batchrun.ports.cancelling import CancellingLedger
from batchrun.ports.failed_runs import FailedRuns
from batchrun.ports.namesakes import Namesakes
from batchrun.ports.proofs import Proofs
from batchrun.ports.standing import Standing
from batchrun.ports.usages import Usages

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Collection, Iterable, Mapping, Sequence
    from datetime import datetime, timedelta
    from pathlib import Path
    from types import TracebackType

    from batchrun.model.entry import Entry, Run
    from batchrun.model.events import Event
    from batchrun.model.limits import Changed
    from batchrun.model.notices import Notice
    from batchrun.model.pace import Learned
    from batchrun.model.spec import Spec
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.lease import Lease


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One launch of a manifest."""

    name: str  #: unique in its ledger
    region: str  #: where its runs live; run ids mean nothing elsewhere
    created_at: datetime
    account: str | None = None  #: whose its runs are, 12 digits; None where it is not known
    place: str | None = None  #: absolute path of the manifest last taken in; None where it is not known


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One event and the entry that it led to: recorded together or not at all."""

    event: Event
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """How a manifest differs from what its batch holds. Ids are samples of at most 20, counts are exact."""

    rows: int = 0
    new: int = 0
    unchanged: int = 0
    changed: int = 0
    changed_ids: tuple[str, ...] = ()
    gone: int = 0  #: entries that the manifest does not name any more; they stay in the ledger
    gone_ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """
    How many entries stand where.

    Rows that left the manifest do not count while they are PLANNED or BACKOFF: they will not be sent.

    ``by_status`` splits ACTIVE by the run's own status, so that queued can be told from running. ``changed``
    counts all rows whose runs have other content than the manifest has now.
    """

    by_state: Mapping[State, int] = field(default_factory=dict)
    by_status: Mapping[str, int] = field(default_factory=dict)
    changed: int = 0

    @property
    def total(self) -> int:
        """All entries that count."""
        return sum(self.by_state.values())

    @property
    def open(self) -> int:
        """Entries with work left."""
        return sum(self.by_state.get(state, 0) for state in OPEN)

    @property
    def slots(self) -> int:
        """Runs that are, or may be, active at the service."""
        return sum(self.by_state.get(state, 0) for state in HOLDS_SLOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """An attempt as the results show it."""

    attempt: int
    request_id: str
    intended_at: datetime | None = None
    run: Run | None = None
    code: str | None = None
    message: str | None = None
    request: str | None = None  #: canonical, as it was sent


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An entry and every earlier attempt of it: what a results row is made from."""

    entry: Entry
    earlier: tuple[PastAttempt, ...] = ()
    tasks: Mapping[int, FailedTasks] = field(default_factory=dict)  #: by attempt; for whoever asked for them


class Ledger(Standing, FailedRuns, CancellingLedger, Usages, Namesakes, Proofs):
    """
    Every batch's entries, their history, and who may write.

    For every method that writes:

    - *Durable on return*: what it wrote survives a power cut (SQLite: ``synchronous=FULL``).
    - *Atomic*: all of it is written or none, whatever is raised.
    - *On cancellation*: a call that has begun is finished in the background of the cancelled task, whole;
      the cancellation is delivered after that. No transaction is ever left open.
    - *Fenced*: a method that takes a lease raises :class:`~batchrun.errors.LeaseLostError` and writes nothing
      when the batch has been claimed by another since, or the lease was released. An expired lease that
      nobody took over still writes.

    Errors: :class:`~batchrun.errors.LedgerError` for a disk that fails. Times are aware and in UTC.
    Concurrent calls are allowed and run one after the other. Other processes may read, and may write to other
    batches, at any time.
    """

    path: Path | None = None  #: the file that it is, and which no output may replace

    @abstractmethod
    async def open_batch(self, name: str, *, region: str, account: str | None = None, at: datetime) -> Batch:
        """
        Return the batch, made now if the ledger does not have it. Safe to repeat; the first region stays.

        Where *account* is given, the batch's becomes that, for as long as no run of it can be anywhere.
        """

    @abstractmethod
    async def find_batch(self, name: str) -> Batch | None:
        """Return the batch, or None."""

    @abstractmethod
    async def batches(self) -> Sequence[Batch]:
        """Return every batch, newest first."""

    @abstractmethod
    async def claim(self, batch: str, *, holder: str, ttl: timedelta, at: datetime) -> Lease:
        """
        Take the batch for *ttl*, with a fence of one more than the last.

        Taken over at once: a lease that was released, that ran out, or whose launcher is known to be dead (it
        ran on this host and its process has gone).

        Raises:
            LeaseHeldError: Another launcher holds it; says who, and until when.
        """

    @abstractmethod
    async def renew(self, lease: Lease, *, ttl: timedelta, at: datetime) -> Lease:
        """Hold on to the batch until *at* + *ttl*. Raises LeaseLostError."""

    @abstractmethod
    async def release(self, lease: Lease) -> None:
        """Release the batch. Does nothing when the lease was lost or released already."""

    @abstractmethod
    async def holder(self, batch: str, *, at: datetime) -> Lease | None:
        """Return the lease that holds the batch at *at*; None where :meth:`claim` would succeed."""

    @abstractmethod
    async def compare(self, batch: str, specs: Iterable[Spec]) -> Sync:
        """Say how the manifest differs from the batch, which need not exist. Writes nothing."""

    @abstractmethod
    async def sync(
        self,
        lease: Lease,
        specs: Iterable[Spec],
        *,
        changed: Changed,
        at: datetime,
        place: str | None = None,
    ) -> Sync:
        """
        Take the manifest into the batch, in one transaction.

        New rows become PLANNED entries; known rows take the manifest's position; entries that the manifest
        does not name are marked as gone, and come back when it names them again. A row is *changed* when its
        request differs from ``Entry.content``. A changed row that was neither sent nor
        cancelled takes the new content (a ``Revised`` event) whatever *changed* says; otherwise KEEP leaves
        it, marked by ``Entry.is_changed`` for as long as it differs, and RESUBMIT applies ``Revised``.
        *place*, where there is one, becomes the batch's.

        *specs* is consumed in the ledger's own thread and must not touch the event loop.

        Raises:
            ChangedRowsError: *changed* is REFUSE and rows that were sent have changed; nothing is written.
        """

    @abstractmethod
    async def record(self, lease: Lease, steps: Sequence[Step]) -> None:
        """
        Add the steps' events to the history and make their entries current, in one transaction.

        Steps of one entry apply in order. An entry's attempt is kept when a later one begins. The position
        and ``is_changed`` stay as the manifest last set them, whatever the step's entry says; a run that was
        found with other content (``OTHER_CONTENT``) marks its attempt too. Where the batch's account is not
        known, the first run that names one tells it.

        Raises:
            InvariantError: The batch has no such entry, or its attempt is not the stored one or the next.
        """

    @abstractmethod
    async def retry(
        self, batch: str, ids: Collection[str], *, at: datetime, why: str, duplicates: bool = False
    ) -> Sequence[str]:
        """
        Start a new attempt of each of *ids* that has ended without success, in one transaction.

        It asks for what the last one asked for; with *duplicates*, for a copy of the last one's run, and what
        has no run, or one that was removed, is passed over. After a copy it is the manifest's content again.

        Needs no lease: whoever holds the batch works on what has not ended. Ids that are unknown, go on or
        have succeeded are passed over.

        Returns:
            The ids that got a new attempt.
        """

    @abstractmethod
    async def give_back(self, batch: str, runs: Collection[Run], *, at: datetime) -> Sequence[str]:
        """
        Return entries that are DELETED back to *runs*, just seen at the service, in one transaction.

        Needs no lease: nobody works on what has ended, and whoever holds the batch watches what has not.
        Runs that are not an entry's current attempt, or whose entry is not DELETED, are passed over.

        Returns:
            The ids of the entries whose runs are there after all.
        """

    @abstractmethod
    async def was_changed(self, batch: str) -> bool:
        """Report whether somebody else has written to the ledger since this was last asked for *batch*."""

    @abstractmethod
    async def due(
        self,
        batch: str,
        *,
        at: datetime,
        limit: int,
        skip: Collection[str] = (),
        horizon: datetime | None = None,
    ) -> Sequence[Entry]:
        """
        Return up to *limit* entries that may be sent now, in manifest order: PLANNED, and BACKOFF if due.

        A PLANNED entry without a time is always due, and so is what is due later than *horizon*: nothing
        waits so long, so a clock that was ahead has set that time.

        Leaves out what the manifest does not name any more, what is to be cancelled, and the ids in *skip*.
        """

    @abstractmethod
    async def next_due(self, batch: str, *, after: datetime) -> datetime | None:
        """
        Say when the next PLANNED or BACKOFF entry becomes due, later than *after*; None where there is none.

        Leaves out what the manifest does not name any more, as :meth:`due` does.
        """

    @abstractmethod
    async def in_state(self, batch: str, state: State, *, limit: int, after: int = -1) -> Sequence[Entry]:
        """
        Return up to *limit* entries in *state* with a position above *after*, by position.

        Entries that left the manifest are included; every entry has a position of its own.
        """

    @abstractmethod
    async def entry(self, batch: str, entry_id: str) -> Entry | None:
        """Return one entry, or None."""

    @abstractmethod
    async def earlier(self, batch: str, entry_id: str) -> Sequence[PastAttempt]:
        """Return the entry's attempts before its current one, oldest first."""

    @abstractmethod
    async def known_runs(self, batch: str, uuids: Collection[str]) -> frozenset[str]:
        """Return those of *uuids* that are runs of the batch's entries, of earlier attempts too."""

    @abstractmethod
    async def counts(self, batch: str) -> Counts:
        """Count the batch's entries."""

    @abstractmethod
    def outcomes(self, batch: str) -> AsyncIterator[Outcome]:
        """
        Go through the batch for its results: manifest order, then entries that left it but were sent.

        Reads one consistent state, in pages; memory does not grow with the batch.
        """

    @abstractmethod
    async def paces(self, account: str, *, since: datetime) -> Mapping[str, Learned]:
        """Return what was learned of the account's paces at *since* or later, by operation."""

    @abstractmethod
    async def keep_paces(self, account: str, learned: Mapping[str, Learned], *, at: datetime) -> None:
        """Keep what was learned; the last word stays, whichever batch it comes from. Needs no lease."""

    @abstractmethod
    async def told(self, batch: str) -> frozenset[Notice]:
        """Return what was told of the batch and not forgotten since."""

    @abstractmethod
    async def tell(self, batch: str, notice: Notice, *, at: datetime) -> bool:
        """
        Note that *notice* is told of the batch, and say whether it was not noted before. Needs no lease.

        Of several launches that ask at once, one gets True.
        """

    @abstractmethod
    async def forget(self, batch: str, notices: Collection[Notice]) -> None:
        """Take the notes of *notices* back, so that they may be told anew. Needs no lease."""

    @abstractmethod
    async def close(self) -> None:
        """Close; safe to repeat. No other method may be called after it."""

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.close()
