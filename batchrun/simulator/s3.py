"""S3: buckets and their objects, who may read them, and four calls by path.

HeadObject, GetObject and PutObject of ``/BUCKET/KEY``, ListObjectsV2 of a bucket. Belongs here: stored
objects, reading calls, and writing answers and refusals. Does not: faults of calls (``server``).
"""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import md5
from typing import Any
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.wire import COMMON_ERRORS, Inquiry, Reply

_XML = {"Content-Type": "application/xml"}
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MOST = 1000
_OF_OBJECTS = {"HEAD": "HeadObject", "GET": "GetObject", "PUT": "PutObject"}
_LIST = "ListObjectsV2"
#: Prefix of the headers that hold an object's own metadata.
_OWN = "x-amz-meta-"
_STATUSES = COMMON_ERRORS | {
    "AccessDenied": 403,
    "ExpiredToken": 400,
    "InternalServerException": 500,
    "InvalidAccessKeyId": 403,
    "InvalidObjectState": 403,
    "NoSuchBucket": 404,
    "NoSuchKey": 404,
    "PermanentRedirect": 301,
    "PreconditionFailed": 412,
    "SlowDown": 503,
    "ThrottlingException": 503,
}


class ObjectCall:
    """One of the four calls."""

    def __init__(self, inquiry: Inquiry, region: str, storage: Storage) -> None:
        """Parse a call that is signed for *region*."""
        method = inquiry.method
        self._inquiry, self._region, self._storage = inquiry, region, storage
        self.bucket, _, self.key = unquote(inquiry.path).lstrip("/").partition("/")
        self._is_known = self.bucket != "" and (method in _OF_OBJECTS if self.key else method == "GET")
        self.name = _OF_OBJECTS.get(method, _LIST) if self.key else _LIST

    def parse(self) -> dict[str, Any]:
        """Read the call. Raises RefusalError if it is not one of these four."""
        if not self._is_known:
            raise RefusalError(
                "NotImplemented", f"Only {', '.join(_OF_OBJECTS.values())} and {_LIST} are here"
            )
        headers = self._inquiry.headers
        asked = dict(parse_qsl(self._inquiry.query, keep_blank_values=True))
        return {
            "asker": Asker(region=self._region, pays=headers.get("x-amz-request-payer") == "requester"),
            "made": StoredObject(content=self._inquiry.body, told=_told(headers)),
            "replaces": headers.get("if-none-match") != "*",
            "prefix": asked.get("prefix", ""),
            "most": min(_MOST, int(asked.get("max-keys", _MOST))),
            "token": asked.get("continuation-token", ""),
            "is_quoted": asked.get("encoding-type") == "url",
        }

    def answer(self, params: Mapping[str, Any]) -> Reply:
        """Return S3's answer. Raises RefusalError if S3 would refuse the call."""
        storage, where = self._storage, self._where()
        place, asker = (self.bucket, self.key), params["asker"]
        match self.name:
            case "HeadObject":
                return Reply(status=200, headers=where | _headers(storage.head(*place, asker)))
            case "GetObject":
                found = storage.read(*place, asker)
                return Reply(status=200, headers=where | _headers(found), body=found.content)
            case "PutObject":
                storage.write(*place, params["made"], asker, replaces=params["replaces"])
                return Reply(status=200, headers=where | {"ETag": params["made"].etag})
            case _:
                page = storage.listing(self.bucket, params["prefix"], params["most"], params["token"], asker)
                return Reply(
                    status=200,
                    headers=where | _XML,
                    body=_written(self.bucket, page, is_quoted=params["is_quoted"]),
                )

    def refusal(self, error: RefusalError) -> Reply:
        """Write an error answer; for a HEAD it has no body, so no reason."""
        where = self._where()
        told = f"<Code>{escape(error.code)}</Code><Message>{escape(error.message)}</Message>"
        status = _STATUSES.get(error.code, 400)
        if self._inquiry.method == "HEAD":
            return Reply(status=status, headers=where | {"Content-Length": "0"})
        return Reply(status=status, headers=where | _XML, body=f"<Error>{told}</Error>".encode())

    def _where(self) -> dict[str, str]:
        region = self._storage.region(self.bucket)
        return {} if region is None else {"x-amz-bucket-region": region}


def _headers(found: StoredObject) -> dict[str, str]:
    told = {
        "x-amz-storage-class": None if found.storage_class == "STANDARD" else found.storage_class,
        "x-amz-archive-status": found.archive_status,
        "x-amz-restore": found.restore,
        "ETag": found.etag,
        # Without it, a client reads the end of a HEAD as the connection's end.
        "Content-Length": str(len(found.content)),
    }
    return dict(found.told) | {name: value for name, value in told.items() if value is not None}


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    """Return those headers of a PutObject that S3 stores with the object."""
    return {name: value for name, value in headers.items() if name == "content-type" or name.startswith(_OWN)}


def _written(bucket: str, page: Listing, *, is_quoted: bool) -> bytes:
    keys = map(quote if is_quoted else escape, page.keys)  # XML cannot express most control characters
    items = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
    more = page.following is not None
    token = f"<NextContinuationToken>{escape(str(page.following))}</NextContinuationToken>" if more else ""
    head = f"<Name>{escape(bucket)}</Name><KeyCount>{len(page.keys)}</KeyCount>"
    cut = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    coding = "<EncodingType>url</EncodingType>" if is_quoted else ""
    told = f"{head}{coding}{cut}{token}{items}"
    return f'<ListBucketResult xmlns="{_NAMESPACE}">{told}</ListBucketResult>'.encode()


_ARCHIVED = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredObject:
    """An object."""

    content: bytes = b"\0"
    told: Mapping[str, str] = field(default_factory=dict)  #: headers stored with it
    storage_class: str = "STANDARD"
    archive_status: str | None = None  #: of INTELLIGENT_TIERING: ARCHIVE_ACCESS or DEEP_ARCHIVE_ACCESS
    restore: str | None = None  #: as in ``x-amz-restore``, such as ``ongoing-request="true"``

    @property
    def etag(self) -> str:
        """Its ETag, as S3 writes it."""
        return f'"{md5(self.content, usedforsecurity=False).hexdigest()}"'

    @property
    def is_away(self) -> bool:
        """Return whether it has to be restored before it can be read."""
        is_back = 'ongoing-request="false"' in (self.restore or "")
        return self.archive_status is not None or (self.storage_class in _ARCHIVED and not is_back)


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredBucket:
    """A bucket, and what callers may do with it."""

    name: str
    objects: Mapping[str, StoredObject] = field(default_factory=dict)
    region: str | None = "us-east-1"  #: None: not set, so every Region serves it
    may_list: bool = True
    may_read: bool = True
    may_write: bool = True
    requester_pays: bool = False  #: callers that do not agree to pay are refused


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """What S3 checks of a caller."""

    region: str  #: for which the request is signed
    pays: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """A page of keys."""

    keys: Sequence[str]
    following: str | None  #: token of the next page; None on the last


class Storage:
    """All buckets, of all accounts."""

    def __init__(self, buckets: Sequence[StoredBucket]) -> None:
        self._buckets = {bucket.name: bucket for bucket in buckets}
        self._objects = {bucket.name: dict(bucket.objects) for bucket in buckets}
        self._keys = {bucket.name: sorted(bucket.objects) for bucket in buckets}

    def region(self, bucket: str) -> str | None:
        """Return a bucket's region, which S3 tells any caller; None if unknown."""
        found = self._buckets.get(bucket)
        return None if found is None else found.region

    def head(self, bucket: str, key: str, asker: Asker) -> StoredObject:
        """Return an object. Raises RefusalError: denied or missing (denied too without s3:ListBucket)."""
        found = self._entered(bucket, asker)
        if not found.may_read:
            raise _denied()
        if key not in self._objects[bucket]:
            missing = RefusalError("NoSuchKey", "The specified key does not exist.")
            raise missing if found.may_list else _denied()
        return self._objects[bucket][key]

    def read(self, bucket: str, key: str, asker: Asker) -> StoredObject:
        """Return an object to read. Raises RefusalError as ``head`` does, and if it is archived."""
        found = self.head(bucket, key, asker)
        if found.is_away:
            raise RefusalError(
                "InvalidObjectState", "The operation is not valid for the object's storage class"
            )
        return found

    def write(self, bucket: str, key: str, made: StoredObject, asker: Asker, *, replaces: bool) -> None:
        """Store an object. Raises RefusalError if that is denied, or if it exists and not *replaces*."""
        if not self._entered(bucket, asker).may_write:
            raise _denied()
        objects = self._objects[bucket]
        if key in objects and not replaces:
            raise RefusalError("PreconditionFailed", "At least one of the pre-conditions did not hold")
        if key not in objects:
            insort(self._keys[bucket], key)
        objects[key] = made

    def publish(self, bucket: str, objects: Mapping[str, StoredObject]) -> None:
        """Store a run's files; create the bucket if it is unknown."""
        if bucket not in self._buckets:
            self._buckets[bucket] = StoredBucket(name=bucket, region=None)
            self._objects[bucket], self._keys[bucket] = {}, []
        for key, made in objects.items():
            if key not in self._objects[bucket]:
                insort(self._keys[bucket], key)
            self._objects[bucket][key] = made

    def listing(self, bucket: str, prefix: str, most: int, token: str, asker: Asker) -> Listing:
        """Return up to *most* keys with *prefix*, from *token* on. Raises RefusalError if that is denied."""
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
