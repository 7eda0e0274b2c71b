"""The whole state machine: which event leads from which state to which, in one table.

How to read it. A cell holds the next state, an :class:`Ignored` with the reason why the event changes
nothing there, or FORBIDDEN: the event cannot happen in that state, and if it does, batchrun has a defect and
raises an error instead of guessing.

Theory of operation. An attempt is sent only in SUBMITTING, and an entry gets there only by an `Intended` that
is on disk. Only an answer leads out of it: a run (`Accepted`), a refusal (`Refused`) or a "not now"
(`Deferred`); after a lost answer (`Doubted`) the entry stays, to be settled with the same requestId. A run
ends only by what the service says about it. That it is gone takes two answers: the first is kept (`Missed`);
an answer that shows the run revokes it, and a second one like it ends the run (`Removed`). A run that still
exists after that returns to its entry (`Reappeared`); one whose uuid was told wrong at its start is
`Accepted` again. A cancellation is `Withdrawn` if the row was not sent, and `Recalled` if it has a run, which
then ends like any other. `Revised` starts a new attempt: at once if no call is in the air, else after that
call is settled (`Entry.next_request`). `Retried` starts one after an end without success, `Moved` one in
another lane after a "not now".

Belongs here: everything that decides an entry's next value. Does not: which action to take
(``planning.planner``). The diagram of ``batchrun help states`` is made from TABLE by ``scripts/readme``.
"""

from __future__ import annotations

import enum
from dataclasses import dataclass, replace
from typing import Final, Literal, TypeAlias

from batchrun.errors import InvariantError
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import (
    KINDS,
    Accepted,
    Cancelled,
    Completed,
    Deferred,
    Doubted,
    Event,
    Failed,
    Intended,
    Missed,
    Moved,
    Progressed,
    Reappeared,
    Recalled,
    Refused,
    Removed,
    Retried,
    Revised,
    Seen,
    Withdrawn,
    kind,
)
from batchrun.model.entries.states import State
from batchrun.model.lanes import first_request, offers_of
from batchrun.model.spec import named


@dataclass(frozen=True, slots=True)
class Ignored:
    """The event changes nothing in this state, and why."""

    reason: str


class Forbidden(enum.Enum):
    """The event cannot happen in this state."""

    FORBIDDEN = "forbidden"


FORBIDDEN: Final = Forbidden.FORBIDDEN
Cell: TypeAlias = State | Ignored | Literal[Forbidden.FORBIDDEN]

_OVER = Ignored("the run's end was seen; what comes later is another story")

#: Transitions that all ended states share.
_ENDED: Final[dict[type[Event], Cell]] = {
    Progressed: _OVER,
    Completed: _OVER,
    Failed: _OVER,
    Cancelled: _OVER,
    Missed: _OVER,
    Removed: _OVER,
    Recalled: _OVER,
    Revised: State.PLANNED,
}
#: What can happen in each state; every other event is FORBIDDEN there.
_POSSIBLE: Final[dict[State, dict[type[Event], Cell]]] = {
    State.PLANNED: {
        Intended: State.SUBMITTING,
        Withdrawn: State.CANCELLED,
        Revised: State.PLANNED,
    },
    State.SUBMITTING: {
        Accepted: State.ACTIVE,
        Deferred: State.BACKOFF,
        Refused: State.REFUSED,
        Doubted: State.SUBMITTING,
        Revised: State.SUBMITTING,
    },
    State.BACKOFF: {
        Intended: State.SUBMITTING,
        Moved: State.PLANNED,
        Withdrawn: State.CANCELLED,
        Revised: State.PLANNED,
    },
    State.ACTIVE: {
        Accepted: State.ACTIVE,  # the answer that started it had told another's uuid
        Progressed: State.ACTIVE,
        Completed: State.SUCCEEDED,
        Failed: State.FAILED,
        Cancelled: State.CANCELLED,
        Missed: State.ACTIVE,
        Removed: State.DELETED,
        Recalled: State.ACTIVE,
        Revised: State.PLANNED,
    },
    State.SUCCEEDED: _ENDED,
    State.FAILED: {**_ENDED, Retried: State.PLANNED},
    State.CANCELLED: {**_ENDED, Retried: State.PLANNED},
    State.DELETED: {**_ENDED, Reappeared: State.ACTIVE, Retried: State.PLANNED},
    State.REFUSED: {Revised: State.PLANNED, Retried: State.PLANNED},
}
TABLE: Final[dict[State, dict[type[Event], Cell]]] = {
    state: {event: cells.get(event, FORBIDDEN) for event in KINDS} for state, cells in _POSSIBLE.items()
}


def apply(entry: Entry, event: Event) -> Entry:
    """Return the entry as it is after *event*; the same object if the event is ignored.

    Raises:
        InvariantError: The event cannot happen in the entry's state.
    """
    cell = TABLE[entry.state][type(event)]
    if isinstance(cell, Ignored):
        return entry
    if cell is FORBIDDEN:
        raise InvariantError(f"{_story(entry)}; then '{kind(event)}', which cannot happen in this state")
    return _evolve(entry, event, cell)


def _evolve(entry: Entry, event: Event, state: State) -> Entry:  # noqa: C901 (one line for each)
    match event:
        case Intended():
            return _intend(entry, event, state)
        case Accepted(at=at, run=run):
            seen = replace(entry, state=state, run=run, accepted_at=at, missed_at=None, misses=0)
            return replace(seen, is_doubtful=False, code=None, message=None)
        case Deferred(due=due, code=code, message=message):
            return replace(
                entry,
                state=state,
                due=due,
                code=code,
                message=message,
                is_doubtful=False,
                deferrals=entry.deferrals + 1,
            )
        case Moved():
            return _move(entry)
        case Refused(code=code, message=message) | Doubted(code=code, message=message):
            is_doubtful = isinstance(event, Doubted)
            return replace(entry, state=state, code=code, message=message, is_doubtful=is_doubtful)
        case Progressed() | Completed() | Failed() | Cancelled() | Missed() | Removed() | Reappeared():
            return _see(entry, event, state)
        case Withdrawn(message=message):
            return replace(entry, state=state, code=None, message=message, due=None)
        case Recalled():
            return replace(entry, state=state)
        case Retried():
            return _retry(entry, event)
        case Revised(request=request):  # pragma: no branch (there is no other)
            return _revise(entry, request)


def _intend(entry: Entry, event: Intended, state: State) -> Entry:
    proven_at = event.proven_at or entry.proven_at
    if entry.intended_at is not None:  # the same attempt again: the same bytes, the same age
        return replace(entry, state=state, due=None, proven_at=proven_at)
    return replace(
        entry,
        state=state,
        due=None,
        proven_at=proven_at,
        intended_at=event.at,
        tagged=event.tagged,
        lane=event.lane,
        request=entry.request if event.request is None else event.request,
    )


def _see(entry: Entry, event: Seen | Removed | Reappeared, state: State) -> Entry:
    if isinstance(event, Missed):
        # An earlier time in the future is from before the clock was set back, and does not count.
        is_first = entry.missed_at is None or entry.missed_at > event.at
        return replace(entry, state=state, missed_at=event.at, misses=1 if is_first else entry.misses + 1)
    entry = replace(entry, state=state, missed_at=None, misses=0)
    if isinstance(event, Removed):
        return replace(entry, message=event.message)
    return replace(entry, run=_kept(entry, event.run), message=None)


def _kept(entry: Entry, run: Run) -> Run:
    """Return *run* with the output place from StartRun, if a later answer lacks it."""
    if run.output_uri is None and entry.run is not None:
        return replace(run, output_uri=entry.run.output_uri)
    return run


def _revise(entry: Entry, request: str) -> Entry:
    match entry.state:
        case State.PLANNED:  # never sent, so the attempt is still free
            return replace(_with_content(entry, request), manifest_request=None)
        case State.SUBMITTING:
            asked = replace(entry, next_request=None).content
            return replace(entry, next_request=None if request == asked else request)
        case _:
            return _next_attempt(entry, request)


def _move(entry: Entry) -> Entry:
    """Begin another attempt with the lanes of the last, and keep the reason."""
    again = replace(_next_attempt(entry, entry.asked), manifest_request=entry.manifest_request)
    return replace(again, code=entry.code, message=entry.message)


def _retry(entry: Entry, event: Retried) -> Entry:
    """Begin another attempt, and keep the manifest's content if that is different."""
    asked = entry.asked if event.request is None else event.request
    departs_from = None if asked == entry.content else entry.content
    return replace(_next_attempt(entry, asked), due=event.due, manifest_request=departs_from)


def _next_attempt(entry: Entry, content: str) -> Entry:
    """Begin the next attempt; one that was withdrawn before it was ever sent is still free."""
    again = _with_content(entry, content)
    return Entry(
        batch=entry.batch,
        id=entry.id,
        position=entry.position,
        request=again.request,
        offers=again.offers,
        attempt=entry.attempt + (entry.intended_at is not None),
        proven_at=again.proven_at,
    )


def _with_content(entry: Entry, content: str) -> Entry:
    """Return the entry with *content*; its proof stays if it is about the same runs."""
    offers = content if offers_of(content) else None
    again = replace(entry, request=first_request(content), offers=offers)
    is_proven = entry.proven_at is not None and _names(replace(again, intended_at=None, lane=None)) <= _names(
        entry
    )
    return again if is_proven else replace(again, proven_at=None)


def _names(entry: Entry) -> set[tuple[str | None, str | None]]:
    """Return the names by which runs of the attempt are looked for, each with its lane."""
    lanes = entry.may_take or (None,)
    return {(lane, named(entry.as_in(lane).request)) for lane in lanes}


def _story(entry: Entry) -> str:
    run = f", run {entry.run.id} ({entry.run.uuid}) {entry.run.status}" if entry.run else ""
    return f"entry '{entry.id}' of batch '{entry.batch}', attempt {entry.attempt}, {entry.state.value}{run}"
