"""The terminal, where there is one and it is ours, so that somebody can be asked; and how long that may take.

A job in the background has a terminal too, but would be stopped for reading from it.
"""

from __future__ import annotations

import math
import os
import select
import signal
import sys
import termios
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from typing import Final

import anyio

_DEVICE: Final = "/dev/tty"
#: Seconds between two checks for input: kqueue cannot wait for a terminal.
_LOOK_EVERY: Final = 0.05
#: Bytes; no code is longer.
_LONGEST: Final = 1024
_ECHO_AT: Final = 3  #: index of the local modes in termios' list


@contextmanager
def terminal() -> Iterator[int | None]:
    """Open the terminal if this process is in its foreground, else yield None."""
    try:
        file = os.open(_DEVICE, os.O_RDWR | os.O_NOCTTY | os.O_CLOEXEC)
    except OSError:
        yield None
        return
    try:
        yield file if _is_ours(file) else None
    finally:
        os.close(file)


def _is_ours(file: int) -> bool:
    try:
        return os.tcgetpgrp(file) == os.getpgrp()
    except OSError:
        return False


async def ask(file: int, prompt: str) -> str:
    """Show *prompt* and read a line without echo."""
    with _silent(file):
        _show(file, prompt)
        while not select.select([file], [], [], 0)[0]:  # noqa: ASYNC110 (there is no event to wait for)
            await anyio.sleep(_LOOK_EVERY)
        line = os.read(file, _LONGEST)
    _show(file, "\n")
    return line.decode(errors="replace").strip()


def _show(file: int, text: str) -> None:
    """Write to stderr where that is the terminal: a live display makes room for it."""
    if sys.stderr is not None and sys.stderr.isatty():
        sys.stderr.write(text)
        sys.stderr.flush()
    else:
        os.write(file, text.encode(errors="replace"))


@contextmanager
def _silent(file: int) -> Iterator[None]:
    before = termios.tcgetattr(file)
    silent = [*before]
    silent[_ECHO_AT] &= ~termios.ECHO
    termios.tcsetattr(file, termios.TCSAFLUSH, silent)
    try:
        yield
    finally:
        termios.tcsetattr(file, termios.TCSAFLUSH, before)


@contextmanager
def lent(file: int | None, group: int) -> Iterator[None]:
    """Make process group *group* the terminal's foreground, and take that back at the end."""
    if file is None:
        yield
        return
    _give(file, group)
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, signal.SIGCONT)  # it may have been stopped for reading too early
    try:
        yield
    finally:
        _give(file, os.getpgrp())


def _give(file: int, group: int) -> None:
    # From the background this signal would stop us.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        with suppress(OSError):  # the terminal, or the group, is gone
            os.tcsetpgrp(file, group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


@dataclass(frozen=True, slots=True, kw_only=True)
class LoginTimes:
    """Seconds that getting credentials may take."""

    machine: float = 15.0  #: where only programs and services are involved
    person: float = 120.0  #: where the user has to type a code


class TimeLeft:
    """The time left for one search for credentials; a person gets more than a machine."""

    def __init__(self, limits: LoginTimes) -> None:
        self._limits = limits
        self._scope: anyio.CancelScope | None = None
        self.given = limits.machine  #: seconds in all

    @contextmanager
    def running(self) -> Iterator[None]:
        """Limit the block's time. Raises TimeoutError."""
        self.given = self._limits.machine
        with anyio.CancelScope(deadline=anyio.current_time() + self.given) as scope:
            self._scope = scope
            yield
        if scope.cancelled_caught:
            raise TimeoutError

    @asynccontextmanager
    async def for_a_person(self, terminal: anyio.Lock) -> AsyncIterator[None]:
        """Wait for the *terminal* while others use it, then start the longer limit."""
        self._end_in(math.inf)
        async with terminal:
            self.given = self._limits.person
            self._end_in(self.given)
            yield

    def _end_in(self, seconds: float) -> None:
        if self._scope is not None:
            self._scope.deadline = anyio.current_time() + seconds
