"""
Answers about run batches as values, read as strictly as all others (``wire``).

Belongs here: the readers of a batch, and of what lists have of batches and of their rows. Does not: calls
(``run_batches``), single values (``wire``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from batchrun.model.entry import Run
from batchrun.model.foreign import KEPT, storable
from batchrun.model.run_batches import BatchListed, BatchRow, BatchSeen
from batchrun.service.classify import unparsable
from batchrun.service.wire import count, identity, moment, needed, table, text, texts, told_identity

if TYPE_CHECKING:
    from collections.abc import Mapping

_ROWS: Final = "ListRunsInBatch"
_LISTED: Final = "ListBatch"
#: Characters of a runSettingId, which may be any text of one line.
_LONGEST_ID: Final = 128


def batch_started(answer: Mapping[str, Any]) -> BatchSeen:
    """Read the answer to StartRunBatch. Raises OutcomeUnknownError where it lacks ``id``."""
    return _batch(answer, "StartRunBatch", status=text(answer, "status") or "CREATING")


def batch_seen(answer: Mapping[str, Any]) -> BatchSeen:
    """Read the answer to GetBatch. Raises OutcomeUnknownError where it lacks ``id`` or ``status``."""
    return _batch(answer, "GetBatch", status=needed(answer, "status", "GetBatch"))


def _batch(answer: Mapping[str, Any], operation: str, *, status: str) -> BatchSeen:
    submitted = table(answer.get("submissionSummary"))
    return BatchSeen(
        id=identity(answer, "id", operation),
        uuid=told_identity(answer, "uuid"),
        arn=text(answer, "arn") or "",
        name=text(answer, "name"),
        status=status,
        tags=texts(answer.get("tags")),
        total_runs=count(answer, "totalRuns"),
        pending=count(submitted, "pendingStartSubmissionCount"),
        started=count(submitted, "successfulStartSubmissionCount"),
        failed=count(submitted, "failedStartSubmissionCount"),
        by_status=_counts(table(answer.get("runSummary"))),
        failure_reason=text(answer, "failureReason", most=KEPT),
        done_at=moment(answer.get("failedTime")) or moment(answer.get("submittedTime")),
    )


def _counts(summary: Mapping[str, Any]) -> dict[str, int]:
    """Return the numbers of a summary that can be read, by their names."""
    return {name: number for name in summary if (number := count(summary, name)) is not None}


def batch_listed(item: Mapping[str, Any]) -> BatchListed:
    """Read one item of ListBatch. Raises OutcomeUnknownError where it is not told which batch it is."""
    return BatchListed(
        id=identity(item, "id", _LISTED),
        name=text(item, "name") or "",
        status=text(item, "status") or "",
        total_runs=count(item, "totalRuns"),
        created_at=moment(item.get("createdAt")),
    )


def batch_row(item: Mapping[str, Any]) -> BatchRow:
    """
    Read one item of ListRunsInBatch.

    Raises:
        OutcomeUnknownError: It is not told which row it is, or which run it has.
    """
    return BatchRow(
        setting_id=_setting_id(item),
        run=None if item.get("runId") in (None, "") else _run(item),
        status=text(item, "submissionStatus"),
        code=text(item, "submissionFailureReason"),
        message=text(item, "submissionFailureMessage", most=KEPT),
    )


def _setting_id(item: Mapping[str, Any]) -> str:
    """Return it as it is: one that were changed in any way would be another row's."""
    value = item.get("runSettingId")
    if not isinstance(value, str) or not value or storable(value, _LONGEST_ID) != value:
        raise unparsable(_ROWS, "runSettingId")
    return value


def _run(item: Mapping[str, Any]) -> Run:
    return Run(
        id=identity(item, "runId", _ROWS),
        uuid=told_identity(item, "runInternalUuid") or "",
        arn=text(item, "runArn") or "",
        status="PENDING",
    )
