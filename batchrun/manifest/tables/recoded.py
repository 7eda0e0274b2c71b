"""
Bytes in some encoding as bytes in UTF-8, which is what everybody else reads.

Belongs here: that, piece by piece. Does not: which encoding it is (``asked``), lines and their limits
(``text_input``).
"""

from __future__ import annotations

import codecs
import io
from typing import TYPE_CHECKING, Final

from batchrun.manifest.problems import Place, unreadable

if TYPE_CHECKING:
    from typing import BinaryIO

_PIECE: Final = 64 * 1024


def recoded(stream: BinaryIO, encoding: str, source: str) -> BinaryIO:
    """
    Give *stream* in UTF-8.

    To read from it raises ManifestError where a byte is not of *encoding*.
    """
    return io.BufferedReader(_Recoded(stream, encoding, source), _PIECE)


class _Recoded(io.RawIOBase):
    def __init__(self, stream: BinaryIO, encoding: str, source: str) -> None:
        super().__init__()
        self._stream = stream
        self._decoder = codecs.getincrementaldecoder(encoding)()
        self._encoding = encoding
        self._source = source
        self._offset = 0
        self._ready = memoryview(b"")
        self._is_over = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # it is given nothing else
        while not self._ready and not self._is_over:
            self._ready = memoryview(self._next())
        size = min(len(buffer), len(self._ready))
        buffer[:size] = self._ready[:size]
        self._ready = self._ready[size:]
        return size

    def _next(self) -> bytes:
        raw = self._stream.read(_PIECE)
        self._is_over = not raw
        pending = len(self._decoder.getstate()[0])
        try:
            text = self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            place = Place(source=self._source)
            byte, at = error.object[error.start], self._offset - pending + error.start
            message = f"byte 0x{byte:02x} at byte {at} is not {self._encoding}"
            raise unreadable(place, message, "give another --encoding, or save the file in UTF-8") from error
        self._offset += len(raw)
        # Half of a surrogate pair, which UTF-16 may hold, is told by whoever reads it.
        return text.encode(errors="surrogatepass")
