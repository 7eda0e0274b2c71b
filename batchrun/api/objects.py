# ruff: noqa: D102 - what each method promises stands in the contract, ports.objects
"""Files in S3 that are read and written like local ones, with one shared login.

Belongs here: implementing the ports on first use, since a client takes long to import and nobody should be
asked twice for an MFA code. Reading runs in a thread with an event loop of its own, since the reader may be
inside one, and copies live as long as somebody reads them. Does not: calling S3 and logging in (``service``).
"""

from __future__ import annotations

import contextlib
import io
import os
import tempfile
from collections.abc import Callable
from functools import partial
from typing import IO, TYPE_CHECKING, BinaryIO, Self

from batchrun.errors import ManifestError
from batchrun.ports.objects import Objects, ObjectStore

if TYPE_CHECKING:
    from pathlib import Path

    from batchrun.service.login import Login
    from batchrun.service.target import Target


class OneLogin:
    """A login that is made on first use."""

    def __init__(
        self, target: Target, *, before: Callable[[], None] | None = None, besides: OneLogin | None = None
    ) -> None:
        """Take the target, a callback *before* the first call, and a login to share credentials with."""
        self.target = target
        self._before = before
        self._besides = besides
        self._made: Login | None = None

    def beside(self, target: Target) -> OneLogin:
        """Return a login for another target; the two share credentials if they come from the same source."""
        return self if target == self.target else OneLogin(target, besides=self)

    def get(self) -> Login:
        """Return it."""
        if self._made is None:
            from batchrun.service.login import Login  # noqa: PLC0415 (loads aiobotocore)

            if self._before is not None:
                self._before()
            beside = None if self._besides is None else self._besides.get().beside(self.target)
            self._made = beside or Login(self.target)
        return self._made


class StoreWhenNeeded(ObjectStore):
    """An object store that is made on first use."""

    def __init__(self, login: OneLogin) -> None:
        """Take the login for S3."""
        self._login = login
        self._made: ObjectStore | None = None

    async def mark(self, uri: str) -> str | None:
        return await self._store().mark(uri)

    async def put(self, uri: str, file: Path, *, mark: str, replaces: bool) -> bool:
        return await self._store().put(uri, file, mark=mark, replaces=replaces)

    def _store(self) -> ObjectStore:
        if self._made is None:
            from batchrun.service.s3.putting import S3Store  # noqa: PLC0415 (loads aiobotocore)

            self._made = S3Store(self._login.get())
        return self._made


class ObjectsOnce(Objects):
    """Fetches each object once, when it is first opened; use it with ``with``, which deletes the copies."""

    def __init__(self, login: OneLogin) -> None:
        """Take the login for S3; before an object is opened nothing is called, and no client imported."""
        self._login = login
        self._found: dict[str, IO[bytes] | ManifestError] = {}
        self._stack = contextlib.ExitStack()

    def opened(self, uri: str, *, most: int) -> BinaryIO:
        if uri not in self._found:
            self._found[uri] = self._fetched(uri, most)
        found = self._found[uri]
        if isinstance(found, ManifestError):
            raise found
        return io.BufferedReader(_Copy(found.fileno()))

    def _fetched(self, uri: str, most: int) -> IO[bytes] | ManifestError:
        from anyio.from_thread import start_blocking_portal  # noqa: PLC0415 (for the few who need it, and so below)

        from batchrun.service.s3.fetching import fetch  # noqa: PLC0415

        login = self._login.get()
        copy = self._stack.enter_context(tempfile.TemporaryFile())  # noqa: SIM115 (false: it is one)
        try:
            with start_blocking_portal() as portal:
                portal.call(partial(fetch, login, uri, copy, most=most))
            copy.flush()
        except ManifestError as error:
            return error
        return copy

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self._stack.close()


class _Copy(io.RawIOBase):
    """A reader with a position of its own in a shared file, which stays open when this is closed."""

    def __init__(self, file: int) -> None:
        super().__init__()
        self._file = file
        self._position = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # it is given nothing else
        piece = os.pread(self._file, len(buffer), self._position)
        buffer[: len(piece)] = piece
        self._position += len(piece)
        return len(piece)
