"""
A manifest, from its source to checked specs.

Belongs here: the order of things, and the result. Does not: any single step.
"""

from __future__ import annotations

import contextlib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

from batchrun.errors import ManifestError
from batchrun.manifest import defaults, line_files
from batchrun.manifest.document import NO_HEAD, Document
from batchrun.manifest.names import wrong_batch
from batchrun.manifest.problems import Place, Problems, unreadable
from batchrun.manifest.rows import Expander
from batchrun.manifest.rules import start_run
from batchrun.manifest.source import STDIN, format_of, name_of, opened
from batchrun.manifest.spool import Spool
from batchrun.manifest.text_input import kept
from batchrun.model.retrying import RetryPolicy

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import TracebackType
    from typing import BinaryIO

    from batchrun.manifest.document import Head
    from batchrun.manifest.places import RowPlaces
    from batchrun.manifest.problems import Record
    from batchrun.manifest.source import Source
    from batchrun.model.spec import Spec


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Checked specs, kept in a temporary file: what changes in the source from now on changes nothing."""

    batch: str
    retry: RetryPolicy  #: what the manifest says of retries; the usual one where it says nothing
    _spool: Spool

    @property
    def count(self) -> int:
        """The number of specs."""
        return self._spool.count

    @property
    def digest(self) -> str:
        """What tells whether two manifests ask for the same, however they are written."""
        return self._spool.digest

    def specs(self) -> Iterator[Spec]:
        """Give every spec in the manifest's order; may be called again, and again."""
        return self._spool.specs()

    def close(self) -> None:
        """Let go of the temporary file."""
        self._spool.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def load(source: Source, *, stdin: BinaryIO | None = None, places: RowPlaces | None = None) -> Manifest:
    """
    Read, expand and check a manifest.

    The input is read once, as a stream: memory grows with the largest row, and by the ids, which are kept
    to find duplicates.

    Args:
        source: What to read, and how.
        stdin: Stands in for standard input where the path is ``-``.
        places: Takes down where each row stands, for whoever has more to say about it.

    Raises:
        ManifestError: Anything is wrong; it has every problem, up to a limit.
    """
    problems = Problems()
    with contextlib.ExitStack() as stack:
        spool = stack.enter_context(contextlib.closing(Spool()))
        batch, retry = "", RetryPolicy()
        try:
            batch, retry = _spooled(source, stdin, spool, problems, places)
        except ManifestError as error:
            problems.absorb(error)
        problems.raise_any()
        stack.pop_all()
        return Manifest(batch=batch, retry=retry, _spool=spool)


def _spooled(
    source: Source, stdin: BinaryIO | None, spool: Spool, problems: Problems, places: RowPlaces | None
) -> tuple[str, RetryPolicy]:
    """Read everything into the spool, as long as nothing is wrong; give the batch's name and its retries."""
    with contextlib.ExitStack() as stack:
        head, rows, document = _read(source, stdin, problems, stack)
        model = start_run(own_tags=source.tags)
        batch = _batch(source, head, problems)
        files = [_defaults_file(path, source, problems) for path in source.defaults]
        own = [] if head.defaults is None else [head.defaults]
        sets = defaults.from_sets(source.sets, model, problems)
        combined = defaults.combined([*files, *own, *sets], model, problems)
        # A bad name was told; it must not turn up again in every row.
        usable = "batch" if wrong_batch(batch) else batch
        expander = Expander(batch=usable, model=model, defaults=combined, problems=problems)
        noted = rows if places is None else places.noted(rows)
        _expand(noted, expander, spool, problems, name_of(source.path))
        # Only now: the block may stand after the rows.
        return batch, RetryPolicy() if document is None else document.retry


def _read(
    source: Source, stdin: BinaryIO | None, problems: Problems, stack: contextlib.ExitStack
) -> tuple[Head, Iterator[Record], Document | None]:
    form = format_of(source.path, source.format)
    name = name_of(source.path)
    stream = stack.enter_context(opened(source.path, stdin))
    # Only now: loading it takes longer than finding out that there is no such file.
    model = start_run(own_tags=source.tags)
    if line_files.is_line_format(form):
        return NO_HEAD, line_files.records(stream, name, form, source.asked, model, problems), None
    copy = stack.enter_context(contextlib.closing(kept(stream, name)))
    document = Document(copy, source.path, form, model, problems)
    return document.head(), document.rows(source.asked), document


def _expand(rows: Iterator[Record], expander: Expander, spool: Spool, problems: Problems, name: str) -> None:
    is_empty = True
    for record in rows:
        is_empty = False
        checked = expander.expand(record)
        if checked and not problems.total:
            spool.add(checked.id, checked.request)
    if is_empty and not problems.total:
        raise unreadable(Place(source=name), "there are no rows", "give at least one run")
    spool.seal()


def _defaults_file(path: str, source: Source, problems: Problems) -> Record:
    form = format_of(path)
    if line_files.is_line_format(form):
        message = "defaults are a table, which this format cannot hold"
        raise unreadable(Place(source=name_of(path)), message, "write them as YAML or JSON")
    model = start_run(own_tags=source.tags)
    with opened(path) as stream, contextlib.closing(kept(stream, name_of(path))) as copy:
        return Document(copy, path, form, model, problems).table()


def _batch(source: Source, head: Head, problems: Problems) -> str:
    name, place = _batch_and_place(source, head)
    if wrong := wrong_batch(name):
        message, cure = wrong
        problems.add(place, message, f"{cure}, or give --batch", field="batch")
    return name


def _batch_and_place(source: Source, head: Head) -> tuple[str, Place]:
    if source.batch is not None:
        return source.batch, Place(source="--batch")
    if head.batch is not None and head.batch_place is not None:
        return head.batch, head.batch_place
    if source.path == STDIN:
        place = Place(source=name_of(source.path))
        raise unreadable(place, "the batch has no name", "give --batch, or batch: in the manifest")
    return Path(source.path).stem, Place(source=source.path)
