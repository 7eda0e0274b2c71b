"""Fetching a file from S3.

Belongs here: GetObject, limited in bytes and time, and its errors. Does not: which files, and what is in them
(``manifest``), objects that are only looked at (``object_calls``).
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial
from typing import IO, Any, Final, TypeVar

from botocore import exceptions as boto

from batchrun import errors
from batchrun.model.texts.foreign import shortened
from batchrun.model.texts.places import split_uri
from batchrun.service.calling.one_try import Waited, classified
from batchrun.service.classify import ELSEWHERE
from batchrun.service.login import Login
from batchrun.service.session import s3_client

T = TypeVar("T")
_OPERATION: Final = "GetObject"
#: Bytes that must arrive within the time for one answer.
_PIECE: Final = 64 * 1024
_MIB: Final = 1024 * 1024
#: S3's codes for objects that are missing or unreadable: the message, and the cure.
_NOT_THERE: Final = {
    "NoSuchKey": ("there is no such object in S3", "check the key, letter by letter"),
    "NoSuchBucket": ("there is no such bucket", "check its name"),
    "InvalidObjectState": (
        "it is archived, and cannot be read",
        "restore it first (aws s3api restore-object)",
    ),
}


async def fetch(login: Login, uri: str, copy: IO[bytes], *, most: int) -> None:
    """Write the object at *uri* into *copy*.

    Raises:
        ManifestError: It is not there, has more than *most* bytes, or is in another region.
        UsageError: The profile does not exist.
        ServiceUnusableError: It may not be read, or S3 cannot be asked.
        OSError: The copy cannot be written.
    """
    async with s3_client(login) as client:
        try:
            is_whole = await copied(client, Waited(client, login), uri, copy, most=most)
        except errors.CallError as error:
            raise explained(error, uri, login) from error
    if not is_whole:
        message = f"an object of more than {most // _MIB} MiB"
        raise _problem(uri, message, "check that this is the right file: nothing that is read has that much")


async def copied(client: Any, waited: Waited, uri: str, copy: IO[bytes], *, most: int) -> bool:
    """Write the object at *uri* into *copy*; report whether it is complete, in at most *most* bytes.

    Raises:
        CallError: It cannot be read.
        OSError: The copy cannot be written.
    """
    bucket, key = split_uri(uri)
    answer = await _asked(waited, partial(client.get_object, Bucket=bucket, Key=key))
    async with answer["Body"] as body:
        size = answer.get("ContentLength") or 0
        while size <= most and (piece := await _asked(waited, partial(_piece, body), is_repeated=False)):
            copy.write(piece)
            size = max(size, copy.tell())
    return size <= most


async def _asked(waited: Waited, call: Callable[[], Awaitable[T]], *, is_repeated: bool = True) -> T:
    with classified(_OPERATION):
        return await waited.answer(_OPERATION, call, is_repeated=is_repeated)


async def _piece(body: Any) -> bytes:
    """Read the next piece; empty at the end."""
    piece = b""
    while len(piece) < _PIECE and (more := await body.read(_PIECE - len(piece))):
        piece += more
    return piece


def explained(error: errors.CallError, uri: str, login: Login) -> errors.BatchrunError:
    """Return the error to raise for *uri*."""
    if error.code in _NOT_THERE:
        return _problem(uri, *_NOT_THERE[error.code])
    if error.code in ELSEWHERE:
        return _elsewhere(error.__cause__, uri)
    if isinstance(error, errors.AccessDeniedError):
        return errors.ServiceUnusableError(
            f"{uri} may not be read, if it is there at all: {error}; allow s3:GetObject on it, and "
            "s3:ListBucket on its bucket, without which S3 does not say what is missing"
        )
    if isinstance(error, errors.CredentialsError):
        return errors.ServiceUnusableError(f"{uri} cannot be read: {login.rejected(error)}")
    return errors.ServiceUnusableError(
        f"{uri} cannot be read: {error}; run the same command again once S3 answers"
    )


def _elsewhere(raw: BaseException | None, uri: str) -> errors.ManifestError:
    response: Any = raw.response if isinstance(raw, boto.ClientError) else {}
    headers = response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
    region = shortened(headers.get("x-amz-bucket-region") or response.get("Error", {}).get("Region") or "")
    where = f"in {region}" if region else "in another region"
    cure = f"give --region {region or 'REGION'}, or set AWS_ENDPOINT_URL_S3 to S3's address there"
    return _problem(uri, f"the bucket is {where}, and S3 was asked elsewhere", cure)


def _problem(uri: str, message: str, cure: str) -> errors.ManifestError:
    return errors.ManifestError([errors.Problem(source=uri, message=message, cure=cure)])
