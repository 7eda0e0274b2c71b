"""
When a run is gone: never by one answer.

An answer by which it is (a 404, another run under its id, the status DELETED) may come from a service that
lags or errs. So the first one is kept, and its entry stays ACTIVE; one that shows the run takes that back. A
later one, at least a listing's lag after the one before, is believed where no listing shows the run. Who may
not list, or cannot tell by it, has three such answers instead.

What was believed may be wrong all the same: a run that is there after all has its entry again, unless another
attempt has begun.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Final

from batchrun.model.entries.events import Event, Missed, Progressed, Reappeared, Removed, seen
from batchrun.model.entries.states import Outlook, outlook

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.model.entries.entry import Entry, Run

#: Answers that are believed without a listing.
ANSWERS: Final = 3


class Weight(enum.Enum):
    """What an answer by which a run is gone is good for."""

    FIRST = "first"  #: it is kept
    EARLY = "early"  #: nothing: it comes too soon after one that was kept
    ENOUGH = "enough"  #: it decides, with what a listing shows


def weigh(entry: Entry, missed: Missed, *, known_for: float | None, lag: float) -> Weight:
    """
    Say what an answer is good for.

    Args:
        entry: ACTIVE.
        missed: The answer.
        known_for: Seconds since the one before was kept, by a clock that nobody sets; None where that was
            not in this process.
        lag: Seconds that lie between two answers that count.
    """
    if entry.missed_at is None or entry.missed_at > missed.at:
        return Weight.FIRST
    waited = (missed.at - entry.missed_at).total_seconds()
    return Weight.ENOUGH if min(waited, waited if known_for is None else known_for) >= lag else Weight.EARLY


def decided(missed: Missed, *, kept: int, is_listed: bool | None) -> Missed | Removed | None:
    """
    Say what an answer that is enough leads to; None where it is contradicted.

    Args:
        missed: The answer.
        kept: How many like it came before, since the run was last seen.
        is_listed: Whether a listing, begun after it, shows the run; None where listing is denied, or that
            cannot be told.
    """
    if is_listed:
        return None
    if is_listed is None and kept + 1 < ANSWERS:
        return missed
    return Removed(at=missed.at, message=missed.message)


def is_same(run: Run, found: Run) -> bool:
    """Report whether *found*, under the id of *run*, is that run; without a uuid it contradicts none."""
    return found.uuid in {run.uuid, ""}


def is_there(run: Run, found: Run) -> bool:
    """Report whether *found*, under the id of *run*, is that run, and was not removed."""
    return is_same(run, found) and outlook(found.status) is not Outlook.REMOVED


def after_reappearing(run: Run, at: datetime) -> tuple[Event, ...]:
    """Return what to record of a DELETED entry whose *run* was just seen: that it is there, and its end."""
    event = seen(run, at)
    return (Reappeared(at=at, run=run), *([] if isinstance(event, Progressed) else [event]))
