"""Denials: whether a permission is lacking for one entry alone, or for the launch as a whole.

An entry counts as denied by itself only where others pass, in this launch or since it was first denied.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from batchrun.model.entries.events import History, last_alike

#: Denials in a row, of as many entries, that mean that the launch itself lacks a permission.
SYSTEMIC: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Denial:
    """What one denial means, for the launch and for its entry."""

    is_systemic: bool = False  #: the launch as a whole lacks the permission, and should stop
    counts: bool = True  #: against the entry: others have passed, so it alone lacks the permission
    may_move: bool = True  #: whether the entry may go to another lane; at once, so not for ever


class Denials:
    """The denials of one operation since its last success."""

    def __init__(self) -> None:
        self._entries: set[str] = set()
        self._in_a_row = 0
        self.has_passed = False  #: whether the operation was ever allowed

    def passed(self) -> None:
        """Note that the operation was allowed."""
        self.has_passed = True
        self._entries.clear()
        self._in_a_row = 0

    def denied(self, entry_id: str) -> bool:
        """Note a denial; return True if the launch should stop.

        It should if several entries in a row were denied, or if nothing was ever allowed and the few entries
        that there are were denied as often.
        """
        self._entries.add(entry_id)
        self._in_a_row += 1
        return len(self._entries) >= SYSTEMIC or (not self.has_passed and self._in_a_row >= SYSTEMIC)


def denied_at(code: str, history: History) -> list[datetime]:
    """Return when an entry was put off with *code*, in any lanes, since it was last put off otherwise."""
    return last_alike(history, "deferred", code, across=("intended", "moved"))
