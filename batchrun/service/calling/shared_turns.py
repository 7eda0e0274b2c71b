"""
One pace for all launchers of a ledger: they make their calls in turn, a second each, and hand the pace on.

Whoever has a stretch of time makes calls as if alone in the account, by all that was learned before, and
leaves what it learned to the next. So the limit is found and kept as by one, whoever dies: a stretch that
nobody uses is over by itself. What is in the air at its end is taken to pass; whoever sent it takes that back
at its next stretch where it was throttled. Whoever is alone looks for others so often that a newcomer, who
waits a moment for the pace, gets it: two that did not know of each other would take each other's calls for a
lower limit. Belongs here: stretches, and handing on. Does not: waiting for a turn (``pacing``), how fast
(``model.paces.pace``), who shares (``engine.lanes.commons``).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from batchrun.model.paces.handing_on import ago, all_ago, handed_on

if TYPE_CHECKING:
    from batchrun.clock import Clock
    from batchrun.model.paces.pace import Pace
    from batchrun.ports.service import SharedPaces
    from batchrun.ports.stored import Commons, LeftPace, Stretch

#: Seconds for which it is believed that somebody else shares the pace, and that nobody does.
_SHARED: Final = 1.0
_LOOK_EVERY: Final = 0.1
#: The same where nobody came for so long: less often, and still well before a newcomer has waited enough.
_LONG_ALONE: Final = 10.0
_LOOK_SELDOM: Final = 0.25
#: Seconds in which whoever was alone sees a newcomer, and leaves its pace.
_NOTICED: Final = 0.4
#: Seconds that a stretch lasts: at most, and where nobody knows a rate.
_LONGEST: Final = 1.0
_UNKNOWN: Final = 0.25
#: Seconds and times to wait for the pace that whoever had the stretch before is about to leave.
_LEAVING: Final = 0.02
_TIMES: Final = 6
#: The same where it matters what is on its way, and the seconds after which the ledger has it.
_CAPPED_TIMES: Final = 100
_ON_DISK: Final = 2.0
#: Seconds after which a pace that was left says little of the limit.
_STALE: Final = 86_400.0


@dataclass(slots=True)
class TurnTimes:
    """When turns were, and until when nobody calls, in loop time."""

    last: float = -math.inf
    rests_until: float = -math.inf
    in_air: deque[float] = field(default_factory=deque)  #: the turns of calls that are not answered


class SharedTurns:
    """The stretches in which the calls of one operation may be made. Times are loop time."""

    def __init__(
        self, paces: SharedPaces, commons: Callable[[], Commons], pace: Pace, times: TurnTimes, clock: Clock
    ) -> None:
        self._paces = paces
        self._commons = commons
        self._pace = pace
        self._clock = clock
        self._has_peers = False
        self._has_left = False  #: whether others may have gone on from what was learned here
        self._room = math.inf  #: runs that may still be started in this stretch
        #: Turns of calls that were in the air when others left the pace.
        self._others_in_air: list[float] = []
        self._looked_at = -math.inf
        self._alone_since = math.inf
        self._stretch: Stretch | None = None
        self._end = -math.inf
        self._begun = -math.inf  #: the stretch, or the last one
        #: Calls of earlier stretches: when they were sent, and whether they were throttled.
        self._late: list[tuple[float, bool]] = []
        self._times = times

    async def are_shared(self) -> bool:
        """Report whether somebody else makes such calls too, and a pace is kept to; asks every so often."""
        if not (self._pace.is_kept or self._paces.is_capped):
            return False
        now = self._clock.monotonic()
        every = _SHARED if self._is_shared else self.look_every
        if now - self._looked_at >= 0.9 * every:  # who slept for so long may be told a little less
            self._looked_at = now
            self._alone_since = now if self._is_shared else min(now, self._alone_since)
            had, self._has_peers = self._has_peers, await self._paces.are_shared(self._commons())
            if self._has_peers and not had and self._stretch is None:
                await self._join()
            elif had and not self._is_shared:
                await self._part()
        return self._is_shared

    @property
    def look_every(self) -> float:
        """Seconds between two looks for others, while there are none."""
        return _LOOK_SELDOM if self._looked_at - self._alone_since >= _LONG_ALONE else _LOOK_EVERY

    @property
    def _is_shared(self) -> bool:
        return self._has_peers or self._paces.is_capped

    @property
    def is_full(self) -> bool:
        """Whether so many runs are active as may be, or may come to be by what was sent."""
        return self._room < 1

    def given(self) -> None:
        """Learn that a turn of the stretch was given."""
        self._room -= 1

    async def begin(self, waiting: int) -> float:
        """
        Wait for a stretch of time, for so many calls, unless there is one.

        Returns:
            When it ends; at once where it is full.
        """
        if self._stretch is None:
            rate = self._pace.rate
            seconds = _UNKNOWN if math.isinf(rate) else min(_LONGEST, waiting / rate)
            asked = self._clock.monotonic()
            stretch = await self._paces.take(self._commons(), seconds)
            self._end = asked + stretch.ends_in  # never later than others take it to be
            self._take_over(await self._left(stretch))
            self._stretch, self._begun = stretch, self._clock.monotonic()
            self._catch_up()
            self._room = await self._paces.room(self._commons()) - len(self._not_on_disk())
        return -math.inf if self.is_full else self._end

    def _not_on_disk(self) -> list[float]:
        """Return the turns of calls, anybody's, whose intent the ledger may not have yet."""
        since = self._clock.monotonic() - _ON_DISK
        return [turn for turn in (*self._times.in_air, *self._others_in_air) if turn > since]

    async def leave(self) -> None:
        """Leave the pace, and what is left of the stretch, to whoever is next."""
        stretch, self._stretch = self._stretch, None
        if stretch is not None:
            now = self._clock.monotonic()
            known = replace(
                self._pace.hand_on(now),
                last=ago(self._times.last, now),
                rests=ago(self._times.rests_until, now),
                in_air=all_ago(self._times.in_air, now),
                under_way=all_ago(self._not_on_disk(), now),
            )
            self._has_left = True
            await self._paces.leave(self._commons(), known.text(), stretch)

    def passed(self, sent: float, *, pressed: bool) -> None:
        """Learn that a call passed; of earlier stretches' calls whoever was next took that for granted."""
        if not self._is_shared or (self._stretch is not None and sent >= self._begun):
            self._pace.passed(sent, pressed=pressed)
        else:
            self._late.append((sent, False))

    def refused(self, sent: float) -> float:
        """
        Learn that a call was throttled: now, or at the next stretch where it is somebody else's now.

        Returns:
            From when on the next turn is counted.
        """
        now = self._clock.monotonic()
        if self._stretch is None and self._is_shared:
            self._late.append((sent, True))
            return now
        return self._pace.refused(sent, now, was_counted=self._is_shared and sent < self._begun)

    def _catch_up(self) -> None:
        late, self._late = self._late, []
        for sent, is_throttled in late:
            if is_throttled:
                self._pace.refused(sent, self._clock.monotonic(), was_counted=True)
            else:
                self._pace.keep_up(sent)

    async def _join(self) -> None:
        """Leave the pace to whoever has come; a newcomer waits a moment for the pace of whoever was there."""
        if math.isfinite(self._times.last):
            left = await self._paces.left(self._commons())
            if left is None or self._clock.monotonic() - left.ago <= self._times.last:
                self._stretch = await self._paces.take(self._commons(), 0.0)
                await self.leave()
            return
        came = self._clock.monotonic()
        while (now := self._clock.monotonic()) < came + _NOTICED:
            left = await self._paces.left(self._commons())
            if left is not None and left.ago <= now - came:
                break
            await self._clock.sleep(_LEAVING)

    async def _part(self) -> None:
        """Go on alone, from what whoever was there left last."""
        if self._stretch is None:
            self._take_over(await self._paces.left(self._commons()))
        await self.leave()
        self._catch_up()

    def _take_over(self, left: LeftPace | None) -> None:
        """Go on from what was learned last, unless that was here, and left to nobody yet."""
        known = None if left is None or left.ago > _STALE else handed_on(left.state)
        if left is None or known is None:
            return
        then = self._clock.monotonic() - left.ago
        if not self._has_left and then <= self._times.last:
            return
        self._others_in_air = [then - age for age in known.under_way]
        self._pace.take_over(known, then)
        self._times.last = max(self._times.last, -math.inf if known.last is None else then - known.last)
        rests_until = -math.inf if known.rests is None else then - known.rests
        self._times.rests_until = max(self._times.rests_until, rests_until)

    async def _left(self, stretch: Stretch) -> LeftPace | None:
        """Wait for the stretch, and a moment for the pace that whoever had the one before is to leave."""
        await self._clock.sleep(stretch.begins_in - _LEAVING)
        left = await self._paces.left(self._commons())
        for _ in range(_CAPPED_TIMES if self._paces.is_capped else _TIMES):
            if stretch.begins_in < 0 or (left is not None and left.until >= stretch.after):
                break
            await self._clock.sleep(_LEAVING)
            left = await self._paces.left(self._commons())
        return left
