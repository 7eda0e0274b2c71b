"""A batch's counts, kept up to date with each step; and how many rows another ledger had started."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.model.entries.states import OPEN, State

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.model.entries.entry import Entry


class Tally:
    """How many entries are in each state; ACTIVE ones also by the run's status and by lane."""

    def __init__(
        self,
        by_state: Mapping[State, int],
        by_status: Mapping[str, int],
        by_lane: Mapping[str, Mapping[State, int]] | None = None,
    ) -> None:
        self.reset(by_state, by_status, by_lane or {})

    def reset(
        self,
        by_state: Mapping[State, int],
        by_status: Mapping[str, int],
        by_lane: Mapping[str, Mapping[State, int]],
    ) -> None:
        """Start over with these counts."""
        self.by_state = Counter(dict(by_state))
        self.by_status = Counter(dict(by_status))
        active = {lane: states.get(State.ACTIVE, 0) for lane, states in by_lane.items() if lane}
        self.active_by_lane = Counter(active)  #: empty where there are no lanes

    def move(self, before: Entry, after: Entry) -> None:
        """Count *after* instead of *before*."""
        self._count(before, -1)
        self._count(after, 1)

    def _count(self, entry: Entry, number: int) -> None:
        self.by_state[entry.state] += number
        if entry.state is State.ACTIVE and entry.run is not None:
            self.by_status[entry.run.status] += number
            if entry.lane is not None:
                self.active_by_lane[entry.lane] += number

    @property
    def total(self) -> int:
        """All entries."""
        return self.by_state.total()

    @property
    def open(self) -> int:
        """Entries with work left."""
        return sum(self.by_state[state] for state in OPEN)

    @property
    def waiting(self) -> int:
        """Entries that are to be sent, now or later."""
        return self.by_state[State.PLANNED] + self.by_state[State.BACKOFF]

    @property
    def failed(self) -> int:
        """Entries that ended without success, except cancelled ones."""
        return sum(self.by_state[state] for state in (State.FAILED, State.DELETED, State.REFUSED))

    @property
    def has_only_succeeded(self) -> bool:
        """Whether every entry's run was seen as COMPLETED."""
        return self.by_state[State.SUCCEEDED] == self.total


@dataclass(slots=True)
class TakenOver:
    """How many rows already had a run that another ledger had started."""

    rows: int = 0
    first: datetime | None = None  #: creation time of the oldest of these runs
    last: datetime | None = None

    def add(self, created: datetime | None) -> None:
        """Count a row whose run was *created* then."""
        self.rows += 1
        if created is not None:
            self.first = created if self.first is None else min(self.first, created)
            self.last = created if self.last is None else max(self.last, created)
