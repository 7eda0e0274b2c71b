"""
What is known of one manifest while its texts pass.

Belongs here: columns, mates, files and types so far, and what was found. Does not: the rules (``rules``), how
texts come here (``looking``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.warned import mates, rules
from batchrun.manifest.warned.columns import Column, Company
from batchrun.manifest.warned.files import Files, is_shared
from batchrun.manifest.warned.found import Found
from batchrun.manifest.warned.untyped import Types

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from batchrun.manifest.warned.kinds import Doubt
    from batchrun.manifest.warned.untyped import Cure

_PARAMETERS: Final = "parameters"


class Known:
    """What is known of one manifest; it grows as texts are looked at."""

    def __init__(self, today: date) -> None:
        self._today = today
        self._companies: dict[str, Company] = {}
        self._columns: dict[str, Column] = {}
        self._pairs: dict[tuple[str, str], mates.Pair] = {}
        self._types: list[Types] = []
        self.found = Found()
        self.files = Files()

    def close(self) -> None:
        """Tell what can be told only once all texts were seen."""
        for types in self._types:
            types.tell(self.found)
        self._types.clear()

    def column(self, name: str, *, is_parameter: bool | None = None) -> Column | None:
        """Find the column of a document's field; None where there are too many, and it is no parameter."""
        found = self._columns.get(name)
        if found is not None:
            return found
        goes_there = name.partition(".")[0] == _PARAMETERS if is_parameter is None else is_parameter
        if len(self._columns) >= limits.WATCHED:
            name = _PARAMETERS
            if not goes_there:
                return None
        found = Column(
            name=name,
            is_parameter=goes_there,
            is_id=name == "id",
            is_shared=is_shared(name),
            company=self.company(name),
        )
        return self._columns.setdefault(name, found)

    def company(self, name: str) -> Company:
        """Return what is known of the values of a name, which its mate shares."""
        sides = mates.sides(name)
        return self._companies.setdefault(name if sides is None else sides.first, Company())

    def pair(self, first: Column, second: Column) -> mates.Pair:
        """Return what is known of two mates."""
        key = first.name, second.name
        found = self._pairs.get(key)
        if found is None:
            found = self._pairs[key] = mates.Pair(first, second)
        return found

    def types(self, column: Column, source: str, cure: Cure) -> Types:
        """Begin to take down which types a column's texts look like; *cure* says how to give it one."""
        self._types.append(Types(column, source, cure))
        return self._types[-1]

    def doubts(self, text: str, column: Column, *, is_cell: bool) -> Iterator[Doubt]:
        """Hold a text that is not empty against the rules for single ones."""
        return rules.doubts(text, column, self._today, is_cell=is_cell)
