"""``batchrun status``: how it stands, from the ledger alone."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from batchrun.api.reading import find_batch, open_ledger
from batchrun.cli.exits import Exit
from batchrun.cli.options import BATCH, LEDGER, OUTPUT, option
from batchrun.cli.showing.overview_lines import counted, details, facts, summary
from batchrun.cli.signals import run_async
from batchrun.cli.speak import emit, say
from batchrun.clock import SystemClock
from batchrun.errors import UsageError
from batchrun.report.overview import overview

if TYPE_CHECKING:
    from batchrun.ports.ledger import Batch, Ledger


@click.command(
    epilog="With --watch, Ctrl-C ends with 0; a batch that has ended, with the exit code of 'batchrun run'."
    "\n\nRead on: 'batchrun help results', 'batchrun help states', 'batchrun help retry'."
)
@BATCH
@option(
    "--failed",
    is_flag=True,
    show_default=False,
    help="Show what ended without success: why, which, what to do.",
)
@option(
    "--watch",
    is_flag=True,
    show_default=False,
    envvar="BATCHRUN_STATUS_WATCH",
    help="Go on showing it until the batch has ended.",
)
@LEDGER
@OUTPUT
@click.pass_context
def status(context: click.Context, /, **options: Any) -> None:
    """
    List the batches of the ledger, or say how BATCH stands; call nothing.

    Works beside a running launcher.
    """
    context.exit(run_async(_status, options))


async def _status(options: dict[str, Any]) -> Exit:
    if options["watch"] and options["failed"]:
        raise UsageError("--watch and --failed do not go together: --watch shows the latest failures")
    async with open_ledger(options["ledger"]) as ledger:
        if options["watch"]:
            from batchrun.cli.showing.watch import watch  # noqa: PLC0415 (draws, on a terminal)

            return await watch(ledger, await find_batch(ledger, options["batch"]), as_json=options["as_json"])
        if options["batch"] is None:
            for batch in await ledger.batches():
                await _list(ledger, batch, options)
        else:
            await _show(ledger, await find_batch(ledger, options["batch"]), options)
    return Exit.OK


async def _list(ledger: Ledger, batch: Batch, options: dict[str, Any]) -> None:
    counts = await ledger.counts(batch.name)
    if options["as_json"]:
        emit("status", **counted(batch, counts))
    else:
        say(summary(batch, counts), hang=2)
    if options["failed"]:
        await _failed(ledger, batch, options)


async def _show(ledger: Ledger, batch: Batch, options: dict[str, Any]) -> None:
    if options["failed"]:
        await _list(ledger, batch, options)
        return
    now = await overview(ledger, batch, SystemClock().utcnow())
    if options["as_json"]:
        emit("status", **facts(now))
        return
    say(summary(batch, now.counts), hang=2)
    for label, text in details(now):
        say(f"  {label:<9} {text}", hang=12)


async def _failed(ledger: Ledger, batch: Batch, options: dict[str, Any]) -> None:
    from batchrun.cli.showing.failures import emit_failures, tell_failures  # noqa: PLC0415

    await (emit_failures if options["as_json"] else tell_failures)(ledger, batch.name)
