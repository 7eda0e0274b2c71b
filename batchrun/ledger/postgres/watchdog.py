"""
Cuts a connection whose answer does not come.

A server that went away without a word, behind something that goes on to acknowledge what is sent, lets a
thread wait for ever: no timeout of TCP's ends that.
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    import psycopg

#: Seconds between two looks.
_LOOK_EVERY: Final = 0.5


class Watchdog:
    """Looks on, in a thread of its own, until :meth:`stop`."""

    def __init__(self) -> None:
        self._due: tuple[float, int] | None = None  #: when to cut, and what: a socket
        self._stopped = threading.Event()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    @contextlib.contextmanager
    def waiting(self, connection: psycopg.Connection[Any], seconds: float) -> Iterator[None]:
        """Cut *connection* where the block takes longer than *seconds*."""
        if self._thread is None:
            self._thread = threading.Thread(target=self._look_on, name="batchrun-watchdog", daemon=True)
            self._thread.start()
        self._due = (time.monotonic() + seconds, connection.fileno())
        try:
            yield
        finally:
            with self._lock:  # not while it is cut: by then the number may be another socket's
                self._due = None

    def stop(self) -> None:
        """Look on no more."""
        self._stopped.set()

    def _look_on(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY):
            with self._lock:
                if self._due is not None and time.monotonic() > self._due[0]:
                    _cut(self._due[1])
                    self._due = None


def _cut(number: int) -> None:
    """Shut the socket down, and leave closing it to its owner."""
    with contextlib.suppress(OSError), socket.socket(fileno=number) as found:
        try:
            found.shutdown(socket.SHUT_RDWR)
        finally:
            found.detach()
