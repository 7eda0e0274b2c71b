"""Replays an entry's history and compares the result with the entry that is stored.

Belongs here: parsing stored events, and each way in which an entry can disagree with them. Does not: where
rows come from, other checks of a ledger (``verify``).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from functools import cached_property
from typing import Any, Final

from batchrun.errors import InvariantError
from batchrun.ledger.rows import maybe_time, past_attempt_of, time_of
from batchrun.ledger.store import Row
from batchrun.model.entries.entry import Entry, Run
from batchrun.model.entries.events import KINDS, Accepted, Event, Intended
from batchrun.model.entries.states import State
from batchrun.model.entries.transitions import apply
from batchrun.model.lanes import first_request, offers_of
from batchrun.model.spec import digest
from batchrun.ports.stored import PastAttempt

_KINDS: Final = {kind.__name__.lower(): kind for kind in KINDS}
#: Fields that no event sets.
_NOT_IN_EVENTS: Final = frozenset({"batch", "id", "position", "is_changed", "proven_at", "offers"})
#: With lanes also the content beside the attempt's own: lanes are added to it without an event.
_NOT_IN_EVENTS_OF_LANES: Final = frozenset({"next_request", "manifest_request"})
#: Prefix of a digest in place of a request that was replaced before it was ever sent: only that is kept.
_REPLACED: Final = "replaced:"
_SHOWN: Final = 60
#: What parsing a damaged row can raise.
UNREADABLE: Final = (KeyError, TypeError, ValueError, OverflowError, AttributeError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """An attempt before the current one, with all that is stored of it."""

    past: PastAttempt
    tagged: bool
    accepted_at: datetime | None
    request: str


def kept_of(row: Row) -> Kept:
    """Return the attempt in a row of ``stored_attempts``."""
    return Kept(
        past=past_attempt_of(row),
        tagged=bool(row.tagged),
        accepted_at=maybe_time(row.accepted_at),
        request=row.request,
    )


class Replay:
    """The history of one entry, replayed by :meth:`problems`."""

    def __init__(self, stored: Entry, stored_request_id: str | None, kept: Sequence[Kept]) -> None:
        self._stored = stored
        self._stored_request_id = stored_request_id
        self._kept = {one.past.attempt: one for one in kept}
        first = kept[0].request if kept else stored.request
        self._entry = Entry(batch=stored.batch, id=stored.id, position=stored.position, request=first)

    def problems(self, events: Iterable[Row]) -> Iterator[str]:
        """Yield each way in which the entry is not what its *events*, rows of ``stored_events``, make it."""
        for number, row in enumerate(events, start=1):
            story = f"event {number} ({row.kind})"
            try:
                event = self._event(row.kind, row.at, row.detail)
                after = apply(self._entry, event)
            except UNREADABLE as error:
                yield f"{story} cannot be read: {type(error).__name__}: {error}"
                return
            except InvariantError as error:
                yield f"{story} cannot have happened: {error}"
                return
            for problem in self._wrongs(event, after, row.attempt, row.detail):
                yield f"{story} {problem}"
            self._entry = after
        yield from self._end()

    def _wrongs(self, event: Event, after: Entry, attempt: int, detail: str) -> Iterator[str]:
        if after.attempt != attempt:
            yield f"is stored for attempt {attempt}, but led to attempt {after.attempt}"
        if after.attempt > self._entry.attempt:
            yield from self._left_behind()
        if isinstance(event, Intended):
            yield from _wrong_request_id(after, json.loads(detail).get("request_id"))
        run = getattr(event, "run", None)
        if isinstance(event, Accepted):
            if not (event.run.uuid and event.run.id):
                yield "has no uuid or no id for its run"
        elif run is not None and self._entry.run is not None and run.uuid != self._entry.run.uuid:
            yield f"shows run {run.uuid}, but the attempt's run is {self._entry.run.uuid}"

    def _left_behind(self) -> Iterator[str]:
        """Compare the attempt that has ended with what was kept of it."""
        before, kept = self._entry, self._kept.pop(self._entry.attempt, None)
        if kept is None:
            yield f"began a new attempt, but attempt {before.attempt} was not kept"
            return
        stored = {
            "intended_at": (kept.past.intended_at, before.intended_at),
            "tagged": (kept.tagged, before.tagged),
            "accepted_at": (kept.accepted_at, before.accepted_at),
            "code": (kept.past.code, before.code),
            "message": (kept.past.message, before.message),
            "run": (kept.past.run, before.run),
            "request": (kept.request, before.request),
            "lane": (kept.past.lane, before.lane),
            "requestId": (kept.past.request_id, before.request_id),
        }
        for name, (found, due) in stored.items():
            if found != due:
                yield f"began a new attempt, but {name} of attempt {before.attempt} {_differs(found, due)}"

    def _end(self) -> Iterator[str]:
        for attempt in self._kept:
            yield f"attempt {attempt} is kept, but the history does not lead past it"
        skipped = _NOT_IN_EVENTS | (_NOT_IN_EVENTS_OF_LANES if self._has_lanes else frozenset())
        expected = self._entry
        if self._has_lanes and expected.intended_at is None:  # its request is still the manifest's
            expected = replace(expected, request=first_request(self._stored.asked))
        for field in fields(Entry):
            found, due = getattr(self._stored, field.name), getattr(expected, field.name)
            if field.name not in skipped and found != due:
                yield f"{field.name} {_differs(found, due)}"
        if self._stored.intended_at is not None and self._stored_request_id != self._stored.request_id:
            yield f"requestId {_differs(self._stored_request_id, self._stored.request_id)}"

    def _event(self, kind: str, at: int, detail: str) -> Event:
        facts: dict[str, Any] = json.loads(detail)
        if "request" in facts:
            facts["request"] = self._request(facts["request"])
        match _KINDS[kind]:
            case kind_ if kind_ is Intended:
                facts.pop("request_id", None)
                facts.pop("proven_at", None)  # not compared
                return Intended(at=time_of(at), **{name: _value(name, fact) for name, fact in facts.items()})
            case kind_:
                return kind_(at=time_of(at), **{name: _value(name, fact) for name, fact in facts.items()})

    def _request(self, stored_digest: str) -> str:
        return self._requests.get(stored_digest, f"{_REPLACED}{stored_digest}")

    @cached_property
    def _requests(self) -> Mapping[str, str]:
        """The stored requests, by digest."""
        texts = [*(one.request for one in self._kept.values()), self._stored.request, *self._contents]
        return {digest(text): text for text in texts if text is not None}

    @property
    def _contents(self) -> Sequence[str | None]:
        stored = self._stored
        return (stored.offers, stored.next_request, stored.manifest_request)

    @property
    def _has_lanes(self) -> bool:
        return any(content is not None and offers_of(content) for content in self._contents)


def _wrong_request_id(entry: Entry, told: object) -> Iterator[str]:
    if entry.request.startswith(_REPLACED):
        yield "sent a request that is not stored"
        return
    due = entry.request_id
    if told != due:
        yield f"was sent with requestId {told}, but the one of attempt {entry.attempt} is {due}"


def _value(name: str, fact: Any) -> Any:
    match name, fact:
        case "run", dict():
            return Run(**{part: _value(part, value) for part, value in fact.items()})
        case _, str() if name == "due" or name.endswith(("_time", "_at")):
            return datetime.fromisoformat(fact)
        case _:
            return fact


def _differs(found: object, due: object) -> str:
    if isinstance(found, Run) and isinstance(due, Run):
        name = next(one.name for one in fields(Run) if getattr(found, one.name) != getattr(due, one.name))
        return f"has {name} {_cut(getattr(found, name))}, but its history makes it {_cut(getattr(due, name))}"
    return f"is {_cut(found)}, but its history makes it {_cut(due)}"


def _cut(value: object) -> str:
    text = value.value if isinstance(value, State) else str(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
