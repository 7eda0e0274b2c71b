"""A batch in numbers, from the ledger alone.

Belongs here: counts, rates, the time left with its uncertainty, and notable entries. Does not: rendering
(``cli``), the live numbers of this process's own launch (``cli.showing``).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import TYPE_CHECKING, Final

from batchrun.model.entries.states import ENDED, QUEUED_STATUSES, State
from batchrun.model.submissions.submission import Standing
from batchrun.model.tally import Tally
from batchrun.model.texts.words import counted
from batchrun.ports.stored import Batch, Counts, KeptPace, LanePlace, Lease

if TYPE_CHECKING:
    from batchrun.model.entries.entry import Entry
    from batchrun.model.tasks import FailedTasks
    from batchrun.ports.batch import StoredBatch
    from batchrun.ports.ledger import Ledger

#: Windows of rates: starts take seconds, ends minutes to hours.
STARTS_WINDOW: Final = timedelta(minutes=5)
ENDS_WINDOW: Final = timedelta(minutes=30)
#: A rate is of no shorter time; a first start may be from the future, by another host's clock.
_LEAST_SPAN: Final = timedelta(seconds=1)
#: Entries of each kind that are shown.
SHOWN: Final = 5
#: Most cancellations that are counted.
MOST_CANCELLING: Final = 1000
_STARTS: Final = frozenset({"accepted"})
_ENDS: Final = frozenset({"completed", "failed", "cancelled", "removed", "refused"})
_ENDS_NEEDED: Final = 5
#: Standard deviations of a 90 % interval.
_NINE_OF_TEN: Final = 1.64


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """How long something takes at the present rate: a 90 % interval from *least* to *most*."""

    likely: timedelta
    least: timedelta
    most: timedelta


@dataclass(frozen=True, slots=True, kw_only=True)
class WithService:
    """Rows that were submitted together and whose runs are not known yet."""

    rows: int = 0  #: known to be at the service
    batches: int = 0  #: run batches that have them
    unknown: int = 0  #: rows of calls with a lost answer

    @property
    def all_rows(self) -> int:
        """All of these rows."""
        return self.rows + self.unknown

    def at_most(self, submitting: int) -> WithService:
        """Return it limited to *submitting* rows: some have got their runs since."""
        unknown = min(self.unknown, submitting)
        rows = min(self.rows, submitting - unknown)
        return WithService(rows=rows, batches=self.batches if rows else 0, unknown=unknown)

    @property
    def text(self) -> str:
        """Return it as a clause for people."""
        lost = f"of {counted(self.unknown, 'row')} it is not known yet whether the service has them"
        if not self.rows:
            return lost
        are = "is" if self.rows == 1 else "are"
        batches = counted(self.batches, "run batch", "run batches")
        known = f"{counted(self.rows, 'row')} {are} with the service, in {batches}"
        return f"{known}; {lost}" if self.unknown else known

    @property
    def facts(self) -> dict[str, int]:
        """Return it for programs; empty if no row waits for a run batch."""
        return {"with_service": self.rows, "run_batches": self.batches} if self.all_rows else {}


async def with_service(stored: StoredBatch, by_state: Mapping[State, int]) -> WithService:
    """Read it from the ledger, if any row is SUBMITTING."""
    if not by_state.get(State.SUBMITTING):
        return WithService()
    counted = {one.standing: one for one in await stored.submissions.count_waiting()}
    known, lost = counted.get(Standing.TAKEN), counted.get(Standing.INTENDED)
    return WithService(
        rows=known.rows if known else 0,
        batches=known.submissions if known else 0,
        unknown=lost.rows if lost else 0,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneCounts:
    """The rows of one lane in numbers."""

    name: str | None  #: None for rows without a lane
    place: LanePlace | None  #: None if no launch has used the lane yet
    by_state: Mapping[State, int]

    @property
    def numbers(self) -> dict[str, int]:
        """Number of rows by standing; queued and running are not distinguished."""
        told = numbers(Counts(by_state=self.by_state))
        active = told.pop("queued") + told.pop("running")
        return {
            "planned": told.pop("planned"),
            "submitting": told.pop("submitting"),
            "active": active,
            **told,
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    """A batch at one moment."""

    batch: Batch
    at: datetime
    counts: Counts
    starts_per_second: float  #: over *starts_span*
    starts_span: timedelta  #: since the first counted start, at most STARTS_WINDOW
    left: Estimate | None  #: None if too few ends were seen lately
    deferrals: int  #: number of "not now" answers within ENDS_WINDOW
    waiting: Entry | None  #: one of the rows that wait for that reason
    next_due: datetime | None  #: when the next of them is sent again
    oldest: tuple[Entry, ...]  #: active runs
    failures: tuple[Entry, ...]  #: the latest first
    tasks: Mapping[str, FailedTasks]  #: known failed tasks of their runs, by the entry's id
    cancelling: int  #: entries still to be cancelled, at most MOST_CANCELLING
    holder: Lease | None  #: the launcher at work
    paces: tuple[KeptPace, ...]  #: of any account in this ledger
    lanes: tuple[LaneCounts, ...] = ()  #: empty in a batch without lanes
    closed: str | None = None  #: the ledger that it was moved to
    there: WithService = field(default_factory=WithService)  #: rows that were submitted together

    @property
    def has_ended(self) -> bool:
        """Whether no entry has work left."""
        return not self.counts.open

    @property
    def may_be_held_back(self) -> bool:
        """Whether rows wait while others have failed, perhaps because of ``--stop-after``."""
        tally = Tally(self.counts.by_state, self.counts.by_status)
        return bool(tally.waiting and tally.failed)


async def overview(ledger: Ledger, batch: Batch, at: datetime) -> Overview:
    """Return the numbers of *batch*."""
    stored = ledger.batch(batch.name)
    counts = await stored.counts()
    now = await stored.story.glance(since=at - ENDS_WINDOW, at=at, limit=SHOWN)
    starts = [time for time, kind in now.events if kind in _STARTS and time >= at - STARTS_WINDOW]
    put_off = await stored.in_state(State.BACKOFF, limit=1)
    return Overview(
        batch=batch,
        at=at,
        counts=counts,
        starts_per_second=per_second(starts, at),
        starts_span=max(at - starts[0], _LEAST_SPAN) if starts else STARTS_WINDOW,
        left=estimate(counts.open, ends(now.events), at),
        deferrals=deferrals(now.events),
        waiting=put_off[0] if put_off else None,
        next_due=now.next_due,
        oldest=now.oldest,
        failures=now.failures,
        tasks=await _tasks(stored, now.failures),
        cancelling=len(await stored.cancellations(limit=MOST_CANCELLING)),
        holder=await stored.holder(at=at),
        paces=tuple(await ledger.paces.all()),
        lanes=tuple(_by_lane(counts, await stored.lanes())),
        closed=await stored.why_closed(),
        there=await with_service(stored, counts.by_state),
    )


async def lanes_of(stored: StoredBatch) -> Sequence[LaneCounts]:
    """Return the numbers of each lane of a batch."""
    return list(_by_lane(await stored.counts(), await stored.lanes()))


def _by_lane(counts: Counts, places: Sequence[LanePlace]) -> Iterator[LaneCounts]:
    known = {place.name: place for place in places}
    others = sorted(counts.by_lane.keys() - {*known, ""})
    for name in (*known, *others):
        yield LaneCounts(name=name, place=known.get(name), by_state=counts.by_lane.get(name, {}))
    if by_state := counts.by_lane.get(""):
        yield LaneCounts(name=None, place=None, by_state=by_state)


async def _tasks(batch: StoredBatch, failures: Sequence[Entry]) -> Mapping[str, FailedTasks]:
    """Return the known failed tasks of these entries' current runs."""
    found = await batch.story.failed_tasks([entry.id for entry in failures])
    return {
        entry.id: found[entry.id][entry.attempt]
        for entry in failures
        if entry.attempt in found.get(entry.id, {})
    }


def numbers(counts: Counts) -> dict[str, int]:
    """Return the number of entries by standing, in the order of a run's life, queued apart from running."""
    queued = sum(counts.by_status.get(status, 0) for status in QUEUED_STATUSES)
    state = {one: counts.by_state.get(one, 0) for one in State}
    return {
        "planned": state[State.PLANNED] + state[State.BACKOFF],
        "submitting": state[State.SUBMITTING],
        "queued": queued,
        "running": state[State.ACTIVE] - queued,
        **{one.value: state[one] for one in State if one in ENDED},
    }


def ends(events: Iterable[tuple[datetime, str]]) -> list[datetime]:
    """Return when entries ended; a failure that was retried is not an end."""
    found: list[datetime] = []
    for at, kind in events:
        if kind in _ENDS:
            found.append(at)
        elif kind == "retried" and found:
            found.pop()
    return found


def deferrals(events: Sequence[tuple[datetime, str]]) -> int:
    """Return how often rows were deferred, without those withdrawn with their run batch."""
    let_go = ((before, (at, "deferred")) for before, (at, kind) in pairwise(events) if kind == "withdrawn")
    return sum(kind == "deferred" for _, kind in events) - sum(one == other for one, other in let_go)


def per_second(times: Sequence[datetime], at: datetime) -> float:
    """Return the rate of events at *times*, from the first of them until *at*."""
    return len(times) / max(at - times[0], _LEAST_SPAN).total_seconds() if times else 0.0


def estimate(open_: int, ended: Sequence[datetime], at: datetime) -> Estimate | None:
    """Return how long *open_* entries will take at the rate of recent ends.

    Ends are assumed independent, so the relative error of the rate after *n* of them is one over the root
    of *n*.
    """
    if not open_ or len(ended) < _ENDS_NEEDED:
        return None
    spread = _NINE_OF_TEN * math.sqrt(len(ended))
    all_ends = open_ / per_second(ended, at) * len(ended)
    return Estimate(
        likely=timedelta(seconds=all_ends / len(ended)),
        least=timedelta(seconds=all_ends / (len(ended) + spread)),
        most=timedelta(seconds=all_ends / (len(ended) - spread)),
    )
