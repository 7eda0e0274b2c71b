"""The outputs of a run in S3: the engine's summary of them, or the keys under the run's place.

WDL and CWL runs leave a JSON of their outputs below ``runOutputUri``; the service's guide has two names for
it. Belongs here: GetObject and ListObjectsV2 for that, limited, and their errors. Does not: what the document
says (``model.made``).
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any, Final

from batchrun.errors import AccessDeniedError, CallError, CredentialsError, ServiceUnusableError
from batchrun.model.texts.places import split_uri
from batchrun.service.calling.one_try import Waited
from batchrun.service.login import Login
from batchrun.service.s3.fetching import copied
from batchrun.service.s3.object_calls import pages_under
from batchrun.service.session import s3_client

#: Where the summary is below the run's place: as observed, and by another page of the guide.
_SUMMARIES: Final = ("logs/outputs.json", "logs/output.json")
_LARGEST: Final = 8 * 1024 * 1024
_MIB: Final = 1024 * 1024
_MISSING: Final = "NoSuchKey"


class RunOutputs:
    """The places of runs in S3, reached with one login. Made by :func:`run_outputs`."""

    def __init__(self, client: Any, login: Login) -> None:
        self._client = client
        self._login = login
        self._waited = Waited(client, login)

    async def summary(self, place: str) -> tuple[str, bytes] | None:
        """Return the place and content of the engine's summary, or None.

        Raises:
            ServiceUnusableError: It may not be read, is too large, or S3 cannot be asked.
        """
        for name in _SUMMARIES:
            uri = f"{place.rstrip('/')}/{name}"
            if (text := await self._read(uri)) is not None:
                return uri, text
        return None

    async def _read(self, uri: str) -> bytes | None:
        copy = io.BytesIO()
        try:
            is_whole = await copied(self._client, self._waited, uri, copy, most=_LARGEST)
        except CallError as error:
            if error.code == _MISSING:
                return None
            raise self._explained(error, uri) from error
        if not is_whole:
            raise ServiceUnusableError(f"{uri} has more than {_LARGEST // _MIB} MiB, and is not read")
        return copy.getvalue()

    async def files(self, place: str, *, most: int) -> tuple[list[str], bool]:
        """Return up to *most* objects at *place*, by ``s3://BUCKET/KEY``, and whether there are more.

        Raises:
            ServiceUnusableError: They may not be listed, or S3 cannot be asked.
        """
        bucket, key = split_uri(f"{place.rstrip('/')}/")
        found: list[str] = []
        try:
            async with aclosing(pages_under(self._client, self._waited, bucket, key)) as pages:
                async for page in pages:
                    found += [f"s3://{bucket}/{one}" for one in page.keys]
                    if len(found) > most:
                        break
        except CallError as error:
            raise self._explained(error, place) from error
        return found[:most], len(found) > most

    def _explained(self, error: CallError, uri: str) -> ServiceUnusableError:
        bucket, _ = split_uri(uri)
        if isinstance(error, AccessDeniedError):
            return ServiceUnusableError(
                f"bucket {bucket}: {error}; allow s3:GetObject on arn:aws:s3:::{bucket}/* and s3:ListBucket "
                f"on arn:aws:s3:::{bucket}, as 'batchrun help iam' shows"
            )
        if isinstance(error, CredentialsError):
            return ServiceUnusableError(f"bucket {bucket}: {self._login.rejected(error)}")
        return ServiceUnusableError(f"bucket {bucket}: {error}; run the same command again later")


@asynccontextmanager
async def run_outputs(login: Login, *, beside: str) -> AsyncIterator[RunOutputs]:
    """Connect to the S3 that the HealthOmics at *beside* writes to.

    Raises:
        UsageError: The profile does not exist.
        ServiceUnusableError: There are no credentials.
    """
    async with s3_client(login, beside=beside) as client:
        yield RunOutputs(client, login)
