"""S3 as manifests need it: which objects there are."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from botocore import exceptions as boto

from batchrun.errors import NotFoundError
from batchrun.service.calling.one_try import in_time
from batchrun.service.calling.paging import NextPages
from batchrun.service.classify import classify, unparsable
from batchrun.service.session import s3_client
from batchrun.service.wire import needed, table

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator

    from batchrun.errors import CallError
    from batchrun.service.login import Login

_PAGE: Final = 1000
_OPERATION: Final = "ListObjectsV2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """Some of the keys that were asked for."""

    keys: tuple[str, ...]
    following: str | None  #: what the next page is asked for with; None after the last
    region: str | None  #: the bucket's, where it says


async def keys_under(login: Login, bucket: str, prefix: str, endpoint_url: str | None) -> AsyncGenerator[str]:
    """
    List the keys that begin with *prefix*, a page at a time.

    Raises:
        CallError: They cannot be listed.
    """
    async with s3_client(login, endpoint_url=endpoint_url) as client:
        asked: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
        following = NextPages(_OPERATION)
        while True:
            page = await in_time(page_of(client, asked), _OPERATION, login.target.call_timeout)
            for key in page.keys:
                yield key
            if page.following is None:
                return
            asked["ContinuationToken"] = following.by(page.following)


async def page_of(client: Any, asked: dict[str, Any]) -> Page:
    """
    Call ListObjectsV2 once, with what is *asked* in its own words.

    Raises:
        NotFoundError: There is no such bucket.
        CallError: It cannot be listed.
    """
    try:
        answer: dict[str, Any] = await client.list_objects_v2(**{"MaxKeys": _PAGE, **asked})
    except Exception as raw:
        if _code(raw) == "NoSuchBucket":
            raise NotFoundError("there is no such bucket", operation=_OPERATION, code="NoSuchBucket") from raw
        raise classify(raw, _OPERATION) from raw
    if "KeyCount" not in answer and "Name" not in answer:
        raise unparsable(_OPERATION, "KeyCount")  # else an empty body would say that there is nothing
    return Page(
        keys=tuple(needed(table(item), "Key", _OPERATION) for item in answer.get("Contents") or ()),
        following=_following(answer),
        region=_region_in(answer),
    )


def _region_in(answer: Any) -> str | None:
    """Return the region that an answer, or a refusal, says its bucket is in."""
    headers = table(table(table(answer).get("ResponseMetadata")).get("HTTPHeaders"))
    region = headers.get("x-amz-bucket-region")
    return region if isinstance(region, str) and region.isascii() and region.isprintable() else None


def refused_in(error: CallError) -> str | None:
    """Return the region that a refusal says its bucket is in."""
    cause = error.__cause__
    return _region_in(cause.response) if isinstance(cause, boto.ClientError) else None


def _following(answer: dict[str, Any]) -> str | None:
    if not answer.get("IsTruncated"):
        return None
    token = str(answer.get("NextContinuationToken") or "")
    if not token:
        raise unparsable(_OPERATION, "NextContinuationToken")
    return token


def _code(error: Exception) -> str:
    return str(error.response.get("Error", {}).get("Code")) if isinstance(error, boto.ClientError) else ""
