"""
An entry: a spec's life in the ledger, what the service last said of its run, and the request as it is sent.

Invariant: for one attempt of one entry the request is the same bytes, whenever and wherever it is made.
Belongs here: the values. Does not: how they change (``transitions``) or are stored (``ledger``).
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime

from batchrun.errors import InvariantError
from batchrun.model.entries.states import State
from batchrun.model.lanes import first_request, lanes_of, request_in
from batchrun.model.spec import TAG_ATTEMPT, TAG_BATCH, TAG_ID, TAG_REQUEST_ID, Json, named, request_id


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """
    What the service said about a run: the answer to StartRun or GetRun.

    Fields are the API's, in our spelling; times are aware and in UTC. ``uuid`` is the run's identity, ``id``
    may be given to another run once this one was deleted (UG/running-workflows).
    """

    id: str
    uuid: str
    arn: str
    status: str
    output_uri: str | None = None  #: ``runOutputUri``: as the service gave it, never computed
    creation_time: datetime | None = None
    start_time: datetime | None = None
    stop_time: datetime | None = None
    failure_reason: str | None = None
    status_message: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """One GetRun: the run, and what it was asked to be."""

    run: Run
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    workflow_id: str | None = None
    output_uri: str | None = None  #: ``outputUri``, as requested
    batch_id: str | None = None  #: the run batch of the service that it came from, where it came from one
    parameters: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """
    One row of a batch, as the ledger knows it.

    The fields from ``intended_at`` on belong to the current attempt alone.
    """

    batch: str
    id: str
    position: int  #: 0-based place in the manifest last read
    #: Canonical StartRun request of the current attempt; until its lane is chosen, of the preferred one.
    request: str
    state: State = State.PLANNED
    attempt: int = 1
    intended_at: datetime | None = None  #: when this attempt was first about to be sent
    lane: str | None = None  #: of the attempt, from its intent on; None in a batch without lanes
    #: What it may take (:mod:`lanes`): what the manifest offers, unless a retry departs.
    offers: str | None = None
    tagged: bool = True  #: whether the run carries our tags; part of the bytes that are sent
    accepted_at: datetime | None = None  #: when we learned of the run
    due: datetime | None = None  #: BACKOFF: not before this
    deferrals: int = 0  #: how often the service said "not now" to this attempt, throttles apart
    is_doubtful: bool = False  #: a call of this attempt was sent whose outcome is unknown
    code: str | None = None  #: the last error code that StartRun gave
    message: str | None = None  #: and its words
    run: Run | None = None
    missed_at: datetime | None = None  #: ACTIVE: when an answer said last that the run is gone
    misses: int = 0  #: such answers since the run was last seen, each a listing's lag after the one before
    next_request: str | None = None  #: new content that waits until the attempt in flight is settled
    #: The content the manifest asks for, where the attempt departs from it.
    manifest_request: str | None = None
    is_changed: bool = False  #: its row asks for other content by now, and what was submitted was to be kept
    #: When it was last seen that no lane it may take has a run of its name that this ledger does not know.
    proven_at: datetime | None = None

    @property
    def request_id(self) -> str:
        """The current attempt's requestId: a function of what the entry is, so it cannot be lost."""
        return request_id(self.batch, self.id, self.attempt, self.request, self.lane)

    @property
    def was_sent(self) -> bool:
        """Whether any attempt was, or may have been, sent from this ledger."""
        return self.intended_at is not None or self.attempt > 1

    @property
    def content(self) -> str:
        """The content (:mod:`lanes`) that the manifest last asked for and that was taken up."""
        if self.next_request is not None:
            return self.next_request
        return self.asked if self.manifest_request is None else self.manifest_request

    @property
    def asked(self) -> str:
        """The content that the current attempt was made with."""
        return self.request if self.offers is None else self.offers

    @property
    def row_request(self) -> str:
        """The request in that content: of the attempt's lane, or else of the preferred one."""
        if self.intended_at is not None and self.content == self.asked:
            return self.request
        return request_in(self.content, self.lane) or first_request(self.content)

    @property
    def may_take(self) -> tuple[str, ...]:
        """The lanes that the attempt may be sent to: the chosen one, or those to choose from; () without."""
        if self.lane is not None or self.intended_at is not None or self.offers is None:
            return () if self.lane is None else (self.lane,)
        return lanes_of(self.offers)

    @property
    def only_lane(self) -> str | None:
        """The lane that the attempt is in, or will be in because it may take no other."""
        return self.may_take[0] if len(self.may_take) == 1 else None

    @property
    def may_be_in(self) -> tuple[str, ...]:
        """The lanes that may have a run of the attempt: another ledger may have chosen another one."""
        offered = () if self.offers is None else lanes_of(self.offers)
        return tuple(dict.fromkeys((*self.may_take, *offered)))

    def as_in(self, lane: str | None) -> Entry:
        """
        Return the entry as it would be sent to *lane*, one that it may take.

        Raises:
            InvariantError: It may not.
        """
        if lane == self.lane or lane is None:
            return self
        request = request_in(self.asked, lane) if lane in self.may_take else None
        if request is None:
            raise InvariantError(
                f"entry '{self.id}' may not be sent to lane '{lane}', but to {self.may_take}"
            )
        return replace(self, lane=lane, request=request)


def sent_to(entry: Entry, lane: str | None) -> Entry:
    """Return the entry as it is when it is sent to *lane*; what was sent before, or has no lanes, stays."""
    is_free = entry.lane is None and entry.offers is not None and entry.intended_at is None
    return entry.as_in(lane) if is_free else entry


def start_run_request(entry: Entry) -> dict[str, Json]:
    """Return the request for the entry's current attempt."""
    request: dict[str, Json] = json.loads(entry.request)
    request_id = entry.request_id
    if entry.tagged:
        users = request.get("tags")
        request["tags"] = {**(users if isinstance(users, dict) else {}), **_own_tags(entry, request_id)}
    request["requestId"] = request_id
    return request


def _own_tags(entry: Entry, request_id: str) -> dict[str, Json]:
    """Return the tags by which the run can be found again without a ledger."""
    return {
        TAG_BATCH: entry.batch,
        TAG_ID: entry.id,
        TAG_ATTEMPT: str(entry.attempt),
        TAG_REQUEST_ID: request_id,
    }


def run_name(entry: Entry) -> str | None:
    """Return the name the run was, or will be, started with."""
    return named(entry.request)
