"""Launches that share one ledger and one connection to the service, and the steps to start each.

Does not belong here: opening ledger and service (``opening``), the launch itself (``launch``).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import Final

from batchrun import points
from batchrun.api.engines import places_of, settled
from batchrun.api.given import check_kind, check_limits, several
from batchrun.api.lanes import OpenLanes, kept, linked, missing
from batchrun.api.launch import Audience, Launch, under_way
from batchrun.api.namesakes import changes, mistaken
from batchrun.api.needed_lanes import lanes_of_cancelled, lanes_of_manifest
from batchrun.api.opening import Opening
from batchrun.api.waking import queues_of, waking
from batchrun.engine.launcher import Launcher, Timing
from batchrun.engine.parts import LaneLink, LaunchParts, Prepare, WakeLink
from batchrun.engine.reach import Reach
from batchrun.errors import BatchClosedError, ChangedRowsError, ServiceUnusableError, UsageError
from batchrun.manifest import Manifest
from batchrun.model.entries.contents import lane_cure
from batchrun.model.lanes import Lane
from batchrun.model.paces.rates import AUTO, Rate
from batchrun.model.planning.limits import Changed, Limits, Mode
from batchrun.model.submissions.grouping import Engine
from batchrun.points import Point
from batchrun.ports.held import HeldBatch
from batchrun.ports.objects import SettingsPlace
from batchrun.ports.stored import LONGEST_LEASE, Sync
from batchrun.service.target import CONFIGURED, Target

#: Changed rows whose differences are named.
_EXPLAINED: Final = 5
_ANY_LIMITS: Final = Limits()
_NO_PLACES: Final[Mapping[str | None, SettingsPlace]] = MappingProxyType({})


class Session(Opening):
    """A ledger and a connection, with its pace, shared by several launches."""

    @asynccontextmanager
    async def launching(
        self,
        manifest: Manifest,
        *,
        limits: Limits = _ANY_LIMITS,
        changed: Changed = Changed.REFUSE,
        deadline: float | None = None,
        lease: float = 30.0,
        wake: str | Sequence[str] = (),
        batch_settings: str | None = None,
    ) -> AsyncIterator[Launch]:
        """Hold a batch and take its manifest in; the launch begins when it is awaited.

        Args:
            manifest: The rows to run; the same manifest again continues where it stopped.
            limits: Limits and modes of the launch. The manifest's retry rules come before the default rules
                at the end of these.
            changed: What to do about rows whose content changed after they were submitted, or that were
                sent under other ids or by a batch of nearly the same name.
            deadline: Seconds after which the launch stops cleanly.
            lease: Seconds for which another host lets a dead launcher hold the batch; 1 or more, and 15
                minutes at most.
            wake: Queues, ``sqs:URL``, that announce ended runs, for a launch that watches to the end; they
                are read with the command's login, those that lanes name with the lane's.
            batch_settings: ``s3://BUCKET/PREFIX/`` for the rows of submissions of more than 100, if
                ``limits.engine`` makes such; for lanes without a place of their own.

        Raises:
            InputError: Rows changed, the engine cannot start them, another batch was probably meant, its
                runs are in another region, or the ledger cannot be used.
            LeaseHeldError: Another launcher holds the batch.
            ServiceUnusableError: No credentials.
        """
        check_kind("changed", changed, Changed, "a Changed, such as Changed.KEEP")
        check_limits(limits, deadline=deadline, lease=lease)
        limits = settled(limits, manifest, batch_settings)
        places = self._settings_places(manifest, limits, batch_settings)
        ttl, waits = min(timedelta(seconds=lease), LONGEST_LEASE), limits.mode is not Mode.ONCE
        has_ended = await self._has_ended(manifest, is_repeated=changed is Changed.RESUBMIT)
        lanes = None if has_ended else await lanes_of_manifest(self, manifest, waits=waits)
        async with self.holding(manifest.batch, ttl) as held:
            links: Sequence[LaneLink] = []
            sync = None if lanes is not None else await self._found_known(held, manifest)
            # Open rows: one that had left the manifest unsent may be back.
            if sync is None or (await held.counts()).open:
                lanes = lanes or await lanes_of_manifest(self, manifest, waits=waits)
                links = await self._linked(lanes, held, places)
            if sync is None:
                sync = await self._taken_in(held, manifest, changed, None if lanes is None else lanes.home)
            own = replace(limits, retry=limits.retry.over(manifest.retry), changed=changed)
            timing = Timing(lease=ttl, deadline=deadline)
            queues = queues_of(manifest, links, several(wake), limits.mode)
            async with self._preparing(manifest) as prepare, waking(queues, self.login, self.clock) as wakes:
                launch = await self._launch(lanes, links, held, sync, own, timing, prepare, wakes)
                async with under_way(launch):
                    yield launch

    async def _linked(
        self, lanes: OpenLanes, held: HeldBatch, places: Mapping[str | None, SettingsPlace] = _NO_PLACES
    ) -> Sequence[LaneLink]:
        await kept(lanes, held, self.clock.utcnow())
        return await linked(lanes, held, places)

    def _settings_places(
        self, manifest: Manifest, limits: Limits, batch_settings: str | None
    ) -> Mapping[str | None, SettingsPlace]:
        """Return where the rows of large submissions are kept, by lane."""
        if limits.engine is Engine.STARTRUN:
            return _NO_PLACES
        from batchrun.service.s3.patient_writing import S3SettingsStore  # noqa: PLC0415 (as in service)

        lanes: Mapping[str | None, Lane] = {lane.name: lane for lane in manifest.lanes}
        return {
            name: SettingsPlace(
                store=S3SettingsStore(self.login(lanes.get(name)), self.patience, self.clock), prefix=prefix
            )
            for name, prefix in places_of(manifest, batch_settings).items()
        }

    async def _found_known(self, held: HeldBatch, manifest: Manifest) -> Sync | None:
        """Take in a manifest without new or changed rows; None if it has some, and needs the service."""
        points.reached(Point.CLAIMED)
        at, place, files = self.clock.utcnow(), manifest.place, manifest.taken_from
        sync = await held.sync_if_known(manifest.specs(), at=at, place=place, taken_from=files)
        if sync is not None:
            points.reached(Point.SYNCED)
        return sync

    async def _taken_in(
        self, held: HeldBatch, manifest: Manifest, changed: Changed, home: str | None
    ) -> Sync:
        points.reached(Point.CLAIMED)
        at, place, files = self.clock.utcnow(), manifest.place, manifest.taken_from
        try:
            sync = await held.sync(
                manifest.specs(), changed=changed, at=at, place=place, taken_from=files, home=home
            )
        except ChangedRowsError as error:
            what = await changes(held, manifest, error.ids[:_EXPLAINED], home)
            cure = lane_cure(what.values(), [lane.name for lane in manifest.lanes])
            raise ChangedRowsError(error.ids, error.total, what, active=error.active, cure=cure) from None
        points.reached(Point.SYNCED)
        return sync

    @asynccontextmanager
    async def _preparing(self, manifest: Manifest) -> AsyncIterator[Prepare | None]:
        """Yield the callback that writes a row's own sheet, with its lane's login, before its run starts."""
        if not manifest.has_own_sheets:
            yield None
            return
        from batchrun.service.s3.patient_writing import sheet_writer  # noqa: PLC0415 (as in service)

        lanes: Sequence[Lane | None] = manifest.lanes or (None,)
        async with AsyncExitStack() as stack:
            writers = {
                None if lane is None else lane.name: await stack.enter_async_context(
                    sheet_writer(self.login(lane), self.patience, self.clock)
                )
                for lane in lanes
            }
            written: set[str] = set()

            async def prepare(entry_id: str, lane: str | None) -> None:
                sheet = None if entry_id in written else manifest.own_sheet(entry_id)
                if sheet is not None:
                    await writers[lane].write(sheet)
                    written.add(entry_id)

            yield prepare

    @asynccontextmanager
    async def rebuilding(
        self, manifest: Manifest, lease: timedelta
    ) -> AsyncIterator[tuple[HeldBatch, Reach]]:
        """Hold a manifest's batch, created if necessary, to look for the runs of its rows in every lane.

        Raises ServiceUnusableError if a lane cannot be used: its runs would be missing.
        """
        lanes = await lanes_of_manifest(self, manifest, waits=True, is_whole=True)
        async with self.holding(manifest.batch, lease) as held:
            await kept(lanes, held, self.clock.utcnow())
            for name, error in lanes.stopped.items():
                raise ServiceUnusableError(f"lane {name}: {error}; nothing was written") from error
            yield held, Reach(services=lanes.services, home=lanes.home)

    @asynccontextmanager
    async def cancelling(
        self, batch: str, *, limits: Limits = _ANY_LIMITS, lease: float = 30.0
    ) -> AsyncIterator[Launch]:
        """Hold a batch to carry out requested cancellations; nothing is submitted, and nothing else watched.

        It begins when it is awaited, and ends when the cancelled runs have ended.

        Args:
            batch: One that the ledger has.
            limits: Limits of the launch; the mode is ignored.
            lease: As for :meth:`launching`.

        Raises:
            UsageError: The batch's runs are in another region.
            LeaseHeldError: A launcher holds the batch, and carries them out itself.
            ServiceUnusableError: No credentials.
        """
        check_limits(limits, lease=lease)
        ttl = min(timedelta(seconds=lease), LONGEST_LEASE)
        lanes = await lanes_of_cancelled(self, batch)
        async with self.holding(batch, ttl) as held:
            links = await self._linked(lanes, held)
            only = replace(limits, mode=Mode.CANCEL)
            launch = await self._launch(lanes, links, held, Sync(), only, Timing(lease=ttl))
            async with under_way(launch):
                yield launch

    async def _launch(
        self,
        lanes: OpenLanes | None,
        links: Sequence[LaneLink],
        held: HeldBatch,
        sync: Sync,
        limits: Limits,
        timing: Timing,
        prepare: Prepare | None = None,
        wakes: Sequence[WakeLink] = (),
    ) -> Launch:
        """Return the launch of a held batch; without *lanes* there is nothing to launch."""
        ledger, audience, launcher = await self.ledger(), Audience(), None
        counts = await held.counts()
        if lanes is not None:
            most = limits.account_max_active
            # What is left out where runs are cancelled has none.
            lost = {} if limits.mode is Mode.CANCEL else missing(lanes, counts)
            parts = LaunchParts(
                ledger=ledger,
                held=held,
                links=[replace(link, limits=link.limits.capped(most)) for link in links],
                limits=limits,
                clock=self.clock,
                home=lanes.home,
                stopped=lanes.stopped | lost,
                prepare=prepare,
                wakes=wakes,
            )
            launcher = Launcher(parts, timing=timing, observer=audience)
        return Launch(
            ledger=ledger, held=held, sync=sync, counts=counts, launcher=launcher, audience=audience
        )

    async def _has_ended(self, manifest: Manifest, *, is_repeated: bool) -> bool:
        """Report whether all of the batch's rows have ended, with no error to be raised."""
        if not self.has_ledger:
            return False
        ledger = await self.ledger()
        stored, batch = ledger.batch(manifest.batch), await ledger.find_batch(manifest.batch)
        if why := await stored.why_closed():
            raise BatchClosedError(why)
        counts = await stored.counts()
        if why := await mistaken(ledger, batch, counts, manifest, is_repeated=is_repeated):
            raise UsageError(why)
        if batch is None or counts.open:
            return False
        return bool(manifest.lanes) or _is_configured(batch.region, self._target)


def _is_configured(region: str, target: Target) -> bool:
    """Report whether calls would go to *region* by options, environment and configuration files."""
    if named := target.region or os.environ.get("AWS_REGION"):
        return named == region
    # Imported late: it is slow, and most users set the variable.
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415
    from botocore.session import Session  # noqa: PLC0415

    try:
        return Session(profile=target.profile).get_config_variable("region") in {None, region}
    except BotoCoreError:
        return False  # the client will report it


@asynccontextmanager
async def launching(
    manifest: Manifest,
    *,
    ledger: str | Path,
    target: Target = CONFIGURED,
    rate: Rate = AUTO,
    limits: Limits = _ANY_LIMITS,
    changed: Changed = Changed.REFUSE,
    deadline: float | None = None,
    batch_settings: str | None = None,
) -> AsyncIterator[Launch]:
    """Launch one batch, with a session of its own: see :class:`Session` for the arguments and the errors.

    async with launching(manifest, ledger="cohort.db") as launch:
        async for step in launch.steps():
            print(step.entry.id, step.kind)
        ended = await launch.wait()
    """
    async with (
        Session(ledger, target=target, rate=rate) as session,
        session.launching(
            manifest, limits=limits, changed=changed, deadline=deadline, batch_settings=batch_settings
        ) as launch,
    ):
        yield launch
