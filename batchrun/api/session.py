"""
One ledger and one way to the service, for a launch or several, and the order in which things are opened.

Belongs here: opening and closing: service, ledger, lease, manifest. Does not: the launch (``launch``).
"""

from __future__ import annotations

import os
import random
import socket
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from datetime import timedelta
from typing import TYPE_CHECKING, Final, Self

import anyio

from batchrun import points
from batchrun.api.changes import changes
from batchrun.api.launch import Audience, Launch, under_way
from batchrun.api.namesakes import mistaken
from batchrun.api.own_sheets import OwnSheetsWritten
from batchrun.api.region import is_configured
from batchrun.clock import Clock, SystemClock
from batchrun.engine.launcher import Launcher, Timing
from batchrun.engine.recognition import Recognition
from batchrun.errors import ChangedRowsError, CredentialsError, ServiceUnusableError, UsageError
from batchrun.ledger import is_there, open_ledger
from batchrun.model.limits import Changed, Limits, Mode
from batchrun.model.pace import AUTO, Rate
from batchrun.points import Point
from batchrun.ports.stored import Sync
from batchrun.service.target import Target

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable
    from pathlib import Path
    from types import TracebackType

    from batchrun.api.objects import OneLogin
    from batchrun.manifest import Manifest
    from batchrun.ports.batch import HeldBatch
    from batchrun.ports.ledger import Ledger
    from batchrun.ports.stored import Batch
    from batchrun.service.client import AwsHealthOmics

    Prepare = Callable[[str], Awaitable[None]]

#: Seconds that giving a batch free may take when the launch was told to end.
_LAST_THINGS: Final = 60.0
#: Changed rows of which it is told what changed.
_EXPLAINED: Final = 5
_ANY_LIMITS: Final = Limits()
_CONFIGURED: Final = Target()


class Session:
    """
    A ledger and a connection that several launches share, their pace included; use it with ``async with``.

    Neither is opened before it is needed: a batch that has ended is told without credentials and network, and
    a service that cannot be used leaves no ledger behind.
    """

    def __init__(
        self,
        ledger: str | Path,
        *,
        target: Target = _CONFIGURED,
        rate: Rate = AUTO,
        read_rate: Rate = AUTO,
        credentials_wait: float = 900.0,
        clock: Clock | None = None,
        login: OneLogin | None = None,
    ) -> None:
        """
        Say where and how; nothing is opened yet.

        Args:
            ledger: A SQLite file; made when a batch is first taken in.
            target: Which HealthOmics, as the AWS configuration says unless it says otherwise.
            rate: StartRun calls per second.
            read_rate: Calls per second of each other operation.
            credentials_wait: Seconds to wait for credentials to come back once a call was accepted.
            clock: The time; the machine's own unless another is given.
            login: One of *target* that others use too; one of its own unless another is given.
        """
        self._path = ledger
        self._target = target
        self._rate = rate
        self._read_rate = read_rate
        self._credentials_wait = credentials_wait
        self._login = login
        self._clock = clock or SystemClock()
        self._stack = AsyncExitStack()
        self._one_at_a_time = anyio.Lock()
        self._ledger: Ledger | None = None
        self._connection: AwsHealthOmics | None = None

    async def ledger(self) -> Ledger:
        """
        Return the ledger, opened and made where need be.

        Raises:
            LedgerUnusableError: It cannot be; says why, and what to do.
        """
        async with self._one_at_a_time:
            if self._ledger is None:
                self._ledger = await self._stack.enter_async_context(await open_ledger(self._path))
            return self._ledger

    async def service(self, *, waits: bool = True) -> AwsHealthOmics:
        """
        Return the service to one more launch, connected where need be.

        Args:
            waits: Whether the launch waits for credentials that were good and are not any more.

        Raises:
            UsageError: No region or no such profile.
            ServiceUnusableError: No credentials.
        """
        # Only now: to import the client takes longer than to tell a batch again that has ended.
        from batchrun.service.client import connect  # noqa: PLC0415
        from batchrun.service.outage import Patience  # noqa: PLC0415

        async with self._one_at_a_time:
            if self._connection is None:
                connecting = connect(
                    self._target,
                    rate=self._rate,
                    read_rate=self._read_rate,
                    clock=self._clock,
                    rng=random.Random(),  # noqa: S311 (jitter is no secret)
                    patience=Patience(credentials=self._credentials_wait),
                    login=None if self._login is None else self._login.get(),
                )
                self._connection = await self._stack.enter_async_context(connecting)
            return self._connection.apart(waits=waits)

    async def service_of(self, batch: Batch) -> AwsHealthOmics:
        """
        Return the service that has the runs of *batch*, connected where need be.

        Raises:
            UsageError: The batch's runs are elsewhere; or no region or no such profile.
            ServiceUnusableError: No credentials; or the account is not known, and the service knows no run.
        """
        service = await self.service()
        await _ask_account(service)
        check_ours(batch, service)
        await Recognition((await self.ledger()).batch(batch.name), service).begin(is_active=False)
        return service

    async def check_account(self, batch: Batch) -> None:
        """
        Raise UsageError where the batch's runs are elsewhere, as far as anybody can say.

        For verbs that call nobody, or may have it done by another launcher.
        """
        with suppress(ServiceUnusableError):
            service = await self.service()
            await _ask_account(service)
            check_ours(batch, service)

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
        ttl = timedelta(seconds=lease)
        if is_there(self._path) and (why := await mistaken(await self.ledger(), manifest)):
            raise UsageError(why)
        has_ended = await self._has_ended(manifest)
        waits = limits.mode is not Mode.ONCE
        service = None if has_ended else await self.service(waits=waits)
        await self.ledger()
        if service is not None:
            points.reached(Point.LEDGER_OPENED)
            await self.open_batch(manifest.batch, service)
        async with self.holding(manifest.batch, ttl) as held:
            points.reached(Point.CLAIMED)
            recognition = None if service is None else await self._recognised(held, service)
            sync = await self._taken_in(held, manifest, changed)
            points.reached(Point.SYNCED)
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
        now, place = self._clock.utcnow(), manifest.place
        try:
            return await held.sync(manifest.specs(), changed=changed, at=now, place=place)
        except ChangedRowsError as error:
            what = await changes(held, manifest, error.ids[:_EXPLAINED])
            raise ChangedRowsError(error.ids, error.total, what) from None

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

    @asynccontextmanager
    async def holding(self, batch: str, ttl: timedelta) -> AsyncIterator[HeldBatch]:
        """
        Hold a batch that the ledger has, and return it free at the end.

        Raises:
            LeaseHeldError: Another launcher holds it.
        """
        holder = f"{socket.gethostname()}:{os.getpid()}"
        ledger = await self.ledger()
        held = await ledger.hold(batch, holder=holder, ttl=ttl, at=self._clock.utcnow())
        try:
            yield held
        finally:
            with anyio.move_on_after(_LAST_THINGS, shield=True):
                points.reached(Point.RELEASING)
                await held.release()

    async def _has_ended(self, manifest: Manifest) -> bool:
        """Report whether there is nothing to do, or to complain of, as far as the ledger alone can say."""
        if not is_there(self._path):
            return False
        ledger = await self.ledger()
        batch = await ledger.find_batch(manifest.batch)
        if batch is None or (await ledger.batch(batch.name).counts()).open:
            return False
        if not is_configured(batch.region, self._target):
            return False
        found = await ledger.batch(batch.name).compare(manifest.specs())
        return not (found.new or found.changed)

    async def open_batch(self, name: str, service: AwsHealthOmics) -> Batch:
        """
        Return the batch, made where need be, whose runs *service* has.

        Raises:
            UsageError: Its runs are elsewhere.
            ServiceUnusableError: The credentials are not those that were in use before.
        """
        ledger, region = await self.ledger(), service.region
        account = await _ask_account(service)
        batch = await ledger.open_batch(name, region=region, account=account, at=self._clock.utcnow())
        check_ours(batch, service)
        return batch

    @staticmethod
    async def _recognised(held: HeldBatch, service: AwsHealthOmics) -> Recognition:
        """Where nobody knows the account, see that the service knows some ACTIVE run, of several."""
        recognition = Recognition(held, service)
        await recognition.begin(is_active=True)
        return recognition

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)


async def _ask_account(service: AwsHealthOmics) -> str | None:
    try:
        return await service.ask_account()
    except CredentialsError as error:
        raise ServiceUnusableError(error.message) from error


def check_ours(batch: Batch, service: AwsHealthOmics) -> None:
    """
    See that the batch's runs are where *service* looks, whose account was asked for.

    Raises:
        UsageError: They are in another region or account.
    """
    if batch.region != service.region:
        raise UsageError(
            f"batch '{batch.name}' has its runs in {batch.region}, but the region is {service.region}; "
            f"give --region {batch.region}, or another --batch"
        )
    if batch.account is not None and service.number not in {None, batch.account}:
        raise UsageError(
            f"batch '{batch.name}' has its runs in account {batch.account}, but {service.login.place} is of "
            f"account {service.number}; give a --profile of account {batch.account}, or another --batch"
        )
    service.expect(batch.account)


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
