"""
Rows on their way out: what the writers of all formats agree on.

Belongs here: a row to write, what all rows have in common, and text that reading takes back as it was. Does
not: any format (``write``, ``delimited_text``, ``yaml_text``, ``native``).
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

#: Tables whose entries merge with those of the defaults, so that each entry may be shared by itself.
_MERGED: Final = ("parameters", "tags", "engineSettings")
_Shared = dict[tuple[str, str | None], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenRow:
    """One row to write: texts mean what they say, and braces in them are no placeholders."""

    id: str
    fields: Mapping[str, Json]  #: StartRun fields


@dataclass(frozen=True, slots=True, kw_only=True)
class WrittenLanes:
    """What a manifest has besides rows where there are lanes."""

    table: Mapping[str, Json]  #: of lanes; empty where another file has them
    texts: Mapping[str, Json]  #: fields that stand among the defaults with their placeholders


NO_LANES: Final = WrittenLanes(table={}, texts={})
#: Gives the rows, from the first; called more than once, since some formats must know all before they begin.
WrittenRows: TypeAlias = Callable[[], Iterable[WrittenRow]]


def row_of(spec: Spec, batch: str | None) -> WrittenRow:
    """Return a spec as a row; a name that follows from *batch*, which will be the manifest's, is left out."""
    fields: dict[str, Json] = json.loads(spec.request)
    if batch is not None and fields.get("name") == default_name(batch, spec.id):
        del fields["name"]
    return WrittenRow(id=spec.id, fields=fields)


def shared_fields(rows: WrittenRows) -> dict[str, Json]:
    """Return what every row has alike; nothing where there is only one."""
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
    """Return what a row still has to say where *shared* is said for all."""
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
    """Return each value as text, for 1, 1.0 and true are equal to Python."""
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
    """Return a value whose texts, once their placeholders are filled in, are those of *value*."""
    if isinstance(value, str):
        return escaped(value)
    if isinstance(value, dict):
        return {key: as_written(part) for key, part in value.items()}
    return [as_written(part) for part in value] if isinstance(value, list) else value


def json_text(value: Json, *, indent: int | None = None) -> str:
    """Return JSON that every reader of ours takes: a DEL, which Python leaves as it is, is escaped too."""
    return json.dumps(value, ensure_ascii=False, indent=indent).replace("\x7f", "\\u007f")


def unsayable(source: str, row: WrittenRow, field: str, message: str, cure: str) -> Problem:
    """Build the problem for what a format cannot say."""
    return problem_at(Place(source=source), message, cure, row=row.id, field=field)
