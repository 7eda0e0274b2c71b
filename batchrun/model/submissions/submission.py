"""A submission: attempts of many rows that are sent in one StartRunBatch, and the *run batch* that it makes.

Each attempt keeps its own requestId, with which its run is tagged; the submission's requestId is that of the
call. A run batch is the service's object, with a row for each attempt.
"""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.model.entries.entry import Run


class Standing(enum.Enum):
    """Where a submission stands. Values are stored text."""

    INTENDED = "intended"  #: durable; the service may or may not have it
    TAKEN = "taken"  #: the service has it: its batch id is known
    OVER = "over"  #: all its rows are settled


class Stage(enum.Enum):
    """How far the service is with a submission."""

    UNKNOWN = "unknown"  #: it may not have the submission
    GOING = "going"  #: it is still submitting rows
    DONE = "done"  #: it will submit no more rows


#: Our own status of a batch whose record was deleted.
GONE: Final = "GONE"
#: Statuses of a batch whose rows have all been submitted or given up (UG/workflows-batch); not unknown ones.
_DONE: Final = frozenset(
    {
        *("INPROGRESS", "PROCESSED", "CANCELLED", "FAILED"),
        *("RUNS_DELETING", "RUNS_DELETE_FAILED", "RUNS_DELETED"),
        GONE,
    }
)
#: Statuses in which CancelRunBatch ends the submission of what is left.
CANCELLABLE: Final = frozenset({"PENDING", "SUBMITTING"})


def stage(status: str) -> Stage:
    """Return what a batch's status means for rows without a run yet."""
    return Stage.DONE if status in _DONE else Stage.GOING


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One StartRunBatch, and what the service said of it."""

    request_id: str  #: of StartRunBatch: 64 hex digits
    batch: str  #: ours, by name
    lane: str | None  #: of all its rows; None in a batch without lanes
    name: str  #: ``batchName``, at most 64 characters
    #: Canonical StartRunBatch request with its requestId: the very bytes that are sent; empty once OVER.
    request: str
    rows: int
    intended_at: datetime
    standing: Standing = Standing.INTENDED
    #: When a call may have been sent last, or a run started last, by the clock's latest time; None if that
    #: was another clock's time.
    sent_at: datetime | None = None
    batch_id: str | None = None  #: the run batch's
    batch_uuid: str | None = None
    status: str | None = None  #: the run batch's, as last seen
    code: str | None = None  #: the last error code of StartRunBatch
    message: str | None = None  #: and its message


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSubmission:
    """A submission that is not OVER, with its unsettled rows."""

    submission: Submission
    ids: Sequence[str]  #: of rows that are SUBMITTING and were last sent by this one, by position


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many submissions of one standing have unsettled rows, and how many rows."""

    standing: Standing
    submissions: int
    rows: int


#: Statuses in which a batch may still start runs, or may just have started its last one.
UNFINISHED_STATUSES: Final = ("CREATING", "PENDING", "SUBMITTING", "STOPPING", "INPROGRESS")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSeen:
    """One answer to StartRunBatch or GetBatch; the first has no name and no counts.

    Counts lag behind until the batch is PROCESSED. None: not in the answer.
    """

    id: str
    uuid: str | None
    arn: str
    name: str | None
    status: str
    tags: Mapping[str, str]  #: the batch's own; its runs have theirs
    pending: int | None = None  #: rows that are still to be submitted
    started: int | None = None  #: rows that were submitted
    failed: int | None = None  #: rows that could not be
    by_status: Mapping[str, int] = field(default_factory=dict)  #: its runs, by the answer's own names
    failure_reason: str | None = None
    done_at: datetime | None = None  #: when the last of its rows was submitted, or it failed


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchListed:
    """One item of ListBatch; it lacks uuid and tags."""

    id: str
    name: str
    status: str
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchRow:
    """One item of ListRunsInBatch.

    The status is that of the last operation on the row, maybe a cancel or delete; only its run shows that the
    row was started.
    """

    setting_id: str  #: as it was given in the request
    run: Run | None  #: as PENDING, since its status is not listed here
    status: str | None = None  #: such as SUCCESS, FAILED or CANCEL_FAILED; None before it was submitted
    code: str | None = None  #: the error of StartRun with which the row failed
    message: str | None = None


def told_twice(rows: Iterable[BatchRow]) -> set[str]:
    """Return the uuids that a listing has for more than one run, which must be wrong."""
    runs = {(row.run.uuid, row.run.id) for row in rows if row.run is not None}
    return {uuid for uuid, count in Counter(uuid for uuid, _ in runs).items() if count > 1}
