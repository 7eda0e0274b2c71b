"""The options of every verb that takes a manifest; ``launching.manifests`` loads it."""

from __future__ import annotations

import os
from dataclasses import dataclass

import click

from batchrun.cli.command import Risk, argument, option, texts
from batchrun.cli.completion import batches, files
from batchrun.cli.options import LANES
from batchrun.errors import UsageError


def _one_manifest(_context: click.Context, _parameter: click.Parameter, paths: tuple[str, ...]) -> str | None:
    """Return the only path; click cannot explain that the shell expanded a pattern to several."""
    if len(paths) > 1:
        raise click.UsageError(
            f"only one MANIFEST can be given, and there are {len(paths)}; give a folder, or a pattern in "
            "quotes with --each-file"
        )
    return paths[0] if paths else None


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestOptions:
    """The options that name a manifest, its defaults and what overrides it."""

    manifest: str | None = argument(
        metavar="MANIFEST", nargs=-1, callback=_one_manifest, required=False, shell_complete=files
    )
    each_file: str | None = option(
        metavar="PATTERN",
        envvar=None,
        each_time="it says what to run; give it on the command line",
        help="Instead of MANIFEST: JSON or YAML files, each of them one run (its parameters, or a whole "
        "StartRun request), such as 'inputs/*.json'; the id is the file's name, or what {id} matches: "
        "'samples/{id}/inputs.json'.",
    )
    manifest_format: str | None = option(
        "--format",
        type=click.Choice(["yaml", "json", "jsonl", "csv", "tsv"]),
        help="The manifest's format, if its name does not show it.  [default: by extension]",
    )
    batch: str | None = option(shell_complete=batches, help="The batch's name.  [default: the manifest's]")
    defaults: tuple[str, ...] = texts(
        metavar="FILE",
        help="A YAML or JSON file, or s3://BUCKET/KEY, of StartRun fields for every row; repeatable, later "
        "wins.",
    )
    parameters_from: tuple[str, ...] = texts(
        metavar="FILE",
        help="A YAML or JSON file of parameters for every row, such as a WDL inputs JSON or an "
        "nf-core params file; repeatable, later wins; overrides the manifest's own defaults; --set and the "
        "row override it.",
    )
    sets: tuple[str, ...] = texts(
        "--set",
        metavar="FIELD=VALUE",
        help="A StartRun field for every row, such as workflowId=1234567 or parameters.threads:int=8; "
        "repeatable; overrides --defaults, the manifest's own defaults and --parameters-from; the row "
        "overrides it.",
    )
    lanes: str | None = LANES()
    env: tuple[str, ...] = texts(
        metavar="NAME",
        risk=Risk.ENVIRONMENT,
        help="An environment variable that defaults and rows may use as {env.NAME}; repeatable. Never a "
        "credential.",
    )
    tags: bool = option(
        "--tags/--no-tags",
        default=True,
        help="Tag each run at its creation, so that it can be found again without a ledger.",
    )
    id: str | None = option(
        metavar="COLUMN|TEXT", help="A sheet's column with the ids, or a text with {COLUMN} in it."
    )
    group_by: tuple[str, ...] = texts(
        metavar="COLUMN",
        help="Rows of a sheet with the same value in this column make one run; repeatable. It is also the "
        "id, unless --id is given.",
    )
    parameter: tuple[str, ...] = texts(
        metavar="NAME=TEXT",
        envvar=None,
        help="A parameter made from a sheet's columns: NAME={COLUMN}, NAME={COLUMN:int}, or "
        'NAME:json=[{"r1": "{COLUMN}"}], whose outermost list has one element for each row; repeatable.',
    )
    columns_as_parameters: str | None = option(
        metavar="[all|A,B,...]",
        is_flag=False,
        flag_value="all",
        help="Use these columns of a sheet as parameters of the same name; 'all' means every column not "
        "named elsewhere.",
    )
    delimiter: str | None = option(
        metavar="CHARACTER",
        help="The separator between cells, such as ';' or tab.  [default: found from the header]",
    )
    encoding: str | None = option(
        metavar="NAME",
        help="The table's encoding, such as cp1252.  [default: utf-8, or utf-16 by its byte order mark]",
    )
    worksheet: str | None = option(
        metavar="NAME",
        help="The worksheet of a workbook, or the section of an Illumina SampleSheet.  [default: the only "
        "visible one, and Data]",
    )
    header: str | None = option(
        metavar="A,B,...", help="The names of the columns, for a table without a header line."
    )

    @property
    def is_folder(self) -> bool:
        """Whether it is a folder; False on an error, which opening it will report."""
        return self.manifest is not None and os.path.isdir(self.manifest)  # noqa: PTH112 (a Path raises without permission)

    @property
    def path(self) -> str:
        """The manifest's path or the pattern of --each-file, whichever is given."""
        return self.manifest or self.each_file or ""

    def check(self) -> None:
        """Raise UsageError unless a manifest is named."""
        if self.manifest is not None and self.each_file is not None:
            raise UsageError(
                "--each-file replaces MANIFEST; put its pattern into quotes, or the shell expands it"
            )
        if not self.path:
            raise UsageError("give a MANIFEST, or files of one run each with --each-file 'inputs/*.json'")
