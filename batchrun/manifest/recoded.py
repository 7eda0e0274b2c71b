"""
Bytes in some encoding as bytes in UTF-8, which is what everybody else reads.

Belongs here: that, piece by piece, and UTF-16 by its mark. Does not: what the user says of it
(``tables.asked``), lines and their limits (``text_input``).
"""

from __future__ import annotations

import codecs
import itertools
from typing import TYPE_CHECKING, Final

from batchrun.manifest.pieces import as_stream, pieces_of
from batchrun.manifest.problems import Place, unreadable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import BinaryIO

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
