"""What the planner reads from the ledger next: cancellations, entries in flight, and entries to send.

Belongs here: when to read, and when the next entry becomes due. Does not: what is sent first (``sending``),
the queries (``ledger``).
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime, timedelta
from typing import Final

from batchrun.model.entries.entry import Entry
from batchrun.model.entries.states import HOLDS_SLOT, State
from batchrun.model.planning.actions import ReadCancellations, ReadDue, ReadInFlight, Withdraw
from batchrun.model.planning.stimuli import CancellationsRead, DueRead, InFlightRead, Moment

#: In the order in which they are read.
_IN_FLIGHT: Final = (State.SUBMITTING, State.ACTIVE)


class InFlightReads:
    """Reads the entries that hold a slot: at the beginning, and again when there may be others."""

    def __init__(self) -> None:
        self._states = list(_IN_FLIGHT)  #: still to be read, the current one first
        self._after = -1
        self._is_reading = False
        self._is_due_again = False

    @property
    def is_due(self) -> bool:
        """Whether anything is to be read, or is being read."""
        return bool(self._states)

    def again(self) -> None:
        """Read all again, after what is being read now."""
        if self._is_reading:
            self._is_due_again = True
        else:
            self._states, self._after = list(_IN_FLIGHT), -1

    def plan(self) -> list[ReadInFlight]:
        """Return the page to read now, if any."""
        if self._is_reading or not self._states:
            return []
        self._is_reading = True
        return [ReadInFlight(state=self._states[0], after=self._after)]

    def read(self, outcome: InFlightRead) -> None:
        """Take a page: the one that follows is next."""
        self._is_reading = False
        if outcome.entries:
            self._after = outcome.entries[-1].position
        else:
            self._states, self._after = self._states[1:], -1
        if self._is_due_again and not self._states:
            self._is_due_again = False
            self.again()


class DueReads:
    """Reads the entries to send, as far as there is room for them."""

    def __init__(self, longest_wait: timedelta) -> None:
        self._longest_wait = longest_wait
        self._next: datetime | None = None  #: when the ledger may next have something to send
        self._is_known = False  #: whether nothing but *next* is left to read
        self._is_stale = False  #: whether what is being read now is out of date
        self.is_reading = False

    def look_again(self) -> None:
        """Read again: something else may be due by now."""
        self._is_known = False

    def changed(self) -> None:
        """Read again, and discard what is being read: it may be out of date."""
        self._is_known = False
        self._is_stale = self.is_reading

    def comes(self, due: datetime) -> None:
        """Note that an entry becomes due then."""
        self._next = due if self._next is None else min(self._next, due)

    def is_due(self, at: datetime) -> bool:
        """Report whether to read: the ledger may have something to send at *at* in wall time."""
        if self.is_reading:
            return False
        return not self._is_known or (self._next is not None and self._has_come(self._next, at))

    def are_due_within(self, seconds: float, at: datetime) -> bool:
        """Report whether another entry becomes due within *seconds* after *at* in wall time."""
        return self._next is not None and self._next <= at + timedelta(seconds=seconds)

    def plan(
        self,
        room: int,
        held: Collection[str],
        at: datetime,
        *,
        lanes: tuple[str, ...] | None,
        shape: str | None,
    ) -> ReadDue:
        """Return what to read: at most *room* entries of *lanes* and *shape*, none that are *held*."""
        self.is_reading, self._is_known, self._next = True, True, None
        horizon = at + self._longest_wait
        return ReadDue(at=at, limit=room, besides=held, horizon=horizon, lanes=lanes, shape=shape)

    def read(self, outcome: DueRead) -> Sequence[Entry]:
        """Take what was read, and return the entries that are not out of date."""
        self.is_reading = False
        if self._is_stale:
            self._is_stale = False
            return ()
        if len(outcome.entries) == outcome.read.limit:
            self._is_known = False
        elif outcome.next_due is not None and outcome.next_due <= outcome.read.horizon:
            self.comes(outcome.next_due)
        return outcome.entries

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to read, now or later."""
        return self._is_known and self._next is None and not self.is_reading

    def wake_at(self, moment: Moment) -> float | None:
        """Return when to read again without a stimulus, in loop time, or None."""
        if self.is_reading or self._next is None:
            return None
        return moment.now + (self._next - moment.at).total_seconds()

    def _has_come(self, due: datetime, at: datetime) -> bool:
        """Report whether *due* has come, or was set by a wrong clock: nothing waits so long."""
        return due <= at or due > at + self._longest_wait


class CancellationReads:
    """Reads users' cancellations page by page; a page's unsent entries are withdrawn before the next page.

    Nothing new is sent meanwhile, so entries that were not being sent when reading began are not later
    either.
    """

    def __init__(self) -> None:
        self._is_due = True
        self._after = -1
        self._is_reading = False  #: a page is being read, or its entries withdrawn
        self._sending: Collection[str] = ()  #: entries that were being sent when reading began
        self._awaited: set[str] = set()  #: entries being sent that are to be withdrawn

    @property
    def is_due(self) -> bool:
        """Whether there may be cancellations that were not carried out yet."""
        return self._is_due or self._is_reading

    def again(self) -> None:
        """Read again: there may be new cancellations, or entries that can be withdrawn now."""
        self._is_due = True

    def back(self, entry_id: str) -> None:
        """Note that an entry is not being sent any more, although a page being read may say so."""
        if entry_id in self._awaited or (self._is_reading and entry_id in self._sending):
            self._is_due = True

    def plan(self, sending: Collection[str]) -> list[ReadCancellations]:
        """Return the page to read now, if any; *sending* are the entries that are being sent."""
        if self._is_reading or not self._is_due:
            return []
        self._is_reading, self._is_due, self._after = True, False, -1
        self._sending = sending
        self._awaited.clear()
        return [self._page(sending)]

    def read(self, outcome: CancellationsRead) -> list[Withdraw | ReadCancellations]:
        """Take a page, and return what to do about it."""
        if not outcome.page:
            self._is_reading = False
            return []
        sending = outcome.read.sending
        self._after = outcome.page[-1].entry.position
        unsent = [one.entry for one in outcome.page if one.entry.state not in HOLDS_SLOT]
        self._awaited |= {entry.id for entry in unsent if entry.id in sending}
        free = [entry for entry in unsent if entry.id not in sending]
        return [Withdraw(entries=free)] if free else [self._page(sending)]

    def withdrew(self, sending: Collection[str]) -> ReadCancellations:
        """Note that the page's entries are withdrawn, and return the read of the next page."""
        return self._page(sending)

    @property
    def is_awaiting(self) -> bool:
        """Whether entries are being sent that should be released and withdrawn."""
        return bool(self._awaited)

    def _page(self, sending: Collection[str]) -> ReadCancellations:
        return ReadCancellations(after=self._after, sending=sending)
