"""
Writing to S3 the sheets that runs have of their own.

Belongs here: PutObject, repeated for as long as what is in the way may pass. Does not: which sheets, and when
(``api``, ``engine``).
"""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
import structlog

from batchrun.errors import (
    AccessDeniedError,
    CredentialsError,
    OutcomeUnknownError,
    ServiceUnusableError,
    ThrottledError,
)
from batchrun.model.places import split_uri
from batchrun.ports.objects import SheetWriter
from batchrun.service.classify import classify
from batchrun.service.one_try import in_time
from batchrun.service.session import s3_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchrun.clock import Clock
    from batchrun.errors import CallError
    from batchrun.ports.objects import OwnSheet
    from batchrun.service.login import Login
    from batchrun.service.outage import Patience

_OPERATION: Final = "PutObject"
#: Seconds between two tries, beyond those that the client makes by itself.
_TRY_EVERY: Final = 5.0
_SAY_EVERY: Final = 60.0
#: Failures that may pass by themselves, or once somebody has logged in again.
_PASSING: Final = (OutcomeUnknownError, ThrottledError, CredentialsError)
log = structlog.get_logger(__name__)


@asynccontextmanager
async def sheet_writer(login: Login, patience: Patience, clock: Clock) -> AsyncIterator[SheetWriter]:
    """Return a writer, which connects when it is first used."""
    async with AsyncExitStack() as stack:
        yield _S3SheetWriter(login, patience, clock, stack)


class _S3SheetWriter(SheetWriter):
    def __init__(self, login: Login, patience: Patience, clock: Clock, stack: AsyncExitStack) -> None:
        self._login = login
        self._patience = patience
        self._clock = clock
        self._stack = stack
        self._one_at_a_time = anyio.Lock()
        self._client: Any = None
        self._said = float("-inf")

    async def write(self, sheet: OwnSheet) -> None:
        """Write it, and try again while that may help."""
        since: float | None = None
        while True:
            client = await self._connected()
            try:
                await self._put(client, sheet)
            except Exception as raw:  # noqa: BLE001 (each becomes one of ours)
                error = classify(raw, _OPERATION)
            else:
                return
            now = self._clock.monotonic()
            since = now if since is None else since
            if not isinstance(error, _PASSING) or now - since >= self._longest(error):
                raise _unusable(sheet, error) from error
            self._say(error, now)
            await self._clock.sleep(_TRY_EVERY)
            if isinstance(error, CredentialsError) and client is self._client:
                self._client, self._login = None, self._login.renewed()

    async def _put(self, client: Any, sheet: OwnSheet) -> None:
        bucket, key = split_uri(sheet.uri)
        call = client.put_object(Bucket=bucket, Key=key, Body=sheet.content)
        await in_time(call, _OPERATION, self._login.target.call_timeout)

    async def _connected(self) -> Any:
        async with self._one_at_a_time:
            if self._client is None:
                self._client = await self._stack.enter_async_context(s3_client(self._login))
            return self._client

    def _longest(self, error: CallError) -> float:
        return self._patience.credentials if isinstance(error, CredentialsError) else self._patience.outage

    def _say(self, error: CallError, now: float) -> None:
        if now - self._said >= _SAY_EVERY:
            self._said = now
            log.warning("sheet_not_written_yet", code=error.code, message=error.message)


def _unusable(sheet: OwnSheet, error: CallError) -> ServiceUnusableError:
    is_denied = isinstance(error, AccessDeniedError)
    cure = "allow s3:PutObject there" if is_denied else "fix that, or give sheet_out another place"
    return ServiceUnusableError(
        f"the sheet {sheet.uri} cannot be written, so its run is not started: {error}; {cure}, then run the "
        "same command again: nothing is lost"
    )
