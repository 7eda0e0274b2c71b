"""
AWS's own batch settings, as StartRunBatch takes them, in our words.

Belongs here: the few names that differ, and what has no counterpart. Does not: reading the document.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from batchrun.manifest.problems import Record

if TYPE_CHECKING:
    from collections.abc import Collection

    from batchrun.manifest.problems import Problems

_RENAMED: Final = {"runSettingId": "id", "runTags": "tags"}
_OWNER: Final = "outputBucketOwnerId"


def translated(record: Record, known: Collection[str], problems: Problems) -> Record:
    """Return a run setting, or the default one, as a row or as defaults."""
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
        fields={_RENAMED.get(name, name): value for name, value in fields.items()},
        place=record.place,
        places={
            (_RENAMED.get(str(path[0]), path[0]), *path[1:]): place for path, place in record.places.items()
        },
    )


def is_native(record: Record) -> bool:
    """Report whether a row is one of AWS's run settings."""
    return "runSettingId" in record.fields and "id" not in record.fields
