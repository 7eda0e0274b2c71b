"""A manifest or a sheet by its path, or by its rows, for programs."""

from __future__ import annotations

import contextlib
import json
import tempfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, BinaryIO, Final

from batchrun.api.objects import ObjectsOnce, OneLogin
from batchrun.errors import ManifestError, Problem
from batchrun.manifest import Format, Manifest, Source, load
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.source import STDIN
from batchrun.manifest.table import TableOptions, delimiter, encoding
from batchrun.service.target import CONFIGURED, Target

#: What messages call rows that a program gives.
ROWS: Final = "<rows>"
_IN_MEMORY: Final = 8 * 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """
    What the rows of a sheet are to become: the same as ``sheet:`` and its keys in a manifest.

    Where the source is a manifest that names a sheet, what is given here wins over what stands there.
    """

    id: str | None = None  #: a column, or a text that names columns: ``"{patient}-{sample}"``
    group_by: str | Sequence[str] = ()  #: columns: rows that have the same in them make one run
    each: Mapping[str, Any] = field(default_factory=dict)  #: StartRun fields, whose texts may name columns
    columns_as_parameters: str | Sequence[str] = ()  #: names, or ``"all"`` that nothing else names
    sheet_out: str | None = None  #: where each run's rows are written: ``"s3://lab/sheets/{id}.csv"``
    delimiter: str | None = None  #: one character, where it is not that of the format
    encoding: str | None = None  #: by a name that Python knows, where it is not UTF-8
    worksheet: str | None = None  #: of a workbook
    header: Sequence[str] | None = None  #: the columns' names, for a table without a line of them

    @property
    def options(self) -> SheetOptions:
        """What it says of the rows."""
        return SheetOptions(
            id=self.id,
            group_by=_names(self.group_by),
            columns_as_parameters=_names(self.columns_as_parameters),
            each=dict(self.each),
            sheet_out=self.sheet_out,
        )

    @property
    def asked(self) -> TableOptions:
        """What it says of how to read them. Raises ValueError for an unknown encoding or delimiter."""
        return TableOptions(
            delimiter=None if self.delimiter is None else delimiter(self.delimiter),
            encoding=None if self.encoding is None else encoding(self.encoding),
            worksheet=self.worksheet,
            header=None if self.header is None else tuple(self.header),
        )


def _names(given: str | Sequence[str]) -> tuple[str, ...]:
    return (given,) if isinstance(given, str) else tuple(given)


@contextlib.contextmanager
def as_lines(rows: Iterable[Mapping[str, Any]]) -> Iterator[BinaryIO]:
    """Return rows as JSON Lines, read once. Raises ManifestError for what JSON cannot hold."""
    with tempfile.SpooledTemporaryFile(max_size=_IN_MEMORY) as lines:
        for number, row in enumerate(rows, start=1):
            try:
                lines.write(json.dumps({**row}, allow_nan=False).encode() + b"\n")
            except (TypeError, ValueError, RecursionError) as error:
                raise _unsayable(number, error) from error
        lines.seek(0)
        yield lines  # type: ignore[misc]  # typeshed: a SpooledTemporaryFile is a BinaryIO in all but name


def _unsayable(number: int, error: Exception) -> ManifestError:
    cure = "give a mapping of names to text, numbers, true or false, None, lists and mappings"
    return ManifestError(
        [Problem(source=ROWS, line=number, message=f"the row is not JSON: {error}", cure=cure)]
    )


_NO_SHEET: Final = Sheet()


def load_manifest(  # noqa: PLR0913 (options, each by its name)
    source: str | Path | Iterable[Mapping[str, Any]],
    *,
    batch: str | None = None,
    written_as: str | None = None,
    sheet: Sheet | None = None,
    defaults: Iterable[str | Path] = (),
    parameters_from: Iterable[str | Path] = (),
    sets: Iterable[str] = (),
    lanes: str | Path | None = None,
    env: Iterable[str] = (),
    tags: bool = True,
    strict: bool = False,
    target: Target = CONFIGURED,
) -> Manifest:
    """
    Read, expand and check a manifest; use it with ``with``, or close it.

        load_manifest("cohort.yaml")
        load_manifest("samplesheet.csv", sheet=Sheet(group_by="sample", each={...}))
        load_manifest([{"id": "NA12878", "parameters": {...}}], batch="cohort")

    Args:
        source: The file, ``s3://BUCKET/KEY``, or ``-`` for standard input; or rows, which are gone through
            once. With *sheet* they are a sheet's, else a manifest's, as the lines of JSON Lines are.
        batch: The batch's name, instead of the manifest's own; rows have none.
        written_as: ``yaml``, ``json``, ``jsonl``, ``csv`` or ``tsv``, where the file's name does not say.
        sheet: What a sheet's rows are to become; without it only a manifest may say so.
        defaults: YAML or JSON files, in S3 too, of StartRun fields that every row takes; later ones win.
        parameters_from: Such files of parameters that every row takes; later ones win.
        sets: Fields as text, ``workflowId=1234567``; over all of the above, under the row.
        lanes: A YAML or JSON file of the lanes that rows may take, where the manifest has none itself.
        env: Variables of the environment that ``{env.NAME}`` may stand for; never a credential's.
        strict: Whether what the manifest is warned of (``Manifest.warnings``) is an error.
        tags: Whether the runs will be tagged (``Limits.tag``), which needs room for four tags.
        target: Whose S3 to read from, where anything lies there; its endpoint is that of HealthOmics alone.

    Raises:
        ManifestError: Anything is wrong; it has every problem, up to a limit.
        ServiceUnusableError: It lies in S3, and may not be read, or S3 cannot be asked.
        ValueError: *written_as* is no format, or *sheet* has no delimiter or encoding where it says one.
    """
    rows = sheet or _NO_SHEET
    shared = Source(
        path=STDIN,
        batch=batch,
        defaults=tuple(str(one) for one in defaults),
        parameters_from=tuple(str(one) for one in parameters_from),
        sets=tuple(sets),
        lanes=None if lanes is None else str(lanes),
        env=tuple(env),
        tags=tags,
        strict=strict,
        asked=rows.asked,
        sheet=rows.options,
    )
    with ObjectsOnce(OneLogin(target)) as objects:
        if isinstance(source, str | Path):
            form = Format(written_as) if written_as else None
            return load(replace(shared, path=str(source), format=form), objects=objects)
        with as_lines(source) as lines:
            return load(replace(shared, name=ROWS, format=Format.JSONL), stdin=lines, objects=objects)
