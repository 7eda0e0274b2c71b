"""Rows to be written: what the writers of all formats share.

Belongs here: a row to write, what all rows have in common, and text that is read back as it was. Does not:
any format (``write``, ``delimited_text``, ``yaml_text``, ``native``).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from batchrun.errors import Problem
from batchrun.manifest.placeholders import escaped
from batchrun.manifest.problems import Place, problem_at
from batchrun.model.spec import Json, Spec, default_name

#: Tables that merge with those of the defaults, so that each entry can be shared by itself.
_MERGED: Final = ("parameters", "tags", "engineSettings")
_Shared = dict[tuple[str, str | None], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRow:
    """One row to write; braces in its texts are not placeholders."""

    id: str
    fields: Mapping[str, Json]  #: StartRun fields


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLanes:
    """What a manifest with lanes has besides rows."""

    table: Mapping[str, Json]  #: of lanes; empty if another file has them
    texts: Mapping[str, Json]  #: fields that are written into the defaults with their placeholders


NO_LANES: Final = WrittenLanes(table={}, texts={})
#: Returns the rows, from the first; called more than once, since some formats must know all of them first.
WrittenRows: TypeAlias = Callable[[], Iterable[WrittenRow]]


def row_of(spec: Spec, batch: str | None) -> WrittenRow:
    """Return a spec as a row; a name that follows from *batch*, the manifest's, is left out."""
    fields: dict[str, Json] = json.loads(spec.request)
    if batch is not None and fields.get("name") == default_name(batch, spec.id):
        del fields["name"]
    return WrittenRow(id=spec.id, fields=fields)


def shared_fields(rows: WrittenRows) -> dict[str, Json]:
    """Return the fields that all rows share; none if there is only one row."""
    shared: _Shared | None = None
    count = 0
    for count, row in enumerate(rows(), start=1):  # noqa: B007 (it is needed after the loop)
        found = _flat(row.fields)
        shared = (
            found if shared is None else {at: text for at, text in shared.items() if found.get(at) == text}
        )
        if not shared:
            return {}
    return _nested(shared or {}) if count > 1 else {}


def without(fields: Mapping[str, Json], shared: Mapping[str, Json]) -> dict[str, Json]:
    """Return a row's fields without those that are in *shared*."""
    rest: dict[str, Json] = {}
    for name, value in fields.items():
        common = shared.get(name)
        if name in _MERGED and isinstance(value, dict) and isinstance(common, dict):
            value = {key: part for key, part in value.items() if key not in common}  # noqa: PLW2901
            if value:
                rest[name] = value
        elif name not in shared:
            rest[name] = value
    return rest


def _flat(fields: Mapping[str, Json]) -> _Shared:
    """Return each value as text, since 1, 1.0 and true are equal in Python."""
    flat: _Shared = {}
    for name, value in fields.items():
        if name in _MERGED and isinstance(value, dict) and value:
            flat |= {(name, key): json.dumps(part, sort_keys=True) for key, part in value.items()}
        else:
            flat[name, None] = json.dumps(value, sort_keys=True)
    return flat


def _nested(shared: _Shared) -> dict[str, Json]:
    fields: dict[str, Json] = {}
    for (name, key), text in shared.items():
        if key is None:
            fields[name] = json.loads(text)
        elif isinstance(table := fields.setdefault(name, {}), dict):
            table[key] = json.loads(text)
    return fields


def as_written(value: Json) -> Json:
    """Return *value* escaped, so that filling in placeholders gives *value* again."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict):
        return {key: as_written(part) for key, part in value.items()}
    return [as_written(part) for part in value] if isinstance(value, list) else value


def json_text(value: Json, *, indent: int | None = None) -> str:
    """Return JSON that batchrun reads in any format: DEL, which Python leaves as it is, is escaped too."""
    return json.dumps(value, ensure_ascii=False, indent=indent).replace("\x7f", "\\u007f")


def unsayable(source: str, row: WrittenRow, field: str, message: str, cure: str) -> Problem:
    """Return the problem for what a format cannot express."""
    return problem_at(Place(source=source), message, cure, row=row.id, field=field)
