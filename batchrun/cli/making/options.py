"""The options of ``batchrun manifest``; the work is elsewhere, since it loads botocore."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from typing import Final

import click

from batchrun.cli.command import Risk, argument, group, option, texts, typed_flag
from batchrun.cli.manifest_options import ManifestOptions
from batchrun.cli.options import STRICT, TIMEOUT, WRITTEN, Account, Service
from batchrun.cli.values import OutputPath

_FORCE: Final = partial(typed_flag, help="Replace the output file if it exists.")
_WRITTEN: Final = partial(WRITTEN, envvar=None, help="Where to write it; - is stdout.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ConvertOptions:
    """The options of ``batchrun manifest convert``."""

    manifest: ManifestOptions = group(ManifestOptions)
    strict: bool = STRICT()
    output: str = _WRITTEN(required=True)
    to: str | None = option(
        type=click.Choice(["yaml", "json", "jsonl", "csv", "tsv", "native"]),
        envvar="BATCHRUN_CONVERT_TO",
        help="The format to write; native is for 'aws omics start-run-batch'.  [default: by extension]",
    )
    defaults_out: str | None = option(
        type=OutputPath(),
        metavar="FILE",
        help="Put what all rows share into this YAML or JSON file, for --defaults; with --to native, the "
        "defaultRunSetting, and -o becomes the array of settings for S3.",
    )
    force: bool = _FORCE()
    account: Account = group(Account)


@dataclass(frozen=True, slots=True, kw_only=True)
class ManifestInitOptions:
    """The options of ``batchrun manifest init``."""

    workflow: str = option(required=True, metavar="ID", help="The workflow's id.")
    workflow_type: str = option(
        type=click.Choice(["PRIVATE", "READY2RUN"]), default="PRIVATE", help="READY2RUN for one of AWS's own."
    )
    workflow_owner_id: str | None = option(metavar="ACCOUNT", help="The account that shared the workflow.")
    workflow_version: str | None = option(
        metavar="NAME", help="The workflow's version.  [default: its default version]"
    )
    output: str = _WRITTEN(default="-")
    force: bool = _FORCE()
    service: Service = group(Service)


@dataclass(frozen=True, slots=True, kw_only=True)
class PairOptions:
    """The options of ``batchrun manifest from-s3``."""

    source: str = argument(metavar="SOURCE")
    pattern: str = option(
        required=True,
        metavar="PATTERN",
        help="The pattern of a file's whole name, or, with a / in it, of its path below SOURCE, with "
        "parts in braces, such as '{id}_R{read}.fastq.gz', where * is any text; or a regular expression with "
        "named groups, (?P<id>...). The part id names the row; the other parts distinguish its files.",
    )
    group_by: tuple[str, ...] = texts(
        envvar=None,
        metavar="PART",
        help="The part of the name that identifies the run, in place of id, where a run has several "
        "lanes; repeatable. Writes a sheet with a line for each lane, and a manifest for it.",
    )
    parameter: str | None = option(
        metavar="NAME", help="The names of the parameters, with parts in braces.  [default: reads_{PART}]"
    )
    list_name: str | None = option(
        "--list",
        metavar="NAME",
        help="Collect a row's files in this one parameter, as a list, sorted by the other parts; with a "
        "part in braces, in one list for each.",
    )
    base: str | None = option(metavar="URI", help="What names without s3:// in a listing are relative to.")
    incomplete: str = option(
        type=click.Choice(["refuse", "skip", "keep"]),
        default="refuse",
        help="What to do about rows that lack a file that others have, such as a mate.",
    )
    output: str = _WRITTEN(default="-")
    to: str | None = option(
        type=click.Choice(["yaml", "json", "jsonl", "csv", "tsv"]),
        envvar="BATCHRUN_CONVERT_TO",
        help="The format to write.  [default: by extension; csv on stdout]",
    )
    force: bool = _FORCE()
    account: Account = group(Account)
    endpoint_url: str | None = option(
        metavar="URL",
        envvar="BATCHRUN_S3_ENDPOINT_URL",
        risk=Risk.ADDRESS,
        help="Another S3, instead of AWS_ENDPOINT_URL_S3.",
    )
    timeout: float = TIMEOUT()
