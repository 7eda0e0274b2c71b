"""
Bytes to text, strictly, line by line or in pieces, and never more of it than a record may hold.

Belongs here: decoding UTF-8, also where it was UTF-16 with its mark, and its limits. Does not: anything about
a format.
"""

from __future__ import annotations

import codecs
import contextlib
import tempfile
from typing import IO, TYPE_CHECKING, BinaryIO, Final

from batchrun.errors import ManifestError
from batchrun.manifest import limits
from batchrun.manifest.bytes_read import by_mark
from batchrun.manifest.problems import Place, problem_at, unreadable, written_for_a_while
from batchrun.manifest.source import refuse_binary

if TYPE_CHECKING:
    from collections.abc import Iterator

_PIECE: Final = 256 * 1024
_IN_MEMORY: Final = 8 * 1024 * 1024
IN_UTF8: Final = "save the file in UTF-8"
_IN_ANOTHER: Final = f"{IN_UTF8}, or say what it is in, such as --encoding latin-1"
#: Control characters that no manifest holds as they are; JSON and YAML can still escape them.
_CONTROL: Final = bytes(set(range(32)) - {9, 10, 13}) + b"\x7f"


def lines(stream: BinaryIO, source: str, *, cure: str = _IN_ANOTHER) -> Iterator[str]:
    """
    Return each line with its end, decoded; *cure* is for what is in another encoding.

    Raises:
        ManifestError: A line is too long, or is not text.
    """
    offset = 0
    number = 0
    stream = by_mark(stream, source)
    while raw := stream.readline(limits.RECORD + 1):
        number += 1
        if number == 1:
            refuse_binary(raw, source)
        if len(raw) > limits.RECORD:
            raise too_long(Place(source=source, line=number), "line")
        if len(raw.translate(None, _CONTROL)) != len(raw):
            raise _control_character(raw, offset, Place(source=source, line=number))
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise _not_utf8(error, offset, source, number, cure) from error
        offset += len(raw)
        yield text.removeprefix("\ufeff") if number == 1 else text


class TooLongError(ManifestError):
    """A line, an element or a document that is longer than any that makes sense."""


def too_long(place: Place, what: str, limit: int = limits.RECORD) -> TooLongError:
    """Build the error for it."""
    size = limit // (1024 * 1024)
    cure = "check that this is the right file: a StartRun request cannot carry that much"
    return TooLongError([problem_at(place, f"a {what} of more than {size} MiB", cure)])


def _control_character(raw: bytes, offset: int, place: Place) -> ManifestError:
    index = next(index for index, byte in enumerate(raw) if byte in _CONTROL)
    what = "NUL" if raw[index] == 0 else f"control character 0x{raw[index]:02x}"
    return unreadable(place, f"a {what} at byte {offset + index}", "save the file as plain text in UTF-8")


def _not_utf8(
    error: UnicodeDecodeError, offset: int, source: str, line: int, cure: str = IN_UTF8
) -> ManifestError:
    byte = error.object[error.start]
    return unreadable(
        Place(source=source, line=line),
        f"byte 0x{byte:02x} at byte {offset + error.start} is not UTF-8",
        cure,
    )


def kept(stream: BinaryIO, source: str) -> BinaryIO:
    """
    Copy a document, so that it can be read twice and cannot change in between.

    Raises:
        ManifestError: It is binary, or endless.
    """
    with contextlib.ExitStack() as stack:
        copy = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))
        _copy(stream, copy, source)
        stack.pop_all()  # from here on the caller closes it
    return copy  # type: ignore[return-value]  # typeshed: a SpooledTemporaryFile is a BinaryIO in all but name


def _copy(stream: BinaryIO, copy: IO[bytes], source: str) -> None:
    size = 0
    stream = by_mark(stream, source)
    while piece := stream.read(_PIECE):
        if not size:
            refuse_binary(piece, source)
        size += len(piece)
        if size > limits.DOCUMENT:
            raise too_long(Place(source=source), "document", limits.DOCUMENT)
        with written_for_a_while():
            copy.write(piece)
        if b"\0" in piece:
            break  # Whoever reads the copy meets the NUL and names its line; /dev/zero ends here.
    copy.seek(0)


class TextStream:
    """
    A document as text, in pieces, for a parser that pulls.

    The parser's consumer calls :meth:`element_done` after each element; what is read between two of those
    calls is limited.
    """

    def __init__(self, stream: BinaryIO, source: str) -> None:
        self._stream = stream
        self._source = source
        self._decoder = codecs.getincrementaldecoder("utf-8")()
        self._offset = 0
        self._line = 1
        self._since_element = 0
        self._at_start = True

    def element_done(self) -> None:
        """Start the count of characters afresh."""
        self._since_element = 0

    def read(self, size: int = _PIECE) -> str:
        """
        Return the next piece; empty at the end.

        Raises:
            ManifestError: It is not text, or an element is too long.
        """
        raw = self._stream.read(size)
        text = self._decoded(raw)
        if self._at_start and text:
            text = text.removeprefix("\ufeff")
            self._at_start = False
        self._offset += len(raw)
        self._line += text.count("\n")
        self._since_element += len(text)
        if self._since_element > limits.RECORD + 2 * _PIECE:
            raise too_long(Place(source=self._source, line=self._line), "row or value")
        return text or (self.read(size) if raw else "")

    def _decoded(self, raw: bytes) -> str:
        if len(raw.translate(None, _CONTROL)) != len(raw):
            index = next(index for index, byte in enumerate(raw) if byte in _CONTROL)
            line = self._line + raw.count(b"\n", 0, index)
            raise _control_character(raw, self._offset, Place(source=self._source, line=line))
        pending = len(self._decoder.getstate()[0])
        try:
            return self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            line = self._line + error.object.count(b"\n", 0, error.start)
            raise _not_utf8(error, self._offset - pending, self._source, line) from error
