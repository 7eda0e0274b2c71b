"""``batchrun status``: how it stands, from the ledger alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from batchrun.api.reading import open_ledger
from batchrun.cli.batches import batch_to_read, note_closed
from batchrun.cli.command import flag, group, verb
from batchrun.cli.exits import Exit
from batchrun.cli.options import BATCH, LEDGER, Output
from batchrun.cli.showing.overview_lines import counted, details, facts, summary
from batchrun.cli.speak import emit, say
from batchrun.clock import SystemClock
from batchrun.errors import UsageError
from batchrun.report.overview import overview

if TYPE_CHECKING:
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Batch


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What ``batchrun status`` is told."""

    batch: str | None = BATCH()
    failed: bool = flag("--failed", help="Show what did not succeed: why, which rows, what to do.")
    watch: bool = flag(
        "--watch", envvar="BATCHRUN_STATUS_WATCH", help="Keep showing it until the batch has ended."
    )
    ledger: str = LEDGER()
    output: Output = group(Output)


@verb(
    Options,
    epilog="With --watch, Ctrl-C ends with 0; a batch that has ended, with the exit code of 'batchrun run'."
    "\n\nRead on: 'batchrun help results', 'batchrun help states', 'batchrun help retry'.",
)
async def status(told: Options) -> Exit:
    """
    List the batches of the ledger, or say how BATCH stands; call nothing.

    Works beside a running launcher.
    """
    as_json = told.output.as_json
    if told.watch and told.failed:
        raise UsageError("--watch and --failed cannot be combined: --watch shows the latest failures")
    async with open_ledger(told.ledger) as ledger:
        if told.watch:
            from batchrun.cli.showing.watch import watch  # noqa: PLC0415 (draws, on a terminal)

            return await watch(ledger, await batch_to_read(ledger, told.batch), as_json=as_json)
        is_one = told.batch is not None
        for batch in [await batch_to_read(ledger, told.batch)] if is_one else await ledger.batches():
            if is_one and not told.failed:
                await _show(ledger, batch, as_json=as_json)
            else:
                await _list(ledger, batch, as_json=as_json)
            if not is_one:
                await note_closed(ledger, batch.name)
            if told.failed:
                await _failed(ledger, batch, as_json=as_json)
    return Exit.OK


async def _list(ledger: Ledger, batch: Batch, *, as_json: bool) -> None:
    counts = await ledger.batch(batch.name).counts()
    if as_json:
        emit("status", **counted(batch, counts))
    else:
        say(summary(batch, counts), hang=2)


async def _show(ledger: Ledger, batch: Batch, *, as_json: bool) -> None:
    now = await overview(ledger, batch, SystemClock().utcnow())
    if as_json:
        emit("status", **facts(now))
        return
    say(summary(batch, now.counts), hang=2)
    for label, text in details(now):
        say(f"  {label:<9} {text}", hang=12)


async def _failed(ledger: Ledger, batch: Batch, *, as_json: bool) -> None:
    from batchrun.cli.showing.failed import emit_failures, tell_failures  # noqa: PLC0415

    await (emit_failures if as_json else tell_failures)(ledger, batch.name)
