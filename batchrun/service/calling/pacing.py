"""The turns of calls, operation by operation: none slows another.

Belongs here: waiting for a turn, and passing on how calls went. Does not: how fast (``model.paces.pace``),
waiting for a retry (``call_retries``).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from functools import partial
from typing import Final

import anyio
import structlog

from batchrun.clock import Clock
from batchrun.errors import CallError, OutcomeUnknownError, ThrottledError
from batchrun.model.paces.handing_on import Learned
from batchrun.model.paces.pace import Pace
from batchrun.model.paces.rates import FIXED_RATES, USUAL_RATE, USUAL_RATES, Rate
from batchrun.ports.call_paces import SharedPaces
from batchrun.ports.stored import Commons
from batchrun.service.calling.shared_turns import SharedTurns, TurnTimes

#: Operations paced through the ledger: the others have wide limits, and their calls follow the starts.
_SHARED: Final = frozenset({"StartRun"})
#: Seconds before a turn at which a stretch for it is asked for, and after which that is done in any case:
#: others may have found meanwhile that calls may be faster.
_AHEAD: Final = 0.05
_ASK_AGAIN: Final = 5.0
#: Seconds after which the runs of a full account are counted again.
_COUNT_AGAIN: Final = 1.0
#: Seconds of rest that are worth logging, and seconds between two log lines.
_WORTH_LOGGING: Final = 10.0
_LOG_EVERY: Final = 60.0
log = structlog.get_logger(__name__)


class Turns:
    """The turns of one operation.

    Turns are given in the order of asking. A waiter that is cancelled loses its turn. Each turn ends with
    exactly one call of :meth:`answered` or :meth:`lost`.
    """

    def __init__(self, pace: Pace, clock: Clock, *, operation: str = "") -> None:
        self.pace = pace
        self._operation = operation
        self._logged_at = -math.inf
        self._clock = clock
        self._line = anyio.Lock(fast_acquire=True)
        self._times = TurnTimes()
        self._shared: SharedTurns | None = None
        self._landed = anyio.Event()
        self._is_pressed = False  #: whether the last turn had to be waited for

    async def turn(self, *, early: float = 0.0) -> float:
        """Wait until *early* seconds before the next turn.

        Returns:
            When the turn is, in loop time: now or in at most *early* seconds.
        """
        async with self._line:
            self._is_pressed = await self._window()
            shared = await self._in_stretch()
            while (wait := self._next() - self._clock.monotonic()) > early:
                self._is_pressed = True
                look = math.inf if self._shared is None or shared is not None else self._shared.look_every
                await self._clock.sleep(min(wait - early, look))
                shared = await self._in_stretch()
            self._times.last = turn = self._next()
            self._times.in_air.append(turn)
            if shared is not None:
                shared.given()
                if self._waiting == 1:
                    await shared.leave()
            return turn

    async def _in_stretch(self) -> SharedTurns | None:
        """Wait for a stretch that contains the next turn; None where the pace is not shared now."""
        while True:
            shared = await self._shared_now()
            end = math.inf if shared is None else await shared.begin(self._waiting)
            if math.isinf(self._times.last):
                self._times.last = self._clock.monotonic() - 1 / self.pace.rate  # no turn was missed yet
            if shared is None or end > self._next():
                return shared
            self._is_pressed = True
            await self._landed_by(end)
            await shared.leave()
            wait = min(_ASK_AGAIN, self._next() - self._clock.monotonic() - _AHEAD)
            await self._clock.sleep(max(wait, _COUNT_AGAIN) if shared.is_full else wait)

    async def _landed_by(self, end: float) -> None:
        """Wait, at most until *end*, for calls in flight: the next launcher should know how they went."""
        with anyio.move_on_after(max(0.0, end - self._clock.monotonic())):
            while self._times.in_air:
                self._landed = anyio.Event()
                await self._landed.wait()

    def share(self, paces: SharedPaces, commons: Callable[[], Commons]) -> None:
        """Share the pace with other launchers while there are any; before the first turn."""
        self._shared = SharedTurns(paces, commons, self.pace, self._times, self._clock)

    async def _shared_now(self) -> SharedTurns | None:
        return self._shared if self._shared is not None and await self._shared.are_shared() else None

    @property
    def _waiting(self) -> int:
        """Callers that wait for a turn, the one whose turn is next included."""
        return self._line.statistics().tasks_waiting + 1

    async def _window(self) -> bool:
        """Wait, at most for a turn at the known rate, until one more call may be in flight.

        Returns:
            Whether it had to wait.
        """
        if len(self._times.in_air) < self.pace.window:
            return False
        with anyio.move_on_after(1 / self.pace.known_rate):
            while len(self._times.in_air) >= self.pace.window:
                self._landed = anyio.Event()
                await self._landed.wait()
        return True

    def _next(self) -> float:
        earliest = self._clock.monotonic() - self.pace.lateness
        return max(self._times.last + 1 / self.pace.rate, earliest, self._times.rests_until)

    def answered(self, sent: float, error: CallError | None = None) -> None:
        """Learn how a call, sent at *sent*, went; *error* is None for success."""
        self._land()
        match error:
            case ThrottledError(retry_after=retry_after):
                self._refused(sent, retry_after)
            case OutcomeUnknownError():
                pass  # says nothing about the limit
            case _:
                (self._shared or self.pace).passed(sent, pressed=self._is_pressed)

    def lost(self) -> None:
        """Give back a turn from which nothing was learned."""
        self._land()

    def _land(self) -> None:
        self._times.in_air.popleft()
        self._landed.set()

    def _refused(self, sent: float, retry_after: float | None) -> None:
        """Slow down, and rest as long as the service asks for."""
        now = self._clock.monotonic()
        rest = retry_after or 0.0
        resumes = self.pace.refused(sent, now) if self._shared is None else self._shared.refused(sent)
        # Nothing is left to catch up on, and calls in flight take the next tokens.
        self._times.last = max(self._times.last, now) if self._times.in_air else resumes
        self._times.rests_until = max(self._times.rests_until, now + rest)
        self._warn_if_starved(now, rest)

    def _warn_if_starved(self, now: float, rest: float) -> None:
        """Warn, once a minute, that hardly any call passes."""
        if (self.pace.is_starved or rest >= _WORTH_LOGGING) and now - self._logged_at >= _LOG_EVERY:
            self._logged_at = now
            rate = round(self.pace.rate, 3)
            log.warning(
                "pace_starved", operation=self._operation, calls_per_second=rate, rests=round(rest, 1)
            )


class AllTurns:
    """The turns of each operation."""

    def __init__(self, *, rate: Rate, read_rate: Rate, clock: Clock) -> None:
        self._rate = rate
        self._read_rate = read_rate
        self._clock = clock
        self._turns: dict[str, Turns] = {}
        self._quotas: dict[str, float | None] = {}
        self.one_recall = anyio.Lock()  #: of launches that begin together, one asks for the quota
        self._remembered: dict[str, Learned] = {}
        self._paces: SharedPaces | None = None
        self._place: Callable[[], tuple[str, str | None]] = lambda: ("", None)

    def __getitem__(self, operation: str) -> Turns:
        """Return the turns of *operation*: the start rate is StartRun's, the read rate most others'."""
        if operation not in self._turns:
            turns = self._turns[operation] = Turns(self._pace(operation), self._clock, operation=operation)
            if self._paces is not None and operation in _SHARED:
                turns.share(self._paces, partial(self._commons, operation))
        return self._turns[operation]

    def share(self, paces: SharedPaces, place: Callable[[], tuple[str, str | None]]) -> None:
        """Share the paces of *place*, a region and account, with other launchers; before the first call."""
        self._paces, self._place = paces, place

    def _commons(self, operation: str) -> Commons:
        region, account = self._place()
        return Commons(region=region, account=account, operation=operation)

    def known_rate(self, operation: str) -> float:
        """Return how many calls per second can be relied on; infinite where nothing slows them."""
        return self[operation].pace.known_rate

    def wants_quota(self, operation: str) -> bool:
        """Report whether the limit of *operation* is ours to find, and was not asked for yet."""
        return self._asked(operation).is_auto and operation not in self._quotas.keys() | self._turns.keys()

    def know_quota(self, operation: str, rate: float | None) -> None:
        """Set the limit of *operation* that the service named, or None; before its first call."""
        self._quotas[operation] = rate

    def recall(self, remembered: Mapping[str, Learned]) -> None:
        """Continue from what was learned earlier; before the first call."""
        self._remembered = dict(remembered)

    def learned(self) -> Mapping[str, Learned]:
        """Return what was learned of each operation that was ever refused."""
        paces = {operation: turns.pace for operation, turns in self._turns.items()}
        return {operation: pace.learned for operation, pace in paces.items() if pace.has_learned}

    def _asked(self, operation: str) -> Rate:
        return self._rate if operation == "StartRun" else FIXED_RATES.get(operation, self._read_rate)

    def _pace(self, operation: str) -> Pace:
        return Pace(
            self._asked(operation),
            supposed=USUAL_RATES.get(operation, USUAL_RATE),
            quota=self._quotas.get(operation),
            learned=self._remembered.get(operation),
        )
