"""A manifest, from its source to checked specs.

Belongs here: the order of things, and the result. Does not: any single step.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path
from typing import BinaryIO, Protocol, Self

from batchrun.clock import SystemClock
from batchrun.errors import ManifestError, ManifestWarning
from batchrun.manifest.document import NO_HEAD, Document, Head
from batchrun.manifest.each_file import EachFile
from batchrun.manifest.fingerprint import digest_of, fingerprint, fingerprint_now
from batchrun.manifest.lanes.offering import Offering
from batchrun.manifest.lanes.table import LaneTexts, lanes_given
from batchrun.manifest.line_files import LineFiles
from batchrun.manifest.parts import Record
from batchrun.manifest.problems import Place, Problems, unreadable
from batchrun.manifest.retry_rules import check_against
from batchrun.manifest.rows import Expander
from batchrun.manifest.rules import check_together, start_run
from batchrun.manifest.shared import Shared, shared
from batchrun.manifest.sheets.own_sheets import OwnSheets
from batchrun.manifest.sheets.records import Sheets
from batchrun.manifest.source import (
    STDIN,
    Beyond,
    Format,
    Source,
    format_to_read,
    name_of,
    opened,
    place_of,
)
from batchrun.manifest.spool import RowPlaces, Spool
from batchrun.manifest.text_input import kept
from batchrun.manifest.warned.found import Warnings
from batchrun.manifest.warned.looking import Looking
from batchrun.model.entries.retrying import RetryPolicy
from batchrun.model.lanes import Lane
from batchrun.model.spec import Spec, Specs
from batchrun.model.texts.places import is_in_s3
from batchrun.ports.objects import Objects, OwnSheet
from batchrun.ports.stored import TakenFrom


class Rows(Protocol):
    """Checked specs."""

    @property
    def count(self) -> int:
        """How many there are."""

    @property
    def digest(self) -> str:
        """SHA-256 over every id and content, in hex."""

    def specs(self) -> Iterator[Spec]:
        """Return every spec, in order; may be called again."""

    def close(self) -> None:
        """Close the temporary files, which deletes them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Checked specs, kept in a temporary file; later changes of the source have no effect."""

    batch: str
    lanes: tuple[Lane, ...] = ()  #: all of the manifest's; empty if it has none
    taken: frozenset[str] = frozenset()  #: those that some row may be sent to, now or by a retry rule
    lane_texts: LaneTexts | None = None  #: what lanes give to rows, as written; None without lanes
    retry: RetryPolicy  #: the manifest's retry policy; the default one if it has none
    read: tuple[str, ...]  #: paths and URIs of all files that were read, with those of defaults and rows
    place: str | None = None  #: the absolute path of its own file, or its URI; None for ``-`` and a pipe
    is_named_by_place: bool = False  #: the batch is named after the file: no name was given
    goes_together: bool = False  #: each row was found fit for StartRunBatch
    warnings: tuple[ManifestWarning, ...] = ()  #: likely mistakes that are no errors, in order
    warning_count: int = 0  #: of all; of very many only some are in ``warnings``
    #: Its files, if nothing but rows, warnings and retry rules follows from them: no lanes, no own sheets.
    taken_from: TakenFrom | None = None
    _rows: Rows
    _own_sheets: OwnSheets | None = None

    @property
    def count(self) -> int:
        """The number of specs."""
        return self._rows.count

    @property
    def digest(self) -> str:
        """A digest of all ids and requests, however they were written."""
        return self._rows.digest

    def specs(self) -> Specs:
        """Return every spec in the manifest's order; may be called and iterated again."""
        return Specs(self._rows.specs)

    @property
    def has_own_sheets(self) -> bool:
        """Whether sheets are written before runs are started: ``sheet_out``."""
        return bool(self._own_sheets)

    def own_sheet(self, entry_id: str) -> OwnSheet | None:
        """Return the sheet to write before the row's run is started; None if it has none."""
        return None if self._own_sheets is None else self._own_sheets.of(entry_id)

    def close(self) -> None:
        """Close the temporary files, which deletes them."""
        self._rows.close()
        if self._own_sheets is not None:
            self._own_sheets.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        self.close()


def load(
    source: Source,
    *,
    stdin: BinaryIO | None = None,
    objects: Objects | None = None,
    places: RowPlaces | None = None,
    today: date | None = None,
) -> Manifest:
    """Read, expand and check a manifest.

    The input is read once, as a stream: memory grows with the largest row, and with the ids, which are kept
    to find duplicates.

    Args:
        source: What to read, and how.
        stdin: What is read for the path ``-``, in place of standard input.
        objects: Reads from S3; without it nothing is read from there.
        places: Collects the place of each row, for messages of later checks.
        today: The date by which versions of engines are retired; by default today.

    Raises:
        ManifestError: There are problems; it has all of them, up to a limit.
        UsageError: Something is in S3, and the AWS configuration cannot be used.
        ServiceUnusableError: Something is in S3 and may not be read, or S3 does not answer.
    """
    problems, looking = Problems(), Looking(today or SystemClock().utcnow().date())
    with contextlib.ExitStack() as stack:
        loading = _Loading(
            source=source,
            beyond=Beyond(stdin=stdin, objects=objects),
            problems=problems,
            looking=looking,
            places=places,
            spool=stack.enter_context(contextlib.closing(Spool())),
            own_sheets=stack.enter_context(contextlib.closing(OwnSheets())),
        )
        try:
            found = loading.manifest()
        except ManifestError as error:
            problems.extend(error.problems)
            _raise_any(problems, looking.warnings(), is_strict=source.strict)
            raise
        warnings = looking.warnings()
        _raise_any(problems, warnings, is_strict=source.strict)
        stack.pop_all()
        told, total, files = warnings.told, warnings.total, found.taken_from
        files = files and replace(files, warnings=told, warning_count=total)
        return replace(found, warnings=told, warning_count=total, taken_from=files)


def refuse_alone(manifest: Manifest) -> None:
    """Check that StartRunBatch can start each row of a manifest that was loaded without this check.

    Raises:
        ManifestError: There are rows that it cannot start; it has all of them, up to a limit, without lines.
    """
    problems, place = Problems(), Place(source=manifest.place or manifest.batch)
    for spec in () if manifest.goes_together else manifest.specs():
        check_together(spec.id, spec.content, place, problems)
    problems.raise_any()


def lanes_of(source: Source, *, objects: Objects | None = None) -> tuple[Lane, ...]:
    """Return the lanes of a manifest without checking its rows; none if it has none.

    Raises:
        ManifestError: There are problems before the rows, or in the lanes.
    """
    problems, beyond = Problems(), Beyond(objects=objects)
    with _input(source, beyond, problems) as given:
        model = start_run(own_tags=source.tags)
        found = lanes_given(given.head().lanes, source.lanes, beyond, model, problems)
    problems.raise_any()
    return () if found is None else found.lanes


def _raise_any(problems: Problems, warnings: Warnings, *, is_strict: bool) -> None:
    told, total = problems.told(), problems.total
    if is_strict:
        told, total = [*told, *warnings.told], total + warnings.total
    if total:
        raise ManifestError(told, total, warnings=() if is_strict else warnings.told)


class _Input(Protocol):
    """Where rows come from, in any format."""

    @property
    def retry(self) -> RetryPolicy:
        """The retry policy; complete once all rows were read."""

    def head(self) -> Head:
        """Return what all rows need."""

    def rows(self, files: LineFiles) -> Iterator[Record]:
        """Return each row; *files* reads formats with a row to a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Lines:
    """A file in a format that has only rows."""

    stream: BinaryIO
    name: str
    form: Format
    retry: RetryPolicy = RetryPolicy()  # noqa: RUF009 (it is frozen)

    def head(self) -> Head:
        return NO_HEAD

    def rows(self, files: LineFiles) -> Iterator[Record]:
        return files.records(self.stream, self.name, self.form)


@contextlib.contextmanager
def _input(source: Source, beyond: Beyond, problems: Problems) -> Iterator[_Input]:
    """Open the source."""
    if source.is_each_file:
        yield EachFile(source, beyond, start_run(own_tags=source.tags), problems)
        return
    form = format_to_read(source.path, source.format)
    with opened(source.path, beyond) as stream:
        if not form.is_document:
            yield _Lines(stream=stream, name=source.shown, form=form)
            return
        with contextlib.closing(kept(stream, source.shown)) as copy:
            # Only now: loading the model takes longer than finding out that the file does not exist.
            yield Document(copy, source, form, start_run(own_tags=source.tags), problems)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Loading:
    """One load of a manifest."""

    source: Source
    beyond: Beyond
    problems: Problems
    looking: Looking
    places: RowPlaces | None
    spool: Spool
    own_sheets: OwnSheets

    def manifest(self) -> Manifest:
        """Read everything, and return it if there are no problems."""
        _refuse_stdin_twice(self.source)
        before = [digest_of(path) for path in self.source.files]
        with _input(self.source, self.beyond, self.problems) as given:
            head = given.head()
            common = shared(self.source, head, self.beyond, self.problems, self.looking)
            expander, files = self._expander(head, common), self._files(common)
            self._expand(given.rows(files), expander)
            self.own_sheets.seal()
            # Only now: the block may come after the rows.
            check_against(given.retry, expander.by_uri, self.problems)
            own = () if self.source.is_each_file else (self.source.path,)
            read = (*own, *self.source.shared_files, *files.beside_it)
            place = _place(self.source)
            is_plain = not (common.lanes or self.own_sheets)
            sealed = self._taken_from(before, files.beside_it) if is_plain else None
            return Manifest(
                batch=common.batch,
                lanes=() if common.lanes is None else common.lanes.lanes,
                taken=frozenset(expander.taken),
                lane_texts=None if self.problems.total else common.lane_texts,
                retry=given.retry,
                read=tuple(path for path in read if path != STDIN),
                place=place,
                is_named_by_place=place is not None and self.source.batch is None and head.batch is None,
                goes_together=self.source.goes_together,
                taken_from=sealed and replace(sealed, retry=given.retry),
                _rows=self.spool,
                _own_sheets=self.own_sheets,
            )

    def _taken_from(self, before: Sequence[str | None], beside: Mapping[str, str | None]) -> TakenFrom | None:
        """Return the files that were read, unless one has changed meanwhile or has no digest."""
        paths = tuple(str(Path(path).absolute()) for path in beside)
        seal = fingerprint(self.source, [*before, *beside.values()])
        if seal is None or seal != fingerprint_now(self.source, paths):
            return None
        return TakenFrom(fingerprint=seal, beside=paths)

    def _expander(self, head: Head, common: Shared) -> Expander | Offering:
        """Return what turns records into checked rows."""
        expander = Expander(
            batch=common.usable_batch,
            model=common.model,
            defaults=common.defaults,
            environment=common.environment,
            problems=self.problems,
        )
        if common.lanes is None or not common.lanes.names:
            return expander
        return Offering(expander, common.lanes, head.rules, self.looking)

    def _files(self, common: Shared) -> LineFiles:
        """Return the reader of files with a row to a line."""
        sheets = Sheets(
            batch=common.usable_batch,
            model=common.model,
            environment=common.environment,
            problems=self.problems,
            own_sheets=self.own_sheets,
            looking=self.looking,
        )
        return LineFiles(self.source, common.model, sheets, self.problems, self.looking, self.beyond)

    def _expand(self, rows: Iterator[Record], expander: Expander | Offering) -> None:
        noted = rows if self.places is None else self.places.noted(rows)
        is_empty = True
        for record in self.looking.noted(noted):
            is_empty = False
            checked = expander.expand(record)
            if checked and self.source.goes_together:
                content = (checked.offers or checked.request).decode()
                check_together(checked.id, content, record.place, self.problems)
            if checked and not self.problems.total:
                self.looking.works.look(checked.work, checked.id, record)
                self.spool.add(checked.id, checked.request, checked.work, checked.offers)
        if is_empty and not self.problems.total:
            place = Place(source=self.source.shown)
            raise unreadable(place, "there are no rows", "give at least one run")
        self.spool.seal()


def _place(source: Source) -> str | None:
    is_of_files = source.is_each_file and not is_in_s3(source.path)
    return str(Path(source.path).absolute()) if is_of_files else place_of(source.path)


def _refuse_stdin_twice(source: Source) -> None:
    if source.files.count(STDIN) > 1:
        message = "standard input is given twice, and can be read once"
        raise unreadable(Place(source=name_of(STDIN)), message, "put one of the two into a file")
