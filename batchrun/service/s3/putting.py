"""Writing one whole object to S3, and looking at what is there; our own files are marked as such.

All calls raise UsageError where the profile does not exist, and ServiceUnusableError where there are no
credentials.
"""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, Final, TypeVar

import anyio

from batchrun import errors
from batchrun.model.texts.places import split_uri
from batchrun.ports.objects import ObjectStore
from batchrun.service.calling.one_try import Waited, classified, in_time
from batchrun.service.classify import code_of, status_of
from batchrun.service.login import Login
from batchrun.service.session import s3_client

T = TypeVar("T")
_PUT: Final = "PutObject"
_HEAD: Final = "HeadObject"
_GIB: Final = 2**30
#: What one PutObject may carry.
_MOST: Final = 5 * _GIB
#: Bytes per second that a connection must reach.
_SLOWEST: Final = 128 * 1024
#: Bytes up to which a file is sent from memory: nearly all results.
_HELD: Final = 16 * 1024 * 1024
#: Statuses of a HEAD that say nothing: no object, no permission, another region, no body with the reason.
_UNTOLD: Final = frozenset({301, 307, 400, 403, 404})
#: Codes for an object that is there and must not be replaced.
_IS_THERE: Final = frozenset({"PreconditionFailed", "412"})
#: Keys of an object's metadata: what it is, and which write made it.
_MARK: Final = "batchrun"
_WRITING: Final = "batchrun-writing"
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


async def put(
    login: Login, uri: str, stream: IO[bytes], size: int, *, asked: Mapping[str, Any], replaces: bool
) -> bool:
    """Write *size* bytes as an object, with *asked* as further parameters.

    Returns False where an object is there, which without *replaces* is left alone.

    Raises:
        ConflictError: Something is just being written there.
        CallError: It is too large, cannot be written, or it is unknown whether it was.
    """
    if size > _MOST:
        words = f"it has {size / _GIB:.1f} GiB, and one upload takes {_MOST // _GIB}"
        raise errors.RefusedError(words, operation=_PUT, code="EntityTooLarge")
    bucket, key = split_uri(uri)
    # Sending from a file waits for the server's "100 Continue", which not every server sends.
    body = stream.read() if size <= _HELD else stream
    condition = {} if replaces else {"IfNoneMatch": "*"}

    def send(client: Any) -> Any:
        return client.put_object(Bucket=bucket, Key=key, Body=body, **asked, **condition)

    try:
        await _called(login, _PUT, send, patience=size / _SLOWEST)
    except errors.CallError as error:
        if code_of(error.__cause__) in _IS_THERE:
            return False
        raise
    return True


async def look(login: Login, uri: str) -> Mapping[str, Any] | None:
    """Return the answer to HeadObject; None where no object can be seen. Raises CallError."""
    bucket, key = split_uri(uri)
    try:
        return await _called(login, _HEAD, lambda client: client.head_object(Bucket=bucket, Key=key))
    except errors.CallError as error:
        if status_of(error.__cause__) in _UNTOLD:
            return None
        raise


async def _called(
    login: Login, operation: str, send: Callable[[Any], Any], *, patience: float = 0.0
) -> Mapping[str, Any]:
    """Make one call with a client of its own. Raises CallError where it failed."""
    with classified(operation):
        async with s3_client(login, patience=patience) as client:
            with Waited(client, login).logged_if_long(operation):
                longest = login.target.call_timeout + patience
                answer: Mapping[str, Any] = await in_time(send(client), operation, longest)
    return answer


class S3Store(ObjectStore):
    """Places in S3, reached with one login, or with the one that it became since."""

    def __init__(self, login: Login) -> None:
        self._login = login

    async def mark(self, uri: str) -> str | None:
        """Call HeadObject."""
        found = await self._metadata(uri)
        return None if found is None else found.get(_MARK, "")

    async def put(self, uri: str, file: Path, *, mark: str, replaces: bool) -> bool:
        """Call PutObject."""
        writing = secrets.token_hex(8)
        asked = {
            "ContentType": _TYPES.get(file.suffix.lower(), _ANY_TYPE),
            "Metadata": {_MARK: mark, _WRITING: writing},
        }
        size = (await anyio.Path(file).stat()).st_size

        async def write(login: Login) -> bool:
            with file.open("rb") as stream:
                return await put(login, uri, stream, size, asked=asked, replaces=replaces)

        with self._explained(), suppress(errors.ConflictError):
            if await self._reached(write):
                return True
        # The answer to a first try may have been lost.
        found = await self._metadata(uri)
        return found is not None and found.get(_WRITING) == writing

    async def _metadata(self, uri: str) -> Mapping[str, str] | None:
        """Return an object's metadata; None where no object can be seen."""
        with self._explained():
            found = await self._reached(lambda login: look(login, uri))
        return None if found is None else found.get("Metadata", {})

    async def _reached(self, call: Callable[[Login], Awaitable[T]]) -> T:
        """Make *call*; where its login worked once and is over, as after days, once more with a new one."""
        self._login = self._login.latest()
        try:
            return await call(self._login)
        except (errors.CredentialsError, errors.LoginSettingError, errors.ServiceUnusableError):
            if not self._login.has_worked:
                raise
        self._login = self._login.renewed()
        return await call(self._login)

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Turn a failed call into ServiceUnusableError."""
        try:
            yield
        except errors.AccessDeniedError as error:
            raise errors.ServiceUnusableError(f"{error}; allow s3:PutObject there") from error
        except errors.CredentialsError as error:
            raise errors.ServiceUnusableError(self._login.rejected(error)) from error
        except errors.CallError as error:
            raise errors.ServiceUnusableError(str(error)) from error
