"""
An entry and all its attempts, as the report shows them.

Belongs here: the one word for where a row stands, queued told from running, and how long each took. Does not:
adding rows up (``figures``, ``timeline``).
"""

from __future__ import annotations

import enum
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.model.states import QUEUED_STATUSES, Outlook, State, outlook
from batchrun.model.tasks import log_streams
from batchrun.report.results import status

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime, timedelta

    from batchrun.model.entry import Entry, Run
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.ledger import Outcome, PastAttempt
    from batchrun.report.bill import Charged

#: Of whose tasks nothing is known.
_NONE: Final[Mapping[int, FailedTasks]] = {}


class Standing(enum.Enum):
    """Where a row stands, in the order in which they are told."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    RUNNING = "running"
    QUEUED = "queued"
    SUBMITTING = "submitting"
    PLANNED = "planned"

    @property
    def is_end(self) -> bool:
        """Whether nothing more happens by itself."""
        return self in _ENDS

    @property
    def is_trouble(self) -> bool:
        """Whether it ended, and not well."""
        return self.is_end and self is not Standing.SUCCEEDED


_ENDS: Final = frozenset(
    {Standing.SUCCEEDED, Standing.FAILED, Standing.REFUSED, Standing.CANCELLED, Standing.DELETED}
)
_BY_STATE: Final = {
    State.PLANNED: Standing.PLANNED,
    State.BACKOFF: Standing.PLANNED,
    State.SUBMITTING: Standing.SUBMITTING,
    State.ACTIVE: Standing.RUNNING,
    State.SUCCEEDED: Standing.SUCCEEDED,
    State.FAILED: Standing.FAILED,
    State.CANCELLED: Standing.CANCELLED,
    State.DELETED: Standing.DELETED,
    State.REFUSED: Standing.REFUSED,
}
_BY_OUTLOOK: Final = {
    Outlook.GOING: Standing.DELETED,  # a later attempt was begun, so nobody looks at this one any more
    Outlook.COMPLETED: Standing.SUCCEEDED,
    Outlook.FAILED: Standing.FAILED,
    Outlook.CANCELLED: Standing.CANCELLED,
    Outlook.REMOVED: Standing.DELETED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One intended run: what the service made of it."""

    number: int
    standing: Standing
    status: str  #: the service's word, or ours where there is no run
    run_id: str | None = None
    uuid: str | None = None
    output_uri: str | None = None
    created: datetime | None = None  #: when its time in the queue began
    started: datetime | None = None
    stopped: datetime | None = None
    reason: str | None = None
    message: str | None = None
    has_logs: bool = (
        False  #: whether its run has log streams; :func:`batchrun.model.tasks.log_streams` names them
    )
    tasks: FailedTasks | None = None  #: that failed in its run; None where that is not known
    charged: Charged | None = None  #: what its run cost; None where that is not known, or not asked for

    def queued(self, at: datetime) -> timedelta | None:
        """Say how long it was in the queue, up to *at* where it still is; None where that is not known."""
        until = self.started or self.stopped or (None if self.standing.is_end else at)
        return None if self.created is None or until is None else until - self.created

    def ran(self, at: datetime) -> timedelta | None:
        """Say how long it ran, up to *at* where it still does; None where that is not known."""
        until = self.stopped or (None if self.standing.is_end else at)
        return None if self.started is None or until is None else until - self.started


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A row of the manifest: its current attempt and those before it."""

    id: str
    current: Attempt
    earlier: tuple[Attempt, ...] = ()

    @property
    def standing(self) -> Standing:
        """Where the row stands: where its current attempt does."""
        return self.current.standing


def row_of(outcome: Outcome, tasks: Mapping[int, FailedTasks] = _NONE) -> Row:
    """Make the row of what the ledger says, and of its failed *tasks* by attempt."""
    entry = outcome.entry
    return Row(
        id=entry.id,
        current=_current(entry, tasks.get(entry.attempt)),
        earlier=tuple(_past(past, tasks.get(past.attempt)) for past in outcome.earlier),
    )


def standing_of(entry: Entry) -> Standing:
    """Say where the entry stands; queued is not running."""
    if entry.state is State.ACTIVE and entry.run is not None and entry.run.status in QUEUED_STATUSES:
        return Standing.QUEUED
    return _BY_STATE[entry.state]


def _current(entry: Entry, tasks: FailedTasks | None) -> Attempt:
    run, reason, message = entry.run, entry.code, entry.message
    if run is not None:
        reason = run.failure_reason
        message = entry.message if entry.state is State.DELETED else run.status_message
    return Attempt(
        number=entry.attempt,
        standing=standing_of(entry),
        status=status(entry),
        reason=reason,
        message=message,
        run_id=run.id if run else None,
        uuid=run.uuid if run else None,
        output_uri=run.output_uri if run else None,
        # StartRun does not answer with a creationTime: until the first look, our own time is the nearest.
        created=(run.creation_time or entry.accepted_at) if run else None,
        started=run.start_time if run else None,
        stopped=run.stop_time if run else None,
        has_logs=_has_logs(run, entry.request),
        tasks=tasks,
    )


def _has_logs(run: Run | None, request: str | None) -> bool:
    return run is not None and bool(log_streams(run, json.loads(request) if request else {}))


def _past(past: PastAttempt, tasks: FailedTasks | None) -> Attempt:
    run = past.run
    if run is None:
        return Attempt(
            number=past.attempt,
            standing=Standing.REFUSED,
            status="REFUSED",
            reason=past.code,
            message=past.message,
        )
    return Attempt(
        number=past.attempt,
        standing=_BY_OUTLOOK[outlook(run.status)],
        status=run.status,
        run_id=run.id,
        uuid=run.uuid,
        output_uri=run.output_uri,
        created=run.creation_time,
        started=run.start_time,
        stopped=run.stop_time,
        reason=run.failure_reason,
        message=run.status_message,
        has_logs=_has_logs(run, past.request),
        tasks=tasks,
    )
