"""
What will be done at which time, in that order.

What does not belong here: what is done. It differs from the ``timetable``, which knows runs alone and skips
those that left the state for which they were put down.
"""

from __future__ import annotations

import heapq
import math
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    #: Does something that is due at a time.
    Deed = Callable[[float], None]


class Agenda:
    """Deeds by their times; those of one time in the order in which they were put down."""

    def __init__(self) -> None:
        self._deeds: list[tuple[float, int, Deed]] = []
        self._ticks = count()

    @property
    def due(self) -> float:
        """When the next one is to be done; infinity where there is none."""
        return self._deeds[0][0] if self._deeds else math.inf

    def add(self, at: float, deed: Deed) -> None:
        """Put *deed* down for the time *at*."""
        heapq.heappush(self._deeds, (at, next(self._ticks), deed))

    def do_next(self) -> None:
        """Do the next one, at its own time."""
        at, _, deed = heapq.heappop(self._deeds)
        deed(at)
