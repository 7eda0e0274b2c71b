"""
The runs on the shelf, and the ways to find them without looking at all of them.

What does not belong here: when a run changes (``timetable``) and what callers see of it (``answers``).
"""

from __future__ import annotations

import heapq
from collections import defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from batchrun.simulator.lifecycle import TERMINAL, Status
from batchrun.simulator.settings import IdReuse

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from batchrun.simulator.lifecycle import Course

_FIRST_ID = 1_000_001


@dataclass(slots=True, kw_only=True, eq=False)
class Run:
    """One run, alive or deleted. Times are loop time."""

    serial: int  #: place in the order of creation, from 0; never given twice
    id: str  #: given again after deletion
    uuid: str
    request: Mapping[str, Any]  #: the StartRun that made it, complete
    course: Course
    created: float
    tags: dict[str, str]
    batch: str = ""  #: the id of the batch that it is of; empty where it is of none
    setting: str = ""  #: likewise its runSettingId there
    status: Status = Status.PENDING
    outcome: Status = Status.COMPLETED  #: the terminal state that it runs towards
    admitted: float | None = None  #: when it left PENDING for STARTING
    started: float | None = None  #: when it came to RUNNING
    stopping: float | None = None  #: when it came to STOPPING
    stopped: float | None = None  #: when it came to its terminal state

    @property
    def name(self) -> str:
        """Its name; empty where it was given none."""
        return str(self.request.get("name", ""))

    @property
    def output(self) -> str:
        """The runOutputUri."""
        given = str(self.request["outputUri"])
        if self.request.get("outputUriPrefixMode") == "NONE_WITH_OVERWRITE":
            return given
        return f"{given.rstrip('/')}/{self.id}"

    @property
    def failure(self) -> str | None:
        """The failureReason, once it has failed."""
        return self.course.failure if self.status is Status.FAILED else None


class Serials:
    """A set of serial numbers that can be walked from the newest, from anywhere, at little cost."""

    _CHUNK = 1024

    def __init__(self) -> None:
        self._chunks: dict[int, set[int]] = {}
        self._last = -1

    def add(self, serial: int) -> None:
        """Put *serial* in."""
        chunk = serial // self._CHUNK
        self._chunks.setdefault(chunk, set()).add(serial)
        self._last = max(self._last, chunk)

    def discard(self, serial: int) -> None:
        """Take *serial* out, if it is in."""
        chunk = self._chunks.get(serial // self._CHUNK, set())
        chunk.discard(serial)
        if not chunk:
            self._chunks.pop(serial // self._CHUNK, None)

    def below(self, limit: int | None) -> Iterator[int]:
        """Walk downwards over the numbers under *limit*, or over all."""
        first = self._last if limit is None else min(self._last, limit // self._CHUNK)
        for chunk in range(first, -1, -1):
            for serial in sorted(self._chunks.get(chunk, ()), reverse=True):
                if limit is None or serial < limit:
                    yield serial


@dataclass(slots=True, kw_only=True)
class Ids:
    """Short ids: counted up, and given again as *reuse* says."""

    reuse: IdReuse
    _next: int = _FIRST_ID
    _free: list[int] = field(default_factory=list)

    def take(self) -> str:
        """Answer an id that no run on the shelf has."""
        if not self._free:
            self._next += 1
            return str(self._next - 1)
        return str(heapq.heappop(self._free) if self.reuse is IdReuse.LOWEST else self._free.pop())

    def free(self, run_id: str) -> None:
        """Take an id back."""
        if self.reuse is IdReuse.LOWEST:
            heapq.heappush(self._free, int(run_id))
        elif self.reuse is IdReuse.LATEST:
            self._free.append(int(run_id))


class Shelf:
    """Every run that ever was, and indexes over those that are stored."""

    def __init__(self) -> None:
        self.history: list[Run] = []  #: by serial number; deleted runs too
        self.by_id: dict[str, Run] = {}
        self.all = Serials()
        self.by_name: defaultdict[str, Serials] = defaultdict(Serials)
        self.by_group: defaultdict[str, Serials] = defaultdict(Serials)
        self.by_batch: defaultdict[str, Serials] = defaultdict(Serials)
        self.by_status: defaultdict[Status, Serials] = defaultdict(Serials)
        #: Finished runs that make room for new ones, the longest finished first.
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
        """Forget a run's metadata; the history keeps it as DELETED."""
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
