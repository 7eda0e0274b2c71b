"""
A launch from end to end: manifest, service, ledger, lease, engine, results, exit code.

Belongs here: the order in which things are opened and closed. Does not: options (``run``), what happens in
between (``engine``).
"""

from __future__ import annotations

import os
import random
import signal
import socket
import sys
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Final

import anyio
import structlog

from batchrun import points
from batchrun.cli.exits import Exit
from batchrun.cli.logs import configure
from batchrun.cli.manifests import loaded
from batchrun.cli.progress import Progress
from batchrun.cli.region import is_configured
from batchrun.cli.reporters import JsonLines, LogLines, Reporter
from batchrun.cli.speak import complain
from batchrun.cli.summary import tell_end
from batchrun.clock import Clock, SystemClock
from batchrun.engine.launcher import Launcher, Stop, Timing
from batchrun.errors import LeaseLostError, UsageError
from batchrun.ledger import open_ledger
from batchrun.model.tally import Tally
from batchrun.points import Point
from batchrun.ports.service import Troubles
from batchrun.report import results

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from batchrun.cli.options import Output
    from batchrun.manifest import Manifest, Source
    from batchrun.model.limits import Changed, Limits
    from batchrun.model.pace import Rate
    from batchrun.ports.ledger import Lease, Ledger
    from batchrun.ports.service import HealthOmics
    from batchrun.service.target import Target

#: Seconds that the last things, results and lease, may take when the launch was told to end.
_LAST_THINGS: Final = 60.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """Everything that ``batchrun run`` was told."""

    source: Source
    target: Target
    ledger: str
    results: str | None
    rate: Rate
    read_rate: Rate
    limits: Limits
    changed: Changed
    deadline: float | None
    credentials_wait: float
    safe_csv: bool
    lease: float
    output: Output


async def launch(job: Job) -> Exit:
    """
    Run the job and give its exit code.

    Raises:
        BatchrunError: Whatever ended it early; results of what is known were written before, where there
            was a batch.
    """
    clock = SystemClock()
    configure(verbosity=job.output.verbosity, as_json=job.output.log_format == "json")
    with loaded(job.source, as_json=job.output.as_json) as manifest:
        job = replace(job, limits=replace(job.limits, retry=job.limits.retry.over(manifest.retry)))
        points.reached(Point.MANIFEST_READ)
        path = _results_path(job, manifest.batch)
        if (code := await _told_again(job, manifest, path, clock)) is not None:
            return code
        # Only now: to import the client takes longer than to tell a batch again that has ended.
        from batchrun.service.client import connect  # noqa: PLC0415
        from batchrun.service.outage import Patience  # noqa: PLC0415

        connection = connect(
            job.target,
            rate=job.rate,
            read_rate=job.read_rate,
            clock=clock,
            rng=random.Random(),  # noqa: S311 (jitter is no secret)
            patience=Patience(credentials=job.credentials_wait),
        )
        async with connection as service, await open_ledger(job.ledger) as ledger:
            points.reached(Point.LEDGER_OPENED)
            await _open_batch(ledger, manifest.batch, service.region, clock)
            async with _holding(ledger, manifest.batch, job, clock) as lease:
                points.reached(Point.CLAIMED)
                await _take_in(ledger, lease, manifest, job, clock)
                points.reached(Point.SYNCED)
                return await _conduct(job, ledger, service, lease, path, clock)


async def _told_again(job: Job, manifest: Manifest, path: Path, clock: Clock) -> Exit | None:
    """
    Tell how a batch stands that has ended, from the ledger alone: without client, credentials and network.

    None where there is something to do, or to complain of.
    """
    if not await anyio.Path(job.ledger).exists():
        return None
    async with await open_ledger(job.ledger) as ledger:
        if not await _has_ended(ledger, manifest, job.target):
            return None
        async with _holding(ledger, manifest.batch, job, clock) as lease:
            await _take_in(ledger, lease, manifest, job, clock)
            counts = await ledger.counts(lease.batch)
            if counts.open:
                return None  # a row came back that had left the manifest before it was sent
            progress, tally = Progress(clock, Troubles), Tally(counts.by_state, counts.by_status)
            await _write_results(job, ledger, lease.batch, path)
            tell_end(lease.batch, progress, tally, path, stop=Stop.FINISHED, output=job.output)
            return _exit(tally)


async def _has_ended(ledger: Ledger, manifest: Manifest, target: Target) -> bool:
    batch = await ledger.find_batch(manifest.batch)
    if batch is None or (await ledger.counts(batch.name)).open or not is_configured(batch.region, target):
        return False
    found = await ledger.compare(batch.name, manifest.specs())
    return not (found.new or found.changed)


async def _open_batch(ledger: Ledger, name: str, region: str, clock: Clock) -> None:
    batch = await ledger.open_batch(name, region=region, at=clock.utcnow())
    if batch.region != region:
        raise UsageError(
            f"batch '{name}' has its runs in {batch.region}, but the region is {region}; "
            f"give --region {batch.region}, or another --batch"
        )


@asynccontextmanager
async def _holding(ledger: Ledger, batch: str, job: Job, clock: Clock) -> AsyncIterator[Lease]:
    lease = await ledger.claim(
        batch,
        holder=f"{socket.gethostname()}:{os.getpid()}",
        ttl=timedelta(seconds=job.lease),
        at=clock.utcnow(),
    )
    try:
        yield lease
    finally:
        with anyio.move_on_after(_LAST_THINGS, shield=True):
            points.reached(Point.RELEASING)
            await ledger.release(lease)


async def _take_in(ledger: Ledger, lease: Lease, manifest: Manifest, job: Job, clock: Clock) -> None:
    sync = await ledger.sync(lease, manifest.specs(), changed=job.changed, at=clock.utcnow())
    log.info(
        "manifest_read",
        batch=manifest.batch,
        rows=sync.rows,
        new=sync.new,
        unchanged=sync.unchanged,
        changed=sync.changed,
    )
    if sync.gone:
        log.warning(
            "rows_gone",
            batch=manifest.batch,
            count=sync.gone,
            ids=", ".join(sync.gone_ids),
            note="they are not in the manifest any more; they stay in the ledger",
        )


async def _conduct(
    job: Job, ledger: Ledger, service: HealthOmics, lease: Lease, path: Path, clock: Clock
) -> Exit:
    progress = Progress(clock, lambda: service.troubles)
    reporter = _reporter(job, lease.batch, progress, clock)
    launcher = Launcher(
        ledger=ledger,
        service=service,
        lease=lease,
        limits=job.limits,
        timing=Timing(lease=timedelta(seconds=job.lease), deadline=job.deadline),
        clock=clock,
        observer=reporter,
    )
    stop = Stop.FINISHED
    try:
        async with anyio.create_task_group() as aside:
            aside.start_soon(_listen, launcher)
            aside.start_soon(reporter.run, lambda: progress.snapshot(launcher.tally))
            stop = await launcher.run()
            aside.cancel_scope.cancel()
    except LeaseLostError:
        raise  # the batch is another launcher's by now, and so are its results
    except BaseException:
        await _write_results(job, ledger, lease.batch, path)
        raise
    await _write_results(job, ledger, lease.batch, path)
    tell_end(lease.batch, progress, launcher.tally, path, stop=stop, output=job.output)
    return _exit(launcher.tally)


async def _write_results(job: Job, ledger: Ledger, batch: str, path: Path) -> None:
    with anyio.move_on_after(_LAST_THINGS, shield=True):
        outcomes = ledger.outcomes(batch)
        await results.write(path, outcomes, _results_format(path), is_safe=job.safe_csv)


def _exit(tally: Tally) -> Exit:
    if tally.open:
        return Exit.WORK_LEFT
    return Exit.OK if tally.has_only_succeeded else Exit.SOME_FAILED


def _reporter(job: Job, batch: str, progress: Progress, clock: Clock) -> Reporter:
    if job.output.as_json:
        return JsonLines(progress, clock)
    if sys.stderr.isatty() and not job.output.quiet and os.environ.get("TERM") != "dumb":
        from batchrun.cli.live import LiveDisplay  # noqa: PLC0415 (rich draws on terminals alone)

        return LiveDisplay(batch, progress, clock)
    return LogLines(progress, clock)


async def _listen(launcher: Launcher) -> None:
    """The first signal drains, the second leaves at once."""
    with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
        is_first = True
        async for number in signals:
            if is_first:
                _tell_stopping(number)
                launcher.drain()
            else:
                launcher.abandon()
            is_first = False


def _tell_stopping(number: signal.Signals) -> None:
    complain(f"stopping on {number.name}: waiting for calls in the air; runs go on; once more leaves at once")


def _results_path(job: Job, batch: str) -> Path:
    path = Path(job.results or f"{batch}.results.csv")
    _results_format(path)
    if path.is_dir() or not path.parent.is_dir() or not os.access(path.parent, os.W_OK):
        raise UsageError(f"the results cannot be written to {path}; give another place with --results FILE")
    return path


def _results_format(path: Path) -> results.Format:
    try:
        return results.Format(path.suffix.removeprefix(".").lower())
    except ValueError:
        raise UsageError(f"--results {path}: the name must end in .csv, .json or .jsonl") from None
