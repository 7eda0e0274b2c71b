"""
A sheet's rows become records, as any manifest has them.

Belongs here: the order of things, from a table and what is wanted of it to records. Does not: any single
step.
"""

from __future__ import annotations

from operator import itemgetter
from typing import TYPE_CHECKING

from batchrun.manifest import limits
from batchrun.manifest.placeholders import ENV, PlaceholderError
from batchrun.manifest.problems import Record, printable, shown
from batchrun.manifest.sheets.columns import Columns
from batchrun.manifest.sheets.filling import Filling
from batchrun.manifest.sheets.groups import grouped
from batchrun.manifest.sheets.own_sheets import delimiter_for, wrong_sheet_place
from batchrun.manifest.sheets.template import compiled
from batchrun.manifest.sheets.text import Cell
from batchrun.manifest.warned import sheet_columns
from batchrun.manifest.warned.wishes import look_at

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from batchrun.manifest.environment import Environment
    from batchrun.manifest.model_check import RequestModel
    from batchrun.manifest.problems import Problems
    from batchrun.manifest.sheets.own_sheets import OwnSheets
    from batchrun.manifest.sheets.template import Template
    from batchrun.manifest.sheets.wanted import Wanted
    from batchrun.manifest.tables.table import Row, Table
    from batchrun.manifest.warned.looking import Looking
    from batchrun.manifest.warned.rows import Rows


class Sheets:
    """Makes records of the sheets of one manifest."""

    def __init__(
        self,
        *,
        batch: str,
        model: RequestModel,
        environment: Environment,
        problems: Problems,
        own_sheets: OwnSheets,
        looking: Looking,
    ) -> None:
        self._batch = batch
        self._model = model
        self._environment = environment
        self._problems = problems
        self._own_sheets = own_sheets
        self._looking = looking

    def records(self, table: Table, wanted: Wanted) -> Iterator[Record]:
        """
        Return a record for each run; what is wrong in the sheet, or in the wishes, becomes problems.

        Raises:
            ManifestError: Reading cannot go on.
        """
        columns, header = Columns(table.header), table.place(table.line)
        template = compiled(wanted, columns, self._model, header, self._problems)
        if template is None:
            return
        own = self._own(template, wanted)
        if own is None:
            return
        look_at(wanted, self._looking)
        look = self._looking.table(table, sheet_columns.uses(template, table.header))
        maker = _Maker(table, template, own, self._own_sheets, self._problems, look)
        for rows in grouped(table, template.group, self._problems):
            if record := maker.record(rows):
                yield record

    def _own(self, template: Template, wanted: Wanted) -> dict[str, str] | None:
        """Return what our names stand for in the places of sheets; None where that is not to be had."""
        names = [] if template.sheet_out is None else template.sheet_out.names
        try:
            own = {
                name: self._environment.value(name.removeprefix(ENV))
                for name in names
                if name.startswith(ENV)
            }
        except PlaceholderError as error:
            place = wanted.each.place if wanted.sheet_out is None else wanted.sheet_out.place
            self._problems.add(place, error.message, error.cure, field="sheet_out")
            return None
        return own | {"batch": self._batch}


class _Maker:
    """Makes one record after the other."""

    def __init__(
        self,
        table: Table,
        template: Template,
        own: Mapping[str, str],
        own_sheets: OwnSheets,
        problems: Problems,
        look: Rows,
    ) -> None:
        self._table = table
        self._template = template
        self._own = own
        self._own_sheets = own_sheets
        self._problems = problems
        self._look = look
        self._agreed = itemgetter(*template.agreed) if template.agreed else _nothing
        out = template.sheet_out
        self._delimiter = "," if out is None else delimiter_for(out.parts, table)

    def record(self, rows: Iterable[Row]) -> Record | None:
        """Make the record of one run; None where it has no id, or no end."""
        filling = Filling(self._table.source, len(self._template.lists), self._problems)
        first: Sequence[str] = ()
        for line, cells in rows:
            filling.lines.append(line)
            if not first:
                first = cells
                self._begin(first, filling)
            elif self._agreed(cells) != self._agreed(first):
                self._report_differing(first, cells, filling)
            self._add(cells, line, filling)
            self._look.row(line, cells, filling.row)
        fields = self._template.fields.filled(first, filling)
        if filling.row is None or filling.is_full:
            return None
        return Record(
            fields={"id": filling.row, **(fields if isinstance(fields, dict) else {})},
            place=filling.place,
            places={},
            is_of_cells=True,
            sheet=self._own_sheet(first, filling),
        )

    def _begin(self, first: Sequence[str], filling: Filling) -> None:
        entry_id = self._template.id
        for name in (
            part.name for part in entry_id.parts if isinstance(part, Cell) and not first[part.index]
        ):
            filling.report(
                ("id",), f"the cell of column {shown(name)} is empty", "fill it in: it makes the id"
            )
            break
        else:
            filling.row = entry_id.text(first, filling, {})
        if self._template.sheet_out is not None:
            self._own_sheets.begin()
            self._own_sheets.add(self._table.header, self._delimiter)

    def _add(self, cells: Sequence[str], line: int, filling: Filling) -> None:
        if filling.is_full:
            return
        for one in self._template.lists:
            one.add(cells, line, filling)
        if self._template.sheet_out is not None and self._own_sheets.growing <= limits.SHEET:
            self._own_sheets.add(cells, self._delimiter)

    def _report_differing(self, first: Sequence[str], cells: Sequence[str], filling: Filling) -> None:
        for index in self._template.agreed:
            if cells[index] != first[index] and index not in filling.differing:
                filling.differing.add(index)
                name = self._table.header[index]
                message = (
                    f"column {shown(name)} is {shown(first[index])} on line {filling.lines[0]}, "
                    f"but {shown(cells[index])} on line {filling.lines[-1]}"
                )
                own = f"{{{printable(name)}}}"
                cure = (
                    f"put {own} into a list, which has one of each line, such as --parameter "
                    f"'NAME:json=[\"{own}\"]', or group by it too"
                )
                filling.report_all((), message, cure)

    def _own_sheet(self, first: Sequence[str], filling: Filling) -> str | None:
        wanted = self._template.sheet_out
        if wanted is None or filling.row is None:
            return None
        if self._own_sheets.growing > limits.SHEET:
            size = limits.SHEET // 1024**2
            filling.report_all(wanted.path, f"its sheet has more than {size} MiB", "give the run fewer rows")
        uri = wanted.text(first, filling, {**self._own, "id": filling.row})
        if wrong := wrong_sheet_place(uri):
            filling.report_all(wanted.path, *wrong)
        uri = self._own_sheets.place(uri)
        self._own_sheets.finish(filling.row, uri)
        return uri


def _nothing(cells: Sequence[str]) -> None:
    """Agree with every row."""
