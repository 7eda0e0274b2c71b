"""
Rows that compute the same as one before them, such as a line that was copied and given another id.

Rows that name the same reads are not told again (``known``). Of each work 64 bits of a hash are kept, and the
id of its first row, which is kept anyway.
"""

from __future__ import annotations

from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.placeholders import names_in
from batchrun.manifest.problems import Record, shown
from batchrun.manifest.recognised.kinds import is_reads
from batchrun.manifest.warned.found import Collected, Doubt, WarningKind, WatchedColumn
from batchrun.manifest.warned.known import is_shared
from batchrun.manifest.warned.texts import bare
from batchrun.model.entries.retrying import LANE
from batchrun.model.spec import Json, canonical

_CURE: Final = (
    "give each row its own parameters, such as a text with {id}, or remove it; runs that are repeated on "
    "purpose are accepted with a tag that tells them apart, such as tags.replicate"
)


class Works:
    """What the rows have asked for so far."""

    def __init__(self, found: Collected) -> None:
        self._found = found
        self._column = WatchedColumn(name="id", is_id=True)
        self._first: dict[int, str] = {}  #: the id of the first row, by a hash of its work

    def look(self, work: bytes, entry_id: str, record: Record) -> None:
        """Check one row; *work* is a digest of what it computes."""
        key = hash((work, _apart(entry_id, record)))
        first = self._first.get(key)
        if first is None:
            if len(self._first) < limits.FILES:
                self._first[key] = entry_id
        elif not _has_reads(record.fields.get("parameters"), ""):
            says = f"asks for the very same as {shown(first)}, but for its id, name, output and tags"
            doubt = Doubt(kind=WarningKind.SAME_WORK, says=says, cure=_CURE, cause="same")
            self._found.add(doubt, self._column, record.place_of(("id",)), text=entry_id, row=entry_id)


def _apart(entry_id: str, record: Record) -> str:
    """Return what tells rows apart on purpose, without the id: lanes, and tags of their own."""
    told: dict[str, Json] = {name: record.fields[name] for name in (LANE, "tags") if name in record.fields}
    return canonical(told).replace(canonical(entry_id)[1:-1], "") if told else ""


def _has_reads(value: Json, name: str) -> bool:
    """Report whether a value has reads that are told of as soon as another row has them."""
    if isinstance(value, dict):
        return any(_has_reads(part, f"{name}.{key}") for key, part in value.items())
    if isinstance(value, list):
        return any(_has_reads(part, name) for part in value)
    return isinstance(value, str) and is_reads(bare(value)) and not (names_in(value) or is_shared(name))
