"""
The rules for single texts, put together.

Belongs here: which of them a text is held against. Does not: the rules themselves.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.warned import characters, engine, spreadsheets, uris
from batchrun.manifest.warned.kinds import Kind

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import date

    from batchrun.manifest.warned.columns import Column
    from batchrun.manifest.warned.kinds import Doubt

_ID: Final = "id"
#: What is an error in an id, and told as one.
_WRONG_IN_ID: Final = frozenset({Kind.WHITE_SPACE, Kind.INVISIBLE})


def doubts(text: str, column: Column, today: date, *, is_cell: bool) -> Iterator[Doubt]:
    """
    Hold a text that is not empty against the rules; what it is is counted for the others of its column.

    Args:
        text: The text, as it stands.
        column: Where it is.
        today: By which versions are retired.
        is_cell: Whether it is a table's.
    """
    if len(text) > limits.LOOKED_AT:
        return
    for doubt in characters.doubts(text, is_cell=is_cell):
        if column.name != _ID or doubt.kind not in _WRONG_IN_ID:
            yield doubt
    bare = characters.bare(text)
    if bare:
        yield from _of_meaning(bare, column, today)


def _of_meaning(text: str, column: Column, today: date) -> Iterator[Doubt]:
    if error := spreadsheets.error(text):
        yield error
    elif column.is_parameter:
        yield from uris.doubts(text, column.company)
        if absent := spreadsheets.absent(text, column.company):
            yield absent
    if column.is_id and (found := spreadsheets.long_number(text) or spreadsheets.date(text)):
        yield found
    if column.name == engine.FIELD and (old := engine.retired(text, today)):
        yield old
