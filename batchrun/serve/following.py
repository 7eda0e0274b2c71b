"""Keeping up with batches: the rows of one, read once for all clients, and the list of all batches.

A look reads new events, and the rows that they are about. Charts and failures, which take a hundred times as
long, are computed only so often that they use a small share of one core; so is reading the whole batch again,
for changes by a manifest, which make no events. Does not belong here: how they are shown (``shown``), who
listens (``live``).
"""

from __future__ import annotations

import asyncio
import functools
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final, TypeVar

from batchrun.ports.stored import Batch, Outcome, TaskFailures
from batchrun.report import figures
from batchrun.report.figures import Failure, Figures, Slow
from batchrun.report.gathering import RowStanding, ShownRow, regions_of, row_of, rows_of, why_tasks_failed
from batchrun.report.overview import LaneCounts, Overview, numbers, overview
from batchrun.report.packing import Timeline, timeline
from batchrun.serve.choosing import Query, TextSearch, chosen

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.ports.ledger import Ledger

T = TypeVar("T")

#: Looks for which events are read again: a transaction may commit after one with later numbers.
_OVERLAP: Final = 2
#: Most events since the last look; with more the whole batch is read again.
_MOST_EVENTS: Final = 20_000
#: Pause after a computation, as a multiple of its duration: it uses 3 % of a core.
_REST: Final = 30
#: Shortest interval of figures, in seconds, and the one after which they are computed without news.
_LEAST, _MOST = 2.0, 60.0
#: Seconds after which the whole batch is read again, if anything was recorded.
_AGAIN: Final = 120.0
#: Failed rows whose tasks are read at a time.
_ASKED: Final = 500


@dataclass(frozen=True, slots=True, kw_only=True)
class Sums:
    """The figures that take long to compute."""

    at: datetime
    summary: Figures
    failures: Sequence[Failure]
    slowest: Sequence[Slow]
    timeline: Timeline
    now: Overview


class Following:
    """A batch that is kept up to date."""

    def __init__(self, ledger: Ledger, batch: Batch, clock: Clock) -> None:
        self.batch = batch
        self.version = 0  #: grows when a row has changed; 0 before the batch was read
        self.rows: list[ShownRow] = []  #: in the manifest's order
        self.sums: Sums | None = None
        self._begun = clock.utcnow()
        self._ledger = ledger
        self._stored = ledger.batch(batch.name)
        self._clock = clock
        self._places: dict[str, int] = {}
        self._seen: deque[int] = deque(maxlen=_OVERLAP)
        self._total = 0
        self._has_changed = False  #: since the whole batch was read
        self._search = TextSearch()
        self._summed = -1
        self._sum_due = self._reload_due = self._sum_again = 0.0

    @property
    def edition(self) -> str:
        """The version for clients, which may know one from an earlier server."""
        return f"{self._begun.timestamp()}-{self.version}"

    @property
    def counts(self) -> Mapping[RowStanding, int]:
        """The number of rows by standing."""
        return figures.counted(self.rows)

    @property
    def lanes(self) -> Sequence[LaneCounts]:
        """The batch's lanes, as of the last computation of figures."""
        return self.sums.now.lanes if self.sums else ()

    def choose(self, wanted: Query) -> Sequence[ShownRow]:
        """Return the requested rows."""
        return chosen(self.rows, wanted, self._search, self._clock.utcnow())

    async def load(self) -> None:
        """Read the whole batch."""
        begun = self._clock.monotonic()
        self._seen = deque([await self._ledger.newest_event()], maxlen=_OVERLAP)
        self._total = (await self._stored.counts()).total
        self.rows = await rows_of(self._ledger, self.batch.name)
        self._places = {row.id: place for place, row in enumerate(self.rows)}
        self._search = TextSearch()
        self.version += 1
        self._has_changed = False
        took = self._clock.monotonic() - begun
        self._reload_due = self._clock.monotonic() + max(_AGAIN, took * _REST)

    async def look(self) -> bool:
        """Update the rows, and report whether any has changed."""
        newest, version = await self._ledger.newest_event(), self.version
        is_time = self._has_changed and self._clock.monotonic() >= self._reload_due
        if newest == self._seen[0] and not is_time:
            return False
        if is_time or newest - self._seen[-1] > _MOST_EVENTS or await self._is_another():
            await self.load()
        else:
            self._has_changed = True
            changed = await self._stored.story.changed(after=self._seen[0], upto=newest)
            self._seen.append(newest)
            if not await self._take(changed):
                await self.load()
        return self.version != version

    async def add_up(self) -> bool:
        """Compute the figures again if it is time, and report whether it was."""
        now = self._clock.monotonic()
        if now < self._sum_due or (self._summed == self.version and now < self._sum_again):
            return False
        self._summed = self.version
        await self._ask_for_tasks()
        self.sums = await self._sums()
        ended = self._clock.monotonic()
        self._sum_due = ended + max(_LEAST, (ended - now) * _REST)
        self._sum_again = ended + max(_MOST, (ended - now) * _REST)
        return True

    async def _is_another(self) -> bool:
        """Report whether the number of rows has changed, by a manifest that was taken in."""
        return (await self._stored.counts()).total != self._total

    async def _take(self, changed: Sequence[Outcome]) -> bool:
        """Replace rows by newer ones; report whether all of them were there."""
        tasks = await self._stored.story.failed_tasks([one.entry.id for one in changed])
        has_changed = False
        for outcome in changed:
            row = row_of(outcome, tasks.get(outcome.entry.id, {}))
            place = self._places.get(row.id)
            if place is None:
                return False
            if self.rows[place] != row:
                self.rows[place] = row
                has_changed = True
        self.version += has_changed
        return True

    async def _ask_for_tasks(self) -> None:
        """Read the failed tasks of runs, which are recorded some time after the failure."""
        untold = [
            row.id
            for row in self.rows
            if row.standing is RowStanding.FAILED and row.current.uuid and row.current.tasks is None
        ][-_ASKED:]
        found = await self._stored.story.failed_tasks(untold)
        for id_, tasks in found.items():
            place = self._places[id_]
            current = self.rows[place].current
            if current.number in tasks:
                told = replace(current, tasks=tasks[current.number])
                self.rows[place] = replace(self.rows[place], current=told)
                self.version += 1
        self._summed = self.version

    async def _sums(self) -> Sums:
        at = self._clock.utcnow()
        now = await overview(self._ledger, self.batch, at)
        tasks = await why_tasks_failed(self._stored)
        return await _in_thread(functools.partial(_added_up, list(self.rows), tasks, now, at))


def _added_up(rows: Sequence[ShownRow], tasks: Sequence[TaskFailures], now: Overview, at: datetime) -> Sums:
    return Sums(
        at=at,
        summary=figures.summary(rows, at),
        failures=figures.failures(rows, tasks),
        slowest=figures.slowest(rows, at),
        timeline=timeline(rows, at),
        now=now,
    )


async def _in_thread(job: Callable[[], T]) -> T:
    # Not anyio.to_thread: the virtual loop only knows run_in_executor.
    return await asyncio.get_running_loop().run_in_executor(None, job)


_STANDINGS: Final = [standing.value for standing in RowStanding]
#: Most batches that are listed, the newest.
MOST_LISTED: Final = 200
#: Shortest interval of the list, in seconds, and the one after which it is read without new events, since
#: taking in a manifest makes none.
_LIST_LEAST, _LIST_AGAIN = 1.0, 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ShelvedBatch:
    """One batch in the list."""

    batch: Batch
    numbers: Mapping[str, int]  #: number of rows by the report's standings
    total: int
    open: int  #: rows with work left
    holder: str | None  #: the launcher at work
    regions: Sequence[str]
    closed: str | None = None  #: the ledger that it was moved to

    @property
    def ended(self) -> int:
        """The number of rows that have ended."""
        return self.total - self.open


class Shelf:
    """The batches of a ledger."""

    def __init__(self, ledger: Ledger, clock: Clock) -> None:
        self.batches: Sequence[ShelvedBatch] = ()
        self.total = 0  #: of all batches
        self._ledger = ledger
        self._clock = clock
        self._seen = -1
        self._due = self._again = 0.0

    async def look(self) -> bool:
        """Read them again if it is time and something was recorded, and report whether that was done."""
        now = self._clock.monotonic()
        if now < self._due:
            return False
        newest = await self._ledger.newest_event()
        if newest == self._seen and now < self._again:
            return False
        self._seen = newest
        found = await self._ledger.batches()
        self.total = len(found)
        self.batches = [await self._shelved(batch) for batch in found[:MOST_LISTED]]
        ended = self._clock.monotonic()
        self._due = ended + max(_LIST_LEAST, (ended - now) * _REST)
        self._again = ended + max(_LIST_AGAIN, (ended - now) * _REST)
        return True

    async def _shelved(self, batch: Batch) -> ShelvedBatch:
        stored = self._ledger.batch(batch.name)
        counts = await stored.counts()
        told = numbers(counts)
        holder = await stored.holder(at=self._clock.utcnow())
        return ShelvedBatch(
            batch=batch,
            numbers={standing: told[standing] for standing in _STANDINGS},
            total=counts.total,
            open=counts.open,
            holder=None if holder is None else holder.holder,
            regions=await regions_of(self._ledger, batch),
            closed=await stored.why_closed(),
        )
