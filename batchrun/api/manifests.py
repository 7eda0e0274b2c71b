"""Loading a manifest or a sheet from a path, or from rows, for programs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final

from batchrun.api.given import check_kind, several
from batchrun.api.objects import ObjectsOnce, OneLogin
from batchrun.api.rows import ROWS, as_lines
from batchrun.errors import ManifestError, Problem
from batchrun.manifest import Format, Manifest, Source, load
from batchrun.manifest.sheet_wishes import SheetOptions
from batchrun.manifest.source import STDIN
from batchrun.manifest.table import TableOptions, delimiter, encoding
from batchrun.service.target import CONFIGURED, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """How the rows of a sheet become runs: the same as ``sheet:`` and its keys in a manifest.

    If the source is a manifest that names a sheet, these values override those in the manifest.
    """

    id: str | None = None  #: a column, or a text that names columns: ``"{patient}-{sample}"``
    group_by: str | Sequence[str] = ()  #: columns: rows with the same cells in them make one run
    each: Mapping[str, Any] = field(default_factory=dict)  #: StartRun fields, whose texts may name columns
    columns_as_parameters: str | Sequence[str] = ()  #: names, or ``"all"`` for those that nothing else names
    sheet_out: str | None = None  #: where each run's own sheet is written: ``"s3://lab/sheets/{id}.csv"``
    delimiter: str | None = None  #: one character, if it is not the format's usual one
    encoding: str | None = None  #: a name that Python knows, if it is not UTF-8
    worksheet: str | None = None  #: of a workbook
    header: str | Sequence[str] | None = None  #: the columns' names, for a table without a header line

    @property
    def options(self) -> SheetOptions:
        """The options that say what rows become."""
        return SheetOptions(
            id=self.id,
            group_by=several(self.group_by),
            columns_as_parameters=several(self.columns_as_parameters),
            each=dict(self.each),
            sheet_out=self.sheet_out,
        )

    @property
    def asked(self) -> TableOptions:
        """The options for reading the table. Raises ValueError for an unknown encoding or delimiter."""
        return TableOptions(
            delimiter=None if self.delimiter is None else delimiter(self.delimiter),
            encoding=None if self.encoding is None else encoding(self.encoding),
            worksheet=self.worksheet,
            header=None if self.header is None else several(self.header),
        )


_NO_SHEET: Final = Sheet()
_NAMED: Final = "give load_manifest a batch, such as batch='cohort'"


def load_manifest(  # noqa: PLR0913 (options, each by its name)
    source: str | Path | Iterable[Mapping[str, Any]],
    *,
    batch: str | None = None,
    written_as: str | None = None,
    sheet: Sheet | None = None,
    defaults: str | Path | Iterable[str | Path] = (),
    parameters_from: str | Path | Iterable[str | Path] = (),
    sets: str | Iterable[str] = (),
    lanes: str | Path | None = None,
    env: str | Iterable[str] = (),
    tags: bool = True,
    strict: bool = False,
    target: Target = CONFIGURED,
) -> Manifest:
    """Read, expand and check a manifest; use it with ``with``, or close it.

        load_manifest("cohort.yaml")
        load_manifest("samplesheet.csv", sheet=Sheet(group_by="sample", each={...}))
        load_manifest([{"id": "NA12878", "parameters": {...}}], batch="cohort")

    Args:
        source: The file, ``s3://BUCKET/KEY``, or ``-`` for standard input; or rows, which are iterated once.
            With *sheet* they are a sheet's rows, else a manifest's, as the lines of JSON Lines are.
        batch: The batch's name, overriding the manifest's own; rows have none.
        written_as: ``yaml``, ``json``, ``jsonl``, ``csv`` or ``tsv``, if the file's name does not show it.
        sheet: How a sheet's rows become runs; without it only a manifest may say so.
        defaults: YAML or JSON files, in S3 too, of StartRun fields that every row takes; later ones win.
        parameters_from: Such files of parameters that every row takes; later ones win.
        sets: Fields as text, ``workflowId=1234567``; over all of the above, under the row.
        lanes: A YAML or JSON file of the lanes that rows may take, if the manifest has none itself.
        env: Environment variables that ``{env.NAME}`` may use; never a credential.
        strict: Whether warnings (``Manifest.warnings``) are errors.
        tags: Whether the runs will be tagged (``Limits.tag``), which needs room for four tags.
        target: The login for files in S3; its endpoint is used for HealthOmics only.

    Raises:
        ManifestError: There are problems; it has all of them, up to a limit.
        ServiceUnusableError: It is in S3 and may not be read, or S3 does not answer.
        ValueError: *written_as* is not a format, or the delimiter or encoding in *sheet* is unknown.
    """
    rows = sheet or _NO_SHEET
    check_kind("sheet", rows, Sheet, "a Sheet, such as Sheet(id='sample')")
    check_kind("target", target, Target, "a Target, such as Target(profile='lab')")
    shared = Source(
        path=STDIN,
        batch=batch,
        defaults=several(defaults),
        parameters_from=several(parameters_from),
        sets=several(sets),
        lanes=None if lanes is None else str(lanes),
        env=several(env),
        tags=tags,
        strict=strict,
        asked=rows.asked,
        sheet=rows.options,
    )
    with ObjectsOnce(OneLogin(target)) as objects:
        if isinstance(source, str | Path):
            form = Format(written_as) if written_as else None
            return load(replace(shared, path=str(source), format=form), objects=objects)
        if batch is None:
            raise ManifestError([Problem(source=ROWS, message="the batch has no name", cure=_NAMED)])
        with as_lines(source) as lines:
            return load(replace(shared, name=ROWS, format=Format.JSONL), stdin=lines, objects=objects)
