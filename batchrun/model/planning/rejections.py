"""What it means for an entry that its batch, which the service has, did not start a run of it."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Final

from batchrun.errors import OutcomeUnknownError, ThrottledError
from batchrun.model.entries.events import Deferred, Refused
from batchrun.model.planning.verdicts import after_failure

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.errors import CallError
    from batchrun.model.entries.entry import Entry
    from batchrun.model.entries.events import Event
    from batchrun.model.planning.limits import Limits

#: Our own codes, for rows that the service says nothing of.
NOT_STARTED: Final = "NotStartedByBatch"
FAILED_WITH_ITS_BATCH: Final = "BatchFailed"
CANCELLED_WITH_ITS_BATCH: Final = "BatchCancelled"
#: Statuses of a batch that somebody ended on purpose (UG/workflows-batch).
_ENDED_BY_PEOPLE: Final = frozenset({"CANCELLED", "RUNS_DELETING", "RUNS_DELETE_FAILED", "RUNS_DELETED"})


def is_certain(error: CallError) -> bool:
    """Report whether a row of a batch that failed with this error has no run for sure."""
    return not isinstance(error, OutcomeUnknownError)


def after_rejection(entry: Entry, error: CallError, at: datetime, limits: Limits) -> Event:
    """
    Say what it means that a batch could not start a row, by the error that StartRun would have given.

    The same, but for two: of an unknown outcome it is known here that there is no run, and what the service
    was too busy for, for as long as it tries itself, waits.
    """
    event = after_failure(entry, error, at, limits)
    if isinstance(event, Deferred | Refused) and not isinstance(error, ThrottledError):
        return event
    wait = limits.defer.unknown_wait(entry.deferrals, entry.batch)
    return Deferred(at=at, due=at + timedelta(seconds=wait), code=error.code, message=error.message)


def after_batch(
    entry: Entry, status: str, why: str, at: datetime, limits: Limits, *, is_fruitless: bool
) -> Deferred | Refused:
    """
    Say what it means that a batch of this status is done, and has neither a run nor an error for a row.

    It may be sent anew. A batch that fails again and again without a single run is its rows' fault; one that
    people ended took its rows with it. Rows wait equally long, so that they go together again.

    Args:
        entry: SUBMITTING, and proven to have no run.
        status: The batch's.
        why: In words, for people.
        at: Now.
        limits: The launch's.
        is_fruitless: Whether nothing came of any of its rows.
    """
    code = CANCELLED_WITH_ITS_BATCH if status in _ENDED_BY_PEOPLE else NOT_STARTED
    code = FAILED_WITH_ITS_BATCH if status == "FAILED" and is_fruitless else code
    is_repeated = entry.code == code and entry.deferrals + 1 >= limits.defer.denials_to_refuse
    if code == FAILED_WITH_ITS_BATCH and is_repeated:
        return Refused(at=at, code=code, message=why)
    wait = limits.defer.denied_wait(entry.deferrals, entry.batch)
    return Deferred(at=at, due=at + timedelta(seconds=wait), code=code, message=why)
