"""``batchrun report``: one HTML file that shows how a batch went, from the ledger alone."""

from __future__ import annotations

from dataclasses import dataclass

from batchrun.api.objects import StoreWhenNeeded
from batchrun.api.reading import open_ledger, protected_files
from batchrun.cli.calling import login_to
from batchrun.cli.command import group, option, verb
from batchrun.cli.costs.prices import DYNAMIC_GIB, dynamic_gib, read_prices
from batchrun.cli.naming import batch_to_read
from batchrun.cli.options import BATCH, LEDGER, WRITTEN, Account
from batchrun.cli.speak import STDOUT, poured, say
from batchrun.clock import SystemClock
from batchrun.errors import ReportError
from batchrun.model.texts.words import counted
from batchrun.report.delivering import delivered, output_at
from batchrun.report.outputs import REPORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun report``."""

    batch: str | None = BATCH()
    output: str | None = WRITTEN(
        envvar="BATCHRUN_REPORT_OUTPUT",
        help="Where to write it, s3://BUCKET/KEY too; - is stdout.  [default: BATCH.report.html]",
    )
    prices: str | None = option(metavar="FILE", help="Include what runs cost, at these prices per hour.")
    dynamic_gib: float | None = DYNAMIC_GIB()
    ledger: str = LEDGER()
    account: Account = group(Account)


@verb(Options, epilog="Read on: 'batchrun help results'.")
async def report(options: Options) -> None:
    """Write a report of BATCH: one HTML file to open, send or print.

    It shows what stands where, runs over time, failures by reason, the slowest runs, and every run with its
    uuid, output place, failed tasks and logs; with --prices, what those runs cost that 'batchrun costs' has
    asked about. It needs no network. The file is replaced as a whole. BATCH may be left out where the ledger
    has only one.
    """
    from batchrun.report import html  # noqa: PLC0415 (jinja2 takes as long as all else together)
    from batchrun.report.gathering import gathered, regions_of  # noqa: PLC0415

    async with open_ledger(options.ledger, for_once=True) as ledger:
        batch = await batch_to_read(ledger, options.batch)
        place = options.output or f"{batch.name}.report.html"
        protected = await protected_files(ledger, read=() if options.prices is None else (options.prices,))
        output = None
        if place != STDOUT:
            output = output_at(place, REPORT, option="-o FILE", again="the same command", protected=protected)
        regions = await regions_of(ledger, batch)
        prices = None if options.prices is None else read_prices(options.prices, regions)
        gib, now = dynamic_gib(options.dynamic_gib), SystemClock().utcnow()
        made = await gathered(ledger, batch, now, prices=prices, dynamic_gib=gib)
    if output is None:
        with poured(ReportError) as stdout:
            # Always in UTF-8, which the page declares, whatever the terminal's encoding is.
            stdout.buffer.write(html.render(made).encode())
    else:
        async with delivered(output, StoreWhenNeeded(login_to(options.account))) as file:
            html.write(file, made)
        say(f"{place}: {counted(len(made.rows), 'row')}")
