"""Compiling a sheet's template, once: the columns that it names, and the node of each field.

Belongs here: that, field by field, and problems of a template. Does not: filling it (``nodes``).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from batchrun.manifest.columns import OF_KIND, TYPES, Column
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.placeholders import PlaceholderError
from batchrun.manifest.problems import Path, Place, Problems, dotted, shown
from batchrun.manifest.sheet_wishes import ALL, Wanted, Wish
from batchrun.manifest.sheets.nodes import Constant, Items, Mixed, Node, Pure, Repeated, TableNode
from batchrun.manifest.sheets.text import Cell, Columns, Part, Use, parsed
from batchrun.model.entries.retrying import LANE
from batchrun.model.spec import Json


class Fields:
    """Makes nodes, and records their problems."""

    def __init__(
        self, columns: Columns, model: RequestModel, group: frozenset[int], wanted: Wanted, problems: Problems
    ) -> None:
        self.lists: list[Repeated] = []
        self.agreed: set[int] = set()  #: columns named outside of lists
        self._columns = columns
        self._model = model
        self._group = group
        self._wanted = wanted
        self._problems = problems

    def table(self) -> TableNode:
        """Return the table of the run's fields."""
        members: dict[str, Node] = {}
        for name, value in self._wanted.each.fields.items():
            if name == "id":
                continue
            if name in self._model.fields:
                members[name] = self._node(value, (name,))
            else:
                self._report((name,), *self._model.unknown(name, guess=self._problems.may_guess))
        return _table(members)

    def with_columns(self, fields: TableNode, taken: frozenset[int]) -> TableNode:
        """Add columns that become parameters as they are; "all" means those that are not *taken*."""
        given = fields.members.get("parameters", _table({}))
        if not isinstance(given, TableNode):
            return fields  # the check of rows reports it
        members = dict(given.members)
        for wish in self._chosen(taken | fields.columns):
            index = self._index(wish)
            if index is not None and wish.text not in members:
                members[wish.text] = Pure(
                    index, ("parameters", wish.text), None, is_as_it_is=True, is_untyped=True
                )
                self.agreed.add(index)
        return _table({**fields.members, "parameters": _table(members)})

    def _chosen(self, taken: frozenset[int]) -> Iterator[Wish]:
        for wish in self._wanted.as_parameters:
            if wish.text != ALL or ALL in self._columns:
                yield wish
                continue
            for name, index in self._columns.named():
                if index not in taken:
                    yield Wish(text=name, place=wish.place)

    def _index(self, wish: Wish) -> int | None:
        try:
            if "{" in wish.text or "}" in wish.text:
                cure = "rename it, or choose the columns without it"
                raise PlaceholderError(f"the column {shown(wish.text)} has braces in its name", cure)  # noqa: TRY301
            return self._columns.index(wish.text)
        except PlaceholderError as error:
            self._problems.add(wish.place, error.message, error.cure)
            return None

    def _node(self, value: Json, path: Path, *, is_listed: bool = False) -> Node:
        if isinstance(value, str):
            return self._text(value, path, is_listed=is_listed) if "{" in value else Constant(value)
        if isinstance(value, dict):
            if (text := self._unquoted(value)) is not None:
                self._report(path, f"{text} without quotes is a table, and no text", f'write "{text}"')
                return Constant(None)
            return _table(
                {name: self._node(part, (*path, name), is_listed=is_listed) for name, part in value.items()}
            )
        if isinstance(value, list):
            items = [self._node(part, (*path, index), is_listed=True) for index, part in enumerate(value)]
            return Items(items, _named(items)) if is_listed else self._outermost(items, path)
        return Constant(value)

    def _unquoted(self, table: Mapping[str, Json]) -> str | None:
        """Return the placeholder that YAML takes for a table with one name and no value, else None."""
        if len(table) != 1 or None not in table.values():
            return None
        text = f"{{{next(iter(table))}}}"
        try:
            return text if isinstance(parsed(text, self._columns, Use.EACH)[0], Cell) else None
        except PlaceholderError:  # it is no column
            return None

    def _text(self, text: str, path: Path, *, is_listed: bool) -> Node:
        try:
            # A lane is made of columns, as the id is: batchrun's own names are not allowed in it.
            parts = parsed(text, self._columns, Use.ID if path[0] == LANE else Use.EACH)
        except PlaceholderError as error:
            self._report(path, error.message, error.cure)
            return Constant(None)
        named = {part.index for part in parts if isinstance(part, Cell)}
        if not is_listed:
            self.agreed |= named
        (first, *rest) = parts
        return self._pure(first, path) if isinstance(first, Cell) and not rest else Mixed(parts, path)

    def _pure(self, cell: Cell, path: Path) -> Pure:
        type_ = cell.type
        if type_ is None and len(path) == 1:
            type_ = OF_KIND.get(self._model.fields[str(path[0])].kind)
        convert = TYPES.get(type_ or "")
        column = None if convert is None else Column(header=cell.name, field=cell.name, convert=convert)
        return Pure(cell.index, path, column, is_untyped=type_ is None)

    def _outermost(self, items: Sequence[Node], path: Path) -> Node:
        """Return a repeated list, or a plain one if all of its items are the same for the whole run."""
        named = _named(items)
        own = [node for node in items if node.columns - self._group]
        if not own:
            self.agreed |= named
            return Items(items, named)
        first = items.index(own[0])
        found = Repeated(
            number=len(self.lists),
            before=items[:first],
            items=own,
            after=[node for node in items[first:] if not node.columns - self._group],
            names=[self._columns.header[min(node.columns - self._group)] for node in own],
            path=path,
            columns=named,
        )
        self.lists.append(found)
        return found

    def _report(self, path: Path, message: str, cure: str) -> None:
        self._problems.add(self._wanted.place_of(path), message, cure, field=dotted(path))


def _table(members: Mapping[str, Node]) -> TableNode:
    return TableNode(members, _named(members.values()))


def _named(nodes: Iterable[Node]) -> frozenset[int]:
    return frozenset[int]().union(*(node.columns for node in nodes))


@dataclass(frozen=True, slots=True, kw_only=True)
class Template:
    """The compiled template of a sheet's runs."""

    id: Mixed
    fields: TableNode
    lists: Sequence[Repeated]
    group: tuple[int, ...]  #: columns that tell runs apart; none if each row is a run
    agreed: tuple[int, ...]  #: other columns that must be the same in all rows of a run
    sheet_out: Mixed | None


def takes_all(wanted: Wanted, columns: Columns) -> bool:
    """Report whether each column that nothing else names becomes a parameter."""
    return ALL not in columns and any(wish.text == ALL for wish in wanted.as_parameters)


def compiled(
    wanted: Wanted, columns: Columns, model: RequestModel, header: Place, problems: Problems
) -> Template | None:
    """Return the template; None if it has problems, which are recorded."""
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
        cure = 'write a text that names columns, in quotes: "{COLUMN}"'
        raise PlaceholderError(f"{shown(given)} is not an id", cure)
    if wanted.group_by:
        return _joined([wish.text for wish in wanted.group_by if wish.text in columns], columns)
    if "id" not in columns:
        error = columns.unknown("id")
        raise PlaceholderError(error.message, f"give --id COLUMN, or id under each; {error.cure}")
    return [Cell(name="id", index=columns.index("id"))]


def _joined(names: Sequence[str], columns: Columns) -> Sequence[Part]:
    """Return the default id: the columns that rows are grouped by."""
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
