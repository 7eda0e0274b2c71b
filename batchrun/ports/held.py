"""The contract of a held batch: what only its launcher may write.

What ``ports.ledger`` guarantees holds for each method. Does not belong here: reading without a lease
(``batch``), its submissions and proofs (``submissions``, ``proofs``), any storage.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from batchrun.ports.batch import StoredBatch

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from batchrun.model.entries.entry import Entry
    from batchrun.model.planning.limits import Changed
    from batchrun.model.spec import Spec
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.proofs import Proofs
    from batchrun.ports.stored import FailedRun, LanePlace, Lease, Sync, TakenFrom, Transition
    from batchrun.ports.submissions import HeldSubmissions


class HeldBatch(StoredBatch):
    """A batch that only this launcher may write to, until it is released or taken over.

    *Fenced*: each method that writes raises :class:`~batchrun.errors.LeaseLostError` and writes nothing once
    another launcher has claimed the batch, or it was released. An expired lease still writes until then.
    """

    lease: Lease  #: as it was last renewed
    submissions: HeldSubmissions
    proofs: Proofs

    @abstractmethod
    async def renew(self, *, ttl: timedelta, at: datetime) -> Lease:
        """Extend the lease until *at* + *ttl*. Raises LeaseLostError."""

    @abstractmethod
    async def release(self) -> None:
        """Release the batch; does nothing where the lease was lost or released already."""

    @abstractmethod
    def hurry(self, seconds: float) -> None:
        """From now on wait at most *seconds* for a database that is unreachable.

        What cannot be written then raises LedgerError. It applies to everything that uses this ledger.
        """

    @abstractmethod
    async def sync(
        self,
        specs: Iterable[Spec],
        *,
        changed: Changed,
        at: datetime,
        place: str | None = None,
        taken_from: TakenFrom | None = None,
        home: str | None = None,
    ) -> Sync:
        """Take the manifest into the batch, in one transaction.

        New rows become PLANNED entries; known rows take the manifest's position; entries that the manifest
        does not name are marked as gone, and come back when it names them again. A row is *changed* when its
        content differs from ``Entry.content``. A changed row that was neither sent nor cancelled takes the
        new content (a ``Revised`` event) whatever *changed* says; otherwise KEEP leaves it, marked by
        ``Entry.is_changed`` while it differs, and RESUBMIT applies ``Revised``. *place*, if given, is stored.

        *taken_from* are the files that *specs* follow from. If the batch was last taken in from the same, and
        no row was changed or gone, *specs* are not looked at: all are unchanged.

        A row that was sent is in one lane: while it asks for the same there, other lanes on offer do not
        count as a change, and its new content applies to later attempts, without an event. *home* is the lane
        of rows that were sent before the manifest had lanes. *specs* is iterated as ``ports.ledger`` says.

        Raises:
            ChangedRowsError: *changed* is REFUSE and rows that were sent have changed; nothing is written.
            RenamedRowsError: *changed* is not RESUBMIT and rows that were sent have other ids; likewise.
        """

    @abstractmethod
    async def sync_if_known(
        self,
        specs: Iterable[Spec],
        *,
        at: datetime,
        place: str | None = None,
        taken_from: TakenFrom | None = None,
    ) -> Sync | None:
        """Take the manifest in as :meth:`sync` does, unless a row is new or changed: then write nothing.

        Returns None then. So a launch that may have nothing to do compares its rows only once.
        """

    @abstractmethod
    async def record(self, steps: Sequence[Transition]) -> None:
        """Add the steps' events to the history and make their entries current, in one transaction.

        Steps of one entry apply in order. An entry's attempt is kept when a later one begins. The position
        and ``is_changed`` stay as the manifest last set them, whatever the step's entry says; a run that was
        found with other content (``OTHER_CONTENT``) marks its attempt too. An unknown account of a lane, or
        of the batch, becomes that of the first run in the lane, or in none.

        Raises:
            InvariantError: The batch has no such entry, its attempt is not the stored one or the next, or the
                lane of an attempt that was intended is another.
        """

    @abstractmethod
    async def keep_lane(self, name: str, *, region: str, account: str | None, at: datetime) -> LanePlace:
        """Return the lane, created if the batch does not have it. Safe to repeat.

        *region*, and *account* if given, become the lane's while it cannot have a run yet. What was looked up
        elsewhere is forgotten then.
        """

    @abstractmethod
    async def has_started(
        self, *, since: datetime, lane: str | None, uses: Mapping[str, str | None] | None = None
    ) -> bool:
        """Report whether rows of the lane were started since then; runs that were found do not count.

        *uses*: only rows whose requests have these fields, None for one that is not there.
        """

    @abstractmethod
    async def unsent_alike(
        self, *, lanes: Sequence[str], uses: Mapping[str, str | None], code: str, are_all: bool, limit: int
    ) -> int:
        """Return how many rows that may take exactly these lanes use the same, up to *limit*.

        They are to be sent or settled. *uses* are fields of their requests, None for one that is not there.
        Their last error has *code*, unless *are_all* count.
        """

    @abstractmethod
    async def keep_tasks(self, found: Mapping[int, FailedTasks], *, at: datetime) -> None:
        """Store failed tasks by their run's number; stored ones stay. Raises LeaseLostError.

        Numbers that are not the batch's are ignored.
        """

    @abstractmethod
    async def due(
        self,
        *,
        at: datetime,
        limit: int,
        skip: Collection[str] = (),
        horizon: datetime | None = None,
        lanes: tuple[str, ...] | None = None,
        shape: str | None = None,
    ) -> Sequence[Entry]:
        """Return up to *limit* entries that may be sent now, in manifest order: PLANNED, and BACKOFF if due.

        A PLANNED entry without a time is always due, and so is one due later than *horizon*: no wait is that
        long, so a clock that was ahead set the time.

        Leaves out entries that the manifest no longer names, those to be cancelled, and the ids in *skip*.
        With *lanes*, one of :meth:`choices`, only entries that may take exactly these are returned. With a
        *shape*, only those that have it and may take exactly *lanes*; without *lanes* none.
        """

    @abstractmethod
    async def next_due(
        self, *, after: datetime, lanes: tuple[str, ...] | None = None, shape: str | None = None
    ) -> datetime | None:
        """Return when the next PLANNED or BACKOFF entry becomes due, later than *after*, or None.

        Leaves out entries that the manifest no longer names; *lanes* and *shape* are as for :meth:`due`.
        """

    @abstractmethod
    async def choices(self) -> Sequence[tuple[str, ...]]:
        """Return the distinct ``Entry.may_take`` of PLANNED and BACKOFF entries that the manifest names."""

    @abstractmethod
    async def unasked(self, *, limit: int, after: int = -1) -> Sequence[FailedRun]:
        """Return up to *limit* failed runs numbered above *after* whose tasks are not stored, by number."""

    @abstractmethod
    async def was_changed(self) -> bool:
        """Report whether others have written to the ledger since the last call for this batch."""
