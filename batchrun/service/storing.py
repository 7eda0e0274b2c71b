"""Writing a file to S3 that says what it is."""

from __future__ import annotations

import secrets
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import anyio

from batchrun.errors import (
    AccessDeniedError,
    CallError,
    ConflictError,
    CredentialsError,
    ServiceUnusableError,
)
from batchrun.ports.objects import ObjectStore
from batchrun.service.putting import look, put

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path

    from batchrun.service.login import Login

#: Names among an object's own metadata: what it is, and which writing made it.
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


class S3Store(ObjectStore):
    """Places in S3, as one login reaches them."""

    def __init__(self, login: Login) -> None:
        """Say whose; nobody is called yet."""
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
        with file.open("rb") as stream, self._explained(), suppress(ConflictError):
            if await put(self._login, uri, stream, size, asked=asked, replaces=replaces):
                return True
        # The answer to a first try may have been lost.
        found = await self._metadata(uri)
        return found is not None and found.get(_WRITING) == writing

    async def _metadata(self, uri: str) -> Mapping[str, str] | None:
        """Return an object's own metadata; None where there is none that may be looked at."""
        with self._explained():
            found = await look(self._login, uri)
        return None if found is None else found.get("Metadata", {})

    @contextmanager
    def _explained(self) -> Iterator[None]:
        """Say what a failure means for whoever named the place."""
        try:
            yield
        except AccessDeniedError as error:
            raise ServiceUnusableError(f"{error}; allow s3:PutObject there") from error
        except CredentialsError as error:
            raise ServiceUnusableError(f"{error.message}; {self._login.cure}") from error
        except CallError as error:
            raise ServiceUnusableError(str(error)) from error
