"""
What an answer, or the lack of one, means for an entry: outcomes in, one event out.

Belongs here: the judgement of a single outcome. Does not: what to do next (``planner``), and which error an
exception is (``service.classify``).
"""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

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
from batchrun.model.events import Deferred, Doubted, Event, Refused, Removed, Seen, seen
from batchrun.model.spec import TAG_REQUEST_ID
from batchrun.model.states import Outlook, outlook

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrun.model.entry import Entry, Run
    from batchrun.model.limits import Limits

#: How far the service's clock and ours may be apart when a run's age is what identifies it.
_CLOCK_SLACK: Final = timedelta(minutes=10)


def after_failure(
    entry: Entry, error: CallError, at: datetime, limits: Limits, *, is_systemic: bool = False
) -> Event:
    """
    Say what a StartRun that failed for good means for *entry*, which is SUBMITTING.

    A definite answer settles an earlier doubt too: it is the service's word on this very requestId.
    A denial that is *systemic*, by :mod:`denials`, is the launch's fault and never held against the entry.
    """
    match error:
        case QuotaExceededError():
            return _deferred(error, at, limits.defer.quota_wait(entry.deferrals, entry.id))
        case AccessDeniedError():
            return _deferred(error, at, 0.0) if is_systemic else _denied(entry, error, at, limits)
        case RefusedError():
            return Refused(at=at, code=error.code, message=error.message)
        case ThrottledError():
            return _deferred(error, at, 0.0)
        case OutcomeUnknownError() | ConflictError() | CredentialsError():
            return Doubted(at=at, code=error.code, message=error.message)
        case _:
            raise TypeError(f"{error!r} is not one of the kinds that a call ends in") from error


def _denied(entry: Entry, error: AccessDeniedError, at: datetime, limits: Limits) -> Event:
    is_repeated = entry.code == error.code and entry.deferrals + 1 >= limits.defer.denials_to_refuse
    if is_repeated:
        return Refused(at=at, code=error.code, message=error.message)
    return _deferred(error, at, limits.defer.denied_wait(entry.deferrals, entry.id))


def _deferred(error: CallError, at: datetime, wait: float) -> Deferred:
    return Deferred(at=at, due=at + timedelta(seconds=wait), code=error.code, message=error.message)


def after_look(entry: Entry, run: Run, at: datetime) -> Seen | None:
    """Say what a GetRun of the entry's run shows; None where it shows nothing new."""
    if entry.run is not None and run.uuid != entry.run.uuid:
        return Removed(at=at, message=f"run id {run.id} belongs to another run by now (uuid {run.uuid})")
    is_news = run != entry.run or outlook(run.status) is not Outlook.GOING
    return seen(run, at) if is_news else None


def after_missing(entry: Entry, error: NotFoundError, at: datetime, limits: Limits) -> Removed | None:
    """
    Say what a GetRun answered by 404 means: the run was removed.

    None where that is not believed yet: the run was accepted a moment ago and never seen, and whether GetRun
    may lag behind StartRun is not documented.
    """
    was_seen = entry.run is not None and entry.run.creation_time is not None
    age = (at - entry.accepted_at).total_seconds() if entry.accepted_at else limits.settle_grace
    if was_seen or not 0 <= age < limits.settle_grace:
        return Removed(at=at, message=f"the service does not know the run any more ({error.code})")
    return None


def pick_own(entry: Entry, candidates: Sequence[tuple[Run, Mapping[str, str]]]) -> Run | None:
    """
    Find the run of the entry's current attempt among the runs of its name, given with their tags.

    Tagged: by the requestId, which no other run bears. Untagged: the only run created since the intent;
    several are ambiguous and none is picked.
    """
    if entry.tagged:
        owned = [run for run, tags in candidates if tags.get(TAG_REQUEST_ID) == entry.request_id]
        return owned[0] if owned else None
    recent = [run for run, _tags in candidates if _is_recent(entry, run)]
    return recent[0] if len(recent) == 1 else None


def _is_recent(entry: Entry, run: Run) -> bool:
    if entry.intended_at is None or run.creation_time is None:
        return False
    return run.creation_time >= entry.intended_at - _CLOCK_SLACK
