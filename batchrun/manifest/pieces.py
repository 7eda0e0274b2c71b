"""
Streams out of pieces of bytes, and pieces out of streams.

Belongs here: that, for whatever makes other bytes of those that it reads (``recoded``). Does not: what the
bytes are.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

PIECE: Final = 64 * 1024


def pieces_of(stream: BinaryIO) -> Iterator[bytes]:
    """Yield what is left of *stream*."""
    while piece := stream.read(PIECE):
        yield piece


def as_stream(pieces: Iterator[bytes]) -> BinaryIO:
    """Return *pieces* as a stream: to read from it raises what they raise."""
    return io.BufferedReader(_Pieces(pieces), PIECE)


class _Pieces(io.RawIOBase):
    def __init__(self, pieces: Iterator[bytes]) -> None:
        super().__init__()
        self._pieces = pieces
        self._ready = memoryview(b"")

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # it is given nothing else
        if not self._ready:
            self._ready = memoryview(next((piece for piece in self._pieces if piece), b""))
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size
