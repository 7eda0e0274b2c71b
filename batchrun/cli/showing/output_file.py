"""
Files that people ask for by name: written beside their place, and put there when they are whole.

Belongs here: not overwriting what is there, and stdout. Does not: what is in them. Results have their own way
(``report``), since a launch must survive their failure.
"""

from __future__ import annotations

import os
import shutil
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

from batchrun.cli.speak import write
from batchrun.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterator

STDOUT: Final = "-"
_PIECE: Final = 256 * 1024


@contextmanager
def drafted(output: str, *, force: bool) -> Iterator[Path]:
    """
    Give a new file, private to the user, that becomes *output* when all went well; ``-`` is stdout.

    Raises:
        UsageError: It cannot be written, or is there already and *force* does not allow to replace it.
    """
    path = Path(output)
    if output != STDOUT:
        _check_place(path, force=force)
    try:
        with tempfile.TemporaryDirectory(
            prefix=".batchrun-", dir=None if output == STDOUT else path.parent
        ) as folder:
            draft = Path(folder) / "draft"
            draft.touch(mode=0o600)
            yield draft
            if output == STDOUT:
                _copy(draft)
            else:
                _place(draft, path, force=force)
    except OSError as error:
        raise UsageError(
            f"{output} cannot be written: {error.strerror or error}; give another place"
        ) from error


def check_folder(output: str | None) -> None:
    """Raise UsageError where *output*, if it is a file's path, lies in no folder."""
    if output is None or output == STDOUT:
        return
    folder = Path(output).parent
    if not folder.is_dir():
        raise UsageError(f"{output} cannot be written: there is no folder {folder}; make it, or give another")


def _check_place(path: Path, *, force: bool) -> None:
    try:
        is_there, is_file = path.exists(), path.is_file()
    except (OSError, ValueError) as error:
        raise UsageError(f"'{path}' is no path a file can have; give another") from error
    if is_there and not is_file:
        raise UsageError(f"{path} is not a regular file; give another, or - for stdout")
    if is_there and not force:
        raise UsageError(f"{path} is there already; give --force to replace it, or another -o")


def _place(draft: Path, path: Path, *, force: bool) -> None:
    if path.exists() and force:
        shutil.copymode(path, draft)
    else:
        mask = os.umask(0)
        os.umask(mask)
        draft.chmod(0o666 & ~mask)
    draft.replace(path)


def _copy(draft: Path) -> None:
    with draft.open(encoding="utf-8", newline="") as file:
        while piece := file.read(_PIECE):
            write(sys.stdout, piece)
