"""
What stands between the cells of a CSV or TSV, told by its first line.

Belongs here: that decision. Does not: reading (``delimited``), what the user says of it (``asked``).
"""

from __future__ import annotations

import re
from typing import Final

_KNOWN: Final = "\t,;|"  #: the least likely within a cell first
_QUOTED: Final = re.compile(r'"[^"]*(?:"|\Z)')
#: The line that Excel takes, and some write, before the header.
_TOLD: Final = re.compile(r'"?sep=([^"\r\n])"?\s*', re.IGNORECASE)


def is_blank(line: str) -> bool:
    """Report whether a line has nothing but delimiters and white space."""
    return not line.strip(_KNOWN + '" \r\n\ufeff')


def told_by(line: str) -> str | None:
    """Return the delimiter that a line such as ``sep=;`` tells; None for any other line."""
    told = _TOLD.fullmatch(line)
    return told[1] if told else None


def found_in(line: str, usual: str, width: int | None) -> str:
    """
    Return the delimiter of a header: the one that stands in it most often, outside of quotes.

    Args:
        line: The header; where there is none, the first row.
        usual: The one that the file's format has, where others are as good.
        width: How many cells there are, where that is known: only a row that has as many says anything.
    """
    bare = _QUOTED.sub("", line)
    counts = {mark: bare.count(mark) for mark in _KNOWN if mark in bare}
    if width is not None:
        counts = {mark: count for mark, count in counts.items() if count + 1 == width}
    return max(counts, key=lambda mark: (counts[mark], mark == usual), default=usual)
