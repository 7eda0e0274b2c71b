"""Telling one entry that may not run from a launch that has no permission at all."""

from __future__ import annotations

from typing import Final

#: Denials in a row, of as many entries, that mean the launch itself lacks a permission.
SYSTEMIC: Final = 3


class Denials:
    """The denials of one operation since its last success."""

    def __init__(self) -> None:
        self._entries: set[str] = set()
        self._in_a_row = 0
        self._has_passed = False

    def passed(self) -> None:
        """Note that the operation was allowed."""
        self._has_passed = True
        self._entries.clear()
        self._in_a_row = 0

    def denied(self, entry_id: str) -> bool:
        """
        Note a denial; True when the launch should stop.

        That is so when several entries in a row were denied, or when nothing was ever allowed and the few
        entries there are were denied as often.
        """
        self._entries.add(entry_id)
        self._in_a_row += 1
        return len(self._entries) >= SYSTEMIC or (not self._has_passed and self._in_a_row >= SYSTEMIC)
