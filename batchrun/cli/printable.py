"""
Text of others made safe to show: manifests and the service may hold anything.

Belongs here: taking the power over a terminal out of text. Does not: layout.
"""

from __future__ import annotations

import unicodedata

from batchrun.model.foreign import TOLD, shortened


def printable(text: str) -> str:
    r"""Return *text* with control, format and surrogate characters written as ``\x1b`` and the like."""
    if text.isprintable():
        return text
    return "".join(_shown(character) for character in text)


def one_line(text: str) -> str:
    """Return text of others as one line that is safe to show, and no longer than anybody reads."""
    return shortened(whole_line(text), TOLD)


def whole_line(text: str) -> str:
    """Return all of a text of others as one line that is safe to show, to whoever asked for just that."""
    return printable(text).replace("\n", " ").rstrip()


def _shown(character: str) -> str:
    if character.isprintable() or character == "\n":
        return character
    if unicodedata.category(character) == "Zs":
        return " "
    return character.encode("unicode_escape").decode("ascii")
