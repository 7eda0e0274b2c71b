"""
When batches change state.

As with runs nothing happens by itself: whoever asks catches up with the time first. What does not belong
here: how rows become runs (``batch_submission``), what callers may ask for (``batch_operations``).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

from batchrun.simulator.batch_account import Agenda
from batchrun.simulator.batch_submission import Submission, Sweep
from batchrun.simulator.chance import draw
from batchrun.simulator.lifecycle import BatchStatus, SubmissionStatus
from batchrun.simulator.refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrun.simulator.batch_account import Account
    from batchrun.simulator.batches import Batch, BatchShelf
    from batchrun.simulator.lifecycle import Span
    from batchrun.simulator.runs import Run


class BatchCourse:
    """Moves the batches of a shelf, and the runs of a timetable, through their states."""

    def __init__(self, account: Account, shelf: BatchShelf) -> None:
        """
        Begin without batches.

        Args:
            account: whose runs it moves too, so that all happens in its order
            shelf: the batches there are
        """
        self._account = account
        self._settings = account.settings
        self._shelf = shelf
        self._agenda = Agenda()
        self._submission = Submission(account, self._agenda, settled=self._finish, fail=self._fail)
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
        self._seen = 0  #: how many of the runs that ended were looked at

    def add(self, batch: Batch) -> None:
        """Let a new batch begin its course."""
        wait = self._scaled(self._settings.batch_durations.creating, batch, "creating")
        self._agenda.add(batch.created + wait, partial(self._create, batch))

    def cancel(self, batch: Batch, at: float) -> None:
        """Try no more rows, and cancel the runs there are."""
        batch.status, batch.is_swept = BatchStatus.STOPPING, False
        self._agenda.add(at, partial(self._cancelling.begin, batch))

    def delete_runs(self, batch: Batch, at: float) -> None:
        """Delete the runs."""
        batch.status = BatchStatus.RUNS_DELETING
        self._agenda.add(at, partial(self._deleting.begin, batch))

    def advance(self, now: float) -> None:
        """Do everything that was due until *now*, with runs and with batches."""
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
        """Move a batch on where its rows are all settled, and where its runs have all ended."""
        if batch.status is BatchStatus.SUBMITTING and batch.waiting == 0:
            batch.status, batch.submitted = BatchStatus.INPROGRESS, at
        if batch.status is BatchStatus.INPROGRESS and batch.going == 0:
            batch.status, batch.processed = BatchStatus.PROCESSED, at
        if batch.status is BatchStatus.STOPPING and batch.is_swept and batch.going == 0:
            batch.status = BatchStatus.CANCELLED

    def _scaled(self, span: Span, batch: Batch, state: str) -> float:
        return self._settings.time_scale * span.at(draw(self._settings.seed, "batch", batch.uuid, state))
