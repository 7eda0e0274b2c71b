"""
What may stand where in a StartRunBatch or its settings file, and the StartRun that a row amounts to.

The caller is told at once where the file cannot be read; the batch fails where it turns out to be something
else, or is not what it was when the batch was accepted.

What does not belong here: rules of StartRun itself (``admission``), and when a row is tried
(``batch_submission``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchrun.simulator import admission
from batchrun.simulator.refusal import RefusalError, invalid
from batchrun.simulator.storage import Asker
from batchrun.simulator.wire import json_array, members_of, shape_check

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from batchrun.simulator.settings import Workflow
    from batchrun.simulator.storage import Storage, StoredObject

    Params = Mapping[str, Any]

#: What the default's and a row's are put together from, key by key; all else a row replaces.
_MERGED = ("parameters", "runTags")
_S3 = "s3://"
_MOST_ROWS = 100_000


def check_common(request: Params, workflow_of: Callable[[Params], Workflow]) -> None:
    """
    Hold against the rules what is looked at before a batch is accepted: all but the rows.

    Raises:
        RefusalError: the first rule that is broken.
    """
    default = request["defaultRunSetting"]
    settings = request["batchRunSettings"]
    _require_known(default, "DefaultRunSetting", "defaultRunSetting")
    if default.get("workflowType", "PRIVATE") != "PRIVATE":
        raise invalid("READY2RUN workflows cannot be run in a batch")
    if "cacheBehavior" in default and "cacheId" not in default:
        raise invalid("cacheBehavior needs a cacheId")
    if not str(default.get("outputUri", _S3)).startswith(_S3):
        raise invalid("outputUri must be an S3 URI")
    admission.check_tags(request.get("tags", {}))
    admission.check_tags(default.get("runTags", {}))
    admission.require_active(workflow_of(default))
    if settings.keys() not in ({"inlineSettings"}, {"s3UriSettings"}):
        raise invalid("batchRunSettings must have exactly one of inlineSettings and s3UriSettings")
    require_unique(settings.get("inlineSettings", ()))


def require_unique(settings: Sequence[Params]) -> None:
    """
    See to it that every row has a runSettingId of its own.

    Raises:
        RefusalError: one has none, or that of another.
    """
    seen = set()
    for place, setting in enumerate(settings, 1):
        name = setting.get("runSettingId")
        if not isinstance(name, str) or not name:
            raise invalid(f"entry {place} has no runSettingId")
        if name in seen:
            raise invalid(f"runSettingId {name} is there more than once")
        seen.add(name)


def start_of(default: Params, setting: Params) -> dict[str, Any]:
    """
    Return the StartRun that a row amounts to, without its requestId.

    Raises:
        RefusalError: the row has what no row may have, or too little.
    """
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
    """Leave out what is null, as the wire does where a field stands by itself."""
    return {name: value for name, value in fields.items() if value is not None}


def _require_known(given: Params, shape: str, place: str) -> None:
    if unknown := sorted(given.keys() - members_of(shape)):
        raise invalid(f"{', '.join(unknown)} cannot be given in {place} of a batch")


@dataclass(slots=True, kw_only=True)
class SettingsFile:
    """A file, as it was when its batch was accepted."""

    uri: str
    bucket: str
    key: str
    region: str  #: from which it is read
    found: StoredObject  #: the last that was seen; its content never differs

    def settings(self, storage: Storage) -> Sequence[Mapping[str, Any]]:
        """Read the rows. Raises RefusalError where it is another file by now, or not one of settings."""
        self.require_same(storage)
        rows = json_array(self.found.content)
        if not 1 <= len(rows) <= _MOST_ROWS:
            raise invalid(f"{self.uri} has {len(rows)} entries; 1 to {_MOST_ROWS} are allowed")
        if not all(isinstance(row, dict) for row in rows):
            raise invalid(f"{self.uri} has entries that are not objects")
        require_unique(rows)
        return rows

    def require_same(self, storage: Storage) -> None:
        """
        See to it that the file has not changed.

        Raises:
            RefusalError: it has, or cannot be read any more.
        """
        now = _read(storage, self.bucket, self.key, self.region)
        if now is not self.found and now.etag != self.found.etag:
            raise invalid(f"{self.uri} was modified after the batch was submitted")
        self.found = now


def open_settings(uri: str, region: str, storage: Storage) -> SettingsFile:
    """Find the file at *uri*. Raises RefusalError where there is none that may be read."""
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
