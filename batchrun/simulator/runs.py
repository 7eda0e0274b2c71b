"""The runs, indexes to find them without a scan of all, and when they change state.

Nothing happens by itself: :meth:`Timetable.advance` catches up with the given time, in the order in which
changes were due, each at its own time; so what a caller sees does not depend on how often anybody asks. Each
change of a run costs one heap operation. Does not belong here: how long states last (``lifecycle``), what
callers see of a run (``answers``).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from itertools import count
from typing import Any

from batchrun.simulator.lifecycle import TERMINAL, Course, Status
from batchrun.simulator.settings import IdReuse

_FIRST_ID = 1_000_001


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One run, deleted or not. Times are loop time."""

    serial: int  #: place in the order of creation, from 0; never reused
    id: str  #: may be reused after deletion
    uuid: str
    request: Mapping[str, Any]  #: the StartRun that created it, complete
    course: Course
    created: float
    tags: dict[str, str]
    batch: str = ""  #: its batch's id; empty if it belongs to none
    setting: str = ""  #: its runSettingId in the batch, or empty
    status: Status = Status.PENDING
    outcome: Status = Status.COMPLETED  #: the terminal state that it will reach
    admitted: float | None = None  #: when it reached STARTING
    started: float | None = None  #: when it reached RUNNING
    stopping: float | None = None  #: when it reached STOPPING
    stopped: float | None = None  #: when it reached its terminal state

    @property
    def name(self) -> str:
        """Its name; empty if it has none."""
        return str(self.request.get("name", ""))

    @property
    def output(self) -> str:
        """Its runOutputUri."""
        given = str(self.request["outputUri"])
        if self.request.get("outputUriPrefixMode") == "NONE_WITH_OVERWRITE":
            return given
        return f"{given.rstrip('/')}/{self.id}"

    @property
    def failure(self) -> str | None:
        """Its failureReason once it has failed, else None."""
        return self.course.failure if self.status is Status.FAILED else None


class Serials:
    """A set of serial numbers, quickly iterated downwards from any number."""

    _CHUNK = 1024

    def __init__(self) -> None:
        self._chunks: dict[int, set[int]] = {}
        self._last = -1

    def add(self, serial: int) -> None:
        """Add *serial*."""
        chunk = serial // self._CHUNK
        self._chunks.setdefault(chunk, set()).add(serial)
        self._last = max(self._last, chunk)

    def discard(self, serial: int) -> None:
        """Remove *serial*, if present."""
        chunk = self._chunks.get(serial // self._CHUNK, set())
        chunk.discard(serial)
        if not chunk:
            self._chunks.pop(serial // self._CHUNK, None)

    def below(self, limit: int | None) -> Iterator[int]:
        """Yield the numbers below *limit*, or all, in descending order."""
        first = self._last if limit is None else min(self._last, limit // self._CHUNK)
        for chunk in range(first, -1, -1):
            for serial in sorted(self._chunks.get(chunk, ()), reverse=True):
                if limit is None or serial < limit:
                    yield serial


@dataclass(slots=True, kw_only=True)
class Ids:
    """Short ids: counted up, and reused according to *reuse*."""

    reuse: IdReuse
    _next: int = _FIRST_ID
    _free: list[int] = field(default_factory=list)

    def take(self) -> str:
        """Return an id that no stored run has."""
        if not self._free:
            self._next += 1
            return str(self._next - 1)
        return str(heapq.heappop(self._free) if self.reuse is IdReuse.LOWEST else self._free.pop())

    def free(self, run_id: str) -> None:
        """Return an id to the pool, for reuse."""
        if self.reuse is IdReuse.LOWEST:
            heapq.heappush(self._free, int(run_id))
        elif self.reuse is IdReuse.LATEST:
            self._free.append(int(run_id))


class Shelf:
    """All runs ever created, and indexes over those that are stored."""

    def __init__(self) -> None:
        self.history: list[Run] = []  #: by serial number; deleted runs too
        self.by_id: dict[str, Run] = {}
        self.all = Serials()
        self.by_name: defaultdict[str, Serials] = defaultdict(Serials)
        self.by_group: defaultdict[str, Serials] = defaultdict(Serials)
        self.by_batch: defaultdict[str, Serials] = defaultdict(Serials)
        self.by_status: defaultdict[Status, Serials] = defaultdict(Serials)
        #: Finished runs that new ones may replace, the longest finished first.
        self.removable: dict[int, Run] = {}

    def add(self, run: Run) -> None:
        """Store a new run; its serial number is the length of the history."""
        self.history.append(run)
        self.by_id[run.id] = run
        for index in self._indexes(run):
            index.add(run.serial)

    def move(self, run: Run, status: Status) -> None:
        """Change a run's state."""
        self.by_status[run.status].discard(run.serial)
        self.by_status[status].add(run.serial)
        run.status = status
        if status in TERMINAL and run.request.get("retentionMode") == "REMOVE":
            self.removable[run.serial] = run

    def remove(self, run: Run) -> None:
        """Remove a run; the history keeps it as DELETED."""
        for index in self._indexes(run):
            index.discard(run.serial)
        self.removable.pop(run.serial, None)
        del self.by_id[run.id]
        run.status = Status.DELETED

    def _indexes(self, run: Run) -> tuple[Serials, ...]:
        group = str(run.request.get("runGroupId", ""))
        return (
            self.all,
            self.by_name[run.name],
            self.by_group[group],
            self.by_batch[run.batch],
            self.by_status[run.status],
        )


#: Of the changes due at one moment, endings come first: they free slots.
_ENDING, _OTHER = 0, 1


@dataclass(slots=True, kw_only=True)
class Pool:
    """The slots for one storage type."""

    size: int | None  #: None for no limit
    active: int = 0
    #: Runs that wait for a slot: the highest priority first, then the oldest.
    waiting: list[tuple[int, int, Run]] = field(default_factory=list)

    @property
    def has_room(self) -> bool:
        """Return whether one more run may start."""
        return self.size is None or self.active < self.size


class Timetable:
    """Moves runs through their states."""

    def __init__(self, shelf: Shelf, sizes: Mapping[str, int | None]) -> None:
        self._shelf = shelf
        self._pools = {name: Pool(size=size) for name, size in sizes.items()}
        self._due: list[tuple[float, int, int, Run, Status]] = []
        self._ticks = count()
        self.ended: list[Run] = []  #: all runs that ended, in that order
        self.active = 0  #: runs in STARTING, RUNNING or STOPPING
        self.peak_active = 0
        self.unfinished = 0  #: runs in no terminal state, PENDING included
        self.peak_unfinished = 0

    def add(self, run: Run) -> None:
        """Schedule the course of a new run."""
        self.unfinished += 1
        self.peak_unfinished = max(self.peak_unfinished, self.unfinished)
        self._schedule(run, run.created + run.course.pending)

    def advance(self, now: float) -> None:
        """Do everything that was due until *now*."""
        while self._due and self._due[0][0] <= now:
            at, _, _, run, status = heapq.heappop(self._due)
            # A run cancelled meanwhile is no longer in the state for which this was scheduled.
            if run.status is status:
                self._change(run, at)

    def cancel(self, run: Run, now: float) -> None:
        """Cancel an unfinished run; one in PENDING is CANCELLED at once."""
        run.outcome = Status.CANCELLED
        if run.status is Status.PENDING:
            self._finish(run, now)
        elif run.status is not Status.STOPPING:
            self._stop(run, now)

    def _schedule(self, run: Run, at: float) -> None:
        rank = _ENDING if run.status is Status.STOPPING else _OTHER
        heapq.heappush(self._due, (at, rank, next(self._ticks), run, run.status))

    def _change(self, run: Run, at: float) -> None:
        if run.status is Status.PENDING:
            self._queue(run, at)
        elif run.status is Status.STARTING:
            run.started = at
            self._shelf.move(run, Status.RUNNING)
            self._schedule(run, at + run.course.running)
        elif run.status is Status.RUNNING:
            self._stop(run, at)
        else:
            self._finish(run, at)

    def _pool(self, run: Run) -> Pool:
        return self._pools[run.request["storageType"]]

    def _queue(self, run: Run, at: float) -> None:
        pool = self._pool(run)
        heapq.heappush(pool.waiting, (-run.request.get("priority", 0), run.serial, run))
        self._admit(pool, at)

    def _admit(self, pool: Pool, at: float) -> None:
        while pool.waiting and pool.has_room:
            run = heapq.heappop(pool.waiting)[-1]
            if run.status is Status.PENDING:
                self._start(run, pool, at)

    def _start(self, run: Run, pool: Pool, at: float) -> None:
        pool.active += 1
        self.active += 1
        self.peak_active = max(self.peak_active, self.active)
        run.admitted = at
        self._shelf.move(run, Status.STARTING)
        self._schedule(run, at + run.course.starting)

    def _stop(self, run: Run, at: float) -> None:
        run.stopping = at
        self._shelf.move(run, Status.STOPPING)
        self._schedule(run, at + run.course.stopping)

    def _finish(self, run: Run, at: float) -> None:
        if run.outcome not in TERMINAL:
            raise AssertionError(f"run {run.id} cannot end in {run.outcome}")
        run.stopped = at
        self.ended.append(run)
        self.unfinished -= 1
        self._shelf.move(run, run.outcome)
        if run.admitted is not None:
            pool = self._pool(run)
            pool.active -= 1
            self.active -= 1
            self._admit(pool, at)
