"""How an output is written: beside the old file, which it replaces once it is whole.

Does not belong here: which files are outputs, and which an output may replace (``outputs``).
"""

from __future__ import annotations

import errno
import io
import os
import secrets
import shutil
import stat
import tempfile
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final, TextIO

from batchrun import points
from batchrun.points import Point
from batchrun.report.outputs import OutputFile, is_device

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer

#: Seconds after which a draft is of a process that was killed while it wrote.
_LEFT_OVER: Final = 86_400.0
#: The mode of new files before the umask, and of private ones.
_USUAL: Final = 0o666
_PRIVATE: Final = 0o600
#: Characters that are copied at once.
_PIECE: Final = 256 * 1024


@contextmanager
def replacing(output: OutputFile) -> Iterator[TextIO]:
    """Open a new file beside *output* that replaces it after success.

    A link is followed, and an existing file keeps its mode. ``/dev/null``, a pipe and the like are written
    directly.

    Raises:
        UsageError: It may not be written, or is a pipe that nobody reads.
        OSError: It cannot be written; the old one, if any, is unchanged.
    """
    output.check()
    if _is_open_elsewhere(output.path):
        with _opened(output) as device:
            yield device
        return
    with drafted(output) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        yield file


def _opened(output: OutputFile) -> TextIO:
    """Open what is no file; a pipe without a reader would wait for one for ever, and hear no signal."""
    try:
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC
        handle = os.open(output.path, flags | os.O_NONBLOCK, _USUAL)
    except OSError as error:
        if error.errno == errno.ENXIO:
            raise output.refused("cannot be written: nobody reads it") from error
        raise
    os.set_blocking(handle, True)
    return io.TextIOWrapper(io.BufferedWriter(_Poured(handle, "a")), encoding="utf-8", newline="")


class _Poured(io.FileIO):
    """What is no file: where its reader has closed it, as ``head`` does, the rest is dropped."""

    def write(self, data: ReadableBuffer, /) -> int:
        """Write what is still read."""
        try:
            return super().write(data)
        except BrokenPipeError:
            return memoryview(data).nbytes


@contextmanager
def drafted(output: OutputFile) -> Iterator[Path]:
    """Yield the path of such a new file, for writers that need a path; what is no file gets its content."""
    output.check()
    if _is_open_elsewhere(output.path):
        with _opened(output) as device, copied(nullcontext(device)) as draft:
            yield draft
        return
    path = output.path.resolve()
    draft = path.with_name(f".batchrun-{secrets.token_hex(8)}.new")
    try:
        _make(draft, path)
        _remove_left_over(beside=draft)
        yield draft
        with draft.open("rb") as file:
            os.fsync(file.fileno())
        points.reached(Point.RESULTS_WRITTEN)
        output.check()
        draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


@contextmanager
def copied(place: AbstractContextManager[TextIO]) -> Iterator[Path]:
    """Yield the path of a draft elsewhere, whose text is copied to *place* if the block succeeds."""
    with tempfile.TemporaryDirectory(prefix="batchrun-") as folder:
        draft = Path(folder) / "draft"
        draft.touch(mode=_PRIVATE)
        yield draft
        with draft.open(encoding="utf-8", newline="") as text, place as file:
            shutil.copyfileobj(text, file, _PIECE)


def _remove_left_over(*, beside: Path) -> None:
    """Remove what killed processes left *beside* a new draft, whose time is the file system's own."""
    with suppress(OSError):
        oldest = beside.stat().st_mtime - _LEFT_OVER
        for draft in beside.parent.glob(".batchrun-*.new"):
            if draft.stat().st_mtime < oldest:
                draft.unlink()


def _is_open_elsewhere(path: Path) -> bool:
    return is_device(path) or (path.exists() and not path.is_file())


def _make(draft: Path, path: Path) -> None:
    """Create an empty file with the mode of the file that it replaces, or that of a new one."""
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
