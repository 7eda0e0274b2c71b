"""
A file that is replaced as a whole or not at all: the one way in which outputs are written.

Belongs here: writing beside it, and the change of places. Does not: what may be replaced (``outputs``), what
is written, and what follows from a failure.
"""

from __future__ import annotations

import io
import os
import secrets
import stat
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING, BinaryIO, Final

from batchrun import points
from batchrun.points import Point
from batchrun.report.outputs import is_device

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from batchrun.report.outputs import OutputFile

#: What a new file's mode is, but for what the umask takes away; and that of one that is to become private.
_USUAL: Final = 0o666
_PRIVATE: Final = 0o600


@contextmanager
def replacing(output: OutputFile) -> Iterator[IO[str]]:
    """
    Open a new text file beside *output*, that takes its place when all went well.

    A link is followed, and a file that is there keeps its mode. What is no regular file, such as
    ``/dev/null`` or a pipe, is written as it is.

    Raises:
        UsageError: It may not be written.
        OSError: It cannot be written; the old one, if any, is as it was.
    """
    with replacing_bytes(output) as file:
        text = io.TextIOWrapper(file, encoding="utf-8", newline="")
        yield text
        text.flush()


@contextmanager
def replacing_bytes(output: OutputFile) -> Iterator[BinaryIO]:
    """Do the same for a file that is no text."""
    output.check()
    if _is_open_elsewhere(output.path):
        with output.path.open("ab") as device:
            yield device
        return
    with drafted(output) as draft, draft.open("wb") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def drafted(output: OutputFile) -> Iterator[Path]:
    """Return the path of such a new file, for whoever must read again what was written."""
    output.check()
    path = output.path.resolve()
    draft = path.with_name(f".batchrun-{secrets.token_hex(8)}.new")
    try:
        _make(draft, path)
        yield draft
        points.reached(Point.RESULTS_WRITTEN)
        output.check()
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def _is_open_elsewhere(path: Path) -> bool:
    return is_device(path) or (path.exists() and not path.is_file())


def _make(draft: Path, path: Path) -> None:
    """Make an empty file with the mode of the one that it replaces, or the one that the umask leaves."""
    try:
        kept = stat.S_IMODE(path.stat().st_mode)
    except FileNotFoundError:
        kept = None
    flags = os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC
    handle = os.open(draft, flags, _USUAL if kept is None else _PRIVATE)
    try:
        if kept is not None:
            os.fchmod(handle, kept)
    finally:
        os.close(handle)
