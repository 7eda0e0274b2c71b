"""
Ctrl-C and SIGTERM, for every verb: who hears of them, and what they do where nobody does.

There is one handler for the whole command. Were there several, the first to end would take the others away
with it, and the next signal would kill the process in the middle of whatever it does.
For launches the first signal drains, the second leaves their calls, the third leaves everything. Does not
belong here: what draining is (``api``).
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
    import anyio

    from batchrun.api.launch import Launch

Listener = Callable[[signal.Signals], None]

T = TypeVar("T")
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
#: Seconds after which a signal was not seen: those that are, are at once.
_SOON: Final = 0.1
_SHOW_CURSOR: Final = "\x1b[?25h"
#: What handles signals now; they are the process's own, and so is all of this.
_listeners: list[Listener] = []
#: Signals that came and were not handled yet: the event loop has not had its turn.
_untold: deque[signal.Signals] = deque()


def run_async(function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """
    Run a verb's *function* to its end in an event loop.

    The first signal that nothing handles cancels it, so that what it holds is released; the next one ends the
    process at once.

    Raises:
        KeyboardInterrupt: It was cancelled.
    """
    import anyio  # noqa: PLC0415 (half of what most verbs take to start, and they wait for nothing)

    with _restored():
        try:
            return anyio.run(_run, function, arguments)
        finally:
            _listeners.clear()
            _untold.clear()


def default() -> None:
    """Have signals raise KeyboardInterrupt, where no event loop handles them."""
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)


def ignore() -> None:
    """Let no signal change how the process ends, now that it does."""
    for number in SIGNALS:
        signal.signal(number, signal.SIG_IGN)


@contextmanager
def _restored() -> Iterator[None]:
    """Have signals handled after the block as they were before it."""
    before = [(number, signal.getsignal(number)) for number in SIGNALS]
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
    """Notify *listener* of every signal for as long as the block lasts."""
    hear(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def hearing_until_its_end() -> Iterator[None]:
    """Let those who begin to hear of signals within the block do so until it ends, and no longer."""
    before = len(_listeners)
    try:
        yield
    finally:
        del _listeners[before:]


@contextmanager
def interruptible() -> Iterator[None]:
    """Let a signal end a block that waits without the event loop: for an answer, or for standard input."""
    with _restored():
        default()  # first: a signal between these lines must not get lost
        if _untold:
            raise KeyboardInterrupt
        with _insisting():
            yield


@contextmanager
def _insisting() -> Iterator[None]:
    """
    Send each signal again until the block, in the main thread, ends by it.

    Python notes a signal and acts on it between two of its own steps. One that comes while a single step,
    such as reading so many bytes, moves from one system call to the next, ends neither: the signal is acted
    on only when the wait is over.
    """
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    is_over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(reading, threading.get_ident(), is_over))
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


def _watch(reading: int, main: int, is_over: threading.Event) -> None:
    while came := os.read(reading, 1):
        while came[0] in SIGNALS and not is_over.wait(_SOON):
            signal.pthread_kill(main, came[0])


def leave_at_once() -> NoReturn:
    """End the process as it stands; the ledger is whole at any moment."""
    complain("left at once; nothing is lost")
    for stream in (sys.stdout, sys.stderr):
        write(stream, _SHOW_CURSOR if is_terminal(stream) else "")
    os._exit(Exit.WORK_LEFT)


async def _run(function: Callable[..., Awaitable[T]], arguments: tuple[Any, ...]) -> T:
    import asyncio  # noqa: PLC0415 (as above)

    import anyio  # noqa: PLC0415

    loop, found = asyncio.get_running_loop(), []
    with anyio.CancelScope() as scope:
        tell = _Telling(scope).tell

        def take(number: int, _frame: FrameType | None) -> None:
            _untold.append(signal.Signals(number))
            loop.call_soon_threadsafe(tell)

        for number in SIGNALS:
            signal.signal(number, take)
        found.append(await function(*arguments))
    if not found:
        raise KeyboardInterrupt
    return found[0]


class _Telling:
    """Passes signals to a listener; without one the first cancels the verb, the next ends the process."""

    def __init__(self, scope: anyio.CancelScope) -> None:
        self._scope = scope
        self._is_given_up = False

    def tell(self) -> None:
        while _untold:
            number = _untold.popleft()
            for listener in tuple(_listeners):
                listener(number)
            if not _listeners:
                self._give_up()

    def _give_up(self) -> None:
        if self._is_given_up:
            leave_at_once()
        self._is_given_up = True
        self._scope.cancel()


class Stopping:
    """Hears of signals for *launches*, from their beginning until their results are written."""

    def __init__(self, launches: Sequence[Launch]) -> None:
        self.launches = launches
        self._count = 0

    @property
    def was_told(self) -> bool:
        """Whether a signal came."""
        return self._count > 0

    def __call__(self, number: signal.Signals) -> None:
        """Do what this signal, the first, the second or a later one, is for."""
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
        # Else they end by themselves, and write their results already.
        if any(held.goes_on for held in self.launches):
            complain(
                f"stopping on {number.name}: finishing calls in flight; runs continue; "
                "a second signal exits at once"
            )
        for held in self.launches:
            held.stop()
