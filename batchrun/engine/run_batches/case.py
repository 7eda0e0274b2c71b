"""One question about a submission: which rows it is about, and what is known of them so far."""

from __future__ import annotations

from batchrun.errors import CallError
from batchrun.model.entries.entry import Entry
from batchrun.model.planning.actions import Follow
from batchrun.model.planning.stimuli import Followed
from batchrun.model.submissions.submission import BatchSeen, Stage, Standing, Submission, stage


class Case:
    """One question about a submission, and what is known so far."""

    def __init__(self, action: Follow, submission: Submission) -> None:
        self.action = action
        self.submission = submission
        self.left = set(action.ids)  #: rows that are not settled
        is_known = submission.standing is not Standing.INTENDED
        self.stage = stage(submission.status or "") if is_known else Stage.UNKNOWN
        self.was_sent = False
        self.is_held = False
        self.doubtful: dict[str, CallError] = {}  #: rows that failed, and may have a run all the same: why
        self.gone: dict[str, str] = {}  #: rows that had a run which is gone, and its id
        self.nameless: set[str] = set()  #: rows that have a run whose uuid nobody tells
        self._settled: list[Entry] = []

    @property
    def is_whole(self) -> bool:
        """Whether nothing has come of any of its rows."""
        return len(self.left) == self.submission.rows

    def learns_nothing_from(self, seen: BatchSeen) -> bool:
        """Report whether the counts, which lag, have no row that is left, while there will be more."""
        if stage(seen.status) is Stage.DONE or seen.started is None or seen.failed is None:
            return False
        return seen.started + seen.failed <= self.submission.rows - len(self.left)

    def settle(self, entry: Entry) -> None:
        """Take note of a row that is not SUBMITTING any more."""
        self.left.discard(entry.id)
        self._settled.append(entry)

    def outcome(self, *, is_answered: bool = True) -> Followed:
        """Return the stimulus for the planner."""
        return Followed(
            action=self.action,
            stage=self.stage,
            settled=self._settled,
            run_batch=self.submission.batch_id,
            was_sent=self.was_sent,
            is_answered=is_answered,
            is_held=self.is_held,
        )
