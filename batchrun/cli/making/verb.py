"""
``batchrun manifest``: make a manifest, or convert one.

Belongs here: the verbs' options and what they teach. Does not: the work (``convert``, ``new_manifest``,
``pairs``).
"""

from __future__ import annotations

from typing import Any, Final

import click

from batchrun.cli.options import ACCOUNT, MANIFEST, SERVICE, STRICT, option, stacked
from batchrun.cli.signals import run_async
from batchrun.cli.values import Duration, Lines, OutputPath

_HELP: Final = {"help_option_names": ["-h", "--help"], "max_content_width": 110}
_FORCE: Final = option(
    "--force", is_flag=True, show_default=False, help="Replace the output file if it is there already."
)


@click.group(context_settings=_HELP, epilog="Read on: 'batchrun help manifest'.")
def manifest() -> None:
    """
    Make a manifest, or convert one; nothing is submitted.

    'init' makes one to fill in from a workflow's parameters, 'from-s3' pairs files into rows, 'convert'
    writes a manifest in another format.
    """


@manifest.command(
    epilog="Examples: batchrun manifest convert cohort.yaml -o cohort.csv --defaults-out defaults.yaml; "
    "batchrun manifest convert cohort.csv --defaults d.yaml --to native -o batch.json"
    "\n\nRead on: 'batchrun help manifest'."
)
@MANIFEST
@STRICT
@stacked(
    option(
        "-o",
        "--output",
        type=OutputPath(),
        required=True,
        metavar="FILE",
        envvar=None,
        help="Where to write it; - is stdout.",
    ),
    option(
        "--to",
        type=click.Choice(["yaml", "json", "jsonl", "csv", "tsv", "native"]),
        envvar="BATCHRUN_CONVERT_TO",
        help="The format to write; native is for 'aws omics start-run-batch'.  [default: by extension]",
    ),
    option(
        "--defaults-out",
        type=OutputPath(),
        metavar="FILE",
        help="Put what all rows share into this YAML or JSON file, for --defaults; with --to native, the "
        "defaultRunSetting, and -o becomes the array of settings for S3.",
    ),
    _FORCE,
    ACCOUNT,
)
def convert(**options: Any) -> None:
    """
    Write MANIFEST in another format; every row stays the same to the last byte.

    Defaults are merged in and placeholders filled in first. YAML and JSON get what all rows share as
    defaults of their own. Where a format cannot say something, the row and the field are named, and nothing
    is written.
    """
    from batchrun.cli.making.convert import Conversion  # noqa: PLC0415 (loads botocore)
    from batchrun.cli.making.convert import convert as carry_out  # noqa: PLC0415

    carry_out(Conversion.of(options))


@manifest.command(
    epilog="Example: batchrun manifest init --workflow 1234567 -o cohort.yaml"
    "\n\nRead on: 'batchrun help manifest'."
)
@stacked(
    option("--workflow", required=True, metavar="ID", help="The workflow's id."),
    option(
        "--workflow-type",
        type=click.Choice(["PRIVATE", "READY2RUN"]),
        default="PRIVATE",
        help="READY2RUN for one of AWS's own.",
    ),
    option("--workflow-owner-id", metavar="ACCOUNT", help="The account that shared the workflow."),
    option(
        "--workflow-version", metavar="NAME", help="The workflow's version.  [default: its default version]"
    ),
    option(
        "-o",
        "--output",
        type=OutputPath(),
        default="-",
        metavar="FILE",
        envvar=None,
        help="Where to write it; - is stdout.",
    ),
    _FORCE,
)
@SERVICE
def init(**options: Any) -> None:
    """
    Write a YAML manifest to fill in, from a workflow's parameter template; CSV or TSV where -o says so.

    Required parameters are lines to fill in, optional ones stand behind #, each with its description; a table
    has a column for each, and one row. What was not filled in is found by 'batchrun check'. Asks the service
    once, by GetWorkflow or GetWorkflowVersion.
    """
    from batchrun.cli.making.new import NewManifest, initialise  # noqa: PLC0415 (loads aiobotocore)

    run_async(initialise, NewManifest.of(options))


@manifest.command(
    "from-s3",
    epilog="Example: batchrun manifest from-s3 s3://lab-data/run7/ "
    "--pattern '{id}_R{read}.fastq.gz' --parameter 'fastq_{read}' -o run7.csv"
    "\n\nExample: batchrun manifest from-s3 s3://lab-data/run7/ --group-by sample "
    "--pattern '{sample}_S*_L{lane}_R{read}_001.fastq.gz' -o run7.yaml"
    "\n\nRead on: 'batchrun help manifest'.",
)
@click.argument("source", metavar="SOURCE")
@stacked(
    option(
        "--pattern",
        required=True,
        metavar="PATTERN",
        help="What the whole name of a file is like, or, with a / in it, its path below SOURCE: with its "
        "parts in braces, such as '{id}_R{read}.fastq.gz', where * is any text; or a regular expression with "
        "named groups, (?P<id>...). The part id names the row; the others tell its files apart.",
    ),
    option(
        "--group-by",
        type=Lines(),
        multiple=True,
        envvar=None,
        show_envvar=False,
        metavar="PART",
        help="The part of the name that tells runs apart, in place of id, where a run has several lanes; "
        "repeatable. Writes a sheet with a line for each lane, and the manifest that makes runs of it.",
    ),
    option(
        "--parameter",
        metavar="NAME",
        help="What the parameters are called, with parts in braces.  [default: reads_{PART}]",
    ),
    option(
        "--list",
        "list_name",
        metavar="NAME",
        help="Collect a row's files in this one parameter, as a list, sorted by the other parts; with a "
        "part in braces, in one list for each.",
    ),
    option("--base", metavar="URI", help="What names without s3:// in a listing are relative to."),
    option(
        "--incomplete",
        type=click.Choice(["refuse", "skip", "keep"]),
        default="refuse",
        help="What to do about rows that lack a file that others have, such as a mate.",
    ),
    option(
        "-o",
        "--output",
        type=OutputPath(),
        default="-",
        metavar="FILE",
        envvar=None,
        help="Where to write it; - is stdout.",
    ),
    option(
        "--to",
        type=click.Choice(["yaml", "json", "jsonl", "csv", "tsv"]),
        envvar="BATCHRUN_CONVERT_TO",
        help="The format to write.  [default: by extension; csv on stdout]",
    ),
    _FORCE,
    ACCOUNT,
    option(
        "--endpoint-url",
        metavar="URL",
        envvar="BATCHRUN_S3_ENDPOINT_URL",
        help="Another S3, instead of AWS_ENDPOINT_URL_S3.",
    ),
    option("--timeout", type=Duration(), default="30s", help="How long to wait for one answer."),
)
def from_s3(**options: Any) -> None:
    """
    Pair files into rows: SOURCE is s3://BUCKET/FOLDER/, or a file that lists names, or - for stdin.

    A listing has a URI or a name on each line, or is what 'aws s3 ls', with or without --recursive, prints.
    Duplicates and incomplete rows are errors, and nothing is written; files that do not match are named.
    s3://BUCKET/FOLDER is that folder; s3://BUCKET/PREFIX* is everything that begins so.
    """
    from batchrun.cli.making.pairs import PairsJob, pair  # noqa: PLC0415

    pair(PairsJob.of(options))
