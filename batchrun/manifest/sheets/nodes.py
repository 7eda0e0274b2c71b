# ruff: noqa: D102 - what each node promises stands in Node
"""A compiled template, node by node, and one run while it is filled with rows.

Belongs here: what each node makes of a row's cells. Does not: making nodes (``template``), reading rows.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, Protocol, TypeAlias

from batchrun.manifest import limits
from batchrun.manifest.columns import Column, ColumnError
from batchrun.manifest.placeholders import escaped, escaped_before_placeholder
from batchrun.manifest.problems import Path, Place, Problems, dotted, printable, shown
from batchrun.manifest.sheets.text import Cell, Own, Part
from batchrun.manifest.strict_json import decoded
from batchrun.manifest.table import Value
from batchrun.manifest.written_rows import as_written
from batchrun.model.spec import Json

#: Characters counted for an element beside its text, to bound lists of short texts too.
_ELEMENT: Final = 16


@dataclass(slots=True)
class Elements:
    """The elements of one list so far, and which of its items had a value."""

    values: list[Json] = field(default_factory=list)
    given: dict[int, int] = field(default_factory=dict)  #: by item, the first line with a value
    missing: dict[int, int] = field(default_factory=dict)  #: by item, the first line without one


class Filling:
    """One run while it is filled, row by row."""

    def __init__(self, source: str, lists: int, problems: Problems) -> None:
        self.row: str | None = None  #: the run's id, once known
        self.lines: list[int] = []
        self.lists = [Elements() for _ in range(lists)]
        self.differing: set[int] = set()  #: columns whose differing cells were reported
        self.is_full = False
        self._source = source
        self._room = limits.FILLED
        self._problems = problems

    @property
    def place(self) -> Place:
        """All lines so far."""
        return Place(source=self._source, line=self.lines[0], lines=tuple(self.lines))

    def take(self, characters: int) -> None:
        """Count characters against the limit; an element without any counts too."""
        self._room -= characters or _ELEMENT
        if self._room < 0 and not self.is_full:
            self.is_full = True
            message = f"its columns make more than {limits.FILLED} characters"
            cure = (
                f"a run takes at most {limits.PARAMETERS} bytes of parameters: use sheet_out, or fewer rows"
            )
            self._problems.add(self.place, message, cure, row=self.row)

    def report(self, path: Path, message: str, cure: str) -> None:
        """Record a problem of the last row."""
        place = Place(source=self._source, line=self.lines[-1])
        self._problems.add(place, message, cure, row=self.row, field=dotted(path))

    def report_all(self, path: Path, message: str, cure: str) -> None:
        """Record a problem of all rows together."""
        self._problems.add(self.place, message, cure, row=self.row, field=dotted(path) or None)


class Absent(enum.Enum):
    """The value of an empty cell."""

    ABSENT = "absent"


ABSENT: Final = Absent.ABSENT
Filled: TypeAlias = "Json | Literal[Absent.ABSENT]"
Cells: TypeAlias = Sequence[str]


class Node(Protocol):
    """A piece of a template."""

    @property
    def columns(self) -> frozenset[int]:
        """The columns that the node names."""

    def filled(self, cells: Cells, filling: Filling) -> Filled:
        """Return its value for a row; absent if that is empty."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A value that names no column; batchrun's own placeholders are filled in later."""

    value: Json

    @property
    def columns(self) -> frozenset[int]:
        return frozenset()

    def filled(self, cells: Cells, filling: Filling) -> Filled:  # noqa: ARG002 (as any node)
        return self.value


@dataclass(frozen=True, slots=True)
class Pure:
    """A text that is only a column: it may have a type, and an empty cell leaves it out."""

    index: int
    path: Path
    convert: Column | None  #: None: text
    is_as_it_is: bool = False  #: whether a value that is not text at its source keeps its type
    is_untyped: bool = False  #: whether no type was given

    @property
    def columns(self) -> frozenset[int]:
        return frozenset({self.index})

    def filled(self, cells: Cells, filling: Filling) -> Filled:
        """Return the cell's text, or its typed value."""
        text = cells[self.index]
        if not text:
            return ABSENT
        filling.take(len(text))
        if self.convert is not None:
            return self._converted(text, self.convert, filling)
        if self.is_as_it_is and type(text) is Value:
            return as_written(decoded(text))
        return escaped(text)

    def _converted(self, text: str, convert: Column, filling: Filling) -> Filled:
        try:
            return as_written(convert.value(text))
        except ColumnError as error:
            name = shown(convert.header)
            filling.report(self.path, f"column {name}: {error.message}", error.cure)
            return ABSENT


@dataclass(frozen=True, slots=True)
class Mixed:
    """A text that has columns and other text."""

    parts: Sequence[Part]
    path: Path

    @property
    def columns(self) -> frozenset[int]:
        return frozenset(part.index for part in self.parts if isinstance(part, Cell))

    @property
    def names(self) -> Sequence[str]:
        """The names of batchrun's own in the text."""
        return [part.name for part in self.parts if isinstance(part, Own)]

    def filled(self, cells: Cells, filling: Filling) -> Filled:
        """Return the text, with placeholders for batchrun's own names."""
        done: list[str] = []
        texts: list[str] = []  # since the last placeholder
        for part in self.parts:
            if isinstance(part, Own):
                done += [escaped_before_placeholder("".join(texts)), f"{{{part.name}}}"]
                texts.clear()
            else:
                texts.append(self._said(part, cells, filling))
        return "".join([*done, escaped("".join(texts))])

    def text(self, cells: Cells, filling: Filling, own: Mapping[str, str]) -> str:
        """Return the final text, with the values *own* for batchrun's own names."""
        return "".join(
            own[part.name] if isinstance(part, Own) else self._said(part, cells, filling)
            for part in self.parts
        )

    def _said(self, part: str | Cell, cells: Cells, filling: Filling) -> str:
        if isinstance(part, str):
            filling.take(len(part))
            return part
        text = cells[part.index]
        filling.take(len(text))
        if not text:
            message = f"the cell of column {shown(part.name)} is empty, within a longer text"
            cure = f"fill it in; a text that is nothing but {{{printable(part.name)}}} would be left out"
            filling.report(self.path, message, cure)
        return text


@dataclass(frozen=True, slots=True)
class TableNode:
    """A table of nodes."""

    members: Mapping[str, Node]
    columns: frozenset[int]

    def filled(self, cells: Cells, filling: Filling) -> Filled:
        """Return the table without absent values; absent if none is left."""
        table: dict[str, Json] = {}
        for name, node in self.members.items():
            value = node.filled(cells, filling)
            if value is not ABSENT:
                table[name] = value
        return table if table or not self.members else ABSENT


@dataclass(frozen=True, slots=True)
class Items:
    """A list within a repeated list: it belongs to one row."""

    items: Sequence[Node]
    columns: frozenset[int]

    def filled(self, cells: Cells, filling: Filling) -> Filled:
        """Return the list without absent values; absent if none is left."""
        values = _present(self.items, cells, filling)
        return values if values or not self.items else ABSENT


@dataclass(frozen=True, slots=True)
class Repeated:
    """An outermost list: its items that name a column are repeated for each row, together."""

    number: int  #: among the lists of the template
    before: Sequence[Node]
    items: Sequence[Node]
    after: Sequence[Node]
    names: Sequence[str]  #: of each item, a column that it names
    path: Path
    columns: frozenset[int]

    def add(self, cells: Cells, line: int, filling: Filling) -> None:
        """Add a row's elements to the list."""
        found = filling.lists[self.number]
        for index, node in enumerate(self.items):
            value = node.filled(cells, filling)
            if value is ABSENT:
                found.missing.setdefault(index, line)
            else:
                filling.take(0)
                found.given.setdefault(index, line)
                found.values.append(value)

    def filled(self, cells: Cells, filling: Filling) -> Filled:
        """Return the whole list; absent if no row had a value for it."""
        found = filling.lists[self.number]
        for index in found.given.keys() & found.missing.keys():
            message = _uneven(self.names[index], found.given[index], found.missing[index])
            filling.report_all(self.path, message, _UNEVEN_CURE)
        if not found.values:
            return ABSENT
        return [*_present(self.before, cells, filling), *found.values, *_present(self.after, cells, filling)]


def _present(nodes: Sequence[Node], cells: Cells, filling: Filling) -> list[Json]:
    return [value for node in nodes if (value := node.filled(cells, filling)) is not ABSENT]


def _uneven(name: str, given: int, missing: int) -> str:
    return f"column {shown(name)} has a cell on line {given}, and an empty one on line {missing}"


_UNEVEN_CURE: Final = (
    "lists would not fit each other: fill it in on all lines of the run or on none, or make the item a table "
    "of names, in which what is empty is left out"
)
