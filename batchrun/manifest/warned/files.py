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
from batchrun.manifest.warned.mates import same_file

if TYPE_CHECKING:
    from batchrun.manifest.warned.columns import Column

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
        self._row: list[tuple[str, Column]] = []  #: what the row under work has named

    def begin(self, line: int | None) -> None:
        """Begin another row."""
        self._row.clear()
        self._lines.append(line or 0)

    def doubt(self, text: str, column: Column) -> Doubt | None:
        """Doubt reads, as ``is_reads`` knows them, that were named before."""
        for known, other in self._row:
            if known == text:
                return same_file(other.name)
        self._row.append((text, column))
        first = None if column.is_shared else self._first(hash(text))
        if first is None:
            return None
        line = self._lines[first]
        where = f"is in line {line} too" if line else "is in a row before, too"
        return Doubt(kind=Kind.SHARED_FILE, says=where, cure=_CURE, cause="shared")

    def _first(self, key: int) -> int | None:
        """Return the number of the row that named it before; None where this is the first."""
        first = self._rows.get(key)
        if first is None and len(self._rows) < limits.FILES:
            self._rows[key] = len(self._lines) - 1
        return first


def is_shared(name: str) -> bool:
    """Tell whether rows may share what stands under a name."""
    return _SHARED.search(name) is not None
