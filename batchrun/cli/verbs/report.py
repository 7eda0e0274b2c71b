"""``batchrun report``: one HTML file that shows how a batch went, from the ledger alone."""

from __future__ import annotations

import errno
import os
import sys
from typing import Any

import click

from batchrun.api.reading import find_batch, inputs_of, open_ledger
from batchrun.cli.choice import counted
from batchrun.cli.costs.prices import DYNAMIC_GIB, dynamic_gib, read_prices
from batchrun.cli.options import ACCOUNT, BATCH, LEDGER, option
from batchrun.cli.printable import printable
from batchrun.cli.showing.output_file import STDOUT
from batchrun.cli.signals import run_async
from batchrun.cli.speak import say, swallow
from batchrun.cli.storage import store
from batchrun.cli.values import OutputPath
from batchrun.clock import SystemClock
from batchrun.errors import ReportError
from batchrun.report.delivering import delivered, output_at
from batchrun.report.kinds import REPORT


@click.command(epilog="Read on: 'batchrun help results'.")
@BATCH
@option(
    "-o",
    "--output",
    type=OutputPath(),
    metavar="FILE",
    envvar="BATCHRUN_REPORT_OUTPUT",
    help="Where to write it, s3://BUCKET/KEY too; - is stdout.  [default: BATCH.report.html]",
)
@option("--prices", metavar="FILE", help="Tell what runs cost too, at these prices per hour.")
@DYNAMIC_GIB
@LEDGER
@ACCOUNT
def report(**options: Any) -> None:
    """
    Write a report of BATCH: one HTML file to open, send or print.

    It shows what stands where, runs over time, failures by reason, the slowest runs, and every run with its
    uuid, output place, failed tasks and logs; with --prices, what those runs cost that 'batchrun costs' has
    asked about. It needs no network. The file is replaced as a whole. BATCH may be left out where the ledger
    has only one.
    """
    run_async(_report, options)


async def _report(options: dict[str, Any]) -> None:
    # jinja2 takes as long to import as everything else together, and only this needs it.
    from batchrun.report import html  # noqa: PLC0415
    from batchrun.report.gathering import gathered  # noqa: PLC0415

    async with open_ledger(options["ledger"]) as ledger:
        batch = await find_batch(ledger, options["batch"])
        place = options["output"] or f"{batch.name}.report.html"
        read = () if options["prices"] is None else (options["prices"],)
        inputs = await inputs_of(ledger, read=read)
        output = None
        if place != STDOUT:
            output = output_at(place, REPORT, option="-o FILE", again="the same command", inputs=inputs)
        prices = None if options["prices"] is None else read_prices(options["prices"], batch.region)
        now = SystemClock().utcnow()
        made = await gathered(ledger, batch, now, prices=prices, dynamic_gib=dynamic_gib(options))
    if output is None:
        _pour(html.render(made))
    else:
        async with delivered(output, store(options)) as file:
            html.write(file, made)
        say(f"{printable(place)}: {counted(len(made.rows), 'row', 'rows')}")


def _pour(text: str) -> None:
    """Write on stdout, in UTF-8 whatever the terminal's encoding, since the page says so."""
    if sys.stdout is None:
        raise ReportError("stdout", OSError(errno.EBADF, os.strerror(errno.EBADF)))
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        swallow(sys.stdout)
    except OSError as error:
        swallow(sys.stdout)
        raise ReportError("stdout", error) from error
