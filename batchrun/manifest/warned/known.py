"""What is known of one manifest while it is read: columns, mates, types, and all that was found.

Does not belong here: rules (``texts``, ``mates``, ``repeated``, ``untyped``), feeding texts (``looking``).
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date

from batchrun.manifest import limits
from batchrun.manifest.warned.found import Collected, Company, Doubt, WatchedColumn
from batchrun.manifest.warned.mates import Pair, are_made, mates_of
from batchrun.manifest.warned.repeated import Files, is_shared
from batchrun.manifest.warned.texts import doubts
from batchrun.manifest.warned.untyped import Cure, Types


class Known:
    """What is known of one manifest so far."""

    def __init__(self, today: date) -> None:
        self._today = today
        self._companies: dict[str, Company] = {}
        self._columns: dict[str, WatchedColumn] = {}
        self._pairs: dict[tuple[str, str], Pair] = {}
        self._types: list[Types] = []
        self.found = Collected()
        self.files = Files()

    def close(self) -> None:
        """Record doubts that show only after all texts were seen."""
        for types in self._types:
            types.tell(self.found)
        self._types.clear()

    def column(self, name: str, *, is_parameter: bool | None = None) -> WatchedColumn | None:
        """Return the column of a document's field; None if there are too many and it is not a parameter."""
        found = self._columns.get(name)
        if found is not None:
            return found
        goes_there = name.partition(".")[0] == "parameters" if is_parameter is None else is_parameter
        if len(self._columns) >= limits.WATCHED:
            name = "parameters"
            if not goes_there:
                return None
        found = WatchedColumn(
            name=name,
            is_parameter=goes_there,
            is_id=name == "id",
            is_shared=is_shared(name),
            company=self.company(name),
        )
        return self._columns.setdefault(name, found)

    def company(self, name: str) -> Company:
        """Return what was seen in the columns of a name and its mate's."""
        sides = mates_of(name)
        are_mates = sides is not None and not are_made(name)
        return self._companies.setdefault(
            name if sides is None else sides.first, Company(are_mates=are_mates)
        )

    def pair(self, first: WatchedColumn, second: WatchedColumn) -> Pair:
        """Return what is known of two mates."""
        key = first.name, second.name
        found = self._pairs.get(key)
        if found is None:
            found = self._pairs[key] = Pair(first, second)
        return found

    def types(self, column: WatchedColumn, source: str, cure: Cure) -> Types:
        """Return an observer of the types that a column's texts look like; *cure* says how to give one."""
        self._types.append(Types(column, source, cure))
        return self._types[-1]

    def doubts(self, text: str, column: WatchedColumn, *, is_cell: bool) -> Iterator[Doubt]:
        """Return doubts about a text, which is not empty, by the rules for single texts."""
        return doubts(text, column, self._today, is_cell=is_cell)
