"""
Four calls of S3, by path: HeadObject, GetObject and PutObject of ``/BUCKET/KEY``, ListObjectsV2 of a bucket.

What belongs here: reading them, and writing answers and refusals. What does not: what there is (``storage``),
and what can go wrong with a call (``server``).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, quote, unquote
from xml.sax.saxutils import escape

from batchrun.simulator.refusal import RefusalError
from batchrun.simulator.storage import Asker, StoredObject
from batchrun.simulator.wire import COMMON_ERRORS, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping

    from batchrun.simulator.storage import Listing, Storage
    from batchrun.simulator.wire import Inquiry

_XML = {"Content-Type": "application/xml"}
_NAMESPACE = "http://s3.amazonaws.com/doc/2006-03-01/"
_MOST = 1000
_OF_OBJECTS = {"HEAD": "HeadObject", "GET": "GetObject", "PUT": "PutObject"}
_LIST = "ListObjectsV2"
#: What the names of an object's own metadata begin with.
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
    """One of them."""

    def __init__(self, inquiry: Inquiry, region: str, storage: Storage) -> None:
        """Take apart a call that is signed for *region*."""
        method = inquiry.method
        self._inquiry, self._region, self._storage = inquiry, region, storage
        self.bucket, _, self.key = unquote(inquiry.path).lstrip("/").partition("/")
        self._is_known = self.bucket != "" and (method in _OF_OBJECTS if self.key else method == "GET")
        self.name = _OF_OBJECTS.get(method, _LIST) if self.key else _LIST

    def parse(self) -> dict[str, Any]:
        """
        Read the call.

        Raises:
            RefusalError: it is another one.
        """
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
        """Say what there is. Raises RefusalError where S3 would not say."""
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
        """Write an error answer; that to a HEAD has no body to say why."""
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
        "Content-Length": str(
            len(found.content)
        ),  # without it, a client takes a HEAD's end for the connection's
    }
    return dict(found.told) | {name: value for name, value in told.items() if value is not None}


def _told(headers: Mapping[str, str]) -> dict[str, str]:
    """Take what S3 keeps of the headers that an object is written with."""
    return {name: value for name, value in headers.items() if name == "content-type" or name.startswith(_OWN)}


def _written(bucket: str, page: Listing, *, is_quoted: bool) -> bytes:
    keys = map(quote if is_quoted else escape, page.keys)  # XML has no way to say most control characters
    items = "".join(f"<Contents><Key>{key}</Key></Contents>" for key in keys)
    more = page.following is not None
    token = f"<NextContinuationToken>{escape(str(page.following))}</NextContinuationToken>" if more else ""
    head = f"<Name>{escape(bucket)}</Name><KeyCount>{len(page.keys)}</KeyCount>"
    cut = f"<IsTruncated>{'true' if more else 'false'}</IsTruncated>"
    coding = "<EncodingType>url</EncodingType>" if is_quoted else ""
    told = f"{head}{coding}{cut}{token}{items}"
    return f'<ListBucketResult xmlns="{_NAMESPACE}">{told}</ListBucketResult>'.encode()
