"""The shares of lanes in rows that several of them may take.

Rows that several lanes may take are shared out so that the lanes' numbers of active runs become as even as
their room allows. Rows that a lane took count there, so it leaves the rest to a lane that is still busy with
its call. Few rows go to as few lanes as make each call worthwhile. A lane that can take nothing now gets no
share.

Does not belong here: when they are sent (``batching``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from batchrun.model.planning.limits import Limits
from batchrun.model.planning.queues import Queue
from batchrun.model.planning.sending import Sending, Slots
from batchrun.model.submissions.grouping import INLINE

#: One part in so many of the slots must be free to make another submission worthwhile.
_WAVES: Final = 10


def even_parts(rows: int, loads: Sequence[int], rooms: Sequence[float]) -> list[int]:
    """Share out *rows* so that all loads become as even as possible; fewer where there is no room.

    *loads*, not empty, is what each has already; *rooms* how many more each may take, maybe infinite.
    """

    def parts(level: int) -> list[int]:
        return [int(min(room, max(0, level - load))) for load, room in zip(loads, rooms, strict=True)]

    low, high = min(loads), max(loads) + rows
    while low < high:
        level = (low + high) // 2
        low, high = (low, level) if sum(parts(level)) >= rows else (level + 1, high)
    found = parts(low)
    for place in reversed(range(len(found))):
        if sum(found) > rows and found[place] == low - loads[place] > 0:
            found[place] -= 1
    return found


class Sharing:
    """The lanes of one launch that share rows."""

    def __init__(self, limits: Limits, slots: Slots) -> None:
        """Begin without lanes; *slots* are the batch's."""
        self._limits = limits
        self._slots = slots
        self._lanes: dict[str | None, Sending] = {}

    def join(self, lane: str | None, sending: Sending) -> None:
        """Add a lane."""
        self._lanes[lane] = sending

    def worth_a_call(self, lane: str | None) -> float:
        """Return the fewest rows that a lane takes with one call, while there are more."""
        return max(1, min(INLINE, self._limits.wave, self._lanes[lane].slots.most / _WAVES))

    def part(self, lane: str | None, queue: Queue, now: float) -> int:
        """Return the lane's share of the rows that are ready in *queue*."""
        ready = len(queue.ready)
        if len(queue.lanes) <= 1:
            return ready
        rows = int(min(ready, self._slots.room))
        able = [name for name in queue.lanes if self._may_take(name, rows, now)]
        takers = sorted(able, key=lambda name: len(self._lanes[name].slots))[: max(1, rows // INLINE)]
        if lane not in takers:
            return 0
        slots = [self._lanes[name].slots for name in takers]
        return even_parts(rows, [len(one) for one in slots], [one.room for one in slots])[takers.index(lane)]

    def _may_take(self, lane: str, rows: int, now: float) -> bool:
        sending = self._lanes[lane]
        return sending.may_begin(now) and sending.slots.room >= min(rows, self.worth_a_call(lane))
