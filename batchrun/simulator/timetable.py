"""
When runs change state: a queue for slots, and a list of what is due.

Nothing happens by itself: :meth:`Timetable.advance` catches up with the time it is told, in the order in
which things were due, each at its own time; so what a caller sees does not depend on how often anybody looks.
Each change of a run costs one heap operation, once.

What does not belong here: how long states last (``lifecycle``) and how runs are found (``runs``).
"""

from __future__ import annotations

import heapq
from dataclasses import dataclass, field
from itertools import count
from typing import TYPE_CHECKING

from batchrun.simulator.lifecycle import TERMINAL, Status

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.simulator.runs import Run, Shelf

#: Of what is due at one moment, endings come first: they free slots.
_ENDING, _OTHER = 0, 1


@dataclass(slots=True, kw_only=True)
class Pool:
    """The slots for one storage type."""

    size: int | None  #: None for no limit
    active: int = 0
    #: Runs that could start if there were a slot: the highest priority first, then the oldest.
    waiting: list[tuple[int, int, Run]] = field(default_factory=list)

    @property
    def has_room(self) -> bool:
        """Whether one more run may start."""
        return self.size is None or self.active < self.size


class Timetable:
    """Moves the runs of a shelf through their states."""

    def __init__(self, shelf: Shelf, sizes: Mapping[str, int | None]) -> None:
        self._shelf = shelf
        self._pools = {name: Pool(size=size) for name, size in sizes.items()}
        self._due: list[tuple[float, int, int, Run, Status]] = []
        self._ticks = count()
        self.ended: list[Run] = []  #: all that ever ended, in their order
        self.active = 0  #: runs in STARTING, RUNNING or STOPPING
        self.peak_active = 0
        self.unfinished = 0  #: runs in no terminal state; PENDING too
        self.peak_unfinished = 0

    def add(self, run: Run) -> None:
        """Let a new run begin its course."""
        self.unfinished += 1
        self.peak_unfinished = max(self.peak_unfinished, self.unfinished)
        self._schedule(run, run.created + run.course.pending)

    def advance(self, now: float) -> None:
        """Do everything that was due until *now*."""
        while self._due and self._due[0][0] <= now:
            at, _, _, run, status = heapq.heappop(self._due)
            # A run that was cancelled meanwhile has left the state for which this was scheduled.
            if run.status is status:
                self._change(run, at)

    def cancel(self, run: Run, now: float) -> None:
        """Turn an unfinished run towards CANCELLED; one that never left the queue is there at once."""
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
