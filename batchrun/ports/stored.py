"""The values that a ledger takes and returns.

Does not belong here: the methods (``ledger``, ``batch``, ``held``).
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.entries.states import HOLDS_SLOT, OPEN, State

if TYPE_CHECKING:
    from batchrun.errors import ManifestWarning
    from batchrun.model.costs import Usage
    from batchrun.model.entries.entry import Entry, Run
    from batchrun.model.entries.events import Event
    from batchrun.model.paces.handing_on import Learned
    from batchrun.model.tasks import FailedTasks


#: The longest lease. One that ends later was written by a clock that was ahead.
LONGEST_LEASE: Final = timedelta(minutes=15)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """The right to write to a batch, until it expires or another launcher takes it over."""

    batch: str
    holder: str  #: who holds it: ``host:pid``
    fence: int  #: grows by one with each claim; a write with an older fence is refused
    expires_at: datetime
    is_of_copy: bool = False  #: the ledger may be a copy, or was put back: rows may have been sent by another


@dataclass(frozen=True, slots=True, kw_only=True)
class TakenFrom:
    """The files that a manifest's rows follow from, and from nothing else."""

    fingerprint: str  #: of what is in them, and of how they are read; 64 characters
    beside: tuple[str, ...] = ()  #: absolute paths of those that the manifest itself names
    warnings: tuple[ManifestWarning, ...] = ()  #: what was told of them
    warning_count: int = 0  #: of all; of very many only some are in ``warnings``
    retry: RetryPolicy = field(default_factory=RetryPolicy)  #: the manifest's own


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """One launch of a manifest."""

    name: str  #: unique in its ledger
    region: str  #: of its runs; run ids mean nothing elsewhere
    created_at: datetime
    account: str | None = None  #: of its runs, 12 digits; None where unknown
    place: str | None = None  #: absolute path of the manifest last taken in; None where unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class LanePlace:
    """The region and account of one lane of a batch."""

    name: str
    region: str
    account: str | None = None  #: 12 digits; None where unknown


@dataclass(frozen=True, slots=True, kw_only=True)
class Transition:
    """One event and the entry that it led to: recorded together or not at all."""

    event: Event
    entry: Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Sync:
    """How a manifest differs from its batch. Ids are samples of at most 20, counts are exact."""

    rows: int = 0
    new: int = 0
    unchanged: int = 0
    changed: int = 0
    changed_ids: tuple[str, ...] = ()
    active: int = 0  #: changed rows whose runs are not over
    gone: int = 0  #: entries that the manifest no longer names; they stay in the ledger
    gone_ids: tuple[str, ...] = ()
    #: New entries that most likely stand for some that were sent, did not fail, and are gone.
    renamed: int = 0
    renamed_ids: tuple[tuple[str, str], ...] = ()  #: the old and the new id


@dataclass(frozen=True, slots=True, kw_only=True)
class Counts:
    """A batch's entries, counted.

    PLANNED and BACKOFF entries that left the manifest do not count: they will not be sent.

    ``by_status`` splits ACTIVE by the run's own status, such as queued or running. ``changed`` counts rows
    whose runs have other content than the manifest has now. ``by_lane`` counts a row in its lane, or in the
    only one it may take; under the empty name, rows that may take several, and rows sent before the manifest
    had lanes. It is empty in a batch without lanes.
    """

    by_state: Mapping[State, int] = field(default_factory=dict)
    by_status: Mapping[str, int] = field(default_factory=dict)
    changed: int = 0
    by_lane: Mapping[str, Mapping[State, int]] = field(default_factory=dict)

    def open_in(self, lane: str) -> tuple[int, int]:
        """Return how many open entries are in *lane*, or may take only it, and how many others there are."""
        own = sum(self.by_lane.get(lane, {}).get(state, 0) for state in OPEN)
        return own, self.open - own

    def without_run_in(self, lane: str) -> int:
        """Return how many of the open entries in *lane*, or that may take only it, have no run yet."""
        return self.open_in(lane)[0] - self.by_lane.get(lane, {}).get(State.ACTIVE, 0)

    @property
    def total(self) -> int:
        """All entries that count."""
        return sum(self.by_state.values())

    @property
    def open(self) -> int:
        """Entries that have not ended."""
        return sum(self.by_state.get(state, 0) for state in OPEN)

    @property
    def slots(self) -> int:
        """Runs that are, or may be, active at the service."""
        return sum(self.by_state.get(state, 0) for state in HOLDS_SLOT)


@dataclass(frozen=True, slots=True, kw_only=True)
class PastAttempt:
    """An earlier attempt, as the results show it."""

    attempt: int
    request_id: str
    intended_at: datetime | None = None
    run: Run | None = None
    code: str | None = None
    message: str | None = None
    request: str | None = None  #: canonical, as it was sent
    lane: str | None = None  #: None in a batch without lanes


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """An entry and its earlier attempts: what a results row is made from."""

    entry: Entry
    earlier: tuple[PastAttempt, ...] = ()
    tasks: Mapping[int, FailedTasks] = field(default_factory=dict)  #: by attempt, where they were asked for


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """What is notable in a batch at one moment."""

    #: ACTIVE entries, the longest known run first, among the first 5,000 by position.
    oldest: tuple[Entry, ...] = ()
    #: Entries that ended without success, the latest end first, among the last 5,000.
    failures: tuple[Entry, ...] = ()
    #: (at, kind) in the order of recording, among the ledger's newest 5,000.
    events: tuple[tuple[datetime, str], ...] = ()
    next_due: datetime | None = None  #: when the next waiting entry becomes due


class Latest(enum.Enum):
    """Which runs to return the latest of."""

    ACTIVE = "active"  #: of ACTIVE entries
    CURRENT = "current"  #: of the current attempts of all entries
    ENDED = "ended"  #: of all attempts that were seen to end


class By(enum.Enum):
    """How to find ids."""

    RUN = "run"
    BEGINNING = "beginning"
    LIKENESS = "likeness"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskFailures:
    """FAILED entries with the same failure reason of the run and of a task."""

    run_reason: str | None  #: the run's ``failureReason``
    reason: str | None  #: the tasks'
    rows: int  #: entries with such a task
    names: int  #: distinct names of these tasks
    name: str | None  #: one of them


@dataclass(frozen=True, slots=True, kw_only=True)
class Failures:
    """Entries that ended without success in the same way."""

    state: State
    reason: str | None  #: the run's ``failureReason``, or without a run the code of the last answer
    count: int
    entries: tuple[Entry, ...]  #: the first of them
    #: Why tasks of their runs failed, as far as stored, most rows first.
    tasks: tuple[TaskFailures, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class KeptPace:
    """What was learned of one account's limit for one operation, and when."""

    account: str
    operation: str
    learned: Learned
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Commons:
    """What the launchers of one ledger share: the pace of one operation in one account and region."""

    region: str
    account: str | None  #: None where unknown
    operation: str  #: the API's name, such as ``StartRun``


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """A time in which only one launcher makes an operation's calls, in seconds from now."""

    begins_in: float
    ends_in: float
    after: int  #: the end of the stretch before, as the ledger writes it
    until: int  #: its end, as the ledger writes it


@dataclass(frozen=True, slots=True)
class LeftPace:
    """The pace that the launcher with the last stretch handed on."""

    state: str  #: JSON text
    ago: float  #: seconds since
    until: int  #: the end of its stretch


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedRun:
    """A run of any attempt that has ended, and its usage where known."""

    position: int  #: of its entry
    entry_id: str
    attempt: int
    run: Run
    lane: str | None = None  #: None in a batch without lanes
    name: str | None = None  #: the name that it was started with
    usage: Usage | None = None  #: None where not stored
    is_gone: bool = False  #: the service no longer has it: a missing usage stays unknown
    is_there: bool = True  #: whether its end was seen and it was not deleted on request


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedRun:
    """A failed run whose tasks were not asked for yet."""

    number: int  #: increases in the order in which the ends were recorded
    id: str  #: the entry's
    attempt: int
    run: Run
    lane: str | None = None  #: None in a batch without lanes


@dataclass(frozen=True, slots=True, kw_only=True)
class Unproven:
    """What a survey is to look for in one lane."""

    names: Mapping[str, tuple[str, ...]] = field(default_factory=dict)  #: ids of the entries, by run name
    last_calls: int | None = None  #: ListRuns calls of the last complete listing for this batch
