"""Looking at one manifest: texts come in, warnings come out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import date

from batchrun.manifest.parts import Record
from batchrun.manifest.problems import Place
from batchrun.manifest.scalars import as_text
from batchrun.manifest.table import Table
from batchrun.manifest.warned.found import Doubt, Warnings, WatchedColumn
from batchrun.manifest.warned.known import Known
from batchrun.manifest.warned.repeated import Works
from batchrun.manifest.warned.roles import LaneRoles
from batchrun.manifest.warned.scan import DocumentTexts, TableTexts, Used
from batchrun.manifest.warned.untyped import Cure
from batchrun.model.lanes import Lane


class Looking:
    """Checks one manifest for likely mistakes, before placeholders are filled in."""

    def __init__(self, today: date) -> None:
        self._known = Known(today)
        self.works = Works(self._known.found)
        self._tables: list[TableTexts] = []

    def warnings(self) -> Warnings:
        """Return the warnings, after all rows were seen."""
        for rows in self._tables:
            rows.flush()
        self._known.close()
        return self._known.found.warnings()

    def table(self, table: Table, uses: Sequence[Used]) -> TableTexts:
        """Return a checker of a table's rows, for the columns that are used."""
        self._tables.append(TableTexts(self._known, table, uses))
        return self._tables[-1]

    def noted(self, records: Iterator[Record]) -> Iterator[Record]:
        """Return the records, checking each that is from a document; cells of tables were checked before."""
        for record in records:
            if not record.is_of_cells:
                number = self._known.files.begin((record.place.line or 0,), record.place.source)
                DocumentTexts(self._known, record, as_text(record.fields.get("id")), number=number).look()
            yield record

    def shared(self, record: Record) -> None:
        """Check what all rows share: defaults, and the template of a sheet."""
        DocumentTexts(self._known, record, None, number=None).look()

    def roles(self, lanes: Sequence[Lane]) -> LaneRoles:
        """Return a checker of the rows' roles, in each lane."""
        return LaneRoles(lanes, self._known.found)

    def option(self, name: str, text: str, place: Place, cure: Cure) -> None:
        """Check a parameter that an option gives without a type."""
        column = WatchedColumn(name=name, is_parameter=True)
        types = self._known.types(column, place.source, cure)
        if not types.is_number(text, None, None) and text and (doubt := types.written(text)):
            self._known.found.add(doubt, column, place, text=text, row=None)

    def told(self, doubt: Doubt, name: str, text: str, place: Place) -> None:
        """Record a doubt about a parameter that an option gives."""
        self._known.found.add(doubt, WatchedColumn(name=name, is_parameter=True), place, text=text, row=None)
