"""
How rows that several lanes may take are shared out among these, where each takes many with one call.

Theory of operation. The lane with the fewest runs on their way takes most: each takes so many that all of
them come to be as even as their room allows. What a lane took counts with it from then on, so it does not
take another half of what was left for a lane that is busy with its call. Rows that are hardly worth a call of
each lane go to as few lanes as make a call of each worth it. A lane that cannot take anything just now has no
part: its rows go to the others.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.model.submissions.grouping import INLINE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.model.planning.limits import Limits
    from batchrun.model.planning.queues import Queue
    from batchrun.model.planning.sending import Sending, Slots

#: The part of the slots that may be free while one more submission is not worth it.
_WAVES: Final = 10


def even_parts(rows: int, loads: Sequence[int], rooms: Sequence[float]) -> list[int]:
    """
    Share out *rows*, so that what each has comes to be as even as may be; fewer where there is no room.

    Args:
        rows: How many.
        loads: What each has already; not empty.
        rooms: How many more each may have; may be infinite.
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
        """Begin without a lane; *slots* are the batch's."""
        self._limits = limits
        self._slots = slots
        self._lanes: dict[str | None, Sending] = {}

    def join(self, lane: str | None, sending: Sending) -> None:
        """Share with one more lane."""
        self._lanes[lane] = sending

    def worth_a_call(self, lane: str | None) -> float:
        """Say how many rows a lane takes with one call, at least, while there are more."""
        return max(1, min(INLINE, self._limits.wave, self._lanes[lane].slots.most / _WAVES))

    def part(self, lane: str | None, queue: Queue, now: float) -> int:
        """Return how many of the rows that are ready in *queue* are the lane's, if it has room."""
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
