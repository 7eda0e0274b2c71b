"""
One pace for all launchers of a ledger: they make their calls in turn, a second each, and hand the pace on.

Whoever has a stretch of time makes calls as if alone in the account, by all that was learned before, and
leaves what it learned to the next. So the limit is found and kept as by one, whoever dies: a stretch that
nobody uses is over by itself. What is answered after a stretch counts at the next.
Belongs here: stretches, and handing on. Does not: waiting for a turn (``pacing``), how fast (``model.pace``),
who shares (``engine.commons``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.model.handing_on import handed_on

if TYPE_CHECKING:
    from collections.abc import Callable

    from batchrun.clock import Clock
    from batchrun.model.pace import Pace
    from batchrun.ports.commons import SharedPaces
    from batchrun.ports.stored import Commons, LeftPace, Stretch

#: Seconds for which it is believed that somebody else, or nobody, shares the pace.
_BELIEVED: Final = 1.0
#: Seconds that a stretch lasts: at most, and where nobody knows a rate.
_LONGEST: Final = 1.0
_UNKNOWN: Final = 0.25
#: Seconds and times to wait for the pace that whoever had the stretch before is about to leave.
_LEAVING: Final = 0.02
_TIMES: Final = 5
#: Seconds after which a pace that was left says little of the limit.
_STALE: Final = 86_400.0


@dataclass(slots=True)
class TurnTimes:
    """When the last turn was, and until when nobody calls, in loop time."""

    last: float = -math.inf
    rests_until: float = -math.inf


class SharedTurns:
    """The stretches in which the calls of one operation may be made. Times are loop time."""

    def __init__(
        self, paces: SharedPaces, commons: Callable[[], Commons], pace: Pace, times: TurnTimes, clock: Clock
    ) -> None:
        self._paces = paces
        self._commons = commons
        self._pace = pace
        self._clock = clock
        self._is_shared = False
        self._looked_at = -math.inf
        self._stretch: Stretch | None = None
        self._end = -math.inf
        self._late: list[Callable[[], None]] = []  #: what was learned of calls of earlier stretches
        self._times = times

    async def are_shared(self) -> bool:
        """Report whether somebody else makes such calls too, and a pace is kept to; asks once a second."""
        if not self._pace.is_kept:
            return False
        now = self._clock.monotonic()
        if now - self._looked_at >= _BELIEVED:
            self._looked_at = now
            self._is_shared = await self._paces.are_shared(self._commons())
            if not self._is_shared and self._stretch is not None:
                await self.leave()
                self._catch_up()
        return self._is_shared

    async def begin(self, waiting: int) -> float:
        """Wait for a stretch of time, for so many calls, unless there is one; return when it ends."""
        if self._stretch is None:
            rate = self._pace.rate
            seconds = _UNKNOWN if math.isinf(rate) else min(_LONGEST, waiting / rate)
            stretch = await self._paces.take(self._commons(), seconds)
            now = self._clock.monotonic()
            begin, self._end = now + stretch.begins_in, now + stretch.ends_in
            await self._clock.sleep(begin - now)
            await self._take_over(stretch)
            self._stretch = stretch
            self._catch_up()
        return self._end

    async def leave(self) -> None:
        """Leave the pace, and what is left of the stretch, to whoever is next."""
        stretch, self._stretch = self._stretch, None
        if stretch is not None:
            now = self._clock.monotonic()
            known = self._pace.hand_on(now, last=self._times.last, rests_until=self._times.rests_until)
            await self._paces.leave(self._commons(), known.text(), stretch)

    def learn(self, what: Callable[[], None]) -> None:
        """Have the pace learn now, or at the next stretch where it is somebody else's now."""
        if self._stretch is not None or not self._is_shared:
            what()
        else:
            self._late.append(what)

    def _catch_up(self) -> None:
        late, self._late = self._late, []
        for what in late:
            what()

    async def _take_over(self, stretch: Stretch) -> None:
        """Go on from what was learned last, unless that was here."""
        left = await self._left(stretch)
        known = None if left is None or left.ago > _STALE else handed_on(left.state)
        if left is None or known is None:
            return
        then = self._clock.monotonic() - left.ago
        if then <= self._times.last:
            return
        self._pace.take_over(known, then)
        self._times.last = -math.inf if known.last is None else then - known.last
        rests_until = -math.inf if known.rests is None else then - known.rests
        self._times.rests_until = max(self._times.rests_until, rests_until)

    async def _left(self, stretch: Stretch) -> LeftPace | None:
        """Return the pace as it was left, for which whoever had the stretch before may take a moment."""
        left = await self._paces.left(self._commons())
        for _ in range(_TIMES):
            if stretch.begins_in < 0 or (left is not None and left.until >= stretch.after):
                break
            await self._clock.sleep(_LEAVING)
            left = await self._paces.left(self._commons())
        return left
