"""
What a run is made of, as nodes: the tables, lists and texts under ``each``.

Belongs here: which value becomes which node, and which columns that makes all rows of a run agree on. Does
not: the grammar of texts (``text``), filling (``nodes``), what a run has beside its fields (``template``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.columns import TYPES, Column
from batchrun.manifest.model_check import Kind
from batchrun.manifest.placeholders import PlaceholderError
from batchrun.manifest.problems import dotted, shown
from batchrun.manifest.sheets.nodes import Constant, Items, Mixed, Node, Pure, Repeated, Table
from batchrun.manifest.sheets.text import Cell, Use, parsed
from batchrun.manifest.sheets.wanted import ALL, Wish

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping, Sequence

    from batchrun.manifest.model_check import RequestModel
    from batchrun.manifest.problems import Path, Problems
    from batchrun.manifest.sheets.columns import Columns
    from batchrun.manifest.sheets.wanted import Wanted
    from batchrun.model.spec import Json

_OF_KIND: Final = {Kind.INTEGER: "int", Kind.NUMBER: "float", Kind.BOOLEAN: "bool"}
_PARAMETERS: Final = "parameters"


class Fields:
    """Makes nodes, and takes down what is wrong with them."""

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

    def table(self) -> Table:
        """Make the table of the run's fields."""
        members: dict[str, Node] = {}
        for name, value in self._wanted.each.fields.items():
            if name == "id":
                continue
            if name in self._model.fields:
                members[name] = self._node(value, (name,))
            else:
                guess = self._problems.total < limits.PROBLEMS
                self._report((name,), *self._model.unknown(name, guess=guess))
        return _table(members)

    def with_columns(self, fields: Table, taken: frozenset[int]) -> Table:
        """Add the columns that become parameters as they are; for all of them, but those that are *taken*."""
        given = fields.members.get(_PARAMETERS, _table({}))
        if not isinstance(given, Table):
            return fields  # the check of the rows says what is wrong with it
        members = dict(given.members)
        for wish in self._chosen(taken | fields.columns):
            index = self._index(wish)
            if index is not None and wish.text not in members:
                members[wish.text] = Pure(
                    index, (_PARAMETERS, wish.text), None, is_as_it_is=True, is_untyped=True
                )
                self.agreed.add(index)
        return _table({**fields.members, _PARAMETERS: _table(members)})

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
            return _table(
                {name: self._node(part, (*path, name), is_listed=is_listed) for name, part in value.items()}
            )
        if isinstance(value, list):
            items = [self._node(part, (*path, index), is_listed=True) for index, part in enumerate(value)]
            return Items(items, _named(items)) if is_listed else self._outermost(items, path)
        return Constant(value)

    def _text(self, text: str, path: Path, *, is_listed: bool) -> Node:
        try:
            parts = parsed(text, self._columns, Use.EACH)
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
            type_ = _OF_KIND.get(self._model.fields[str(path[0])].kind)
        convert = TYPES.get(type_ or "")
        column = None if convert is None else Column(header=cell.name, field=cell.name, convert=convert)
        return Pure(cell.index, path, column, is_untyped=type_ is None)

    def _outermost(self, items: Sequence[Node], path: Path) -> Node:
        """Make a list that repeats, unless all of its items are the same for the whole run."""
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


def _table(members: Mapping[str, Node]) -> Table:
    return Table(members, _named(members.values()))


def _named(nodes: Iterable[Node]) -> frozenset[int]:
    return frozenset[int]().union(*(node.columns for node in nodes))
