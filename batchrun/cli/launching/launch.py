"""A launch by the command line: signals, reporters, results, exit code.

Belongs here: output and signals while the API launches. Does not: options (``verbs.run``), the order in which
things are opened and closed (``api``), what happens in between (``engine``).
"""

from __future__ import annotations

import sys
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Self

import structlog

from batchrun import errors, points
from batchrun.api.engines import settled
from batchrun.api.launch import Ended, Launch
from batchrun.api.objects import ObjectsOnce, OneLogin, StoreWhenNeeded
from batchrun.api.session import Session
from batchrun.api.taken_in import as_taken_in, last_taken_in
from batchrun.cli import logs
from batchrun.cli.exits import Exit, exit_code
from batchrun.cli.launching.beside import MetricsFile, Telling
from batchrun.cli.launching.manifests import loaded, refuse_beside_lanes, tell_all_warnings
from batchrun.cli.launching.results_file import results_output, write_results
from batchrun.cli.options import Output
from batchrun.cli.showing.progress import Progress
from batchrun.cli.showing.reporters import JsonLines, LogLines, Reporter, tell_end, tell_taken_over
from batchrun.cli.signals import Stopping, hear, interruptible
from batchrun.cli.speak import can_draw, complain, emit
from batchrun.clock import Clock, SystemClock
from batchrun.manifest import Manifest, Source
from batchrun.model.planning.limits import Changed, Limits
from batchrun.model.submissions.grouping import Engine
from batchrun.points import Point
from batchrun.ports.objects import ObjectStore
from batchrun.report.delivering import Destination, look
from batchrun.report.outputs import OutputFile, ProtectedFiles

if TYPE_CHECKING:
    from batchrun.cli.launching.options import Hooks, LaunchOptions

#: Seconds between two counts of the rows that are with the service.
_ASK_EVERY: Final = 5.0
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """The request of ``batchrun run``, shared by its launch or launches."""

    options: LaunchOptions
    source: Source
    login: OneLogin
    limits: Limits
    hooks: Hooks
    metrics: Path | None

    @property
    def output(self) -> Output:
        """The options of output."""
        return self.options.output


async def launch(job: Job) -> Exit:
    """Run the job and return its exit code; the results so far are written after an error too."""
    configure(job)
    async with manifest_of(job) as manifest:
        try:
            return await launched(job, manifest, Stopping([]))
        except errors.LeaseError as error:
            tell_held(job.output, manifest.batch, str(error))
            return Exit.HELD


def configure(job: Job) -> None:
    """Set up logging for a launch that has the terminal to itself."""
    logs.configure(job.output, is_drawn=_is_drawn(job.output))


@asynccontextmanager
async def manifest_of(job: Job) -> AsyncIterator[Manifest]:
    """Read the job's manifest, if the ledger does not have it as it is; closed at the end of the block."""
    known = await as_known([job.source], job.options.ledger, job.output)
    with known[0] if known else loaded(job.source, ObjectsOnce(job.login), job.output) as manifest:
        points.reached(Point.MANIFEST_READ)
        refuse_beside_lanes([manifest], job.options.service)
        settled(job.limits, manifest, job.options.together.batch_settings)
        yield manifest


async def as_known(sources: Sequence[Source], ledger: str, output: Output) -> Sequence[Manifest]:
    """Return the manifests if *ledger* has all of them as they are, and report their warnings; else none."""
    batches = await last_taken_in(sources, ledger)
    with interruptible():
        known = as_taken_in(sources, batches)
    tell_all_warnings(known, output)
    return known


def tell_held(output: Output, batch: str, message: str) -> None:
    """Report that another launcher holds the batch; with --quiet only the exit code does."""
    if output.as_json:
        emit("held", batch=batch, message=message)
    if not output.quiet:
        complain(f"batchrun: {message}")


async def launched(job: Job, manifest: Manifest, stopping: Stopping) -> Exit:
    """Hold the batch, launch it, and return the exit code; then *stopping* handles the signals."""
    clock = SystemClock()
    around = Around.of(
        job, manifest.batch, ProtectedFiles(ledger=job.options.ledger, read=manifest.read), clock
    )
    await look(around.results, around.store)
    async with around.failure_told(), session(job, clock) as work, launching(job, work, manifest) as held:
        stopping.launches = [held]
        hear(stopping)
        return await around.conduct(held)


def session(job: Job, clock: Clock) -> Session:
    """Return the session that the job describes."""
    return Session(
        job.options.ledger,
        rate=job.options.rate,
        read_rate=job.options.read_rate,
        credentials_wait=job.options.credentials_wait,
        clock=clock,
        login=job.login,
    )


@asynccontextmanager
async def launching(job: Job, work: Session, manifest: Manifest) -> AsyncIterator[Launch]:
    """Hold a batch and import its manifest, by the job's options."""
    changed = Changed(job.options.changed or "refuse")
    async with work.launching(
        manifest,
        limits=job.limits,
        changed=changed,
        deadline=job.options.deadline,
        lease=job.options.lease,
        wake=job.options.wake,
        batch_settings=job.options.together.batch_settings,
    ) as held:
        _log_sync(held, changed)
        yield held


def _log_sync(held: Launch, changed: Changed) -> None:
    sync = held.sync
    log.info(
        "manifest_read",
        batch=held.batch,
        rows=sync.rows,
        new=sync.new,
        unchanged=sync.unchanged,
        changed=sync.changed,
    )
    if sync.active and changed is Changed.RESUBMIT:
        log.warning(
            "earlier_runs_go_on",
            batch=held.batch,
            note=f"{errors.goes_on(sync.active)}; they are not watched any more: 'batchrun results "
            "--attempts' lists them, 'aws omics cancel-run --id RUN' ends one",
        )
    if sync.gone:
        log.warning(
            "rows_gone",
            batch=held.batch,
            count=sync.gone,
            ids=", ".join(sync.gone_ids),
            note="they are not in the manifest any more; they stay in the ledger",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Around:
    """What surrounds one launch."""

    job: Job
    clock: Clock
    results: Destination
    store: ObjectStore  #: for results in S3
    metrics: MetricsFile
    telling: Telling
    is_alone: bool  #: whether the terminal and the signals are for this launch alone

    @classmethod
    def of(
        cls, job: Job, batch: str, protected: ProtectedFiles, clock: Clock, *, is_alone: bool = True
    ) -> Self:
        """Prepare it. Raises UsageError if a file may not be written."""
        output = results_output(job.options.results, batch, protected)
        others = (output.path,) if isinstance(output, OutputFile) else ()
        return cls(
            job=job,
            clock=clock,
            results=output,
            store=StoreWhenNeeded(job.login),
            metrics=MetricsFile(job.metrics, clock=clock, protected=replace(protected, others=others)),
            telling=Telling(job.hooks, batch, results=output.place, clock=clock),
            is_alone=is_alone,
        )

    @asynccontextmanager
    async def failure_told(self) -> AsyncIterator[None]:
        """Send notices if an error that needs a decision ends the block."""
        try:
            yield
        except (errors.ServiceError, errors.StorageError) as error:
            await self.telling.fail(self.job.options.ledger, error, exit_code(error))
            raise

    async def conduct(self, held: Launch) -> Exit:
        """Launch the held batch, report it, write results and metrics, and return the exit code."""
        progress = Progress(self.clock, lambda: held.troubles)
        try:
            ended = await self._finished(held, progress)
        except errors.LeaseLostError:
            raise  # another launcher has the batch now, and its metrics
        except errors.BatchrunError as error:
            await self.metrics.write(held, progress, exit_code(error))
            raise
        await _look_there(held, progress)
        tell_end(ended, progress, held.tally, self.results.shown, self.job.output)
        code = _exit(ended)
        await self.metrics.write(held, progress, code)
        await self.telling.end(held, ended, code)
        return code

    async def _finished(self, held: Launch, progress: Progress) -> Ended:
        try:
            ended = await self._followed(held, progress)
        except errors.LeaseLostError:
            raise  # another launcher has the results too
        except BaseException:
            held.abandon()
            tell_taken_over(held.batch, held.taken_over)
            try:
                await self._write_results(held)
            except (errors.StorageError, errors.ServiceError) as error:
                log.warning("results_not_written", batch=held.batch, error=str(error))
            raise  # report the error that ended the launch
        try:
            await self._write_results(held)
        except errors.StorageError:
            tell_end(ended, progress, held.tally, None, self.job.output)  # else the end would not be reported
            raise
        return ended

    async def _write_results(self, held: Launch) -> None:
        await write_results(held, self.results, self.store, is_safe=self.job.options.safe_csv)

    async def _followed(self, held: Launch, progress: Progress) -> Ended:
        if not held.has_work:
            return await held.wait()
        is_drawn = self.is_alone and _is_drawn(self.job.output)
        reporter = self._reporter(held.batch, progress, is_drawn=is_drawn)
        held.observe(reporter)
        await self.telling.begin(held)
        return await reporter.follow(
            held,
            *([partial(_learn_quotas, held, progress)] if is_drawn else []),
            partial(self._learn_there, held, progress),
            partial(self.metrics.run, held, progress),
            partial(self.telling.watch, held),
        )

    def _reporter(self, batch: str, progress: Progress, *, is_drawn: bool) -> Reporter:
        if self.job.output.as_json:
            return JsonLines(batch, progress, self.clock)
        if is_drawn:
            from batchrun.cli.showing.drawn import LiveDisplay  # noqa: PLC0415 (rich draws on terminals only)

            return LiveDisplay(batch, progress, self.clock)
        return LogLines(batch, progress, self.clock)

    async def _learn_there(self, held: Launch, progress: Progress) -> None:
        """Count every few seconds the rows that are with the service, as long as there may be any."""
        await _look_there(held, progress)
        while self.job.limits.engine is not Engine.STARTRUN or progress.there.all_rows:
            await self.clock.sleep(_ASK_EVERY)
            await _look_there(held, progress)


async def _learn_quotas(held: Launch, progress: Progress) -> None:
    progress.quotas = await held.quotas()


async def _look_there(held: Launch, progress: Progress) -> None:
    with suppress(errors.LedgerError):  # the next write raises it
        progress.there = await held.with_service()


def _exit(ended: Ended) -> Exit:
    if ended.is_held_back:
        return Exit.HELD_BACK
    if not ended.is_over:
        return Exit.WORK_LEFT
    return Exit.OK if ended.has_only_succeeded else Exit.SOME_FAILED


def _is_drawn(output: Output) -> bool:
    """Return whether a launch that has the terminal to itself is drawn on it."""
    return can_draw(sys.stderr) and not output.as_json and not output.quiet
