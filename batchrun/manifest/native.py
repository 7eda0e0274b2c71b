"""AWS's own batch settings, as StartRunBatch takes them: reading and writing them.

Belongs here: which field goes where, and what such a batch cannot express. Fields that only
``defaultRunSetting`` has must be the same in every row. Parameters and tags stay in the rows: how the service
merges them is not described well enough. Nothing is escaped, since AWS fills nothing in; so a text with a
placeholder of batchrun's cannot mean the same to both.
"""

from __future__ import annotations

import functools
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from typing import IO, Final

from batchrun.errors import ManifestError
from batchrun.manifest.parts import Record
from batchrun.manifest.problems import Problems, shown
from batchrun.manifest.written_rows import WrittenRow, WrittenRows, as_written, json_text, unsayable
from batchrun.model.spec import Json
from batchrun.model.submissions.grouping import INLINE
from batchrun.service_model import members_of

_OURS: Final = {"runSettingId": "id", "runTags": "tags"}
_OWNER: Final = "outputBucketOwnerId"


def translated(record: Record, known: Collection[str], problems: Problems) -> Record:
    """Return a run setting as a row, or the default setting as defaults."""
    fields = dict(record.fields)
    if _OWNER in fields and _OWNER not in known:
        place = record.place_of((_OWNER,))
        cure = "remove it, and pin the bucket's owner in the role's policy (s3:ResourceAccount)"
        row = fields.get("runSettingId")
        problems.add(
            place, "StartRun has no such field", cure, row=row if isinstance(row, str) else None, field=_OWNER
        )
        del fields[_OWNER]
    return Record(
        fields={_OURS.get(name, name): value for name, value in fields.items()},
        place=record.place,
        places={
            (_OURS.get(str(path[0]), path[0]), *path[1:]): place for path, place in record.places.items()
        },
    )


def is_native(record: Record) -> bool:
    """Report whether a row is one of AWS's run settings."""
    return "runSettingId" in record.fields and "id" not in record.fields


_THEIRS: Final = {"tags": "runTags"}
_BATCH_NAME: Final = 64


@dataclass(slots=True)
class _Survey:
    """What all rows have in common, and why they cannot be one batch."""

    source: str
    common: dict[str, Json] = field(default_factory=dict)
    first: str | None = None
    problems: Problems = field(default_factory=Problems)

    def add(self, row: WrittenRow) -> None:
        """Look at one row."""
        rows, defaults = _members()
        for name, value in row.fields.items():
            if wrong := _wrong(name, value, is_known=name in rows or name in defaults):
                self._refuse(row, name, *wrong)
        own = {name: value for name, value in row.fields.items() if name not in rows and name in defaults}
        self._compare(row, own)

    def _compare(self, row: WrittenRow, own: dict[str, Json]) -> None:
        if self.first is None:
            self.first, self.common = row.id, own
            for name in ("workflowId", "roleArn"):
                if name not in own:
                    missing = "it is missing, and a StartRunBatch needs it"
                    self._refuse(row, name, missing, "give it to every row")
            return
        for name in sorted(own.keys() | self.common.keys()):
            mine, theirs = own.get(name), self.common.get(name)
            if mine != theirs:
                message = f"{_said(mine)}, while row {shown(self.first)} has {_said(theirs)}"
                self._refuse(row, name, message, "a StartRunBatch has one for all: split the manifest by it")

    def _refuse(self, row: WrittenRow, field: str, message: str, cure: str) -> None:
        self.problems.extend([unsayable(self.source, row, field, message, cure)])


def _wrong(name: str, value: Json, *, is_known: bool) -> tuple[str, str] | None:
    """Return why no StartRunBatch can have a row's field, and the cure; None if it can."""
    if name == "workflowType" and value == "READY2RUN":
        return "a StartRunBatch takes no READY2RUN workflow", "launch these rows with batchrun"
    if as_written(value) != value:
        return "a text in it has braces that batchrun would fill in", "write it in another format"
    if not is_known:
        return "a StartRunBatch has no such field", "leave it out, or launch these rows with batchrun"
    return None


def _said(value: Json) -> str:
    return "none" if value is None else shown(value)


@functools.cache
def _members() -> tuple[frozenset[str], frozenset[str]]:
    """Return the fields of a run setting and of the default setting, by StartRun's names, from botocore."""
    ours = {native: name for name, native in _THEIRS.items()}
    rows, defaults = (
        frozenset(ours.get(name, name) for name in members_of(shape))
        for shape in ("InlineSetting", "DefaultRunSetting")
    )
    return rows, defaults


def survey(rows: WrittenRows, *, source: str) -> dict[str, Json]:
    """Return the default setting for the rows.

    Raises:
        ManifestError: The rows cannot be one batch; it has all reasons.
    """
    found = _Survey(source)
    for row in rows():
        found.add(row)
    found.problems.raise_any()
    return found.common


def write(rows: WrittenRows, out: IO[str], *, batch: str, common: Mapping[str, Json], source: str) -> None:
    """Write one StartRunBatch request, without a requestId; *common* comes from :func:`survey`.

    Raises:
        ManifestError: The batch's name is too long, or there are too many rows for a request.
    """
    _check_request(rows, batch, source)
    head: dict[str, Json] = {"batchName": batch, "defaultRunSetting": dict(common)}
    out.write(
        json_text(head, indent=2).removesuffix("\n}") + ',\n  "batchRunSettings": {\n    "inlineSettings": '
    )
    write_settings(rows, out, common=common)
    out.write("  }\n}\n")


def _check_request(rows: WrittenRows, batch: str, source: str) -> None:
    first = next(iter(rows()))
    count = sum(1 for _ in rows())
    if len(batch) > _BATCH_NAME:
        message = f"the batch's name has {len(batch)} characters"
        raise ManifestError(
            [unsayable(source, first, "batchName", message, f"give a shorter --batch: {_BATCH_NAME} at most")]
        )
    if count > INLINE:
        message = f"there are {count} rows, and one request takes {INLINE}"
        cure = "give --defaults-out FILE for the defaultRunSetting; the rows then become the file for S3"
        raise ManifestError([unsayable(source, first, "batchRunSettings", message, cure)])


def write_settings(rows: WrittenRows, out: IO[str], *, common: Mapping[str, Json]) -> None:
    """Write the rows as an array of settings, which StartRunBatch reads from S3."""
    mark = "["
    for row in rows():
        fields = {_THEIRS.get(name, name): value for name, value in row.fields.items() if name not in common}
        out.write(f"{mark}\n  {json_text({'runSettingId': row.id, **fields})}")
        mark = ","
    out.write("\n]\n")
