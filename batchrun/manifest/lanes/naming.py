"""A row's ``lane``: a name, a list of names, or names with bars between them (``east|west``).

With lanes it is a field of rows, of defaults and of a rule's ``change``; without lanes it is a name like any
other.
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterator, Sequence
from typing import Final

from batchrun.manifest.model_check import Context, Field, FieldKind, RequestModel
from batchrun.manifest.problems import Path, instead, printable, shown, shown_instead
from batchrun.manifest.scalars import as_text
from batchrun.model.entries.retrying import LANE
from batchrun.model.spec import Json

#: Separates the names of lanes in one text.
BETWEEN: Final = "|"
_NAME: Final = re.compile(r"[\w.-]*")
#: Most characters of lane names in a message.
_LISTED: Final = 300


def with_lanes(model: RequestModel, names: Sequence[str]) -> RequestModel:
    """Return the model of a row with ``lane``, for lanes of these *names*.

    Without names, because the table has problems, any name is accepted: they are not the rows' problems.
    """
    return dataclasses.replace(model, fields={**model.fields, LANE: _field(names)})


def without_lanes(model: RequestModel) -> RequestModel:
    """Return the model of what a lane gives to its rows: a row without ``lane``."""
    fields = {name: field for name, field in model.fields.items() if name != LANE}
    return dataclasses.replace(model, fields=fields)


def _field(names: Sequence[str]) -> Field:
    listed = printable(", ".join(names), _LISTED)

    def check(value: Json, path: Path, context: Context) -> Json:
        found: dict[str, None] = {}
        for item in value if isinstance(value, list) else [value]:
            text = as_text(item)
            if text is None or not text.strip(f" {BETWEEN}"):
                context.report(
                    path, f"{shown_instead(item)} where a lane is wanted", f"the lanes are {listed}"
                )
                return None
            if "{" in text and (text := context.fill(text, path)) is None:
                return None
            found |= dict.fromkeys(_split(text))
        unknown = next((name for name in found if name not in names), None)
        if unknown is not None and names:
            context.report(path, f"there is no lane {shown(unknown)}", _cure(unknown, names, listed))
            return None
        if not found:
            context.report(path, "the list is empty", f"name a lane, or leave it out; the lanes are {listed}")
        return list(found)

    return Field(kind=FieldKind.TEXT, check=check)


def _cure(name: str, names: Sequence[str], listed: str) -> str:
    near = instead(name, names, "")
    if not _NAME.fullmatch(name):
        near = f"put {BETWEEN} between lanes, or write a list;"
    return f"{near} the lanes are {listed}".lstrip()


def _split(text: str) -> Iterator[str]:
    return filter(None, (name.strip() for name in text.split(BETWEEN)))


def names_in(value: Json) -> Sequence[str]:
    """Return the names in an unchecked value; anything else in it is ignored."""
    texts = (as_text(item) for item in (value if isinstance(value, list) else [value]))
    return [name for text in texts if text for name in _split(text)]
