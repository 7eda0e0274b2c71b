"""
A signal that is not lost on the way into a wait.

Python notes a signal and acts on it between two of its own steps. One that comes while a single step of it,
such as reading so many bytes, goes from one read of the system to the next, ends neither: the wait begins,
and nobody is told until it is over.

Belongs here: sending it again until it is seen. Does not: what it leads to (``signals``).
"""

from __future__ import annotations

import os
import signal
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Collection, Iterator

#: Seconds after which a signal was not seen: those that are, are at once.
_SOON: Final = 0.1


@contextmanager
def insisting(numbers: Collection[int]) -> Iterator[None]:
    """Send each of these signals again until the block, in the main thread, ends by it."""
    reading, writing = os.pipe()
    os.set_blocking(writing, False)
    is_over = threading.Event()
    watcher = threading.Thread(target=_watch, args=(reading, numbers, threading.get_ident(), is_over))
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


def _watch(reading: int, numbers: Collection[int], main: int, is_over: threading.Event) -> None:
    while came := os.read(reading, 1):
        while came[0] in numbers and not is_over.wait(_SOON):
            signal.pthread_kill(main, came[0])
