"""
A table of lanes, as ``lanes:`` of a manifest or a file for ``--lanes`` has it.

    lanes:
      east: {region: us-east-1, profile: lab, account: "111111111111"}
      west: {region: us-west-2, role: arn:aws:iam::222222222222:role/launcher, set: {workflowId: "7654321"}}

Belongs here: the table as a whole, and finding it in a file. Does not: one lane's keys (``lane``), which
table holds where there are two (``given``).
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.defaults import table
from batchrun.manifest.lanes.lane import KEYS, SET, LaneReader, wrong_name
from batchrun.manifest.problems import Record, instead, shown, unreadable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.manifest.model_check import RequestModel
    from batchrun.manifest.problems import Problems
    from batchrun.manifest.source import Beyond
    from batchrun.model.lanes import Lane
    from batchrun.model.spec import Json

LANES: Final = "lanes"
#: What only a manifest has.
_ROWS: Final = "runs"
_SHAPE: Final = "write a table of lanes, such as east: {region: us-east-1}"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTable:
    """The lanes that rows may take, in their order: a row that does not say takes the first."""

    lanes: tuple[Lane, ...] = ()
    sets: Mapping[str, Record] = field(default_factory=dict)  #: StartRun fields by lane, not yet checked
    source: str | None = None  #: the file that has them, where it is not the manifest's own

    @property
    def names(self) -> tuple[str, ...]:
        """Their names; none where nobody can tell them, which was said."""
        return tuple(lane.name for lane in self.lanes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTexts:
    """What rows are given where there are lanes, as it stands before anything is filled in."""

    shared: Mapping[str, Json]  #: whatever the lane
    sets: Mapping[str, Mapping[str, Json]]  #: by lane, over that
    source: str | None  #: the file that has the lanes, where they are not the manifest's own


def lanes_in(
    record: Record, model: RequestModel, problems: Problems, *, source: str | None = None
) -> LaneTable:
    """
    Read a table of lanes; what is wrong becomes problems, and a lane is left with what is not.

    Args:
        record: The table, with the lanes' names as its fields.
        model: What StartRun takes.
        problems: Takes what is wrong.
        source: The file that the user gave for it; None for a manifest, which may come from anybody.
    """
    names = list(record.fields)[: limits.LANES]
    if not names:
        problems.add(record.place, "there are no lanes", _SHAPE, field=LANES)
    if len(record.fields) > limits.LANES:
        message = f"there are {len(record.fields)} lanes"
        problems.add(record.place, message, f"use at most {limits.LANES}", field=LANES)
    lanes, sets = [], {}
    for name in names:
        if wrong := wrong_name(name):
            problems.add(record.place_of((name,)), *wrong, field=LANES)
        own = _table_of(record, (name,), f"{LANES}.{name}", problems)
        reader = LaneReader(name, own, problems, is_shared=source is not None)
        lanes.append(reader.lane())
        _check_keys(own, reader, model, problems)
        if SET in own.fields:
            sets[name] = _table_of(own, (SET,), f"{LANES}.{name}.{SET}", problems)
    return LaneTable(lanes=tuple(lanes), sets=sets, source=source)


def _table_of(record: Record, path: tuple[str, ...], field: str, problems: Problems) -> Record:
    """Return a table within a record as one; an empty one where it is none, which becomes a problem."""
    value, place = record.fields[path[-1]], record.place_of(path)
    if not isinstance(value, dict):
        problems.add(place, f"{shown(value)} is not a table", "write names and values", field=field)
        value = {}
    depth = len(path)
    places = {at[depth:]: found for at, found in record.places.items() if at[:depth] == path and at != path}
    return Record(fields=value, place=place, places=places)


def _check_keys(own: Record, reader: LaneReader, model: RequestModel, problems: Problems) -> None:
    for key in own.fields:
        if key in KEYS:
            continue
        cure = f"use {', '.join(KEYS)}"
        if key in model.fields:
            cure = f"put it under {SET}: {key} is a field of StartRun"
        elif problems.total < limits.PROBLEMS:
            cure = instead(key, KEYS, cure)
        reader.report(key, "a lane has no such key", cure)


def lanes_of_file(path: str, beyond: Beyond, model: RequestModel, problems: Problems) -> LaneTable:
    """
    Return the lanes of a file: of its key ``lanes``, or of the whole of it.

    Raises:
        ManifestError: It cannot be read, or is no table.
    """
    found = table(path, "lanes are", _SHAPE, problems, beyond=beyond)
    if LANES not in found.fields:
        return lanes_in(found, model, problems, source=path)
    for name in found.fields:
        if name != LANES:
            message = f"{shown(name)} stands beside {LANES}"
            cure = f"leave {LANES} alone in the file, or give the lanes themselves at the top"
            problems.add(found.place_of((name,)), message, cure, field=name)
    return _named(found, model, problems, path)


def lanes_beside_rows(path: str, beyond: Beyond, model: RequestModel, problems: Problems) -> LaneTable:
    """
    Return the same of a file that may be a manifest, where nobody is called: whatever else is in it.

    Raises:
        ManifestError: It cannot be read, or is no table.
    """
    found = table(path, "lanes are", _SHAPE, problems, beyond=beyond)
    if LANES in found.fields:
        return _named(found, model, problems, path)
    if _ROWS in found.fields:
        raise unreadable(found.place, "the manifest has no lanes", _SHAPE, field=LANES)
    return lanes_in(found, model, problems, source=path)


def _named(found: Record, model: RequestModel, problems: Problems, path: str) -> LaneTable:
    own = _table_of(found, (LANES,), LANES, problems)
    if own.fields is not found.fields[LANES]:
        return LaneTable(source=path)
    return lanes_in(replace(own, place=found.place_of((LANES,))), model, problems, source=path)
