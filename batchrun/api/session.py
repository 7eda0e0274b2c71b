"""Launches that share one ledger and one connection to the service, and the steps to start each.

Does not belong here: opening ledger and service (``opening``), the launch itself (``launch``).
"""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Collection, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Final

from batchrun import points
from batchrun.api.engines import places_of, settled
from batchrun.api.lanes import OpenLanes, find_home, kept, lanes_named, linked, missing, opened
from batchrun.api.launch import Audience, Launch, under_way
from batchrun.api.namesakes import changes, mistaken
from batchrun.api.opening import Opening
from batchrun.api.waking import queues_of, waking
from batchrun.engine.launcher import Launcher, Timing
from batchrun.engine.parts import LaneLink, LaunchParts, Prepare, WakeLink
from batchrun.engine.reach import Reach
from batchrun.errors import BatchClosedError, ChangedRowsError, ServiceUnusableError, UsageError
from batchrun.manifest import Manifest
from batchrun.model.entries.contents import LANES_AGAIN, lane_cure
from batchrun.model.entries.states import HOLDS_SLOT
from batchrun.model.lanes import Lane
from batchrun.model.paces.rates import AUTO, Rate
from batchrun.model.planning.limits import Changed, Limits, Mode
from batchrun.model.submissions.grouping import Engine
from batchrun.points import Point
from batchrun.ports.held import HeldBatch
from batchrun.ports.objects import SettingsPlace
from batchrun.ports.stored import LONGEST_LEASE, Batch, Sync
from batchrun.service.target import CONFIGURED, Target

if TYPE_CHECKING:
    from batchrun.service.client import AwsHealthOmics

#: Changed rows whose differences are named.
_EXPLAINED: Final = 5
#: Cancellations that are read at once.
_PAGE: Final = 1000
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
        wake: Sequence[str] = (),
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
        limits = settled(limits, manifest, batch_settings)
        places = self._settings_places(manifest, limits, batch_settings)
        ttl, waits = min(timedelta(seconds=lease), LONGEST_LEASE), limits.mode is not Mode.ONCE
        has_ended = await self._has_ended(manifest, is_repeated=changed is Changed.RESUBMIT)
        lanes = None if has_ended else await self._opened(manifest, waits=waits)
        async with self.holding(manifest.batch, ttl) as held:
            links: Sequence[LaneLink] = []
            sync = None if lanes is not None else await self._found_known(held, manifest)
            # Open rows: one that had left the manifest unsent may be back.
            if sync is None or (await held.counts()).open:
                lanes = lanes or await self._opened(manifest, waits=waits)
                links = await self._linked(lanes, held, places)
            if sync is None:
                sync = await self._taken_in(held, manifest, changed, None if lanes is None else lanes.home)
            own = replace(limits, retry=limits.retry.over(manifest.retry), changed=changed)
            timing = Timing(lease=ttl, deadline=deadline)
            queues = queues_of(manifest, links, wake, limits.mode)
            async with self._preparing(manifest) as prepare, waking(queues, self.login, self._clock) as wakes:
                launch = await self._launch(lanes, links, held, sync, own, timing, prepare, wakes)
                async with under_way(launch):
                    yield launch

    async def _opened(self, manifest: Manifest, *, waits: bool, is_whole: bool = False) -> OpenLanes:
        """Connect to the manifest's lanes, and create the batch if necessary.

        Lanes that no row needs are left out, unless *is_whole*: a shared table of lanes may name accounts for
        which the user has no login.
        """
        if not manifest.lanes:
            service = await self.service(waits=waits)
            await self._open_without_lanes(manifest.batch, service)
            return OpenLanes(services={None: service})
        names = {lane.name for lane in manifest.lanes}
        needed = names if is_whole else manifest.taken | await self._lanes_kept(manifest.batch)
        lanes = manifest.lanes
        return await self._open_lanes(manifest.batch, lanes, needed or {lanes[0].name}, waits=waits)

    async def _open_without_lanes(self, batch: str, service: AwsHealthOmics) -> None:
        try:
            await self.open_batch(batch, service)
        except UsageError as error:
            lanes = sorted(await self._lanes_kept(batch))
            if not lanes:
                raise
            raise UsageError(f"{error}; it was run with lanes ({', '.join(lanes)}): {LANES_AGAIN}") from error

    async def _lanes_kept(self, batch: str) -> frozenset[str]:
        """Return the lanes that the ledger knows of a batch."""
        if not self.has_ledger:
            return frozenset()
        return frozenset(place.name for place in await (await self.ledger()).batch(batch).lanes())

    async def _open_lanes(
        self, batch: str, all_lanes: Sequence[Lane], needed: Collection[str], *, waits: bool
    ) -> OpenLanes:
        """Connect to the lanes that rows need, and to those that may have runs from before the lanes."""
        before = await (await self.ledger()).find_batch(batch) if self.has_ledger else None
        asked = [
            lane
            for lane in all_lanes
            if lane.name in needed or (before is not None and self._region(lane) == before.region)
        ]
        unwanted = {lane.name for lane in asked} - {*needed}
        lanes = await opened(asked, lambda lane: self.service(lane=lane, waits=waits), unwanted=unwanted)
        ledger, first = await self.ledger(), lanes.first
        known, stored = await ledger.find_batch(batch), ledger.batch(batch)
        await find_home(lanes, asked, known, stored)
        if known is None:
            points.reached(Point.LEDGER_OPENED)
            at, account = self._clock.utcnow(), first.number
            await ledger.open_batch(batch, region=first.region, account=account, at=at)
        return lanes

    def _region(self, lane: Lane) -> str | None:
        """Return a lane's region by its own setting or its profile's, or None. Nothing is called."""
        try:
            return self.login(lane).region
        except UsageError:  # there is no such profile
            return None

    async def _linked(
        self, lanes: OpenLanes, held: HeldBatch, places: Mapping[str | None, SettingsPlace] = _NO_PLACES
    ) -> Sequence[LaneLink]:
        await kept(lanes, held, self._clock.utcnow())
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
                store=S3SettingsStore(self.login(lanes.get(name)), self.patience, self._clock), prefix=prefix
            )
            for name, prefix in places_of(manifest, batch_settings).items()
        }

    async def _found_known(self, held: HeldBatch, manifest: Manifest) -> Sync | None:
        """Take in a manifest without new or changed rows; None if it has some, and needs the service."""
        points.reached(Point.CLAIMED)
        at, place, files = self._clock.utcnow(), manifest.place, manifest.taken_from
        sync = await held.sync_if_known(manifest.specs(), at=at, place=place, taken_from=files)
        if sync is not None:
            points.reached(Point.SYNCED)
        return sync

    async def _taken_in(
        self, held: HeldBatch, manifest: Manifest, changed: Changed, home: str | None
    ) -> Sync:
        points.reached(Point.CLAIMED)
        at, place, files = self._clock.utcnow(), manifest.place, manifest.taken_from
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
                    sheet_writer(self.login(lane), self.patience, self._clock)
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
        lanes = await self._opened(manifest, waits=True, is_whole=True)
        async with self.holding(manifest.batch, lease) as held:
            await kept(lanes, held, self._clock.utcnow())
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
        ttl = min(timedelta(seconds=lease), LONGEST_LEASE)
        known = await (await self.ledger()).find_batch(batch)
        lanes = () if known is None else await self._lanes_of_cancelled(known)
        if lanes:
            names = [lane.name for lane in lanes]
            open_lanes = await self._open_lanes(batch, lanes, names, waits=True)
        else:
            service = await self.service()
            await self.open_batch(batch, service)
            open_lanes = OpenLanes(services={None: service})
        async with self.holding(batch, ttl) as held:
            links = await self._linked(open_lanes, held)
            only = replace(limits, mode=Mode.CANCEL)
            launch = await self._launch(open_lanes, links, held, Sync(), only, Timing(lease=ttl))
            async with under_way(launch):
                yield launch

    async def _lanes_of_cancelled(self, batch: Batch) -> Sequence[Lane]:
        """Return the lanes with runs to be cancelled; all if there are none, or some from before them."""
        lanes, names, after = await self.lanes_of(batch), set[str | None](), -1
        stored = (await self.ledger()).batch(batch.name)
        while page := await stored.cancellations(limit=_PAGE, after=after):
            names |= {one.entry.lane for one in page if one.entry.state in HOLDS_SLOT}
            after = page[-1].entry.position
        return lanes_named(lanes, names)

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
                clock=self._clock,
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
