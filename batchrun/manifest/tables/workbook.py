"""Excel workbooks (XLSX) as tables.

Belongs here: running the process that reads one (``workbook_rows``), and its rows. Does not: cells.
"""

from __future__ import annotations

import contextlib
import importlib.util
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, Final

from batchrun.manifest import limits
from batchrun.manifest.problems import Place, Problems, printable, unreadable, written_for_a_while
from batchrun.manifest.table import Table, TableOptions, TableRow, has_text
from batchrun.manifest.tables.shape import shaped
from batchrun.manifest.text_input import pieces_of

#: The first bytes of every zip archive.
MARK: Final = b"PK\x03\x04"
_LIBRARY: Final = "python_calamine"
_PROGRAM: Final = Path(__file__).with_name("workbook_rows.py")
_NAME: Final = 255  #: longer than any worksheet's name
_IN_CSV: Final = "save the sheet as CSV"


@contextlib.contextmanager
def table(stream: BinaryIO, source: str, asked: TableOptions, problems: Problems) -> Iterator[Table]:
    """Read the header of a worksheet, and yield the table, whose rows are read within the context.

    Raises:
        ManifestError: It is not a workbook, which worksheet is ambiguous, or it cannot be read further.
    """
    place = Place(source=source)
    if importlib.util.find_spec(_LIBRARY) is None:
        cure = f"pip install 'batchrun[excel]', or {_IN_CSV}"
        raise unreadable(place, "reading a workbook needs python-calamine", cure)
    with tempfile.TemporaryFile() as copy:
        _copy(stream, copy, place)
        with _started(copy, asked) as process:
            yield shaped(_rows(process, place), source, asked, problems)


def _copy(stream: BinaryIO, copy: IO[bytes], place: Place) -> None:
    size = 0
    for piece in pieces_of(stream):
        size += len(piece)
        if size > limits.WORKBOOK:
            raise unreadable(place, f"this workbook has more than {limits.WORKBOOK // 1024**2} MiB", _IN_CSV)
        with written_for_a_while():
            copy.write(piece)
    copy.seek(0)


@contextlib.contextmanager
def _started(copy: IO[bytes], asked: TableOptions) -> Iterator[subprocess.Popen[bytes]]:
    bounds = {
        "worksheet": asked.worksheet and asked.worksheet[:_NAME],
        "memory": limits.WORKBOOK_MEMORY,
        "seconds": limits.WORKBOOK_SECONDS,
        "unpacked": limits.WORKBOOK_UNPACKED,
        "area": limits.WORKBOOK_AREA,
    }
    # -P: nothing is imported from the working directory.
    command = [sys.executable, "-P", str(_PROGRAM), json.dumps(bounds)]
    process = subprocess.Popen(  # noqa: S603 - our own program
        command,
        stdin=copy,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={**os.environ, "RUST_BACKTRACE": "0"},  # there is no memory left for one
    )
    with process:
        try:
            yield process
        finally:
            process.kill()


def _rows(process: subprocess.Popen[bytes], place: Place) -> Iterator[TableRow]:
    assert process.stdout is not None  # noqa: S101 - it is a pipe
    for number, line in enumerate(_lines(process.stdout, place), start=1):
        said = json.loads(line)
        if isinstance(said, dict):
            message, cure = said["wrong"]
            raise unreadable(place, printable(message, limit=500), printable(cure, limit=500))
        if has_text(said):
            yield TableRow(number, said)
    if process.wait() != 0:
        size = limits.WORKBOOK_MEMORY // 1024**2
        message = f"reading this workbook takes more than {size} MiB or {limits.WORKBOOK_SECONDS} s"
        raise unreadable(place, message, _IN_CSV)


def _lines(pipe: IO[bytes], place: Place) -> Iterator[bytes]:
    while line := pipe.readline(limits.RECORD + 1):
        if len(line) > limits.RECORD:
            raise unreadable(place, f"a row of more than {limits.RECORD} characters", _IN_CSV)
        if line.endswith(b"\n"):  # else the process ended within the line
            yield line
