"""
Ctrl-C and SIGTERM, for every verb: who hears of them, and what they do where nobody does.

There is one receiver for the whole command. Were there several, the first to end would take the others'
handlers away with it, and the next signal would kill the process in the middle of whatever it does.
Belongs here: that. Does not: what a launch does about a signal (``launching``).
"""

from __future__ import annotations

import os
import signal
import sys
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Any, Final, NoReturn, TypeVar

import anyio

from batchrun.cli.exits import Exit
from batchrun.cli.speak import complain, write

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

    Listener = Callable[[signal.Signals], None]

T = TypeVar("T")
SIGNALS: Final = (signal.SIGINT, signal.SIGTERM)
_SHOW_CURSOR: Final = "\x1b[?25h"
#: Who hears of signals now; they are the process's own, and so is this.
_listeners: list[Listener] = []


def run_async(function: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    """
    Run a verb's *function* to its end in an event loop.

    The first signal that nobody hears gives it up, so that whatever it holds is let go; the next one leaves
    at once.

    Raises:
        KeyboardInterrupt: It was given up.
    """
    try:
        return anyio.run(_run, function, arguments)
    finally:
        _listeners.clear()
        with suppress(ValueError):  # not the main thread's: a test
            default()


def default() -> None:
    """Have signals raise KeyboardInterrupt, where no event loop hears of them."""
    for number in SIGNALS:
        signal.signal(number, signal.default_int_handler)


def hear(listener: Listener) -> None:
    """Tell *listener* of every signal from now on to the end of the command."""
    _listeners.append(listener)


@contextmanager
def heard(listener: Listener) -> Iterator[None]:
    """Tell *listener* of every signal for as long as the block lasts."""
    hear(listener)
    try:
        yield
    finally:
        _listeners.remove(listener)


@contextmanager
def interruptible() -> Iterator[None]:
    """
    Let a signal end a block that waits without the event loop: for an answer, or for standard input.

    The loop's own handlers wait for whoever blocks the loop.
    """
    before = [(number, signal.getsignal(number)) for number in SIGNALS]
    default()
    try:
        yield
    finally:
        for number, handler in before:
            signal.signal(number, handler)


def leave_at_once() -> NoReturn:
    """End the process as it stands; the ledger is whole at any moment."""
    complain("left at once; nothing is lost")
    for stream in (sys.stdout, sys.stderr):
        is_terminal = stream is not None and not stream.closed and stream.isatty()
        write(stream, _SHOW_CURSOR if is_terminal else "")
    os._exit(Exit.WORK_LEFT)


async def _run(function: Callable[..., Awaitable[T]], arguments: tuple[Any, ...]) -> T:
    found: list[T] = []
    failure: Exception | None = None
    with anyio.open_signal_receiver(*SIGNALS) as signals:
        async with anyio.create_task_group() as aside:
            with anyio.CancelScope() as scope:
                aside.start_soon(_pass_on, signals, scope)
                try:
                    found.append(await function(*arguments))
                except Exception as error:  # noqa: BLE001 (raised below, where no task group wraps it)
                    failure = error
            aside.cancel_scope.cancel()
    if failure is not None:
        raise failure
    if not found:
        raise KeyboardInterrupt
    return found[0]


async def _pass_on(signals: AsyncIterator[signal.Signals], scope: anyio.CancelScope) -> None:
    is_given_up = False
    async for number in signals:
        for listener in tuple(_listeners):
            listener(number)
        if not _listeners:
            if is_given_up:
                leave_at_once()
            is_given_up = True
            scope.cancel()
