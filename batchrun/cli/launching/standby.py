"""``run --standby``: launch; if another launcher holds the batch, wait for it and launch then."""

from __future__ import annotations

import signal
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Final

import anyio
import structlog

from batchrun.cli.exits import Exit
from batchrun.cli.launching.launch import Job, configure, launched, manifest_of, tell_held
from batchrun.cli.options import Output
from batchrun.cli.signals import Stopping, heard, hearing_until_its_end
from batchrun.cli.speak import complain, emit
from batchrun.clock import Clock, SystemClock
from batchrun.errors import LeaseError, LedgerError
from batchrun.ledger import LedgerPlace
from batchrun.model.entries.policies import next_look
from batchrun.ports.stored import Lease

#: Fewest seconds to wait for the holder's name: a wait without any message would be confusing.
_FIRST_WORD: Final = 5.0
#: Seconds before a ledger that could not be read is read again.
_AGAIN: Final = 2.0
log = structlog.get_logger(__name__)


async def launch_standing_by(job: Job) -> Exit:
    """Run the job once no other launcher holds the batch, as often as necessary; return its exit code.

    The manifest is read again before each launch. A batch that its holder has finished is reported as any
    launch of an ended batch reports it.
    """
    configure(job)
    clock = SystemClock()
    begun, deadline = clock.monotonic(), job.options.deadline
    while True:
        stopping = Stopping([])
        with hearing_until_its_end():
            async with manifest_of(job) as manifest:
                batch = manifest.batch
                try:
                    return await launched(_until(job, deadline, begun, clock), manifest, stopping)
                except LeaseError as error:
                    if stopping.was_told:
                        tell_held(job.output, batch, str(error))
                        return Exit.HELD
        left = None if deadline is None else deadline - (clock.monotonic() - begun)
        if not await _waited(job, batch, clock, left):
            return Exit.WORK_LEFT


def _until(job: Job, deadline: float | None, begun: float, clock: Clock) -> Job:
    """Return the job with what is left of its deadline."""
    if deadline is None:
        return job
    left = max(0.0, deadline - (clock.monotonic() - begun))
    return replace(job, options=replace(job.options, deadline=left))


async def _waited(job: Job, batch: str, clock: Clock, left: float | None) -> bool:
    """Wait until the batch is free; return False if a deadline or a signal ended the wait."""
    begun = clock.monotonic()
    with anyio.move_on_after(None if left is None else max(left, _FIRST_WORD)) as scope:

        def tell(lease: Lease) -> None:
            _tell(job.output, lease, clock)
            if left is not None:
                scope.deadline = begun + left

        def end(number: signal.Signals) -> None:
            if not job.output.quiet:
                complain(f"stopped waiting on {number.name}; nothing was submitted by this launch")
            scope.cancel()

        with heard(end):
            await until_free(job.options.ledger, batch, clock=clock, told=tell)
    return not scope.cancelled_caught


def _tell(output: Output, lease: Lease, clock: Clock) -> None:
    """Report who holds the batch, and that we wait."""
    if output.as_json:
        emit("standby", batch=lease.batch, holder=lease.holder, expires_at=lease.expires_at.isoformat())
    if not output.quiet:
        left = max(0.0, (lease.expires_at - clock.utcnow()).total_seconds())
        complain(
            f"{lease.batch}: standing by; {lease.holder} holds the batch, and has "
            f"{left:.0f} s until it must show that it lives"
        )


async def until_free(ledger: str | Path, batch: str, *, clock: Clock, told: Callable[[Lease], None]) -> None:
    """Wait until no launcher holds *batch*; only reads the ledger, and waits while it cannot be read.

    *told* is called with the lease, at first and whenever the holder changes.

    Raises:
        LedgerUnusableError: The ledger no longer exists.
    """
    told_of: int | None = None
    while True:
        try:
            async with await LedgerPlace(ledger).open(read_only=True) as opened:
                stored = opened.batch(batch)
                while (lease := await stored.holder(at=clock.utcnow())) is not None:
                    if lease.fence != told_of:
                        told_of = lease.fence
                        told(lease)
                    await clock.sleep(next_look((lease.expires_at - clock.utcnow()).total_seconds()))
        except LedgerError as error:
            log.warning("ledger_not_asked", batch=batch, error=str(error), next_try_in_seconds=_AGAIN)
            await clock.sleep(_AGAIN)
        else:
            return
