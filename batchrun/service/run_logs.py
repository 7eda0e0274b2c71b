"""Log streams of runs and their tasks in CloudWatch.

Belongs here: GetLogEvents, a page at a time, and what its failures mean. Does not: which streams are a run's
(``model.tasks``), how lines are shown (``cli``).
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from batchrun.errors import (
    AccessDeniedError,
    CallError,
    CredentialsError,
    NotFoundError,
    ServiceUnusableError,
)
from batchrun.model.tasks import LOG_GROUP
from batchrun.service.calling.one_try import Waited
from batchrun.service.calling.paging import NextPages
from batchrun.service.classify import classify, unparsable
from batchrun.service.login import Login
from batchrun.service.session import logs_client
from batchrun.service.wire import items, moment, next_token, table

_OPERATION: Final = "GetLogEvents"
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND: Final = timedelta(milliseconds=1)
#: Events in a page, at most.
_MOST: Final = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    """One event of a stream."""

    at: datetime | None  #: in UTC; None where unknown
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Some events of a stream, in their order."""

    lines: tuple[LogLine, ...]
    following: str | None  #: the next page's token; the same again at the end of the stream


class RunLogs:
    """The log group of all runs in one account and region. Made by :func:`run_logs`."""

    def __init__(self, client: Any, login: Login) -> None:
        self._client = client
        self._login = login
        self._waited = Waited(client, login)

    async def pages(
        self,
        stream: str,
        *,
        token: str | None = None,
        begin: datetime | None = None,
        end: datetime | None = None,
        last: int | None = None,
    ) -> AsyncGenerator[LogPage]:
        """Yield the pages of *stream*, from the first or the one of *token*; none where there is no stream.

        Args:
            stream: Its name within the group.
            token: As ``following`` says.
            begin: Events before it are left out: run ids, and so streams, are reused in time.
            end: Events after it are left out.
            last: Begin with so many last events instead of the first page.

        Raises:
            ServiceUnusableError: It may not be read, or CloudWatch cannot be asked.
        """
        within: dict[str, Any] = {
            "logGroupName": LOG_GROUP,
            "logStreamName": stream,
            **({} if begin is None else {"startTime": (begin - _EPOCH) // _MILLISECOND}),
            **({} if end is None else {"endTime": (end - _EPOCH) // _MILLISECOND}),
        }
        asked: dict[str, Any] = {"startFromHead": last is None, "limit": min(last or _MOST, _MOST)}
        following = NextPages(_OPERATION)
        try:
            while True:
                if token is not None:
                    asked = {"startFromHead": True, "limit": _MOST, "nextToken": token}
                page = await self._page({**within, **asked})
                yield page
                if page.following is None or page.following == token:
                    return
                token = following.by(page.following)
        except NotFoundError:
            return
        except CallError as error:
            raise self._explained(error) from error

    async def _page(self, asked: dict[str, Any]) -> LogPage:
        try:
            answer = table(
                await self._waited.answer(_OPERATION, lambda: self._client.get_log_events(**asked))
            )
        except Exception as raw:
            raise classify(raw, _OPERATION) from raw
        return LogPage(
            lines=tuple(_line(table(event)) for event in items(answer, _OPERATION, "events")),
            following=next_token(answer, _OPERATION, "nextForwardToken"),
        )

    def _explained(self, error: CallError) -> ServiceUnusableError:
        region = self._client.meta.region_name
        if isinstance(error, AccessDeniedError):
            return ServiceUnusableError(
                f"the logs may not be read: {error}; allow logs:GetLogEvents on arn:aws:logs:{region}:*:"
                f"log-group:{LOG_GROUP}:log-stream:*, as 'batchrun help iam' shows"
            )
        if isinstance(error, CredentialsError):
            return ServiceUnusableError(f"the logs cannot be read: {self._login.rejected(error)}")
        return ServiceUnusableError(f"the logs cannot be read: {error}; run the same command again later")


def _line(event: dict[str, Any]) -> LogLine:
    message, at = event.get("message"), event.get("timestamp")
    if not isinstance(message, str):
        raise unparsable(_OPERATION, "message")
    return LogLine(at=moment(at / 1000) if isinstance(at, int) else None, message=message)


@asynccontextmanager
async def run_logs(login: Login, *, region: str, beside: str) -> AsyncIterator[RunLogs]:
    """Connect to the CloudWatch Logs of *region* that the HealthOmics at *beside* writes to.

    Raises:
        UsageError: The profile does not exist.
        ServiceUnusableError: There are no credentials.
    """
    async with logs_client(login, region=region, beside=beside) as client:
        yield RunLogs(client, login)
