"""
The settings of many rows in a file in S3, which the service reads for itself.

The caller is told at once where it cannot be read; the batch fails where it turns out to be something else,
or is not what it was when the batch was accepted.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from batchrun.simulator.batch_rules import require_unique
from batchrun.simulator.refusal import RefusalError, invalid
from batchrun.simulator.storage import Asker
from batchrun.simulator.wire import json_array

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from batchrun.simulator.storage import Storage, StoredObject

_MOST_ROWS = 100_000


@dataclass(slots=True, kw_only=True)
class SettingsFile:
    """A file, as it was when its batch was accepted."""

    uri: str
    bucket: str
    key: str
    region: str  #: from which it is read
    found: StoredObject  #: the last that was seen; its content never differs

    def settings(self, storage: Storage) -> Sequence[Mapping[str, Any]]:
        """
        Read the rows.

        Raises:
            RefusalError: it is another file by now, or not one of settings.
        """
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
    """
    Find the file at *uri*.

    Raises:
        RefusalError: there is none that may be read.
    """
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
