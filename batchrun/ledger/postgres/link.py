"""A connection that is made anew where it is lost, for as long as an outage may last.

Belongs here: retrying a job from its start when the connection was lost or another transaction conflicted.
Does not: the jobs (``store``), which errors can be retried (``errors``).
"""

from __future__ import annotations

import contextlib
import math
import socket
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, TypeVar

import psycopg
import structlog

from batchrun.errors import BatchrunError, SnapshotLostError
from batchrun.ledger.postgres.address import called
from batchrun.ledger.postgres.connection import connect, first
from batchrun.ledger.postgres.errors import failed, in_words, is_conflict, is_outage, stopped
from batchrun.ledger.postgres.migrate import version
from batchrun.ledger.postgres.statements import migrations, queries
from batchrun.ledger.postgres.together import Prepared, prepare
from batchrun.ledger.statements import brought_up

T = TypeVar("T")
#: Seconds without an answer after which the connection is cut.
ANSWER_WITHIN: Final = 30.0
#: Seconds between two looks of the watchdog.
_LOOK_EVERY: Final = 0.5
#: Seconds that an outage of a server that worked before may last: failovers end, networks come back.
PATIENCE: Final = 900.0
#: Seconds of an outage until it is logged, and between two log lines.
_WORTH_SAYING: Final = 2.0
_SAY_EVERY: Final = 60.0
#: Seconds between two tries, at first and at last (doubling).
_FIRST_PAUSE: Final = 0.1
_LAST_PAUSE: Final = 5.0
log = structlog.get_logger(__name__)


class Link:
    """The connection of one store, used by one thread."""

    def __init__(self, address: str, *, read_only: bool, is_snapshot: bool = False) -> None:
        self.called = called(address)
        self._address = address
        self._read_only = read_only
        self._is_snapshot = is_snapshot  #: no other connection shows what this one does
        self._allowance = OutageAllowance(PATIENCE)
        #: One for all jobs: those after the allowance is used up try once, without waiting.
        self._outage = Outage(self.called, self._allowance)
        self._given_up: BatchrunError | None = None  #: why no job is tried any more
        self._watchdog = Watchdog()
        self._is_retrying = False  #: inside :meth:`retrying`, which runs the job again
        #: Nothing was written yet: what is wrong may be how it was set up, and no outage.
        self._is_opening = not read_only
        self._connection: psycopg.Connection[Any] | None = first(address, read_only=read_only)
        self._prepared: Mapping[str, Prepared] | None = None

    @property
    def connection(self) -> psycopg.Connection[Any]:
        """The connection, made anew where the last was lost."""
        if self._connection is None or self._connection.closed:
            self._disconnect()
            self._connection = connect(self._address)
        return self._connection

    @property
    def prepared(self) -> Mapping[str, Prepared]:
        """The statements prepared for a writer on the connection, which has no transaction open."""
        if self._prepared is None:
            self._prepared = {} if self._read_only else prepare(self.connection)
        return self._prepared

    def retrying(self, job: Callable[[], T]) -> T:
        """Return what *job* returns; it is run again from its start after each error that may pass.

        Raises:
            LedgerError: The outage lasts too long.
        """
        if self._given_up is not None:
            raise self._given_up
        before = self._is_retrying
        try:
            return self._until_done(job, is_outermost=not before)
        finally:
            self._is_retrying = before
            if not before:
                self._allowance.begin_anew()

    def _until_done(self, job: Callable[[], T], *, is_outermost: bool) -> T:
        while True:
            self._is_retrying = True
            try:
                result = job()
            except psycopg.Error as error:
                if not self._may_pass(error):
                    raise self._failed(error) from error
                if not is_conflict(error):
                    self._disconnect()
                self._wait(error)
            except BaseException:
                self._reached(is_outermost=is_outermost)
                raise
            else:
                self._is_opening = False
                self._reached(is_outermost=is_outermost)
                return result

    @contextlib.contextmanager
    def asking(self, seconds: float = ANSWER_WITHIN) -> Iterator[psycopg.Connection[Any]]:
        """Use the connection in the block; it is cut where the block takes longer than *seconds*."""
        try:
            connection = self.connection
            with self._watchdog.waiting(connection, seconds):
                yield connection
        except psycopg.Error as error:
            if self._is_snapshot and self._may_pass(error):
                raise SnapshotLostError(str(failed(self.called, error))) from error
            if self._is_retrying and self._may_pass(error):
                raise
            raise self._failed(error) from error

    def hurry(self, seconds: float) -> None:
        """Let an outage last no longer than *seconds* from now; from any thread."""
        self._allowance.shorten(seconds)

    def hurry_once(self, seconds: float) -> None:
        """Let an outage during the job that runs now last no longer than *seconds* from now; any thread."""
        self._allowance.shorten_once(seconds)

    def roll_back(self) -> None:
        """Roll back the open transaction, if any; the server does so itself where the connection was lost."""
        connection = self._connection
        if connection is None or connection.closed or _is_idle(connection):
            return
        with contextlib.suppress(psycopg.Error), self._watchdog.waiting(connection, ANSWER_WITHIN):
            connection.execute(queries()["rollback"])

    def close(self) -> None:
        """Close; what was not committed is rolled back."""
        self._watchdog.stop()
        self._disconnect()

    def _reached(self, *, is_outermost: bool) -> None:
        if is_outermost:
            self._outage.over()

    def _wait(self, error: psycopg.Error) -> None:
        try:
            self._outage.wait(error)
        except BatchrunError as stop:
            # Else every job that is still to come would try for itself, one after the other.
            self._given_up = stop if self._allowance.is_over else None
            raise

    def _may_pass(self, error: psycopg.Error) -> bool:
        if self._read_only and isinstance(error, psycopg.errors.ReadOnlySqlTransaction):
            return False  # a standby by choice
        return is_conflict(error) or (not self._is_opening and is_outage(error, self._connection))

    def _failed(self, error: psycopg.Error) -> BatchrunError:
        if isinstance(error, (psycopg.errors.UndefinedTable, psycopg.errors.UndefinedColumn)):
            newest = migrations()[-1].number
            with contextlib.suppress(psycopg.Error):
                self.roll_back()  # else nothing can be asked
                if (found := version(self.connection)) > newest:
                    return brought_up(self.called, found, newest)
        return failed(self.called, error)

    def _disconnect(self) -> None:
        if self._connection is not None:
            with contextlib.suppress(psycopg.Error):
                self._connection.close()
        self._connection = self._prepared = None


class OutageAllowance:
    """How many seconds an outage may last, which another thread may shorten."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = math.inf
        self._end_of_job = math.inf
        self._is_short = threading.Event()

    def shorten(self, seconds: float) -> None:
        """Let an outage, also one under way, last no longer than *seconds* from now."""
        self._end = min(self._end, time.monotonic() + seconds)
        self._is_short.set()

    def shorten_once(self, seconds: float) -> None:
        """Let an outage last no longer than *seconds* from now, until :meth:`begin_anew`."""
        self._end_of_job = min(self._end_of_job, time.monotonic() + seconds)
        self._is_short.set()

    def begin_anew(self) -> None:
        """Forget what was shortened once."""
        self._end_of_job = math.inf
        if self._end == math.inf:
            self._is_short.clear()

    def left(self, since: float) -> float:
        """Return the seconds left for an outage that began at *since*."""
        return min(since + self._seconds, self._end, self._end_of_job) - time.monotonic()

    def pause(self, seconds: float) -> None:
        """Wait for *seconds*, or until it is shortened."""
        if self._is_short.is_set():
            time.sleep(seconds)
        else:
            self._is_short.wait(seconds)

    @property
    def is_over(self) -> bool:
        """Whether it was shortened for good, and that time is over."""
        return time.monotonic() >= self._end


class Outage:
    """Outages, one after the other: each from its first failure to :meth:`over`."""

    def __init__(self, called: str, allowance: OutageAllowance) -> None:
        self._called = called
        self._allowance = allowance
        self._since: float | None = None
        self._said: float | None = None
        self._pause = _FIRST_PAUSE

    def wait(self, error: psycopg.Error) -> None:
        """Wait before the next try. Raises LedgerError where the outage lasts too long."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        left = self._allowance.left(self._since)
        if left <= 0:
            raise stopped(self._called, f"{in_words(error)}, for {now - self._since:.0f} s") from error
        self._say(error, now - self._since, now)
        self._allowance.pause(min(self._pause, left))
        self._pause = min(self._pause * 2, _LAST_PAUSE)

    def over(self) -> None:
        """Note that the server is reached, and log it where the outage was logged."""
        if self._said is not None and self._since is not None:
            log.info("ledger_back", ledger=self._called, seconds=round(time.monotonic() - self._since))
        self._since = self._said = None
        self._pause = _FIRST_PAUSE

    def _say(self, error: psycopg.Error, seconds: float, now: float) -> None:
        is_due = seconds >= _WORTH_SAYING if self._said is None else now - self._said >= _SAY_EVERY
        if is_due:
            self._said = now
            log.warning(
                "ledger_not_reached", ledger=self._called, seconds=round(seconds), last=in_words(error)
            )


def _is_idle(connection: psycopg.Connection[Any]) -> bool:
    return connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


class Watchdog:
    """Cuts a connection whose answer does not come; runs in a thread of its own until :meth:`stop`.

    No timeout of TCP's ends the wait for a server that vanished behind a proxy which still acknowledges
    packets.
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
        """Stop watching."""
        self._stopped.set()

    def _look_on(self) -> None:
        while not self._stopped.wait(_LOOK_EVERY):
            with self._lock:
                if self._due is not None and time.monotonic() > self._due[0]:
                    _cut(self._due[1])
                    self._due = None


def _cut(number: int) -> None:
    """Shut the socket *number* down; closing it is its owner's."""
    with contextlib.suppress(OSError), socket.socket(fileno=number) as found:
        try:
            found.shutdown(socket.SHUT_RDWR)
        finally:
            found.detach()
