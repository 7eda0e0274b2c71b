"""
Launches that share one ledger and one way to the service, and the order in which each is begun.

Belongs here: from a manifest to a launch. Does not: opening ledger and service (``opening``), the launch
itself (``launch``).
"""

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final

from batchrun import points
from batchrun.api.changes import changes
from batchrun.api.launch import Audience, Launch, under_way
from batchrun.api.namesakes import mistaken
from batchrun.api.opening import Opening
from batchrun.api.own_sheets import OwnSheetsWritten
from batchrun.api.region import is_configured
from batchrun.engine.launcher import Launcher, Timing
from batchrun.engine.recognition import Recognition
from batchrun.errors import ChangedRowsError, UsageError
from batchrun.model.limits import Changed, Limits, Mode
from batchrun.model.pace import AUTO, Rate
from batchrun.points import Point
from batchrun.ports.stored import Sync
from batchrun.service.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path

    from batchrun.manifest import Manifest
    from batchrun.ports.batch import HeldBatch
    from batchrun.service.client import AwsHealthOmics

    Prepare = Callable[[str], Awaitable[None]]

#: Changed rows of which it is told what changed.
_EXPLAINED: Final = 5
_ANY_LIMITS: Final = Limits()
_CONFIGURED: Final = Target()


class Session(Opening):
    """A ledger and a connection that several launches share, their pace included."""

    @asynccontextmanager
    async def launching(
        self,
        manifest: Manifest,
        *,
        limits: Limits = _ANY_LIMITS,
        changed: Changed = Changed.REFUSE,
        deadline: float | None = None,
        lease: float = 30.0,
    ) -> AsyncIterator[Launch]:
        """
        Hold a batch and take its manifest in; the launch begins when it is awaited.

        Args:
            manifest: What is to run; the same again goes on where it stood.
            limits: How far and how hard to go. Where its retry rules end with the usual ones, the manifest's
                come before these.
            changed: What to do about rows whose content changed after they were submitted.
            deadline: Seconds after which the launch stops in good order.
            lease: Seconds for which another host lets a dead launcher hold the batch; 1 or more.

        Raises:
            InputError: Rows changed, the file's name leads to a batch that is hardly meant, the batch's runs
                are in another region, or the ledger cannot be used.
            LeaseHeldError: Another launcher holds the batch.
            ServiceUnusableError: No credentials.
        """
        ttl, waits = timedelta(seconds=lease), limits.mode is not Mode.ONCE
        service = None if await self._has_ended(manifest) else await self.service(waits=waits)
        if service is not None:
            await self.open_batch(manifest.batch, service)
        async with self.holding(manifest.batch, ttl) as held:
            recognition = None if service is None else await self._recognised(held, service)
            sync = await self._taken_in(held, manifest, changed)
            if service is None and (await held.counts()).open:
                # A row came back that had left the manifest unsent.
                service = await self.service(waits=waits)
                await self.open_batch(manifest.batch, service)
            own = replace(limits, retry=limits.retry.over(manifest.retry), changed=changed)
            timing = Timing(lease=ttl, deadline=deadline)
            async with self._preparing(manifest) as prepare:
                launch = await self._launch(service, held, sync, own, timing, prepare, recognition)
                async with under_way(launch):
                    yield launch

    async def _taken_in(self, held: HeldBatch, manifest: Manifest, changed: Changed) -> Sync:
        points.reached(Point.CLAIMED)
        now, place = self._clock.utcnow(), manifest.place
        try:
            sync = await held.sync(manifest.specs(), changed=changed, at=now, place=place)
        except ChangedRowsError as error:
            what = await changes(held, manifest, error.ids[:_EXPLAINED])
            raise ChangedRowsError(error.ids, error.total, what) from None
        points.reached(Point.SYNCED)
        return sync

    @asynccontextmanager
    async def _preparing(self, manifest: Manifest) -> AsyncIterator[Prepare | None]:
        """Return what is to be done with each row before its run is started, if anything."""
        if not manifest.has_own_sheets:
            yield None
            return
        from batchrun.service.outage import Patience  # noqa: PLC0415 (as in service)
        from batchrun.service.own_sheets import sheet_writer  # noqa: PLC0415

        patience = Patience(credentials=self._credentials_wait)
        async with sheet_writer(self._target, patience, self._clock) as writer:
            yield OwnSheetsWritten(manifest, writer).prepare

    @asynccontextmanager
    async def cancelling(
        self, batch: str, *, limits: Limits = _ANY_LIMITS, lease: float = 30.0
    ) -> AsyncIterator[Launch]:
        """
        Hold a batch to carry out what was asked to be cancelled; nothing is submitted, nothing else watched.

        It begins when it is awaited, and ends when what was asked for has ended.

        Args:
            batch: One that the ledger has.
            limits: How hard to go; the mode does not count.
            lease: As for :meth:`launching`.

        Raises:
            UsageError: The batch's runs are in another region.
            LeaseHeldError: A launcher holds the batch, and carries it out.
            ServiceUnusableError: No credentials.
        """
        ttl = timedelta(seconds=lease)
        service = await self.service()
        await self.open_batch(batch, service)
        async with self.holding(batch, ttl) as held:
            recognition = await self._recognised(held, service)
            only = replace(limits, mode=Mode.CANCEL)
            timing = Timing(lease=ttl)
            launch = await self._launch(service, held, Sync(), only, timing, recognition=recognition)
            async with under_way(launch):
                yield launch

    async def _launch(
        self,
        service: AwsHealthOmics | None,
        held: HeldBatch,
        sync: Sync,
        limits: Limits,
        timing: Timing,
        prepare: Prepare | None = None,
        recognition: Recognition | None = None,
    ) -> Launch:
        """Make the launch of a batch that is held; without a *service* there is nothing to launch."""
        ledger, audience, launcher = await self.ledger(), Audience(), None
        if service is not None:
            launcher = Launcher(
                ledger=ledger,
                service=service,
                held=held,
                limits=limits,
                timing=timing,
                clock=self._clock,
                observer=audience,
                prepare=prepare,
                recognition=recognition,
            )
        counts = await held.counts()
        return Launch(
            ledger=ledger, held=held, sync=sync, counts=counts, launcher=launcher, audience=audience
        )

    async def _has_ended(self, manifest: Manifest) -> bool:
        """
        Report whether there is nothing to do, or to complain of, as far as the ledger alone can say.

        Raises:
            UsageError: The file's name leads to a batch that is hardly meant.
        """
        if not self.has_ledger:
            return False
        ledger = await self.ledger()
        stored, batch = ledger.batch(manifest.batch), await ledger.find_batch(manifest.batch)
        counts = await stored.counts()
        if why := await mistaken(ledger, batch, counts, manifest):
            raise UsageError(why)
        if batch is None or counts.open or not is_configured(batch.region, self._target):
            return False
        found = await stored.compare(manifest.specs())
        return not (found.new or found.changed)

    @staticmethod
    async def _recognised(held: HeldBatch, service: AwsHealthOmics) -> Recognition:
        """Where nobody knows the account, see that the service knows some ACTIVE run, of several."""
        recognition = Recognition(held, service)
        await recognition.begin(is_active=True)
        return recognition


@asynccontextmanager
async def launching(
    manifest: Manifest,
    *,
    ledger: str | Path,
    target: Target = _CONFIGURED,
    rate: Rate = AUTO,
    limits: Limits = _ANY_LIMITS,
    changed: Changed = Changed.REFUSE,
    deadline: float | None = None,
) -> AsyncIterator[Launch]:
    """
    Launch one batch, with a session of its own: see :class:`Session` for the arguments and the errors.

        async with launching(manifest, ledger="cohort.db") as launch:
            async for step in launch.steps():
                print(step.entry.id, step.kind)
            ended = await launch.wait()
    """
    async with (
        Session(ledger, target=target, rate=rate) as session,
        session.launching(manifest, limits=limits, changed=changed, deadline=deadline) as launch,
    ):
        yield launch
