"""What readers return: records, which are tables of any format, and documents in parts.

Belongs here: how a document is taken apart, and places of values. Does not: reading one (``document``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Final

from batchrun.errors import Problem
from batchrun.manifest.problems import Path, Place
from batchrun.model.spec import Json


@dataclass(slots=True, kw_only=True)
class Record:
    """A table read from somewhere (a row, or defaults), not yet checked.

    It is never changed, and yet not frozen: to make a frozen one takes three times as long.
    """

    fields: dict[str, Json]
    place: Place
    places: Mapping[Path, tuple[int, int]]  #: line and column by path, if the format knows them
    #: The cure if another row has the same id, where the source knows a better one.
    if_twin: str | None = None
    is_of_cells: bool = False  #: whether it is from a table, whose cells were checked for warnings
    sheet: str | None = None  #: where the row's own sheet will be written: the value of ``{sheet}``

    def under(self, name: str) -> Record:
        """Return the table as the field *name* of another."""
        places = {(name, *inner): at for inner, at in self.places.items()}
        return replace(self, fields={name: self.fields}, places=places)

    def place_of(self, path: Path) -> Place:
        """Return the nearest known place of *path*."""
        for length in range(len(path), 0, -1):
            if found := self.places.get(path[:length]):
                return Place(source=self.place.source, line=found[0], column=found[1])
        return self.place


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """Which parts of a document are read in pieces."""

    #: Tables whose members are read one by one, since a list in them may be long, or each element needs a
    #: place of its own.
    opened: frozenset[tuple[str, ...]]
    streamed: frozenset[tuple[str, ...]]  #: lists that are read element by element
    rows: frozenset[tuple[str, ...]] = frozenset()  #: the streamed lists whose elements are rows


_ROWS: Final = frozenset({(), ("runs",), ("inlineSettings",), ("batchRunSettings", "inlineSettings")})
MANIFEST: Final = Layout(
    opened=frozenset({(), ("batchRunSettings",), ("retry",)}),
    streamed=_ROWS | {("retry",), ("retry", "rules")},
    rows=_ROWS,
)
#: One table, each value read whole.
TABLE: Final = Layout(opened=frozenset({()}), streamed=frozenset())
#: A list of such tables.
LIST: Final = Layout(opened=frozenset(), streamed=frozenset({()}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One element of a streamed list, or one value of an opened table."""

    key: tuple[str, ...]  #: the path to the value, or to the element's list; () at the top
    value: Json
    place: Place
    places: Mapping[Path, tuple[int, int]] = field(default_factory=dict)  #: of fields within the value
    is_element: bool = False
    wrong: tuple[Problem, ...] = ()  #: problems within the value; if there are any it must not be used

    def record(self, fields: dict[str, Json]) -> Record:
        """Return *fields*, its value, as a record."""
        return Record(fields=fields, place=self.place, places=self.places)
