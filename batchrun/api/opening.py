"""One ledger and one connection to the service, opened on first use, and checks of a batch's account.

Belongs here: opening and closing both, holding and releasing batches (nobody else does), and how a batch's
lanes are reached, by --lanes or its manifest. Does not: a launch (``session``), a ledger that is only read
(``reading``).
"""

from __future__ import annotations

import os
import random
import socket
from collections import defaultdict
from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Final, Self

import anyio

from batchrun import points
from batchrun.api.given import check_kind, check_loop, check_rate
from batchrun.api.lanes import find_home, has_runs, held_against, lanes_named, opened
from batchrun.api.objects import OneLogin
from batchrun.clock import Clock, SystemClock
from batchrun.engine.reach import Reach
from batchrun.errors import CredentialsError, InvariantError, ManifestError, ServiceUnusableError, UsageError
from batchrun.ledger import LedgerPlace
from batchrun.model.lanes import Lane
from batchrun.model.paces.rates import AUTO, Rate
from batchrun.points import Point
from batchrun.ports.held import HeldBatch
from batchrun.ports.ledger import Ledger
from batchrun.ports.objects import Objects
from batchrun.ports.stored import Batch
from batchrun.service.target import CONFIGURED, Target, target_of

if TYPE_CHECKING:
    from batchrun.service.calling.outage import Patience
    from batchrun.service.client import AwsHealthOmics
    from batchrun.service.login import Login

#: Seconds that releasing a batch may take when the launch was told to stop.
_LAST_THINGS: Final = 60.0


class Opening:
    """A ledger and a connection shared by all parts of one command; use it with ``async with``.

    Neither is opened before it is needed: a batch that has ended is reported without credentials or network,
    and no ledger is created if the service cannot be used.
    """

    def __init__(  # noqa: PLR0913 (where and how, each by its name)
        self,
        ledger: str | Path | None,
        *,
        target: Target = CONFIGURED,
        rate: Rate = AUTO,
        read_rate: Rate = AUTO,
        credentials_wait: float = 900.0,
        clock: Clock | None = None,
        login: OneLogin | None = None,
        lanes: str | None = None,
        objects: Objects | None = None,
    ) -> None:
        """Take the settings; nothing is opened yet.

        Args:
            ledger: A SQLite file, created for the first batch; None if only the service is called.
            target: Overrides for the AWS configuration.
            rate: StartRun calls per second.
            read_rate: Calls per second of each other operation.
            credentials_wait: Seconds to wait for working credentials after a call was accepted.
            clock: By default the machine's own.
            login: A shared login, whose target is used; by default one of its own.
            lanes: A file of lanes; without it the manifests of batches with lanes are read again.
            objects: Reads from S3.
        """
        check_kind("target", target, Target, "a Target, such as Target(profile='lab')")
        check_rate("rate", rate)
        check_rate("read_rate", read_rate)
        self._place = None if ledger is None else LedgerPlace(ledger)
        self._rate = rate
        self._read_rate = read_rate
        self._credentials_wait = credentials_wait
        self._login = login or OneLogin(target)
        self._target = self._login.target
        self._lanes = lanes
        self._objects = objects
        self.clock = clock or SystemClock()
        self._stack = AsyncExitStack()
        self._one_at_a_time = anyio.Lock()
        self._ledger: Ledger | None = None
        self._connections: dict[Target, AwsHealthOmics] = {}
        self._connecting: defaultdict[Target, anyio.Lock] = defaultdict(anyio.Lock)

    @property
    def patience(self) -> Patience:
        """How long to wait for the service and for credentials."""
        from batchrun.service.calling.outage import Patience  # noqa: PLC0415 (as in service)

        return Patience(credentials=self._credentials_wait)

    @property
    def has_ledger(self) -> bool:
        """Whether there is a ledger already. Raises LedgerUnusableError if there cannot be one."""
        return self._place is not None and self._place.is_there()

    async def found_ledger(self) -> Ledger:
        """Return the existing ledger. Raises UsageError without one, LedgerUnusableError for a bad one."""
        if not self.has_ledger:
            raise UsageError(f"no ledger at {self._place}; give --ledger or run a batch first")
        return await self.ledger()

    async def ledger(self) -> Ledger:
        """Return the ledger, created if necessary. Raises LedgerUnusableError with what to do."""
        async with self._one_at_a_time:
            if self._ledger is None:
                if self._place is None:
                    raise InvariantError("a ledger was asked for where there is none")
                self._ledger = await self._stack.enter_async_context(await self._place.open())
            return self._ledger

    def login(self, lane: Lane | None = None) -> Login:
        """Return the login of a lane, or of the command; logins with the same source share credentials."""
        own = self._login.get()
        return own if lane is None else own.beside(target_of(lane, self._target))

    async def service(self, *, lane: Lane | None = None, waits: bool = True) -> AwsHealthOmics:
        """Return the service of a lane, or as configured, for a launch, connecting if necessary.

        *waits* says whether the launch waits for credentials that have expired.

        Raises:
            UsageError: No region or no such profile.
            ServiceUnusableError: No credentials.
        """
        # Only now: importing the client takes longer than reporting a batch that has ended.
        from batchrun.api.logs import lead_to_logging  # noqa: PLC0415
        from batchrun.service.client import connect  # noqa: PLC0415

        lead_to_logging()
        login = self.login(lane)
        target = login.target
        # A lock for each lane: one with a slow login helper holds up no other.
        async with self._connecting[target]:
            if target not in self._connections:
                connecting = connect(
                    target,
                    rate=self._rate if lane is None or lane.rate is None else lane.rate,
                    read_rate=self._read_rate if lane is None or lane.read_rate is None else lane.read_rate,
                    clock=self.clock,
                    rng=random.Random(),  # noqa: S311 (jitter is no secret)
                    patience=self.patience,
                    login=login,
                )
                self._connections[target] = await self._stack.enter_async_context(connecting)
            return self._connections[target].apart(waits=waits)

    async def service_of(self, batch: Batch) -> AwsHealthOmics:
        """Return the service that has the runs of *batch*, connecting if necessary.

        Raises:
            UsageError: The batch's runs are elsewhere; or no region or no such profile.
            ServiceUnusableError: No credentials; or the account is unknown, and the service knows no run.
        """
        from batchrun.engine.recognition import Recognition  # noqa: PLC0415 (as in service)

        service = await self.service()
        await _ask_account(service)
        check_ours(batch, service)
        await Recognition((await self.ledger()).batch(batch.name), service).begin(is_active=False)
        return service

    async def lanes_of(self, batch: Batch) -> Sequence[Lane]:
        """Return the lanes of a batch.

        Raises UsageError if neither --lanes nor its manifest has them; those that nothing was sent to may be
        left out.
        """
        stored = (await self.ledger()).batch(batch.name)
        places = {place.name for place in await stored.lanes()}
        if not places:
            return ()
        asked = _read(batch, self._lanes, self._objects)
        left_out = sorted(places - {lane.name for lane in asked})
        if missing := [name for name in left_out if await has_runs(stored, name)]:
            raise UsageError(
                f"batch '{batch.name}' has runs in {_named(missing)}, and {self._lanes or batch.place} does "
                "not say how to reach them; give --lanes FILE that does"
            )
        return [lane for lane in asked if lane.name in places]

    async def reach_of(self, batch: Batch, of: Collection[str | None] = frozenset({None})) -> Reach:
        """Return access to the runs of *batch* in the lanes *of* them; raises as :meth:`service_of` does.

        None among these, or the default, is a run from before the batch had lanes, for which all are needed.
        """
        lanes = lanes_named(await self.lanes_of(batch), of)
        if not lanes:
            return Reach(services={None: await self.service_of(batch)})
        stored = (await self.ledger()).batch(batch.name)
        found = await opened(lanes, lambda lane: self.service(lane=lane))
        await find_home(found, lanes, batch, stored)
        held_against(found, await stored.lanes())
        return Reach(services=found.services, home=found.home, stopped=found.stopped)

    async def check_account(self, batch: Batch) -> None:
        """Raise UsageError if the batch's runs are known to be in another account or region.

        For verbs that may call nothing, or leave calls to a launcher. Lanes are checked when they are used.
        """
        if await (await self.ledger()).batch(batch.name).lanes():
            return
        with suppress(ServiceUnusableError):
            service = await self.service()
            await _ask_account(service)
            check_ours(batch, service)

    async def open_batch(self, name: str, service: AwsHealthOmics) -> Batch:
        """Return the batch, created if necessary, whose runs *service* has.

        Raises:
            UsageError: Its runs are elsewhere.
            ServiceUnusableError: The credentials are not those that were in use before.
        """
        ledger, region = await self.ledger(), service.region
        points.reached(Point.LEDGER_OPENED)
        account = await _ask_account(service)
        at = self.clock.utcnow()
        batch = await ledger.open_batch(name, region=region, account=account, holder=_holder(), at=at)
        check_ours(batch, service)
        return batch

    @asynccontextmanager
    async def holding(self, batch: str, ttl: timedelta) -> AsyncIterator[HeldBatch]:
        """Hold a batch that the ledger has. Raises LeaseHeldError if another launcher holds it."""
        from batchrun.api.logs import lead_to_logging  # noqa: PLC0415 (as in service)

        lead_to_logging()
        ledger = await self.ledger()
        held = await ledger.hold(batch, holder=_holder(), ttl=ttl, at=self.clock.utcnow())
        try:
            yield held
        finally:
            with anyio.move_on_after(_LAST_THINGS, shield=True):
                points.reached(Point.RELEASING)
                await held.release()

    async def __aenter__(self) -> Self:
        check_loop()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.__aexit__(kind, error, trace)


def _holder() -> str:
    """Return what this launcher is called in a ledger."""
    return f"{socket.gethostname()}:{os.getpid()}"


async def _ask_account(service: AwsHealthOmics) -> str | None:
    try:
        return await service.ask_account()
    except CredentialsError as error:
        raise ServiceUnusableError(error.message) from error


def check_ours(batch: Batch, service: AwsHealthOmics) -> None:
    """Raise UsageError if the batch's runs are in another region or account than *service*."""
    if batch.region != service.region:
        raise UsageError(
            f"batch '{batch.name}' has its runs in {batch.region}, but the region is {service.region}; "
            f"give --region {batch.region}, or another --batch"
        )
    if batch.account is not None and service.number not in {None, batch.account}:
        whose, cure = service.login.place, f"give a --profile of account {batch.account}"
        if service.login.is_nobodys:
            whose, cure = f"the local service at {service.endpoint}", "call the one with them"
        raise UsageError(
            f"batch '{batch.name}' has its runs in account {batch.account}, but {whose} is of account "
            f"{service.number}; {cure}, or another --batch"
        )
    service.expect(batch.account)


def _read(batch: Batch, file: str | None, objects: Objects | None) -> Sequence[Lane]:
    from batchrun.manifest import Source  # noqa: PLC0415 (loads botocore)
    from batchrun.manifest.lanes.table import lanes_to_use  # noqa: PLC0415
    from batchrun.manifest.load import lanes_of as lanes_of_manifest  # noqa: PLC0415

    if file is not None:
        return lanes_to_use(file, objects)
    why = "its manifest is not known"
    if batch.place is not None:
        try:
            return lanes_of_manifest(Source(path=batch.place), objects=objects)
        except ManifestError as error:
            first = error.problems[0]
            why = str(first).removesuffix(f"; {first.cure}")  # which is another where the batch is not run
    raise UsageError(f"batch '{batch.name}' has lanes, and {why}; give --lanes FILE that has them")


def _named(lanes: Sequence[str]) -> str:
    return f"lane {lanes[0]}" if len(lanes) == 1 else f"lanes {', '.join(lanes)}"
