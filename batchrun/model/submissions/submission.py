"""
A submission: many rows' attempts that go to the service in one StartRunBatch, and what that makes there.

Each attempt keeps its own requestId, which its run bears; the submission's is that of the call alone. What
StartRunBatch makes is a *run batch* of the service, with a row for each attempt.
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
    OVER = "over"  #: every row of it is settled: it is not asked for any more


class Stage(enum.Enum):
    """How far the service is with a submission."""

    UNKNOWN = "unknown"  #: it may not have it
    GOING = "going"  #: it has it, and goes on to submit its rows
    DONE = "done"  #: it will submit no more of it


#: Our own word for a batch whose record was deleted.
GONE: Final = "GONE"
#: Statuses of a batch whose rows have all been submitted or given up (UG/workflows-batch); a word that nobody
#: knows yet is not among them.
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
    """Say what a batch's status means for rows that were not seen yet."""
    return Stage.DONE if status in _DONE else Stage.GOING


@dataclass(frozen=True, slots=True, kw_only=True)
class Submission:
    """One StartRunBatch of ours, and what the service said of it."""

    request_id: str  #: of StartRunBatch: 64 hex digits
    batch: str  #: ours, by name
    lane: str | None  #: of all its rows; None in a batch without lanes
    name: str  #: ``batchName``, at most 64 characters
    #: Canonical StartRunBatch request with its requestId: the very bytes that are sent; empty once OVER.
    request: str
    rows: int
    intended_at: datetime
    standing: Standing = Standing.INTENDED
    #: When a call of it may have been sent last, or a run of it started last, by the clock's latest time.
    #: None where another clock said when.
    sent_at: datetime | None = None
    batch_id: str | None = None  #: the service's
    batch_uuid: str | None = None
    status: str | None = None  #: what the service said last
    code: str | None = None  #: the last error code that StartRunBatch gave
    message: str | None = None  #: and its words


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenSubmission:
    """A submission that is not OVER, with the rows that wait for it."""

    submission: Submission
    ids: Sequence[str]  #: of rows that are SUBMITTING and have this one as their last submission, by position


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """How many submissions of one standing have rows that wait for them, and how many rows."""

    standing: Standing
    submissions: int
    rows: int


#: In the order of life: those in which a batch may still start runs, or may just have started its last.
UNFINISHED_STATUSES: Final = ("CREATING", "PENDING", "SUBMITTING", "STOPPING", "INPROGRESS")


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchSeen:
    """
    One answer to StartRunBatch or GetBatch; the first has no name and no counts.

    Counts lag behind until the batch is PROCESSED. None is what the answer leaves out.
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
    by_status: Mapping[str, int] = field(default_factory=dict)  #: its runs, by names of the answer's own
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
    """
    One item of ListRunsInBatch.

    The status is that of the last operation on the row, a cancel or delete too: whether the row was ever
    started, only its run shows.
    """

    setting_id: str  #: as it was given in the request
    run: Run | None  #: PENDING, since its status is not listed here
    status: str | None = None  #: such as SUCCESS, FAILED or CANCEL_FAILED; None before it was submitted
    code: str | None = None  #: why the submission failed: the name of an error of StartRun
    message: str | None = None


def told_twice(rows: Iterable[BatchRow]) -> set[str]:
    """Return the uuids that a listing has for more than one run: they cannot be right."""
    runs = {(row.run.uuid, row.run.id) for row in rows if row.run is not None}
    return {uuid for uuid, count in Counter(uuid for uuid, _ in runs).items() if count > 1}
