"""
The contract of a batch that is held: what its launcher alone may write.

``ports.ledger`` says what holds for every method. Belongs here: that contract. Does not: reading and
asking without a lease (``batch``), any storage.
"""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from batchrun.ports.batch import StoredBatch

if TYPE_CHECKING:
    from datetime import datetime, timedelta

    from batchrun.clock import Origin
    from batchrun.model.entries.entry import Entry
    from batchrun.model.planning.limits import Changed
    from batchrun.model.spec import Spec
    from batchrun.model.submissions.grouping import Choice
    from batchrun.model.submissions.submission import Submission
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.stored import FailedRun, LanePlace, Lease, Sync, Transition, Unproven


class HeldBatch(StoredBatch):
    """
    A batch that this launcher alone may write to, until it is released or taken over.

    *Fenced*: each method that writes raises :class:`~batchrun.errors.LeaseLostError` and writes nothing when
    the batch has been claimed by another since, or was released. An expired lease still writes until another
    takes it over.
    """

    lease: Lease  #: as it was last renewed

    @abstractmethod
    async def renew(self, *, ttl: timedelta, at: datetime) -> Lease:
        """Hold on to the batch until *at* + *ttl*. Raises LeaseLostError."""

    @abstractmethod
    async def release(self) -> None:
        """Release the batch. Does nothing when the lease was lost or released already."""

    @abstractmethod
    def hurry(self, seconds: float) -> None:
        """
        Wait no longer than so many seconds from now for a ledger's database that is away.

        What cannot be written then raises LedgerError; this holds for all that uses the ledger from here.
        """

    @abstractmethod
    async def sync(
        self,
        specs: Iterable[Spec],
        *,
        changed: Changed,
        at: datetime,
        place: str | None = None,
        home: str | None = None,
    ) -> Sync:
        """
        Take the manifest into the batch, in one transaction.

        New rows become PLANNED entries; known rows take the manifest's position; entries that the manifest
        does not name are marked as gone, and come back when it names them again. A row is *changed* when its
        content differs from ``Entry.content``. A changed row that was neither sent nor
        cancelled takes the new content (a ``Revised`` event) whatever *changed* says; otherwise KEEP leaves
        it, marked by ``Entry.is_changed`` for as long as it differs, and RESUBMIT applies ``Revised``.
        *place*, where there is one, becomes the batch's.

        A row that was sent is in one lane: for as long as it asks for the same there, it is not changed by
        other lanes that are offered, and takes its content over without an event, for attempts to come.
        *home* is the lane of rows that were sent before the manifest had lanes.

        *specs* is gone through as ``ports.ledger`` says.

        Raises:
            ChangedRowsError: *changed* is REFUSE and rows that were sent have changed; nothing is written.
        """

    @abstractmethod
    async def sync_if_known(
        self, specs: Iterable[Spec], *, at: datetime, place: str | None = None
    ) -> Sync | None:
        """
        Take the manifest in as :meth:`sync` does, where none of its rows is new or changed.

        Else return None, and write nothing: a launch that may have nothing to do compares its rows once.
        """

    @abstractmethod
    async def record(self, steps: Sequence[Transition]) -> None:
        """
        Add the steps' events to the history and make their entries current, in one transaction.

        Steps of one entry apply in order. An entry's attempt is kept when a later one begins. The position
        and ``is_changed`` stay as the manifest last set them, whatever the step's entry says; a run that was
        found with other content (``OTHER_CONTENT``) marks its attempt too. Where the account of a lane is not
        known, or that of the batch, the first run there, or in no lane, that names one says it.

        Raises:
            InvariantError: The batch has no such entry, its attempt is not the stored one or the next, or the
                lane of an attempt that was intended is another.
        """

    @abstractmethod
    async def keep_lane(self, name: str, *, region: str, account: str | None, at: datetime) -> LanePlace:
        """
        Return the lane, made now if the batch does not have it. Safe to repeat; the first region stays.

        Where *account* is given, the lane's becomes that, for as long as no run of it can be anywhere.
        """

    @abstractmethod
    async def bind_proofs(self, origin: Origin) -> None:
        """
        Forget the batch's proofs unless they were stamped by the clock that has this *origin*.

        And when submissions that are not OVER were sent.

        Called before proofs are read or written, and again when the clock's origin has moved: how old a proof
        is, only the clock that stamped it can say.
        """

    @abstractmethod
    async def forget_proofs(self) -> None:
        """Forget all of the batch's proofs: something may have started runs since, unseen."""

    @abstractmethod
    async def begin_survey(self, *, since: datetime, at: datetime) -> Mapping[str | None, Unproven]:
        """
        Mark those entries as being looked for, and return what to look for in each lane that one may take.

        Under None stands what has no lane. What becomes an entry to be sent later, or asks for another name
        or for more lanes meanwhile, is not marked.
        """

    @abstractmethod
    async def end_survey(
        self,
        *,
        at: datetime,
        calls: Mapping[str | None, int],
        besides: Collection[str] = (),
        unreached: Collection[str | None] = (),
    ) -> None:
        """
        Keep *at*, when the survey began, as the proof of the entries that are marked still.

        Args:
            at: The clock's latest time when the look began.
            calls: Calls that the whole listing took, by lane; without those where it was not gone through.
            besides: Entries whose runs were seen, and not taken over: they get no proof.
            unreached: Lanes that were not looked at to the end: what may be sent there gets no proof.
        """

    @abstractmethod
    async def keep_tasks(self, found: Mapping[int, FailedTasks], *, at: datetime) -> None:
        """
        Keep what was found, by the failed run's number; what is kept already stays. Raises LeaseLostError.

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
        """
        Return up to *limit* entries that may be sent now, in manifest order: PLANNED, and BACKOFF if due.

        A PLANNED entry without a time is always due, and so is what is due later than *horizon*: nothing
        waits so long, so a clock that was ahead has set that time.

        Leaves out what the manifest does not name any more, what is to be cancelled, and the ids in *skip*.
        Where *lanes* are given, one of :meth:`choices`, only entries that may take just these are returned.
        Where a *shape* is given, only those for which that is kept, and which may take just the *lanes*; none
        where these are left out.
        """

    @abstractmethod
    async def next_due(
        self, *, after: datetime, lanes: tuple[str, ...] | None = None, shape: str | None = None
    ) -> datetime | None:
        """
        Say when the next PLANNED or BACKOFF entry becomes due, later than *after*; None where there is none.

        Leaves out what the manifest does not name any more, and what *lanes* and *shape* leave out, as
        :meth:`due` does.
        """

    @abstractmethod
    async def choices(self) -> Sequence[tuple[str, ...]]:
        """Return each ``Entry.may_take`` of PLANNED and BACKOFF entries that the manifest names."""

    @abstractmethod
    async def unasked(self, *, limit: int, after: int = -1) -> Sequence[FailedRun]:
        """Return up to *limit* failed runs numbered above *after* whose tasks were not kept, by number."""

    @abstractmethod
    async def was_changed(self) -> bool:
        """Report whether somebody else has written to the ledger since this was last asked for *batch*."""

    # -- its submissions

    @abstractmethod
    async def intend_together(self, submission: Submission, steps: Sequence[Transition]) -> None:
        """
        Keep a new submission and its rows, and record the steps, each an ``Intended``, in one transaction.

        Raises:
            InvariantError: It is not the steps' submission (batch, lane, number of rows), there was one of
                its requestId or name already, or a step cannot be recorded.
        """

    @abstractmethod
    async def keep_submission(self, submission: Submission) -> None:
        """
        Keep where the submission stands, and what the service said of it; its request no more once OVER.

        Raises:
            InvariantError: The batch has no such submission, it was OVER or TAKEN before and would go back,
                or it would be OVER while a row waits for it.
        """

    @abstractmethod
    async def unshaped(self, *, limit: int, after: int = -1) -> Sequence[Entry]:
        """
        Return up to *limit* entries for which no shape is kept, with a position above *after*, by position.

        These are PLANNED and BACKOFF entries that the manifest names.
        """

    @abstractmethod
    async def keep_shapes(self, shapes: Mapping[str, str]) -> None:
        """
        Keep what tells which rows may share a submission, by id; short, a digest rather than a request.

        It is forgotten where an entry's request, offers, lane or attempt become others. Ids that the batch
        does not have are ignored.
        """

    @abstractmethod
    async def shaped_choices(self) -> Sequence[Choice]:
        """
        Count what is to be sent by lanes and shape, in the order of these: PLANNED and BACKOFF entries.

        Leaves out what the manifest does not name any more, what is to be cancelled, and what has no shape.
        """
