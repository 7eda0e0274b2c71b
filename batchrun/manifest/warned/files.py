"""
Reads that are named twice: in one row, or in two.

What is remembered of a file is 64 bits of a hash, and its row: some 100 bytes. Sound: references, and what
columns of normals, controls and the like share; what defaults give to all rows.
"""

from __future__ import annotations

import re
from array import array
from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.warned.kinds import Doubt, Kind

if TYPE_CHECKING:
    from collections.abc import Sequence

#: Names of what rows may share.
_SHARED: Final = re.compile(
    r"normal|control|ctrl|germline|reference|(?<![a-z])refs?(?![a-z])|index|panel|(?<![a-z])pon(?![a-z])"
    r"|background|blank|adapter|barcode|whitelist|spike|shared|common|host|contaminant|decoy|phix",
    re.IGNORECASE,
)
_CURE: Final = (
    "give each row its own; reads that rows share on purpose are sound under a name with normal, control or "
    "reference in it"
)


class Files:
    """The reads that rows have named so far."""

    def __init__(self) -> None:
        self._rows: dict[int, int] = {}  #: by hash, the number of the row that named it first
        self._lines = array("Q")  #: by number; 0 where it has none

    def begin(self, lines: Sequence[int]) -> int:
        """Begin more rows, which stand on these lines, or 0; give the number of the first."""
        number = len(self._lines)
        self._lines.extend(lines)
        return number

    def take_all(self, texts: Sequence[str], number: int) -> bool:
        """
        Take the reads of as many rows, from *number* on, if all of them are new.

        Nothing is taken where they are not, or where there is no more room: then each has a word of its own.
        """
        keys = list(map(hash, texts))
        is_new = len(set(keys)) == len(keys) and self._rows.keys().isdisjoint(keys)
        if not is_new or len(self._rows) + len(keys) > limits.FILES:
            return False
        self._rows.update(zip(keys, range(number, number + len(keys)), strict=True))
        return True

    def first(self, text: str, number: int) -> int | None:
        """Return the number of the row that named them before row *number*, or in it; None for none."""
        key = hash(text)
        found = self._rows.get(key)
        if found is None and len(self._rows) < limits.FILES:
            self._rows[key] = number
        return found

    def shared_with(self, number: int) -> Doubt:
        """Doubt reads that row *number* has too."""
        line = self._lines[number]
        where = f"is in line {line} too" if line else "is in a row before, too"
        return Doubt(kind=Kind.SHARED_FILE, says=where, cure=_CURE, cause="shared")


def is_shared(name: str) -> bool:
    """Report whether rows may share what stands under a name."""
    return _SHARED.search(name) is not None
