"""Several files, each of which is one run: ``--each-file 'inputs/*.json'``.

Belongs here: which files a pattern matches, the id of each by its name, and what a file is: the parameters
of a run, or a whole StartRun request. Does not: reading a file (``defaults``).
"""

from __future__ import annotations

import glob
import os
import re
import shlex
import stat
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from batchrun.errors import ManifestError
from batchrun.manifest.defaults import refuse_others, table
from batchrun.manifest.document import MANIFEST_KEYS, NO_HEAD, Head
from batchrun.manifest.line_files import LineFiles
from batchrun.manifest.model_check import REQUEST_ID, RequestModel
from batchrun.manifest.parts import Record
from batchrun.manifest.problems import Place, Problems, printable, shown, unreadable
from batchrun.manifest.recognised.kinds import DocumentKind, document_kind
from batchrun.manifest.source import Beyond, Source, unpacked_name
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.spec import Json
from batchrun.model.texts.places import is_in_s3


def natural(text: str) -> list[tuple[int, str]]:
    """Return the key to sort *text* by."""
    parts = re.split(r"(\d+)", text)
    return [(len(part.lstrip("0")), part) if part.isdigit() else (0, part) for part in parts]


#: The id in a pattern, if it is not the whole name of the file.
_ID: Final = "{id}"
#: Customary endings of input files, before the extension.
_HABITS: Final = (".inputs", ".params")
_OF_MANIFESTS: Final = ("runs", "defaults", "defaultRunSetting", "batchRunSettings", "inlineSettings")
_WHAT: Final = ("a run is", "write a StartRun request, or the parameters of its workflow")
_ANY_DEPTH: Final = "**"
_OPTION: Final = Place(source="--each-file")


@dataclass(frozen=True)
class EachFile:
    """The files that a pattern matches, as rows."""

    source: Source
    beyond: Beyond
    model: RequestModel
    problems: Problems
    retry: RetryPolicy = RetryPolicy()  # noqa: RUF009 (it is frozen)

    def head(self) -> Head:
        """Return an empty head: each file speaks of its own run only."""
        return NO_HEAD

    def rows(self, files: LineFiles) -> Iterator[Record]:
        """Return the run of each file, in the natural order of paths; files that are no runs become problems.

        Raises:
            ManifestError: There is no such file.
        """
        files.refuse_options()
        for entry_id, paths in _by_id(self.source.path).items():
            if len(paths) > 1:
                self._refuse(entry_id, paths)
                continue
            files.beside_it |= dict.fromkeys(paths)
            try:
                record = self._record(paths[0], entry_id)
            except ManifestError as error:
                self.problems.extend(error.problems)
                continue
            if record is not None:
                yield record

    def _record(self, path: str, entry_id: str) -> Record | None:
        found = table(path, *_WHAT, self.problems, self.source.format, beyond=self.beyond)
        refuse_others(found)
        if _is_manifest(found.fields):
            cure = "give it alone: without --each-file"
            self.problems.add(found.place, "this is a manifest, and not of one run", cure, row=entry_id)
            return None
        match document_kind(found.fields, self.model):
            case DocumentKind.PARAMETERS:
                record = found.under("parameters")
                return replace(record, fields={"id": entry_id, **record.fields})
            case DocumentKind.REQUEST:
                return self._of_request(found, entry_id)
            case DocumentKind.EITHER:
                message = "its names may be fields of StartRun, or parameters that are called like them"
                cure = 'say so: write parameters as {"parameters": {...}}'
                self.problems.add(found.place, message, cure, row=entry_id)
                return None

    def _of_request(self, found: Record, entry_id: str) -> Record:
        # Its requestId belongs to a call that is not made.
        fields = {name: value for name, value in found.fields.items() if name != REQUEST_ID}
        if fields.get("id", entry_id) != entry_id:
            message = f"the id of a run that has a file is the file's name: {shown(entry_id)}"
            self.problems.add(found.place_of(("id",)), message, "leave id out", row=entry_id, field="id")
        return replace(found, fields={**fields, "id": entry_id})

    def _refuse(self, entry_id: str, paths: list[str]) -> None:
        message = f"{len(paths)} files have this id, {printable(paths[1], None)} among them"
        pattern = printable(shlex.quote(_with_id(self.source.path)), None)
        cure = f"rename them, or say in the pattern which part of it is the id, such as --each-file {pattern}"
        self.problems.add(Place(source=paths[0]), message, cure, row=entry_id, field="id")


def _is_manifest(fields: Mapping[str, Json]) -> bool:
    """Report whether a table has only keys of a manifest, and rows or defaults among them."""
    return fields.keys() <= MANIFEST_KEYS and any(_is_of_tables(fields.get(name)) for name in _OF_MANIFESTS)


def _is_of_tables(value: Json) -> bool:
    """Report whether a value is a table or a list of tables: accessions under ``runs`` are not rows."""
    return isinstance(value, dict) or (
        isinstance(value, list) and all(isinstance(one, dict) for one in value)
    )


def _with_id(pattern: str) -> str:
    """Return the pattern with the id in place of its last wildcard."""
    parts = pattern.split("/")
    at = next((index for index in reversed(range(len(parts))) if parts[index] == "*"), None)
    return "samples/{id}/inputs.json" if at is None else "/".join([*parts[:at], _ID, *parts[at + 1 :]])


def batch_of(pattern: str) -> str:
    """Return the batch's name: that of a single file, else of the folder before the first wildcard."""
    if not _is_wild(pattern):
        return _id_of(pattern)
    parts = Path(pattern).parts
    first = next(at for at, part in enumerate(parts) if _is_wild(part))
    return Path(os.path.realpath(Path(*parts[:first]))).name  # Path.resolve raises for links in a circle


def _is_wild(pattern: str) -> bool:
    # Path raises without permission to look, and for impossible names.
    return _ID in pattern or (glob.has_magic(pattern) and not os.path.isfile(pattern))  # noqa: PTH113


def _is_meant(path: str) -> bool:
    """Report whether a match is a file; if that cannot be seen, opening it will say why."""
    try:
        return stat.S_ISREG(os.stat(path).st_mode)  # noqa: PTH116 (there may be a hundred thousand)
    except OSError:
        return True


def _by_id(pattern: str) -> Mapping[str, list[str]]:
    """Find the files, by the id that each has.

    Raises:
        ManifestError: There are none, or the pattern does not show their ids.
    """
    is_wild = _is_wild(pattern)
    if is_wild and is_in_s3(pattern):
        cure = "copy the files here (aws s3 sync), or write a sheet that names them"
        raise unreadable(_OPTION, f"{shown(pattern)}: files in S3 are not found by a pattern", cure)
    found = glob.iglob(pattern.replace(_ID, "*"), recursive=True) if is_wild else [pattern]  # noqa: PTH207 (a path may be absolute)
    paths = sorted((path for path in found if not is_wild or _is_meant(path)), key=natural)
    if not paths:
        cure = "check the pattern; put it into quotes, so that the shell leaves it to batchrun"
        raise unreadable(_OPTION, f"no file matches {shown(pattern)}", cure)
    id_of = _id_by(pattern) if _ID in pattern else _id_of
    by_id: dict[str, list[str]] = {}
    for path in paths:
        by_id.setdefault(id_of(path), []).append(path)
    return by_id


def _id_of(path: str) -> str:
    """Return a file's name without its extension and its customary ending."""
    stem = Path(unpacked_name(path)).stem
    short = next((stem[: -len(habit)] for habit in _HABITS if stem.lower().endswith(habit)), stem)
    return short or stem


def _id_by(pattern: str) -> Callable[[str], str]:
    """Return a function that takes the id out of a path, by its place in the pattern.

    Raises:
        ManifestError: The place is ambiguous.
    """
    parts = Path(pattern).parts
    at = next(index for index, part in enumerate(parts) if _ID in part)
    before, _, after = parts[at].partition(_ID)
    is_deep = _ANY_DEPTH in parts[:at]
    if pattern.count(_ID) > 1 or glob.has_magic(before + after) or (is_deep and _ANY_DEPTH in parts[at:]):
        cure = "write it once, with nothing but fixed text before and behind it, up to the next /"
        raise unreadable(_OPTION, f"{shown(pattern)} does not show where {_ID} begins and ends", cure)
    index = at - len(parts) if is_deep else at
    return lambda path: Path(path).parts[index].removeprefix(before).removesuffix(after)
