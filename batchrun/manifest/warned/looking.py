"""Looking at one manifest: texts come in, warnings come out."""

from __future__ import annotations

from typing import TYPE_CHECKING

from batchrun.manifest.scalars import as_text
from batchrun.manifest.warned.accounts import LaneRoles
from batchrun.manifest.warned.found import WatchedColumn
from batchrun.manifest.warned.known import Known
from batchrun.manifest.warned.scan import DocumentTexts, TableTexts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence
    from datetime import date

    from batchrun.manifest.problems import Place, Record
    from batchrun.manifest.table import Table
    from batchrun.manifest.warned.found import Warnings
    from batchrun.manifest.warned.scan import Used
    from batchrun.manifest.warned.untyped import Cure
    from batchrun.model.lanes import Lane


class Looking:
    """Looks at one manifest; texts are looked at as they stand, before anything is filled in."""

    def __init__(self, today: date) -> None:
        self._known = Known(today)
        self._tables: list[TableTexts] = []

    def warnings(self) -> Warnings:
        """Return what was found, once all rows were seen."""
        for rows in self._tables:
            rows.flush()
        self._known.close()
        return self._known.found.warnings()

    def table(self, table: Table, uses: Sequence[Used]) -> TableTexts:
        """Prepare to look at the rows of a table, as far as its columns are used."""
        self._tables.append(TableTexts(self._known, table, uses))
        return self._tables[-1]

    def noted(self, records: Iterator[Record]) -> Iterator[Record]:
        """Look at each row that stands in a document on its way; cells of tables were looked at before."""
        for record in records:
            if not record.is_of_cells:
                number = self._known.files.begin((record.place.line or 0,))
                DocumentTexts(self._known, record, as_text(record.fields.get("id")), number=number).look()
            yield record

    def shared(self, record: Record) -> None:
        """Look at what is said for all rows: defaults, and what a sheet's rows become."""
        DocumentTexts(self._known, record, None, number=None).look()

    def roles(self, lanes: Sequence[Lane]) -> LaneRoles:
        """Prepare to look at the roles that rows are run with, in each lane."""
        return LaneRoles(lanes, self._known.found)

    def option(self, name: str, text: str, place: Place, cure: Cure) -> None:
        """Look at a parameter that an option gives without a type."""
        column = WatchedColumn(name=name, is_parameter=True)
        types = self._known.types(column, place.source, cure)
        if not types.is_number(text, None, None) and text and (doubt := types.written(text)):
            self._known.found.add(doubt, column, place, text=text, row=None)
