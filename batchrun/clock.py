"""
Time, passed in: whoever waits or stamps takes a :class:`Clock`.

Three kinds of time are kept apart. *Loop time* measures waits and never jumps; it is the event loop's own,
so that timeouts, sleeps and library timers agree. *Wall time* stamps records; it may jump, and nothing
waits by it. *The latest time* (:meth:`Clock.latest`) is for what must not be believed too long: it never
goes back, and goes on while the machine sleeps. :class:`VirtualLoop` makes loop time jump to the next timer
whenever nothing else can happen, which lets a test run days of polling over real sockets in seconds;
:class:`VirtualClock` makes wall time follow it.

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

#: What two readings of one clock's origin may differ by: clocks are slewed, and not read at the same moment.
_DRIFT = timedelta(seconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """
    Where a clock's *latest* time counts from.

    It tells whether two processes' latest times can be compared: they can on one machine since it was
    started, as long as nobody has set its wall time meanwhile.
    """

    boot: str  #: which start of which machine
    at: datetime  #: when that was, by the latest time

    def is_same(self, other: Origin) -> bool:
        """Report whether times by the one can be compared with times by the other."""
        return self.boot == other.boot and abs(self.at - other.at) <= _DRIFT


class Clock(ABC):
    """The time, and the right to wait for it."""

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
        """
        Return the latest that it can be: wall time as it first was, moved on by whichever clock moves most.

        Loop time may stand still while the machine sleeps, wall time may be set back: neither shortens what
        has passed here. A clock that is set forward counts as time that has passed.
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
        """Return what each clock shows, in seconds; only differences mean anything."""
        return self.monotonic(), self.utcnow().timestamp()

    def origin(self) -> Origin:
        """Return where the latest time counts from; it moves when the wall clock is set forward."""
        boot, up = self._up()
        return Origin(boot=boot, at=self.latest() - timedelta(seconds=up))

    def _up(self) -> tuple[str, float]:
        """Return which machine and which start of it this is, and for how many seconds it is up."""
        return "", self.monotonic()


#: Goes on while the machine sleeps: on macOS the monotonic clock does so itself.
_WITH_SLEEP = getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC)


class SystemClock(Clock):
    """The machine's own time."""

    def utcnow(self) -> datetime:
        """Wall time, aware, in UTC."""
        return datetime.now(UTC)

    def readings(self) -> tuple[float, ...]:
        """Return what each clock shows, the one that counts sleep too."""
        return self.monotonic(), time.time(), time.clock_gettime(_WITH_SLEEP)

    def _up(self) -> tuple[str, float]:
        return _boot(), time.clock_gettime(_WITH_SLEEP)


@cache
def _boot() -> str:
    """
    Return what Linux calls this start of the machine, in every container; elsewhere the machine's name.

    Not both: a container has another name each time, and cron may start one for each pass.
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
    """Polls for I/O; where there is none, moves the loop's time instead of waiting."""

    def __init__(self) -> None:
        super().__init__()
        self.offset = 0.0
        self.busy_threads = 0

    def select(self, timeout: float | None = None) -> Any:
        """Answer ready I/O at once, else wait for a busy thread, else jump over *timeout*."""
        ready = super().select(0)
        if ready or timeout == 0:
            return ready
        if self.busy_threads or timeout is None:
            # A thread's work takes real time and no virtual time: its result arrives as I/O.
            return super().select(timeout if timeout is None else 0.05)
        self.offset += timeout
        return ready


class VirtualLoop(asyncio.SelectorEventLoop):
    """
    An event loop whose time costs nothing: when every task waits, it jumps to the next timer.

    Sockets within the process, and threads through ``run_in_executor``, work as ever and take no
    virtual time.
    """

    #: Each look at the time moves it on a little, so that a wait that ends one float short still ends.
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
        """Run *func* in a thread; until it is done, time stands still."""
        future = super().run_in_executor(executor, func, *args)
        self._jumps.busy_threads += 1
        future.add_done_callback(self._thread_done)
        return future

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:  # noqa: ARG002, ASYNC109
        """Wait for the threads to end, in real time: a limit in virtual time would be over at once."""
        self._jumps.busy_threads += 1
        try:
            await super().shutdown_default_executor()
        finally:
            self._jumps.busy_threads -= 1

    def _thread_done(self, _future: object) -> None:
        self._jumps.busy_threads -= 1
