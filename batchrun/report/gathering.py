"""The report's data, read from the ledger: entries with all their attempts, and counts of StartRun's answers.

The ledger keeps events, not calls: repeats within one submission, throttled calls and looks at runs leave no
trace there, and so none here. Belongs here: the one word for where a row stands,
queued told from running, how long each took; what is asked of the ledger, a page at a time. Does not: adding
up (``figures``, ``bill``, ``packing``), the page (``html``).
"""

from __future__ import annotations

import enum
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import TYPE_CHECKING, Final

from batchrun.model.costs import PriceLists
from batchrun.model.entries.states import ENDED, QUEUED_STATUSES, Outlook, State, outlook
from batchrun.model.lanes import place_of
from batchrun.model.tasks import FailedTasks, log_streams
from batchrun.ports.stored import Batch, EndedRun, KeptPace, Outcome, PastAttempt, TaskFailures
from batchrun.report.bill import Bill, Charged, bill_of
from batchrun.report.chosen import begun_again, with_tasks
from batchrun.report.overview import LaneCounts, lanes_of
from batchrun.report.results import status

if TYPE_CHECKING:
    from batchrun.model.entries.entry import Entry
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.ledger import Ledger


#: No failed tasks are known.
_NONE: Final[Mapping[int, FailedTasks]] = {}


class RowStanding(enum.Enum):
    """Where a row stands, in the order of display."""

    SUCCEEDED = "succeeded"
    FAILED = "failed"
    REFUSED = "refused"
    CANCELLED = "cancelled"
    DELETED = "deleted"
    RUNNING = "running"
    QUEUED = "queued"
    SUBMITTING = "submitting"
    PLANNED = "planned"

    @property
    def is_end(self) -> bool:
        """Whether nothing more happens without the user."""
        return self in _ENDS

    @property
    def is_trouble(self) -> bool:
        """Whether it ended without success."""
        return self.is_end and self is not RowStanding.SUCCEEDED


_BY_STATE: Final = {
    State.PLANNED: RowStanding.PLANNED,
    State.BACKOFF: RowStanding.PLANNED,
    State.SUBMITTING: RowStanding.SUBMITTING,
    State.ACTIVE: RowStanding.RUNNING,
    **{state: RowStanding(state.value) for state in ENDED},
}
_ENDS: Final = frozenset(_BY_STATE[state] for state in ENDED)
_BY_OUTLOOK: Final = {
    Outlook.GOING: RowStanding.DELETED,  # a later attempt was begun, so this one is no longer watched
    Outlook.COMPLETED: RowStanding.SUCCEEDED,
    Outlook.FAILED: RowStanding.FAILED,
    Outlook.CANCELLED: RowStanding.CANCELLED,
    Outlook.REMOVED: RowStanding.DELETED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownAttempt:
    """One attempt of a row, and its run if there is one."""

    number: int
    standing: RowStanding
    status: str  #: the service's status, or batchrun's without a run
    run_id: str | None = None
    uuid: str | None = None
    output_uri: str | None = None
    created: datetime | None = None  #: when it was queued
    started: datetime | None = None
    stopped: datetime | None = None
    reason: str | None = None
    message: str | None = None
    lane: str | None = None  #: None in a batch without lanes, or before one is chosen
    region: str | None = None  #: where its run is, by its ARN
    has_logs: bool = False  #: whether its run has log streams (:func:`batchrun.model.tasks.log_streams`)
    tasks: FailedTasks | None = None  #: that failed in its run; None if unknown
    charged: Charged | None = None  #: what its run cost; None if unknown or not requested

    def queued(self, at: datetime) -> timedelta | None:
        """Return how long it was queued, until *at* if it still is; None if unknown."""
        until = self.started or self.stopped or (None if self.standing.is_end else at)
        return None if self.created is None or until is None else max(until - self.created, timedelta())

    def ran(self, at: datetime) -> timedelta | None:
        """Return how long it ran, until *at* if it still does; None if unknown."""
        until = self.stopped or (None if self.standing.is_end else at)
        return None if self.started is None or until is None else max(until - self.started, timedelta())


@dataclass(frozen=True, slots=True, kw_only=True)
class ShownRow:
    """A row of the manifest: its current attempt and those before it."""

    id: str
    current: ShownAttempt
    earlier: tuple[ShownAttempt, ...] = ()

    @property
    def standing(self) -> RowStanding:
        """The standing of the current attempt."""
        return self.current.standing

    @property
    def attempts(self) -> tuple[ShownAttempt, ...]:
        """All attempts, in their order."""
        return (*self.earlier, self.current)


def row_of(outcome: Outcome, tasks: Mapping[int, FailedTasks] = _NONE) -> ShownRow:
    """Return the row of an outcome, with its failed *tasks* by attempt."""
    entry = outcome.entry
    return ShownRow(
        id=entry.id,
        current=_current(entry, tasks.get(entry.attempt)),
        earlier=tuple(_past(past, tasks.get(past.attempt)) for past in outcome.earlier),
    )


def standing_of(entry: Entry) -> RowStanding:
    """Return where an entry stands; queued and running are apart."""
    if entry.state is State.ACTIVE and entry.run is not None and entry.run.status in QUEUED_STATUSES:
        return RowStanding.QUEUED
    return _BY_STATE[entry.state]


def _current(entry: Entry, tasks: FailedTasks | None) -> ShownAttempt:
    run, is_deleted = entry.run, entry.state is State.DELETED
    attempt = _attempt(entry, standing_of(entry), status(entry), entry.only_lane, tasks)
    if run is None or (run.creation_time and not is_deleted):
        return attempt
    # StartRun does not return a creationTime: until the first look, our own time is the best guess.
    created = run.creation_time or entry.accepted_at
    return replace(attempt, created=created, message=entry.message if is_deleted else attempt.message)


def _past(past: PastAttempt, tasks: FailedTasks | None) -> ShownAttempt:
    if past.run is None:
        return _attempt(past, RowStanding.REFUSED, "REFUSED", past.lane, tasks)
    return _attempt(past, _BY_OUTLOOK[outlook(past.run.status)], past.run.status, past.lane, tasks)


def _attempt(
    one: Entry | PastAttempt, standing: RowStanding, status: str, lane: str | None, tasks: FailedTasks | None
) -> ShownAttempt:
    run = one.run
    if run is None:
        return ShownAttempt(
            number=one.attempt,
            standing=standing,
            status=status,
            reason=one.code,
            message=one.message,
            lane=lane,
        )
    return ShownAttempt(
        number=one.attempt,
        standing=standing,
        status=status,
        lane=lane,
        region=place_of(run.arn)[1],
        run_id=run.id,
        uuid=run.uuid,
        output_uri=run.output_uri,
        created=run.creation_time,
        started=run.start_time,
        stopped=run.stop_time,
        reason=run.failure_reason,
        message=run.status_message,
        has_logs=bool(log_streams(run, json.loads(one.request) if one.request else {})),
        tasks=tasks,
    )


#: One event of a history: at, attempt, kind, detail.
_Recorded = tuple["datetime", int, str, str]


@dataclass(slots=True, kw_only=True)
class StartCalls:
    """Counts of StartRun's answers that moved an entry; codes are the service's, or ours for lost answers."""

    sent: int = 0  #: submissions begun
    accepted: int = 0  #: of these, answered by StartRun with a run
    found: int = 0  #: runs that were found after their answer was lost
    deferred: Counter[str] = field(default_factory=Counter)  #: "not now", by code
    doubted: Counter[str] = field(default_factory=Counter)  #: outcome unknown, by error
    refused: Counter[str] = field(default_factory=Counter)  #: permanently, by code
    retried: int = 0  #: further attempts, by rule or by request
    first_accepted: datetime | None = None
    last_accepted: datetime | None = None
    last_event: datetime | None = None  #: when anything was last recorded

    def add(self, event: _Recorded) -> None:
        """Count one event."""
        at, _, kind, detail = event
        self.last_event = max(self.last_event or at, at)
        match kind:
            case "intended":
                self.sent += 1
            case "retried" | "revised":
                self.retried += 1
            case "deferred" | "doubted" | "refused":
                codes: Counter[str] = getattr(self, kind)
                codes[str(json.loads(detail).get("code"))] += 1
            case "accepted":
                was_found = bool(json.loads(detail).get("was_found"))
                self.found += was_found
                self.accepted += not was_found
                self.first_accepted = min(self.first_accepted or at, at)
                self.last_accepted = max(self.last_accepted or at, at)
            case _:
                pass


async def calls(batch: StoredBatch, ids: Iterable[str]) -> StartCalls:
    """Return the counts for the entries *ids*, read one by one to keep memory constant."""
    total = StartCalls()
    for one in ids:
        for event in await batch.history(one):
            total.add(event)
    return total


_PAGE: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """All data of the report."""

    batch: Batch
    rows: Sequence[ShownRow]
    calls: StartCalls
    at: datetime  #: when it is made; runs still active count until then
    tasks: Sequence[TaskFailures] = ()
    paces: Sequence[KeptPace] = ()  #: limits learned by throttling since the batch began
    bill: Bill | None = None  #: the cost of ended runs; None without prices
    lanes: Sequence[LaneCounts] = ()  #: empty in a batch without lanes


async def gathered(
    ledger: Ledger,
    batch: Batch,
    at: datetime,
    *,
    prices: PriceLists | None = None,
    dynamic_gib: Decimal | None = None,
) -> Report:
    """Return all data of the report, with costs if *prices* of all its regions are given.

    *dynamic_gib* is the average size of DYNAMIC storage, if known.
    """
    stored, rows = ledger.batch(batch.name), await rows_of(ledger, batch.name)
    bill = None if prices is None else bill_of(await spent_runs(ledger, batch.name), prices, dynamic_gib)
    return Report(
        batch=batch,
        rows=rows if bill is None else list(_charged(rows, bill)),
        calls=await calls(stored, (row.id for row in rows)),
        at=at,
        tasks=await why_tasks_failed(stored),
        paces=[pace for pace in await ledger.paces.all() if pace.at >= batch.created_at],
        bill=bill,
        lanes=await lanes_of(stored),
    )


async def rows_of(ledger: Ledger, batch: str) -> list[ShownRow]:
    """Return all rows of *batch*, with the failed tasks of their runs."""

    async def read() -> list[ShownRow]:
        found = with_tasks(ledger, batch, ledger.batch(batch).story.outcomes())
        return [row_of(outcome, outcome.tasks) async for outcome in found]

    return await begun_again(read)


async def why_tasks_failed(stored: StoredBatch) -> Sequence[TaskFailures]:
    """Return why tasks of a batch's runs failed, by reason."""
    return [why for group in await stored.story.failures(limit=1) for why in group.tasks]


async def regions_of(ledger: Ledger, batch: Batch) -> Sequence[str]:
    """Return the regions that runs of *batch* may be in: its lanes' or its own."""
    lanes = await ledger.batch(batch.name).lanes()
    return sorted({lane.region for lane in lanes}) or [batch.region]


async def spent_runs(ledger: Ledger, batch: str) -> list[EndedRun]:
    """Return all ended runs of *batch*, with their usage if known."""
    found: list[EndedRun] = []
    after = (-1, 0)
    while page := await ledger.batch(batch).story.ended_runs(limit=_PAGE, after=after):
        found += page
        after = page[-1].position, page[-1].attempt
    return found


def _charged(rows: Sequence[ShownRow], bill: Bill) -> Iterator[ShownRow]:
    """Yield the rows with the cost of each attempt."""
    by_attempt = {(one.spent.entry_id, one.spent.attempt): one for one in bill.runs}

    def charged(attempt: ShownAttempt, entry_id: str) -> ShownAttempt:
        return replace(attempt, charged=by_attempt.get((entry_id, attempt.number)))

    for row in rows:
        earlier = tuple(charged(past, row.id) for past in row.earlier)
        yield replace(row, current=charged(row.current, row.id), earlier=earlier)
