"""Cancellations: which runs to cancel, and when to ask the service.

Users' cancellations are kept in the ledger, and the holder of the batch carries them out: unsent entries are
withdrawn; runs are cancelled at the service, and then watched to their end like any other.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from batchrun.model.entries.entry import Entry

#: Seconds after which CancelRun is repeated for a run that has not ended.
_AGAIN: Final = 60.0
#: The message of an entry that was cancelled before it had a run.
WITHDRAWN: Final = "cancelled on request before it was started"


class Scope(enum.Enum):
    """How far a cancellation goes. Values are stored text."""

    SENDING = "sending"  #: nothing more is sent; a run that is there is left alone
    RUN = "run"  #: its run is cancelled too


@dataclass(frozen=True, slots=True, kw_only=True)
class Cancellation:
    """A user's request to cancel an entry."""

    entry: Entry
    scope: Scope


class Cancelling:
    """The entries whose runs are to be cancelled, now or once they exist."""

    def __init__(self) -> None:
        self._due: dict[str, float] = {}  #: loop time of the next call, by entry

    def __contains__(self, entry_id: str) -> bool:
        return entry_id in self._due

    def want(self, entry_ids: Iterable[str]) -> None:
        """Cancel these entries' runs."""
        for entry_id in entry_ids:
            self._due.setdefault(entry_id, float("-inf"))

    def is_due(self, entry_id: str, now: float) -> bool:
        """Report whether the service is to be asked now."""
        return self._due.get(entry_id, float("inf")) <= now

    def asked(self, entry_id: str, now: float) -> None:
        """Note that the service was asked."""
        self._due[entry_id] = now + _AGAIN

    def over(self, entry_id: str) -> None:
        """Note that the entry has nothing left to cancel."""
        self._due.pop(entry_id, None)
