"""
Objects in S3, and who may look at them: buckets, their regions, their classes of storage.

What belongs here: what there is, and what S3 says of it. What does not: its wire format (``s3``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from dataclasses import dataclass, field
from hashlib import md5
from typing import TYPE_CHECKING

from batchrun.simulator.refusal import RefusalError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object."""

    content: bytes = b"\0"
    told: Mapping[str, str] = field(default_factory=dict)  #: headers that it was written with
    storage_class: str = "STANDARD"
    archive_status: str | None = None  #: of INTELLIGENT_TIERING: ARCHIVE_ACCESS or DEEP_ARCHIVE_ACCESS
    restore: str | None = None  #: as in ``x-amz-restore``: ``ongoing-request="true"``

    @property
    def etag(self) -> str:
        """What tells its content from others, as S3 writes it."""
        return f'"{md5(self.content, usedforsecurity=False).hexdigest()}"'

    @property
    def is_away(self) -> bool:
        """Whether it has to be brought back before it can be read."""
        is_back = 'ongoing-request="false"' in (self.restore or "")
        return self.archive_status is not None or (self.storage_class in _ARCHIVED and not is_back)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBucket:
    """A bucket, and what callers may do with it."""

    name: str
    objects: Mapping[str, StoredObject] = field(default_factory=dict)
    region: str | None = "us-east-1"  #: None: nobody said, so it is where it is asked for
    may_list: bool = True
    may_read: bool = True
    may_write: bool = True
    requester_pays: bool = False  #: whoever does not say that he pays is refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, as far as S3 cares."""

    region: str  #: that the request is signed for
    pays: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A page of keys."""

    keys: Sequence[str]
    following: str | None  #: what to ask for the next page with


class Storage:
    """All buckets that there are, whosever they are."""

    def __init__(self, buckets: Sequence[StoredBucket]) -> None:
        self._buckets = {bucket.name: bucket for bucket in buckets}
        self._objects = {bucket.name: dict(bucket.objects) for bucket in buckets}
        self._keys = {bucket.name: sorted(bucket.objects) for bucket in buckets}

    def region(self, bucket: str) -> str | None:
        """Say where a bucket is; None where there is none, or nobody said. S3 tells that to everybody."""
        found = self._buckets.get(bucket)
        return None if found is None else found.region

    def head(self, bucket: str, key: str, asker: Asker) -> StoredObject:
        """
        Look at an object.

        Raises:
            RefusalError: it is not there, or may not be looked at: without s3:ListBucket both look alike.
        """
        found = self._entered(bucket, asker)
        if not found.may_read:
            raise _denied()
        if key not in self._objects[bucket]:
            raise (
                RefusalError("NoSuchKey", "The specified key does not exist.")
                if found.may_list
                else _denied()
            )
        return self._objects[bucket][key]

    def read(self, bucket: str, key: str, asker: Asker) -> StoredObject:
        """
        Look at an object of which the content is wanted.

        Raises:
            RefusalError: it may not be looked at, or cannot be read now.
        """
        found = self.head(bucket, key, asker)
        if found.is_away:
            raise RefusalError(
                "InvalidObjectState", "The operation is not valid for the object's storage class"
            )
        return found

    def write(self, bucket: str, key: str, made: StoredObject, asker: Asker, *, replaces: bool) -> None:
        """
        Put an object in its place.

        Raises:
            RefusalError: it may not be written, or one is there and nothing is to be replaced.
        """
        if not self._entered(bucket, asker).may_write:
            raise _denied()
        objects = self._objects[bucket]
        if key in objects and not replaces:
            raise RefusalError("PreconditionFailed", "At least one of the pre-conditions did not hold")
        if key not in objects:
            insort(self._keys[bucket], key)
        objects[key] = made

    def publish(self, bucket: str, objects: Mapping[str, StoredObject]) -> None:
        """Put what a run has made into its place; a bucket that nobody spoke of is there from then on."""
        if bucket not in self._buckets:
            self._buckets[bucket] = StoredBucket(name=bucket, region=None)
            self._objects[bucket], self._keys[bucket] = {}, []
        for key, made in objects.items():
            if key not in self._objects[bucket]:
                insort(self._keys[bucket], key)
            self._objects[bucket][key] = made

    def listing(self, bucket: str, prefix: str, most: int, token: str, asker: Asker) -> Listing:
        """
        List *most* keys that begin with *prefix*, from *token* on.

        Raises:
            RefusalError: there is no such bucket, or it may not be listed.
        """
        found = self._entered(bucket, asker)
        if not found.may_list:
            raise _denied()
        keys = self._keys[bucket]
        begin = bisect_left(keys, max(prefix, token))
        page = [key for key in keys[begin : begin + most + 1] if key.startswith(prefix)]
        return Listing(keys=page[:most], following=page[most] if len(page) > most else None)

    def _entered(self, bucket: str, asker: Asker) -> StoredBucket:
        found = self._buckets.get(bucket)
        if found is None:
            raise RefusalError("NoSuchBucket", "The specified bucket does not exist")
        if found.region not in {None, asker.region}:
            message = (
                "The bucket you are attempting to access must be addressed using the specified endpoint."
            )
            raise RefusalError("PermanentRedirect", message)
        if found.requester_pays and not asker.pays:
            raise _denied()
        return found


def _denied() -> RefusalError:
    return RefusalError("AccessDenied", "Access Denied")
