"""
How the service cancels or deletes the runs of a batch: one after the other, at the account's pace for that.

What does not belong here: when it may (``batch_operations``), and the states that it leads to
(``batch_course``).
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from batchrun.simulator.batch_row import struck
from batchrun.simulator.refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchrun.simulator.agenda import Agenda
    from batchrun.simulator.batch_account import Account
    from batchrun.simulator.batch_lifecycle import SubmissionStatus
    from batchrun.simulator.batches import Batch, Row
    from batchrun.simulator.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """One kind of it. It may be partly successful."""

    account: Account
    agenda: Agenda
    operation: str  #: whose pace it takes
    fault: str  #: what rules call it
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
            struck(self.account, self.fault, batch, row)
            if row.run is not None:
                self.act(row.run, at)
        except RefusalError as error:
            batch.note(row, self.bad, error.code, error.message)
        else:
            batch.note(row, self.good)
