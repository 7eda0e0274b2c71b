"""
Values in warnings: what cannot be seen is written out, and long texts are cut around what matters.

Belongs here: that. Does not: what is doubtful about a value.
"""

from __future__ import annotations

from typing import Final

from batchrun.model.foreign import unsigned

_BEFORE: Final = 24
_AFTER: Final = 44
_CUT: Final = "..."


def visible(text: str, at: int = 0) -> str:
    """Return *text* in quotes, cut around *at*, each character that cannot be seen as ``<U+00A0>``."""
    text = unsigned(text)
    longest = _BEFORE + _AFTER
    first = 0 if len(text) <= longest else max(0, min(at - _BEFORE, len(text) - longest))
    piece = text[first : first + longest]
    before = _CUT if first else ""
    after = _CUT if first + longest < len(text) else ""
    return f"'{before}{''.join(map(_seen, piece))}{after}'"


def named(character: str) -> str:
    """Return what a message calls a character: ``U+00A0``."""
    return f"U+{ord(character):04X}"


def _seen(character: str) -> str:
    return character if character.isprintable() else f"<{named(character)}>"
