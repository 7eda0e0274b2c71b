"""
What is wanted of a sheet, wherever that was said: in a manifest, by options, by a program.

Belongs here: those wishes, as values. Does not: reading them (``keys``, ``options``), or what they mean for a
header (``template``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.manifest.problems import Path, Place, Record
    from batchrun.model.spec import Json

#: For ``columns_as_parameters``: each column that nothing else names.
ALL: Final = "all"


@dataclass(frozen=True, slots=True, kw_only=True)
class Wish:
    """A text that was given, and where."""

    text: str
    place: Place


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a sheet's rows are to become."""

    each: Record  #: what a run is made of; its texts may name columns
    places: Mapping[Path, Place] = field(default_factory=dict)  #: of what options put into it
    id: Wish | None = None  #: a column or a text that names columns, instead of the id in ``each``
    group_by: tuple[Wish, ...] = ()  #: columns: rows that have the same in them make one run
    as_parameters: tuple[Wish, ...] = ()  #: columns, or :data:`ALL`
    sheet_out: Wish | None = None  #: where each run's rows are written as a sheet of its own

    def place_of(self, path: Path) -> Place:
        """Return the place of a part of :attr:`each`, or of the id that goes before the one in there."""
        if self.id is not None and path == ("id",):
            return self.id.place
        own = (
            self.places[path[:length]] for length in range(len(path), 0, -1) if path[:length] in self.places
        )
        return next(own, None) or self.each.place_of(path)


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetOptions:
    """What options, or a program, say of a sheet; any of it makes a file one."""

    id: str | None = None
    group_by: tuple[str, ...] = ()
    parameters: tuple[str, ...] = ()  #: NAME=TEXT, NAME:json=JSON
    columns_as_parameters: tuple[str, ...] = ()
    each: Mapping[str, Json] = field(default_factory=dict)
    sheet_out: str | None = None

    def __bool__(self) -> bool:
        return self != SheetOptions()
