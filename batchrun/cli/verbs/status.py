"""``batchrun status``: the state of a batch, from the ledger alone; with --watch, beside its launcher."""

from __future__ import annotations

import os
import select
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import IO, Final

import anyio

from batchrun.api.reading import open_ledger
from batchrun.cli.command import flag, group, verb
from batchrun.cli.exits import Exit
from batchrun.cli.naming import batch_to_read, note_closed
from batchrun.cli.options import BATCH, LEDGER, Output
from batchrun.cli.showing.overview_lines import count_facts, details, facts, summary
from batchrun.cli.signals import heard
from batchrun.cli.speak import can_draw, emit, say
from batchrun.clock import Clock, SystemClock
from batchrun.errors import UsageError
from batchrun.model.entries.states import State
from batchrun.ports.ledger import Ledger
from batchrun.ports.stored import Batch, Counts
from batchrun.report.overview import Overview, numbers, overview

Look = Callable[[], Awaitable[Overview]]

#: Seconds between two reads of the ledger.
_EVERY: Final = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """The options of ``batchrun status``."""

    batch: str | None = BATCH()
    failed: bool = flag(help="Show what did not succeed: why, which rows, what to do.")
    watch: bool = flag(envvar="BATCHRUN_STATUS_WATCH", help="Keep showing it until the batch has ended.")
    ledger: str = LEDGER()
    output: Output = group(Output)


@verb(
    Options,
    epilog="With --watch, Ctrl-C ends with 0; a batch that has ended, with the exit code of 'batchrun run'."
    "\n\nRead on: 'batchrun help results', 'batchrun help states', 'batchrun help retry'.",
)
async def status(options: Options) -> Exit:
    """List the batches of the ledger, or say how BATCH stands; call nothing.

    Works beside a running launcher.
    """
    as_json = options.output.as_json
    if options.watch and options.failed:
        raise UsageError("--watch and --failed cannot be combined: --watch shows the latest failures")
    async with open_ledger(options.ledger, for_once=not options.watch) as ledger:
        if options.watch:
            return await _watch(ledger, await batch_to_read(ledger, options.batch), as_json=as_json)
        is_one = options.batch is not None
        for batch in [await batch_to_read(ledger, options.batch)] if is_one else await ledger.batches():
            if is_one and not options.failed:
                await _show(ledger, batch, as_json=as_json)
            else:
                await _list(ledger, batch, as_json=as_json)
            if not is_one:
                await note_closed(ledger, batch.name)
            if options.failed:
                await _failed(ledger, batch, as_json=as_json)
    return Exit.OK


async def _list(ledger: Ledger, batch: Batch, *, as_json: bool) -> None:
    counts = await ledger.batch(batch.name).counts()
    if as_json:
        emit("status", **count_facts(batch, counts))
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


async def _watch(ledger: Ledger, batch: Batch, *, as_json: bool) -> Exit:
    """Show *batch* until it has ended, or until a signal comes."""
    clock = SystemClock()

    async def look() -> Overview:
        return await overview(ledger, batch, clock.utcnow())

    is_drawn = can_draw(sys.stdout) and not as_json
    with anyio.CancelScope() as scope, heard(lambda _number: scope.cancel()):
        return await (_draw(look, clock) if is_drawn else _tell(look, clock, as_json=as_json))
    return Exit.OK  # a signal came


async def _tell(look: Look, clock: Clock, *, as_json: bool) -> Exit:
    """Write a line for each change, until the batch has ended or stdout has no reader."""
    printed: Counts | None = None
    place = _place(sys.stdout)
    while _is_read(sys.stdout) and _place(sys.stdout) == place:
        now = await look()
        if now.counts != printed:
            printed = now.counts
            if as_json:
                emit("status", **facts(now))
            else:
                say(f"{now.at:%Y-%m-%dT%H:%M:%SZ} {summary(now.batch, now.counts)}")
        if now.has_ended:
            return _exit(now)
        await clock.sleep(_EVERY)
    return Exit.OK


def _is_read(stream: IO[str] | None) -> bool:
    """Return False if *stream* is a pipe or terminal whose other end is closed, else True."""
    if stream is None:
        return True  # closed from the start: only the exit code is wanted
    poll = select.poll()
    poll.register(stream, 0)
    return not poll.poll(0)


def _place(stream: IO[str] | None) -> tuple[int, int] | None:
    """Return the identity of *stream*'s file, which changes once a pipe is closed (``speak``)."""
    if stream is None:
        return None
    found = os.fstat(stream.fileno())
    return found.st_dev, found.st_ino


async def _draw(look: Look, clock: Clock) -> Exit:
    """Draw the overview on the terminal until the batch has ended; the last one stays."""
    from batchrun.cli.showing.drawn import watched  # noqa: PLC0415 (rich draws on terminals only)

    now = await look()
    with watched() as show:
        show(now)
        while not now.has_ended:
            await clock.sleep(_EVERY)
            now = await look()
            show(now)
    return _exit(now)


def _exit(now: Overview) -> Exit:
    succeeded = numbers(now.counts)[State.SUCCEEDED.value]
    return Exit.OK if succeeded == now.counts.total else Exit.SOME_FAILED
