"""
Bytes on their way: unpacked from gzip, and made UTF-8 of another encoding.

Belongs here: that, piece by piece, what it may grow to, and UTF-16 by its mark. Does not: what the user says
of an encoding (``table``), files' names (``source``), lines and their limits (``text_input``).
"""

from __future__ import annotations

import codecs
import io
import itertools
import zlib
from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.problems import Place, unreadable

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


_MARKS: Final = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)


def by_mark(stream: BinaryIO, source: str) -> BinaryIO:
    """
    Return *stream* in UTF-8, where it begins with the mark of UTF-16; else as it is.

    To read from it raises ManifestError where a byte is not of UTF-16.
    """
    head = stream.read(2)
    whole = as_stream(itertools.chain((head,), pieces_of(stream)))
    return recoded(whole, "utf-16", source) if head in _MARKS else whole


def recoded(stream: BinaryIO, encoding: str, source: str) -> BinaryIO:
    """
    Return *stream* in UTF-8.

    To read from it raises ManifestError where a byte is not of *encoding*.
    """
    return as_stream(_recoded(stream, encoding, source))


def _recoded(stream: BinaryIO, encoding: str, source: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    for raw in itertools.chain(pieces_of(stream), (b"",)):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            byte, at = error.object[error.start], offset - pending + error.start
            message = f"byte 0x{byte:02x} at byte {at} is not {encoding}"
            cure = "give another --encoding, or save the file in UTF-8"
            raise unreadable(Place(source=source), message, cure) from error
        offset += len(raw)
        # Half of a surrogate pair, which UTF-16 may hold, is told by whoever reads it.
        yield text.encode(errors="surrogatepass")


_MARK: Final = b"\x1f\x8b"
_GZIP: Final = 16 + zlib.MAX_WBITS  # what zlib calls it


def unpacked(stream: BinaryIO, source: str) -> BinaryIO:
    """
    Return *stream* unpacked where it is gzip, whatever its name; else as it is.

    To read from it raises ManifestError where it is damaged, breaks off, or grows beyond all measure.
    """
    head = stream.read(len(_MARK))
    whole = itertools.chain((head,), pieces_of(stream))
    return as_stream(_members(whole, Place(source=source)) if head == _MARK else whole)


def _members(packed: Iterator[bytes], place: Place) -> Iterator[bytes]:
    """Yield what is in each member: bgzip, and whoever appends to a file, makes several."""
    taken = given = 0
    window: list[bytes] = []  #: what may grow beyond measure is refused before anybody works on it
    unpacker = zlib.decompressobj(_GZIP)
    for raw in packed:
        rest = raw
        while rest:
            if unpacker.eof:
                unpacker = zlib.decompressobj(_GZIP)
            piece, left = _next(unpacker, rest, place)
            taken, given, rest = taken + len(rest) - len(left), given + len(piece), left
            window.append(piece)
            if given >= limits.UNPACKED:
                _check_growth(given, taken, place)
                yield from window
                window.clear()
                taken = given = 0
    yield from window
    if not unpacker.eof:
        raise unreadable(place, "this gzip file is cut short", "fetch it again: part of it is missing")


def _next(unpacker: zlib._Decompress, rest: bytes, place: Place) -> tuple[bytes, bytes]:
    """Return the next piece, and what is not used yet; zeros behind a member are padding."""
    try:
        piece = unpacker.decompress(rest, PIECE)
    except zlib.error as error:
        message = f"this gzip file is damaged: {error}"
        raise unreadable(place, message, "fetch it again, or decompress it yourself") from error
    return piece, unpacker.unused_data.lstrip(b"\0") if unpacker.eof else unpacker.unconsumed_tail


def _check_growth(given: int, taken: int, place: Place) -> None:
    if given > limits.GROWTH * taken:
        message = f"this gzip file grows to more than {limits.GROWTH} times its size: no table does"
        raise unreadable(place, message, "check that it is the right file; if it is, decompress it first")
