"""``batchrun report``: one HTML file that shows how a batch went, from the ledger alone."""

from __future__ import annotations

import sys
from typing import Any

import anyio
import click

from batchrun.api.reading import open_ledger
from batchrun.cli.options import BATCH, LEDGER, option
from batchrun.cli.printable import printable
from batchrun.cli.showing.output_file import named
from batchrun.cli.speak import say, swallow
from batchrun.cli.values import OutputPath
from batchrun.cli.verbs.status import find_batch
from batchrun.clock import SystemClock
from batchrun.errors import ReportError
from batchrun.report.kinds import REPORT
from batchrun.report.outputs import Inputs


@click.command(epilog="Read on: 'batchrun help results'.")
@BATCH
@option(
    "-o",
    "--output",
    type=OutputPath(),
    metavar="FILE",
    envvar="BATCHRUN_REPORT_OUTPUT",
    help="Where to write it; - is stdout.  [default: BATCH.report.html]",
)
@LEDGER
def report(**options: Any) -> None:
    """
    Write a report of BATCH: one HTML file to open, send or print.

    It shows what stands where, runs over time, failures by reason, the slowest runs, and every run with its
    uuid and output place. It needs no network. The file is replaced as a whole. BATCH may be left out where
    the ledger has only one.
    """
    anyio.run(_report, options)


async def _report(options: dict[str, Any]) -> None:
    # jinja2 takes as long to import as everything else together, and only this needs it.
    from batchrun.report import html  # noqa: PLC0415
    from batchrun.report.calls import calls  # noqa: PLC0415
    from batchrun.report.rows import row_of  # noqa: PLC0415

    async with open_ledger(options["ledger"]) as ledger:
        batch = await find_batch(ledger, options["batch"])
        place = options["output"] or f"{batch.name}.report.html"
        output = named(place, REPORT, option="-o FILE", inputs=Inputs(ledger=options["ledger"]))
        rows = [row_of(outcome) async for outcome in ledger.outcomes(batch.name)]
        made = html.Report(
            batch=batch,
            rows=rows,
            calls=await calls(ledger, batch.name, (row.id for row in rows)),
            at=SystemClock().utcnow(),
            tasks=await ledger.task_failures(batch.name),
            paces=[pace for pace in await ledger.all_paces() if pace.at >= batch.created_at],
        )
    if output is None:
        _pour(html.render(made))
    else:
        html.write(output, made)
        say(f"{printable(place)}: {len(rows)} rows")


def _pour(text: str) -> None:
    """Write on stdout, in UTF-8 whatever the terminal's encoding, since the page says so."""
    try:
        sys.stdout.buffer.write(text.encode())
        sys.stdout.flush()
    except BrokenPipeError:  # whoever reads has seen enough
        swallow(sys.stdout)
    except OSError as error:
        swallow(sys.stdout)
        raise ReportError("stdout", error) from error
