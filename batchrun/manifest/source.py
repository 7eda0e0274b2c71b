"""
What to read and how, and the way to its bytes.

Belongs here: formats, opening files. Does not: what is in them (``text_input``), and parsing.
"""

from __future__ import annotations

import contextlib
import enum
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO, Final

from batchrun.errors import ManifestError
from batchrun.manifest import limits
from batchrun.manifest.problems import Place, unreadable, written_for_a_while
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.table import TableOptions
from batchrun.manifest.text_input import unpacked
from batchrun.model.texts.places import is_in_s3, wrong_place
from batchrun.ports.objects import Objects

STDIN: Final = "-"
#: Names of what a process has open, whatever that is.
_STREAMS: Final = ("/dev/stdin", "/dev/fd/", "/proc/")
_GZIP: Final = ".gz"
_WORKBOOKS: Final = (".xlsx", ".xlsm")
_OTHER_SHEETS: Final = (".xls", ".xlsb", ".ods", ".numbers")
_NOTHING_ASKED: Final = TableOptions()
_NO_SHEET: Final = SheetOptions()
_NO_FILE, _CHECK = "there is no such file", "check the path"


class Format(enum.Enum):
    """How a manifest is written."""

    YAML = "yaml"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"


_BY_EXTENSION: Final = {
    ".yaml": Format.YAML,
    ".yml": Format.YAML,
    ".json": Format.JSON,
    ".jsonl": Format.JSONL,
    ".ndjson": Format.JSONL,
    ".csv": Format.CSV,
    ".tsv": Format.TSV,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """
    A manifest to read, and what goes with it.

    Precedence, weakest first: ``defaults`` files in their order, the manifest's own ``defaults:``,
    ``parameters_from`` files in theirs, ``sets``, what the lane sets, the row. Tables merge at each step;
    anything else is replaced.
    """

    path: str  #: a path, ``s3://BUCKET/KEY``, or ``-`` for stdin
    is_each_file: bool = False  #: whether it is a pattern for the paths of files, of which each is a run
    verb: str = "check"  #: what was typed after ``batchrun``, for messages that say what to type next
    name: str | None = None  #: what messages call it, where that is not its path
    format: Format | None = None  #: from the extension when None
    batch: str | None = None  #: the batch's name, instead of the manifest's own
    defaults: tuple[str, ...] = ()  #: YAML or JSON files with a table of StartRun fields
    parameters_from: tuple[str, ...] = ()  #: YAML or JSON files with a table of a workflow's parameters
    sets: tuple[str, ...] = ()  #: ``workflowId=1234567``, ``parameters.threads:int=8``
    lanes: str | None = None  #: a YAML or JSON file with a table of lanes
    env: tuple[str, ...] = ()  #: variables of the environment that ``{env.NAME}`` may stand for
    strict: bool = False  #: whether a warning is an error
    tags: bool = True  #: whether batchrun's own tags will be added, and need room
    goes_together: bool = False  #: whether each row has to be one that StartRunBatch can start
    asked: TableOptions = _NOTHING_ASKED  #: how to read it, where it is a table
    sheet: SheetOptions = _NO_SHEET  #: what its rows are to become, where it is a sheet

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.name or name_of(self.path)

    @property
    def shared_files(self) -> tuple[str, ...]:
        """The files that say something for all rows."""
        return (*self.defaults, *self.parameters_from, *([] if self.lanes is None else [self.lanes]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What can be read besides files: what one load is given, and hands on to all that open something."""

    stdin: BinaryIO | None = None  #: stands in for standard input
    objects: Objects | None = None  #: files in S3; None where nothing is read from there


FILES_ALONE: Final = Beyond()


def name_of(path: str) -> str:
    """Return what messages call the file."""
    return "<stdin>" if path == STDIN else path


def endings_of(form: Format) -> tuple[str, ...]:
    """Return the extensions that mean the format, the usual one first."""
    return tuple(ending for ending, known in _BY_EXTENSION.items() if known is form)


def place_of(path: str) -> str | None:
    """Return the file's absolute path, or its URI; None for standard input, a pipe, and what is read once."""
    if path == STDIN:
        return None
    if is_in_s3(path):
        return path
    place = Path(path).absolute()
    is_stream = str(place).startswith(_STREAMS)
    return str(place) if place.is_file() and not is_stream else None


def is_known(path: str) -> bool:
    """Report whether the file's extension is one that manifests have."""
    return Path(path).suffix.lower() in _BY_EXTENSION


def unpacked_name(path: str) -> str:
    """Return the name that a file has once it is unpacked: without ``.gz``."""
    return path[: -len(_GZIP)] if path.lower().endswith(_GZIP) else path


def format_to_read(path: str, given: Format | None = None) -> Format:
    """
    Return the format that was given, or that the file's extension says, before ``.gz`` too.

    Raises:
        ManifestError: Neither says it, or it is no place in S3 where it should be one.
    """
    _check_place(path)
    name = unpacked_name(path)
    if given is None and name.lower().endswith(_WORKBOOKS):
        return Format.CSV  # any table: its first bytes show that it is a workbook
    if given is not None or is_known(name):
        return format_of(name, given)
    if not (path == STDIN or is_in_s3(path) or os.path.lexists(path)):
        raise unreadable(Place(source=name_of(path)), _NO_FILE, _CHECK)
    return format_of(path)


def format_of(path: str, given: Format | None = None) -> Format:
    """
    Return the format that was given, or that the file's extension says.

    Raises:
        ManifestError: Neither says it.
    """
    if given is not None:
        return given
    if path != STDIN and (known := _BY_EXTENSION.get(Path(path).suffix.lower())):
        return known
    place = Place(source=name_of(path))
    if path.lower().endswith(_OTHER_SHEETS):
        raise unreadable(place, "this kind of spreadsheet is not read", "save the sheet as XLSX or CSV")
    message = (
        "the format of standard input is not known"
        if path == STDIN
        else "the file's extension shows no format"
    )
    others = ", ".join(member.value for member in Format if member is not Format.CSV)
    raise unreadable(place, message, f"give --format csv for a table, or else one of {others}")


@contextlib.contextmanager
def opened(path: str, beyond: Beyond = FILES_ALONE) -> Iterator[BinaryIO]:
    """
    Open a manifest, an object in S3 or standard input for reading; what is in gzip is unpacked.

    Raises:
        ManifestError: It cannot be opened, or reading it failed.
        UsageError: It lies in S3, and the AWS configuration cannot be used.
        ServiceUnusableError: It may not be read there, or S3 cannot be asked.
    """
    with contextlib.ExitStack() as stack:
        if path == STDIN:
            stream = beyond.stdin or _stdin()
        else:
            open_one = _open(path) if not is_in_s3(path) else _open_object(path, beyond.objects)
            stream = stack.enter_context(open_one)
        try:
            yield unpacked(stream, name_of(path))
        except OSError as error:
            raise _cannot_open(path, error) from error


def _stdin() -> BinaryIO:
    if sys.stdin is None:
        place = Place(source=name_of(STDIN))
        raise unreadable(place, "standard input is closed", "give it something to read, or a file's path")
    return sys.stdin.buffer


def _open(path: str) -> BinaryIO:
    try:
        return Path(path).open("rb")
    except (OSError, ValueError) as error:
        raise _cannot_open(path, error) from error


def _check_place(path: str) -> None:
    if is_in_s3(path) and (wrong := wrong_place(path)):
        raise unreadable(Place(source=path), *wrong)


def _open_object(uri: str, objects: Objects | None) -> BinaryIO:
    _check_place(uri)
    if objects is None:
        raise unreadable(
            Place(source=uri), "nothing is read from S3 here", "copy it (aws s3 cp), and give that"
        )
    with written_for_a_while():
        return objects.opened(uri, most=limits.OBJECT)


def _cannot_open(path: str, error: OSError | ValueError) -> ManifestError:
    place = Place(source=name_of(path))
    match error:
        case FileNotFoundError():
            return unreadable(place, _NO_FILE, _CHECK)
        case IsADirectoryError():
            return unreadable(place, "this is a directory", "give the manifest's file")
        case PermissionError():
            return unreadable(place, "you may not read this file", "check its permissions")
        case OSError():
            reason = os.strerror(error.errno) if error.errno else "unknown error"
            return unreadable(place, f"it cannot be read: {reason}", "check the path and the disk")
        case _:
            return unreadable(place, "this is not a valid path", _CHECK)
