"""An entry: a row's state in the ledger, what the service last said of its run, and the request that is sent.

Invariant: the request of an attempt is the same bytes, whenever and wherever it is made.

Does not belong here: how they change (``transitions``) or are stored (``ledger``).
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
    """What the service said about a run: the answer to StartRun or GetRun.

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
    """An answer of GetRun: the run, and what was asked for."""

    run: Run
    name: str | None = None
    tags: Mapping[str, str] = field(default_factory=dict)
    workflow_id: str | None = None
    output_uri: str | None = None  #: ``outputUri``, as requested
    batch_id: str | None = None  #: the run batch of the service that started it, if any
    parameters: Mapping[str, Json] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row of a batch, as the ledger knows it.

    The fields from ``intended_at`` on belong to the current attempt alone.
    """

    batch: str
    id: str
    position: int  #: 0-based place in the manifest last read
    #: Canonical StartRun request of the current attempt; of the preferred lane until one is chosen.
    request: str
    state: State = State.PLANNED
    attempt: int = 1
    intended_at: datetime | None = None  #: when this attempt was first about to be sent
    lane: str | None = None  #: of the attempt, chosen with its intent; None in a batch without lanes
    #: The offers (:mod:`lanes`) that it may take: the manifest's, unless a retry changed them.
    offers: str | None = None
    tagged: bool = True  #: whether the run carries our tags; part of the bytes that are sent
    accepted_at: datetime | None = None  #: when we learned of the run
    due: datetime | None = None  #: BACKOFF: not before this
    deferrals: int = 0  #: how often this attempt was deferred
    is_doubtful: bool = False  #: a call of this attempt has an unknown outcome
    code: str | None = None  #: the last error code of StartRun
    message: str | None = None  #: and its message
    run: Run | None = None
    missed_at: datetime | None = None  #: ACTIVE: when an answer last said that the run is gone
    misses: int = 0  #: such answers since the run was last seen, each ``listing_lag`` after the one before
    next_request: str | None = None  #: new content, for when the attempt in flight is settled
    #: The content that the manifest asks for, if the attempt asks for another.
    manifest_request: str | None = None
    is_changed: bool = False  #: its row has changed, and the user chose to keep what was submitted
    #: When it was last proven (:mod:`proofs`) that no lane it may take has an unknown run of its name.
    proven_at: datetime | None = None

    @property
    def request_id(self) -> str:
        """The current attempt's requestId: computed from the entry, so it cannot be lost."""
        return request_id(self.batch, self.id, self.attempt, self.request, self.lane)

    @property
    def was_sent(self) -> bool:
        """Whether any attempt was, or may have been, sent from this ledger."""
        return self.intended_at is not None or self.attempt > 1

    @property
    def content(self) -> str:
        """The content (:mod:`lanes`) that the manifest last taken in asks for."""
        if self.next_request is not None:
            return self.next_request
        return self.asked if self.manifest_request is None else self.manifest_request

    @property
    def asked(self) -> str:
        """The content of the current attempt."""
        return self.request if self.offers is None else self.offers

    @property
    def row_request(self) -> str:
        """The manifest's request in the attempt's lane, or else in the preferred one."""
        if self.intended_at is not None and self.content == self.asked:
            return self.request
        return request_in(self.content, self.lane) or first_request(self.content)

    @property
    def may_take(self) -> tuple[str, ...]:
        """The lanes that the attempt may be sent to: the chosen one, or those to choose from."""
        if self.lane is not None or self.intended_at is not None or self.offers is None:
            return () if self.lane is None else (self.lane,)
        return lanes_of(self.offers)

    @property
    def only_lane(self) -> str | None:
        """The lane that the attempt is in, or the only one that it may take."""
        return self.may_take[0] if len(self.may_take) == 1 else None

    @property
    def has_choice(self) -> bool:
        """Whether the attempt could have been sent to several lanes, whichever was chosen."""
        return self.offers is not None and len(lanes_of(self.offers)) > 1

    @property
    def may_be_in(self) -> tuple[str, ...]:
        """The lanes that may have a run of the attempt, since another ledger may have chosen another lane."""
        offered = () if self.offers is None else lanes_of(self.offers)
        return tuple(dict.fromkeys((*self.may_take, *offered)))

    def as_in(self, lane: str | None) -> Entry:
        """Return the entry as it would be sent to *lane*, one that it may take.

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
    """Return the entry as sent to *lane*; unchanged if it was sent before, or has no lanes."""
    is_free = entry.lane is None and entry.offers is not None and entry.intended_at is None
    return entry.as_in(lane) if is_free else entry


def start_run_request(entry: Entry) -> dict[str, Json]:
    """Return the StartRun request of the entry's current attempt."""
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
