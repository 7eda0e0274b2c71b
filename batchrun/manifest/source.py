"""What to read and how, which files a manifest may name, and opening them.

A manifest may name files in or below its own folder, since it may come from somebody else and its errors
quote what was read; and any place in S3, which decides by itself who may read. Does not belong here: what is
in them (``text_input``), and parsing.
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
from batchrun.manifest.problems import STANDARD_INPUT, Place, shown, unreadable, written_for_a_while
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.table import TableOptions
from batchrun.manifest.text_input import SCRIPT, foreign, unpacked
from batchrun.model.texts.places import is_in_s3, wrong_place
from batchrun.ports.objects import Objects

STDIN: Final = "-"
#: Paths of files that a process has open already.
_STREAMS: Final = ("/dev/stdin", "/dev/fd/", "/proc/")
_GZIP: Final = ".gz"
_WORKBOOKS: Final = (".xlsx", ".xlsm")
_OTHER_SHEETS: Final = (".xls", ".xlsb", ".ods", ".numbers")
#: What exports of tables are called too; in a folder of manifests they are taken for notes.
_TABLES: Final = (".txt", ".tab")
_SCRIPTS: Final = (".sh", ".bash", ".py", ".pl", ".r")
#: Workflows in their languages, which are registered, and not launched as files.
_WORKFLOWS: Final = (".wdl", ".nf", ".cwl", ".smk")
#: Tables of other programs, by extension where the first bytes are not looked at, as in S3.
_OF_R: Final = (".rds", ".rdata")
_BINARY: Final = (".parquet", ".feather", ".arrow", *_OF_R)
_PACKED: Final = (".zip", ".bz2", ".xz", ".zst", ".7z", ".rar", ".tar", ".tar.gz", ".tgz")
_NOTHING_ASKED: Final = TableOptions()
_NO_SHEET: Final = SheetOptions()
_CHECK: Final = "check the path"
#: Bytes by which a file is recognised.
_LOOK: Final = 4096


class Format(enum.Enum):
    """The format of a manifest."""

    YAML = "yaml"
    JSON = "json"
    JSONL = "jsonl"
    CSV = "csv"
    TSV = "tsv"

    @property
    def is_document(self) -> bool:
        """Whether it holds the batch's name and defaults too; the others have a record to a line."""
        return self in {Format.YAML, Format.JSON}


#: Delimiters of cells, by format.
DELIMITERS: Final = {Format.CSV: ",", Format.TSV: "\t"}
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
    """A manifest to read, with all that belongs to it.

    Precedence, weakest first: ``defaults`` files in their order, the manifest's own ``defaults:``,
    ``parameters_from`` files in theirs, ``sets``, what the lane sets, the row. Tables merge at each step;
    anything else is replaced.
    """

    path: str  #: a path, ``s3://BUCKET/KEY``, or ``-`` for stdin
    is_each_file: bool = False  #: whether the path is a pattern of files, each of them a run
    verb: str = "check"  #: the verb that was typed, for messages with the next command
    name: str | None = None  #: what messages call it, if not its path
    format: Format | None = None  #: from the extension when None
    batch: str | None = None  #: the batch's name, instead of the manifest's own
    defaults: tuple[str, ...] = ()  #: YAML or JSON files with a table of StartRun fields
    parameters_from: tuple[str, ...] = ()  #: YAML or JSON files with a table of a workflow's parameters
    sets: tuple[str, ...] = ()  #: ``workflowId=1234567``, ``parameters.threads:int=8``
    lanes: str | None = None  #: a YAML or JSON file with a table of lanes
    env: tuple[str, ...] = ()  #: environment variables that ``{env.NAME}`` may use
    strict: bool = False  #: whether a warning is an error
    tags: bool = True  #: whether batchrun's own tags are added, and need room
    goes_together: bool = False  #: whether StartRunBatch must be able to start each row
    asked: TableOptions = _NOTHING_ASKED  #: how to read it, if it is a table
    sheet: SheetOptions = _NO_SHEET  #: what its rows become, if it is a sheet

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.name or name_of(self.path)

    @property
    def shared_files(self) -> tuple[str, ...]:
        """The files with something for all rows."""
        return (*self.defaults, *self.parameters_from, *([] if self.lanes is None else [self.lanes]))

    @property
    def files(self) -> tuple[str, ...]:
        """All files that the options name."""
        return (self.path, *self.shared_files)


@dataclass(frozen=True, slots=True, kw_only=True)
class Beyond:
    """What can be read besides files, for everything in one load that opens something."""

    stdin: BinaryIO | None = None  #: read in place of standard input
    objects: Objects | None = None  #: reads files in S3; None: nothing is read from there


FILES_ALONE: Final = Beyond()


def name_of(path: str) -> str:
    """Return what messages call the file."""
    return STANDARD_INPUT if path == STDIN else path


def endings_of(form: Format) -> tuple[str, ...]:
    """Return the format's extensions, the usual one first."""
    return tuple(ending for ending, known in _BY_EXTENSION.items() if known is form)


def place_of(path: str) -> str | None:
    """Return the file's absolute path, or its URI; None for standard input, a pipe and the like."""
    if path == STDIN:
        return None
    if is_in_s3(path):
        return path
    place = str(Path(path).absolute())
    is_file = os.path.isfile(place)  # noqa: PTH113 (Path.is_file raises where a path is too long)
    return place if is_file and not place.startswith(_STREAMS) else None


def is_known(path: str) -> bool:
    """Report whether the file's extension is a manifest's."""
    return Path(path).suffix.lower() in _BY_EXTENSION


def is_workbook(path: str) -> bool:
    """Report whether the file's extension is that of an Excel workbook which can be read."""
    return path.lower().endswith(_WORKBOOKS)


def unpacked_name(path: str) -> str:
    """Return a file's name without ``.gz``."""
    return path[: -len(_GZIP)] if path.lower().endswith(_GZIP) else path


def format_to_read(path: str, given: Format | None = None) -> Format:
    """Return the given format, or the one of the file's extension, which may be before ``.gz``.

    Raises:
        ManifestError: There is neither, or the path is a bad ``s3://`` URI.
    """
    _check_place(path)
    name = unpacked_name(path)
    if given is None and is_workbook(name):
        return Format.CSV  # stands for any table: a workbook is recognised by its first bytes
    if given is not None or is_known(name):
        return format_of(name, given)
    if not (path == STDIN or is_in_s3(path) or os.path.lexists(path)):
        raise _no_file(path)
    if name.lower().endswith(_TABLES):
        return Format.CSV  # which finds the delimiter by itself
    return format_of(path)


def format_of(path: str, given: Format | None = None) -> Format:
    """Return the given format, or the one of the file's extension.

    Raises:
        ManifestError: There is neither.
    """
    if given is not None:
        return given
    if path != STDIN and (known := _BY_EXTENSION.get(Path(path).suffix.lower())):
        return known
    place = Place(source=name_of(path))
    if path.lower().endswith(_SCRIPTS):
        what, cure = SCRIPT
        raise unreadable(place, f"this is {what}, and no manifest", cure)
    if path.lower().endswith(_WORKFLOWS):
        cure = (
            "give a table of samples; a manifest names the registered workflow: manifest init --workflow ID"
        )
        raise unreadable(place, "this is a workflow, and no manifest", cure)
    if path.lower().endswith(_OTHER_SHEETS):
        raise unreadable(place, "this kind of spreadsheet is not read", "save the sheet as XLSX or CSV")
    if path.lower().endswith(_PACKED):
        raise unreadable(place, "this is packed, and not by gzip alone", "unpack it, and give the file in it")
    _refuse_foreign(path, place)
    message = (
        "the format of standard input is not known"
        if path == STDIN
        else "the file's extension shows no format"
    )
    others = ", ".join(member.value for member in Format if member is not Format.CSV)
    raise unreadable(place, message, f"give --format csv for a table, or else one of {others}")


def _refuse_foreign(path: str, place: Place) -> None:
    """Refuse a file that is no manifest in any format, as its first bytes show, or its extension."""
    found = foreign(_head(path))
    if found and not path.lower().endswith(_OF_R):  # which are gzip: unpacking them is no help
        raise unreadable(place, f"this is {found[0]}", found[1])
    if path.lower().endswith(_BINARY):
        cure = "write it out as CSV or JSON Lines"
        raise unreadable(place, "this is a table of another program, and is not read", cure)


def _head(path: str) -> bytes:
    """Return the first bytes of a regular file; none of what cannot be read, or only once."""
    try:
        if path == STDIN or is_in_s3(path) or not Path(path).is_file():
            return b""
        with Path(path).open("rb") as file:
            return file.read(_LOOK)
    except (OSError, ValueError):
        return b""


@contextlib.contextmanager
def opened(path: str, beyond: Beyond = FILES_ALONE) -> Iterator[BinaryIO]:
    """Open a manifest, an object in S3 or standard input for reading; gzip is unpacked.

    Raises:
        ManifestError: It cannot be opened, or reading it failed.
        UsageError: It is in S3, and the AWS configuration cannot be used.
        ServiceUnusableError: It may not be read there, or S3 does not answer.
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


def _no_file(path: str) -> ManifestError:
    is_address = "://" in path
    cure = (
        "fetch or download it, and give the file; only s3:// is read from elsewhere" if is_address else _CHECK
    )
    return unreadable(Place(source=name_of(path)), "there is no such file", cure)


def _cannot_open(path: str, error: OSError | ValueError) -> ManifestError:
    place = Place(source=name_of(path))
    match error:
        case FileNotFoundError() if Path(path).is_symlink():
            says = f"it is a link to {Path(path).readlink()}, which is not there"
            return unreadable(place, says, "mount or fetch that (git-annex: git annex get)")
        case FileNotFoundError():
            return _no_file(path)
        case IsADirectoryError():
            return unreadable(place, "this is a directory", "give the manifest's file")
        case PermissionError():
            return unreadable(place, "you may not read this file", "check its permissions")
        case OSError():
            reason = os.strerror(error.errno) if error.errno else "unknown error"
            return unreadable(place, f"it cannot be read: {reason}", "check the path and the disk")
        case _:
            return unreadable(place, "this is not a valid path", _CHECK)


CURE_BESIDE: Final = "name a CSV, TSV or JSONL file in the manifest's own folder, or below it"
_UPWARDS: Final = frozenset({"", ".."})


def file_beside(manifest: str, name: str, place: Place, field: str) -> tuple[str, str]:
    """Return the path or URI that *name* stands for in a manifest, and what messages call it.

    The manifest is given by its path, its URI, or ``-``, which counts as in the working directory; it names
    the file at *place*, under the key *field*.

    Raises:
        ManifestError: It may not name this file.
    """
    if is_in_s3(name):
        if wrong := wrong_place(name):
            raise unreadable(place, f"{shown(name)}: {wrong[0]}", wrong[1], field=field)
        return name, name
    if is_in_s3(manifest):
        uri = _in_s3(manifest, name, place, field)
        return uri, uri
    folder = Path() if manifest == STDIN else Path(manifest).parent
    return str(_inside(folder, name, place, field)), str(folder / name)


def _in_s3(manifest: str, name: str, place: Place, field: str) -> str:
    """Return the URI of a file that a manifest in S3 names; it may not name local files."""
    parts = [part for part in name.split("/") if part != "."]
    if not _UPWARDS.isdisjoint(parts):
        raise _outside(name, place, field, "write it in full: s3://BUCKET/KEY")
    return "/".join([manifest.rpartition("/")[0], *parts])


def _inside(folder: Path, name: str, place: Place, field: str) -> Path:
    try:
        base = folder.resolve()
        path = (base / name).resolve()
        is_inside = path.is_relative_to(base)
        is_strange = path.exists() and not path.is_file()
    except (OSError, ValueError, RuntimeError) as error:
        raise unreadable(place, f"{shown(name)} is not a usable path", CURE_BESIDE, field=field) from error
    if not is_inside:
        raise _outside(name, place, field, f"{CURE_BESIDE} (copy it there; a link does not do)")
    if is_strange:
        raise unreadable(place, f"{shown(name)} is not a regular file", CURE_BESIDE, field=field)
    return path


def _outside(name: str, place: Place, field: str, cure: str) -> ManifestError:
    return unreadable(place, f"{shown(name)} is outside the manifest's folder", cure, field=field)
