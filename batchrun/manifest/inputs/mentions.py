"""
The places that a row names, wherever they stand in its parameters.

Belongs here: the walk, lists, tables and JSON within text included. Does not: what a text is
(``texts``).
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from batchrun.manifest.inputs.texts import places_in
from batchrun.manifest.problems import dotted
from batchrun.ports.inputs import Kind, Place, Skip

if TYPE_CHECKING:
    from collections.abc import Iterator

    from batchrun.manifest.inputs.texts import Sort
    from batchrun.manifest.problems import Path
    from batchrun.model.spec import Json, Spec

#: The fields of StartRun that name what a run reads.
_FIELDS: Final = ("parameters", "parametersUri")
_PAYS: Final = "requesterPaysEnabled"
#: How parameters are called that say where a workflow is to write.
_OUTPUT: Final = re.compile(
    r"(?:.*[._-])?(?:out(?:put)?s?[_-]?(?:dir|directory|path|uri|prefix|folder)?|publish[_-]?dir)",
    re.IGNORECASE | re.DOTALL,
)
_JSON_BEGINS: Final = ("[", "{")


@dataclass(frozen=True, slots=True, kw_only=True)
class Mention:
    """A place that a row names."""

    text: str
    sort: Sort
    field: str  #: the way to it: ``parameters.reads[0]``
    pays: bool = False

    @property
    def place(self) -> Place | None:
        """What to look for; None where it is passed over."""
        if isinstance(self.sort, Skip):
            return None
        return Place(kind=self.sort, uri=self.text, pays=self.pays)


def mentions(spec: Spec, own_sheet: str | None = None) -> Iterator[Mention]:
    """
    Return each place that a row names, as often as it does.

    Args:
        spec: The row.
        own_sheet: The place of the sheet that batchrun writes for it.
    """
    request: dict[str, Json] = json.loads(spec.request)
    pays = request.get(_PAYS) is True
    for name in _FIELDS:
        for text, sort, path in _within(request.get(name), (name,)):
            skip = _skip(text, path, own_sheet) if isinstance(sort, Kind) else sort
            yield Mention(text=text, sort=skip or sort, field=dotted(path), pays=pays and skip is None)


def _skip(text: str, path: Path, own_sheet: str | None) -> Skip | None:
    """Return why a place in S3 is not looked for, as far as the row knows."""
    if text == own_sheet:
        return Skip.OWN_SHEET
    name = str(path[1]) if len(path) > 1 else ""
    return Skip.OUTPUT if _OUTPUT.fullmatch(name) else None


def _within(value: Json, path: Path, *, is_parsed: bool = False) -> Iterator[tuple[str, Sort, Path]]:
    match value:
        case str():
            inner = None if is_parsed else _parsed(value)
            if inner is not None:
                yield from _within(inner, path, is_parsed=True)
            else:
                yield from ((text, sort, path) for text, sort in places_in(value))
        case dict():
            for name, part in value.items():
                yield from _within(part, (*path, name), is_parsed=is_parsed)
        case list():
            for index, part in enumerate(value):
                yield from _within(part, (*path, index), is_parsed=is_parsed)
        case _:
            pass  # a number names no place


def _parsed(text: str) -> Json:
    """Return the list or table that a text is, where it is one and may name places; else None."""
    if not text.lstrip().startswith(_JSON_BEGINS) or "://" not in text:
        return None
    try:
        read: Json = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return read
