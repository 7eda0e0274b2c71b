"""
A file that is replaced as a whole or not at all.

Belongs here: writing beside it, and the change of places. Does not: what is written, and what follows
from a failure.
"""

from __future__ import annotations

import io
import os
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, BinaryIO, Final

from batchrun import points
from batchrun.points import Point

if TYPE_CHECKING:
    from collections.abc import Iterator


#: Who may read a new file: its owner, or everybody.
_PRIVATE: Final = 0o600
_PUBLIC: Final = 0o644


@contextmanager
def replacing(path: Path, *, is_public: bool = False) -> Iterator[IO[str]]:
    """
    Open a new text file beside *path*, private or public, that takes its place when all went well.

    A link is followed. What is no regular file, such as ``/dev/null`` or a pipe, is written as it is.

    Raises:
        OSError: It cannot be written; the old one, if any, is as it was.
    """
    with replacing_bytes(path, is_public=is_public) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()


@contextmanager
def replacing_bytes(path: Path, *, is_public: bool = False) -> Iterator[BinaryIO]:
    """Do the same for a file that is no text."""
    path = path.resolve()
    if path.exists() and not path.is_file():
        with path.open("wb") as device:
            yield device
        return
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".new")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as file:
            yield file
            file.flush()
            os.fchmod(handle, _PUBLIC if is_public else _PRIVATE)
            os.fsync(file.fileno())
        points.reached(Point.RESULTS_WRITTEN)
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
