"""
Where each row of a loaded manifest stands, for problems that are found after it was loaded.

Belongs here: keeping that in a few bytes a row. Does not: the places of single fields, which are not worth
their memory.
"""

from __future__ import annotations

from array import array
from bisect import bisect_right
from typing import TYPE_CHECKING

from batchrun.manifest import limits
from batchrun.manifest.problems import Place

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.manifest.problems import Record


class RowPlaces:
    """Places by the rows' position; good only where the manifest had no problems: none was left out."""

    def __init__(self) -> None:
        self._lines = array("Q")  #: the first of each row; 0 where the format has none
        self._others: dict[int, tuple[int, ...]] = {}  #: by position, where several lines make a row
        self._starts: list[int] = []  #: positions at which a source begins
        self._sources: list[str] = []

    def noted(self, records: Iterator[Record]) -> Iterator[Record]:
        """Take down the place of each record on its way."""
        for record in records:
            if not self._sources or self._sources[-1] != record.place.source:
                self._starts.append(len(self._lines))
                self._sources.append(record.place.source)
            if len(record.place.lines) > 1:
                self._others[len(self._lines)] = record.place.lines[: limits.LINES]
            self._lines.append(record.place.line or 0)
            yield record

    def place(self, position: int) -> Place:
        """Return the place of the row at *position*."""
        source = self._sources[bisect_right(self._starts, position) - 1]
        lines = self._others.get(position, ())
        return Place(source=source, line=self._lines[position] or None, lines=lines)
