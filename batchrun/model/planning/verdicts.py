"""Verdicts: turns the outcome of a call into the event that it means for an entry.

One answer never makes a run count as gone: an answer that says so (a 404, another run under its id, the
status DELETED) may be a lag or an error of the service. The first such answer is recorded (:class:`Missed`),
and the entry stays ACTIVE; an answer that shows the run clears it. A later one, at least ``listing_lag``
after it, is believed if no listing shows the run; where listing is denied or tells nothing, it takes three
such answers. Even then the run may reappear, and the entry is ACTIVE again unless another attempt has begun.

Does not belong here: what to do next (``planner``), what a listing says of a run (``listing``), which error
an exception is (``service.classify``).
"""

from __future__ import annotations

import enum
import json
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from batchrun.errors import (
    AccessDeniedError,
    CallError,
    ConflictError,
    CredentialsError,
    NotFoundError,
    OutcomeUnknownError,
    QuotaExceededError,
    RefusedError,
    ThrottledError,
)
from batchrun.model.entries import events
from batchrun.model.entries.entry import Entry, Run, Sighting
from batchrun.model.entries.states import Outlook, outlook
from batchrun.model.planning.denials import Denial, Extent
from batchrun.model.planning.limits import Limits
from batchrun.model.planning.listing import CLOCK_SLACK
from batchrun.model.spec import TAG_REQUEST_ID, Json, asked_parameters

#: Our own codes for an unknown outcome that this launch cannot settle.
AMBIGUOUS: Final = "AmbiguousRuns"
UNLISTED: Final = "ListRunsDenied"
UNLISTED_BATCH: Final = "ListBatchDenied"
DELETED_UNTOLD: Final = "RunDeletedUntold"
#: The code of a full quota, and so of a pause.
QUOTA_FULL: Final = "ServiceQuotaExceededException"
DENIED: Final = frozenset({UNLISTED, UNLISTED_BATCH})
HELD: Final = DENIED | {AMBIGUOUS, DELETED_UNTOLD}
#: Our own code for a run that exists, but whose uuid GetRun does not return.
NAMELESS: Final = "RunWithoutUuid"
#: The service's code for a requestId that it knows, but does not start a run for.
CONFLICT: Final = "ConflictException"
#: Codes of unknown outcomes that sending again cannot settle.
SETTLED_BY_LOOKING: Final = HELD | {CONFLICT}


def after_failure(
    entry: Entry, error: CallError, at: datetime, limits: Limits, denial: Denial | None = None
) -> events.Event:
    """Return the event of a StartRun that failed after all retries, for *entry*, which is SUBMITTING.

    An answer that only rejects this call (a throttle, a full quota, a denial, a refusal) says nothing of
    earlier tries: if one of them may have taken effect (``error.is_doubtful``), the outcome is unknown.
    *denial* is what a denial means, where more is known than that the entry alone lacks the permission.
    """
    match error:
        case _ if error.is_doubtful:
            return events.Doubted(at=at, code=error.code, message=error.message)
        case QuotaExceededError():
            return _deferred(error, at, limits.defer.quota_wait(entry.deferrals, entry.id))
        case AccessDeniedError():
            return _denied(entry, error, at, limits, denial or Denial())
        case RefusedError():
            return events.Refused(at=at, code=error.code, message=error.message)
        case ThrottledError():
            return _deferred(error, at, 0.0)
        case OutcomeUnknownError() | ConflictError() | CredentialsError():
            return events.Doubted(at=at, code=error.code, message=error.message)
        case _:
            raise TypeError(f"{error!r} is not one of the kinds that a call ends in") from error


def after_last_word(error: CallError, at: datetime) -> events.Refused | None:
    """Return the refusal of a requestId that was answered by conflicts for too long and has no run.

    None if *error* is not a conflict.
    """
    if error.is_doubtful or not isinstance(error, ConflictError):
        return None
    why = (
        "the service has refused this requestId again and again, and no run of it is found, as where the run "
        f"was deleted: 'batchrun retry' sends the row with another requestId ({error.message})"
    )
    return events.Refused(at=at, code=error.code, message=why)


def _denied(
    entry: Entry, error: AccessDeniedError, at: datetime, limits: Limits, denial: Denial
) -> events.Event:
    if denial.extent is not Extent.ENTRY:
        return _deferred(error, at, 0.0)
    is_repeated = entry.code == error.code and entry.deferrals + 1 >= limits.defer.denials_to_refuse
    if is_repeated and denial.counts:
        return events.Refused(at=at, code=error.code, message=error.message)
    return _deferred(error, at, limits.defer.denied_wait(entry.deferrals, entry.id))


def _deferred(error: CallError, at: datetime, wait: float) -> events.Deferred:
    return events.Deferred(at=at, due=at + timedelta(seconds=wait), code=error.code, message=error.message)


def after_look(entry: Entry, run: Run, at: datetime) -> events.Seen | None:
    """Return the event of a GetRun of the entry's run; None if it shows nothing new.

    Fields that an earlier answer had, and this one lacks, are kept.
    """
    known = entry.run or run
    run = replace(
        run,
        uuid=run.uuid or known.uuid,
        arn=run.arn or known.arn,
        output_uri=run.output_uri or known.output_uri,
        creation_time=run.creation_time or known.creation_time,
        start_time=run.start_time or known.start_time,
    )
    if run.uuid != known.uuid:
        return events.Missed(
            at=at, message=f"run id {run.id} belongs to another run by now (uuid {run.uuid})"
        )
    is_news = run != entry.run or entry.missed_at is not None or outlook(run.status) is not Outlook.GOING
    return events.seen(run, at) if is_news else None


def after_missing(error: NotFoundError, at: datetime) -> events.Missed:
    """Return the event of a GetRun that was answered with a 404."""
    return events.Missed(at=at, message=f"the service does not know the run ({error.code})")


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchResult:
    """The result of looking for an entry's run: the run, or several candidates, or nothing."""

    run: Run | None = None
    rivals: tuple[str, ...] = ()  #: ids of runs that cannot be told apart


def search(entry: Entry, candidates: Iterable[Sighting]) -> SearchResult:
    """Find the run of the entry's attempt among *candidates*: runs of its name that no other entry has.

    Tagged runs are recognised by their requestId, which is unique; untagged ones by what was asked for and
    their creation time. Several that fit are rivals: it never guesses.
    """
    if entry.tagged:
        fits = [one.run for one in candidates if one.tags.get(TAG_REQUEST_ID) == entry.request_id]
        return SearchResult(run=fits[0] if fits else None)
    wanted = json.loads(entry.request)
    fits = [one.run for one in candidates if _is_as_wanted(one, wanted) and _is_recent(entry, one.run)]
    if len(fits) > 1:
        return SearchResult(rivals=tuple(run.id for run in fits))
    return SearchResult(run=fits[0] if fits else None)


def _is_as_wanted(sighting: Sighting, wanted: Mapping[str, Json]) -> bool:
    """Report whether a run was asked for exactly this; a request with ``runId`` leaves fields to that run."""
    asked = {
        "outputUri": sighting.output_uri,
        "workflowId": sighting.workflow_id,
        "parameters": sighting.parameters or None,
    }
    given = {name: wanted.get(name) for name in asked} | {"parameters": asked_parameters(wanted)}
    said = [name for name in asked if given[name] is not None or "runId" not in wanted]
    return all(asked[name] == (given[name] or None) for name in said)


def _is_recent(entry: Entry, run: Run) -> bool:
    if entry.intended_at is None or run.creation_time is None:
        return False
    return run.creation_time >= entry.intended_at - CLOCK_SLACK


def held_for_rivals(rivals: Sequence[str], at: datetime) -> events.Doubted:
    """Return the event for several runs of which only a person can tell which is the entry's."""
    return events.Doubted(
        at=at,
        code=AMBIGUOUS,
        message=f"the answer was lost, and runs {', '.join(rivals)} could each be the one; delete those "
        "that are not wanted, then run the same command again",
    )


def held_for_permission(error: CallError, at: datetime) -> events.Doubted:
    """Return the event for a run that may exist, while ListRuns is denied."""
    return events.Doubted(
        at=at,
        code=UNLISTED,
        message=f"the answer was lost longer ago than --replay-window, and looking for the run is denied "
        f"({error.message}); allow omics:ListRuns and run the same command again",
    )


def held_with_its_batch(error: CallError, at: datetime) -> events.Doubted:
    """Return the event for a row whose run batch may exist, while looking for it is denied."""
    return events.Doubted(
        at=at,
        code=UNLISTED_BATCH,
        message=f"the answer to StartRunBatch was lost, and looking for the batch is denied "
        f"({error.message}); allow omics:{error.operation} and run the same command again",
    )


def held_for_its_deleted_run(run_id: str, batch_id: str | None, at: datetime) -> events.Doubted:
    """Return the event for a row whose run was deleted before its uuid was known."""
    return events.Doubted(
        at=at,
        code=DELETED_UNTOLD,
        message=f"run batch {batch_id} started run {run_id} of this row, which was deleted before anybody "
        "told its uuid; for a new run delete the batch's record (aws omics delete-batch --batch-id "
        f"{batch_id}) and run the same command again, or give the row another id",
    )


def nameless(run_id: str, at: datetime) -> events.Doubted:
    """Return the event for a run whose uuid GetRun does not return."""
    message = f"run {run_id} is the row's, and GetRun does not tell its uuid"
    return events.Doubted(at=at, code=NAMELESS, message=message)


class Silences:
    """How long questions to the service (about a run, a lane, ...) have gone without a usable answer."""

    def __init__(self, patience: float) -> None:
        """Allow *patience* seconds; a question not asked for twice as long starts over."""
        self._patience = patience
        self._spans: dict[Hashable, tuple[float, float]] = {}  #: first and last failure, in loop time

    def answered(self, question: Hashable) -> None:
        """Note a usable answer."""
        self._spans.pop(question, None)

    def has_lasted(self, question: Hashable, now: float) -> bool:
        """Note a failure at *now*, in loop time; report whether failures have lasted longer than allowed."""
        first, last = self._spans.get(question, (now, now))
        first = now if now - last > 2 * self._patience else first
        self._spans[question] = first, now
        return now - first >= self._patience


#: Answers that make a run count as gone without a listing.
ANSWERS: Final = 3


class Weight(enum.Enum):
    """How much an answer counts by which a run is gone."""

    FIRST = "first"  #: it is recorded
    EARLY = "early"  #: it is ignored, as too soon after the recorded one
    ENOUGH = "enough"  #: it decides, together with a listing


def weigh(entry: Entry, missed: events.Missed, *, known_for: float | None, lag: float) -> Weight:
    """Return how much an answer about an ACTIVE entry counts; two that count are *lag* seconds apart or more.

    *known_for*: seconds since the last one was recorded, by a monotonic clock; None if by another process.
    """
    if entry.missed_at is None or entry.missed_at > missed.at:
        return Weight.FIRST
    waited = (missed.at - entry.missed_at).total_seconds()
    return Weight.ENOUGH if min(waited, waited if known_for is None else known_for) >= lag else Weight.EARLY


def decided(
    missed: events.Missed, *, kept: int, is_listed: bool | None
) -> events.Missed | events.Removed | None:
    """Return the event of an answer that is enough, after *kept* earlier ones; None if a listing denies it.

    *is_listed*: whether a listing that began after it shows the run; None if listing is denied or cannot
    tell.
    """
    if is_listed:
        return None
    if is_listed is None and kept + 1 < ANSWERS:
        return missed
    return events.Removed(at=missed.at, message=missed.message)


def mistold(entry: Entry, found: Run | None, again: Sighting, at: datetime) -> events.Accepted | None:
    """Return the event for the entry's run where the answer that started it had told another's uuid.

    *found* and *again* are two answers of GetRun to the run's id. It is the entry's own where both have one
    uuid, and the tags its requestId.
    """
    is_one = found is not None and again.run.uuid == found.uuid and is_there(found, again.run)
    is_ours = again.tags.get(TAG_REQUEST_ID) == entry.request_id
    return events.Accepted(at=at, run=again.run, was_found=True) if is_one and is_ours else None


def is_same(run: Run, found: Run) -> bool:
    """Report whether *found*, under the id of *run*, is that run; one without a uuid counts as the same."""
    return found.uuid in {run.uuid, ""}


def is_there(run: Run, found: Run) -> bool:
    """Report whether *found*, under the id of *run*, is that run, and not removed."""
    return is_same(run, found) and outlook(found.status) is not Outlook.REMOVED


def after_reappearing(run: Run, at: datetime) -> tuple[events.Event, ...]:
    """Return the events of a DELETED entry whose *run* was seen: that it exists, and its end if any."""
    event = events.seen(run, at)
    return (events.Reappeared(at=at, run=run), *([] if isinstance(event, events.Progressed) else [event]))


#: Our own codes, for rows of a batch for which the service gives none.
NOT_STARTED: Final = "NotStartedByBatch"
FAILED_WITH_ITS_BATCH: Final = "BatchFailed"
CANCELLED_WITH_ITS_BATCH: Final = "BatchCancelled"
#: Statuses of a batch that somebody ended on purpose (UG/workflows-batch).
_ENDED_BY_PEOPLE: Final = frozenset({"CANCELLED", "RUNS_DELETING", "RUNS_DELETE_FAILED", "RUNS_DELETED"})


def is_certain(error: CallError) -> bool:
    """Report whether a row of a batch that failed with this error certainly has no run."""
    return not isinstance(error, OutcomeUnknownError)


def after_rejection(
    entry: Entry, error: CallError, at: datetime, limits: Limits, denial: Denial | None = None
) -> events.Event:
    """Return the event of a row that a batch could not start, by the error that StartRun would have given.

    As :func:`after_failure`, except that unknown outcomes and throttles, which the service has retried
    itself, are deferred: here it is known that there is no run.
    """
    event = after_failure(entry, error, at, limits, denial)
    if isinstance(event, events.Deferred | events.Refused) and not isinstance(error, ThrottledError):
        return event
    wait = limits.defer.unknown_wait(entry.deferrals, entry.batch)
    return events.Deferred(at=at, due=at + timedelta(seconds=wait), code=error.code, message=error.message)


def after_batch(
    entry: Entry, status: str, why: str, at: datetime, limits: Limits, *, is_fruitless: bool
) -> events.Deferred | events.Refused:
    """Return the event of a row without a run or an error in a batch that is done, with this status.

    The row is SUBMITTING, and proven to have no run, so it is sent again; but if batches fail repeatedly
    without a single run (*is_fruitless*), it is refused. All rows wait equally long, so that they go together
    again. *why* is for users.
    """
    code = CANCELLED_WITH_ITS_BATCH if status in _ENDED_BY_PEOPLE else NOT_STARTED
    code = FAILED_WITH_ITS_BATCH if status == "FAILED" and is_fruitless else code
    is_repeated = entry.code == code and entry.deferrals + 1 >= limits.defer.denials_to_refuse
    if code == FAILED_WITH_ITS_BATCH and is_repeated:
        again = f"{why}; each that the row was in ended so: 'batchrun retry' sends it in another one"
        return events.Refused(at=at, code=code, message=again)
    wait = limits.defer.denied_wait(entry.deferrals, entry.batch)
    return events.Deferred(at=at, due=at + timedelta(seconds=wait), code=code, message=why)
