"""Checked specs in a temporary file without a name, so that memory does not grow with the manifest.

Belongs here: such files, the format of this one, and the place of each row in a few bytes. Does not:
checking, and the places of single fields, which would need too much memory.
"""

from __future__ import annotations

import hashlib
import os
import tempfile
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from typing import Final

from batchrun.errors import UsageError
from batchrun.manifest import limits
from batchrun.manifest.parts import Record
from batchrun.manifest.problems import Place, written_for_a_while
from batchrun.model.spec import Spec


class RowPlaces:
    """Places by the rows' position; valid only for a manifest without problems, where no row is left out."""

    def __init__(self) -> None:
        self._lines = array("Q")  #: the first of each row; 0 if the format has no lines
        self._others: dict[int, tuple[int, ...]] = {}  #: by position, for rows of several lines
        self._starts: list[int] = []  #: positions at which a source begins
        self._sources: list[str] = []

    def noted(self, records: Iterator[Record]) -> Iterator[Record]:
        """Return the records, noting the place of each."""
        for record in records:
            if not self._sources or self._sources[-1] != record.place.source:
                self._starts.append(len(self._lines))
                self._sources.append(record.place.source)
            if len(record.place.lines) > 1:
                self._others[len(self._lines)] = record.place.lines[: limits.LINES]
            self._lines.append(record.place.line or 0)
            yield record

    def place(self, position: int) -> Place:
        """Return the place of the row at *position*."""
        source = self._sources[bisect_right(self._starts, position) - 1]
        lines = self._others.get(position, ())
        return Place(source=source, line=self._lines[position] or None, lines=lines)


_IN_MEMORY: Final = 4 * 1024 * 1024
_PIECE: Final = 256 * 1024


class NamelessFile:
    """Bytes in a temporary file without a name, written piece by piece; few bytes stay in memory."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - see close
        self._pending = bytearray()  #: not written yet, to save calls
        self._size = 0  #: of everything, in bytes

    def _put(self, part: bytes) -> None:
        """Add some bytes. Raises ManifestError if they cannot be written."""
        self._pending += part
        self._size += len(part)
        if len(self._pending) >= _PIECE:
            self.seal()

    def seal(self) -> None:
        """Write everything that is pending. Raises ManifestError if it cannot be written."""
        with written_for_a_while():
            self._file.seek(0, os.SEEK_END)
            self._file.write(self._pending)
            self._file.flush()
        self._pending.clear()

    def _between(self, start: int, end: int) -> bytes:
        if self._file.closed:
            raise UsageError(
                "the manifest was closed; keep what needs it within its 'with', or load it again"
            )
        self._file.seek(start)
        return self._file.read(end - start)

    def close(self) -> None:
        """Close the file, which deletes it."""
        self._file.close()


class Spool(NamelessFile):
    """Specs in the order they were added.

    A spec is three lines: its id, which has no control characters; its content, in which JSON escapes them;
    its work in hex, empty if unknown. If the content is offers, the request is a fourth line.
    """

    def __init__(self) -> None:
        super().__init__()
        self._hash = hashlib.sha256()
        self.count = 0

    def add(self, entry_id: str, request: bytes, work: bytes = b"", offers: bytes | None = None) -> None:
        """Add a spec. Raises ManifestError if it cannot be written."""
        spec = b"%b\n%b\n" % (entry_id.encode(), offers or request)
        self._hash.update(spec)
        end = b"%b\n" % request if offers else b""
        self._put(b"%b%b\n%b" % (spec, work.hex().encode(), end))
        self.count += 1

    @property
    def digest(self) -> str:
        """SHA-256 over every id and content, in hex."""
        return self._hash.hexdigest()

    def specs(self) -> Iterator[Spec]:
        """Return every spec; several iterators may run at once, in one thread."""
        lines = self._lines()
        for position, entry_id in enumerate(lines):
            content, work = next(lines).decode(), bytes.fromhex(next(lines).decode())
            offers = content if content.startswith("[") else None
            request = content if offers is None else next(lines).decode()
            yield Spec(
                id=entry_id.decode(), position=position, request=request, work=work or None, offers=offers
            )

    def _lines(self) -> Iterator[bytes]:
        offset = 0
        rest = b""
        while piece := self._between(offset, offset + _PIECE):
            offset += len(piece)
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole
