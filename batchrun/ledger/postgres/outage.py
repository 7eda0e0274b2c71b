"""Putting up with a server that cannot be used for a while, and knowing when to stop."""

from __future__ import annotations

import threading
import time
from typing import TYPE_CHECKING, Final

import structlog

from batchrun.ledger.postgres.errors import in_words, stopped

if TYPE_CHECKING:
    import psycopg

#: Seconds for which a server that worked before is waited for: failovers end, networks come back.
PATIENCE: Final = 900.0
#: Seconds of waiting that are worth a word, and between two of them.
_WORTH_SAYING: Final = 2.0
_SAY_EVERY: Final = 60.0
#: Seconds between two tries, at first and at last.
_FIRST_PAUSE: Final = 0.1
_LAST_PAUSE: Final = 5.0
log = structlog.get_logger(__name__)


class Patience:
    """How many seconds an outage is borne, which another thread may cut short."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end: float | None = None
        self._is_short = threading.Event()

    def shorten(self, seconds: float) -> None:
        """Bear an outage for so many seconds from now and no longer, the one that may go on too."""
        end = time.monotonic() + seconds
        self._end = end if self._end is None else min(self._end, end)
        self._is_short.set()

    def left(self, since: float) -> float:
        """Return how many seconds of an outage are left that goes on *since* then."""
        now = time.monotonic()
        whole = since + self._seconds - now
        return whole if self._end is None else min(whole, self._end - now)

    def pause(self, seconds: float) -> None:
        """Wait so long, or until it is cut short."""
        if self._is_short.is_set():
            time.sleep(seconds)
        else:
            self._is_short.wait(seconds)

    @property
    def is_over(self) -> bool:
        """Whether it was cut short, and that time is over."""
        return self._end is not None and time.monotonic() >= self._end


class Outage:
    """Outages, one after the other: each from its first failure to :meth:`over`."""

    def __init__(self, called: str, patience: Patience) -> None:
        self._called = called
        self._patience = patience
        self._since: float | None = None
        self._said: float | None = None
        self._pause = _FIRST_PAUSE

    def wait(self, error: psycopg.Error) -> None:
        """Wait a moment before the next try. Raises LedgerError where it took too long."""
        now = time.monotonic()
        self._since = now if self._since is None else self._since
        left = self._patience.left(self._since)
        if left <= 0:
            raise stopped(self._called, f"{in_words(error)}, for {now - self._since:.0f} s") from error
        self._say(error, now - self._since, now)
        self._patience.pause(min(self._pause, left))
        self._pause = min(self._pause * 2, _LAST_PAUSE)

    def over(self) -> None:
        """Note that there is a connection, again where it was told that there was none."""
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
