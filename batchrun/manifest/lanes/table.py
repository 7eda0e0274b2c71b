"""A table of lanes, in ``lanes:`` of a manifest or a file for ``--lanes``.

    lanes:
      east: {region: us-east-1, profile: lab, account: "111111111111"}
      west: {region: us-west-2, role: arn:aws:iam::222222222222:role/launcher, set: {workflowId: "7654321"}}

A manifest with a table of lanes is refused together with ``--lanes``: which account a lane means would not be
clear. A manifest whose ``lanes:`` is a list of names takes these lanes of ``--lanes``, in its own order.

Belongs here: the table as a whole, finding it in a file, and which table is used. Does not: one lane's keys
(``lane``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from batchrun.manifest import limits
from batchrun.manifest.defaults import table
from batchrun.manifest.lanes.lane import KEYS, SET, LaneReader, wrong_lane
from batchrun.manifest.lanes.naming import names_in
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.parts import Part, Record
from batchrun.manifest.problems import Problems, instead, printable, shown, unreadable
from batchrun.manifest.rules import start_run
from batchrun.manifest.source import Beyond
from batchrun.model.lanes import Lane
from batchrun.model.spec import Json
from batchrun.ports.objects import Objects

LANES: Final = "lanes"
_SHAPE: Final = "write a table of lanes, such as east: {region: us-east-1}"
_OPTION = "--lanes"


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTable:
    """The lanes that rows may take, in order; a row without ``lane`` takes the first."""

    lanes: tuple[Lane, ...] = ()
    sets: Mapping[str, Record] = field(default_factory=dict)  #: StartRun fields by lane, not yet checked
    source: str | None = None  #: the file they are from, if not the manifest

    @property
    def names(self) -> tuple[str, ...]:
        """Their names; none if the table had problems, which were reported."""
        return tuple(lane.name for lane in self.lanes)


@dataclass(frozen=True, slots=True, kw_only=True)
class LaneTexts:
    """What rows with lanes are given, before placeholders are filled in."""

    shared: Mapping[str, Json]  #: the same for all lanes
    sets: Mapping[str, Mapping[str, Json]]  #: by lane, merged over that
    source: str | None  #: the file that the lanes are from, if not the manifest


def lanes_in(
    record: Record, model: RequestModel, problems: Problems, *, source: str | None = None
) -> LaneTable:
    """Return the lanes of a table, without their keys that have problems.

    *source* is the file that the user gave with ``--lanes``; None for a manifest, which may be anybody's.
    """
    names = list(record.fields)[: limits.LANES]
    if not names:
        problems.add(record.place, "there are no lanes", _SHAPE, field=LANES)
    if len(record.fields) > limits.LANES:
        message = f"there are {len(record.fields)} lanes"
        problems.add(record.place, message, f"use at most {limits.LANES}", field=LANES)
    lanes, sets = [], {}
    for name in names:
        if wrong := wrong_lane(name):
            problems.add(record.place_of((name,)), *wrong, field=LANES)
        own = _table_of(record, (name,), f"{LANES}.{name}", problems)
        reader = LaneReader(name, own, problems, is_shared=source is not None)
        lanes.append(reader.lane())
        _check_keys(own, reader, model, problems)
        if SET in own.fields:
            sets[name] = _table_of(own, (SET,), f"{LANES}.{name}.{SET}", problems)
    return LaneTable(lanes=tuple(lanes), sets=sets, source=source)


def _table_of(record: Record, path: tuple[str, ...], field: str, problems: Problems) -> Record:
    """Return a table within a record as a record; an empty one, and a problem, if it is not a table."""
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
        elif problems.may_guess:
            cure = instead(key, KEYS, cure)
        reader.report(key, "a lane has no such key", cure)


def lanes_of_file(
    path: str, beyond: Beyond, model: RequestModel, problems: Problems, *, beside_rows: bool = False
) -> LaneTable:
    """Return the lanes of a file: of its key ``lanes``, or of all of it.

    With *beside_rows* it may be a manifest, whose other keys are ignored.

    Raises:
        ManifestError: It cannot be read, or is not a table.
    """
    found = table(path, "lanes are", _SHAPE, problems, beyond=beyond)
    if LANES not in found.fields:
        if beside_rows and "runs" in found.fields:
            raise unreadable(found.place, "the manifest has no lanes", _SHAPE, field=LANES)
        return lanes_in(found, model, problems, source=path)
    for name in () if beside_rows else (name for name in found.fields if name != LANES):
        cure = f"leave {LANES} alone in the file, or give the lanes themselves at the top"
        problems.add(found.place_of((name,)), f"{shown(name)} stands beside {LANES}", cure, field=name)
    own = _table_of(found, (LANES,), LANES, problems)
    if own.fields is not found.fields[LANES]:
        return LaneTable(source=path)
    return lanes_in(replace(own, place=found.place_of((LANES,))), model, problems, source=path)


def lanes_to_use(path: str, objects: Objects | None = None, *, beside_rows: bool = False) -> tuple[Lane, ...]:
    """Return the lanes of a file for ``--lanes``; with *beside_rows* also those of a manifest.

    Raises:
        ManifestError: It has none, or they have problems; it has all of them, up to a limit.
    """
    problems = Problems()
    found = lanes_of_file(path, Beyond(objects=objects), start_run(), problems, beside_rows=beside_rows)
    problems.raise_any()
    return found.lanes


def lanes_given(
    part: Part | None, path: str | None, beyond: Beyond, model: RequestModel, problems: Problems
) -> LaneTable | None:
    """Return the lanes that rows may take; None without lanes.

    *part* is the manifest's own ``lanes:``, *path* the file of ``--lanes``.

    Raises:
        ManifestError: The file cannot be read, or is not a table.
    """
    shared = None if path is None else lanes_of_file(path, beyond, model, problems)
    if part is None:
        return shared
    if part.wrong:
        return LaneTable()  # its problems are reported with those of all parts
    if isinstance(part.value, list):
        return _chosen(part, shared, problems)
    if shared is not None:
        message = f"the manifest has lanes, and {_OPTION} {printable(str(path), None)} gives others"
        cure = f"leave {_OPTION} out, or name in the manifest those that it takes: lanes: [east, west]"
        problems.add(part.place, message, cure, field=LANES)
        return LaneTable()
    if not isinstance(part.value, dict):
        message = f"{shown(part.value)} is not a table of lanes"
        problems.add(part.place, message, "write east: {region: us-east-1}", field=LANES)
        return LaneTable()
    return lanes_in(part.record(part.value), model, problems)


def _chosen(part: Part, shared: LaneTable | None, problems: Problems) -> LaneTable:
    names = names_in(part.value)
    if shared is None:
        message = "these are names of lanes, and nothing says what they are"
        cure = (
            f"give {_OPTION} FILE with a table of them, or write the table here: east: {{region: us-east-1}}"
        )
        problems.add(part.place, message, cure, field=LANES)
        return LaneTable()
    by_name = {lane.name: lane for lane in shared.lanes}
    unknown = next((name for name in names if name not in by_name), None)
    if unknown is not None or not names:
        what = "the list is empty" if unknown is None else f"there is no lane {shown(unknown)}"
        problems.add(part.place, f"{what} in {_OPTION}", _cure(unknown, shared.names), field=LANES)
        return shared
    chosen = dict.fromkeys(names)
    sets = {name: record for name, record in shared.sets.items() if name in chosen}
    return LaneTable(lanes=tuple(by_name[name] for name in chosen), sets=sets, source=shared.source)


def _cure(unknown: str | None, names: Sequence[str]) -> str:
    listed = f"it has {printable(', '.join(names), 300)}"
    return listed if unknown is None else instead(unknown, names, listed)


def led_to(rules: Sequence[Part], names: Sequence[str]) -> tuple[str, ...]:
    """Return the lanes of these *names* that rules of ``retry:`` lead to; problems are reported later."""
    found: dict[str, None] = {}
    for part in rules:
        change = part.value.get("change") if isinstance(part.value, dict) else None
        wanted = change.get("lane") if isinstance(change, dict) else None
        found |= dict.fromkeys(name for name in names_in(wanted) if name in names)
    return tuple(found)
