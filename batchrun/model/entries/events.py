"""What can happen to an entry. Events are facts, in the past tense, and the only thing that moves an entry.

Does not belong here: where they lead (``transitions``).
"""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias, get_args

from batchrun.model.entries.entry import Run
from batchrun.model.entries.states import Outlook, outlook


@dataclass(frozen=True, slots=True, kw_only=True)
class Intended:
    """The attempt is about to be sent; durable before the call leaves."""

    at: datetime
    tagged: bool = True  #: whether the request carries our tags
    lane: str | None = None  #: where it goes, for good; None in a batch without lanes
    request: str | None = None  #: canonical: what it asks for there; None in a batch without lanes
    #: Where a look by name was made for this attempt: when it showed that no run of it is there.
    proven_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Accepted:
    """The service has the run: it answered StartRun, or the run was found by looking."""

    at: datetime
    run: Run
    was_found: bool = False  #: True where looking settled it, not the answer to the call


@dataclass(frozen=True, slots=True, kw_only=True)
class Deferred:
    """The service answered that it has no run and that the same request may be sent later."""

    at: datetime
    due: datetime
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """After a "not now" in one of several lanes another attempt is to be made in whichever has room."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The service rejected this request for good."""

    at: datetime
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubted:
    """A call was sent, and it is unknown whether it took effect."""

    at: datetime
    code: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Progressed:
    """The run was seen, and has not ended."""

    at: datetime
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """The run was seen as COMPLETED."""

    at: datetime
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """The run was seen as FAILED."""

    at: datetime
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancelled:
    """The run was seen as CANCELLED."""

    at: datetime
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Missed:
    """An answer says that the run is gone; a single answer decides nothing."""

    at: datetime
    message: str  #: what it says


@dataclass(frozen=True, slots=True, kw_only=True)
class Removed:
    """The run is gone from the service, or its id belongs to another run by now."""

    at: datetime
    message: str  #: how we know


@dataclass(frozen=True, slots=True, kw_only=True)
class Reappeared:
    """A run that was taken for removed is there after all."""

    at: datetime
    run: Run


@dataclass(frozen=True, slots=True, kw_only=True)
class Withdrawn:
    """A user cancelled the entry, and this attempt will not be sent."""

    at: datetime
    message: str  #: for people


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalled:
    """The service accepted our CancelRun; the run's end is still to be seen."""

    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Revised:
    """The row's content changed, and the user wants the new content to run."""

    at: datetime
    request: str  #: the new content (:mod:`lanes`)


@dataclass(frozen=True, slots=True, kw_only=True)
class Retried:
    """The attempt ended without success, and another one is to be made."""

    at: datetime
    due: datetime  #: not before this
    why: str  #: the rule that asks for it, or who
    request: str | None = None  #: the content it asks for, where that is not what the last one asked for


Event: TypeAlias = (
    Intended
    | Accepted
    | Deferred
    | Moved
    | Refused
    | Doubted
    | Progressed
    | Completed
    | Failed
    | Cancelled
    | Missed
    | Removed
    | Reappeared
    | Withdrawn
    | Recalled
    | Revised
    | Retried
)
Seen: TypeAlias = Progressed | Completed | Failed | Cancelled | Missed
#: An entry's events, oldest first: when, the attempt that it led to, its kind, and its fields as JSON.
History: TypeAlias = Sequence[tuple[datetime, int, str, str]]

#: Every kind of event, in the order of an entry's life.
KINDS: tuple[type[Event], ...] = get_args(Event)


def kind(event: Event) -> str:
    """Return the event's stored name."""
    return type(event).__name__.lower()


def last_alike(history: History, of_kind: str, code: str, *, across: Collection[str] = ()) -> list[datetime]:
    """Return when the last events of a kind with *code* were, back to any other but the kinds *across*."""
    found: list[datetime] = []
    for at, _attempt, name, detail in history:
        if name == of_kind and json.loads(detail).get("code") == code:
            found.append(at)
        elif name not in across:
            found.clear()
    return found


def seen(run: Run, at: datetime) -> Seen:
    """Return the event for the status of *run*, which was just seen."""
    match outlook(run.status):
        case Outlook.GOING:
            return Progressed(at=at, run=run)
        case Outlook.COMPLETED:
            return Completed(at=at, run=run)
        case Outlook.FAILED:
            return Failed(at=at, run=run)
        case Outlook.CANCELLED:
            return Cancelled(at=at, run=run)
        case Outlook.REMOVED:  # pragma: no branch (there is no other)
            return Missed(at=at, message="the service shows the run as DELETED")
