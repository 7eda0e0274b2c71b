"""
JSON Lines: one row to a line.

Belongs here: lines to records. Does not: JSON itself (``strict_json``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.manifest.problems import Place, Record, shown
from batchrun.manifest.strict_json import JsonError, decoded
from batchrun.manifest.text_input import lines

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

    from batchrun.manifest.problems import Problems


def records(stream: BinaryIO, source: str, problems: Problems) -> Iterator[Record]:
    """Return the row of each line that has one; blank lines are passed over."""
    for number, line in enumerate(lines(stream, source), start=1):
        if not line.isspace() and (record := _record(line, Place(source=source, line=number), problems)):
            yield record


def _record(line: str, place: Place, problems: Problems) -> Record | None:
    try:
        value = decoded(line)
    except JsonError as error:
        column = None if error.position is None else error.position + 1
        place = Place(source=place.source, line=place.line, column=column)
        problems.add(place, error.message, error.cure)
        return None
    if not isinstance(value, dict):
        problems.add(place, f"{shown(value)} is no row", 'write a table: {"id": "NA12878", ...}')
        return None
    return Record(fields=value, place=place, places={})
