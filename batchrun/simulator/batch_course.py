"""When batches change state, and how the service starts, cancels and deletes the runs of their rows.

As with runs, nothing happens by itself: each call first catches up with the time. Rows are submitted one by
one, at the account's rate; several batches take turns. A row without a token waits for the next one; if a
caller's own StartRun takes that, the row is throttled, and retried later, a few times. So either side can be
throttled, as with the service. Which refusals are temporary follows the guide: throttling, timeouts and
errors of the service are retried, a full quota is waited for, all others are final. Does not belong here:
what callers may ask for (``batch_operations``).
"""

from __future__ import annotations

import heapq
import math
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from typing import Any

from batchrun.simulator.batches import Account, Batch, BatchShelf, Row, start_of
from batchrun.simulator.chance import draw
from batchrun.simulator.faults import RowFault
from batchrun.simulator.lifecycle import BatchStatus, Span, SubmissionStatus
from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.runs import Run

#: An action that is due; takes its loop time.
Deed = Callable[[float], None]


class BatchCourse:
    """Moves batches, and the runs of their account, through their states."""

    def __init__(self, account: Account, shelf: BatchShelf) -> None:
        """Begin without batches; it also moves the runs of *account*, so that all happens in order."""
        self._account = account
        self._settings = account.settings
        self._shelf = shelf
        self._agenda = Agenda()
        self._submission = Submission(
            account=account, agenda=self._agenda, settled=self._finish, fail=self._fail
        )
        self._cancelling = Sweep(
            account=account,
            agenda=self._agenda,
            operation="CancelRun",
            fault="CancelRow",
            act=account.cancel,
            good=SubmissionStatus.CANCEL_SUCCESS,
            bad=SubmissionStatus.CANCEL_FAILED,
            over=self._note_cancelled,
        )
        self._deleting = Sweep(
            account=account,
            agenda=self._agenda,
            operation="DeleteRun",
            fault="DeleteRow",
            act=account.delete,
            good=SubmissionStatus.DELETE_SUCCESS,
            bad=SubmissionStatus.DELETE_FAILED,
            over=self._note_deleted,
        )
        self._seen = 0  #: number of ended runs already counted

    def add(self, batch: Batch) -> None:
        """Schedule the course of a new batch."""
        wait = self._scaled(self._settings.batch_durations.creating, batch, "creating")
        self._agenda.add(batch.created + wait, partial(self._create, batch))

    def cancel(self, batch: Batch, at: float) -> None:
        """Submit no more rows, and cancel the batch's runs."""
        batch.status, batch.is_swept = BatchStatus.STOPPING, False
        self._agenda.add(at, partial(self._cancelling.begin, batch))

    def delete_runs(self, batch: Batch, at: float) -> None:
        """Delete the batch's runs."""
        batch.status = BatchStatus.RUNS_DELETING
        self._agenda.add(at, partial(self._deleting.begin, batch))

    def advance(self, now: float) -> None:
        """Do everything that was due until *now*, for runs and batches."""
        while self._agenda.due <= now:
            self._advance_runs(self._agenda.due)
            self._agenda.do_next()
        self._advance_runs(now)

    def _advance_runs(self, at: float) -> None:
        self._account.timetable.advance(at)
        ended, self._seen = self._account.timetable.ended[self._seen :], len(self._account.timetable.ended)
        for run in ended:
            self._note_end(run)

    def _note_end(self, run: Run) -> None:
        batch = self._shelf.by_id.get(run.batch)
        if batch is not None and run.stopped is not None:
            batch.going -= 1
            self._finish(batch, run.stopped)

    def _create(self, batch: Batch, at: float) -> None:
        batch.status = BatchStatus.PENDING
        wait = self._scaled(self._settings.batch_durations.pending, batch, "pending")
        self._agenda.add(at + wait, partial(self._look_through, batch))

    def _look_through(self, batch: Batch, at: float) -> None:
        if batch.status is not BatchStatus.PENDING:  # cancelled meanwhile
            return
        try:
            batch.fill(self._settings_of(batch))
        except RefusalError as error:
            self._fail(batch, at, error.message)
            return
        if self._settings.waiting_rows_listed:
            for row in batch.rows:
                row.shown = at + self._settings.listing_lag
        batch.status = BatchStatus.SUBMITTING
        self._submission.enter(batch, at)

    def _settings_of(self, batch: Batch) -> Sequence[Mapping[str, Any]]:
        if batch.file is not None:
            return batch.file.settings(self._account.storage)
        inline: Sequence[Mapping[str, Any]] = batch.request["batchRunSettings"]["inlineSettings"]
        return inline

    def _fail(self, batch: Batch, at: float, reason: str) -> None:
        batch.status, batch.failed, batch.failure = BatchStatus.FAILED, at, reason

    def _note_cancelled(self, batch: Batch, at: float) -> None:
        batch.is_swept = True
        if self._settings.cancelled_rows_listed:
            for row in batch.rows:
                if row.status is None:
                    batch.note(row, SubmissionStatus.CANCEL_SUCCESS)
                    row.shown = at
        self._finish(batch, at)

    def _note_deleted(self, batch: Batch, _at: float) -> None:
        failed = batch.done[SubmissionStatus.DELETE_FAILED] > 0
        batch.status = BatchStatus.RUNS_DELETE_FAILED if failed else BatchStatus.RUNS_DELETED

    def _finish(self, batch: Batch, at: float) -> None:
        """Move a batch on once all its rows are settled, and once all its runs have ended."""
        if batch.status is BatchStatus.SUBMITTING and batch.waiting == 0:
            batch.status, batch.submitted = BatchStatus.INPROGRESS, at
        if batch.status is BatchStatus.INPROGRESS and batch.going == 0:
            batch.status, batch.processed = BatchStatus.PROCESSED, at
        if batch.status is BatchStatus.STOPPING and batch.is_swept and batch.going == 0:
            batch.status = BatchStatus.CANCELLED

    def _scaled(self, span: Span, batch: Batch, state: str) -> float:
        return self._settings.time_scale * span.at(draw(self._settings.seed, "batch", batch.uuid, state))


#: Spread of the time between two rows, so that other callers get tokens between them.
_SPREAD = 0.25
_PASSING = frozenset({"ThrottlingException", "InternalServerException", "RequestTimeoutException"})
_QUOTA = "ServiceQuotaExceededException"
#: Seconds before a row's retry: the first doubles each time; for a full quota it stays the same.
_FIRST_WAIT = 1.0
_QUOTA_WAIT = 60.0


class Agenda:
    """Actions by their times; those of one time in the order in which they were added."""

    def __init__(self) -> None:
        self._deeds: list[tuple[float, int, Deed]] = []
        self._ticks = count()

    @property
    def due(self) -> float:
        """Time of the next action; infinity if there is none."""
        return self._deeds[0][0] if self._deeds else math.inf

    def add(self, at: float, deed: Deed) -> None:
        """Schedule *deed* for the time *at*."""
        heapq.heappush(self._deeds, (at, next(self._ticks), deed))

    def do_next(self) -> None:
        """Do the next action, at its own time."""
        at, _, deed = heapq.heappop(self._deeds)
        deed(at)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Cancelling or deleting the runs of a batch. It may fail for some of them."""

    account: Account
    agenda: Agenda
    operation: str  #: the operation whose tokens it takes
    fault: str  #: its name in fault rules
    act: Callable[[Run, float], None]
    good: SubmissionStatus
    bad: SubmissionStatus
    over: Callable[[Batch, float], None]  #: called once every run was tried

    def begin(self, batch: Batch, at: float) -> None:
        """Cancel or delete all runs of *batch*."""
        self._go_on(batch, deque(row for row in batch.rows if row.run is not None), at)

    def _go_on(self, batch: Batch, rows: deque[Row], at: float) -> None:
        while rows:
            wait = self.account.buckets.take(self.operation, at)
            if wait > 0:
                self.agenda.add(at + wait, partial(self._go_on, batch, rows))
                return
            self._try(batch, rows.popleft(), at)
        self.over(batch, at)

    def _try(self, batch: Batch, row: Row, at: float) -> None:
        try:
            self.account.struck(self.fault, batch, row)
            if row.run is not None:
                self.act(row.run, at)
        except RefusalError as error:
            batch.note(row, self.bad, error.code, error.message)
        else:
            batch.note(row, self.good)


@dataclass(slots=True, kw_only=True)
class Submission:
    """Submits the rows of batches."""

    account: Account
    agenda: Agenda
    settled: Callable[[Batch, float], None]  #: called with the batch for each row that is settled or skipped
    fail: Callable[[Batch, float, str], None]  #: called with a batch that fails, the time, and the reason
    _queue: deque[tuple[Batch, deque[Row]]] = field(default_factory=deque)
    _next: float = -math.inf  #: earliest time of the next row
    _is_going: bool = False
    _came_early: bool = False
    _turns: int = 0

    def enter(self, batch: Batch, at: float) -> None:
        """Submit the rows of *batch* from now on."""
        self._queue.append((batch, deque(batch.rows)))
        self._go_on(at)

    def _go_on(self, at: float) -> None:
        if not self._is_going:
            self._is_going = True
            self.agenda.add(max(at, self._next), self._turn)

    def _turn(self, at: float) -> None:
        chosen = self._choose()
        if chosen is None:
            self._is_going = False
            return
        batch, rows = chosen
        wait = self.account.buckets.take("StartRun", at)
        if wait > 0 and not self._came_early:
            self._came_early = True
            self.agenda.add(at + wait, self._turn)
            return
        self._came_early = False
        self._next = at + self._interval()
        self.agenda.add(self._next, self._turn)
        self._queue.rotate(-1)
        row = rows.popleft()
        row.tries += 1
        if wait > 0:
            self._refuse(batch, row, RefusalError("ThrottlingException", "Rate exceeded"), at)
        elif self._is_as_it_was(batch, at):
            self._try(batch, row, at)

    def _choose(self) -> tuple[Batch, deque[Row]] | None:
        """Return the first batch that still has rows to submit; drop those without."""
        while self._queue:
            batch, rows = self._queue[0]
            if rows and batch.status is BatchStatus.SUBMITTING:
                return batch, rows
            self._queue.popleft()
        return None

    def _interval(self) -> float:
        limit = self.account.buckets.limit("StartRun")
        if limit is None:
            return 0.0
        self._turns += 1
        lot = draw(self.account.settings.seed, "turn", self._turns)
        return Span(mean=1 / limit.rate, spread=_SPREAD).at(lot)

    def _is_as_it_was(self, batch: Batch, at: float) -> bool:
        try:
            if batch.file is not None:
                batch.file.require_same(self.account.storage)
        except RefusalError as error:
            self.fail(batch, at, error.message)
        return batch.status is BatchStatus.SUBMITTING

    def _try(self, batch: Batch, row: Row, at: float) -> None:
        try:
            fault = self.account.struck("SubmitRow", batch, row)
            if fault is RowFault.FAIL_BATCH:
                self.fail(batch, at, "An internal error occurred")
            elif fault is RowFault.SKIP:
                self._leave_out(batch, at)
            else:
                self._make(batch, row, at, fault)
        except RefusalError as error:
            self._refuse(batch, row, error, at)

    def _leave_out(self, batch: Batch, at: float) -> None:
        batch.waiting -= 1
        self.settled(batch, at)

    def _make(self, batch: Batch, row: Row, at: float, fault: RowFault | None) -> None:
        row.run = self.account.start(start_of(batch.default, row.setting), batch, row, at)
        batch.going += 1
        self._settle(batch, row, at, SubmissionStatus.SUCCESS)
        if fault is RowFault.HIDE:
            row.shown = math.inf
        elif fault is RowFault.SHOW_LATE:
            row.shown = at + self.account.settings.hang

    def _refuse(self, batch: Batch, row: Row, error: RefusalError, at: float) -> None:
        may_pass = error.code in _PASSING or error.code == _QUOTA
        if not may_pass or row.tries > self.account.settings.row_retries:
            self._settle(batch, row, at, SubmissionStatus.FAILED, error)
            return
        wait = _QUOTA_WAIT if error.code == _QUOTA else _FIRST_WAIT * 2 ** (row.tries - 1)
        self.agenda.add(at + wait, partial(self._again, batch, row))

    def _again(self, batch: Batch, row: Row, at: float) -> None:
        self._queue.append((batch, deque([row])))
        self._go_on(at)

    def _settle(
        self, batch: Batch, row: Row, at: float, status: SubmissionStatus, error: RefusalError | None = None
    ) -> None:
        batch.note(row, status, *((error.code, error.message) if error else ()))
        batch.waiting -= 1
        row.settled, row.shown = at, min(row.shown, at + self.account.settings.listing_lag)
        self.settled(batch, at)
