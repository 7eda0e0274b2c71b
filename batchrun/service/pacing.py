"""
Pace: one lane per operation, each with a turn every so often.

Belongs here: waiting for a turn. Does not: waiting to retry (``retry``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from batchrun.clock import Clock

#: Seconds of lateness that may be caught up, so that a busy loop does not lose pace. Not a burst: at
#: 5 calls per second it is a tenth of a turn.
_CATCH_UP: Final = 0.02


class Lane:
    """
    The turns of one operation at a fixed rate.

    Turns are given in the order of asking. A waiter that is cancelled loses its turn.
    """

    def __init__(self, rate: float | None, clock: Clock) -> None:
        self._interval = 0.0 if rate is None else 1.0 / rate
        self._clock = clock
        self._next = float("-inf")

    async def turn(self, *, early: float = 0.0) -> float:
        """
        Wait until *early* seconds before the next turn.

        Returns:
            When the turn is, in loop time: now or in at most *early* seconds.
        """
        now = self._clock.monotonic()
        mine = max(self._next, now - _CATCH_UP)
        self._next = mine + self._interval
        await self._clock.sleep(mine - now - early)
        return mine

    def rest(self, seconds: float | None) -> None:
        """Give no turn for *seconds*, or for one turn's time: the service said that it is too fast."""
        pause = self._interval if seconds is None else seconds
        self._next = max(self._next, self._clock.monotonic() + pause)


class Lanes:
    """The lane of each operation, which none of the others can slow."""

    def __init__(self, *, rate: float | None, read_rate: float | None, clock: Clock) -> None:
        self._rate = rate
        self._read_rate = read_rate
        self._clock = clock
        self._lanes: dict[str, Lane] = {}

    def __getitem__(self, operation: str) -> Lane:
        """Give the lane of *operation*: the start rate is StartRun's, the read rate each other's."""
        if operation not in self._lanes:
            rate = self._rate if operation == "StartRun" else self._read_rate
            self._lanes[operation] = Lane(rate, self._clock)
        return self._lanes[operation]
