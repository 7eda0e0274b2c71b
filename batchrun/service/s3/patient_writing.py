"""Writing to S3 during a launch: retried for as long as the failure may be temporary.

Written are files of run settings, each once, and the sheets of single runs, all with one client.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, Final

import anyio
import structlog

from batchrun.clock import Clock
from batchrun.errors import (
    AccessDeniedError,
    CallError,
    ConflictError,
    CredentialsError,
    OutcomeUnknownError,
    ServiceUnusableError,
    ThrottledError,
)
from batchrun.model.texts.places import split_uri
from batchrun.ports.objects import OwnSheet, SettingsStore, SheetWriter
from batchrun.service.calling.one_try import in_time
from batchrun.service.calling.outage import Patience
from batchrun.service.classify import classify
from batchrun.service.login import Login
from batchrun.service.s3.putting import look, put
from batchrun.service.session import s3_client

#: Seconds between two tries, beyond the client's own retries, and between two log lines.
_TRY_EVERY: Final = 5.0
_LOG_EVERY: Final = 60.0
#: Failures that are temporary, or pass once the user has logged in again.
_TEMPORARY: Final = (OutcomeUnknownError, ThrottledError, ConflictError, CredentialsError)
log = structlog.get_logger(__name__)
_CURE: Final = "fix that, or give --batch-settings another place"


class PatientWriting:
    """Writes with one login, which is renewed where S3 rejects it."""

    def __init__(self, login: Login, patience: Patience, clock: Clock, *, event: str) -> None:
        """Write with *login*; *event* is logged once a minute while a write keeps failing."""
        self._login = login
        self._patience = patience
        self._clock = clock
        self._event = event
        self._logged_at = float("-inf")

    async def until_done(self, write: Callable[[Login], Awaitable[None]]) -> None:
        """Call *write* with the login in use, and retry while that may help.

        Raises:
            CallError: Retrying cannot help, or took too long.
        """
        since: float | None = None
        while True:
            login = self._login
            try:
                await write(login)
            except Exception as raw:
                error = classify(raw, "PutObject")
                now = self._clock.monotonic()
                since = now if since is None else since
                if not isinstance(error, _TEMPORARY) or now - since >= self._longest(error):
                    raise error from raw
            else:
                return
            self._warn(error, now)
            await self._clock.sleep(_TRY_EVERY)
            if isinstance(error, CredentialsError) and login is self._login:
                self._login = login.renewed()

    def _longest(self, error: CallError) -> float:
        return self._patience.credentials if isinstance(error, CredentialsError) else self._patience.outage

    def _warn(self, error: CallError, now: float) -> None:
        if now - self._logged_at >= _LOG_EVERY:
            self._logged_at = now
            log.warning(self._event, code=error.code, message=error.message)


class S3SettingsStore(SettingsStore):
    """Settings files in S3, written with one login."""

    def __init__(self, login: Login, patience: Patience, clock: Clock) -> None:
        self._writing = PatientWriting(login, patience, clock, event="settings_not_written_yet")

    async def keep(self, uri: str, body: bytes) -> None:
        """Call PutObject, and HeadObject where something is there."""
        there: int | None = None  #: bytes that are there; None where that cannot be seen

        async def write(login: Login) -> None:
            nonlocal there
            asked = {"ContentType": "application/json"}
            is_put = await put(login, uri, io.BytesIO(body), len(body), asked=asked, replaces=False)
            there = None if is_put else await _size(login, uri)

        try:
            await self._writing.until_done(write)
        except CallError as error:
            is_denied = isinstance(error, AccessDeniedError)
            raise _unusable(uri, str(error), "allow s3:PutObject there" if is_denied else _CURE) from error
        if there not in {None, len(body)}:
            raise _unusable(uri, f"something else is there, of {there} bytes in place of {len(body)}", _CURE)


async def _size(login: Login, uri: str) -> int | None:
    """Return the object's size in bytes; None where it may not be asked."""
    found = await look(login, uri)
    return None if found is None else found.get("ContentLength")


def _unusable(uri: str, reason: str, cure: str) -> ServiceUnusableError:
    return ServiceUnusableError(
        f"the settings file {uri} cannot be written, so its runs are not started: {reason}; {cure}, then run "
        "the same command again: nothing is lost"
    )


@asynccontextmanager
async def sheet_writer(login: Login, patience: Patience, clock: Clock) -> AsyncIterator[SheetWriter]:
    """Yield a writer, which connects on first use."""
    async with AsyncExitStack() as stack:
        yield _S3SheetWriter(PatientWriting(login, patience, clock, event="sheet_not_written_yet"), stack)


class _S3SheetWriter(SheetWriter):
    def __init__(self, writing: PatientWriting, stack: AsyncExitStack) -> None:
        self._writing = writing
        self._stack = stack
        self._one_at_a_time = anyio.Lock()
        self._client: Any = None
        self._login: Login | None = None  #: the client's

    async def write(self, sheet: OwnSheet) -> None:
        """Write a sheet, and retry while that may help."""

        async def put(login: Login) -> None:
            bucket, key = split_uri(sheet.uri)
            client = await self._connected(login)
            call = client.put_object(Bucket=bucket, Key=key, Body=sheet.content)
            await in_time(call, "PutObject", login.target.call_timeout)

        try:
            await self._writing.until_done(put)
        except CallError as error:
            raise _unusable_sheet(sheet, error) from error

    async def _connected(self, login: Login) -> Any:
        async with self._one_at_a_time:
            if self._login is not login:
                self._client = await self._stack.enter_async_context(s3_client(login))
                self._login = login
            return self._client


def _unusable_sheet(sheet: OwnSheet, error: CallError) -> ServiceUnusableError:
    is_denied = isinstance(error, AccessDeniedError)
    cure = "allow s3:PutObject there" if is_denied else "fix that, or give sheet_out another place"
    return ServiceUnusableError(
        f"the sheet {sheet.uri} cannot be written, so its run is not started: {error}; {cure}, then run the "
        "same command again: nothing is lost"
    )
