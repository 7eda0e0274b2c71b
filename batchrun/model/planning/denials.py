"""Denials: whether a permission is lacking for one entry alone, or for the launch as a whole.

An entry counts as denied by itself only where others pass, in this launch or since it was first denied.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Final

#: Denials in a row, of as many entries, that mean that the launch itself lacks a permission.
SYSTEMIC: Final = 3


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


def denied_since(code: str, history: Iterable[tuple[datetime, int, str, str]]) -> datetime | None:
    """Return since when each try to send an entry was put off with *code*; None if the last one was not.

    *history* has the entry's events as (at, attempt, kind, detail), oldest first.
    """
    return next(iter(_denied_at(code, history)), None)


def has_been_denied(code: str, history: Iterable[tuple[datetime, int, str, str]]) -> bool:
    """Report whether an entry was put off with *code* so often, in whichever lanes, that it stays in one."""
    return len(_denied_at(code, history)) >= SYSTEMIC


def _denied_at(code: str, history: Iterable[tuple[datetime, int, str, str]]) -> list[datetime]:
    found: list[datetime] = []
    for at, _attempt, kind, detail in history:
        if kind == "deferred" and json.loads(detail).get("code") == code:
            found.append(at)
        elif kind not in {"intended", "moved"}:
            found.clear()
    return found
