"""
Files that batchrun writes: what may be replaced, and replacing it as a whole or not at all.

A file is only replaced if it is of its kind: results, a report, metrics. A manifest's file looks like results
in much, and must never be taken for them. Belongs here: that decision, and the one way in which outputs are
written: beside the old file, then in its place. Does not: S3 (``delivering``), what is written.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import secrets
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Final, TextIO

from batchrun import points
from batchrun.errors import UsageError
from batchrun.model.texts.places import is_in_s3
from batchrun.points import Point
from batchrun.report.columns import COLUMNS, TASK_REASON, is_own

#: What SQLite and the leases keep beside a ledger, by the end of its name.
_BESIDE_A_LEDGER: Final = ("-wal", "-shm", "-journal")
_LEASE: Final = "-lease-"
_READ: Final = "read by this command"
_MANIFEST: Final = "the manifest of a batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inputs:
    """What a command reads or keeps, and must never replace."""

    ledger: str | Path | None = None
    read: tuple[str | Path, ...] = ()  #: manifests, the files of their rows, defaults, prices
    manifests: tuple[str, ...] = ()  #: from which the ledger's batches were taken in
    others: tuple[Path, ...] = ()  #: what else the command writes

    def role_of_uri(self, uri: str) -> str | None:
        """Say what the object at *uri* is, as far as its name says; None for none of these."""
        if uri in self.read:
            return _READ
        return _MANIFEST if uri in self.manifests else None

    def role_of(self, path: Path) -> str | None:
        """Say what the file at *path* is, by any of its names; None for none of these."""
        if self.ledger is not None and _is_of_ledger(path, Path(self.ledger)):
            return "the ledger, or belongs to it"
        roles = {
            _READ: self.read,
            _MANIFEST: self.manifests,
            "another output": self.others,
        }
        for role, files in roles.items():
            if any(_is_same(path, Path(one)) for one in files):
                return role
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is written: how its file's name ends, and how to know one that may be replaced."""

    what: str  #: ``results``, ``a report``
    endings: tuple[str, ...]  #: the extensions that mean it, such as ``.csv``
    is_one: Callable[[Path], bool] | None = None  #: None: what is there is only replaced by force

    def wrong_name(self, name: str) -> str | None:
        """Say why it cannot be called so; None where it can."""
        ending = PurePath(name).suffix.lower()
        if not ending or ending in self.endings:
            return None
        return f"would not be what its name says: that of {self.what} must end in {listed(self.endings)}"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """A file to be written."""

    path: Path
    kind: Kind
    option: str  #: the option for another place: ``--results FILE``
    inputs: Inputs = field(default_factory=Inputs)
    force: bool = False  #: whether a file that is there may be replaced, unless it is an input
    called: str | None = None  #: what messages call it, where that is not its path

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.called or str(self.path)

    @property
    def place(self) -> str:
        """Its place, independent of the working directory."""
        return str(self.path.absolute())

    def check(self) -> None:
        """Raise UsageError where it may not be written; before a writer begins, and before it replaces."""
        try:
            self._check_inputs()
            self._check_name()
            self._check_place()
        except (OSError, ValueError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise self._refused(f"cannot be written: {reason or 'it is not a valid path'}") from error

    def _check_inputs(self) -> None:
        if (role := self.inputs.role_of(self.path)) is not None:
            raise self._refused(f"is not replaced: it is {role}")

    def _check_name(self) -> None:
        if not is_device(self.path) and (why := self.kind.wrong_name(self.path.name)):
            raise self._refused(why)

    def _check_place(self) -> None:
        if is_in_s3(str(self.path)):
            raise self._refused("is a place in S3, where this is not written")
        place = self.path.resolve()
        if not place.parent.is_dir():
            raise self._refused(
                f"cannot be written: there is no folder {self.path.parent}; create it", ", or"
            )
        try:
            mode = place.stat().st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and not stat.S_ISREG(mode):
            if stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
                raise self._refused("cannot be written: it is not a file")
            return
        if not os.access(place.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "its folder is not writable")
        if mode is not None and not self.force and not is_device(self.path):
            self._check_replaceable(place)

    def _check_replaceable(self, place: Path) -> None:
        if self.kind.is_one is None:
            raise self._refused("exists already; give --force to replace it", ", or")
        if place.stat().st_size and not self.kind.is_one(place):
            raise self._refused(
                f"is not replaced: what is there is not {self.kind.what} that batchrun wrote; move it away",
                ", or",
            )

    def _refused(self, why: str, then: str = ";") -> UsageError:
        return UsageError(f"{self.shown} {why}{then} give another {self.option}")


def is_device(path: Path) -> bool:
    """Report whether *path* is something open, such as ``/dev/stdout``; one in /dev/shm is a file."""
    first, second, *_ = (*path.absolute().parts[1:], "", "")
    return first in {"dev", "proc"} and (first, second) != ("dev", "shm")


def listed(endings: tuple[str, ...]) -> str:
    """Name the endings: ``.csv, .json or .jsonl``."""
    *first, last = endings
    return f"{', '.join(first)} or {last}" if first else last


def _is_of_ledger(path: Path, ledger: Path) -> bool:
    try:
        names = {ledger.resolve(), ledger.absolute()}  # SQLite follows links, others may not
    except (OSError, ValueError, RuntimeError):
        return False  # opening it says why
    place = path.resolve()
    is_lease = any(
        place.parent == name.parent and place.name.startswith(f"{name.name}{_LEASE}") for name in names
    )
    return is_lease or any(_is_same(path, one) for name in names for one in _of_ledger(name))


def _of_ledger(ledger: Path) -> Iterator[Path]:
    """Return the ledger, and all that is beside it or may come to be."""
    yield ledger
    yield from (ledger.with_name(f"{ledger.name}{end}") for end in _BESIDE_A_LEDGER)
    yield from ledger.parent.glob(f"{glob.escape(ledger.name)}{_LEASE}*")


def _is_same(path: Path, other: Path) -> bool:
    """Report whether two names mean one file, whether it is there or not; *other* may not be looked at."""
    try:
        is_there = other.exists()
    except OSError:
        return False
    if path.exists() and is_there:
        return path.samefile(other)
    return path.resolve() == other.resolve()


#: What a new file's mode is, but for what the umask takes away; and that of one that is to become private.
_USUAL: Final = 0o666
_PRIVATE: Final = 0o600


@contextmanager
def replacing(output: OutputFile) -> Iterator[TextIO]:
    """
    Open a new file beside *output*, that takes its place when all went well.

    A link is followed, and a file that is there keeps its mode. What is no regular file, such as
    ``/dev/null`` or a pipe, is written as it is.

    Raises:
        UsageError: It may not be written.
        OSError: It cannot be written; the old one, if any, is unchanged.
    """
    output.check()
    if _is_open_elsewhere(output.path):
        with output.path.open("a", encoding="utf-8", newline="") as device:
            yield device
        return
    with drafted(output) as draft, draft.open("w", encoding="utf-8", newline="") as file:
        yield file
        file.flush()
        os.fsync(file.fileno())


@contextmanager
def drafted(output: OutputFile) -> Iterator[Path]:
    """Return the path of such a new file, to read again what was written."""
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


#: Bytes that are looked at: the first object of JSON results has its earlier attempts within.
_BEGINNING: Final = 1024 * 1024
_PARQUET: Final = b"PAR1"
#: What is in results alone; of the other columns, a manifest or a sheet may have each too.
_TELLING: Final = frozenset((*COLUMNS, TASK_REASON)) - {
    *("id", "runId", "name", "workflowId", "lane", "accountId", "region")
}


def _is_csv(path: Path) -> bool:
    header = _text(path).split("\n", 1)[0].rstrip("\r")
    # Whoever looks at results in a spreadsheet may save them with its own separators.
    return _are_columns([name.strip('"') for name in re.split(r"[,;\t]", header)])


def _is_json(path: Path) -> bool:
    text = _text(path).lstrip()
    return text.rstrip() == "[]" or (text[:1] == "[" and _is_object(text[1:].lstrip()))


def _is_jsonl(path: Path) -> bool:
    return _is_object(_text(path))


def _is_object(text: str) -> bool:
    try:
        found, _ = json.JSONDecoder().raw_decode(text)
    except (ValueError, RecursionError):
        return False
    return isinstance(found, dict) and _are_columns(found)


def _are_columns(names: Collection[Any]) -> bool:
    """Report whether these are columns of results, and not of a manifest."""
    return not _TELLING.isdisjoint(names) and all(
        name in COLUMNS or name == "attempts" or is_own(name) for name in names
    )


def _is_parquet(path: Path) -> bool:
    if not _raw(path).startswith(_PARQUET):
        return False
    from pyarrow import ArrowInvalid, parquet  # noqa: PLC0415 (few have it, and write this)

    try:
        return _are_columns(parquet.read_schema(path).names)
    except ArrowInvalid:
        return False


def _is_report(path: Path) -> bool:
    return '<meta name="generator" content="batchrun ' in _text(path)[:8192]


def _is_metrics(path: Path) -> bool:
    return _text(path).startswith("# HELP batchrun_")


def _text(path: Path) -> str:
    return _raw(path).decode(errors="replace").removeprefix("\ufeff")


def _raw(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(_BEGINNING)


#: By what ``--format`` calls it.
RESULTS: Final[Mapping[str, Kind]] = {
    "csv": Kind(what="results in CSV", endings=(".csv",), is_one=_is_csv),
    "json": Kind(what="results in JSON", endings=(".json",), is_one=_is_json),
    "jsonl": Kind(what="results in JSON Lines", endings=(".jsonl",), is_one=_is_jsonl),
    "parquet": Kind(what="results in Parquet", endings=(".parquet",), is_one=_is_parquet),
}
REPORT: Final = Kind(what="a report", endings=(".html", ".htm"), is_one=_is_report)
METRICS: Final = Kind(what="metrics", endings=(".prom", ".txt"), is_one=_is_metrics)
