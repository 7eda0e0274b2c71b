"""
Writing a file to S3.

Belongs here: PutObject, and HeadObject for what is there before; what it means that they fail. Does not:
which files, and what may be replaced (``report``), sheets of runs (``own_sheets``).
"""

from __future__ import annotations

import secrets
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any, Final

import anyio
from botocore import exceptions as boto

from batchrun.errors import (
    AccessDeniedError,
    BatchrunError,
    CredentialsError,
    ServiceUnusableError,
    UsageError,
)
from batchrun.model.places import split_uri
from batchrun.ports.objects import ObjectStore
from batchrun.service.classify import classify
from batchrun.service.one_try import in_time
from batchrun.service.session import s3_client

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from batchrun.service.login import Login

_GIB: Final = 2**30
#: What one PutObject may carry.
_MOST: Final = 5 * _GIB
#: Bytes a second that a connection has at least, or nobody waits for it.
_SLOWEST: Final = 128 * 1024
#: Bytes that are held while they are sent: nearly all results that there are.
_HELD: Final = 16 * 1024 * 1024
#: Names among an object's own metadata: what it is, and which writing made it.
_MARK: Final = "batchrun"
_WRITING: Final = "batchrun-writing"
#: Where a HEAD says nothing: nothing there, no permission, another region, and no body that tells which.
_UNTOLD: Final = frozenset({301, 307, 400, 403, 404})
#: What is said where something is there, or is just being written, and must not be replaced.
_IS_THERE: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict", "412"})
_TYPES: Final = {
    ".csv": "text/csv; charset=utf-8",
    ".tsv": "text/tab-separated-values; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".htm": "text/html; charset=utf-8",
    ".json": "application/json",
    ".jsonl": "application/x-ndjson",
    ".ndjson": "application/x-ndjson",
    ".parquet": "application/vnd.apache.parquet",
    ".yaml": "application/yaml",
    ".yml": "application/yaml",
}
_ANY_TYPE: Final = "application/octet-stream"


class S3Store(ObjectStore):
    """Places in S3, as one login reaches them."""

    def __init__(self, login: Login) -> None:
        """Say whose; nobody is called yet."""
        self._login = login
        self._longest = login.target.call_timeout

    async def mark(self, uri: str) -> str | None:
        """Call HeadObject."""
        found = await self._metadata(uri)
        return None if found is None else found.get(_MARK, "")

    async def put(self, uri: str, file: Path, *, mark: str, replaces: bool) -> bool:
        """Call PutObject."""
        size = (await anyio.Path(file).stat()).st_size
        if size > _MOST:
            raise ServiceUnusableError(f"it has {size / _GIB:.1f} GiB, and one upload takes {_MOST // _GIB}")
        writing = secrets.token_hex(8)
        asked: dict[str, Any] = {
            "ContentType": _TYPES.get(file.suffix.lower(), _ANY_TYPE),
            "Metadata": {_MARK: mark, _WRITING: writing},
            **({} if replaces else {"IfNoneMatch": "*"}),
        }
        try:
            await self._put(uri, file, asked, size / _SLOWEST)
        except boto.ClientError as error:
            if error.response.get("Error", {}).get("Code") not in _IS_THERE:
                raise self._explained(error, "PutObject") from error
            # The answer to a first try may have been lost.
            found = await self._metadata(uri)
            return found is not None and found.get(_WRITING) == writing
        except Exception as raw:
            raise self._explained(raw, "PutObject") from raw
        return True

    async def _put(self, uri: str, file: Path, asked: dict[str, Any], patience: float) -> None:
        bucket, key = split_uri(uri)
        async with self._client(patience) as client:
            with file.open("rb") as stream:
                # What is sent from a file waits for a word of the server first, which not every one has.
                body = stream.read() if patience <= _HELD / _SLOWEST else stream
                call = client.put_object(Bucket=bucket, Key=key, Body=body, **asked)
                await in_time(call, "PutObject", self._longest + patience)

    async def _metadata(self, uri: str) -> dict[str, str] | None:
        """Return an object's own metadata; None where there is none that may be looked at."""
        bucket, key = split_uri(uri)
        try:
            async with self._client(0.0) as client:
                call = client.head_object(Bucket=bucket, Key=key)
                found: dict[str, str] = (await in_time(call, "HeadObject", self._longest))["Metadata"]
        except boto.ClientError as error:
            if error.response.get("ResponseMetadata", {}).get("HTTPStatusCode") in _UNTOLD:
                return None
            raise self._explained(error, "HeadObject") from error
        except Exception as raw:
            raise self._explained(raw, "HeadObject") from raw
        return found

    @asynccontextmanager
    async def _client(self, patience: float) -> AsyncIterator[Any]:
        async with s3_client(self._login, patience=patience) as client:
            yield client

    def _explained(self, raw: Exception, operation: str) -> BatchrunError:
        """Say what the failure means for whoever named the place."""
        if isinstance(raw, UsageError | ServiceUnusableError):
            return raw
        error = classify(raw, operation)
        if isinstance(error, AccessDeniedError):
            return ServiceUnusableError(f"{error}; allow s3:PutObject there")
        if isinstance(error, CredentialsError):
            return ServiceUnusableError(f"{error.message}; {self._login.cure}")
        return ServiceUnusableError(str(error))
