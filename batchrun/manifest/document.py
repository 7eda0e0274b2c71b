"""YAML and JSON manifests: what their parts mean.

Belongs here: the shapes of a document (a table with ``runs``, a list of rows, AWS's StartRunBatch request).
Does not: syntax (``yaml_document``, ``json_document``).

A document is read twice, since ``defaults`` and ``lanes`` may come after ``runs``: first for what all rows
need, only as far as necessary, then for the rows.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import BinaryIO, Final

from batchrun.errors import ManifestError
from batchrun.manifest import limits
from batchrun.manifest.json_document import parts_of
from batchrun.manifest.lanes.table import LANES
from batchrun.manifest.line_files import LineFiles
from batchrun.manifest.model_check import RequestModel
from batchrun.manifest.native import is_native, translated
from batchrun.manifest.parts import Part, Record
from batchrun.manifest.problems import Place, Problems, instead, nearest, shown
from batchrun.manifest.recognised.documents import words
from batchrun.manifest.recognised.kinds import is_file
from batchrun.manifest.retry_rules import RETRY, RetryReader
from batchrun.manifest.scalars import as_text
from batchrun.manifest.sheet_wishes import KEYS, SheetKeys
from batchrun.manifest.source import Format, Source
from batchrun.model.entries.retrying import RetryPolicy

_BATCH: Final = frozenset({"batch", "batchName"})
_DEFAULTS: Final = frozenset({"defaults", "defaultRunSetting"})
_HEAD: Final = _BATCH | _DEFAULTS | {LANES}
_PIECE: Final = 1024 * 1024
#: A document that may have the key ``lanes`` has one of these: the word, an escape, or another encoding.
_MARKS: Final = (LANES.encode(), b"\\", b"\0")
_KEYS: Final = ("batch", "defaults", LANES, "runs", RETRY, *KEYS)
_ELSEWHERE: Final = "put it under defaults, or into the rows (of a sheet: under each)"
#: The last two are what ``aws omics start-run-batch --batch-run-settings`` takes, in a file of its own.
_NATIVE_KEYS: Final = frozenset(
    {"batchName", "defaultRunSetting", "batchRunSettings", "inlineSettings", "s3UriSettings"}
)
#: Keys at the top of a manifest, ours or AWS's.
MANIFEST_KEYS: Final = frozenset({*_KEYS, *_NATIVE_KEYS})


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """What all rows of a document need."""

    batch: str | None
    batch_place: Place | None
    defaults: Record | None
    lanes: Part | None = None
    rules: Sequence[Part] = ()  #: of ``retry``, those that are tables: they may lead to lanes


NO_HEAD: Final = Head(batch=None, batch_place=None, defaults=None)


class Document:
    """A manifest in YAML or JSON, in a stream that can be read twice."""

    def __init__(
        self, stream: BinaryIO, source: Source, form: Format, model: RequestModel, problems: Problems
    ) -> None:
        self._stream = stream
        self._source = source
        self._format = form
        self._model = model
        self._problems = problems
        self._is_native = False
        self._is_manifest = False  #: it has a key of a manifest
        self._unknown: list[tuple[str, Place]] = []  #: unknown keys before the first known one
        self._has_file = False  #: one of these has a file as its value
        self._retry = RetryReader(problems)

    @property
    def retry(self) -> RetryPolicy:
        """The document's retry policy; complete once all rows were read."""
        return self._retry.policy

    def head(self) -> Head:
        """Find the batch's name, the defaults, and the lanes with the rules that lead to them.

        Raises:
            ManifestError: The document breaks off before they are known.
        """
        found: dict[str, Part] = {}
        rules: list[Part] = []
        try:
            self._collect(found, rules)
        except ManifestError:
            # The second reading gets there again, and finds the problems of the rows before it too.
            if not found.keys() & _DEFAULTS:
                raise
        batch = _first(found, _BATCH)
        defaults = _first(found, _DEFAULTS)
        return Head(
            batch=None if batch is None else self._text(batch),
            batch_place=None if batch is None else batch.place,
            defaults=None if defaults is None else self._table(defaults),
            lanes=None if self._is_native else found.get(LANES),
            rules=rules,
        )

    def rows(self, files: LineFiles) -> Iterator[Record]:
        """Return each row; parts that are not rows become problems. *files* reads what the document names."""
        parts = self._parts()
        first = next(parts, None)
        if first is not None and first.is_element and not first.key:
            yield from self._list(itertools.chain((first,), parts), files)
        else:
            yield from self._manifest(parts if first is None else itertools.chain((first,), parts), files)

    def _list(self, parts: Iterator[Part], files: LineFiles) -> Iterator[Record]:
        """Return the rows of a document that is a list."""
        if self._source.sheet:
            self._stream.seek(0)
            return files.of_list(self._stream, self._format)
        return files.listed(self._records(parts))

    def _records(self, parts: Iterator[Part]) -> Iterator[Record]:
        for part in parts:
            if part.wrong:
                self._problems.extend(part.wrong)
            elif record := self._record(part):
                yield record

    def _manifest(self, parts: Iterator[Part], files: LineFiles) -> Iterator[Record]:
        """Return the rows of a document that is a table, and read its other keys."""
        sheet = SheetKeys(self._problems)
        has_rows = False
        for part in parts:
            if not part.key or part.key[0] in MANIFEST_KEYS:
                self._is_manifest = True
                self._report_unknown()
            if part.wrong:
                self._problems.extend(part.wrong)
            elif part.key[:1] == (RETRY,) and not self._is_native:
                self._retry.take(part, files.model)
            elif part.key == (LANES,) and not self._is_native:
                pass  # It is known from the head.
            elif part.key[:1] and part.key[0] in KEYS and not self._is_native:
                sheet.take(part)
            elif part.is_element:
                has_rows = True
                if record := self._record(part):
                    yield record
            elif part.key == ("runs",) and (name := as_text(part.value)):
                has_rows = True
                yield from files.beside(name, part.place)
            else:
                self._check(part)
        self._report_unknown()
        # Only now: other keys of the sheet may come after its name.
        yield from files.sheet(sheet, has_rows=has_rows)

    def _parts(self, *, skip_rows: bool = False) -> Iterator[Part]:
        self._stream.seek(0)
        return parts_of(self._format, self._stream, self._source.shown, skip_rows=skip_rows)

    def _collect(self, found: dict[str, Part], rules: list[Part]) -> None:
        has_lanes = self._may_have_lanes()
        for part in self._parts(skip_rows=True):
            if not part.key:
                return
            self._is_native = self._is_native or part.key[0] in _NATIVE_KEYS
            if part.key[0] in _HEAD:
                found[part.key[0]] = part
            elif part.key[0] == RETRY and part.is_element:
                rules.append(part)
            has_lanes = has_lanes and not self._is_native  # AWS's settings have no place for them
            if found.keys() & _BATCH and found.keys() & _DEFAULTS and not has_lanes:
                return

    def _may_have_lanes(self) -> bool:
        """Report whether there may be lanes; most documents without that word need not be read to the end."""
        if self._source.lanes is not None:
            return True
        self._stream.seek(0)
        end = b""
        while piece := self._stream.read(_PIECE):
            seen = end + piece
            if any(mark in seen for mark in _MARKS):
                return True
            end = piece[-len(LANES) :]
        return False

    def _text(self, part: Part) -> str | None:
        text = as_text(part.value)
        if text is None:
            message = f"{shown(part.value)} is not a name"
            self._problems.add(part.place, message, "write text", field=part.key[0])
        return text

    def _table(self, part: Part) -> Record | None:
        if not isinstance(part.value, dict):
            message = f"{shown(part.value)} is not a table"
            self._problems.add(part.place, message, "write a table of StartRun fields", field=part.key[0])
            return None
        record, is_ours = part.record(part.value), part.key[0] == "defaults"
        return record if is_ours else translated(record, self._model.fields, self._problems)

    def _record(self, part: Part) -> Record | None:
        if not isinstance(part.value, dict):
            cure = "write a table with id and StartRun fields"
            self._problems.add(part.place, f"{shown(part.value)} is not a row", cure)
            return None
        record = part.record(part.value)
        return translated(record, self._model.fields, self._problems) if is_native(record) else record

    def _check(self, part: Part) -> None:
        """Report a part that is neither a row nor read with the head."""
        match part.key:
            case () if part.value != []:
                self._report(
                    part,
                    f"{shown(part.value)} is not a manifest",
                    "write a table with runs, or a list of rows",
                )
            case ("runs",) if part.value != []:
                self._report(
                    part, f"{shown(part.value)} is not a list of rows", "write a list, or the path of a file"
                )
            case ("batchRunSettings", "s3UriSettings") | ("s3UriSettings",):
                cure = "give that file, s3://BUCKET/KEY, as the manifest"
                self._report(part, "the settings are in a file of their own", cure)
            case ("tags",) if self._is_native:
                cure = "tag the runs instead: runTags in defaultRunSetting"
                self._report(part, "tags of a StartRunBatch resource have no place here", cure)
            case ("requestId",) if self._is_native:
                pass  # It belongs to a StartRunBatch call that is not made.
            case (name, *_) if name in {RETRY, LANES}:
                cure = f"give --{name}, or write the manifest with defaults and runs"
                self._report(part, "AWS's settings have no place for it", cure)
            case (name, *_) if name not in MANIFEST_KEYS:
                self._unknown.append((name, part.place))
                self._has_file = self._has_file or (isinstance(part.value, str) and is_file(part.value))
                if self._is_manifest or len(self._unknown) > limits.COLUMNS:
                    self._report_unknown()

    def _report_unknown(self) -> None:
        """Report unknown keys: as one problem if the document has no known ones."""
        names = [name for name, _ in self._unknown]
        found = None
        if not self._is_manifest and len(names) <= limits.COLUMNS:
            found = words(self._source, names, _KEYS, self._model, has_file=self._has_file)
        if found is not None:
            self._problems.add(self._unknown[0][1], *found)
        else:
            for name, place in self._unknown:
                message = f"{shown(name)} is not a key of a manifest"
                self._problems.add(place, message, self._unknown_cure(name), field=name)
        self._unknown.clear()

    def _report(self, part: Part, message: str, cure: str) -> None:
        self._problems.add(part.place, message, cure, field=".".join(part.key) or None)

    def _unknown_cure(self, name: str) -> str:
        if name in self._model.fields:
            return f"{_ELSEWHERE}: {name} is a field of StartRun"
        if nearest(name, _KEYS) is None and (meant := nearest(name, self._model.fields)):
            return f"did you mean {meant}? {_ELSEWHERE}: it is a field of StartRun"
        return instead(name, _KEYS, f"use {', '.join(_KEYS)}")


def _first(found: dict[str, Part], names: frozenset[str]) -> Part | None:
    return next((part for name, part in found.items() if name in names), None)
