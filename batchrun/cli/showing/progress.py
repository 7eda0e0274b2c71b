"""A launch in numbers: counts, rates, the time left."""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from batchrun.cli.showing.failed import FailedRow
from batchrun.model.entries.events import Accepted, Event
from batchrun.model.entries.states import ENDED, UNSENT, State
from batchrun.model.paces.quotas import Quotas
from batchrun.model.tally import Tally
from batchrun.model.tasks import FailedTasks
from batchrun.ports.stored import Counts
from batchrun.report.overview import WithService, numbers

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.model.entries.entry import Entry
    from batchrun.ports.service import Troubles

#: Seconds over which rates are measured: runs start within seconds, and end within minutes to hours.
_STARTS_WINDOW: Final = 30.0
_ENDS_WINDOW: Final = 1800.0
_ENDS_NEEDED: Final = 3
_FAILURES_SHOWN: Final = 5
_MARKS: Final = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The numbers at one moment."""

    counts: Mapping[str, int]  #: entries by state, in the order of a run's life
    elapsed: float
    starts_per_second: float
    left: float | None  #: seconds until the end; None: not known
    throttled: int
    unanswered: int
    others: int | None = None  #: active runs of other batches, while the account is full
    active_by_lane: Mapping[str, int] | None = None  #: queued and running, if the batch has lanes
    lane_troubles: Mapping[str, str] | None = None  #: why nothing is sent to these lanes, if any
    with_service: int | None = None  #: of those submitting, if any wait for a run batch
    run_batches: int | None = None  #: how many they wait for

    @property
    def total(self) -> int:
        """Number of all entries."""
        return sum(self.counts.values())

    @property
    def ended(self) -> int:
        """Number of entries with nothing left to do."""
        return sum(self.counts[state.value] for state in ENDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Again:
    """Rows that wait for their next attempt, of those that this launch put off."""

    rows: int
    next: float  #: seconds until the first
    last: float  #: seconds until the last


class Progress:
    """Updates the numbers with each recorded step."""

    def __init__(self, clock: Clock, troubles: Callable[[], Troubles]) -> None:
        self._clock = clock
        self._troubles = troubles
        self._begun = clock.monotonic()
        self._starts: deque[float] = deque(maxlen=_MARKS)
        self._ends: deque[float] = deque(maxlen=_MARKS)
        self._dues: dict[str, datetime] = {}  #: of rows that wait for their next attempt
        self._storage_types: set[str | None] = set()
        self.there = WithService()  #: as counted last
        self.quotas = Quotas()  #: the account's, once they are known
        # One more than is shown: the next step may retry the latest.
        self._failures: deque[FailedRow] = deque(maxlen=_FAILURES_SHOWN + 1)

    def recorded(self, before: Entry, event: Event, after: Entry) -> None:
        """Update the numbers with a step."""
        if isinstance(event, Accepted):
            self._starts.append(self._clock.monotonic())
            self._storage_types.add(json.loads(after.request).get("storageType"))
        self._dues.pop(after.id, None)
        if after.due is not None and after.state in UNSENT:
            self._dues[after.id] = after.due
        if before.state in ENDED and after.state not in ENDED:
            kept = (one for one in self._failures if one.entry.id != after.id)
            self._failures = deque(kept, maxlen=self._failures.maxlen)
        if after.state in ENDED and before.state not in ENDED:
            self._ends.append(self._clock.monotonic())
            if after.state is not State.SUCCEEDED:
                self._failures.append(FailedRow(entry=after))

    @property
    def failures(self) -> Sequence[FailedRow]:
        """The latest rows that failed."""
        return [*self._failures][-_FAILURES_SHOWN:]

    @property
    def again(self) -> Again | None:
        """The rows that wait for their next attempt; None if there are none."""
        if not self._dues:
            return None
        now, dues = self._clock.utcnow(), self._dues.values()
        first, last = (max(0.0, (due - now).total_seconds()) for due in (min(dues), max(dues)))
        return Again(rows=len(dues), next=first, last=last)

    @property
    def at_once(self) -> Mapping[str, int]:
        """Most active runs of the account, by the kinds of storage that the batch's runs have."""
        return self.quotas.active_runs(self._storage_types)

    def tasks_found(self, entry_id: str, attempt: int, found: FailedTasks) -> None:
        """Record the failed tasks of a row, if it is one of those shown."""
        for place, one in enumerate(self._failures):
            if (one.entry.id, one.entry.attempt) == (entry_id, attempt):
                self._failures[place] = replace(one, found=found)

    def snapshot(self, tally: Tally) -> Snapshot:
        """Return the numbers as they are now."""
        now, troubles = self._clock.monotonic(), self._troubles()
        return Snapshot(
            counts=numbers(Counts(by_state=tally.by_state, by_status=tally.by_status)),
            elapsed=now - self._begun,
            starts_per_second=_per_second(self._starts, now, _STARTS_WINDOW),
            left=self._left(tally, now),
            throttled=troubles.throttled,
            unanswered=troubles.unanswered,
            others=troubles.others or None,
            active_by_lane=dict(tally.active_by_lane) or None,
            lane_troubles={lane: why.value for lane, why in sorted(troubles.lanes.items())} or None,
            **self.there.at_most(tally.by_state[State.SUBMITTING]).facts,
        )

    def _left(self, tally: Tally, now: float) -> float | None:
        ends = _per_second(self._ends, now, _ENDS_WINDOW)
        if not ends or len(self._ends) < _ENDS_NEEDED:
            return None
        again = self.again
        return max(tally.open / ends, 0.0 if again is None else again.last)


def _per_second(marks: deque[float], now: float, window: float) -> float:
    while marks and marks[0] < now - window:
        marks.popleft()
    if not marks:
        return 0.0
    return len(marks) / max(now - marks[0], 1.0)
