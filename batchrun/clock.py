"""Time as a dependency: code that waits or takes timestamps is given a :class:`Clock`.

There are three kinds of time. *Loop time* measures waits and never jumps; it is the event loop's own, so that
timeouts, sleeps and library timers agree. *Wall time* stamps records; it may jump, and nothing waits by it.
*The latest time* (:meth:`Clock.latest`) is for facts that expire: it never goes back, and goes on while the
machine sleeps. :class:`VirtualLoop` makes loop time jump to the next timer when nothing else can happen, so
that a test runs days of polling over real sockets in seconds; :class:`VirtualClock` makes wall time follow.

What does not belong here: retry, pacing and polling policy.
"""

from __future__ import annotations

import asyncio
import platform
import selectors
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cache
from operator import sub
from pathlib import Path
from typing import Any

import anyio

#: Tolerance between two readings of one origin: clocks are slewed, and not read at the same moment.
_DRIFT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClockOrigin:
    """The origin of a clock's *latest* time.

    Latest times of two processes can be compared on one machine since its start, as long as its wall time
    was not set in between.
    """

    boot: str  #: identifies the machine and its start
    at: datetime  #: when it was started, by the latest time

    def is_same(self, other: ClockOrigin) -> bool:
        """Report whether times of the two origins can be compared."""
        return self.boot == other.boot and abs(self.at - other.at) <= _DRIFT


class Clock(ABC):
    """Reads the time, and waits."""

    _latest: datetime | None = None
    _readings: tuple[float, ...] = ()

    def monotonic(self) -> float:
        """Seconds of loop time; only differences mean anything. Needs a running loop."""
        return asyncio.get_running_loop().time()

    async def sleep(self, seconds: float) -> None:
        """Wait *seconds* of loop time; a cancellation point even for zero or less."""
        await anyio.sleep(max(0.0, seconds))

    @abstractmethod
    def utcnow(self) -> datetime:
        """Wall time, aware, in UTC."""

    def latest(self) -> datetime:
        """Return the latest possible time: the first wall time, advanced by whichever clock advances most.

        Loop time may stand still while the machine sleeps, and wall time may be set back; neither makes less
        time pass here. A clock that is set forward counts as time that has passed.
        """
        readings = self.readings()
        if self._latest is None:
            self._latest = self.utcnow()
        else:
            passed = max(map(sub, readings, self._readings))
            self._latest += timedelta(seconds=max(0.0, passed))
        self._readings = readings
        return self._latest

    def readings(self) -> tuple[float, ...]:
        """Return each clock's reading in seconds; only differences mean anything."""
        return self.monotonic(), self.utcnow().timestamp()

    def origin(self) -> ClockOrigin:
        """Return the origin of the latest time; it moves when the wall clock is set forward."""
        boot, up = self._up()
        return ClockOrigin(boot=boot, at=self.latest() - timedelta(seconds=up))

    def _up(self) -> tuple[str, float]:
        """Return an identifier of the machine and its start, and its uptime in seconds."""
        return "", self.monotonic()


#: A clock that goes on while the machine sleeps, as the monotonic clock does on macOS.
_WITH_SLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock(Clock):
    """The machine's own time."""

    def utcnow(self) -> datetime:
        """Wall time, aware, in UTC."""
        return datetime.now(UTC)

    def readings(self) -> tuple[float, ...]:
        """Return each clock's reading, including the one that counts sleep."""
        return self.monotonic(), time.time(), time.clock_gettime(_WITH_SLEEP)

    def _up(self) -> tuple[str, float]:
        return _boot(), time.clock_gettime(_WITH_SLEEP)


@cache
def _boot() -> str:
    """Return Linux's id of this boot, the same in every container; elsewhere the machine's name.

    Not both: each container has another name, and cron may start one for each pass.
    """
    start = Path("/proc/sys/kernel/random/boot_id")
    return start.read_text(encoding="ascii").strip() if start.exists() else platform.node()


class VirtualClock(Clock):
    """Wall time that starts at *start* and moves with loop time; :meth:`step` sets it, as NTP does."""

    def __init__(self, start: datetime = datetime(2026, 1, 1, tzinfo=UTC)) -> None:
        self._start = start
        self._origin: float | None = None

    def utcnow(self) -> datetime:
        """Wall time, aware, in UTC."""
        now = anyio.current_time()
        if self._origin is None:
            self._origin = now
        return self._start + timedelta(seconds=now - self._origin)

    def step(self, seconds: float) -> None:
        """Set wall time forward, or back."""
        self._start += timedelta(seconds=seconds)


class _JumpingSelector(selectors.DefaultSelector):
    """Polls for I/O; if there is none, advances the loop's time instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0.0
        self.busy_threads = 0

    def select(self, timeout: float | None = None) -> Any:
        """Return ready I/O at once, else wait for a busy thread, else jump over *timeout*."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.busy_threads or timeout is None:
            # A thread's work takes real time and no virtual time: its result arrives as I/O.
            return super().select(timeout if timeout is None else 0.05)
        self.offset += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """An event loop with virtual time: when every task waits, it jumps to the next timer.

    Sockets within the process, and threads through ``run_in_executor``, work as usual and take no virtual
    time.
    """

    #: Each reading advances the time a little, so that a wait that is one float short still ends.
    _CREEP = 1e-9

    def __init__(self) -> None:
        self._jumps = _JumpingSelector()
        self._creep = 0.0
        super().__init__(self._jumps)

    def time(self) -> float:
        """Virtual seconds since the loop was made."""
        self._creep += self._CREEP
        return self._jumps.offset + self._creep

    def run_in_executor(  # type: ignore[override]
        self, executor: Any, func: Callable[..., Any], *args: Any
    ) -> Any:
        """Run *func* in a thread; time stands still until it is done."""
        future = super().run_in_executor(executor, func, *args)
        self._jumps.busy_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Wait for the threads to end, in real time: a virtual timeout would be over at once."""
        self._jumps.busy_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumps.busy_threads -= 1

    def _thread_done(self, _future: object) -> None:
        self._jumps.busy_threads -= 1
