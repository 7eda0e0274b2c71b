"""Writing to S3 the sheets that runs have of their own."""

from __future__ import annotations

from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

import anyio

from batchrun.errors import AccessDeniedError, CallError, ServiceUnusableError
from batchrun.model.places import split_uri
from batchrun.ports.objects import SheetWriter
from batchrun.service.one_try import in_time
from batchrun.service.patient_writing import PatientWriting
from batchrun.service.session import s3_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchrun.clock import Clock
    from batchrun.ports.objects import OwnSheet
    from batchrun.service.login import Login
    from batchrun.service.outage import Patience


@asynccontextmanager
async def sheet_writer(login: Login, patience: Patience, clock: Clock) -> AsyncIterator[SheetWriter]:
    """Return a writer, which connects when it is first used."""
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
        """Write it, and try again while that may help."""

        async def put(login: Login) -> None:
            bucket, key = split_uri(sheet.uri)
            client = await self._connected(login)
            call = client.put_object(Bucket=bucket, Key=key, Body=sheet.content)
            await in_time(call, "PutObject", login.target.call_timeout)

        try:
            await self._writing.until_done(put)
        except CallError as error:
            raise _unusable(sheet, error) from error

    async def _connected(self, login: Login) -> Any:
        async with self._one_at_a_time:
            if self._login is not login:
                self._client = await self._stack.enter_async_context(s3_client(login))
                self._login = login
            return self._client


def _unusable(sheet: OwnSheet, error: CallError) -> ServiceUnusableError:
    is_denied = isinstance(error, AccessDeniedError)
    cure = "allow s3:PutObject there" if is_denied else "fix that, or give sheet_out another place"
    return ServiceUnusableError(
        f"the sheet {sheet.uri} cannot be written, so its run is not started: {error}; {cure}, then run the "
        "same command again: nothing is lost"
    )
