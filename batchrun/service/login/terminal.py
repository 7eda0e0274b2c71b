"""
The terminal, where there is one and it is ours: who sits at it can be asked.

A job in the background has a terminal too, but would be stopped for reading from it.
"""

from __future__ import annotations

import os
import select
import signal
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

import anyio

_DEVICE: Final = "/dev/tty"
#: Seconds between two looks at whether somebody has typed: kqueue cannot wait for a terminal.
_LOOK_EVERY: Final = 0.05
#: Bytes; no code is longer.
_LONGEST: Final = 1024
_ECHO_AT: Final = 3  #: where termios keeps the local modes


@contextmanager
def terminal() -> Iterator[int | None]:
    """Open the terminal that this process is in the foreground of; None where there is none."""
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
    """Show *prompt* and read a line, which is not shown; empty where nothing was given."""
    with _silent(file):
        _show(file, prompt)
        while not select.select([file], [], [], 0)[0]:  # noqa: ASYNC110 (nobody else can say that it was typed)
            await anyio.sleep(_LOOK_EVERY)
        line = os.read(file, _LONGEST)
    _show(file, "\n")
    return line.decode(errors="replace").strip()


def _show(file: int, text: str) -> None:
    """Write where people look: a live display makes room for what goes to stderr."""
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
    """Make the process group *group* the foreground of the terminal, and take it back at the end."""
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
    # Who gives it from the background would be stopped by this signal.
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTTOU})
    try:
        with suppress(OSError):  # the terminal, or the group, is gone
            os.tcsetpgrp(file, group)
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
