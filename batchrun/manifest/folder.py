"""The manifests of a folder.

Belongs here: which of its files are manifests, and loading all of them with all of their problems at once.
Does not: loading one (``load``).
"""

from __future__ import annotations

import collections
import contextlib
import itertools
import os
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from batchrun.errors import ManifestError, ManifestWarning, Problem
from batchrun.manifest.document import MANIFEST_KEYS
from batchrun.manifest.json_document import parts_of
from batchrun.manifest.lanes.table import LANES
from batchrun.manifest.load import Manifest, load
from batchrun.manifest.problems import Place, printable, problem_at, shown, unreadable
from batchrun.manifest.recognised.documents import is_of_one_run
from batchrun.manifest.rules import start_run
from batchrun.manifest.scalars import as_text
from batchrun.manifest.source import (
    Source,
    format_to_read,
    is_known,
    is_workbook,
    opened,
    unpacked_name,
)
from batchrun.manifest.text_input import by_mark
from batchrun.model.entries.belonging import is_copy, same_elsewhere
from batchrun.ports.objects import Objects

#: Keys that name another file.
_NAMING: Final = frozenset({("runs",), ("sheet",)})
#: Names that ``batchrun run`` and ``batchrun results`` give to files of their own.
_RESULTS: Final = ".results"
#: Files in the folders of a folder that are looked into.
_LOOKED_AT: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Folder:
    """The files in a folder of manifests, each kind by name."""

    manifests: Sequence[str]  #: their paths
    shared: Mapping[str, str]  #: paths of files for all rows, with the option that takes each
    workbooks: Sequence[str]  #: paths of Excel workbooks, which are not read where no manifest names them


def contents_of(folder: str, *, besides: Collection[str] = ()) -> Folder:
    """Return what is in *folder*.

    Manifests are the files with a manifest's extension, but for hidden ones, results, *besides* (files of
    defaults, the ledger), those that another of them names as its rows, and shared ones: documents with only
    StartRun fields (``--defaults``) or only ``lanes`` (``--lanes``).

    Raises:
        ManifestError: There are no manifests, or the folder cannot be read.
    """
    files = _files(folder, besides)
    seen = {path: _look_into(path) for path in files if not is_workbook(unpacked_name(path.name))}
    rows = {_real(one.rows) for one in seen.values() if one.rows is not None}
    shared = {str(path): one.option for path, one in seen.items() if one.option is not None}
    manifests = [path for path in seen if _real(path) not in rows and str(path) not in shared]
    runs = [path for path, one in seen.items() if one.is_run]
    if runs and all(seen[path].is_run for path in manifests):
        raise _of_one_run_each(folder, runs)
    if not manifests:
        raise _nothing_in(folder)
    workbooks = [str(path) for path in files if path not in seen and _real(path) not in rows]
    return Folder(manifests=[*map(str, manifests)], shared=shared, workbooks=workbooks)


def _nothing_in(folder: str) -> ManifestError:
    if pattern := _one_level_down(folder):
        message = "there is no manifest in this folder, but files of one run each in those below it"
        cure = f"give in place of the folder: --each-file {printable(shlex.quote(pattern), None)}"
        return unreadable(Place(source=folder), message, cure)
    cure = "put YAML, JSON, JSON Lines, CSV or TSV files there, or give a manifest's own path"
    return unreadable(Place(source=folder), "there is no manifest in this folder", cure)


def _of_one_run_each(folder: str, runs: Sequence[Path]) -> ManifestError:
    pattern = shlex.quote(str(Path(folder) / f"*{runs[0].suffix}"))
    first = printable(runs[0].name, None)
    what = (
        f"the file {first} of one run"
        if len(runs) == 1
        else f"{len(runs)} files of one run each, {first} first"
    )
    cure = f"give in place of the folder: --each-file {printable(pattern, None)}"
    return unreadable(Place(source=folder), f"there is no manifest in this folder, but {what}", cure)


def _one_level_down(folder: str) -> str | None:
    """Return the pattern of files of one run each in the folders of *folder*, or None."""
    below = [
        path
        for path in itertools.islice(Path(folder).glob("*/*"), _LOOKED_AT)
        if _may_be_read(path) and _look_into(path).is_run
    ]
    if not below:
        return None
    names = collections.Counter(path.name for path in below)
    # Cromwell's options stand beside the inputs.
    usual = max(names, key=lambda name: ("input" in name or "param" in name, names[name], name))
    if names[usual] > 1 or len(names) == 1:
        return str(Path(folder) / "{id}" / usual)
    return str(Path(folder) / "*" / f"*{below[0].suffix}")


def _files(folder: str, besides: Collection[str]) -> Sequence[Path]:
    try:
        found = sorted(path for path in Path(folder).iterdir() if _may_be_read(path))
    except OSError as error:
        message = f"the folder cannot be read: {error.strerror}"
        raise unreadable(Place(source=folder), message, "check its permissions") from error
    taken = {_real(path) for path in besides}
    return [path for path in found if _real(path) not in taken]


def _real(path: str | Path) -> str:
    return os.path.realpath(path)  # Path.resolve raises for links in a circle


def _may_be_read(path: Path) -> bool:
    name = unpacked_name(path.name)
    is_ours = Path(name).stem.endswith(_RESULTS) or name.startswith((".", "~$"))
    # A link to what is not there, as of a disk that is not mounted, is told when it is loaded.
    is_one = path.is_file() or (path.is_symlink() and not path.exists())
    return not is_ours and (is_known(name) or is_workbook(name)) and is_one


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the keys of a file show."""

    rows: Path | None = None  #: the file that it names as its rows
    option: str | None = None  #: the option that takes it, if it is for all rows and not a manifest
    is_run: bool = False  #: whether it is one run: a request, or parameters of a workflow


def _look_into(path: Path) -> _Seen:
    """Read a document's keys; problems are reported when it is loaded."""
    form = format_to_read(str(path))
    if not form.is_document:
        return _Seen()
    names: set[str] = set()
    with contextlib.suppress(ManifestError), opened(str(path)) as stream:
        for part in parts_of(form, by_mark(stream, str(path)), str(path)):
            if part.is_element or not part.key:
                return _Seen()
            if part.key in _NAMING and (name := as_text(part.value)):
                return _Seen(rows=path.parent / name)
            names.add(part.key[0])
        option = _option(names)
        is_run = MANIFEST_KEYS.isdisjoint(names) and is_of_one_run(names, start_run())
        return _Seen(option=option, is_run=is_run)
    return _Seen()


def _option(names: set[str]) -> str | None:
    """Return the option that takes a document with these keys; None if it may be a manifest."""
    if names == {LANES}:
        return "--lanes"
    return "--defaults" if names and names <= start_run().fields.keys() else None


@contextlib.contextmanager
def loaded_together(
    sources: Sequence[Source], *, objects: Objects | None = None
) -> Iterator[Sequence[Manifest]]:
    """Load several manifests, or none of them.

    Raises:
        ManifestError: Any has problems, two have the same batch name, or one is a copy of another; it has
            the problems of all.
    """
    problems: list[Problem] = []
    warnings: list[ManifestWarning] = []
    total = 0
    by_name: dict[str, str] = {}
    by_file: dict[str | tuple[int, int], str] = {}
    with contextlib.ExitStack() as stack:
        manifests: list[Manifest] = []
        for source in sources:
            try:
                manifest = stack.enter_context(load(source, objects=objects))
            except ManifestError as error:
                problems += error.problems
                warnings += error.warnings
                total += error.total
                continue
            warnings += manifest.warnings
            first = by_file.setdefault(_file(source.path), source.path)
            copied = _linked(source.path, first) or _copied(manifest, source.path, manifests, by_name)
            if copied is not None:
                problems.append(copied)
                total += 1
            manifests.append(manifest)
            if (first := by_name.setdefault(manifest.batch, source.path)) != source.path:
                problems.append(_same_name(manifest.batch, source.path, first))
                total += 1
        if problems:
            raise ManifestError(problems, total, warnings=warnings)
        yield manifests


def _file(path: str) -> str | tuple[int, int]:
    """Return what tells the file from others, whatever its name."""
    try:
        found = Path(path).stat()
    except (OSError, ValueError):  # of an address, or gone since it was read
        return path
    return found.st_dev, found.st_ino


def _linked(path: str, first: str) -> Problem | None:
    """Return the problem of a manifest that is a link to another one: each of its rows would run twice."""
    if path == first:
        return None
    message = f"it is the same file as {printable(first, None)}, by a link"
    cure = "take one of the two away, or launch it by itself with --batch NAME"
    return problem_at(Place(source=path), message, cure)


def _copied(
    manifest: Manifest, path: str, others: Iterable[Manifest], paths: Mapping[str, str]
) -> Problem | None:
    """Return the problem of a manifest that is a copy of another one, by its name and most of its rows."""
    for other in others:
        are_files = manifest.is_named_by_place and other.is_named_by_place
        if not are_files or not is_copy(manifest.batch, other.batch):
            continue
        works = {spec.work for spec in other.specs()} - {None}
        rows = sum(spec.work in works for spec in manifest.specs())
        if same_elsewhere(manifest.count, {other.batch: rows}) is not None:
            message = (
                f"{rows} of its {manifest.count} rows are in {paths[other.batch]} too: by name one is a copy"
            )
            cure = "take one of the two away, or launch it by itself with --batch NAME"
            return problem_at(Place(source=path), message, cure)
    return None


def _same_name(batch: str, path: str, first: str) -> Problem:
    message = f"the batch's name {shown(batch)} is also that of {first}"
    cure = "write another batch: into it, or rename the file: each batch has a name of its own"
    return problem_at(Place(source=path), message, cure, field="batch")
