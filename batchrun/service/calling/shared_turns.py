"""One pace for all launchers of a ledger: they make their calls in turn, a second each, and hand the pace on.

A launcher that has a stretch of time makes calls as if alone in the account, from all that was learned
before, and hands on what it learned. So the limit is found and kept as if by one, whichever dies: an unused
stretch simply ends. Calls in flight at its end count as passed; where one was throttled, its sender corrects
that at its next stretch. A launcher that is alone looks for others so often that a newcomer, which waits a
moment, gets its pace: two that did not know of each other would take each other's calls for a lower limit.
Does not belong here: waiting for a turn (``pacing``), how fast (``model.paces.pace``), who shares
(``engine.lanes.commons``).
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final

from batchrun.clock import Clock
from batchrun.model.paces.handing_on import ago, all_ago, handed_on
from batchrun.model.paces.pace import Pace
from batchrun.ports.call_paces import SharedPaces
from batchrun.ports.stored import Commons, LeftPace, Stretch

#: Seconds between two looks for others while there are some, and while there are none.
_SHARED: Final = 1.0
_LOOK_EVERY: Final = 0.1
#: After so long alone it looks less often, still well before a newcomer stops waiting.
_LONG_ALONE: Final = 10.0
_LOOK_SELDOM: Final = 0.25
#: Seconds that a newcomer waits: a launcher that was alone sees it within them, and hands on its pace.
_NOTICED: Final = 0.4
#: Seconds that a stretch lasts: at most, and where no rate is known.
_LONGEST: Final = 1.0
_UNKNOWN: Final = 0.25
#: Seconds and times to wait for the pace from the launcher with the stretch before.
_LEAVING: Final = 0.02
_TIMES: Final = 6
#: Times where calls in flight matter, and the seconds after which the ledger has their intents.
_CAPPED_TIMES: Final = 100
_ON_DISK: Final = 2.0
#: Seconds after which a pace says little about the limit.
_STALE: Final = 86_400.0


@dataclass(slots=True)
class TurnTimes:
    """When turns were, and until when no call is made, in loop time."""

    last: float = -math.inf
    rests_until: float = -math.inf
    in_air: deque[float] = field(default_factory=deque)  #: the turns of calls in flight


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
        self._has_left = False  #: whether others may have continued from what was learned here
        self._room = math.inf  #: runs that may still be started in this stretch
        #: Turns of calls of others that were in flight when they handed on the pace.
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
        """Report whether other launchers make such calls and a pace is kept; asks the ledger at intervals."""
        if not (self._pace.is_kept or self._paces.is_capped):
            return False
        now = self._clock.monotonic()
        every = _SHARED if self._is_shared else self.look_every
        if now - self._looked_at >= 0.9 * every:  # a sleep may end a little early
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
        """Seconds between two looks for others while there are none."""
        return _LOOK_SELDOM if self._looked_at - self._alone_since >= _LONG_ALONE else _LOOK_EVERY

    @property
    def _is_shared(self) -> bool:
        return self._has_peers or self._paces.is_capped

    @property
    def is_full(self) -> bool:
        """Whether as many runs are active as may be, calls in flight included."""
        return self._room < 1

    def given(self) -> None:
        """Note that a turn of the stretch was given."""
        self._room -= 1

    async def begin(self, waiting: int) -> float:
        """Wait for a stretch long enough for *waiting* calls, unless there is one, and return when it ends.

        That is the past where the account is full.
        """
        if self._stretch is None:
            rate = self._pace.rate
            seconds = _UNKNOWN if math.isinf(rate) else min(_LONGEST, waiting / rate)
            asked = self._clock.monotonic()
            stretch = await self._paces.take(self._commons(), seconds)
            self._end = asked + stretch.ends_in  # never later than others think
            self._take_over(await self._left(stretch))
            self._stretch, self._begun = stretch, self._clock.monotonic()
            self._catch_up()
            self._room = await self._paces.room(self._commons()) - len(self._not_on_disk())
        return -math.inf if self.is_full else self._end

    def _not_on_disk(self) -> list[float]:
        """Return the turns of calls of any launcher whose intent the ledger may not have yet."""
        since = self._clock.monotonic() - _ON_DISK
        return [turn for turn in (*self._times.in_air, *self._others_in_air) if turn > since]

    async def leave(self) -> None:
        """Hand on the pace, and the rest of the stretch."""
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
        """Note that a call passed; calls of earlier stretches counted as passed already."""
        if not self._is_shared or (self._stretch is not None and sent >= self._begun):
            self._pace.passed(sent, pressed=pressed)
        else:
            self._late.append((sent, False))

    def refused(self, sent: float) -> float:
        """Note that a call was throttled, or keep that for the next stretch.

        Returns:
            The time from which the next turn is counted.
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
        """Hand the pace to a newcomer, or as the newcomer wait a moment for it."""
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
        """Continue alone, from what others handed on last."""
        if self._stretch is None:
            self._take_over(await self._paces.left(self._commons()))
        await self.leave()
        self._catch_up()

    def _take_over(self, left: LeftPace | None) -> None:
        """Continue from what was handed on last, unless it is older than what was learned here."""
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
        """Wait for the stretch, and a moment for the pace of the launcher before."""
        await self._clock.sleep(stretch.begins_in - _LEAVING)
        left = await self._paces.left(self._commons())
        for _ in range(_CAPPED_TIMES if self._paces.is_capped else _TIMES):
            if stretch.begins_in < 0 or (left is not None and left.until >= stretch.after):
                break
            await self._clock.sleep(_LEAVING)
            left = await self._paces.left(self._commons())
        return left
