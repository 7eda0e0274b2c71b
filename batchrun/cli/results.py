"""``batchrun results``: write the results again, from the ledger alone."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import anyio
import click

from batchrun.cli.options import LEDGER, SAFE_CSV, option
from batchrun.cli.speak import say, swallow
from batchrun.cli.status import find_batch
from batchrun.errors import ResultsError
from batchrun.ledger import open_ledger
from batchrun.report import results as report


@click.command()
@click.argument("batch", required=False)
@option(
    "--format",
    "results_format",
    type=click.Choice([one.value for one in report.Format]),
    default="csv",
    envvar="BATCHRUN_RESULTS_FORMAT",
    help="How to write them; jsonl has every earlier attempt too.",
)
@option(
    "-o",
    "--output",
    metavar="FILE",
    help="Where to write them; - is stdout.  [default: BATCH.results.FORMAT]",
)
@SAFE_CSV
@LEDGER
def results(**options: Any) -> None:
    """
    Write the results of BATCH: one row per entry, in manifest order.

    The file is replaced as a whole. BATCH may be left out where the ledger has only one.
    """
    anyio.run(_results, options)


async def _results(options: dict[str, Any]) -> None:
    format_ = report.Format(options["results_format"])
    async with await open_ledger(options["ledger"], read_only=True) as ledger:
        batch = await find_batch(ledger, options["batch"])
        outcomes = ledger.outcomes(batch.name)
        if options["output"] == "-":
            try:
                await report.write_to(sys.stdout, outcomes, format_, is_safe=options["safe_csv"])
                sys.stdout.flush()
            except BrokenPipeError:  # whoever reads has seen enough
                swallow(sys.stdout)
            except OSError as error:
                swallow(sys.stdout)
                raise ResultsError("stdout", error) from error
            return
        path = Path(options["output"] or f"{batch.name}.results.{format_.value}")
        count = await report.write(path, outcomes, format_, is_safe=options["safe_csv"])
        say(f"{path}: {count} rows")
