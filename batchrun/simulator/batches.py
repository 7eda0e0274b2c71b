"""The batches of StartRunBatch with their rows, how they are found, and which fields a request has where.

Belongs here: rules about a batch and its settings file, and making a StartRun of a row. A file that cannot
be read is refused at once; the batch fails later if the file holds no settings, or has changed since the
batch was accepted. Does not: rules of StartRun itself (``requests``), when a batch changes
(``batch_course``), what callers see of it (``answers``).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from batchrun.simulator import requests
from batchrun.simulator.buckets import Buckets
from batchrun.simulator.faults import Fault, FaultBook, RowFault
from batchrun.simulator.lifecycle import BatchStatus, SubmissionStatus
from batchrun.simulator.refusal import RefusalError, invalid
from batchrun.simulator.runs import Run, Timetable
from batchrun.simulator.s3 import Asker, Storage, StoredObject
from batchrun.simulator.settings import Settings, Workflow
from batchrun.simulator.wire import json_array, members_of, shape_check

Params = Mapping[str, Any]

_FIRST_ID = 2_000_001


@dataclass(slots=True, kw_only=True, eq=False)
class Row:
    """One run that a batch is to start. Times are loop time."""

    place: int  #: index in its batch, from 0
    setting: Mapping[str, Any]  #: as given in the request or file
    tries: int = 0  #: how often it was tried
    status: SubmissionStatus | None = None
    reason: str = ""  #: the code of the refusal
    message: str = ""
    run: Run | None = None
    settled: float = math.inf  #: when it became a run or was given up
    shown: float = math.inf  #: time from which it is listed

    @property
    def setting_id(self) -> str:
        """Its runSettingId."""
        return str(self.setting["runSettingId"])


@dataclass(slots=True, kw_only=True, eq=False)
class Batch:
    """One batch. Times are loop time."""

    serial: int  #: place in the order of creation, from 0
    id: str
    uuid: str
    request: Mapping[str, Any]  #: the StartRunBatch that created it
    created: float
    tags: dict[str, str]
    file: SettingsFile | None = None  #: has its rows, if they are not in the request
    rows: Sequence[Row] = ()  #: empty until they are read
    status: BatchStatus = BatchStatus.CREATING
    waiting: int = 0  #: rows that are not settled
    going: int = 0  #: runs that have not ended
    is_swept: bool = True  #: whether every run to be cancelled was tried
    done: Counter[SubmissionStatus] = field(default_factory=Counter)  #: how often rows reached each
    submitted: float | None = None  #: when every row was settled
    processed: float | None = None  #: when every run had ended
    failed: float | None = None
    failure: str | None = None  #: why it failed
    deleted: float | None = None
    by_setting: dict[str, Row] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """Its name; empty if it has none."""
        return str(self.request.get("batchName", ""))

    @property
    def default(self) -> Mapping[str, Any]:
        """The settings that its runs have in common."""
        common: Mapping[str, Any] = self.request["defaultRunSetting"]
        return common

    def fill(self, settings: Sequence[Mapping[str, Any]]) -> None:
        """Set the rows."""
        self.rows = [Row(place=place, setting=setting) for place, setting in enumerate(settings)]
        self.by_setting = {row.setting_id: row for row in self.rows}
        self.waiting = len(self.rows)

    @property
    def total(self) -> int | None:
        """Number of rows; None until they are read."""
        inline = self.request["batchRunSettings"].get("inlineSettings")
        return len(self.rows) or (None if inline is None else len(inline))

    def note(self, row: Row, status: SubmissionStatus, reason: str = "", message: str = "") -> None:
        """Record the outcome of the last step for *row*."""
        self.done[status] += 1
        row.status, row.reason, row.message = status, reason, message


class BatchShelf:
    """All batches ever created, and those not deleted by id."""

    def __init__(self) -> None:
        self.history: list[Batch] = []
        self.by_id: dict[str, Batch] = {}

    def add(self, batch: Batch) -> None:
        """Store a new batch; its serial number is the length of the history."""
        self.history.append(batch)
        self.by_id[batch.id] = batch

    def remove(self, batch: Batch) -> None:
        """Remove a deleted batch; the history keeps it."""
        del self.by_id[batch.id]

    def next_id(self) -> str:
        """Return the id for the next batch; ids are never reused."""
        return str(_FIRST_ID + len(self.history))


#: Fields in which the default and a row are merged by key; in all others the row's value wins.
_MERGED = ("parameters", "runTags")
_MOST_ROWS = 100_000


def check_common(request: Params, workflow_of: Callable[[Params], Workflow]) -> None:
    """Check everything but the rows of a new batch. Raises RefusalError for the first broken rule."""
    default = request["defaultRunSetting"]
    settings = request["batchRunSettings"]
    _require_known(default, "DefaultRunSetting", "defaultRunSetting")
    if default.get("workflowType", "PRIVATE") != "PRIVATE":
        raise invalid("READY2RUN workflows cannot be run in a batch")
    if "cacheBehavior" in default and "cacheId" not in default:
        raise invalid("cacheBehavior needs a cacheId")
    if "outputUri" in default:
        requests.require_in_s3(default["outputUri"])
    requests.check_tags(request.get("tags", {}))
    requests.check_tags(default.get("runTags", {}))
    requests.require_active(workflow_of(default))
    if settings.keys() not in ({"inlineSettings"}, {"s3UriSettings"}):
        raise invalid("batchRunSettings must have exactly one of inlineSettings and s3UriSettings")
    require_unique(settings.get("inlineSettings", ()))


def require_unique(settings: Sequence[Params]) -> None:
    """Raise RefusalError unless every row has a runSettingId of its own."""
    seen = set()
    for place, setting in enumerate(settings, 1):
        name = setting.get("runSettingId")
        if not isinstance(name, str) or not name:
            raise invalid(f"entry {place} has no runSettingId")
        if name in seen:
            raise invalid(f"runSettingId {name} is there more than once")
        seen.add(name)


def start_of(default: Params, setting: Params) -> dict[str, Any]:
    """Return a row's StartRun, without requestId. Raises RefusalError if a field is unknown or missing."""
    _require_known(setting, "InlineSetting", f"the entry {setting['runSettingId']}")
    shape_check("InlineSetting")(setting)
    common, own = _given(default), _given(setting)
    merged = {name: {**common.get(name, {}), **own.get(name, {})} for name in _MERGED}
    request = {**common, **own, **{name: value for name, value in merged.items() if value}}
    request.pop("runSettingId")
    if "outputUri" not in request:
        raise invalid("outputUri must be given, by the row or for all")
    tags = request.pop("runTags", None)
    return request if tags is None else {**request, "tags": tags}


def _given(fields: Params) -> dict[str, Any]:
    """Return *fields* without those that are null, as the wire does for top-level fields."""
    return {name: value for name, value in fields.items() if value is not None}


def _require_known(given: Params, shape: str, place: str) -> None:
    if unknown := sorted(given.keys() - members_of(shape)):
        raise invalid(f"{', '.join(unknown)} cannot be given in {place} of a batch")


@dataclass(slots=True, kw_only=True)
class SettingsFile:
    """A settings file, as it was when its batch was accepted."""

    uri: str
    bucket: str
    key: str
    region: str  #: the caller's, from which it is read
    found: StoredObject  #: as seen last; the content is always the same

    def settings(self, storage: Storage) -> Sequence[Mapping[str, Any]]:
        """Read the rows. Raises RefusalError if the file has changed, or holds no settings."""
        self.require_same(storage)
        rows = json_array(self.found.content)
        if not 1 <= len(rows) <= _MOST_ROWS:
            raise invalid(f"{self.uri} has {len(rows)} entries; 1 to {_MOST_ROWS} are allowed")
        if not all(isinstance(row, dict) for row in rows):
            raise invalid(f"{self.uri} has entries that are not objects")
        require_unique(rows)
        return rows

    def require_same(self, storage: Storage) -> None:
        """Raise RefusalError if the file has changed, or can no longer be read."""
        now = _read(storage, self.bucket, self.key, self.region)
        if now is not self.found and now.etag != self.found.etag:
            raise invalid(f"{self.uri} was modified after the batch was submitted")
        self.found = now


def open_settings(uri: str, region: str, storage: Storage) -> SettingsFile:
    """Find the file at *uri*. Raises RefusalError if it is missing or cannot be read."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    if not uri.startswith("s3://") or not bucket or not key:
        raise invalid("s3UriSettings must be s3://BUCKET/KEY")
    found = _read(storage, bucket, key, region)
    return SettingsFile(uri=uri, bucket=bucket, key=key, region=region, found=found)


def _read(storage: Storage, bucket: str, key: str, region: str) -> StoredObject:
    try:
        return storage.read(bucket, key, Asker(region=region, pays=False))
    except RefusalError as error:
        raise invalid(f"s3://{bucket}/{key} cannot be read: {error.code}") from error


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """One account in one Region. Its actions may raise RefusalError, as calls do."""

    settings: Settings
    timetable: Timetable
    buckets: Buckets
    faults: FaultBook
    storage: Storage
    start: Callable[[Params, Batch, Row, float], Run]  #: starts a row's run at a time
    cancel: Callable[[Run, float], None]
    delete: Callable[[Run, float], None]
    workflow_of: Callable[[Params], Workflow]  #: finds the workflow that a StartRun names

    def struck(self, step: str, batch: Batch, row: Row) -> RowFault | None:
        """Return a row's fault in a step such as SubmitRow, or None. Raises RefusalError for an error."""
        name = str(row.setting.get("name") or batch.default.get("name") or "")
        fault = self.faults.choose(step, f"{batch.uuid}/{row.setting_id}", name)
        if isinstance(fault, RowFault):
            return fault
        if fault != Fault.PASS:
            raise RefusalError(str(fault), f"{fault}, by the simulator's settings")
        return None
