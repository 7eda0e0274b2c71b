"""
How the service makes runs of rows, cancels and deletes them: one by one, at the account's pace for that.

Several batches take turns. A row whose turn comes too early waits for the next token; where a caller's own
StartRun has taken that, the row is throttled, and is tried again later, a few times. So either side can be
throttled, as with the service. Which refusals pass by themselves follows the guide: throttling, timeouts
and errors of the service are tried again, a full quota is waited for, all others are final at once.

What does not belong here: when it may (``batch_operations``), and the states of batches (``batch_course``).
"""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from batchrun.simulator.batch_rules import start_of
from batchrun.simulator.chance import draw
from batchrun.simulator.faults import RowFault
from batchrun.simulator.lifecycle import BatchStatus, Span, SubmissionStatus
from batchrun.simulator.refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchrun.simulator.batch_account import Account, Agenda
    from batchrun.simulator.batches import Batch, Row
    from batchrun.simulator.runs import Run

#: How the time between two rows is spread, so that other callers have a chance between them.
_SPREAD = 0.25
_PASSING = frozenset({"ThrottlingException", "InternalServerException", "RequestTimeoutException"})
_QUOTA = "ServiceQuotaExceededException"
#: Seconds before a row is tried again: doubled each time, or the same each time where a quota is full.
_FIRST_WAIT = 1.0
_QUOTA_WAIT = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """Cancelling or deleting the runs of a batch. It may be partly successful."""

    account: Account
    agenda: Agenda
    operation: str  #: whose pace it takes
    fault: str  #: what rules of faults call it
    act: Callable[[Run, float], None]
    good: SubmissionStatus
    bad: SubmissionStatus
    over: Callable[[Batch, float], None]  #: is told that every run was tried

    def begin(self, batch: Batch, at: float) -> None:
        """Do it to all runs of *batch*."""
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


class Submission:
    """The rows of all batches that are being submitted."""

    def __init__(
        self,
        account: Account,
        agenda: Agenda,
        *,
        settled: Callable[[Batch, float], None],
        fail: Callable[[Batch, float, str], None],
    ) -> None:
        """
        Begin without any.

        Args:
            account: whose tokens for StartRun the rows take
            agenda: where it puts what it will do
            settled: who is told of each row that is settled, or will never be
            fail: who is told of batches that fail, and why
        """
        self._account = account
        self._settings = account.settings
        self._agenda = agenda
        self._settled = settled
        self._fail = fail
        self._queue: deque[tuple[Batch, deque[Row]]] = deque()
        self._next = -math.inf  #: when the next row has its turn at the earliest
        self._is_going = False
        self._came_early = False
        self._turns = 0

    def enter(self, batch: Batch, at: float) -> None:
        """Submit the rows of *batch* from now on."""
        self._queue.append((batch, deque(batch.rows)))
        self._go_on(at)

    def _go_on(self, at: float) -> None:
        if not self._is_going:
            self._is_going = True
            self._agenda.add(max(at, self._next), self._turn)

    def _turn(self, at: float) -> None:
        chosen = self._choose()
        if chosen is None:
            self._is_going = False
            return
        batch, rows = chosen
        wait = self._account.buckets.take("StartRun", at)
        if wait > 0 and not self._came_early:
            self._came_early = True
            self._agenda.add(at + wait, self._turn)
            return
        self._came_early = False
        self._next = at + self._interval()
        self._agenda.add(self._next, self._turn)
        self._queue.rotate(-1)
        row = rows.popleft()
        row.tries += 1
        if wait > 0:
            self._refuse(batch, row, RefusalError("ThrottlingException", "Rate exceeded"), at)
        elif self._is_as_it_was(batch, at):
            self._try(batch, row, at)

    def _choose(self) -> tuple[Batch, deque[Row]] | None:
        """Return the first batch that still has rows to try; those that have none are dropped."""
        while self._queue:
            batch, rows = self._queue[0]
            if rows and batch.status is BatchStatus.SUBMITTING:
                return batch, rows
            self._queue.popleft()
        return None

    def _interval(self) -> float:
        limit = self._account.buckets.limit("StartRun")
        if limit is None:
            return 0.0
        self._turns += 1
        lot = draw(self._settings.seed, "turn", self._turns)
        return Span(mean=1 / limit.rate, spread=_SPREAD).at(lot)

    def _is_as_it_was(self, batch: Batch, at: float) -> bool:
        try:
            if batch.file is not None:
                batch.file.require_same(self._account.storage)
        except RefusalError as error:
            self._fail(batch, at, error.message)
        return batch.status is BatchStatus.SUBMITTING

    def _try(self, batch: Batch, row: Row, at: float) -> None:
        try:
            fault = self._account.struck("SubmitRow", batch, row)
            if fault is RowFault.FAIL_BATCH:
                self._fail(batch, at, "An internal error occurred")
            elif fault is RowFault.SKIP:
                self._leave_out(batch, at)
            else:
                self._make(batch, row, at, fault)
        except RefusalError as error:
            self._refuse(batch, row, error, at)

    def _leave_out(self, batch: Batch, at: float) -> None:
        batch.waiting -= 1
        self._settled(batch, at)

    def _make(self, batch: Batch, row: Row, at: float, fault: RowFault | None) -> None:
        row.run = self._account.start(start_of(batch.default, row.setting), batch, row, at)
        batch.going += 1
        self._settle(batch, row, at, SubmissionStatus.SUCCESS)
        if fault is RowFault.HIDE:
            row.shown = math.inf
        elif fault is RowFault.SHOW_LATE:
            row.shown = at + self._settings.hang

    def _refuse(self, batch: Batch, row: Row, error: RefusalError, at: float) -> None:
        may_pass = error.code in _PASSING or error.code == _QUOTA
        if not may_pass or row.tries > self._settings.row_retries:
            self._settle(batch, row, at, SubmissionStatus.FAILED, error)
            return
        wait = _QUOTA_WAIT if error.code == _QUOTA else _FIRST_WAIT * 2 ** (row.tries - 1)
        self._agenda.add(at + wait, partial(self._again, batch, row))

    def _again(self, batch: Batch, row: Row, at: float) -> None:
        self._queue.append((batch, deque([row])))
        self._go_on(at)

    def _settle(
        self, batch: Batch, row: Row, at: float, status: SubmissionStatus, error: RefusalError | None = None
    ) -> None:
        batch.note(row, status, *((error.code, error.message) if error else ()))
        batch.waiting -= 1
        row.settled, row.shown = at, min(row.shown, at + self._settings.listing_lag)
        self._settled(batch, at)
