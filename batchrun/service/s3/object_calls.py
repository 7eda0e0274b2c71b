"""Single calls to S3 about objects' places, paced and retried.

Belongs here: HeadObject and a page of ListObjectsV2, and reading their answers. Does not: which calls show
what (``input_lookup``).
"""

from __future__ import annotations

import enum
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeVar

from botocore import exceptions as boto

from batchrun.clock import Clock
from batchrun.errors import CallError, NotFoundError, ThrottledError
from batchrun.model.paces.pace import Pace
from batchrun.model.paces.rates import UNLIMITED, Rate
from batchrun.ports.objects import InputPlace, Sight
from batchrun.service.calling.call_retries import CallRetries, RetrySettings
from batchrun.service.calling.one_try import Waited, one_try
from batchrun.service.calling.pacing import Turns
from batchrun.service.calling.paging import NextPages
from batchrun.service.classify import classify, code_of, status_of, unparsable
from batchrun.service.login import Login
from batchrun.service.session import s3_client
from batchrun.service.wire import required_text, table

T = TypeVar("T")
_HEAD: Final = "HeadObject"
_LIST: Final = "ListObjectsV2"
_PAGE: Final = 1000
#: Calls per second to begin with, once S3 has refused one; it takes thousands for each prefix.
_SUPPOSED: Final = 200.0
#: Seconds of silence to wait out: the user waits for the answer.
_PATIENCE: Final = 10.0
#: Final refusals of a HEAD, which has no body with the reason.
_REFUSALS: Final = frozenset({301, 307, 400, 403})
_BUSY: Final = 503
#: Times that one call may be too busy and count as throttled; more of them are an outage.
_BUSY_AT_MOST: Final = 8
#: Storage classes whose objects must be restored before they can be read.
_ARCHIVED: Final = frozenset({"GLACIER", "DEEP_ARCHIVE"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Page:
    """A page of keys."""

    keys: tuple[str, ...]
    following: str | None  #: the next page's token; None after the last
    region: str | None  #: the bucket's, where known


async def keys_under(login: Login, bucket: str, prefix: str, endpoint_url: str | None) -> AsyncGenerator[str]:
    """Yield the keys that begin with *prefix*. Raises CallError if they cannot be listed."""
    async with (
        s3_client(login, endpoint_url=endpoint_url) as client,
        aclosing(pages_under(client, Waited(client, login), bucket, prefix)) as pages,
    ):
        async for page in pages:
            for key in page.keys:
                yield key


async def pages_under(client: Any, waited: Waited, bucket: str, prefix: str) -> AsyncGenerator[Page]:
    """Yield the keys that begin with *prefix* page by page. Raises CallError where they cannot be listed."""
    asked: dict[str, Any] = {"Bucket": bucket, "Prefix": prefix}
    following = NextPages(_LIST)
    while True:
        page = await waited.answer(_LIST, partial(page_of, client, asked))
        yield page
        if page.following is None:
            return
        asked["ContinuationToken"] = following.by(page.following)


async def page_of(client: Any, asked: dict[str, Any]) -> Page:
    """Call ListObjectsV2 once with *asked*, its parameters.

    Raises:
        NotFoundError: There is no such bucket.
        CallError: It cannot be listed.
    """
    try:
        answer: dict[str, Any] = await client.list_objects_v2(**{"MaxKeys": _PAGE, **asked})
    except Exception as raw:
        if code_of(raw) == "NoSuchBucket":
            raise NotFoundError("there is no such bucket", operation=_LIST, code="NoSuchBucket") from raw
        raise classify(raw, _LIST) from raw
    if "KeyCount" not in answer and "Name" not in answer:
        raise unparsable(_LIST, "KeyCount")  # else an empty body would mean no keys
    return Page(
        keys=tuple(required_text(table(item), "Key", _LIST) for item in answer.get("Contents") or ()),
        following=_following(answer),
        region=_region_in(answer),
    )


def _region_in(answer: Any) -> str | None:
    """Return the bucket's region from an answer or an error, or None."""
    headers = table(table(table(answer).get("ResponseMetadata")).get("HTTPHeaders"))
    region = headers.get("x-amz-bucket-region")
    return region if isinstance(region, str) and region.isascii() and region.isprintable() else None


def refused_in(error: CallError) -> str | None:
    """Return the bucket's region from *error*, or None."""
    cause = error.__cause__
    return _region_in(cause.response) if isinstance(cause, boto.ClientError) else None


def _following(answer: dict[str, Any]) -> str | None:
    if not answer.get("IsTruncated"):
        return None
    token = str(answer.get("NextContinuationToken") or "")
    if not token:
        raise unparsable(_LIST, "NextContinuationToken")
    return token


class Refusal(enum.Enum):
    """Answers to a HEAD that say nothing about the object."""

    NOT_FOUND = enum.auto()
    OTHER = enum.auto()  #: no permission, no login, another region: no body says which


class ObjectCalls:
    """Calls to one S3. Made by :func:`object_calls`."""

    def __init__(self, client: Any, login: Login, rate: Rate, retry: CallRetries, clock: Clock) -> None:
        self._client = client
        self._waited = Waited(client, login)
        self._clock = clock
        self._longest = login.target.call_timeout
        self._retry = retry
        most = UNLIMITED if rate.is_auto else rate
        self._turns = {
            operation: Turns(Pace(most, supposed=_SUPPOSED), clock, operation=operation)
            for operation in (_HEAD, _LIST)
        }
        self.sent = dict.fromkeys(self._turns, 0)  #: requests that left, by operation

    @property
    def endpoint(self) -> str:
        """The URL that calls go to."""
        return str(self._client.meta.endpoint_url)

    async def head(self, place: InputPlace) -> Sight | Refusal:
        """Call HeadObject. Raises CallError where S3 cannot be asked."""
        busy = 0

        async def send() -> Sight | Refusal:
            nonlocal busy
            try:
                return sight_of(await self._client.head_object(**_asked(place), Key=place.key))
            except boto.ClientError as error:
                status = status_of(error)
                busy += status == _BUSY
                if status == _BUSY and busy <= _BUSY_AT_MOST:
                    raise ThrottledError(
                        "too busy", operation=_HEAD, code=str(_BUSY), status=status
                    ) from error
                return _refusal(error, status)

        return await self._call(_HEAD, send)

    async def page(
        self, place: InputPlace, *, prefix: str, token: str | None = None, most: int = 1000
    ) -> Page:
        """Call ListObjectsV2 in a place's bucket. Raises CallError where it cannot be listed."""
        asked = {**_asked(place), "Prefix": prefix, "MaxKeys": most}
        if token is not None:
            asked["ContinuationToken"] = token
        return await self._call(_LIST, partial(page_of, self._client, asked))

    async def _call(self, operation: str, send: Callable[[], Awaitable[T]]) -> T:
        turns = self._turns[operation]

        async def attempt() -> T:
            await turns.turn()
            self.sent[operation] += 1
            with self._waited.logged_if_long(operation):
                return await one_try(send(), operation, turns=turns, clock=self._clock, longest=self._longest)

        return await self._retry.run(attempt)


@asynccontextmanager
async def object_calls(
    login: Login, *, rate: Rate, clock: Clock, rng: random.Random
) -> AsyncIterator[ObjectCalls]:
    """Connect to S3; an automatic *rate* means as fast as S3 allows.

    Raises:
        UsageError: The profile does not exist.
        ServiceUnusableError: There are no credentials.
    """
    async with s3_client(login, attempts=1) as client:
        retry = CallRetries(RetrySettings(patience=_PATIENCE), clock=clock, rng=rng)
        yield ObjectCalls(client, login, rate, retry, clock)


def sight_of(head: Mapping[str, Any]) -> Sight:
    """Return what an answer to HeadObject means for reading the object."""
    archive, restore = head.get("ArchiveStatus"), str(head.get("Restore"))
    if head.get("StorageClass") not in _ARCHIVED and not archive:
        return Sight.THERE
    if 'ongoing-request="true"' in restore:
        return Sight.RESTORING
    # A restored copy is there for a while; one of INTELLIGENT_TIERING has no archive status any more.
    return Sight.THERE if 'ongoing-request="false"' in restore and not archive else Sight.ARCHIVED


def _asked(place: InputPlace) -> dict[str, Any]:
    return {"Bucket": place.bucket} | ({"RequestPayer": "requester"} if place.pays else {})


def _refusal(error: boto.ClientError, status: object) -> Refusal:
    match status:
        case 404:
            return Refusal.NOT_FOUND
        case int() if status in _REFUSALS:
            return Refusal.OTHER
        case _:
            raise classify(error, _HEAD) from error
