"""Output files, and which may be replaced.

A file is only replaced if it is of the same kind: results, a report, metrics. A manifest looks much like
results, and must never be taken for them. Belongs here: that decision. Does not: writing them (``drafts``),
S3 (``delivering``), the content.
"""

from __future__ import annotations

import errno
import glob
import json
import os
import re
import stat
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePath
from typing import Any, Final

from batchrun.errors import UsageError
from batchrun.model.texts.places import is_in_s3
from batchrun.report.columns import COLUMNS, TASK_REASON, is_own

#: Suffixes of files that SQLite and the leases keep beside a ledger.
_BESIDE_A_LEDGER: Final = ("-wal", "-shm", "-journal")
_LEASE: Final = "-lease-"
_READ: Final = "read by this command"
_MANIFEST: Final = "the manifest of a batch"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProtectedFiles:
    """Files that a command reads or keeps, and must never replace."""

    ledger: str | Path | None = None
    read: tuple[str | Path, ...] = ()  #: manifests, the files of their rows, defaults, prices
    manifests: tuple[str, ...] = ()  #: of the ledger's batches
    others: tuple[Path, ...] = ()  #: other outputs of the command

    def role_of_uri(self, uri: str) -> str | None:
        """Return what the object at *uri* is by its name, or None if it is none of these."""
        if uri in self.read:
            return _READ
        return _MANIFEST if uri in self.manifests else None

    def role_of(self, path: Path) -> str | None:
        """Return what the file at *path* is, by any of its names, or None if it is none of these."""
        output = _Found.at(path)
        if self.ledger is not None and _is_of_ledger(output, Path(self.ledger)):
            return "the ledger, or belongs to it"
        roles = {
            _READ: self.read,
            _MANIFEST: self.manifests,
            "another output": self.others,
        }
        for role, files in roles.items():
            if any(output.is_at(one) for one in files):
                return role
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A kind of output: its extensions, and how to recognise a file that may be replaced."""

    what: str  #: ``results``, ``a report``
    endings: tuple[str, ...]  #: its extensions, such as ``.csv``
    is_one: Callable[[Path], bool] | None = None  #: None: an existing file is only replaced by force

    def wrong_name(self, name: str) -> str | None:
        """Return why an output of this kind cannot have this name, or None."""
        ending = PurePath(name).suffix.lower()
        if not ending or ending in self.endings:
            return None
        return f"would not be what its name says: that of {self.what} must end in {listed(self.endings)}"

    @property
    def not_replaced(self) -> str:
        """Why what is there is not replaced by an output of this kind."""
        if self.is_one is None:
            return "exists already; give --force to replace it"
        return f"is not replaced: what is there is not {self.what} that batchrun wrote; move it away"


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputFile:
    """An output file."""

    path: Path
    kind: Kind
    option: str  #: the option for another place: ``--results FILE``
    protected: ProtectedFiles = field(default_factory=ProtectedFiles)
    force: bool = False  #: whether any existing file but an input may be replaced
    called: str | None = None  #: what messages call it, if not its path

    @property
    def shown(self) -> str:
        """What messages call it."""
        return self.called or str(self.path)

    @property
    def place(self) -> str:
        """Its place, independent of the working directory."""
        return str(self.path.absolute())

    def check(self) -> None:
        """Raise UsageError if it may not be written; called before writing and before replacing."""
        try:
            self._check_protected()
            self._check_name()
            self._check_place()
        except (OSError, ValueError, RuntimeError) as error:
            reason = error.strerror if isinstance(error, OSError) else None
            raise self.refused(f"cannot be written: {reason or 'it is not a valid path'}") from error

    def _check_protected(self) -> None:
        if (role := self.protected.role_of(self.path)) is not None:
            raise self.refused(f"is not replaced: it is {role}")

    def _check_name(self) -> None:
        if not is_device(self.path) and (why := self.kind.wrong_name(self.path.name)):
            raise self.refused(why)

    def _check_place(self) -> None:
        if is_in_s3(str(self.path)):
            raise self.refused("is a place in S3, where this is not written")
        place = self.path.resolve()
        if not place.parent.is_dir():
            folder = (place if self.path.is_symlink() else self.path).parent
            raise self.refused(f"cannot be written: there is no folder {folder}; create it", ", or")
        try:
            mode = place.stat().st_mode
        except FileNotFoundError:
            mode = None
        if mode is not None and not stat.S_ISREG(mode):
            if stat.S_ISDIR(mode) or stat.S_ISBLK(mode):
                raise self.refused("cannot be written: it is not a file")
            return
        if not os.access(place.parent, os.W_OK):
            raise PermissionError(errno.EACCES, "its folder is not writable")
        if mode is not None and not self.force and not is_device(self.path):
            self._check_replaceable(place)

    def _check_replaceable(self, place: Path) -> None:
        is_one = self.kind.is_one
        if is_one is None or (place.stat().st_size and not is_one(place)):
            raise self.refused(self.kind.not_replaced, ", or")

    def refused(self, why: str, then: str = ";") -> UsageError:
        """Return an error that says *why* it cannot be this file."""
        return UsageError(f"{self.shown} {why}{then} give another {self.option}")


def is_device(path: Path) -> bool:
    """Report whether *path* is a device or open file, such as ``/dev/stdout``; /dev/shm has plain files."""
    first, second, *_ = (*path.absolute().parts[1:], "", "")
    return first in {"dev", "proc"} and (first, second) != ("dev", "shm")


def listed(endings: tuple[str, ...]) -> str:
    """Return the extensions in words: ``.csv, .json or .jsonl``."""
    *first, last = endings
    return f"{', '.join(first)} or {last}" if first else last


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """What is at a place now; looked at once, since a ledger may know a thousand files to hold it against."""

    real: Path  #: without links
    key: tuple[int, int] | None  #: of the file, whatever its names; None where nothing is there
    is_linked: bool  #: whether it has several names

    @classmethod
    def at(cls, path: Path) -> _Found:
        try:
            found = path.stat()
        except (FileNotFoundError, NotADirectoryError):
            return cls(real=path.resolve(), key=None, is_linked=False)
        return cls(real=path.resolve(), key=(found.st_dev, found.st_ino), is_linked=found.st_nlink > 1)

    def is_at(self, other: str | Path) -> bool:
        """Report whether *other* is the same file, existing or not; it may be unreadable."""
        try:
            found = os.stat(other)  # noqa: PTH116 (a Path of each text would take longer than the look)
        except FileNotFoundError:
            return self.key is None and self.real == Path(other).resolve()
        except (OSError, ValueError):
            return False
        return self.key == (found.st_dev, found.st_ino)


def _is_of_ledger(output: _Found, ledger: Path) -> bool:
    try:
        names = {ledger.resolve(), ledger.absolute()}  # SQLite follows links, other programs may not
    except (OSError, ValueError, RuntimeError):
        return False  # opening it will report why
    is_lease = any(str(output.real).startswith(f"{name}{_LEASE}") for name in names)
    return is_lease or any(output.is_at(one) for name in names for one in _of_ledger(name, output))


def _of_ledger(ledger: Path, output: _Found) -> Iterator[Path]:
    """Return the ledger, and all files that are or may come beside it and may be *output*."""
    yield ledger
    yield from (ledger.with_name(f"{ledger.name}{end}") for end in _BESIDE_A_LEDGER)
    if output.is_linked:
        yield from ledger.parent.glob(f"{glob.escape(ledger.name)}{_LEASE}*")


#: Bytes that are examined: the first object of JSON results includes its earlier attempts.
_BEGINNING: Final = 1024 * 1024
_PARQUET: Final = b"PAR1"
#: Columns that only results have, not manifests or sheets.
_TELLING: Final = frozenset((*COLUMNS, TASK_REASON)) - {
    *("id", "runId", "name", "workflowId", "lane", "accountId", "region")
}


def _is_csv(path: Path) -> bool:
    header = _text(path).split("\n", 1)[0].rstrip("\r")
    # Results saved by a spreadsheet may have other separators.
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
    """Report whether these are columns of results rather than of a manifest."""
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


#: By the names of ``--format``.
RESULTS: Final[Mapping[str, Kind]] = {
    "csv": Kind(what="results in CSV", endings=(".csv",), is_one=_is_csv),
    "json": Kind(what="results in JSON", endings=(".json",), is_one=_is_json),
    "jsonl": Kind(what="results in JSON Lines", endings=(".jsonl",), is_one=_is_jsonl),
    "parquet": Kind(what="results in Parquet", endings=(".parquet",), is_one=_is_parquet),
}
#: The extensions of all results.
OF_RESULTS: Final = tuple(end for kind in RESULTS.values() for end in kind.endings)
REPORT: Final = Kind(what="a report", endings=(".html", ".htm"), is_one=_is_report)
METRICS: Final = Kind(what="metrics", endings=(".prom", ".txt"), is_one=_is_metrics)
