"""
Checked specs on disk, in a file without a name, so that memory does not grow with the manifest.

Belongs here: that file's format. Does not: checking.
"""

from __future__ import annotations

import hashlib
import tempfile
from typing import TYPE_CHECKING, Final

from batchrun.manifest.temporary import not_written
from batchrun.model.spec import Spec

if TYPE_CHECKING:
    from collections.abc import Iterator

_IN_MEMORY: Final = 4 * 1024 * 1024
_PIECE: Final = 256 * 1024


class Spool:
    """
    Specs in the order they were added.

    A spec is three lines: its id, which has no control characters, its request, in which JSON escapes them,
    and its work, in hex; empty where it is not known.
    """

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY)  # noqa: SIM115 - see close
        self._pending = bytearray()  #: what is not written yet: a call for each spec would cost more than it
        self._hash = hashlib.sha256()
        self.count = 0

    def add(self, entry_id: str, request: bytes, work: bytes = b"") -> None:
        """
        Take one more.

        Raises:
            ManifestError: The disk does not take it.
        """
        spec = b"%b\n%b\n" % (entry_id.encode(), request)
        self._hash.update(spec)
        self._pending += b"%b%b\n" % (spec, work.hex().encode())
        self.count += 1
        if len(self._pending) >= _PIECE:
            self._write()

    def seal(self) -> None:
        """
        Say that nothing more will be added.

        Raises:
            ManifestError: The disk does not take what was added.
        """
        self._write()
        try:
            self._file.flush()
        except OSError as error:
            raise not_written(error) from error

    def _write(self) -> None:
        try:
            self._file.write(self._pending)
        except OSError as error:
            raise not_written(error) from error
        self._pending.clear()

    @property
    def digest(self) -> str:
        """SHA-256 over every id and request, in hex."""
        return self._hash.hexdigest()

    def specs(self) -> Iterator[Spec]:
        """Return every spec; several iterators may run at once, in one thread."""
        lines = self._lines()
        for position, entry_id in enumerate(lines):
            request, work = next(lines).decode(), bytes.fromhex(next(lines).decode())
            yield Spec(id=entry_id.decode(), position=position, request=request, work=work or None)

    def _lines(self) -> Iterator[bytes]:
        offset = 0
        rest = b""
        while True:
            self._file.seek(offset)
            piece = self._file.read(_PIECE)
            if not piece:
                return
            offset += len(piece)
            *whole, rest = (rest + piece).split(b"\n")
            yield from whole

    def close(self) -> None:
        """Let go of the file; nothing is left behind."""
        self._file.close()
