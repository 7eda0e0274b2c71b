"""Ctrl-C, SIGTERM and a terminal's hang-up, for every verb: their listeners, and what they do without one.

There is one handler for the whole command. With several, the first to end would remove the others too, and
the next signal would kill the process at whatever it does. For launches the first signal drains, the second
abandons their calls, the third ends the process at once. A hang-up comes from the kernel and from the shell,
and counts once; where it is ignored (nohup) it stays so. Does not belong here: what draining is (``api``).
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections import deque
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

from batchrun.cli.exits import Exit
from batchrun.cli.speak import complain, is_terminal, write

if TYPE_CHECKING:
    import asyncio

    import anyio

    from batchrun.api.launch import Launch

Listener = Callable[[signal.Signals], None]

T = TypeVar("T")
#: Seconds after which a signal counts as not noticed: otherwise it takes effect at once.
_SOON: Final = 0.1
#: Seconds for the last words of a process.
_LAST_WORDS: Final = 10
_SHOW_CURSOR: Final = "\x1b[?25h"
#: The present listeners, global as signals are.
_listeners: list[Listener] = []
#: Signals received but not handled yet: the event loop has not run since.
_untold: deque[signal.Signals] = deque()
#: The one that has cancelled the verb, or raised KeyboardInterrupt. The first shows only when the verb next
#: waits in the event loop, the second may be lost in a library while that is imported: it is raised again.
_ended_by: list[signal.Signals] = []


def run_async(function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """Run a verb's *function* to its end in an event loop.

    The first signal without a listener cancels it, so that it releases what it holds; the next one ends the
    process at once.

    Raises:
        KeyboardInterrupt: It was cancelled.
    """
    import anyio  # noqa: PLC0415 (half of most verbs' start time, and they need no event loop)

    _raise_again()
    telling = _Telling()
    with _restored():
        for number in taken():  # before the event loop is made, which would stay half made
            signal.signal(number, telling.take)
        try:
            return anyio.run(telling.run, function, arguments)
        finally:
            for told in (_listeners, _untold, _ended_by):
                told.clear()


def taken() -> tuple[signal.Signals, ...]:
    """Return the signals that are acted on."""
    is_ignored = signal.getsignal(signal.SIGHUP) is signal.SIG_IGN
    return (signal.SIGINT, signal.SIGTERM, *(() if is_ignored else (signal.SIGHUP,)))


def default() -> None:
    """Make the first signal raise KeyboardInterrupt and the next end the process: outside the event loop."""
    _ended_by.clear()
    _Interrupt(is_armed=True).install()


def ignore() -> None:
    """Ignore signals, so that none changes how the ending process ends."""
    for number in taken():
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _restored() -> Iterator[None]:
    """Restore the signal handlers after the block."""
    before = [(number, signal.getsignal(number)) for number in taken()]
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def hear(listener: Listener) -> None:
    """Notify *listener* of every signal from now on to the end of the command."""
    _listeners.append(listener)


@contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """Notify *listener* of every signal while the block lasts."""
    hear(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def hearing_until_its_end() -> Iterator[None]:
    """Remove listeners added within the block when it ends."""
    before = len(_listeners)
    try:
        yield
    finally:
        del _listeners[before:]


class _Interrupt:
    """A handler of signals that raises KeyboardInterrupt once, and only while it is armed.

    What starts and ends a wait, such as a thread, would otherwise be interrupted too, and stay half done.
    """

    def __init__(self, *, is_armed: bool = False) -> None:
        self._is_armed = is_armed
        self._has_raised = False
        #: The first signal that came.
        self.came: signal.Signals | None = None
        #: Whether the one under way may be the first, sent again.
        self.is_repeated = False

    def install(self) -> None:
        for number in taken():
            signal.signal(number, self)

    def __call__(self, number: int, _frame: FrameType | None) -> None:
        if not self._has_raised:
            self.came = self.came or signal.Signals(number)
            self._raise(self.came)
        elif self.is_repeated:
            self.is_repeated = False
        elif number != signal.SIGHUP or self.came != signal.SIGHUP:
            leave_at_once()

    def arm(self) -> None:
        """Raise from now on. Raises KeyboardInterrupt at once if a signal has come before."""
        self._is_armed = True
        for came in (self.came, *_untold):
            if came is not None:
                self._raise(came)
        _raise_again()

    def disarm(self) -> None:
        self._is_armed = False

    def pass_on(self) -> None:
        """Send a signal that came before or after the wait again, to the handlers of now."""
        if self.came and not self._has_raised:
            signal.raise_signal(self.came)

    def _raise(self, number: signal.Signals) -> None:
        if self._is_armed:
            self._has_raised = True
            _ended_by.append(number)
            raise KeyboardInterrupt


def _raise_again() -> None:
    if _ended_by:
        raise KeyboardInterrupt


@contextmanager
def interruptible() -> Iterator[None]:
    """Let signals interrupt a block that waits outside the event loop: for an answer, or standard input."""
    interrupt = _Interrupt()
    with _restored():
        interrupt.install()  # first, so that no signal between these lines is lost
        with _insisting(interrupt):
            try:
                interrupt.arm()
                yield
                _raise_again()
            finally:
                interrupt.disarm()
    interrupt.pass_on()


@contextmanager
def _insisting(interrupt: _Interrupt) -> Iterator[None]:
    """Send each signal again until *interrupt* has it, in the main thread.

    Python records a signal and handles it between two of its own steps. One that arrives while a single step,
    such as reading many bytes, is between two system calls interrupts neither: it would be handled only when
    the wait is over.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    is_over, main = threading.Event(), threading.get_ident()
    watcher = threading.Thread(target=_watch, args=(reading, main, is_over, interrupt), daemon=True)
    before = signal.set_wakeup_fd(writing, warn_on_full_buffer=False)
    watcher.start()
    try:
        yield
    finally:
        is_over.set()
        signal.set_wakeup_fd(before)
        os.close(writing)
        watcher.join()
        os.close(reading)


def _watch(reading: int, main: int, is_over: threading.Event, interrupt: _Interrupt) -> None:
    while came := os.read(reading, 1):
        while came[0] in taken() and interrupt.came is None and not is_over.wait(_SOON):
            interrupt.is_repeated = True
            signal.pthread_kill(main, came[0])


def leave_at_once() -> NoReturn:
    """End the process at once; the ledger is consistent at any moment."""
    try:
        ignore()
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(_LAST_WORDS)  # the reader of what is written may be stuck
        complain("left at once; nothing is lost")
        for stream in (sys.stdout, sys.stderr):
            write(stream, _SHOW_CURSOR if is_terminal(stream) else "")
    finally:
        os._exit(Exit.WORK_LEFT)


class _Telling:
    """Passes signals to the listeners; without any, the first cancels the verb, the next ends the process."""

    def __init__(self) -> None:
        self._loop: asyncio.AbstractEventLoop | None = None
        self._scope: anyio.CancelScope | None = None
        self._is_hung_up = False

    async def run(self, function: Callable[..., Awaitable[T]], arguments: tuple[Any, ...]) -> T:
        import asyncio  # noqa: PLC0415 (as above)

        import anyio  # noqa: PLC0415

        found = []
        with anyio.CancelScope() as self._scope:
            self._loop = asyncio.get_running_loop()
            self.tell()
            found.append(await function(*arguments))
        if not found:
            raise KeyboardInterrupt
        return found[0]

    def take(self, number: int, _frame: FrameType | None) -> None:
        _untold.append(signal.Signals(number))
        if self._loop is not None and not self._loop.is_closed():
            self._loop.call_soon_threadsafe(self.tell)

    def tell(self) -> None:
        while _untold:
            number = _untold.popleft()
            if number is signal.SIGHUP and self._is_hung_up:
                continue
            self._is_hung_up |= number is signal.SIGHUP
            for listener in tuple(_listeners):
                listener(number)
            if not _listeners:
                self._cancel(number)

    def _cancel(self, number: signal.Signals) -> None:
        if _ended_by:
            leave_at_once()
        _ended_by.append(number)
        if self._scope is not None:
            self._scope.cancel()


class Stopping:
    """A listener for *launches*, from their beginning until their results are written."""

    def __init__(self, launches: Sequence[Launch]) -> None:
        self.launches = launches
        self._count = 0

    @property
    def was_told(self) -> bool:
        """Whether a signal came."""
        return self._count > 0

    def __call__(self, number: signal.Signals) -> None:
        """Act on the signal: the first stops, the second abandons, later ones end the process."""
        self._count += 1
        match self._count:
            case 1:
                self._stop(number)
            case 2:
                for held in self.launches:
                    held.abandon()
            case _:
                leave_at_once()

    def _stop(self, number: signal.Signals) -> None:
        # Otherwise they have ended by themselves, and write their results.
        if any(held.goes_on for held in self.launches):
            complain(
                f"stopping on {number.name}: finishing calls in flight; runs continue; "
                "a second Ctrl-C or SIGTERM exits at once"
            )
        for held in self.launches:
            held.stop()
