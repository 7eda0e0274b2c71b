"""
The pieces in which a YAML or JSON document is read: one row, or one top-level value, at a time.

Belongs here: what the two readers agree on. Does not: what the pieces mean (``document``).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.errors import Problem
    from batchrun.manifest.problems import Path, Place
    from batchrun.model.spec import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """What of a document is read in pieces."""

    #: Tables that are opened, so that a list within them is read element by element: it may be long, or each
    #: element wants a place of its own.
    opened: frozenset[tuple[str, ...]]
    streamed: frozenset[tuple[str, ...]]  #: lists that are read element by element


MANIFEST: Final = Layout(
    opened=frozenset({(), ("batchRunSettings",), ("retry",)}),
    streamed=frozenset(
        {(), ("runs",), ("batchRunSettings", "inlineSettings"), ("retry",), ("retry", "rules")}
    ),
)
#: One table: whatever its names are, each value is a whole.
TABLE: Final = Layout(opened=frozenset({()}), streamed=frozenset())
#: One list of such.
LIST: Final = Layout(opened=frozenset(), streamed=frozenset({()}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """One element of a streamed list, or one whole value of an opened table."""

    key: tuple[str, ...]  #: the way to the value, or to the list that has the element; () at the top
    value: Json
    place: Place
    places: Mapping[Path, tuple[int, int]] = field(default_factory=dict)  #: of what is inside the value
    is_element: bool = False
    wrong: tuple[Problem, ...] = ()  #: what is wrong within the value, which is not to be used then
