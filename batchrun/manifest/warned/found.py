"""
Warnings in the order in which they were met: a cause that many rows share is told once, with a count.

Belongs here: counting, and what is told in the end. Does not: what is doubtful (the rules).
"""

from __future__ import annotations

import dataclasses
import operator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, TypeAlias

from batchrun.errors import ManifestWarning
from batchrun.manifest import limits
from batchrun.manifest.problems import Place, printable
from batchrun.manifest.warned.shown import visible

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from batchrun.manifest.warned.columns import Column
    from batchrun.manifest.warned.kinds import Doubt

_NAME: Final = 120
_Cause: TypeAlias = "tuple[int, object, str]"


@dataclass(frozen=True, slots=True, kw_only=True)
class Warnings:
    """What is told of a manifest."""

    told: tuple[ManifestWarning, ...] = ()  #: in the order of the manifest
    total: int = 0  #: all of them; more than are told where there are very many


@dataclass(slots=True)
class _Same:
    """One cause in one column."""

    holds: Callable[[], bool] | None
    source: str  #: of the first
    told: list[tuple[int, ManifestWarning]] = field(
        default_factory=list
    )  #: with their number in the order of all
    count: int = 0
    lines: list[int] = field(
        default_factory=list
    )  #: of those after the first in its source, as far as they are kept


class Found:
    """Takes warnings down."""

    def __init__(self) -> None:
        self._same: dict[_Cause, _Same] = {}
        self._met = 0
        self._untold = 0

    def add(
        self,
        doubt: Doubt,
        column: Column,
        place: Place,
        *,
        text: str | None,
        row: str | None,
        count: int = 1,
        also: Sequence[int] = (),
    ) -> None:
        """
        Take one down; with *count*, it stands for so many.

        Args:
            doubt: What is doubtful.
            column: What it is about.
            place: Where.
            text: The value; None where there is none.
            row: The id of its row, if it is in one.
            count: How many there are.
            also: The lines of those after the first.
        """
        cause = (id(column), doubt.kind, doubt.cause or doubt.says)
        same = self._same.get(cause)
        if same is None:
            if len(self._same) >= limits.CAUSES:
                self._untold += count
                return
            same = self._same[cause] = _Same(doubt.holds, place.source)
        self._met += 1
        if same.count and place.line is not None and place.source == same.source:
            also = (place.line, *also)
        same.count += count
        same.lines += also[: max(0, limits.LINES - 1 - len(same.lines))]
        if len(same.told) < limits.SAME:
            same.told.append((self._met, _warning(doubt, column, place, text, row)))

    def warnings(self) -> Warnings:
        """Return those that hold, once all rows were seen."""
        found: list[tuple[int, ManifestWarning]] = []
        total = self._untold
        for same in self._same.values():
            if same.holds is None or same.holds():
                found += _told(same)
                total += len(_told(same))
        told = [one for _, one in sorted(found, key=operator.itemgetter(0))]
        sources = {one.source: number for number, one in reversed(list(enumerate(told)))}
        told.sort(key=lambda one: (sources[one.source], one.line or 0, one.column or 0))
        return Warnings(told=tuple(told[: limits.PROBLEMS]), total=total)


def _told(same: _Same) -> Sequence[tuple[int, ManifestWarning]]:
    if same.count <= limits.SAME and same.count == len(same.told):
        return same.told
    number, first = same.told[0]
    return [(number, dataclasses.replace(first, count=same.count, also=tuple(same.lines)))]


def _warning(
    doubt: Doubt, column: Column, place: Place, text: str | None, row: str | None
) -> ManifestWarning:
    value = None if text is None else visible(text, doubt.at)
    return ManifestWarning(
        source=printable(place.source, limit=None),
        message=doubt.says if value is None else f"{value} {doubt.says}",
        cure=doubt.cure,
        line=place.line,
        column=place.column,
        row=None if row is None else printable(row),
        field=printable(column.name, limit=_NAME),
        kind=doubt.kind.value,
        value=value,
    )
