"""
Which runs are to be cancelled, and when the service is asked.

Cancelling is a wish of people, kept in the ledger beside the entries, and the holder of the batch carries it
out: what was not sent is withdrawn, what has a run is cancelled at the service and then watched to its end
like any other.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from batchrun.model.entries.entry import Entry

#: Seconds after which a run that has not ended is cancelled once more.
_AGAIN: Final = 60.0
#: What is said of an entry that was cancelled before it had a run.
WITHDRAWN: Final = "cancelled on request before it was started"


class Scope(enum.Enum):
    """How far a cancellation goes. Values are stored text."""

    SENDING = "sending"  #: nothing more is sent; a run that is there is left alone
    RUN = "run"  #: its run is cancelled too


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """An entry that somebody asked to be cancelled."""

    entry: Entry
    scope: Scope


class Cancelling:
    """The entries whose runs are to be cancelled, whether or not they have one yet."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}  #: loop time of the next call, by entry

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._due

    def want(self, entry_ids: Iterable[str]) -> None:
        """Have these entries' runs cancelled."""
        for entry_id in entry_ids:
            self._due.setdefault(entry_id, float("-inf"))

    def is_due(self, entry_id: str, now: float) -> bool:
        """Report whether the service is to be asked now."""
        return self._due.get(entry_id, float("inf")) <= now

    def asked(self, entry_id: str, now: float) -> None:
        """Learn that the service was asked, or that it was tried."""
        self._due[entry_id] = now + _AGAIN

    def over(self, entry_id: str) -> None:
        """Learn that the entry has nothing left to cancel."""
        self._due.pop(entry_id, None)
