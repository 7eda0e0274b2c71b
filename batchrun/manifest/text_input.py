"""Bytes become text: unpacked from gzip, converted to UTF-8, decoded strictly, within limits.

Belongs here: these steps, piece by piece or line by line, and refusing files whose first bytes are not text.
Does not: the encoding option (``table``), names of files (``source``), anything about a format.
"""

from __future__ import annotations

import codecs
import contextlib
import io
import itertools
import re
import tempfile
import zlib
from collections.abc import Iterator
from typing import IO, BinaryIO, Final

from batchrun.errors import ManifestError
from batchrun.manifest import limits
from batchrun.manifest.problems import Place, printable, problem_at, unreadable, written_for_a_while
from batchrun.model.texts.stand_ins import stand_in

PIECE: Final = 64 * 1024


def pieces_of(stream: BinaryIO) -> Iterator[bytes]:
    """Yield the rest of *stream* in pieces."""
    while piece := stream.read(PIECE):
        yield piece


def as_stream(pieces: Iterator[bytes]) -> BinaryIO:
    """Return *pieces* as a stream; reading raises what they raise."""
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
    """Return *stream* in UTF-8 if it begins with UTF-16's byte order mark; else as it is.

    Reading raises ManifestError for bytes that are not UTF-16.
    """
    head = stream.read(2)
    whole = as_stream(itertools.chain((head,), pieces_of(stream)))
    return recoded(whole, "utf-16", source) if head in _MARKS else whole


def recoded(stream: BinaryIO, encoding: str, source: str) -> BinaryIO:
    """Return *stream* in UTF-8.

    Reading raises ManifestError for bytes that are not in *encoding*.
    """
    return as_stream(_recoded(stream, encoding, source))


def _recoded(stream: BinaryIO, encoding: str, source: str) -> Iterator[bytes]:
    decoder = codecs.getincrementaldecoder(encoding)()
    offset = 0
    for raw in itertools.chain(pieces_of(stream), (b"",)):
        pending = len(decoder.getstate()[0])
        try:
            text = decoder.decode(raw, final=not raw)
        except UnicodeError as error:
            raise _not_in(encoding, error, offset - pending, Place(source=source)) from error
        offset += len(raw)
        # A lone surrogate, which UTF-16 may hold, is reported by the reader.
        yield text.encode(errors="surrogatepass")


_OTHER_ENCODING: Final = "give another --encoding"
_OR_IN_UTF8: Final = "or save the file in UTF-8"


def _not_in(encoding: str, error: UnicodeError, offset: int, place: Place) -> ManifestError:
    # Python's UTF-16 wants a mark. Up to 3.13 it says so in an error that is not one of decoding.
    if "BOM" in str(error) or not isinstance(error, UnicodeDecodeError):
        message = f"this is not {encoding}, which begins with a byte order mark"
        return unreadable(place, message, f"{_OTHER_ENCODING}, such as utf-16-le, {_OR_IN_UTF8}")
    byte, at = error.object[error.start], offset + error.start
    message = f"byte 0x{byte:02x} at byte {at} is not {encoding}"
    return unreadable(place, message, f"{_OTHER_ENCODING}, {_OR_IN_UTF8}")


_MARK: Final = b"\x1f\x8b"
_GZIP: Final = 16 + zlib.MAX_WBITS  # what zlib calls it


def unpacked(stream: BinaryIO, source: str) -> BinaryIO:
    """Return *stream* unpacked if it is gzip, whatever its name; else as it is.

    Reading raises ManifestError if it is damaged, truncated, or expands too much.
    """
    head = stream.read(len(_MARK))
    whole = itertools.chain((head,), pieces_of(stream))
    return as_stream(_members(whole, Place(source=source)) if head == _MARK else whole)


def _members(packed: Iterator[bytes], place: Place) -> Iterator[bytes]:
    """Yield the content of each member: bgzip makes several, and so does appending to a file."""
    taken = given = 0
    window: list[bytes] = []  #: measured before it is passed on
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
    """Return the next piece, and the unused input; zeros after a member are padding."""
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


_TEXT_PIECE: Final = 256 * 1024
_IN_MEMORY: Final = 8 * 1024 * 1024
IN_UTF8: Final = "save the file in UTF-8"
_IN_ANOTHER: Final = f"{IN_UTF8}, or say what it is in, such as --encoding "
#: What Excel writes on Windows, and on a Mac: each reads anything, so that a word has to show which it is.
_OTHERS: Final = ("cp1252", "mac_roman")
_WORD: Final = 20  #: characters of a word that are shown on each side
#: Characters that are examined to recognise UTF-16 without a byte order mark.
_LOOK: Final = 32
#: Control characters that are refused in manifests; JSON and YAML can escape them.
_CONTROL: Final = bytes(set(range(32)) - {9, 10, 13}) + b"\x7f"


def lines(stream: BinaryIO, source: str, *, cure: str = _IN_ANOTHER) -> Iterator[str]:
    """Return each line with its end, decoded; *cure* is for files in another encoding.

    Raises:
        ManifestError: A line is too long, or not text.
    """
    offset = 0
    number = 0
    stream = by_mark(stream, source)
    while raw := stream.readline(limits.RECORD + 1):
        number += 1
        if number == 1:
            _refuse_binary(raw, source)
        if len(raw) > limits.RECORD:
            raise too_long(Place(source=source, line=number), "line")
        if len(raw.translate(None, _CONTROL)) != len(raw):
            raise _control_character(raw, offset, source, number)
        try:
            text = raw.decode()
        except UnicodeDecodeError as error:
            raise _not_utf8(error, offset, source, number, cure) from error
        offset += len(raw)
        yield text.removeprefix("\ufeff") if number == 1 else text


class TooLongError(ManifestError):
    """A line, an element or a document beyond its limit."""


def too_long(place: Place, what: str, limit: int = limits.RECORD) -> TooLongError:
    """Return the error for a text beyond its limit."""
    size = limit // (1024 * 1024)
    cure = "check that this is the right file: a StartRun request cannot carry that much"
    return TooLongError([problem_at(place, f"a {what} of more than {size} MiB", cure)])


def _control_character(raw: bytes, offset: int, source: str, line: int) -> ManifestError:
    """Return the error for the first of them in *raw*, which begins at byte *offset*, on *line*."""
    index = next(index for index, byte in enumerate(raw) if byte in _CONTROL)
    place = Place(source=source, line=line + raw.count(b"\n", 0, index))
    what = "NUL" if raw[index] == 0 else f"control character 0x{raw[index]:02x}"
    cure = "save the file as plain text in UTF-8"
    for first, order in ((0, "be"), (1, "le")):
        if len(raw) > 1 and raw[1 - first] and not any(raw[first::2][:_LOOK]):
            cure = f"it looks like UTF-16: {cure}, or give --encoding utf-16-{order}"
    return unreadable(place, f"a {what} at byte {offset + index}", cure)


def _not_utf8(
    error: UnicodeDecodeError, offset: int, source: str, line: int, cure: str = IN_UTF8
) -> ManifestError:
    """Return the error for bytes that begin at byte *offset*, on *line*."""
    byte, line = error.object[error.start], line + error.object.count(b"\n", 0, error.start)
    if cure == _IN_ANOTHER:
        cure += " or ".join(f"{name} ('{text}')" for name, text in _readings(error.object, error.start))
    return unreadable(
        Place(source=source, line=line),
        f"byte 0x{byte:02x} at byte {offset + error.start} is not UTF-8",
        cure,
    )


def _readings(raw: bytes, at: int) -> Iterator[tuple[str, str]]:
    """Yield other encodings, and what the word at a byte is in them."""
    before = re.search(rb"[^\s,;|\"]*\Z", raw[max(0, at - _WORD) : at])
    behind = re.match(rb"[^\s,;|\"]*", raw[at : at + _WORD])
    word = (before[0] if before else b"") + (behind[0] if behind else b"")
    for name in _OTHERS:
        with contextlib.suppress(UnicodeDecodeError):
            yield name, printable(word.decode(name))


def kept(stream: BinaryIO, source: str) -> BinaryIO:
    """Copy a document to a temporary file, so that it can be read twice and does not change in between.

    Raises:
        ManifestError: It is binary, or too large.
    """
    with contextlib.ExitStack() as stack:
        copy = stack.enter_context(tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY))
        _copy(stream, copy, source)
        stack.pop_all()  # from here on the caller closes it
    return copy  # type: ignore[return-value]  # typeshed: a SpooledTemporaryFile is a BinaryIO in all but name


def _copy(stream: BinaryIO, copy: IO[bytes], source: str) -> None:
    size = 0
    stream = by_mark(stream, source)
    while piece := stream.read(_TEXT_PIECE):
        if not size:
            _refuse_binary(piece, source)
        size += len(piece)
        if size > limits.DOCUMENT:
            raise too_long(Place(source=source), "document", limits.DOCUMENT)
        with written_for_a_while():
            copy.write(piece)
        if b"\0" in piece:
            break  # The reader of the copy reports the NUL with its line; /dev/zero ends here.
    copy.seek(0)


class TextStream:
    """A document as text, for a parser that reads pieces of it.

    The parser's user calls :meth:`element_done` after each element; the text between two of these calls is
    limited.
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
        """Restart the count of characters."""
        self._since_element = 0

    def read(self, size: int = _TEXT_PIECE) -> str:
        """Return the next piece; empty at the end.

        Raises:
            ManifestError: The document is not text, or an element is too long.
        """
        raw = self._stream.read(size)
        text = self._decoded(raw)
        if self._at_start and text:
            text = text.removeprefix("\ufeff")
            self._at_start = False
        self._offset += len(raw)
        self._line += text.count("\n")
        self._since_element += len(text)
        if self._since_element > limits.RECORD + 2 * _TEXT_PIECE:
            raise too_long(Place(source=self._source, line=self._line), "row or value")
        return text or (self.read(size) if raw else "")

    def _decoded(self, raw: bytes) -> str:
        if len(raw.translate(None, _CONTROL)) != len(raw):
            raise _control_character(raw, self._offset, self._source, self._line)
        pending = len(self._decoder.getstate()[0])
        try:
            return self._decoder.decode(raw, final=not raw)
        except UnicodeDecodeError as error:
            raise _not_utf8(error, self._offset - pending, self._source, self._line) from error


#: What a script is, and the cure.
SCRIPT: Final = (
    "a script",
    "give a table of what it starts, or with --each-file the JSONs that it passes to start-run",
)
_WRITTEN_OUT: Final = "write it out as CSV or JSON Lines"
_MAGIC: Final = (
    (b"PK\x03\x04", "a zip archive or an Excel workbook", "give the sheet itself, or unpack the archive"),
    (
        b"\xd0\xcf\x11\xe0",
        "an old Excel workbook, or one with a password",
        "save it as XLSX without a password, or as CSV",
    ),
    (b"PAR1", "a Parquet file", _WRITTEN_OUT),
    (b"ARROW1\0\0", "an Arrow file", _WRITTEN_OUT),
    (b"FEA1\0", "a Feather file", _WRITTEN_OUT),
    (b"\x89HDF", "an HDF5 file", _WRITTEN_OUT),
    (b"{\\rtf", "a document of a word processor", "save it as plain text (Format > Make Plain Text)"),
    (b"%PDF", "a PDF document", "give the manifest itself"),
    (b"SQLite format 3\0", "an SQLite database", "give the manifest, not the ledger"),
    (
        b"<?xml",
        "an XML document",
        "give the table itself, a spreadsheet's as CSV; what S3 answers in place of an object says why",
    ),
)


#: The first line of what programs write for a spreadsheet to open: a table of a web page, or a page.
_EXPORTED: Final = re.compile(
    rb"(?:\xef\xbb\xbf)?\s*<(?:table[\s>]|html[^>]{,4000}office:excel)", re.IGNORECASE
)
_PAGE: Final = re.compile(rb"(?:\xef\xbb\xbf)?\s*<(?:!doctype\s+html|html|head)[\s>]", re.IGNORECASE)


def _refuse_binary(head: bytes, source: str) -> None:
    """Refuse a file whose first bytes show that it is not text.

    Raises:
        ManifestError: It says what the file is.
    """
    if found := foreign(head):
        what, cure = found
        raise unreadable(Place(source=source, line=1), f"this is {what}", cure)


def foreign(head: bytes) -> tuple[str, str] | None:
    """Return what the first bytes of a file show that it is, if no manifest, and the cure."""
    if _EXPORTED.match(head):
        cure = "open it in a spreadsheet, and save it there as XLSX or CSV"
        return "an export for a spreadsheet, and no CSV", cure
    if _PAGE.match(head):
        cure = "fetch the file itself; the page may say what was in the way, such as a login"
        return "a web page", cure
    own = ((what, cure) for magic, what, cure in _MAGIC if head.startswith(magic))
    return stand_in(head) or next(own, None)
