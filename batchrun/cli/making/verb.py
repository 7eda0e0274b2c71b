"""``batchrun manifest``: make a manifest, or convert one."""

from __future__ import annotations

import click

from batchrun.cli.command import HELP, verb
from batchrun.cli.making.options import ConvertOptions, ManifestInitOptions, PairOptions


@click.group(context_settings=HELP, epilog="Read on: 'batchrun help manifest'.")
def manifest() -> None:
    """Make a manifest, or convert one; nothing is submitted.

    'init' makes one to fill in from a workflow's parameters, 'from-s3' pairs files into rows, 'convert'
    writes a manifest in another format.
    """


@verb(
    ConvertOptions,
    epilog="Examples: batchrun manifest convert cohort.yaml -o cohort.csv --defaults-out defaults.yaml; "
    "batchrun manifest convert cohort.csv --defaults d.yaml --to native -o batch.json"
    "\n\nRead on: 'batchrun help manifest'.",
)
def convert(options: ConvertOptions) -> None:
    """Write MANIFEST in another format; every row stays the same to the last byte.

    Defaults are merged in and placeholders filled in first. YAML and JSON get what all rows share as
    defaults of their own. Where a format cannot say something, the row and the field are named, and nothing
    is written.
    """
    from batchrun.cli.making.convert import Conversion  # noqa: PLC0415 (loads botocore)
    from batchrun.cli.making.convert import convert as carry_out  # noqa: PLC0415

    carry_out(Conversion.of(options))


@verb(
    ManifestInitOptions,
    epilog="Example: batchrun manifest init --workflow 1234567 -o cohort.yaml"
    "\n\nRead on: 'batchrun help manifest'.",
)
async def init(options: ManifestInitOptions) -> None:
    """Write a YAML manifest to fill in, from a workflow's parameter template; CSV or TSV where -o says so.

    Required parameters are lines to fill in, optional ones stand behind #, each with its description; a table
    has a column for each, and one row. What was not filled in is found by 'batchrun check'. Asks the service
    once, by GetWorkflow or GetWorkflowVersion.
    """
    from batchrun.cli.making.new import initialise  # noqa: PLC0415 (loads aiobotocore)

    await initialise(options)


@verb(
    PairOptions,
    name="from-s3",
    epilog="Example: batchrun manifest from-s3 s3://lab-data/run7/ "
    "--pattern '{id}_R{read}.fastq.gz' --parameter 'fastq_{read}' -o run7.csv"
    "\n\nExample: batchrun manifest from-s3 s3://lab-data/run7/ --group-by sample "
    "--pattern '{sample}_S*_L{lane}_R{read}_001.fastq.gz' -o run7.yaml"
    "\n\nRead on: 'batchrun help manifest'.",
)
def from_s3(options: PairOptions) -> None:
    """Pair files into rows: SOURCE is s3://BUCKET/FOLDER/, or a file that lists names, or - for stdin.

    A listing has a URI or a name on each line, or is what 'aws s3 ls', with or without --recursive, prints.
    Duplicates and incomplete rows are errors, and nothing is written; files that do not match are named.
    s3://BUCKET/FOLDER is that folder; s3://BUCKET/PREFIX* is everything that begins so.
    """
    from batchrun.cli.making.pairs import PairsJob, pair  # noqa: PLC0415

    pair(PairsJob.of(options))


for _one in (convert, init, from_s3):
    manifest.add_command(_one)
