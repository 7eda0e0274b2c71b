"""
Loading what is to be sent from the ledger into the planner, as it becomes due.

Belongs here: when the ledger is worth a query, and when the next entry becomes due. Does not: what is sent
first, and what waits (``model.planner``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from datetime import datetime

    from batchrun.clock import Clock
    from batchrun.model.limits import Limits
    from batchrun.model.planner import Planner
    from batchrun.ports.ledger import Ledger


class DueEntries:
    """The entries of one batch that are to be sent, as far as the planner has room for them."""

    def __init__(self, ledger: Ledger, batch: str, planner: Planner, limits: Limits, clock: Clock) -> None:
        self._ledger = ledger
        self._batch = batch
        self._planner = planner
        self._limits = limits
        self._clock = clock
        self._next: datetime | None = None  #: when the ledger may next have something to send
        self._is_known = False

    def look_again(self) -> None:
        """Ask the ledger anew: something else may be due by now."""
        self._is_known = False

    def comes(self, due: datetime) -> None:
        """Learn that an entry becomes due then."""
        self._next = due if self._next is None else min(self._next, due)

    async def load(self) -> bool:
        """
        Load what is due, where the planner has room that is worth a query.

        Returns:
            Whether that showed that nothing is left to be sent, now or later.
        """
        at = self._clock.utcnow()
        has_due = not self._is_known or (self._next is not None and self._is_due(self._next, at))
        if not (has_due and self._has_room()):
            return False
        # First, for what is recorded while the ledger is read may be due already, and not be read.
        self._is_known, self._next = True, None
        room, held, horizon = self._planner.room(), self._planner.held, at + self._limits.longest_wait
        entries = await self._ledger.due(self._batch, at=at, limit=room, skip=held, horizon=horizon)
        for entry in entries:
            self._planner.add(entry, now=self._clock.monotonic(), at=at)
        if len(entries) == room:
            self._is_known = False
            return False
        found = await self._ledger.next_due(self._batch, after=at)
        if found is not None and found <= horizon:
            self.comes(found)
        return self._next is None and not self._planner.held

    @property
    def is_waited_for(self) -> bool:
        """Whether the ledger is to be asked before it can be said that nothing is left to send."""
        return not self._is_known and self._has_room()

    @property
    def wake_at(self) -> float | None:
        """When to load again, in loop time; None where time alone makes nothing due."""
        at, now = self._clock.utcnow(), self._clock.monotonic()
        if self.is_waited_for:
            return now
        if self._next is None or not self._has_room():
            return None
        return now if self._is_due(self._next, at) else now + (self._next - at).total_seconds()

    def _has_room(self) -> bool:
        return self._planner.room() >= max(1, self._limits.concurrency // 2)

    def _is_due(self, due: datetime, at: datetime) -> bool:
        """Report whether *due* has come, or was set by a clock that was ahead: nothing waits so long."""
        return due <= at or due > at + self._limits.longest_wait
