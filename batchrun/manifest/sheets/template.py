"""
A template, made once for a sheet: its id, its groups, its fields, and what all rows of a run must agree on.

Belongs here: that, and what can be wrong with it before there is a row. Does not: its fields' own pieces
(``fields``), filling (``nodes``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.manifest.placeholders import PlaceholderError
from batchrun.manifest.problems import Place, shown
from batchrun.manifest.sheets.fields import Fields
from batchrun.manifest.sheets.nodes import Mixed, Repeated, Table
from batchrun.manifest.sheets.text import Cell, Use, parsed

if TYPE_CHECKING:
    from collections.abc import Sequence

    from batchrun.manifest.model_check import RequestModel
    from batchrun.manifest.problems import Problems
    from batchrun.manifest.sheets.columns import Columns
    from batchrun.manifest.sheets.text import Part
    from batchrun.manifest.sheets.wanted import Wanted, Wish


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """What each run of a sheet is made of."""

    id: Mixed
    fields: Table
    lists: Sequence[Repeated]
    group: tuple[int, ...]  #: columns that tell runs apart; none where each row is a run
    agreed: tuple[int, ...]  #: other columns in which all rows of a run must be the same
    sheet_out: Mixed | None


def compiled(
    wanted: Wanted, columns: Columns, model: RequestModel, header: Place, problems: Problems
) -> Template | None:
    """Make a template; None where anything is wrong, which is taken down."""
    before = problems.total
    group = _group(wanted.group_by, columns, problems)
    entry_id = _id(wanted, columns, header, problems)
    out = _sheet_out(wanted.sheet_out, columns, problems)
    fields = Fields(columns, model, frozenset(group), wanted, problems)
    table = fields.table()
    if wanted.as_parameters:
        table = fields.with_columns(table, entry_id.columns | frozenset(group))
    if problems.total != before:
        return None
    agreed = fields.agreed | entry_id.columns | (out.columns if out is not None else frozenset())
    return Template(
        id=entry_id,
        fields=table,
        lists=fields.lists,
        group=group,
        agreed=tuple(sorted(agreed.difference(group))),
        sheet_out=out,
    )


def _group(wishes: Sequence[Wish], columns: Columns, problems: Problems) -> tuple[int, ...]:
    found: dict[int, None] = {}
    for wish in wishes:
        try:
            found[columns.index(wish.text)] = None
        except PlaceholderError as error:
            problems.add(wish.place, error.message, error.cure, field="group_by")
    return tuple(found)


def _id(wanted: Wanted, columns: Columns, header: Place, problems: Problems) -> Mixed:
    is_given = wanted.id is not None or "id" in wanted.each.fields
    place = wanted.place_of(("id",)) if is_given else header
    try:
        parts = _id_parts(wanted, columns)
        if is_given and not any(isinstance(part, Cell) for part in parts):
            cure = "name a column in it, in braces: {COLUMN}"
            raise PlaceholderError("all rows would have the same id", cure)  # noqa: TRY301
    except PlaceholderError as error:
        problems.add(place, error.message, error.cure, field="id")
        parts = ()
    return Mixed(parts, ("id",))


def _id_parts(wanted: Wanted, columns: Columns) -> Sequence[Part]:
    given = wanted.id.text if wanted.id is not None else wanted.each.fields.get("id")
    if wanted.id is not None and (wanted.id.text in columns or "{" not in wanted.id.text):
        return [Cell(name=wanted.id.text, index=columns.index(wanted.id.text))]
    if isinstance(given, str):
        return parsed(given, columns, Use.ID)
    if given is not None:
        raise PlaceholderError(f"{shown(given)} is no id", "write a text that names columns")
    if wanted.group_by:
        return _joined([wish.text for wish in wanted.group_by if wish.text in columns], columns)
    if "id" not in columns:
        error = columns.unknown("id")
        raise PlaceholderError(error.message, f"give --id COLUMN, or id under each; {error.cure}")
    return [Cell(name="id", index=columns.index("id"))]


def _joined(names: Sequence[str], columns: Columns) -> Sequence[Part]:
    """Make an id of what is grouped by, where nothing else is said."""
    cells = [Cell(name=name, index=columns.index(name)) for name in names]
    return [part for cell in cells for part in ("-", cell)][1:]


def _sheet_out(wish: Wish | None, columns: Columns, problems: Problems) -> Mixed | None:
    if wish is None:
        return None
    if wish.text.endswith(".gz"):
        problems.add(wish.place, "sheets are written as they are", "leave .gz out", field="sheet_out")
    try:
        return Mixed(parsed(wish.text, columns, Use.PLACE), ("sheet_out",))
    except PlaceholderError as error:
        problems.add(wish.place, error.message, error.cure, field="sheet_out")
        return None
