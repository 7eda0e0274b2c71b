"""Writing rows with lanes so that they read as the same again.

A row has the fields that are the same in all of its lanes, and the lanes' names. What differs between lanes
came from the lanes' own fields or from the defaults, both of which are written as they were.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from batchrun.manifest.lanes.lane import SET
from batchrun.manifest.lanes.lane import written as written_lane
from batchrun.manifest.lanes.naming import BETWEEN
from batchrun.manifest.lanes.table import LaneTable, LaneTexts
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.problems import Path
from batchrun.manifest.written_rows import WrittenLanes, WrittenRow, row_of
from batchrun.model.entries.retrying import LANE
from batchrun.model.lanes import Lane, lanes_of, offers_of
from batchrun.model.spec import Json, Spec

_ABSENT: Final = object()


def laned_row(spec: Spec, batch: str | None) -> WrittenRow:
    """Return a spec as :func:`row_of` does, with the fields that are the same in all of its lanes."""
    row = row_of(spec, batch)
    if spec.offers is None:
        return row
    requests = [json.loads(offer.request) for offer in offers_of(spec.offers)]
    alike = _alike(requests)
    fields = {name: value for name, value in row.fields.items() if name in alike}
    fields |= {name: value for name, value in alike.items() if name in fields}
    return WrittenRow(id=row.id, fields={LANE: BETWEEN.join(lanes_of(spec.offers)), **fields})


def _alike(tables: Sequence[Mapping[str, Json]]) -> dict[str, Json]:
    """Return what all of the tables have in common."""
    first, *others = tables
    result: dict[str, Json] = {}
    for name, value in first.items():
        values = [value, *(table.get(name, _ABSENT) for table in others)]
        if value and all(isinstance(one, dict) for one in values):
            if inner := _alike(values):  # type: ignore[arg-type]  # narrowed by all()
                result[name] = inner
        elif all(_text(one) == _text(value) for one in values):
            result[name] = value
    return result


def _text(value: object) -> str | None:
    """Return a value as text, since 1, 1.0 and true are equal in Python."""
    return None if value is _ABSENT else json.dumps(value, sort_keys=True)


def _differing(specs: Iterable[Spec]) -> frozenset[str]:
    """Return the fields in which some row's requests differ between lanes."""
    found: set[str] = set()
    for spec in specs:
        first, *others = [json.loads(offer.request) for offer in offers_of(spec.content)] or [{}]
        for other in others:
            found |= {name for name in first.keys() | other.keys() if first.get(name) != other.get(name)}
    return frozenset(found)


def texts_of(table: LaneTable, shared: Mapping[str, Json], model: RequestModel) -> LaneTexts:
    """Return what rows are given, typed, before placeholders are filled in; all of it was checked."""
    sets = {name: _as_it_stands(record.fields, model) for name, record in table.sets.items()}
    return LaneTexts(shared=_as_it_stands(shared, model), sets=sets, source=table.source)


def _as_it_stands(fields: Mapping[str, Json], model: RequestModel) -> dict[str, Json]:
    context = _Unfilled()
    return {name: model.fields[name].check(value, (name,), context) for name, value in fields.items()}


class _Unfilled:
    """Leaves texts as they are; they were checked already."""

    def fill(self, text: str, path: Path) -> str:  # noqa: ARG002 (a context's)
        """Return the text as it is."""
        return text

    def report(self, path: Path, message: str, cure: str) -> None:
        """Ignore it: only unfilled text has this problem."""


def written_lanes(lanes: Sequence[Lane], texts: LaneTexts, specs: Iterable[Spec]) -> WrittenLanes:
    """Return the table that reads as these lanes, unless another file has it, and what belongs to it."""
    names = _differing(specs)
    table = {
        lane.name: written_lane(lane) | ({SET: {**texts.sets[lane.name]}} if lane.name in texts.sets else {})
        for lane in lanes
    }
    return WrittenLanes(
        table={**table} if texts.source is None else {},
        texts={name: value for name, value in texts.shared.items() if name in names},
    )
