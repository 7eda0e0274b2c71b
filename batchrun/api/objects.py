"""
Files in S3 that are read and written like any other, by one login that all share who call anybody.

Belongs here: filling the ports when they are first needed, since a client takes long to import, and nobody is
to be asked twice for a code; for reading a thread with an event loop of its own for each call, since whoever
reads may stand in one, and copies for as long as somebody reads. Does not: calling S3 and logging in
(``service``).
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
    """A login that is made when it is first used."""

    def __init__(
        self, target: Target, *, before: Callable[[], None] | None = None, besides: OneLogin | None = None
    ) -> None:
        """Take whose it is, what is to be done *before* the first call, and what it shares logins with."""
        self.target = target
        self._before = before
        self._besides = besides
        self._made: Login | None = None

    def beside(self, target: Target) -> OneLogin:
        """Return one for another target, which shares with this one what leads to the same credentials."""
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
    """A store that is made when it is first used."""

    def __init__(self, login: OneLogin) -> None:
        """Take whose S3 it is."""
        self._login = login
        self._made: ObjectStore | None = None

    async def mark(self, uri: str) -> str | None:
        """See the port."""
        return await self._store().mark(uri)

    async def put(self, uri: str, file: Path, *, mark: str, replaces: bool) -> bool:
        """See the port."""
        return await self._store().put(uri, file, mark=mark, replaces=replaces)

    def _store(self) -> ObjectStore:
        if self._made is None:
            from batchrun.service.s3.putting import S3Store  # noqa: PLC0415 (loads aiobotocore)

            self._made = S3Store(self._login.get())
        return self._made


class ObjectsOnce(Objects):
    """Fetches each object once, when it is first opened; to be used with ``with``, which drops the copies."""

    def __init__(self, login: OneLogin) -> None:
        """Take whose S3 it is; before an object is opened nothing is called, and no client imported."""
        self._login = login
        self._found: dict[str, IO[bytes] | ManifestError] = {}
        self._stack = contextlib.ExitStack()

    def opened(self, uri: str, *, most: int) -> BinaryIO:
        """Open a copy; see the port."""
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
    """A file that others read too, each from a position of its own; it stays open when this is closed."""

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
