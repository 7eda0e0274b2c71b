"""A folder of manifests, launched side by side: one connection, one ledger, one pace.

Side by side, not in turn: a batch that is stuck, or takes days, does not delay the others, and ``--deadline``
and ``--once`` mean the same for each. Does not belong here: one launch (``launch``), which files are
manifests (``manifest.folder``).
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import TYPE_CHECKING, Final

import anyio

from batchrun import points
from batchrun.api.engines import settled
from batchrun.api.launch import Launch
from batchrun.api.objects import ObjectsOnce, OneLogin
from batchrun.api.session import Session
from batchrun.cli.exits import Exit, exit_code, worst
from batchrun.cli.launching.launch import Around, Job, as_known, launching, session, tell_held
from batchrun.cli.launching.manifests import loaded_folder, refuse_beside_lanes, sources_in
from batchrun.cli.logs import configure
from batchrun.cli.signals import Stopping, hear
from batchrun.cli.speak import complain
from batchrun.clock import Clock, SystemClock
from batchrun.errors import BatchrunError, InputError, LeaseHeldError, UsageError
from batchrun.manifest import Manifest
from batchrun.points import Point
from batchrun.report.outputs import ProtectedFiles

if TYPE_CHECKING:
    from anyio.abc import TaskStatus


#: Calls of one kind that each batch may always have in flight, however many share ``--concurrency``.
_LEAST_SHARE: Final = 4


async def launch_folder(job: Job) -> Exit:
    """Launch the manifests of the job's folder, and return the worst of their exit codes.

    Nothing is submitted before all manifests are checked and all batches are held.
    """
    configure(job.output)
    clock, in_s3 = SystemClock(), ObjectsOnce(job.login)
    sources = sources_in(job.source, job.output, besides=[job.options.ledger])
    known = await as_known(sources, job.options.ledger, job.output)
    with ExitStack() as stack:
        manifests = [stack.enter_context(manifest) for manifest in known]
        manifests += [] if known else stack.enter_context(loaded_folder(sources, in_s3, job.output))
        points.reached(Point.MANIFEST_READ)
        refuse_beside_lanes(manifests, job.options.service)
        for manifest in manifests:
            settled(job.limits, manifest, job.options.together.batch_settings)
        shared = _shared(job, len(manifests))
        async with session(shared, clock) as work:
            return await _Together(shared, work, clock).launch(manifests)


def _shared(job: Job, batches: int) -> Job:
    """Divide the calls in flight among the batches; no call waits for a connection, so none leaves late."""
    share = max(job.limits.concurrency // batches, min(job.limits.concurrency, _LEAST_SHARE))
    shared = replace(job.login.target, connections=2 * share * batches + 8)
    return replace(job, limits=replace(job.limits, concurrency=share), login=OneLogin(shared))


class _Together:
    """Batches that are prepared and held one after the other, then launched side by side."""

    def __init__(self, job: Job, work: Session, clock: Clock) -> None:
        self._job = job
        self._work = work
        self._clock = clock
        self._may_launch = anyio.Event()
        self._held: list[Launch] = []
        self._codes: list[Exit] = []
        self._refused: dict[str, list[str]] = {}  #: batches by their error
        self._told: set[str] = set()

    async def launch(self, manifests: Sequence[Manifest]) -> Exit:
        """Hold all batches, launch all, and return the worst exit code."""
        read = tuple(path for manifest in manifests for path in manifest.read)
        protected = ProtectedFiles(ledger=self._job.options.ledger, read=read)
        prepared_ones = [(manifest, self._prepared(manifest.batch, protected)) for manifest in manifests]
        async with anyio.create_task_group() as batches:
            for manifest, around in prepared_ones:
                await batches.start(self._one, manifest, around)
            if self._refused:
                batches.cancel_scope.cancel()
            else:
                hear(Stopping(self._held))
                self._may_launch.set()
        if self._refused:
            wrong = (f"{', '.join(batches)}: {text}" for text, batches in self._refused.items())
            raise UsageError("\n  ".join(["nothing was submitted:", *wrong]))
        return worst(self._codes)

    def _prepared(self, batch: str, protected: ProtectedFiles) -> Around:
        """Prepare a batch with a metrics file of its own: one file has one batch's metrics."""
        path = self._job.metrics
        own = None if path is None else path.with_name(f"{path.stem}.{batch}{path.suffix or '.prom'}")
        return Around.of(replace(self._job, metrics=own), batch, protected, self._clock, is_alone=False)

    async def _one(self, manifest: Manifest, around: Around, *, task_status: TaskStatus[None]) -> None:
        try:
            async with around.failure_told(), launching(self._job, self._work, manifest) as held:
                self._held.append(held)
                task_status.started()
                await self._may_launch.wait()
                self._codes.append(await around.conduct(held))
        except BatchrunError as error:
            if self._may_launch.is_set():
                self._ended_early(manifest.batch, error)
            else:
                self._not_taken_in(manifest.batch, error)
                task_status.started()

    def _not_taken_in(self, batch: str, error: BatchrunError) -> None:
        """Skip a batch that another launcher holds; collect input errors, to report all at once."""
        match error:
            case LeaseHeldError():
                self._codes.append(Exit.HELD)
                tell_held(self._job.output, batch, f"{error}; skipped")
            case InputError():
                self._refused.setdefault(str(error), []).append(batch)
            case _:
                raise error

    def _ended_early(self, batch: str, error: BatchrunError) -> None:
        """Report each error that ended a batch once, and let the others continue; a defect ends all."""
        code = exit_code(error)
        if code is Exit.DEFECT:
            raise error
        self._codes.append(code)
        if code is Exit.HELD:
            tell_held(self._job.output, batch, str(error))
        elif str(error) not in self._told:
            self._told.add(str(error))
            complain(f"batchrun: {error!s}")
