"""
A connection, and another in its place where it is lost.

Belongs here: what is done again, whole, when a connection was lost or another transaction stood in the way.
Does not: what is done (``store``), which errors mean that (``errors``), for how long (``outage``).
"""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import psycopg

from batchrun.errors import BatchrunError, SnapshotLostError
from batchrun.ledger.postgres.address import called
from batchrun.ledger.postgres.connection import connect, first
from batchrun.ledger.postgres.errors import failed, is_conflict, is_outage
from batchrun.ledger.postgres.outage import PATIENCE, Outage, Patience
from batchrun.ledger.postgres.prepared import kept_by
from batchrun.ledger.postgres.statements import queries
from batchrun.ledger.postgres.together import Kept

T = TypeVar("T")
#: Seconds within which an answer comes, or the connection is cut.
ANSWER_WITHIN: Final = 30.0
#: Seconds between two looks.
_LOOK_EVERY: Final = 0.5


class Link:
    """The connection of one store, used by one thread."""

    def __init__(self, address: str, *, read_only: bool, is_snapshot: bool = False) -> None:
        self.called = called(address)
        self._address = address
        self._read_only = read_only
        self._is_snapshot = is_snapshot  #: no other connection shows what this one does
        self._patience = Patience(PATIENCE)
        #: One for all that is to be done: who comes after the patience is over tries, and waits for nothing.
        self._outage = Outage(self.called, self._patience)
        self._gone: BatchrunError | None = None  #: why nobody tries any more
        self._watchdog = Watchdog()
        self._is_kept = False  #: somebody stands by to do it again
        self._connection: psycopg.Connection[Any] | None = first(address, read_only=read_only)
        self._kept: Mapping[str, Kept] | None = None

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection; a new one where the last was lost."""
        if self._connection is None or self._connection.closed:
            self._let_go()
            self._connection = connect(self._address)
        return self._connection

    @property
    def kept_statements(self) -> Mapping[str, Kept]:
        """What the connection, on which no transaction is open, keeps planned for whoever writes."""
        if self._kept is None:
            self._kept = {} if self._read_only else kept_by(self.connection)
        return self._kept

    def kept(self, job: Callable[[], T]) -> T:
        """
        Return what *job* returns, run again from its start for as long as it may pass.

        Raises:
            LedgerError: The server cannot be used for too long.
        """
        if self._gone is not None:
            raise self._gone
        before = self._is_kept
        while True:
            self._is_kept = True
            try:
                result = job()
            except psycopg.Error as error:
                if not self._may_pass(error):
                    raise failed(self.called, error) from error
                if not is_conflict(error):
                    self._let_go()
                self._wait(error)
            except BaseException:
                self._reached(is_whole=not before)
                raise
            else:
                self._reached(is_whole=not before)
                return result
            finally:
                self._is_kept = before

    @contextlib.contextmanager
    def asking(self, seconds: float = ANSWER_WITHIN) -> Iterator[psycopg.Connection[Any]]:
        """Use the connection for as long as the block lasts, which waits no longer than *seconds* at once."""
        try:
            connection = self.connection
            with self._watchdog.waiting(connection, seconds):
                yield connection
        except psycopg.Error as error:
            if self._is_snapshot and self._may_pass(error):
                raise SnapshotLostError(str(failed(self.called, error))) from error
            if self._is_kept and self._may_pass(error):
                raise
            raise failed(self.called, error) from error

    def hurry(self, seconds: float) -> None:
        """Wait no longer than so many seconds from now for a server that is away; from any thread."""
        self._patience.shorten(seconds)

    def roll_back(self) -> None:
        """Undo what the open transaction wrote, if there is one; one whose connection was lost is undone."""
        connection = self._connection
        if connection is None or connection.closed or _is_idle(connection):
            return
        with contextlib.suppress(psycopg.Error), self._watchdog.waiting(connection, ANSWER_WITHIN):
            connection.execute(queries()["rollback"])

    def close(self) -> None:
        """Close; whatever was not committed is undone."""
        self._watchdog.stop()
        self._let_go()

    def _reached(self, *, is_whole: bool) -> None:
        if is_whole:
            self._outage.over()

    def _wait(self, error: psycopg.Error) -> None:
        try:
            self._outage.wait(error)
        except BatchrunError as stop:
            # Else each thing that is still to be done would try for itself, one after the other.
            self._gone = stop if self._patience.is_over else None
            raise

    def _may_pass(self, error: psycopg.Error) -> bool:
        if self._read_only and isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            return False  # a standby by choice
        return is_conflict(error) or is_outage(error, self._connection)

    def _let_go(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = self._kept = None


def _is_idle(connection: psycopg.Connection[Any]) -> bool:
    return connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


class Watchdog:
    """
    Cuts a connection whose answer does not come; looks on, in a thread of its own, until :meth:`stop`.

    A server that went away without a word, behind something that still acknowledges what is sent, lets a
    thread wait for ever: no timeout of TCP's ends that.
    """

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
