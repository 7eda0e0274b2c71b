"""Queues of the entries to send, read from the ledger a little ahead.

Entries that may take the same lanes are in one queue, in manifest order; without lanes there is one queue. A
lane takes from queues with fewest other lanes first, so that entries which may go anywhere fill the remaining
room.

An entry that may take a lane which cannot be asked now might have a run there. Without a valid proof it is
*left* until that lane can be asked again. One that uses resources which a lane may not use goes to the queue
of its other lanes; where it has none it is *withheld* for the rest of the launch. One that a lane denied by
itself goes to those that did not yet.

Belongs here: the queues, and when each is worth a query. Does not: whether a lane has room (``sending``).
"""

from __future__ import annotations

import zlib
from collections import defaultdict, deque
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime, timedelta
from itertools import chain
from typing import Final

from batchrun.model.entries.entry import Entry, sent_to
from batchrun.model.lanes import or_home_alone
from batchrun.model.planning.actions import ReadChoices, ReadDue
from batchrun.model.planning.denials import Resources, resources_of
from batchrun.model.planning.limits import Limits
from batchrun.model.planning.reading import DueReads
from batchrun.model.planning.stimuli import DueRead, Moment
from batchrun.model.submissions.grouping import Choice, Engine, goes_together, shape_of

#: Left entries of a queue, from which on no more of it is read.
_MOST_LEFT: Final = 1000
#: Withheld ones: more, as others may be sent. Each read passes them over, in a tenth of a second.
_MOST_WITHHELD: Final = 100_000
#: Entries that are read at once, beyond those that there is room for, where as many are not sent from here.
_READ_AHEAD: Final = 1000
#: Entries in queues of fewer lanes, from which on no more is read: they stay in memory until they are sent.
_MOST_AHEAD: Final = 10_000


class Queue:
    """Entries that may take the same lanes and, where they may be sent together, have the same shape."""

    def __init__(self, lanes: tuple[str, ...], shape: str | None, longest_wait: timedelta) -> None:
        self.lanes = lanes  #: as ``Entry.may_take``
        self.shape = shape  #: :mod:`grouping`; None if it does not matter
        self.is_together = False  #: whether they are sent by StartRunBatch
        self.ready: deque[Entry] = deque()
        self.ready_since: float | None = None  #: loop time since which entries wait for more to fill a call
        self.reads = DueReads(longest_wait)
        self.left: set[str] = set()  #: ids of entries that cannot be proven now
        self.withheld: set[str] = set()  #: ids of entries that use what may not be used
        self.parts: set[Queue] = set()  #: queues of fewer lanes, to which entries of this one went

    def begin_with(self, lane: str | None) -> None:
        """Put in front the first entry whose usual lane is *lane*, else the last entry of another's.

        As each lane sends its usual entries first, a launch whose ledger was lost sends most of them to the
        lanes that had them before, where their requestIds make one run of both, listed or not. The last is
        the one that its usual lane would have come to last.
        """
        place = next((i for i, entry in enumerate(self.ready) if _usual(entry, self.lanes) == lane), -1)
        entry = self.ready[place]
        del self.ready[place]
        self.ready.appendleft(entry)

    @property
    def is_left(self) -> bool:
        """Whether so many entries are left, withheld or in other queues that no more are read."""
        left = sum(len(queue.left) for queue in (self, *self.parts))
        return self.ahead >= _MOST_AHEAD or left >= _MOST_LEFT or len(self.withheld) >= _MOST_WITHHELD

    @property
    def ahead(self) -> int:
        """Entries that are ready in queues of fewer lanes."""
        return sum(len(part.ready) for part in self.parts)

    @property
    def known(self) -> Iterator[str]:
        """Ids of the entries that need not be read again."""
        for queue in (self, *self.parts):
            yield from chain(queue.left, queue.withheld, (entry.id for entry in queue.ready))

    @property
    def is_spent(self) -> bool:
        """Whether nothing of it can be sent, now or later."""
        is_full = len(self.withheld) >= _MOST_WITHHELD
        return not (self.ready or self.left) and (is_full or self.reads.is_over)


def _usual(entry: Entry, lanes: Sequence[str]) -> str:
    """Return one of *lanes* that is always the same for an entry's id."""
    return lanes[zlib.crc32(entry.id.encode()) % len(lanes)]


class Queues:
    """Every queue of one launch."""

    def __init__(self, limits: Limits, *, has_lanes: bool = False, home: str | None = None) -> None:
        """Begin; *home* is the lane of rows that were sent before the batch had lanes."""
        self._limits = limits
        self._has_lanes = has_lanes
        self._home = home
        self._has_shapes = limits.engine is not Engine.STARTRUN
        self._queues: dict[tuple[tuple[str, ...], str | None], Queue] = {}
        self._by_lane: dict[str | None, list[Queue]] = {}
        self._unusable: set[str | None] = set()  #: lanes that take nothing more
        self._silent: set[str | None] = set()  #: lanes that cannot be asked now
        self._lost: set[str | None] = set()  #: of these, lanes that are not to be asked again in this launch
        self._denied: defaultdict[str | None, set[Resources]] = defaultdict(set)  #: by lane
        self._denied_in: defaultdict[str, set[str | None]] = defaultdict(set)  #: lanes that did, by entry
        self._is_reading_choices = False
        self._read_meanwhile: set[Queue] = set()  #: read before the shapes of all entries were stored
        self._has_choices = has_lanes or self._has_shapes
        self._are_choices_known = not self._has_choices
        if not self._has_choices:
            self._of((), None)

    def _of(self, lanes: tuple[str, ...], shape: str | None) -> Queue:
        queue = self._queues.get((lanes, shape))
        if queue is None:
            queue = self._queues[lanes, shape] = Queue(lanes, shape, self._limits.longest_wait)
            for lane in self._takers(queue):
                own = self._by_lane.setdefault(lane, [])
                own.append(queue)
                own.sort(key=lambda one: len(one.lanes))
        return queue

    def _takers(self, queue: Queue) -> Sequence[str | None]:
        return or_home_alone(queue.lanes, self._home)

    # -- what was read

    def choices_read(self, choices: Iterable[Choice]) -> None:
        """Make a queue for each kind of rows to send."""
        self._is_reading_choices = False
        for choice in choices:
            queue = self._of(choice.lanes, choice.shape)
            queue.is_together = goes_together(self._limits.engine, choice.shape, choice.rows or 0)
        for queue in self._read_meanwhile:
            queue.reads.look_again()
        self._read_meanwhile.clear()

    def read(self, outcome: DueRead) -> None:
        """Take entries that were read."""
        queue = self._of(outcome.read.lanes or (), outcome.read.shape)
        queue.ready.extend(self._permitted(queue, queue.reads.read(outcome)))

    def put_back(self, *entries: Entry) -> None:
        """Take back entries that were released unsent, in their order."""
        for entry in reversed(entries):
            queue = self._queue_of(entry)
            queue.ready.extendleft(self._permitted(queue, [entry]))

    def _queue_of(self, entry: Entry) -> Queue:
        return self._of(entry.may_take, shape_of(entry.id, entry.asked) if self._has_shapes else None)

    def denied(self, entry: Entry, lane: str | None) -> None:
        """Note that *lane* denied an entry that may take several, and is to be sent again: by another."""
        self._denied_in[entry.id].add(lane)
        if self._denied_in[entry.id].issuperset(entry.may_take):  # each once more
            del self._denied_in[entry.id]
        self.comes(entry)

    def comes(self, entry: Entry) -> None:
        """Note that an entry is to be sent again; it is read from the ledger when it is due."""
        if self._has_shapes:
            self._are_choices_known = False  # its shape may have changed, and is not stored yet
        reads = self._queue_of(entry).reads
        if entry.due is None:
            reads.look_again()
        else:
            reads.comes(entry.due)

    def changed(self) -> None:
        """Read again, and discard what is being read: it may be out of date."""
        for queue in self._queues.values():
            queue.reads.changed()

    def look_again(self) -> None:
        """Read again: something else may be due by now."""
        self._are_choices_known = not self._has_choices
        for queue in self._queues.values():
            queue.reads.look_again()

    def withdraw(self, entry_ids: Collection[str]) -> None:
        """Drop these entries from the queues."""
        if entry_ids:
            for queue in self._queues.values():
                queue.ready = deque(entry for entry in queue.ready if entry.id not in entry_ids)

    def clear(self) -> None:
        """Drop all entries: they are to be read again, with their proofs."""
        for queue in self._queues.values():
            queue.ready.clear()

    # -- lanes that cannot be used

    def lane_silent(self, lane: str | None, *, is_over: bool = False) -> None:
        """Note that a lane cannot be asked; *is_over*: not in this launch any more."""
        self._silent.add(lane)
        if is_over:
            self._lost.add(lane)

    def lane_closed(self, lane: str | None) -> None:
        """Note that a lane takes nothing more in this launch."""
        self._unusable.add(lane)
        for queue in self._queues.values():
            if not any(self._is_usable(taker) for taker in self._takers(queue)):
                queue.ready.clear()
                queue.left.clear()
                queue.withheld.clear()
            if queue.parts:
                queue.reads.look_again()  # what was to go to the lane

    def deny(self, lane: str | None, resources: Resources) -> None:
        """Note that a lane may not use some resources; entries that use them there are withheld."""
        self._denied[lane].add(resources)
        for queue in [*self._by_lane.get(lane, ())]:
            queue.ready = deque(self._permitted(queue, queue.ready))

    def are_denied(self, lane: str | None, resources: Collection[Resources]) -> bool:
        """Report whether a lane may use none of these."""
        return self._denied[lane].issuperset(resources)

    def _permitted(self, queue: Queue, entries: Iterable[Entry]) -> Iterable[Entry]:
        """Return the entries that each of the queue's lanes may send; put the others where they belong."""
        lanes = self._takers(queue)
        if not self._denied_in and not any(self._denied.get(lane) for lane in lanes):
            return entries
        return [entry for entry in entries if self._stays(entry, queue, lanes)]

    def _stays(self, entry: Entry, queue: Queue, lanes: Sequence[str | None]) -> bool:
        """Report whether each lane is to send the entry; else queue it for those that are, or withhold it."""
        allowed = self._allowed(entry, lanes)
        if len(allowed) == len(lanes):
            return True
        whole = self._queue_of(entry)
        usable = tuple(lane for lane in allowed if lane is not None and self._is_usable(lane))
        if not usable:
            if queue is whole:
                whole.withheld.add(entry.id)
            else:  # another lane, which denied it by itself, may still send it
                whole.reads.look_again()
            return False
        part = self._of(usable, queue.shape)
        part.is_together = queue.is_together
        part.ready.append(entry)
        whole.parts.add(part)
        return False

    def _allowed(self, entry: Entry, lanes: Sequence[str | None]) -> Sequence[str | None]:
        """Return the lanes that may send an entry, without those that denied it where there are others."""
        allowed = [lane for lane in lanes if not self._is_denied(entry, lane)]
        fresh = [lane for lane in allowed if lane not in self._denied_in.get(entry.id, ())]
        return fresh if any(map(self._is_usable, fresh)) else allowed

    def _is_denied(self, entry: Entry, lane: str | None) -> bool:
        denied = self._denied.get(lane, ())
        return bool(denied) and resources_of(sent_to(entry, lane)) in denied

    def is_spent(self, lane: str | None) -> bool:
        """Report whether nothing is left that could be sent to the lane, now or later."""
        own = self._by_lane.get(lane, ())
        return self._are_choices_known and not self.is_reading and all(queue.is_spent for queue in own)

    def lane_back(self, lane: str | None) -> None:
        """Note that a lane can be asked again, so that entries that were left can be proven."""
        self._silent.discard(lane)
        # Of other lanes too: a row may have a run in a lane that it may not go to now.
        for queue in self._queues.values():
            queue.left.clear()
            queue.reads.look_again()

    def _is_usable(self, lane: str | None) -> bool:
        return lane not in self._unusable

    def leave_unprovable(self, queue: Queue, count: int, latest: datetime) -> bool:
        """Leave those of the first *count* entries that might have a run in a lane that cannot be asked.

        Report whether there were any, so that others are first now. *latest* is the clock's latest time.
        """
        if not self._silent or self._limits.trusts_ledger:
            return False
        first = [queue.ready.popleft() for _ in range(min(count, len(queue.ready)))]
        provable = [entry for entry in first if self._is_provable(entry, latest)]
        queue.ready.extendleft(reversed(provable))
        queue.left.update({entry.id for entry in first} - {entry.id for entry in provable})
        return len(provable) < len(first)

    def _is_provable(self, entry: Entry, latest: datetime) -> bool:
        are_askable = self._silent.isdisjoint(or_home_alone(entry.may_be_in, self._home))
        return are_askable or self._limits.trust.holds(entry, latest)

    # -- what is sent, and what is to be read

    def of_lane(self, lane: str | None, *, is_together: bool) -> Sequence[Queue]:
        """Return the queues that a lane may take from, sent together or not; fewest other lanes first."""
        return [queue for queue in self._by_lane.get(lane, ()) if queue.is_together is is_together]

    def plan(
        self, room: int, held: Callable[[], Collection[str]], at: datetime
    ) -> list[ReadChoices | ReadDue]:
        """Return what is worth reading, for *room* entries in each queue, without those that are *held*."""
        if not room:
            return []
        if not self._are_choices_known and not self._is_reading_choices:
            self._are_choices_known = self._is_reading_choices = True
            return [ReadChoices()]
        due = [
            queue
            for queue in self._usable()
            if self._is_worth_reading(queue, room) and queue.reads.is_due(at)
        ]
        if self._is_reading_choices:
            self._read_meanwhile.update(due)
        return [self._read(queue, room, held, at) for queue in due]

    def _read(self, queue: Queue, room: int, held: Callable[[], Collection[str]], at: datetime) -> ReadDue:
        return queue.reads.plan(
            self._room(queue, room) - len(queue.ready) + min(len(queue.withheld) + queue.ahead, _READ_AHEAD),
            frozenset((*held(), *queue.known)),
            at,
            lanes=queue.lanes if self._has_lanes else None,
            shape=queue.shape,
        )

    def _is_worth_reading(self, queue: Queue, room: int) -> bool:
        """Report whether enough entries are missing to be worth a query."""
        missing = self._room(queue, room) - len(queue.ready)
        return missing >= max(1, self._room(queue, self._limits.concurrency) // 2)

    def are_more_coming(self, queue: Queue, at: datetime, *, within: float) -> bool:
        """Report whether more entries of a queue will be read, or become due *within* so many seconds."""
        if queue.reads.is_reading or not self._is_worth_reading(queue, self._limits.wave):
            return queue.reads.is_reading
        return queue.reads.is_due(at) or queue.reads.are_due_within(within, at)

    def _room(self, queue: Queue, room: int) -> int:
        return self._limits.wave if room and queue.is_together else room

    def _usable(self) -> Iterator[Queue]:
        """Yield the queues that some usable lane may take from."""
        for queue in self._queues.values():
            if not queue.is_left and any(self._is_usable(lane) for lane in self._takers(queue)):
                yield queue

    # -- how it stands

    @property
    def ids(self) -> list[str]:
        """Ids of the entries that are ready."""
        return [entry.id for queue in self._queues.values() for entry in queue.ready]

    @property
    def have_ready(self) -> bool:
        """Whether entries are ready for a lane that is, or may become, usable."""
        return any(queue.ready for queue in self._usable())

    @property
    def is_reading(self) -> bool:
        """Whether something is being read."""
        return self._is_reading_choices or any(queue.reads.is_reading for queue in self._queues.values())

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to read for a lane that is, or may become, usable."""
        return self._are_choices_known and all(queue.reads.is_over for queue in self._usable())

    @property
    def is_waiting(self) -> bool:
        """Whether entries are left because of a lane that may come back."""
        is_awaited = self._silent - self._lost
        return bool(is_awaited) and any(queue.left for queue in self._queues.values())

    def wake_at(self, moment: Moment, room: int) -> float | None:
        """Return when to read again without a stimulus, in loop time, or None."""
        dues = (
            queue.reads.wake_at(moment) for queue in self._usable() if self._is_worth_reading(queue, room)
        )
        return min((due for due in dues if due is not None), default=None)
