"""
Carrying out a cancellation from the command line: by ourselves, or by the launcher that holds the batch.

Belongs here: whose turn it is, waiting, the results, and what is said meanwhile. Does not: asking for it
(``verbs.cancel``), what is done about each entry (``engine``).
"""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING, Final

import anyio

from batchrun.api.objects import StoreWhenNeeded
from batchrun.cli.calling import session as session_of
from batchrun.cli.launching.results_file import write_results
from batchrun.cli.showing.progress import Progress
from batchrun.cli.showing.reporters import JsonLines, LogLines, Numbers, Reporter, counts
from batchrun.cli.signals import Stopping, heard
from batchrun.cli.speak import complain, say
from batchrun.cli.wording import printable
from batchrun.clock import SystemClock
from batchrun.errors import LeaseHeldError

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from batchrun.api.launch import Ended, Launch
    from batchrun.api.objects import OneLogin
    from batchrun.api.session import Session
    from batchrun.cli.calling import Calling
    from batchrun.cli.options import Output
    from batchrun.model.planning.limits import Limits
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Batch
    from batchrun.report.delivering import Destination

#: Seconds between two looks at what another launcher has done.
_LOOK_EVERY: Final = 1.0


async def carry_out(
    batch: Batch,
    results: Destination,
    ask: Callable[[Ledger], Awaitable[None]],
    options: Calling,
    login: OneLogin,
    limits: Limits,
) -> bool:
    """
    Have done what *ask* asks the ledger to cancel, and wait for it; False where something is left.

    Raises:
        UsageError: The batch's runs are elsewhere; nothing was asked for.
        ResultsError: The results cannot be written.
        DeliveryError: S3 does not take them.
        ServiceUnusableError: The service cannot be used, or a permission is missing.
    """
    shown = options.output
    async with session_of(options, login) as session:
        ledger = await session.ledger()
        if await ledger.batch(batch.name).holder(at=SystemClock().utcnow()) is None:
            # Else who holds it has its own, and takes note within seconds.
            await session.check_account(batch)
            await session.lanes_of(batch)
        await ask(ledger)
        await _wait_for_another(session, batch.name, shown)
        while await _is_left(session, batch.name):
            try:
                async with session.cancelling(batch.name, limits=limits) as held:
                    with heard(Stopping([held])):
                        await _conducted(held, shown)
                        await write_results(held, results, StoreWhenNeeded(login))
                    if not (shown.as_json or shown.quiet):
                        say(f"results: {results.shown}")
            except LeaseHeldError:
                await _wait_for_another(session, batch.name, shown)
            else:
                break
        return not await _is_left(session, batch.name)


async def _is_left(session: Session, batch: str) -> bool:
    return bool(await (await session.ledger()).batch(batch).cancellations(limit=1))


async def _conducted(held: Launch, shown: Output) -> Ended:
    clock = SystemClock()
    progress = Progress(clock, lambda: held.troubles)
    kind = JsonLines if shown.as_json else LogLines if shown.verbose else Numbers
    reporter: Reporter = kind(held.batch, progress, clock)
    held.observe(reporter)
    async with anyio.create_task_group() as aside:
        aside.start_soon(reporter.run, lambda: progress.snapshot(held.tally))
        with suppress(Exception):  # raised below, where no task group wraps it
            await held.wait()
        aside.cancel_scope.cancel()
    ended = await held.wait()
    if not (shown.as_json or shown.quiet):
        say(f"{held.batch}: {counts(progress.snapshot(held.tally))}")
    return ended


async def _wait_for_another(session: Session, batch: str, shown: Output) -> None:
    """Wait until whoever holds the batch has done it, or holds it no more."""
    ledger, clock = await session.ledger(), SystemClock()
    is_told = False
    while await _is_left(session, batch) and (lease := await ledger.batch(batch).holder(at=clock.utcnow())):
        if not (is_told or shown.quiet):
            who = printable(f"batch '{batch}' is held by {lease.holder}, which will carry this out")
            complain(f"{who}; waiting for it (Ctrl-C is safe)")
        is_told = not shown.quiet
        await clock.sleep(_LOOK_EVERY)
    if is_told and not await _is_left(session, batch):
        complain("carried out by the launcher")
