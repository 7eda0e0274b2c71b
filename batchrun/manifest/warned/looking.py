"""
What is known of one manifest while its texts pass, whatever holds them.

Belongs here: that, and the ways in: a table's rows, a document's, what is said for all rows, a name with its
value. Does not: the rules, and how rows and values are gone through (``rows``, ``values``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.scalars import as_text
from batchrun.manifest.warned import mates, rules
from batchrun.manifest.warned.columns import Column, Company
from batchrun.manifest.warned.files import Files, is_shared
from batchrun.manifest.warned.found import Found
from batchrun.manifest.warned.rows import Rows
from batchrun.manifest.warned.untyped import Types
from batchrun.manifest.warned.values import Values

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from batchrun.manifest.problems import Place, Record
    from batchrun.manifest.tables.table import Table
    from batchrun.manifest.warned.found import Warnings
    from batchrun.manifest.warned.kinds import Doubt
    from batchrun.manifest.warned.rows import Used
    from batchrun.manifest.warned.untyped import Cure

_PARAMETERS: Final = "parameters"


class Looking:
    """Looks at one manifest; texts are looked at as they stand, before anything is filled in."""

    def __init__(self, today: date) -> None:
        self._today = today
        self._companies: dict[str, Company] = {}
        self._columns: dict[str, Column] = {}
        self._pairs: dict[tuple[str, str], mates.Pair] = {}
        self._types: list[Types] = []
        self._tables: list[Rows] = []
        self.found = Found()
        self.files = Files()

    def warnings(self) -> Warnings:
        """Return what was found, once all rows were seen."""
        for rows in self._tables:
            rows.flush()
        for types in self._types:
            types.tell(self.found)
        self._types.clear()
        return self.found.warnings()

    def table(self, table: Table, uses: Sequence[Used]) -> Rows:
        """Prepare to look at the rows of a table, as far as its columns are used."""
        self._tables.append(Rows(self, table, uses))
        return self._tables[-1]

    def noted(self, records: Iterator[Record]) -> Iterator[Record]:
        """Look at each row that stands in a document on its way; cells of tables were looked at before."""
        for record in records:
            if not record.is_of_cells:
                number = self.files.begin((record.place.line or 0,))
                Values(self, record, as_text(record.fields.get("id")), number=number).look()
            yield record

    def shared(self, record: Record) -> None:
        """Look at what is said for all rows: defaults, and what a sheet's rows become."""
        Values(self, record, None, number=None).look()

    def option(self, name: str, text: str, place: Place, cure: Cure) -> None:
        """Look at a parameter that an option gives without a type."""
        column = Column(name=name, is_parameter=True)
        types = self.types(column, place.source, cure)
        if not types.is_number(text, None, None) and text and (doubt := types.written(text)):
            self.found.add(doubt, column, place, text=text, row=None)

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
