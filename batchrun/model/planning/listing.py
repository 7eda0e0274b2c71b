"""What an item of ListRuns says of a run that we know: a hint, never its end.

A listing lags, leaves runs out, and identifies a run by an id that may be reused. So it can confirm that a
run is active and its status; anything else it says is a reason to look at the run (GetRun).

Does not belong here: which runs to look at, and when (``watch``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import Progressed
from batchrun.model.entries.states import GOING_STATUSES, Outlook, outlook

#: How far the service's clock and ours may differ: when a run is recognised by its age, and the like.
CLOCK_SLACK: Final = timedelta(minutes=10)
#: One answer may round a creation time, and another not.
_ROUNDING: Final = timedelta(seconds=1)
#: The code of a listing whose pages never end.
ENDLESS: Final = "EndlessListing"
_RANKS: Final = {status: rank for rank, status in enumerate(GOING_STATUSES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One item of ListRuns; it lacks uuid, tags, failureReason and runOutputUri."""

    id: str
    status: str
    name: str = ""
    creation_time: datetime | None = None
    start_time: datetime | None = None
    batch_id: str | None = None  #: the run batch of the service that it is in, if any


@dataclass(frozen=True, slots=True, kw_only=True)
class Sought:
    """A run to look for in listings."""

    run: Run
    name: str | None  #: the name it was started with
    intended_at: datetime | None = None
    accepted_at: datetime | None = None


def sought(entry: Entry, run: Run, name: str | None) -> Sought:
    """Return what *run*, the entry's own, is recognised by."""
    return Sought(run=run, name=name, intended_at=entry.intended_at, accepted_at=entry.accepted_at)


def shows_going(entry: Entry, name: str | None, listed: Listed) -> bool:
    """Report whether *listed*, an item with the run's id, is the entry's own run and active.

    The entry is ACTIVE, and its run was started with *name*.
    """
    if entry.run is None or listed.status not in _RANKS:
        return False
    return _is_same(sought(entry, entry.run, name), listed)


def shows(one: Sought, listed: Listed, found: Run | None = None) -> bool | None:
    """Report whether *listed* is the run that is sought, active or ended; None if that cannot be told.

    Our own times alone decide nothing, since our clock may have been wrong. *found* is the run that GetRun
    returns for the same id, which may be another run.
    """
    is_other_id = listed.id != one.run.id or outlook(listed.status) is Outlook.REMOVED
    if is_other_id or not _is_named(one, listed):
        return False
    if one.run.creation_time is not None and listed.creation_time is not None:
        return _is_as_old(one.run, listed)
    return None if found is not None and _is_maybe_later(one, found, listed) else True


def _is_maybe_later(one: Sought, found: Run, listed: Listed) -> bool:
    """Report whether *listed* may be *found*, a run that got the same id after the one that is sought."""
    if one.accepted_at is None or found.creation_time is None or found.uuid == one.run.uuid:
        return False
    return found.creation_time > one.accepted_at and _is_as_old(found, listed)


def _is_named(one: Sought, listed: Listed) -> bool:
    return listed.name in {one.name or "", ""}


def _is_same(one: Sought, listed: Listed) -> bool:
    """Report whether a run is almost certainly ours; if not, it is looked at."""
    created = listed.creation_time
    if not _is_named(one, listed):
        return False
    if created is None:
        return True
    if one.run.creation_time is not None:
        return _is_as_old(one.run, listed)
    is_too_old = one.intended_at is not None and created < one.intended_at - CLOCK_SLACK
    return not is_too_old and (one.accepted_at is None or created <= one.accepted_at + CLOCK_SLACK)


def is_same_run(known: Run, listed: Listed) -> bool:
    """Report whether *listed* is certainly the run *known*, not another with the same id."""
    return known.id == listed.id and _is_as_old(known, listed)


def _is_as_old(run: Run, listed: Listed) -> bool:
    if run.creation_time is None or listed.creation_time is None:
        return False
    return abs(listed.creation_time - run.creation_time) <= _ROUNDING


def after_listing(entry: Entry, listed: Listed, at: datetime) -> Progressed | None:
    """Return the event of a listing of the entry's own run; None if it shows nothing new."""
    run = entry.run
    if run is None or listed.status not in _RANKS:
        return None
    is_news = _RANKS[listed.status] > _RANKS.get(run.status, len(_RANKS))
    return Progressed(at=at, run=_updated(run, listed)) if is_news else None


def _updated(run: Run, listed: Listed) -> Run:
    return replace(
        run,
        status=listed.status,
        creation_time=run.creation_time or listed.creation_time,
        start_time=run.start_time or listed.start_time,
    )
