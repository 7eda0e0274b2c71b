"""
What a listing says of a run that we know: a hint, and never an end.

A listing lags, leaves out, and knows a run by an id that another may bear by now. So it can confirm that a
run goes on and how far it has come, and whatever it says beyond that is a reason to ask for the run itself.

Belongs here: this judgement of one run. Does not: which runs to ask for, and when (``watch``).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from batchrun.model.events import Progressed
from batchrun.model.states import GOING_STATUSES

if TYPE_CHECKING:
    from batchrun.model.entry import Entry, Run

#: How far the service's clock and ours may be apart where a run's age tells it from another.
_CLOCK_SLACK: Final = timedelta(minutes=10)
#: One run's creation, told twice, may be rounded.
_ROUNDING: Final = timedelta(seconds=1)
_RANKS: Final = {status: rank for rank, status in enumerate(GOING_STATUSES)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """One item of ListRuns; it lacks uuid, tags, failureReason and runOutputUri."""

    id: str
    status: str
    name: str = ""
    creation_time: datetime | None = None
    start_time: datetime | None = None


def shows_going(entry: Entry, name: str | None, listed: Listed) -> bool:
    """
    Tell whether *listed* is the entry's run, and not another that was given its id, and has not ended.

    Args:
        entry: ACTIVE.
        name: The name that its run was started with.
        listed: The item with the run's id.
    """
    if listed.name not in {name or "", ""} or listed.status not in _RANKS:
        return False
    created = listed.creation_time
    if entry.run is None or created is None:
        return entry.run is not None
    if entry.run.creation_time is not None:
        return abs(created - entry.run.creation_time) <= _ROUNDING
    earliest, latest = entry.intended_at, entry.accepted_at
    is_too_old = earliest is not None and created < earliest - _CLOCK_SLACK
    return not is_too_old and (latest is None or created <= latest + _CLOCK_SLACK)


def after_listing(entry: Entry, listed: Listed, at: datetime) -> Progressed | None:
    """Say what a listing shows of the entry's own run; None where it shows nothing new, or an older state."""
    run = entry.run
    if run is None or listed.status not in _RANKS:
        return None
    is_news = _RANKS[listed.status] > _RANKS.get(run.status, len(_RANKS))
    return Progressed(at=at, run=_brought_up(run, listed)) if is_news else None


def _brought_up(run: Run, listed: Listed) -> Run:
    return replace(
        run,
        status=listed.status,
        creation_time=run.creation_time or listed.creation_time,
        start_time=run.start_time or listed.start_time,
    )
