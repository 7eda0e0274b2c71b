"""
When batches change state.

As with runs nothing happens by itself: whoever asks catches up with the time first. What does not belong
here: how rows become runs (``batch_submission``), what callers may ask for (``batch_operations``).
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from batchrun.simulator.agenda import Agenda
from batchrun.simulator.batch_lifecycle import BatchStatus
from batchrun.simulator.batch_submission import Submission
from batchrun.simulator.chance import draw

if TYPE_CHECKING:
    from batchrun.simulator.batch_submission import Start
    from batchrun.simulator.batches import Batch, BatchShelf
    from batchrun.simulator.buckets import Buckets
    from batchrun.simulator.lifecycle import Span
    from batchrun.simulator.runs import Run
    from batchrun.simulator.settings import Settings
    from batchrun.simulator.timetable import Timetable


class BatchCourse:
    """Moves the batches of a shelf, and the runs of a timetable, through their states."""

    def __init__(
        self, settings: Settings, shelf: BatchShelf, timetable: Timetable, buckets: Buckets, start: Start
    ) -> None:
        """
        Begin without batches.

        Args:
            settings: how the service behaves
            shelf: the batches there are
            timetable: that of the runs, which it moves too, so that all happens in its order
            buckets: the account's paces
            start: what makes a run
        """
        self._settings = settings
        self._shelf = shelf
        self._timetable = timetable
        self._agenda = Agenda()
        self._submission = Submission(settings, buckets, self._agenda, start, self._finish)
        self._seen = 0  #: how many of the runs that ended were looked at

    def add(self, batch: Batch) -> None:
        """Let a new batch begin its course."""
        wait = self._scaled(self._settings.batch_durations.creating, batch, "creating")
        self._agenda.add(batch.created + wait, partial(self._create, batch))

    def advance(self, now: float) -> None:
        """Do everything that was due until *now*, with runs and with batches."""
        while self._agenda.due <= now:
            self._advance_runs(self._agenda.due)
            self._agenda.do_next()
        self._advance_runs(now)

    def _advance_runs(self, at: float) -> None:
        self._timetable.advance(at)
        ended, self._seen = self._timetable.ended[self._seen :], len(self._timetable.ended)
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
        batch.fill(batch.request["batchRunSettings"]["inlineSettings"])
        batch.status = BatchStatus.SUBMITTING
        self._submission.enter(batch, at)

    def _finish(self, batch: Batch, at: float) -> None:
        """Move a batch on where its rows are all settled, and where its runs have all ended."""
        if batch.status is BatchStatus.SUBMITTING and batch.waiting == 0:
            batch.status, batch.submitted = BatchStatus.INPROGRESS, at
        if batch.status is BatchStatus.INPROGRESS and batch.going == 0:
            batch.status, batch.processed = BatchStatus.PROCESSED, at

    def _scaled(self, span: Span, batch: Batch, state: str) -> float:
        return self._settings.time_scale * span.at(draw(self._settings.seed, "batch", batch.uuid, state))
