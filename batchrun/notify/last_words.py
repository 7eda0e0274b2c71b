"""
The end of what a command says; the rest goes nowhere, so that it takes no room.

A file would grow as long as anybody writes, also once the command has ended and left a child behind; a pipe
that nobody reads would hold it up.
"""

from __future__ import annotations

import os
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final, Self

import anyio

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from types import TracebackType

#: Bytes that are kept, and characters that are told.
_KEPT: Final = 4096
_TOLD: Final = 300
_PIECE: Final = 64 * 1024
#: Pieces that are read at last: what a pipe may hold. Whoever still writes is not waited for.
_HELD: Final = 16


class LastWords:
    """A pipe whose other end is given to a command; use it with ``with``."""

    def __init__(self) -> None:
        self._reading, self.writing = os.pipe()  #: *writing* is for the command's stdout and stderr
        os.set_blocking(self._reading, False)
        self._is_given = False
        self._kept = b""

    @property
    def text(self) -> str:
        """What was heard last."""
        return self._kept.decode(errors="replace").strip()[-_TOLD:]

    @asynccontextmanager
    async def heard(self) -> AsyncIterator[None]:
        """Listen for as long as the block lasts, and to what was said by its end."""
        self._let_go()
        async with anyio.create_task_group() as listening:
            listening.start_soon(self._listen)
            try:
                yield
            finally:
                listening.cancel_scope.cancel()
        for _ in range(_HELD):
            self._take()

    async def _listen(self) -> None:
        is_open = True
        while is_open:
            await anyio.wait_readable(self._reading)
            is_open = self._take()

    def _take(self) -> bool:
        """Take what is there, if anything; False where nobody can write any more."""
        try:
            piece = os.read(self._reading, _PIECE)
        except BlockingIOError:
            return True
        self._kept = (self._kept + piece)[-_KEPT:]
        return bool(piece)

    def _let_go(self) -> None:
        if not self._is_given:
            os.close(self.writing)
        self._is_given = True

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._let_go()
        os.close(self._reading)
