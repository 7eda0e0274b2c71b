"""
What is in gzip, unpacked on the way.

Belongs here: that, and what it may grow to. Does not: any other way to pack, files' names (``source``).
"""

from __future__ import annotations

import itertools
import zlib
from typing import TYPE_CHECKING, Final

from batchrun.manifest import limits
from batchrun.manifest.pieces import PIECE, as_stream, pieces_of
from batchrun.manifest.problems import Place, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

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
        raise unreadable(place, "this gzip file breaks off", "fetch it again: part of it is missing")


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
