"""
S3 as manifests need it: is an object there, and which are there.

Belongs here: HeadObject and ListObjectsV2, and what their answers mean. Does not: which objects matter
(``manifest``), HealthOmics.
"""

from __future__ import annotations

import enum
from typing import TYPE_CHECKING, Any, Final

import anyio
from botocore import exceptions as boto

from batchrun.errors import CallError, NotFoundError
from batchrun.service.classify import classify, unparsable
from batchrun.service.deadline import in_time
from batchrun.service.session import s3_client
from batchrun.service.wire import needed, table

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Iterable, Sequence

    from batchrun.service.login import Login

_PAGE: Final = 1000
_AT_ONCE: Final = 16
#: Classes of which an object has to be brought back before anybody can read it.
_ARCHIVED: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})


class Presence(enum.Enum):
    """What can be said of an object."""

    THERE = "there"
    MISSING = "missing"
    ARCHIVED = "archived"  #: there, but not to be read before it is restored
    UNSURE = "unsure"  #: it may not be looked at


def split_uri(uri: str) -> tuple[str, str]:
    """Give the bucket and the key of ``s3://BUCKET/KEY``."""
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key


async def keys_under(login: Login, bucket: str, prefix: str, endpoint_url: str | None) -> AsyncGenerator[str]:
    """
    List the keys that begin with *prefix*, a page at a time.

    Raises:
        CallError: They cannot be listed.
    """
    async with s3_client(login, endpoint_url=endpoint_url) as client:
        token: dict[str, str] = {}
        while True:
            page = await in_time(
                _page(client, bucket, prefix, token), "ListObjectsV2", login.target.call_timeout
            )
            for item in page.get("Contents") or ():
                yield needed(table(item), "Key", "ListObjectsV2")
            if not page.get("IsTruncated"):
                return
            following = {"ContinuationToken": str(page.get("NextContinuationToken") or "")}
            if following == token or not following["ContinuationToken"]:
                raise unparsable("ListObjectsV2", "NextContinuationToken")
            token = following


async def _page(client: Any, bucket: str, prefix: str, token: dict[str, str]) -> dict[str, Any]:
    operation = "ListObjectsV2"
    try:
        page: dict[str, Any] = await client.list_objects_v2(
            Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE, **token
        )
    except Exception as raw:
        if _code(raw) == "NoSuchBucket":
            raise NotFoundError("there is no such bucket", operation=operation, code="NoSuchBucket") from raw
        raise classify(raw, operation) from raw
    if "KeyCount" not in page and "Name" not in page:
        raise unparsable(operation, "KeyCount")  # else an empty body would say that there is nothing
    return page


async def presence_of(login: Login, uris: Sequence[str]) -> dict[str, Presence]:
    """
    Look at each object, several at once.

    Raises:
        CallError: S3 cannot be asked at all.
    """
    found: dict[str, Presence] = {}
    async with s3_client(login) as client:
        waiting = iter(uris)
        try:
            async with anyio.create_task_group() as group:
                for _ in range(min(_AT_ONCE, len(uris))):
                    group.start_soon(_look_at, client, waiting, found, login.target.call_timeout)
        except* CallError as errors:
            raise _first(errors) from None
    return found


async def _look_at(client: Any, waiting: Iterable[str], found: dict[str, Presence], longest: float) -> None:
    for uri in waiting:
        found[uri] = await in_time(_presence(client, *split_uri(uri)), "HeadObject", longest)


async def _presence(client: Any, bucket: str, key: str) -> Presence:
    try:
        head = await client.head_object(Bucket=bucket, Key=key)
    except boto.ParamValidationError:
        return Presence.MISSING  # no bucket, or no object, can be called that
    except boto.ClientError as error:
        return _presence_from(error)
    except Exception as raw:
        raise classify(raw, "HeadObject") from raw
    is_back = 'ongoing-request="false"' in str(head.get("Restore"))
    return Presence.ARCHIVED if head.get("StorageClass") in _ARCHIVED and not is_back else Presence.THERE


def _presence_from(error: boto.ClientError) -> Presence:
    status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode")
    match status:
        case 404:
            return Presence.MISSING
        case (
            403 | 301 | 307 | 400
        ):  # a HEAD has no body to say why: no permission, or another region's bucket
            return Presence.UNSURE
        case _:
            raise classify(error, "HeadObject") from error


def _first(errors: BaseExceptionGroup[CallError]) -> BaseException:
    """Give one of many workers' errors, which will all say the same."""
    first: BaseException = errors
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    return first


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code")) if isinstance(error, boto.ClientError) else ""
