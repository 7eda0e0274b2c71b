"""
What callers see of batches: the fields of GetBatch, of ListBatch's items and of ListRunsInBatch's rows.

What does not belong here: which of them the API's model has (``wire`` leaves out what it has not).
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchrun.simulator.batch_lifecycle import AT_REST, SubmissionStatus
from batchrun.simulator.lifecycle import Status

if TYPE_CHECKING:
    from batchrun.simulator.answers import View
    from batchrun.simulator.batches import Batch, Row
    from batchrun.simulator.runs import Run


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchView:
    """How one account's batches look from outside."""

    view: View  #: of the account

    def accepted(self, batch: Batch) -> dict[str, Any]:
        """Answer StartRunBatch, to a repeat with the state of now."""
        return {
            "id": batch.id,
            "arn": self.view.arn(f"runBatch/{batch.id}"),
            "status": batch.status,
            "uuid": batch.uuid,
            "tags": batch.tags,
        }

    def item(self, batch: Batch) -> dict[str, Any]:
        """Answer one item of ListBatch; it has no uuid and no tags."""
        return {
            "id": batch.id,
            "name": batch.name or None,
            "status": batch.status,
            "createdAt": self.view.wall(batch.created),
            "totalRuns": batch.total,
            "workflowId": batch.default["workflowId"],
        }

    def detail(self, batch: Batch, now: float) -> dict[str, Any]:
        """Answer GetBatch; its counts are behind until the batch is at rest."""
        scale = self.view.settings.time_scale
        lag = 0.0 if batch.status in AT_REST else scale * self.view.settings.batch_durations.counts_lag
        return {
            **self.accepted(batch),
            "name": batch.name or None,
            "totalRuns": batch.total,
            "defaultRunSetting": batch.default,
            "submissionSummary": _submissions(batch, now - lag),
            "runSummary": _runs(batch, now - lag),
            "creationTime": self.view.wall(batch.created),
            "submittedTime": self.view.wall(batch.submitted),
            "processedTime": self.view.wall(batch.processed),
            "failedTime": self.view.wall(batch.failed),
            "failureReason": batch.failure,
        }

    def row(self, row: Row) -> dict[str, Any]:
        """Answer one row of ListRunsInBatch: a rejected one has an empty runId, one that waits none."""
        run = row.run
        without = None if row.status is None else ""
        return {
            "runSettingId": row.setting_id,
            "runId": without if run is None else run.id,
            "runInternalUuid": None if run is None else run.uuid,
            "runArn": None if run is None else self.view.arn(f"run/{run.id}"),
            "submissionStatus": row.status,
            "submissionFailureReason": row.reason or None,
            "submissionFailureMessage": row.message or None,
        }


def _submissions(batch: Batch, at: float) -> dict[str, int]:
    settled = [row for row in batch.rows if row.settled <= at]
    started = sum(row.run is not None for row in settled)
    done = batch.done
    return {
        "successfulStartSubmissionCount": started,
        "failedStartSubmissionCount": len(settled) - started,
        "pendingStartSubmissionCount": (batch.total or 0) - len(settled),
        "successfulCancelSubmissionCount": done[SubmissionStatus.CANCEL_SUCCESS],
        "failedCancelSubmissionCount": done[SubmissionStatus.CANCEL_FAILED],
        "successfulDeleteSubmissionCount": done[SubmissionStatus.DELETE_SUCCESS],
        "failedDeleteSubmissionCount": done[SubmissionStatus.DELETE_FAILED],
    }


def _runs(batch: Batch, at: float) -> dict[str, int]:
    counts = Counter(_status_at(row.run, at) for row in batch.rows if row.run is not None)
    return {f"{status.lower()}RunCount": counts[status] for status in Status}


def _status_at(run: Run, at: float) -> Status | None:
    """Return the state that a run was in; None before it was made. A deleted one is deleted at once."""
    if run.status is Status.DELETED:
        return run.status
    reached = (
        (run.stopped, run.outcome),
        (run.stopping, Status.STOPPING),
        (run.started, Status.RUNNING),
        (run.admitted, Status.STARTING),
        (run.created, Status.PENDING),
    )
    return next((status for time, status in reached if time is not None and time <= at), None)
